/* The facts that git is asked for: clean, untracked, reachable, stash, landed; see facts.h.
 *
 * One `git status` tells most. (git_run lets it take no optional locks, so looking changes nothing, not
 * even the index's cached times.) Its porcelain text is kept as the fingerprint by which a second look
 * knows whether anything changed.
 *
 * Submodules keep their own repositories in the admin folder and find them by relative paths, which no
 * longer lead there when the worktree was moved. So where there are any, the fingerprint is that of a
 * status without them. Nor is what happens inside them looked at, only their commit: git would work
 * there by discovery, with a configuration that is the agent's (W3). So it is unknown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "os/file.h"
#include "repo/facts_probe.h"
#include "repo/landed.h"

enum { REFLOG_MAX = 64 << 20, SHORT_HASH = 12 };

static bool has_submodules(const struct probe *p)
{
	autofree char *modules = path_join(p->at.admin, "modules");
	struct stat st;
	return lstat(modules, &st) == 0;
}

static int run_status(struct probe *p, bool submodules, struct strbuf *out, struct error *err)
{
	const char *const args[] = {"status",
				    "--porcelain=v2",
				    "-z",
				    "--branch",
				    "--no-ahead-behind",
				    "--no-renames",
				    "--untracked-files=normal",
				    "--ignored=matching",
				    submodules ? "--ignore-submodules=dirty" : "--ignore-submodules=all",
				    NULL};
	return git_look(&p->git, &p->guard, args, out, err);
}

/* Takes the "# branch.…" lines off the front of the status. */
static void take_headers(struct facts *f, struct strbuf *text)
{
	while (text->len && text->buf[0] == '#') {
		const char *line = text->buf;
		size_t len = strlen(line);
		if (strncmp(line, "# branch.oid ", 13) == 0 && strcmp(line + 13, "(initial)") != 0)
			f->head = xstrdup(line + 13);
		else if (strncmp(line, "# branch.head ", 14) == 0 && strcmp(line + 14, "(detached)") != 0)
			f->branch = xstrdup(line + 14);
		strbuf_consume(text, len < text->len ? len + 1 : len);
	}
}

/* "3 files, first SRC/a.c" */
static void set_counted(struct facts *f, enum fact fact, const struct git_status *s, const char *kinds,
			const char *what)
{
	const char *first = NULL;
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (!strchr(kinds, s->at[i].kind))
			continue;
		if (!first)
			first = s->at[i].path;
		n++;
	}
	if (!n)
		fact_set(f, fact, TRUTH_YES, NULL);
	else if (n == 1)
		fact_set(f, fact, TRUTH_NO, "%s: %s", what, first);
	else
		fact_set(f, fact, TRUTH_NO, "%s: %s and %zu more", what, first, n - 1);
}

/* Why git's status says nothing of one entry of `git ls-files -v -s`, "TAG MODE OBJECT STAGE TAB PATH"; NULL
 * if it does. `ret_path`: its path. */
static const char *unwatched(const struct probe *p, const char *entry, const char **ret_path)
{
	const char *tab = strchr(entry, '\t');
	if (!tab)
		return NULL;
	bool gitlink = strncmp(entry + 1, " 160000 ", 8) == 0;
	if (entry[0] != 'S' && !(entry[0] >= 'a' && entry[0] <= 'z') && !gitlink)
		return NULL;
	autofree char *path = path_join(p->at.tree, tab + 1), *link = path_join(path, ".git");
	struct stat st;
	*ret_path = tab + 1;
	if (lstat(gitlink ? link : path, &st) < 0)
		return NULL;
	return gitlink ? "files of a submodule were not looked at" : "git was told not to look at changes of";
}

/* Git does not look at entries that are marked assume-unchanged ('h'), nor at skip-worktree ones ('S')
 * that are there; and we do not have it look into submodules. A change there is not in its status. */
static void check_unwatched(struct probe *p)
{
	const char *const args[] = {"ls-files", "-v", "-s", "-z", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	autoerror err = {0};
	if (git_look(&p->git, &p->guard, args, &out, &err)) {
		fact_unknown(p->f, FACT_CLEAN, "git ls-files", &err);
		return;
	}
	for (const char *at = out.buf; at && at < out.buf + out.len; at += strlen(at) + 1) {
		const char *path = NULL, *why = unwatched(p, at, &path);
		if (why) {
			fact_set(p->f, FACT_CLEAN, TRUTH_UNKNOWN, "%s: %s", why, path);
			return;
		}
	}
}

static void set_unknown_all(struct probe *p, const char *what, const struct error *err)
{
	fact_unknown(p->f, FACT_CLEAN, what, err);
	fact_unknown(p->f, FACT_UNTRACKED, what, err);
	fact_unknown(p->f, FACT_IGNORED, what, err);
}

void facts_status(struct probe *p)
{
	autoerror err = {0};
	struct git_status status = {.text = STRBUF_INIT(GIT_OUTPUT_MAX)};
	bool again = p->flags & FACTS_AGAIN, submodules = has_submodules(p);
	if (git_guard_take(&p->common, &p->guard, &err) ||
	    run_status(p, !(again && submodules), &status.text, &err)) {
		set_unknown_all(p, "git status", &err);
		git_status_release(&status);
		return;
	}
	take_headers(p->f, &status.text);
	strbuf_add(&p->f->status, status.text.buf, status.text.len);
	if (!git_status_parse(&status)) {
		(void)error_set(&err, ERR_GIT, "its answer was not understood");
		set_unknown_all(p, "git status", &err);
		git_status_release(&status);
		return;
	}
	/* A second look compares these two by the fingerprint. */
	if (!again) {
		set_counted(p->f, FACT_CLEAN, &status, "12u", "changed");
		set_counted(p->f, FACT_UNTRACKED, &status, "?", "untracked");
		if (p->f->value[FACT_CLEAN] == TRUTH_YES)
			check_unwatched(p);
	}
	facts_ignored(p, &status);
	git_status_release(&status);
	if (submodules && !again) {
		autostrbuf text = STRBUF_INIT(GIT_OUTPUT_MAX);
		if (run_status(p, false, &text, &err)) {
			fact_unknown(p->f, FACT_CLEAN, "git status", &err);
			return;
		}
		struct facts ignored = {0};
		take_headers(&ignored, &text);
		facts_release(&ignored);
		strbuf_reset(&p->f->status);
		strbuf_add(&p->f->status, text.buf, text.len);
	}
}

/* Appends the commits of the refs that only this worktree has. */
static int list_own_refs(struct probe *p, struct strbuf *out, struct error *err)
{
	autofree char *reftable = path_join(p->at.admin, "reftable"), *refs = path_join(p->at.admin, "refs");
	struct stat st;
	if (lstat(reftable, &st) < 0 && lstat(refs, &st) < 0)
		return 0;
	const char *const args[] = {"for-each-ref", "--format=%(objectname)", "refs/worktree/",
				    "refs/bisect/", "refs/rewritten/",	      NULL};
	return git_run(&p->git, 0, args, out, NULL, err);
}

/* The first commit that no branch, tag or remote branch leads to, of those that `tips` (lines) name;
 * NULL if there is none. */
static int find_unreachable(struct probe *p, const struct strbuf *tips, char **ret, struct error *err)
{
	/* --not counts for what follows it on the command line, not for what comes from stdin. */
	const char *const args[] = {"rev-list",	  "--max-count=1", "--stdin",	"--not",
				    "--branches", "--tags",	   "--remotes", NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int r = git_run_with(&p->common, 0, args, tips->buf, tips->len, NULL, &out, NULL, err);
	if (r)
		return r;
	const char *s = strbuf_str(&out);
	*ret = *s ? xstrndup(s, strcspn(s, "\n")) : NULL;
	return 0;
}

void facts_reachable(struct probe *p)
{
	struct facts *f = p->f;
	autoerror err = {0};
	autostrbuf tips = STRBUF_INIT(GIT_OUTPUT_MAX);
	autofree char *lost = NULL;
	if (f->known[FACT_CLEAN] && !f->head && !f->branch) {
		fact_set(f, FACT_REACHABLE, TRUTH_UNKNOWN, "HEAD could not be read");
		return;
	}
	int r = list_own_refs(p, &tips, &err);
	if (r == 0 && f->head && !f->branch)
		strbuf_addf(&tips, "%s\n", f->head);
	if (r == 0 && tips.len)
		r = find_unreachable(p, &tips, &lost, &err);
	if (r)
		fact_unknown(f, FACT_REACHABLE, "its commits", &err);
	else if (lost)
		fact_set(f, FACT_REACHABLE, TRUTH_NO, "no branch or tag has the commit %.*s", SHORT_HASH,
			 lost);
	else if (has_submodules(p))
		fact_set(f, FACT_REACHABLE, TRUTH_UNKNOWN, "repositories of its submodules lie in it");
	else
		fact_set(f, FACT_REACHABLE, TRUTH_YES, NULL);
}

/* Whether HEAD of this worktree was ever at `commit`: only there can a stash on it have been made. */
static enum truth was_at(const struct strbuf *log, const char *commit)
{
	return strstr(strbuf_str(log), commit) ? TRUTH_UNKNOWN : TRUTH_NO;
}

/* Whether the stash entry is of this worktree. Git records no worktree, only a message: "WIP on BRANCH:
 * …" or "On BRANCH: …", which `git stash store` and autostashes replace by any text. */
static enum truth stash_is_ours(struct probe *p, const struct strbuf *head_log, const char *parent,
				const char *message)
{
	const char *on = strncmp(message, "WIP on ", 7) == 0 ? message + 7
			 : strncmp(message, "On ", 3) == 0   ? message + 3
							     : NULL;
	const char *end = on ? strchr(on, ':') : NULL; /* no branch name holds a colon */
	if (!end || strncmp(on, "(no branch)", 11) == 0)
		return was_at(head_log, parent);
	autofree char *branch = xstrndup(on, (size_t)(end - on));
	if ((p->f->branch && strcmp(branch, p->f->branch) == 0) ||
	    (p->q->branch && strcmp(branch, p->q->branch) == 0))
		return TRUTH_YES;
	return TRUTH_NO;
}

/* One line "COMMIT PARENT… TAB MESSAGE". */
static void judge_stash(struct probe *p, const struct strbuf *head_log, size_t n, char *line)
{
	char *message = strchr(line, '\t'), *parent = strchr(line, ' ');
	if (!message || !parent || parent > message)
		return;
	*message++ = '\0';
	*parent++ = '\0';
	parent[strcspn(parent, " ")] = '\0';
	enum truth ours = stash_is_ours(p, head_log, parent, message);
	if (ours == TRUTH_NO)
		return;
	strbuf_addf(&p->f->stashes, "%s\n", line);
	if (p->f->value[FACT_STASH] == TRUTH_YES || ours == TRUTH_YES)
		fact_set(p->f, FACT_STASH, ours == TRUTH_YES ? TRUTH_NO : TRUTH_UNKNOWN, "stash@{%zu}: %s", n,
			 message);
}

void facts_stash(struct probe *p)
{
	autoerror err = {0};
	autofree char *log = path_join(p->q->common_dir, "logs/refs/stash");
	autofree char *reftable = path_join(p->q->common_dir, "reftable");
	struct stat st;
	fact_set(p->f, FACT_STASH, TRUTH_YES, NULL);
	if (lstat(log, &st) < 0 && lstat(reftable, &st) < 0)
		return;
	autofree char *head_path = path_join(p->at.admin, "logs/HEAD");
	autofree char *stash = NULL;
	autostrbuf head_log = STRBUF_INIT(REFLOG_MAX), out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = file_read(head_path, &head_log, &err);
	if (r == 0 || r == ERR_NOT_FOUND) {
		const char *const args[] = {"log", "-g", "--format=%H %P%x09%gs", "refs/stash", "--", NULL};
		int status = 0;
		r = git_run(&p->common, GIT_QUIET, args, &out, &status, &err);
		/* Without such a ref there is no stash. */
		if (r == 0 && status != 0)
			r = git_commit_of(&p->common, "refs/stash", &stash, &err);
		if (r == ERR_NOT_FOUND)
			return;
	}
	if (r) {
		fact_unknown(p->f, FACT_STASH, "the stashes", &err);
		return;
	}
	char *rest = out.buf;
	size_t n = 0;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		judge_stash(p, &head_log, n++, line);
}

/* The commits of two branches, NULL for one that does not exist; either name may be NULL. */
static int read_tips(struct probe *p, const char *a, const char *b, char **ret_a, char **ret_b,
		     struct error *err)
{
	autofree char *ref_a = xasprintf("refs/heads/%s", a ? a : ""),
		      *ref_b = xasprintf("refs/heads/%s", b ? b : "");
	/* A name is also the pattern for all below it: hence the comparison of names. */
	const char *const args[] = {"for-each-ref", "--format=%(objectname) %(refname)", a ? ref_a : ref_b,
				    b ? ref_b : ref_a, NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int r = a || b ? git_run(&p->common, 0, args, &out, NULL, err) : 0;
	char *rest = out.buf;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		const char *ref = strchr(line, ' ');
		if (ref && strcmp(ref + 1, ref_a) == 0 && !*ret_a)
			*ret_a = xstrndup(line, (size_t)(ref - line));
		if (ref && strcmp(ref + 1, ref_b) == 0 && !*ret_b)
			*ret_b = xstrndup(line, (size_t)(ref - line));
	}
	return r;
}

void facts_landed(struct probe *p)
{
	struct facts *f = p->f;
	const struct facts_query *q = p->q;
	autoerror err = {0};
	int r = read_tips(p, q->branch, q->target, &f->tip, &f->target_commit, &err);
	if (r == 0 && !q->branch && f->head)
		f->tip = xstrdup(f->head);
	if (r == 0 && q->target && !f->target_commit)
		r = git_commit_of(&p->common, q->target, &f->target_commit, &err);
	/* What `landed` follows from is compared by facts_same, but for the target, which may move on. */
	if ((p->flags & FACTS_AGAIN) && q->compared && f->target_commit &&
	    strcmp(q->compared, f->target_commit) == 0)
		return;
	if (r)
		fact_unknown(f, FACT_LANDED, "the branches", &err);
	else if (!f->target_commit)
		fact_set(f, FACT_LANDED, TRUTH_UNKNOWN, "there is no target branch to compare with");
	else if (!f->tip)
		fact_set(f, FACT_LANDED, TRUTH_UNKNOWN, "there is no branch to compare");
	else {
		struct landed landed = {0};
		r = landed_test(&p->common, f->target_commit, f->tip, &landed, &err);
		if (r)
			fact_unknown(f, FACT_LANDED, "comparing with the target", &err);
		else if (landed.value == TRUTH_NO)
			fact_set(f, FACT_LANDED, TRUTH_NO, "%s lacks content of %.*s", q->target, SHORT_HASH,
				 f->tip);
		else
			fact_set(f, FACT_LANDED, landed.value, "%s", landed.how);
	}
}
