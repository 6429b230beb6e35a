/* Reading `git diff-tree --raw -z`; see land_diff.h.
 *
 * Each entry is ":<old mode> <new mode> <old id> <new id> <status>\0<path>\0". Renames are not looked
 * for: they are a removal and an addition to whoever has to change files. */
#include "repo/land_diff.h"

#include <stdlib.h>
#include <string.h>

void land_diff_release(struct land_diff *d)
{
	strbuf_release(&d->text);
	free(d->at);
	*d = LAND_DIFF_INIT;
}

static int by_path(const void *a, const void *b)
{
	const struct land_diff_entry *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* Ends the word at `p` in NUL and returns what follows; NULL at the end of the text. */
static char *end_word(char *p)
{
	p += strcspn(p, " ");
	if (!*p)
		return NULL;
	*p = '\0';
	return p + 1;
}

static bool parse_columns(char *p, struct land_diff_entry *ret)
{
	if (*p != ':')
		return false;
	char *old_mode = p + 1, *new_mode = end_word(old_mode);
	char *old_oid = new_mode ? end_word(new_mode) : NULL;
	char *new_oid = old_oid ? end_word(old_oid) : NULL;
	if (!new_oid || !end_word(new_oid))
		return false;
	ret->new_mode = new_mode;
	ret->new_oid = new_oid;
	ret->in_old = strspn(old_mode, "0") != strlen(old_mode);
	ret->in_new = strspn(new_mode, "0") != strlen(new_mode);
	ret->submodule = strcmp(ret->in_new ? new_mode : old_mode, "160000") == 0;
	return true;
}

bool land_diff_parse(struct land_diff *d)
{
	char *p = d->text.buf, *end = p ? p + d->text.len : p;
	size_t cap = 0;
	while (p < end) {
		struct land_diff_entry e = {0};
		char *path = p + strlen(p) + 1;
		if (path >= end || !*path || path + strlen(path) == end || !parse_columns(p, &e))
			return false; /* cut off, say */
		e.path = path;
		p = path + strlen(path) + 1;
		ARRAY_GROW(d->at, d->n, cap);
		d->at[d->n++] = e;
	}
	if (d->n)
		qsort(d->at, d->n, sizeof(*d->at), by_path);
	return true;
}

int land_diff_read(const struct git *g, const char *from, const char *to, struct land_diff *ret,
		   struct error *err)
{
	const char *const args[] = {
		"diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--ignore-submodules=none",
		from,	     to,   "--", NULL};
	/* diff-tree reads an index too, for nothing: one that cannot be read must not matter. */
	const char *const env[] = {"GIT_NO_REPLACE_OBJECTS=1", "GIT_INDEX_FILE=.no-index", NULL};
	int r = git_run_with(g, 0, args, NULL, 0, env, &ret->text, NULL, err);
	if (r == 0 && !land_diff_parse(ret))
		r = error_set(err, ERR_GIT, "git diff-tree printed something unexpected");
	return r;
}

struct land_diff_entry *land_diff_find(const struct land_diff *d, const char *path)
{
	const struct land_diff_entry key = {.path = path};
	return d->n ? bsearch(&key, d->at, d->n, sizeof(*d->at), by_path) : NULL;
}
