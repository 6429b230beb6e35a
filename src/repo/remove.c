/* Removing a worktree; see remove.h, and trash.h for what is on disk meanwhile.
 *
 * The point of no return is the phase `removed`, recorded after the second look at the facts. Before
 * it, whoever finds the entry half made puts everything back and begins again; after it, everything
 * that is still to be done (the branch) is done by whoever finds it. */
#include "repo/remove.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/timeval.h"
#include "os/env.h"
#include "os/proc.h"
#include "repo/facts.h"
#include "repo/keep.h"
#include "repo/trash.h"
#include "repo/trash_branch.h"

struct removal {
	struct facts_query q;
	struct facts before;
	struct trash t;
	const char *trash_dir; /* belongs to the arguments */
	bool delete_branch;
	bool waived[FACT_MAX_];
};

#define REMOVAL_INIT ((struct removal){.t = TRASH_INIT})

enum { REASON_MAX = 16 << 10 };

#define LEAVING_LIMIT (15 * USEC_PER_SEC)

static void removal_release(struct removal *m)
{
	facts_query_release(&m->q);
	facts_release(&m->before);
	trash_release(&m->t);
}

static int parse_waive(const json_t *names, struct removal *m, struct error *err)
{
	size_t i;
	const json_t *name;
	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);
		enum fact fact = text ? fact_of(text) : FACT_MAX_;
		if (fact == FACT_MAX_)
			return error_set(err, ERR_INVALID, "there is no fact '%s'", text ? text : "");
		if (!fact_waivable(fact))
			return error_set(err, ERR_REFUSED, "the fact '%s' can't be waived", text);
		m->waived[fact] = true;
	}
	return 0;
}

static int parse(const json_t *args, struct removal *m, struct error *err)
{
	const char *id = json_str(args, "id");
	autofree char *dir = NULL;
	int r = facts_query_parse(args, &m->q, err);
	if (r == 0)
		r = parse_waive(json_object_get(args, "waive"), m, err);
	if (r)
		return r;
	m->delete_branch = json_bool(args, "delete_branch", false);
	m->trash_dir = json_str(args, "trash_dir");
	if (!id || (m->trash_dir && m->trash_dir[0] != '/') || (m->delete_branch && !m->q.branch))
		return error_set(err, ERR_INVALID,
				 "an id is needed, an absolute trash_dir, and a branch with delete_branch");
	r = trash_place(m->q.path, m->trash_dir, id, &dir, err);
	return r ? r : trash_open(m->q.common_dir, dir, &m->t, err);
}

static void add_reason(struct strbuf *to, const char *text)
{
	strbuf_addf(to, "%s%s", to->len ? "; " : "", text);
}

static json_t *kept(const struct removal *m, const char *reason)
{
	json_t *json = json_pack("{s:b, s:o, s:o}", "removed", 0, "facts", facts_to_json(&m->before),
				 "details", facts_details(&m->before));
	json_set_str(json, "id", m->t.id);
	json_set_str(json, "branch", m->q.branch);
	json_set_str(json, "path", m->q.path);
	json_set_str(json, "reason", reason);
	return json;
}

/* Why a branch may not be deleted, besides its facts; NULL if it may. */
static int branch_objection(const struct removal *m, char **ret, struct error *err)
{
	autofree char *user = NULL;
	*ret = NULL;
	if (m->q.target && strcmp(m->q.branch, m->q.target) == 0) {
		*ret = xasprintf("%s is the target branch", m->q.branch);
		return 0;
	}
	int r = branch_user(&m->t.git, m->q.branch, m->q.path, &user, err);
	if (r == 0 && user)
		*ret = xasprintf("the branch %s is in use by %s", m->q.branch, user);
	return r;
}

/* What stands against the removal, "" for nothing. */
static int judge(const struct removal *m, struct strbuf *reason, struct error *err)
{
	for (int i = 0; i < FACT_MAX_; i++) {
		if (!m->before.known[i] || m->before.value[i] == TRUTH_YES || m->waived[i])
			continue;
		/* Not looked at, for the folder is not ours: that says enough. */
		if (!m->before.detail[i] && m->before.value[FACT_OURS] != TRUTH_YES)
			continue;
		const char *name = fact_name((enum fact)i);
		const char *detail =
			m->before.detail[i] ? m->before.detail[i] : truth_name(m->before.value[i]);
		/* The reason names the fact, once. */
		bool named = strncmp(detail, name, strlen(name)) == 0;
		autofree char *text = xasprintf("%s%s%s", named ? "" : name, named ? "" : ": ", detail);
		add_reason(reason, text);
	}
	autofree char *objection = NULL;
	int r = m->delete_branch && !reason->len ? branch_objection(m, &objection, err) : 0;
	if (objection)
		add_reason(reason, objection);
	return r;
}

static int set_inode(json_t *info, const char *key, const char *path, struct error *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	json_object_set_new(info, key, json_integer((json_int_t)st.st_ino));
	return 0;
}

/* The names of waived facts that were unknown: such an entry never goes by itself (W5). */
static json_t *unknown_facts(const struct facts *f)
{
	json_t *list = json_array();
	for (int i = 0; i < FACT_MAX_; i++)
		if (f->known[i] && f->value[i] == TRUTH_UNKNOWN)
			json_array_append_new(list, json_string(fact_name((enum fact)i)));
	return list;
}

static int describe(struct removal *m, struct error *err)
{
	const struct facts *f = &m->before;
	json_t *info = m->t.info, *config = NULL;
	const char *tip = f->tip;
	if (!tip && m->q.branch && f->branch && strcmp(m->q.branch, f->branch) == 0)
		tip = f->head;
	json_object_clear(info);
	json_set_str(info, "worktree", m->q.path);
	json_set_str(info, "git_dir", m->q.git_dir);
	json_set_str(info, "head", f->head);
	json_set_str(info, "head_branch", f->branch);
	json_set_str(info, "branch", m->q.branch);
	json_set_str(info, "branch_tip", tip);
	json_set_str(info, "target", m->q.target);
	json_object_set_new(info, "delete_branch", json_boolean(m->delete_branch));
	json_object_set_new(info, "unknown", unknown_facts(f));
	json_object_set_new(info, "facts", facts_to_json(f));
	json_object_set_new(info, "details", facts_details(f));
	int r = set_inode(info, "tree_inode", m->q.path, err);
	if (r == 0)
		r = set_inode(info, "admin_inode", m->q.git_dir, err);
	if (r == 0 && m->delete_branch)
		r = branch_config_read(&m->t.git, m->q.branch, &config, err);
	if (config)
		json_object_set_new(info, "branch_config", config);
	return r;
}

/* Begins the entry: everything that is needed to get back is on disk before anything moves. */
static int begin(struct removal *m, struct error *err)
{
	autofree char *log = NULL, *oid = NULL;
	if (m->delete_branch)
		log = xasprintf("%s/logs/refs/heads/%s", m->q.common_dir, m->q.branch);
	const struct keep keep = {
		.git = &m->t.git,
		.ref = m->t.ref,
		.admin = m->q.git_dir,
		.branch_log = log,
		.facts = &m->before,
		.branch_tip = m->before.tip,
	};
	int r = trash_create(&m->t, err);
	trash_point("entry created");
	if (r == 0)
		r = trash_clear_locks(&m->t, err);
	if (r == 0)
		r = keep_make(&keep, &oid, err);
	trash_point("objects kept");
	json_set_str(m->t.info, "keep", oid);
	if (r == 0)
		r = trash_set_phase(&m->t, TRASH_REMOVING, err);
	trash_point("removing");
	return r;
}

/* Puts both halves, as far as they are in, back where they were and forgets the entry. ERR_EXISTS:
 * something else took the worktree's place, and nothing changed. */
static int put_back(struct trash *t, struct error *err)
{
	const char *worktree = json_str(t->info, "worktree");
	autofree char *git_dir = NULL;
	int r = trash_has_tree(t) ? trash_tree_out(t, worktree, err) : 0;
	trash_point("tree put back");
	if (r == 0 && trash_has_admin(t))
		r = trash_admin_out(t, worktree, &git_dir, err);
	trash_point("admin put back");
	return r ? r : trash_discard(t, err);
}

/* All is in the trash: whatever fails from here on concerns the branch alone, and is a reason for it to
 * stay, no failure of the removal. */
static json_t *finish(struct trash *t)
{
	bool deleted = false;
	autofree char *reason = NULL;
	autoerror err = {0};
	if (trash_clear_locks(t, &err) || trash_branch_delete(t, &deleted, &reason, &err)) {
		free(reason);
		reason = xasprintf("the branch stays: %s", err.message);
	}
	const char *noted = json_str(t->info, "note");
	json_t *json = json_pack("{s:b, s:o, s:b}", "removed", 1, "trash", trash_describe(t),
				 "branch_deleted", deleted ? 1 : 0);
	json_set_str(json, "id", t->id);
	json_set_str(json, "branch", json_str(t->info, "branch"));
	json_set_str(json, "path", json_str(t->info, "worktree"));
	json_set_str(json, "reason", noted ? noted : reason);
	json_object_set(json, "facts", json_object_get(t->info, "facts"));
	json_object_set(json, "details", json_object_get(t->info, "details"));
	return json;
}

/* It cannot go back: so it goes on, as a removal of the worktree alone. */
static int go_on_without_place(struct trash *t, json_t **ret, struct error *err)
{
	autofree char *note = xasprintf("something else is at %s by now; the worktree is whole in %s",
					json_str(t->info, "worktree"), t->tree);
	int r = trash_take_in(t, err);
	json_set_str(t->info, "note", note);
	json_object_set_new(t->info, "delete_branch", json_false());
	if (r == 0)
		r = trash_set_phase(t, TRASH_REMOVED, err);
	if (r == 0)
		*ret = finish(t);
	return r;
}

/* Puts back what moved; `reason` is why, or NULL when `code` and `err` say it. */
static int undo(struct removal *m, const char *reason, int code, json_t **ret, struct error *err)
{
	autoerror failure = {0};
	int r = put_back(&m->t, &failure);
	if (r == ERR_EXISTS)
		return go_on_without_place(&m->t, ret, err);
	if (r && err) {
		error_release(err);
		*err = failure;
		failure = (struct error){0};
	}
	if (r || !reason)
		return r ? r : code;
	*ret = kept(m, reason);
	return 0;
}

static int move_and_look_again(struct removal *m, json_t **ret, struct error *err)
{
	int r = trash_take_in(&m->t, err);
	if (r)
		return undo(m, NULL, r, ret, err);
	autofacts after = {0};
	autofree char *what = NULL;
	const struct facts_place place = {.tree = m->t.tree, .admin = m->t.admin};
	m->q.compared = m->before.target_commit;
	facts_take(&m->q, &place, FACTS_AGAIN | (m->delete_branch ? FACTS_LANDED : 0), &after);
	trash_point("looked again");
	if (!facts_same(&m->before, &after, &what)) {
		autofree char *reason = xasprintf("it changed while it was removed: %s", what);
		return undo(m, reason, 0, ret, err);
	}
	r = trash_set_phase(&m->t, TRASH_REMOVED, err);
	trash_point("removed");
	if (r)
		return undo(m, NULL, r, ret, err);
	*ret = finish(&m->t);
	return 0;
}

static int remove_by_facts(struct removal *m, json_t **ret, struct error *err)
{
	const struct facts_place place = {.tree = m->q.path, .admin = m->q.git_dir};
	autostrbuf reason = STRBUF_INIT(REASON_MAX);
	facts_take(&m->q, &place, m->delete_branch ? FACTS_LANDED : 0, &m->before);
	int r = judge(m, &reason, err);
	trash_point("looked");
	if (r)
		return r;
	if (reason.len) {
		/* An attempt that was killed at its very beginning left a folder. */
		r = trash_begun(&m->t) ? trash_discard(&m->t, err) : 0;
		if (r == 0)
			*ret = kept(m, strbuf_str(&reason));
		return r;
	}
	r = describe(m, err);
	if (r)
		return r;
	r = begin(m, err);
	if (r)
		return undo(m, NULL, r, ret, err);
	return move_and_look_again(m, ret, err);
}

/* Waits until the processes in a folder that were told to end have done so; what the facts say decides. */
static void wait_for_leavers(const struct removal *m)
{
	usec_t end = os_monotonic() + LEAVING_LIMIT;
	for (usec_t now = os_monotonic(); now < end; now = os_monotonic()) {
		pid_t pid = 0;
		struct proc_stat st;
		autoclose int fd = -1;
		if (proc_uses_dir(m->q.path, m->q.except, m->q.n_except, &pid) != TRUTH_YES)
			return;
		if (proc_stat(pid, &st, NULL) || proc_pidfd(pid, st.start_time, &fd, NULL))
			continue; /* it has ended meanwhile */
		struct pollfd p = {.fd = fd, .events = POLLIN};
		(void)poll(&p, 1, (int)((end - now) / USEC_PER_MSEC) + 1);
	}
}

int repo_remove(const json_t *args, json_t **ret, struct error *err)
{
	_cleanup_(removal_release) struct removal m = REMOVAL_INIT;
	int r = parse(args, &m, err);
	if (r)
		return r;
	if (json_bool(args, "leaving", false))
		wait_for_leavers(&m);
	switch (m.t.phase) {
	case TRASH_REMOVED:
		*ret = finish(&m.t);
		return 0;
	case TRASH_RESTORING:
	case TRASH_PURGING:
		return error_set(err, ERR_CONFLICT, "the trash entry %s is used already", m.t.id);
	case TRASH_REMOVING:
		r = put_back(&m.t, err);
		if (r == ERR_EXISTS)
			return go_on_without_place(&m.t, ret, err);
		if (r)
			return r;
		break;
	case TRASH_NONE:
		break;
	}
	return remove_by_facts(&m, ret, err);
}
