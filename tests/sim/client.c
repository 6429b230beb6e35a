/* Who calls: each client keeps its request until it gives up, and repeats it under the same key when it heard
 * nothing, as the command line does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mesh/identity.h"
#include "session.h"
#include "sim.h"

enum { LOST_PERCENT = 6 };

/* Kept answers live for a day; a client gives up long before. */
#define GIVES_UP_AFTER (20 * USEC_PER_HOUR)

static void chain_of(const struct sim *m, int who, struct proc_chain *ret)
{
	struct proc_chain chain = {.n = 1, .complete = true};
	if (who >= 0) {
		const struct proc *p = &m->world.procs[who];
		chain.at[0] = (struct proc_stat){.pid = (pid_t)p->pid,
						 .ppid = 1,
						 .sid = (pid_t)p->pid,
						 .start_time = (uint64_t)p->start_time,
						 .tty = p->tty,
						 .state = 'S'};
		if (p->parent >= 0) {
			const struct proc *up = &m->world.procs[p->parent];
			chain.at[0].ppid = chain.at[0].sid = (pid_t)up->pid;
			chain.at[0].tty = up->tty;
			chain.at[1] = (struct proc_stat){.pid = (pid_t)up->pid,
							 .ppid = 1,
							 .sid = (pid_t)up->pid,
							 .start_time = (uint64_t)up->start_time,
							 .tty = up->tty,
							 .state = 'S'};
			chain.n = 2;
		}
	} else if (who == WHO_HUMAN) {
		chain.at[0] = (struct proc_stat){
			.pid = 50, .ppid = 1, .sid = 50, .start_time = 1, .tty = 5, .state = 'S'};
	} else {
		chain.n = 2;
		chain.at[0] =
			(struct proc_stat){.pid = 60, .ppid = 61, .sid = 61, .start_time = 2, .state = 'S'};
		chain.at[1] =
			(struct proc_stat){.pid = 61, .ppid = 1, .sid = 61, .start_time = 1, .state = 'S'};
	}
	*ret = chain;
}

void client_identify(struct sim *m, const struct request *r, struct proc_chain *ret_chain,
		     bool *ret_has_chain, struct caller *ret)
{
	int who = r->who;
	struct identity_evidence evidence = {.marked = TRUTH_NO, .leader_start = 1};
	*ret_has_chain = who != WHO_UNKNOWN;
	if (*ret_has_chain)
		chain_of(m, who, ret_chain);
	if (who >= 0) {
		const struct proc *p = &m->world.procs[who];
		evidence.marked = p->kind == PROC_WORKER || p->parent >= 0 ? TRUTH_YES : TRUTH_NO;
		evidence.leader_start = ret_chain->at[ret_chain->n - 1].start_time;
		evidence.session = r->session >= 0 ? m->sessions[r->session].key : NULL;
	}
	identity_resolve(m->store, *ret_has_chain ? ret_chain : NULL, &evidence, ret);
}

static void send_request(struct sim *m, size_t index)
{
	struct request *r = &m->requests[index];
	r->sent++;
	node_add_call(m, index);
}

bool client_request(struct sim *m, int who)
{
	struct request r = {.who = who, .session = session_of(m, who), .first_sent = m->mono};
	(void)snprintf(r.key, sizeof(r.key), "k%zu", m->n_requests);
	if (!ops_choose(m, who, &r))
		return false;
	ARRAY_GROW(m->requests, m->n_requests, m->cap_requests);
	m->requests[m->n_requests] = r;
	autofree char *body = json_text(r.params);
	sim_say(m, "%s by %d: %s %s", r.key, who, r.op->name, body);
	send_request(m, m->n_requests++);
	return true;
}

size_t client_send(struct sim *m, int session, const char *op, json_t *params)
{
	struct request r = {.op = op_find(op),
			    .params = params,
			    .who = (int)m->sessions[session].proc,
			    .session = session,
			    .first_sent = m->mono};
	(void)snprintf(r.key, sizeof(r.key), "k%zu", m->n_requests);
	ARRAY_GROW(m->requests, m->n_requests, m->cap_requests);
	m->requests[m->n_requests] = r;
	autofree char *body = json_text(params);
	sim_say(m, "%s by session %d: %s %s", r.key, session, op, body);
	send_request(m, m->n_requests);
	return m->n_requests++;
}

void client_resend(struct sim *m, size_t request)
{
	sim_say(m, "%s again: %s", m->requests[request].key, m->requests[request].op->name);
	send_request(m, request);
}

static bool may_repeat(const struct sim *m, const struct request *r)
{
	return r->sent > 0 && !(r->op->flags & OP_LOCAL) && r->sent < 4 && (r->op->flags & OP_CHANGES) &&
	       m->mono - r->first_sent < GIVES_UP_AFTER && (r->who < 0 || m->world.procs[r->who].alive);
}

void client_repeat(struct sim *m)
{
	size_t recent = m->n_requests < 40 ? m->n_requests : 40;
	if (!recent)
		return;
	size_t i = m->n_requests - 1 - rng_below(&m->rng, recent);
	/* Mostly those that heard nothing; now and then one whose answer came, or is still to come. */
	const struct request *r = &m->requests[i];
	if (!may_repeat(m, r) || ((r->status || r->waiting) && !rng_chance(&m->rng, 25)))
		return;
	sim_say(m, "%s again: %s", r->key, r->op->name);
	send_request(m, i);
}

void client_hang_up(struct sim *m)
{
	list_for_each_safe (pos, &m->parked) {
		struct call *c = list_entry(pos, struct call, link);
		if (c->unheard || !rng_chance(&m->rng, 30))
			continue;
		struct request *r = &m->requests[c->request];
		sim_say(m, "%s hangs up", r->key);
		r->waiting--;
		link_cut(m, r);
		c->unheard = true;
		if (c->working)
			return; /* its worker holds it */
		list_remove(&c->link);
		call_free(c);
		return;
	}
}

void client_answer(struct sim *m, struct call *c)
{
	struct request *r = &m->requests[c->request];
	autofree char *text = json_text(c->answer);
	if (c->unheard)
		return;
	r->waiting--;
	bool lost = !m->peace && rng_chance(&m->rng, LOST_PERCENT);
	sim_say(m, "  %s is answered%s: %d %s", r->key, lost ? ", unheard" : "", c->status, text);
	if (lost) {
		link_cut(m, r);
		return;
	}
	check_answer(m, r, c->status, c->answer);
	r->status = c->status;
	if (c->status == 200 && !r->answer)
		r->answer = json_incref(c->answer);
}

void client_cut_off(struct sim *m)
{
	for (size_t i = 0; i < m->n_requests; i++)
		m->requests[i].waiting = 0;
}

void client_free(struct sim *m)
{
	for (size_t i = 0; i < m->n_requests; i++) {
		json_decref(m->requests[i].params);
		json_decref(m->requests[i].answer);
	}
	free(m->requests);
}
