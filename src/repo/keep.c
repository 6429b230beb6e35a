/* The ref that keeps a removed worktree's objects; see keep.h.
 *
 * The admin folder is not interpreted file by file: every word of 40 or 64 hex digits in any of its
 * files is taken for an object's name, and `git cat-file --batch-check` says which of them are. That
 * covers all operations' states, those of future versions of git included. The index is binary, so its
 * blobs come from `git status`, which names those that differ from HEAD's, and from `git ls-files
 * --resolve-undo`; the others are in HEAD's tree. Submodules' repositories (modules/) are no objects of
 * this repository. */
#include "repo/keep.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"

enum {
	STATE_FILE_MAX = 256 << 20, /* a reflog, say */
	SHA1_HEX = 40,
	SHA256_HEX = 64,
	DEPTH_MAX = 16,
	OID_SIZE = SHA256_HEX + 1,
};

/* The signature of that extension of the index. */
#define RESOLVE_UNDO "REUC"

struct oids {
	char (*at)[OID_SIZE];
	size_t n, cap;
};

static void oids_release(struct oids *o)
{
	free(o->at);
}

static void oids_add(struct oids *o, const char *hex, size_t len)
{
	if ((len != SHA1_HEX && len != SHA256_HEX) || strspn(hex, "0") >= len)
		return;
	ARRAY_GROW(o->at, o->n, o->cap);
	memcpy(o->at[o->n], hex, len);
	o->at[o->n++][len] = '\0';
}

static int compare_oids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void oids_sort(struct oids *o)
{
	size_t n = 0;
	if (o->n)
		qsort(o->at, o->n, sizeof(*o->at), compare_oids);
	for (size_t i = 0; i < o->n; i++)
		if (n == 0 || strcmp(o->at[n - 1], o->at[i]) != 0)
			memmove(o->at[n++], o->at[i], OID_SIZE);
	o->n = n;
}

/* Adds every word of hex digits that has the length of an object's name. */
static void oids_scan(struct oids *o, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t start = i;
		while (i < len && ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			i++;
		oids_add(o, text + start, i - start);
		i += i == start;
	}
}

static int scan_file(struct oids *o, const char *path, struct error *err)
{
	autostrbuf text = STRBUF_INIT(STATE_FILE_MAX);
	int r = file_read(path, &text, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0 && text.len)
		oids_scan(o, text.buf, text.len);
	return r;
}

struct scan {
	struct oids *oids;
	const char *dir;
	int depth;
};

static int scan_entry(const char *name, int type, void *data, struct error *err)
{
	const struct scan *s = data;
	autofree char *path = path_join(s->dir, name);
	if (type == DT_REG)
		return s->depth == 0 && (strcmp(name, "index") == 0 || strncmp(name, "sharedindex.", 12) == 0)
			       ? 0
			       : scan_file(s->oids, path, err);
	if (type != DT_DIR || s->depth == DEPTH_MAX || (s->depth == 0 && strcmp(name, "modules") == 0))
		return 0;
	struct scan below = {.oids = s->oids, .dir = path, .depth = s->depth + 1};
	return dir_each(path, scan_entry, &below, err);
}

/* Adds the index's blobs in a status: "1 XY SUB mH mI mW hH hI PATH" and "u XY SUB m1 m2 m3 mW h1 h2
 * h3 PATH". Paths are left out: a file may be called like an object. */
static void scan_status(struct oids *o, const struct strbuf *status)
{
	const char *end = status->buf + status->len;
	for (const char *line = status->buf; line && line < end; line += strlen(line) + 1) {
		int fields = line[0] == '1' ? 8 : line[0] == 'u' ? 10 : 0;
		const char *at = line;
		for (; fields > 0 && *at; fields--) {
			size_t len = strcspn(at, " ");
			oids_scan(o, at, len);
			at += len + (at[len] == ' ');
		}
	}
}

/* Stages of conflicts that were resolved, which few an index has: "MODE HASH STAGE\tPATH". */
static int scan_resolve_undo(const struct keep *k, struct oids *o, struct error *err)
{
	struct git worktree = GIT_INIT;
	autofree char *index = path_join(k->admin, "index");
	autostrbuf bytes = STRBUF_INIT(STATE_FILE_MAX);
	int r = file_read(index, &bytes, err);
	if (r)
		return r == ERR_NOT_FOUND ? 0 : r;
	if (!bytes.len || !memmem(bytes.buf, bytes.len, RESOLVE_UNDO, strlen(RESOLVE_UNDO)))
		return 0;
	git_at(k->git->common_dir, k->admin, NULL, &worktree);
	const char *const args[] = {"ls-files", "--resolve-undo", "-z", NULL};
	autostrbuf out = STRBUF_INIT(GIT_OUTPUT_MAX);
	r = git_run(&worktree, 0, args, &out, NULL, err);
	git_release(&worktree);
	if (r)
		return r;
	for (const char *line = out.buf; line && line < out.buf + out.len; line += strlen(line) + 1)
		oids_scan(o, line, strcspn(line, "\t"));
	return 0;
}

static int collect(const struct keep *k, struct oids *o, struct error *err)
{
	if (k->facts->head)
		oids_add(o, k->facts->head, strlen(k->facts->head));
	if (k->branch_tip)
		oids_add(o, k->branch_tip, strlen(k->branch_tip));
	if (k->facts->stashes.len)
		oids_scan(o, k->facts->stashes.buf, k->facts->stashes.len);
	scan_status(o, &k->facts->status);
	struct scan top = {.oids = o, .dir = k->admin};
	int r = dir_each(k->admin, scan_entry, &top, err);
	if (r == 0 && k->branch_log)
		r = scan_file(o, k->branch_log, err);
	if (r == 0)
		r = scan_resolve_undo(k, o, err);
	oids_sort(o);
	return r;
}

/* What exists of the collected, by kind, as lines for the commit and for git mktree. */
struct found {
	struct strbuf parents; /* "parent HASH\n" */
	struct strbuf entries; /* "MODE TYPE HASH\tHASH\n" */
	size_t n_parents;
	char *only;	 /* the first commit, owned */
	char *head_tree; /* owned, NULL without HEAD */
};

static void found_release(struct found *f)
{
	strbuf_release(&f->parents);
	strbuf_release(&f->entries);
	free(f->only);
	free(f->head_tree);
}

/* One answer: "HASH TYPE SIZE" or "HASH missing". `last` is that of HEAD's tree. */
static void read_answer(struct found *f, const char *line, bool last)
{
	size_t len = strcspn(line, " ");
	const char *type = line + len + (line[len] == ' ');
	bool tree = strncmp(type, "tree ", 5) == 0;
	if (last && tree)
		f->head_tree = xstrndup(line, len);
	else if (strncmp(type, "commit ", 7) == 0) {
		strbuf_addf(&f->parents, "parent %.*s\n", (int)len, line);
		if (f->n_parents++ == 0)
			f->only = xstrndup(line, len);
	} else if (tree || strncmp(type, "blob ", 5) == 0)
		strbuf_addf(&f->entries, "%s %.*s\t%.*s\n", tree ? "040000 tree" : "100644 blob", (int)len,
			    line, (int)len, line);
}

static int find(const struct keep *k, const struct oids *o, struct found *f, struct error *err)
{
	static const char *const args[] = {"cat-file", "--batch-check", NULL};
	/* Of a partial clone, what is not here must not be fetched for this. */
	static const char *const set[] = {"GIT_NO_LAZY_FETCH=1", NULL};
	autostrbuf in = STRBUF_INIT(GIT_OUTPUT_MAX), out = STRBUF_INIT(GIT_OUTPUT_MAX);
	for (size_t i = 0; i < o->n; i++)
		strbuf_addf(&in, "%s\n", o->at[i]);
	if (k->facts->head)
		strbuf_addf(&in, "%s^{tree}\n", k->facts->head);
	if (in.overflow)
		return error_set(err, ERR_TOO_LARGE, "the worktree's state names too many objects");
	int r = git_run_with(k->git, 0, args, strbuf_str(&in), in.len, set, &out, NULL, err);
	if (r)
		return r;
	char *rest = out.buf;
	size_t n = 0;
	for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n"))
		read_answer(f, line, n++ == o->n);
	return 0;
}

/* What is written must outlive a power loss as the ref does. */
static const char *const durable[] = {"GIT_CONFIG_COUNT=2",	  "GIT_CONFIG_KEY_0=core.fsync",
				      "GIT_CONFIG_VALUE_0=all",	  "GIT_CONFIG_KEY_1=core.logAllRefUpdates",
				      "GIT_CONFIG_VALUE_1=false", NULL};

/* Runs git with text on stdin; its answer is one object's name. */
static int write_object(const struct git *g, const char *const *args, const struct strbuf *input, char **ret,
			struct error *err)
{
	autostrbuf out = STRBUF_INIT(4096);
	int r = git_run_with(g, 0, args, strbuf_str(input), input->len, durable, &out, NULL, err);
	if (r == 0)
		*ret = xstrndup(strbuf_str(&out), strcspn(strbuf_str(&out), "\n"));
	return r;
}

static int write_commit(const struct keep *k, const struct found *f, char **ret, struct error *err)
{
	static const char *const tree_args[] = {"mktree", NULL};
	static const char *const commit_args[] = {"hash-object", "-t", "commit", "-w", "--stdin", NULL};
	autofree char *tree = NULL;
	int r = 0;
	if (f->entries.len || !f->head_tree)
		r = write_object(k->git, tree_args, &f->entries, &tree, err);
	if (r)
		return r;
	autostrbuf text = STRBUF_INIT(GIT_OUTPUT_MAX);
	strbuf_addf(&text, "tree %s\n%s", tree ? tree : f->head_tree, strbuf_str(&f->parents));
	strbuf_addstr(&text, "author Coppice <coppice@localhost> 0 +0000\n"
			     "committer Coppice <coppice@localhost> 0 +0000\n\n");
	strbuf_addf(&text, "What a removed worktree needs\n\n%s\n", k->ref);
	return write_object(k->git, commit_args, &text, ret, err);
}

int keep_make(const struct keep *k, char **ret, struct error *err)
{
	_cleanup_(oids_release) struct oids oids = {0};
	_cleanup_(found_release) struct found found = {.parents = STRBUF_INIT(GIT_OUTPUT_MAX),
						       .entries = STRBUF_INIT(GIT_OUTPUT_MAX)};
	autofree char *oid = NULL;
	int r = collect(k, &oids, err);
	if (r == 0 && oids.n)
		r = find(k, &oids, &found, err);
	if (r)
		return r;
	if (found.n_parents == 1 && !found.entries.len)
		oid = TAKE_PTR(found.only);
	else if (found.n_parents || found.entries.len)
		r = write_commit(k, &found, &oid, err);
	if (r == 0 && oid) {
		const char *const args[] = {"update-ref", k->ref, oid, NULL};
		r = git_run_with(k->git, 0, args, NULL, 0, durable, NULL, NULL, err);
	}
	if (r == 0)
		*ret = TAKE_PTR(oid);
	return r;
}

const char *const keep_patient[] = {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.packedRefsTimeout",
				    "GIT_CONFIG_VALUE_0=10000", NULL};

int keep_drop(const struct git *g, const char *ref, struct error *err)
{
	const char *const args[] = {"update-ref", "-d", ref, NULL};
	return git_run_with(g, 0, args, NULL, 0, keep_patient, NULL, NULL, err);
}
