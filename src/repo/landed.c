/* Whether a branch has landed; see landed.h for what counts as a proof.
 *
 * The cheap proofs come first: the merge base tells an ancestor, three tree ids tell an empty or equal
 * content, one merge in the object store tells whether the target would change. What is left are
 * branches that never landed, and those whose squash or rebase was changed by later commits. So the
 * target's own line of commits since the merge base is read, as far as it touches the branch's paths:
 *
 *  - Each path had exactly the branch's version at some commit: landed. (Nobody else had touched the
 *    files meanwhile, the usual case.)
 *  - Else the first proof, the merge that changes nothing, is tried at those commits in the place of the
 *    target. Only commits at least as new as the branch's last can have taken it in; those that touch
 *    all of its paths come first.
 *
 * When the target has the merge base's version of a file again, the patch was taken back: unknown. (A
 * file that the branch added and that is gone again says so only when it goes for all paths.)
 *
 * Merges go to a throwaway object folder. They see no attributes but the repository's info/attributes,
 * so no merge driver runs; should that file define merges, nothing is concluded from them. */
#include "repo/landed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/timeval.h"
#include "os/file.h"

enum {
	PATHS_MAX = 1000,   /* of a branch, for the look into the target's history */
	COMMITS_MAX = 5000, /* of the target, likewise */
	MERGES_MAX = 16,    /* tried in the place of the target */
	CLOCK_SKEW = 86400, /* seconds by which machines may differ */
	HISTORY_MAX = 32 << 20,
	ATTRIBUTES_MAX = 1 << 20,
};

/* A file's version: mode and blob, as git's raw diff prints them; points into a text. */
struct version {
	const char *mode, *blob;
};

/* What the branch does to one path, and what the target's history says of it. */
struct change {
	const char *path;
	struct version before, after;
	struct version now; /* the target's newest version, NULLs when it did not touch it */
	bool taken;	    /* the target had `after` once */
};

/* A commit of the target that may have taken the branch in. */
struct candidate {
	const char *commit, *tree;
	size_t touched; /* of the branch's paths */
};

struct lander {
	const struct git *g;
	const char *target, *head;
	char *base;	   /* the one merge base */
	int64_t head_time; /* of its last commit, seconds */
	char *objects;	   /* throwaway folder, NULL until it is needed */
	char *env[8];	   /* for merges, NULL-terminated; owned */
	struct strbuf diff, history;
	struct change *changes;
	size_t n_changes, changes_cap;
	struct candidate *candidates;
	size_t n_candidates, candidates_cap;
	bool too_much; /* history beyond the limits */
};

/* An agent may write refs, refs/replace among them: only the real objects prove anything. And a look
 * must not fetch what a partial clone lacks. */
static const char *const plain[] = {"GIT_NO_REPLACE_OBJECTS=1",
				    "GIT_LITERAL_PATHSPECS=1",
				    "GIT_NO_LAZY_FETCH=1",
				    "GIT_CONFIG_COUNT=1",
				    "GIT_CONFIG_KEY_0=protocol.allow",
				    "GIT_CONFIG_VALUE_0=never",
				    NULL};

static void lander_release(struct lander *l)
{
	int ignored = l->objects ? tree_remove(l->objects, NULL) : 0;
	(void)ignored; /* what stays is in the folder for temporary files */
	free(l->objects);
	free(l->base);
	for (size_t i = 0; i < ARRAY_SIZE(l->env); i++)
		free(l->env[i]);
	strbuf_release(&l->diff);
	strbuf_release(&l->history);
	free(l->changes);
	free(l->candidates);
}

static int answer(struct landed *ret, enum truth value, const char *how)
{
	*ret = (struct landed){value, how, true};
	return 0;
}

/* An answer that may become another one although the commits stay: after a fetch, say. */
static int no_answer_yet(struct landed *ret, const char *how)
{
	*ret = (struct landed){TRUTH_UNKNOWN, how, false};
	return 0;
}

/* Runs git; ret_status -1 also when it printed more than fits. Fails only when it cannot be run. */
static int ask(const struct lander *l, const char *const *args, const char *input, struct strbuf *out,
	       int *ret_status, struct error *err)
{
	autoerror why = {0};
	int r = git_run_with(l->g, GIT_QUIET, args, input, input ? strlen(input) : 0, plain, out, ret_status,
			     &why);
	if (r == ERR_TOO_LARGE) {
		*ret_status = -1;
		return 0;
	}
	return r ? error_hint(err, error_set(err, (enum error_code)r, "%s", why.message), "%s",
			      why.hint ? why.hint : "")
		 : 0;
}

/* Finds the merge base, unless the answer is already there (*ret_done). */
static int find_base(struct lander *l, struct landed *ret, bool *ret_done, struct error *err)
{
	const char *const args[] = {"merge-base", "--all", l->target, l->head, NULL};
	autostrbuf out = STRBUF_INIT(1 << 20);
	int status = 0;
	int r = ask(l, args, NULL, &out, &status, err);
	if (r)
		return r;
	const char *line = strbuf_str(&out), *end = strchr(line, '\n');
	*ret_done = true;
	if (status == 1)
		return no_answer_yet(ret, "no common history");
	if (status || !end)
		return no_answer_yet(ret, "git could not compare them");
	size_t n = (size_t)(end - line);
	if (n == strlen(l->head) && strncmp(line, l->head, n) == 0)
		return answer(ret, TRUTH_YES, "ancestor");
	/* With several, even the content that the branch started from is a guess. */
	if (end[1])
		return answer(ret, TRUTH_UNKNOWN, "several merge bases");
	*ret_done = false;
	l->base = xstrndup(line, n);
	return 0;
}

/* The trees of base, head and target tell two more answers. `ret_tree`: the target's, caller frees. */
static int compare_trees(struct lander *l, struct landed *ret, bool *ret_done, char **ret_tree,
			 struct error *err)
{
	autofree char *input = xasprintf("%s\n%s\n%s\n", l->base, l->head, l->target);
	const char *const args[] = {"log",     "--no-walk=unsorted", "--no-show-signature",
				    "--stdin", "--format=%T %ct",    NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int status = 0;
	int r = ask(l, args, input, &out, &status, err);
	if (r)
		return r;
	/* git log shows a commit once, so the target is missing when it is the base. */
	char base[80], head[80], target[80];
	bool is_base = strcmp(l->base, l->target) == 0;
	*ret_done = true;
	int n = sscanf(strbuf_str(&out), "%79s %*s %79s %" SCNd64 " %79s", base, head, &l->head_time, target);
	if (status || n != (is_base ? 3 : 4))
		return no_answer_yet(ret, "git could not compare them");
	if (strcmp(head, base) == 0)
		return answer(ret, TRUTH_YES, "empty");
	if (!is_base && strcmp(head, target) == 0)
		return answer(ret, TRUTH_YES, "equal_tree");
	*ret_done = false;
	*ret_tree = xstrdup(is_base ? base : target);
	return 0;
}

/* A path for GIT_ALTERNATE_OBJECT_DIRECTORIES, in which ':' separates: quoted as in C. */
static char *quote_path(const char *path)
{
	autostrbuf sb = STRBUF_INIT(1 << 16);
	strbuf_addch(&sb, '"');
	for (const char *p = path; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_addch(&sb, '\\');
		strbuf_addch(&sb, *p);
	}
	strbuf_addch(&sb, '"');
	return strbuf_detach(&sb);
}

static int prepare_merges(struct lander *l, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *dir = path_join(tmp && *tmp == '/' ? tmp : "/tmp", "coppice-merge-XXXXXX");
	autofree char *real = path_join(l->g->common_dir, "objects"), *quoted = quote_path(real);
	if (l->objects)
		return 0;
	if (!mkdtemp(dir))
		return error_errno(err, errno, "cannot make the temporary folder %s", dir);
	l->env[0] = xasprintf("GIT_OBJECT_DIRECTORY=%s", dir);
	l->env[1] = xasprintf("GIT_ALTERNATE_OBJECT_DIRECTORIES=%s", quoted);
	/* No index: the main worktree's would lend its .gitattributes. */
	l->env[2] = xasprintf("GIT_INDEX_FILE=%s/index", dir);
	l->env[3] = xstrdup("GIT_ATTR_NOSYSTEM=1");
	l->env[4] = xstrdup("GIT_NO_REPLACE_OBJECTS=1");
	l->env[5] = xstrdup("GIT_NO_LAZY_FETCH=1");
	l->objects = TAKE_PTR(dir);
	return 0;
}

/* Whether merging head into the commit, whose tree is given, changes nothing; unknown when it conflicts. */
static int merge_changes_nothing(struct lander *l, const char *commit, const char *tree, enum truth *ret,
				 struct error *err)
{
	int r = prepare_merges(l, err);
	if (r)
		return r;
	const char *const args[] = {"-c",	   "core.attributesFile=/dev/null",
				    "-c",	   "protocol.allow=never",
				    "-c",	   "merge.renormalize=false",
				    "merge-tree",  "--write-tree",
				    "--name-only", "--no-messages",
				    commit,	   l->head,
				    NULL};
	union {
		char **in;
		const char *const *out;
	} env = {l->env};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	int status = 0;
	r = git_run_with(l->g, GIT_QUIET, args, NULL, 0, env.out, &out, &status, err);
	if (r)
		return r;
	size_t n = strcspn(strbuf_str(&out), "\n");
	if (status)
		*ret = TRUTH_UNKNOWN;
	else
		*ret = n == strlen(tree) && strncmp(strbuf_str(&out), tree, n) == 0 ? TRUTH_YES : TRUTH_NO;
	return 0;
}

/* Whether info/attributes says anything of merges, which could then prove nothing. */
static bool merges_are_special(const struct git *g)
{
	autofree char *path = path_join(g->common_dir, "info/attributes");
	autostrbuf text = STRBUF_INIT(ATTRIBUTES_MAX);
	int r = file_read(path, &text, NULL);
	return r == 0 ? strstr(strbuf_str(&text), "merge") != NULL : r != ERR_NOT_FOUND;
}

/* Cuts ":oldmode newmode oldblob newblob S" up in place; the status letter is not needed. */
static bool cut_raw(char *entry, struct version *ret_before, struct version *ret_after)
{
	if (*entry == '\n')
		entry++; /* the end of git log's line before it */
	if (*entry++ != ':')
		return false;
	char *words[4];
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = strsep(&entry, " ");
		if (!entry || !*words[i])
			return false;
	}
	*ret_before = (struct version){words[0], words[2]};
	*ret_after = (struct version){words[1], words[3]};
	return true;
}

static bool same_version(const struct version *a, const struct version *b)
{
	return strcmp(a->mode, b->mode) == 0 && strcmp(a->blob, b->blob) == 0;
}

static int by_path(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* Reads what the branch changes, sorted by path; false when that was not understood or is too much. */
static bool read_changes(struct lander *l)
{
	char *p = l->diff.buf, *end = p ? p + l->diff.len : NULL;
	while (p < end) {
		struct change c = {0};
		char *path = p + strlen(p) + 1;
		if (path >= end || l->n_changes >= PATHS_MAX || !cut_raw(p, &c.before, &c.after))
			return false;
		c.path = path;
		p = path + strlen(path) + 1;
		ARRAY_GROW(l->changes, l->n_changes, l->changes_cap);
		l->changes[l->n_changes++] = c;
	}
	if (l->n_changes)
		qsort(l->changes, l->n_changes, sizeof(*l->changes), by_path);
	return true;
}

static void note_version(struct change *c, const struct version *v)
{
	if (!c->now.mode)
		c->now = *v; /* the newest comes first */
	c->taken = c->taken || same_version(v, &c->after);
}

/* "\1COMMIT TREE TIME" of git log. A commit older than the branch's last is no candidate. */
static struct candidate *note_commit(struct lander *l, char *header)
{
	char *commit = strsep(&header, " "), *tree = strsep(&header, " ");
	int64_t when = 0;
	if (!header || number_parse(header, 0, INT64_MAX, &when, NULL) != 0)
		return NULL;
	if (when + CLOCK_SKEW < l->head_time)
		return NULL;
	ARRAY_GROW(l->candidates, l->n_candidates, l->candidates_cap);
	l->candidates[l->n_candidates] = (struct candidate){.commit = commit, .tree = tree};
	return &l->candidates[l->n_candidates++];
}

/* Reads git log -z --raw: a header field a commit, then two fields a changed path. */
static bool read_history(struct lander *l)
{
	char *p = l->history.buf, *end = p ? p + l->history.len : NULL;
	struct candidate *open = NULL;
	size_t commits = 0;
	while (p < end) {
		char *field = p;
		p += strlen(p) + 1;
		if (*field == '\1') {
			open = note_commit(l, field + 1);
			commits++;
			continue;
		}
		struct version before, after;
		struct change key = {.path = p};
		if (p >= end || !cut_raw(field, &before, &after))
			return false;
		p += strlen(p) + 1;
		struct change *c = bsearch(&key, l->changes, l->n_changes, sizeof(key), by_path);
		if (!c)
			continue;
		note_version(c, &after);
		if (open)
			open->touched++;
	}
	l->too_much = commits >= COMMITS_MAX;
	return true;
}

static int load_changes(struct lander *l, bool *ret_known, struct error *err)
{
	const char *const args[] = {"diff-tree",
				    "-r",
				    "-z",
				    "--raw",
				    "--no-abbrev",
				    "--no-renames",
				    "--ignore-submodules=none",
				    l->base,
				    l->head,
				    NULL};
	int status = 0;
	int r = ask(l, args, NULL, &l->diff, &status, err);
	*ret_known = r == 0 && status == 0 && read_changes(l);
	return r;
}

static int load_history(struct lander *l, bool *ret_known, struct error *err)
{
	autofree char *count = xasprintf("--max-count=%d", COMMITS_MAX);
	const char *const args[] = {"log",
				    "--stdin",
				    "-z",
				    "--raw",
				    "--no-abbrev",
				    "--no-renames",
				    "--no-show-signature",
				    "--no-color",
				    "--no-follow",
				    "--ignore-submodules=none",
				    "--first-parent",
				    "--diff-merges=first-parent",
				    count,
				    "--format=%x01%H %T %ct",
				    NULL};
	autostrbuf input = STRBUF_INIT(HISTORY_MAX);
	bool by_line = true;
	for (size_t i = 0; i < l->n_changes; i++)
		by_line = by_line && !strchr(l->changes[i].path, '\n');
	strbuf_addf(&input, "%s\n^%s\n", l->target, l->base);
	if (by_line)
		strbuf_addstr(&input, "--\n");
	for (size_t i = 0; by_line && i < l->n_changes; i++)
		strbuf_addf(&input, "%s\n", l->changes[i].path);
	int status = 0;
	int r = input.overflow ? 0 : ask(l, args, strbuf_str(&input), &l->history, &status, err);
	*ret_known = r == 0 && !input.overflow && status == 0 && read_history(l);
	return r;
}

static bool all_taken(const struct lander *l)
{
	for (size_t i = 0; i < l->n_changes; i++)
		if (!l->changes[i].taken)
			return false;
	return true;
}

static int taken_in(const struct lander *l, struct landed *ret)
{
	size_t back = 0;
	bool edit_is_back = false;
	for (size_t i = 0; i < l->n_changes; i++) {
		const struct change *c = &l->changes[i];
		bool is_back = c->now.mode && same_version(&c->now, &c->before);
		bool is_edit = strspn(c->before.mode, "0") != strlen(c->before.mode);
		back += is_back;
		edit_is_back = edit_is_back || (is_back && is_edit);
	}
	if (edit_is_back || back == l->n_changes)
		return answer(ret, TRUTH_UNKNOWN, "taken back later");
	return answer(ret, TRUTH_YES, "squashed");
}

/* Those that touch all paths first; else the newest first, as git gave them. */
static int by_promise(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->touched != y->touched)
		return x->touched > y->touched ? -1 : 1;
	return x->commit < y->commit ? -1 : 1;
}

/* Tries the candidates. Without a proof: `ret_left` says whether some were not tried or conflicted. */
static int try_candidates(struct lander *l, bool *ret_found, bool *ret_left, struct error *err)
{
	size_t tried = 0;
	*ret_found = *ret_left = false;
	if (l->n_candidates)
		qsort(l->candidates, l->n_candidates, sizeof(*l->candidates), by_promise);
	for (size_t i = 0; i < l->n_candidates && l->candidates[i].touched && !*ret_found; i++) {
		const struct candidate *c = &l->candidates[i];
		enum truth same = TRUTH_UNKNOWN;
		int r = tried < MERGES_MAX ? merge_changes_nothing(l, c->commit, c->tree, &same, err) : 0;
		if (r)
			return r;
		tried++;
		*ret_found = same == TRUTH_YES;
		*ret_left = *ret_left || same == TRUTH_UNKNOWN;
	}
	return 0;
}

/* The look into the target's history. `merged`: what merging into the target itself gave. */
static int search_history(struct lander *l, enum truth merged, struct landed *ret, struct error *err)
{
	bool known = false, found = false, left = false;
	int r = load_changes(l, &known, err);
	if (r == 0 && known)
		r = load_history(l, &known, err);
	if (r)
		return r;
	if (!known)
		return answer(ret, TRUTH_UNKNOWN, "too much to compare");
	if (all_taken(l))
		return taken_in(l, ret);
	if (merges_are_special(l->g))
		return no_answer_yet(ret, "info/attributes changes how files are merged");
	r = try_candidates(l, &found, &left, err);
	if (r)
		return r;
	if (found)
		return taken_in(l, ret);
	if (l->too_much || (left && merged != TRUTH_NO))
		return answer(ret, TRUTH_UNKNOWN, "it would conflict, and its patch was not found");
	return answer(ret, TRUTH_NO, "not in the target");
}

int landed_test(const struct git *g, const char *target_commit, const char *head, struct landed *ret,
		struct error *err)
{
	_cleanup_(lander_release) struct lander l = {.g = g,
						     .target = target_commit,
						     .head = head,
						     .diff = STRBUF_INIT(HISTORY_MAX),
						     .history = STRBUF_INIT(HISTORY_MAX)};
	autofree char *tree = NULL;
	bool done = false;
	if (strcmp(target_commit, head) == 0)
		return answer(ret, TRUTH_YES, "same");
	int r = find_base(&l, ret, &done, err);
	if (r == 0 && !done)
		r = compare_trees(&l, ret, &done, &tree, err);
	if (r || done)
		return r;
	enum truth merged = TRUTH_UNKNOWN;
	if (!merges_are_special(g)) {
		r = merge_changes_nothing(&l, target_commit, tree, &merged, err);
		if (r)
			return r;
	}
	if (merged == TRUTH_YES)
		return answer(ret, TRUTH_YES, "merged_tree");
	return search_history(&l, merged, ret, err);
}
