/* The checks of a plan that look at more than one task; see plan_check.h. Tasks number at most
 * PLAN_TASKS_MAX, so pairs are simply compared and the search for cycles may recurse. A task whose
 * branch is missing has been reported already and is passed over. */
#include "work/plan_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

/* Whether refs/heads/<a> would be a folder of refs/heads/<b>. */
static bool is_folder_of(const char *a, const char *b)
{
	size_t len = strlen(a);
	return strncmp(a, b, len) == 0 && b[len] == '/';
}

static void check_against_target(struct plan_draft *d, size_t i)
{
	const char *branch = d->plan.tasks[i].branch, *target = d->plan.into;
	if (!target)
		return;
	if (strcmp(branch, target) == 0)
		yaml_problem_at(&d->report, d->tasks[i].node, "branch", "'%s' is the target branch itself",
				branch);
	else if (is_folder_of(branch, target) || is_folder_of(target, branch))
		yaml_problem_at(&d->report, d->tasks[i].node, "branch",
				"git cannot have '%s' beside the target '%s'", branch, target);
}

static void check_against_task(struct plan_draft *d, size_t i, size_t earlier)
{
	const char *branch = d->plan.tasks[i].branch, *other = d->plan.tasks[earlier].branch;
	const struct yaml_node *node = d->tasks[i].node;
	if (strcmp(branch, other) == 0)
		yaml_problem_at(&d->report, node, "branch", "'%s' is already the branch of tasks[%zu]",
				branch, earlier);
	else if (is_folder_of(branch, other) || is_folder_of(other, branch))
		yaml_problem_at(&d->report, node, "branch", "git cannot have '%s' beside '%s'", branch,
				other);
}

void plan_check_branches(struct plan_draft *d)
{
	for (size_t i = 0; i < d->plan.n_tasks; i++) {
		const char *branch = d->plan.tasks[i].branch;
		autoerror why = {0};
		if (!branch)
			continue;
		if (branch_name_check(branch, &why)) {
			yaml_problem_at(&d->report, d->tasks[i].node, "branch", "%s", why.message);
			continue;
		}
		check_against_target(d, i);
		for (size_t j = 0; j < i; j++)
			if (d->plan.tasks[j].branch)
				check_against_task(d, i, j);
	}
}

/* Beyond what is shown, problems are only counted: to search for near names, or to print a long cycle,
 * thousands of times would keep the daemon busy for seconds. */
static bool only_count(struct plan_draft *d)
{
	bool full = d->report.total >= YAML_PROBLEMS_MAX;
	d->report.total += full;
	return full;
}

/* The YAML of the k-th name of a task's needs, which may be written as a single text. */
static const struct yaml_node *need_node(const struct plan_draft_task *t, size_t k)
{
	const struct yaml_node *needs = yaml_get(t->node, "needs");
	return needs->kind == YAML_SEQUENCE ? needs->items[k] : needs;
}

static void unknown_need(struct plan_draft *d, size_t i, size_t k)
{
	const char *known[PLAN_TASKS_MAX];
	size_t n = 0;
	if (only_count(d))
		return;
	for (size_t j = 0; j < d->plan.n_tasks; j++)
		if (d->plan.tasks[j].branch && j != i)
			known[n++] = d->plan.tasks[j].branch;
	const char *name = d->tasks[i].needs[k], *near = yaml_near(name, known, n);
	yaml_problem(&d->report, need_node(&d->tasks[i], k), "no task has the branch '%.200s'%s%s%s", name,
		     near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static void link_need(struct plan_draft *d, size_t i, size_t k)
{
	struct plan_task *t = &d->plan.tasks[i];
	ptrdiff_t found = plan_file_task(&d->plan, d->tasks[i].needs[k]);
	if (found < 0) {
		unknown_need(d, i, k);
		return;
	}
	for (size_t j = 0; j < t->n_needs; j++)
		if (t->needs[j] == (size_t)found) {
			yaml_problem(&d->report, need_node(&d->tasks[i], k), "'%s' is there twice",
				     d->tasks[i].needs[k]);
			return;
		}
	t->needs[t->n_needs++] = (size_t)found;
}

void plan_link_needs(struct plan_draft *d)
{
	for (size_t i = 0; i < d->plan.n_tasks; i++) {
		char *const *names = d->tasks[i].needs;
		size_t n = 0;
		while (names && names[n])
			n++;
		if (!n)
			continue;
		d->plan.tasks[i].needs = xcalloc(n, sizeof(size_t));
		for (size_t k = 0; k < n; k++)
			link_need(d, i, k);
	}
}

enum mark { UNSEEN = 0, ON_PATH, DONE };

struct search {
	struct plan_draft *draft;
	enum mark mark[PLAN_TASKS_MAX];
	size_t path[PLAN_TASKS_MAX];
	size_t n;
};

/* The path's end needs `again`, which is on the path already: from there on, it is a cycle. */
static void note_cycle(struct search *s, size_t again)
{
	const struct plan_file *plan = &s->draft->plan;
	autostrbuf text = STRBUF_INIT(1 << 16);
	size_t at = 0;
	if (only_count(s->draft))
		return;
	while (s->path[at] != again)
		at++;
	strbuf_addstr(&text, "a cycle: ");
	for (; at < s->n; at++)
		strbuf_addf(&text, "%s -> ", plan->tasks[s->path[at]].branch);
	strbuf_addstr(&text, plan->tasks[again].branch);
	yaml_problem_at(&s->draft->report, s->draft->tasks[again].node, "needs", "%s", strbuf_str(&text));
}

static void visit(struct search *s, size_t i)
{
	const struct plan_task *t = &s->draft->plan.tasks[i];
	s->mark[i] = ON_PATH;
	s->path[s->n++] = i;
	for (size_t k = 0; k < t->n_needs; k++) {
		if (s->mark[t->needs[k]] == ON_PATH)
			note_cycle(s, t->needs[k]);
		else if (s->mark[t->needs[k]] == UNSEEN)
			visit(s, t->needs[k]);
	}
	s->n--;
	s->mark[i] = DONE;
}

void plan_check_cycles(struct plan_draft *d)
{
	struct search s = {.draft = d};
	for (size_t i = 0; i < d->plan.n_tasks; i++)
		if (s.mark[i] == UNSEEN)
			visit(&s, i);
}

void plan_check_starts(struct plan_draft *d)
{
	for (size_t i = 0; i < d->plan.n_tasks; i++) {
		const struct plan_task *t = &d->plan.tasks[i];
		const struct yaml_node *node = d->tasks[i].node;
		const struct yaml_node *needs = yaml_get(node, "needs");
		bool named = !yaml_is_null(needs) && (needs->kind != YAML_SEQUENCE || needs->n);
		if (t->start != PLAN_START_PARALLEL && !named)
			yaml_problem_at(&d->report, node, "start", "'%s' needs a branch in 'needs'",
					plan_start_name((enum plan_start)t->start));
		if (t->start == PLAN_START_STACKED && t->n_needs > 1)
			yaml_problem_at(&d->report, node, "start",
					"'stacked' is cut from one branch, and this needs %zu: use 'after'",
					t->n_needs);
		if (t->start == PLAN_START_AFTER && d->plan.via == PLAN_VIA_NONE)
			yaml_problem_at(
				&d->report, node, "start",
				"'after' waits for a landing, and with land.via 'none' nothing lands");
	}
}
