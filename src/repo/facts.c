/* Taking facts; see facts.h. The table below says what each fact is called and who finds it out; those
 * that need no git are here, the others in facts_ours.c, facts_git.c and facts_ignored.c.
 *
 * A probe never fails: it answers yes, no or unknown, and everything that goes wrong on the way (a
 * file that cannot be read, git failing, an output beyond its cap) is unknown, which keeps (W4). */
#include "repo/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"
#include "base/timeval.h"
#include "os/env.h"
#include "os/file.h"
#include "repo/facts_probe.h"

enum { DETAIL_MAX = 1024, EXCEPT_MAX = 4096, LINE_MAX_BYTES = 64 << 10 };

static void facts_operation(struct probe *p);
static void facts_process(struct probe *p);
static void facts_lease(struct probe *p);
static void facts_lock(struct probe *p);

static const struct {
	const char *name;
	bool waivable;
	unsigned needs, unless;		/* facts_flags with and without which it is looked at */
	void (*probe)(struct probe *p); /* NULL: another's probe sets it too */
} table[FACT_MAX_] = {
	[FACT_OURS] = {"ours", false, 0, FACTS_AGAIN, facts_ours},
	[FACT_CLEAN] = {"clean", true, 0, 0, facts_status},
	[FACT_UNTRACKED] = {"untracked", true, 0, 0, NULL},
	[FACT_IGNORED] = {"ignored", true, 0, 0, NULL},
	[FACT_REACHABLE] = {"reachable", true, 0, 0, facts_reachable},
	[FACT_LANDED] = {"landed", true, FACTS_LANDED, 0, facts_landed},
	[FACT_OPERATION] = {"operation", true, 0, 0, facts_operation},
	[FACT_STASH] = {"stash", true, 0, 0, facts_stash},
	[FACT_PROCESS] = {"process", true, 0, 0, facts_process},
	[FACT_LEASE] = {"lease", false, 0, 0, facts_lease},
	[FACT_LOCK] = {"lock", true, 0, 0, facts_lock},
};

const char *fact_name(enum fact fact)
{
	return table[fact].name;
}

enum fact fact_of(const char *name)
{
	int i = 0;
	while (i < FACT_MAX_ && strcmp(table[i].name, name) != 0)
		i++;
	return (enum fact)i;
}

bool fact_waivable(enum fact fact)
{
	return table[fact].waivable;
}

void fact_set(struct facts *f, enum fact fact, enum truth value, const char *fmt, ...)
{
	f->value[fact] = value;
	f->known[fact] = true;
	free(f->detail[fact]);
	f->detail[fact] = NULL;
	if (!fmt)
		return;
	autostrbuf text = STRBUF_INIT(1 << 20), shown = STRBUF_INIT(8 << 20);
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	text_escape(strbuf_str(&text), text.len > DETAIL_MAX ? DETAIL_MAX : text.len, false, &shown);
	f->detail[fact] = strbuf_detach(&shown);
}

void fact_unknown(struct facts *f, enum fact fact, const char *what, const struct error *err)
{
	fact_set(f, fact, TRUTH_UNKNOWN, "%s: %s", what, err->message ? err->message : "no reason given");
}

int facts_read_line(const char *path, char **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(LINE_MAX_BYTES);
	int r = file_read(path, &text, err);
	if (r)
		return r;
	const char *s = strbuf_str(&text);
	*ret = xstrndup(s, strcspn(s, "\r\n"));
	return 0;
}

/* What in the admin folder says that an operation is in progress, or may be. */
static const struct {
	const char *file;
	enum truth value;
	const char *what;
} operations[] = {
	{"rebase-merge", TRUTH_NO, "a rebase is in progress"},
	{"rebase-apply", TRUTH_NO, "a rebase or git am is in progress"},
	{"MERGE_HEAD", TRUTH_NO, "a merge is in progress"},
	{"MERGE_AUTOSTASH", TRUTH_NO, "an autostash of a merge waits"},
	{"CHERRY_PICK_HEAD", TRUTH_NO, "a cherry-pick is in progress"},
	{"REVERT_HEAD", TRUTH_NO, "a revert is in progress"},
	{"sequencer", TRUTH_NO, "a series of cherry-picks or reverts is in progress"},
	{"BISECT_START", TRUTH_NO, "a bisect is in progress"},
	{"BISECT_LOG", TRUTH_NO, "a bisect is in progress"},
	{"index.lock", TRUTH_UNKNOWN, "a git command is at work in it, or was killed"},
	{"HEAD.lock", TRUTH_UNKNOWN, "a git command is at work in it, or was killed"},
};

static void facts_operation(struct probe *p)
{
	fact_set(p->f, FACT_OPERATION, TRUTH_YES, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		autofree char *path = path_join(p->at.admin, operations[i].file);
		struct stat st;
		if (lstat(path, &st) == 0) {
			fact_set(p->f, FACT_OPERATION, operations[i].value, "%s (%s)", operations[i].what,
				 operations[i].file);
			return;
		}
		if (errno != ENOENT) {
			fact_set(p->f, FACT_OPERATION, TRUTH_UNKNOWN, "%s: %s", path, strerror(errno));
			return;
		}
	}
}

static void facts_process(struct probe *p)
{
	pid_t pid = 0;
	switch (proc_uses_dir(p->at.tree, p->q->except, p->q->n_except, &pid)) {
	case TRUTH_NO:
		fact_set(p->f, FACT_PROCESS, TRUTH_YES, NULL);
		break;
	case TRUTH_YES:
		fact_set(p->f, FACT_PROCESS, TRUTH_NO, "process %d is in it", (int)pid);
		break;
	case TRUTH_UNKNOWN:
		if (pid)
			fact_set(p->f, FACT_PROCESS, TRUTH_UNKNOWN,
				 "process %d may be in it, and can't be looked at", (int)pid);
		else
			fact_set(p->f, FACT_PROCESS, TRUTH_UNKNOWN, "processes could not be looked at");
		break;
	}
}

static void facts_lease(struct probe *p)
{
	const json_t *first = json_array_get(p->q->leases, 0);
	if (!first)
		fact_set(p->f, FACT_LEASE, TRUTH_YES, NULL);
	else
		fact_set(p->f, FACT_LEASE, TRUTH_NO, "leased: %s",
			 json_is_string(first) ? json_string_value(first) : "by somebody");
}

/* The value of "KEY=" among the words of a lock's reason; false when it is not there. */
static bool lock_word(const char *reason, const char *key, char **ret)
{
	size_t len = strlen(key);
	for (const char *at = reason; at; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			*ret = xstrndup(at + len + 1, strcspn(at + len + 1, " "));
			return true;
		}
	}
	return false;
}

/* Whether the process that a reason of ours names lives; unknown when it does not say it well. */
static enum truth lock_holder_lives(const char *reason)
{
	autofree char *boot = NULL, *pid_text = NULL, *start_text = NULL;
	int64_t pid, start;
	if (!lock_word(reason, "boot", &boot) || !lock_word(reason, "pid", &pid_text) ||
	    !lock_word(reason, "start", &start_text) || number_parse(pid_text, 1, INT32_MAX, &pid, NULL) ||
	    number_parse(start_text, 0, INT64_MAX, &start, NULL))
		return TRUTH_UNKNOWN;
	if (strcmp(boot, os_env_real()->boot_id) != 0)
		return TRUTH_NO;
	return proc_alive((pid_t)pid, (uint64_t)start);
}

static void facts_lock(struct probe *p)
{
	autofree char *path = path_join(p->at.admin, "locked"), *reason = NULL;
	autoerror err = {0};
	int r = facts_read_line(path, &reason, &err);
	if (r == ERR_NOT_FOUND)
		fact_set(p->f, FACT_LOCK, TRUTH_YES, NULL);
	else if (r)
		fact_unknown(p->f, FACT_LOCK, "its lock", &err);
	else if (strncmp(reason, "coppice ", 8) != 0)
		fact_set(p->f, FACT_LOCK, TRUTH_NO, "locked%s%s", *reason ? ": " : "", reason);
	else
		switch (lock_holder_lives(reason)) {
		case TRUTH_NO:
			fact_set(p->f, FACT_LOCK, TRUTH_YES, "void, its process is gone: %s", reason);
			break;
		case TRUTH_YES:
			fact_set(p->f, FACT_LOCK, TRUTH_NO, "in use: %s", reason);
			break;
		case TRUTH_UNKNOWN:
			fact_set(p->f, FACT_LOCK, TRUTH_UNKNOWN, "locked, perhaps in use: %s", reason);
			break;
		}
}

void facts_query_release(struct facts_query *q)
{
	free(q->except);
	*q = (struct facts_query){0};
}

static int parse_except(const json_t *pids, struct facts_query *q, struct error *err)
{
	if (json_array_size(pids) > EXCEPT_MAX)
		return error_set(err, ERR_TOO_LARGE, "more than %d except_pids", EXCEPT_MAX);
	size_t i;
	const json_t *pid;
	q->except = xcalloc(json_array_size(pids) + 1, sizeof(*q->except));
	json_array_foreach(pids, i, pid)
	{
		json_int_t n = json_integer_value(pid);
		if (n < 1 || n > INT32_MAX)
			return error_set(err, ERR_INVALID, "except_pids must be process ids");
		q->except[q->n_except++] = (pid_t)n;
	}
	return 0;
}

int facts_query_parse(const json_t *args, struct facts_query *ret, struct error *err)
{
	const json_t *repo = json_object_get(args, "repo");
	autofactsquery q = {
		.common_dir = json_str(repo, "common_dir"),
		.main = json_str(repo, "main"),
		.path = json_str(args, "path"),
		.git_dir = json_str(args, "git_dir"),
		.branch = json_str(args, "branch"),
		.target = json_str(args, "target"),
		.copied = json_object_get(args, "copied"),
		.disposable = json_object_get(args, "disposable"),
		.leases = json_object_get(args, "leases"),
	};
	const char *const paths[] = {q.common_dir, q.path, q.git_dir};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!paths[i] || paths[i][0] != '/')
			return error_set(err, ERR_INVALID,
					 "repo.common_dir, path and git_dir must be absolute paths");
	if (q.branch && branch_name_check(q.branch, err))
		return ERR_INVALID;
	int r = parse_except(json_object_get(args, "except_pids"), &q, err);
	if (r)
		return r;
	*ret = q;
	q.except = NULL;
	return 0;
}

void facts_release(struct facts *f)
{
	for (int i = 0; i < FACT_MAX_; i++)
		free(f->detail[i]);
	free(f->head);
	free(f->branch);
	free(f->tip);
	free(f->target_commit);
	strbuf_release(&f->status);
	strbuf_release(&f->stashes);
	*f = (struct facts){0};
}

void facts_take(const struct facts_query *q, const struct facts_place *place, unsigned flags,
		struct facts *ret)
{
	*ret = (struct facts){.stashes = STRBUF_INIT(GIT_OUTPUT_MAX), .status = STRBUF_INIT(GIT_OUTPUT_MAX)};
	struct probe p = {
		.q = q, .at = *place, .flags = flags, .git = GIT_INIT, .common = GIT_INIT, .f = ret};
	git_at(q->common_dir, place->admin, place->tree, &p.git);
	git_at(q->common_dir, q->common_dir, NULL, &p.common);
	for (int i = 0; i < FACT_MAX_; i++) {
		if ((flags & table[i].needs) != table[i].needs || (flags & table[i].unless))
			continue;
		/* In a folder that is not ours, git and its files would be asked about something else. */
		if (ret->known[FACT_OURS] && ret->value[FACT_OURS] != TRUTH_YES)
			fact_set(ret, (enum fact)i, TRUTH_UNKNOWN, NULL);
		else if (table[i].probe)
			table[i].probe(&p);
	}
	git_guard_release(&p.guard);
	git_release(&p.git);
	git_release(&p.common);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_buf(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->buf, b->buf, a->len) == 0);
}

bool facts_same(const struct facts *before, const struct facts *after, char **ret_what)
{
	if (!same_text(before->head, after->head) || !same_text(before->branch, after->branch))
		*ret_what = xstrdup("HEAD moved");
	else if (!same_text(before->tip, after->tip))
		*ret_what = xstrdup("the branch moved");
	else if (!same_buf(&before->status, &after->status))
		*ret_what = xstrdup("files changed");
	else if (!same_buf(&before->stashes, &after->stashes))
		*ret_what = xstrdup("its stashes changed");
	else
		*ret_what = NULL;
	for (int i = 0; !*ret_what && i < FACT_MAX_; i++)
		if (before->known[i] && after->known[i] && before->value[i] != after->value[i] &&
		    (i != FACT_LANDED || after->value[i] != TRUTH_YES))
			*ret_what =
				xasprintf("%s: %s", table[i].name,
					  after->detail[i] ? after->detail[i] : truth_name(after->value[i]));
	return !*ret_what;
}

json_t *facts_to_json(const struct facts *f)
{
	json_t *json = json_object();
	for (int i = 0; i < FACT_MAX_; i++)
		if (f->known[i])
			json_set_str(json, table[i].name, truth_name(f->value[i]));
	return json;
}

json_t *facts_details(const struct facts *f)
{
	json_t *json = json_object();
	for (int i = 0; i < FACT_MAX_; i++)
		if (f->known[i] && f->detail[i])
			json_set_str(json, table[i].name, f->detail[i]);
	return json;
}

int repo_facts(const json_t *args, json_t **ret, struct error *err)
{
	autofactsquery q = {0};
	int r = facts_query_parse(args, &q, err);
	if (r)
		return r;
	autofacts f = {0};
	const struct facts_place place = {.tree = q.path, .admin = q.git_dir};
	facts_take(&q, &place, FACTS_LANDED, &f);
	json_t *json = json_pack("{s:o, s:o}", "facts", facts_to_json(&f), "details", facts_details(&f));
	json_set_str(json, "head", f.head);
	json_set_str(json, "branch", f.branch);
	*ret = json;
	return 0;
}
