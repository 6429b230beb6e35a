/* Fuzzes the reader of `git worktree list --porcelain -z`: whatever it takes has a main worktree first,
 * absolute paths and no admin folder; written out again it reads back the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void field(struct strbuf *sb, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_addstr(sb, name);
	strbuf_addstr(sb, value);
	strbuf_addch(sb, '\0');
}

static void write_out(const struct git_worktrees *list, struct strbuf *sb)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct git_worktree *w = &list->at[i];
		assert(w->path[0] == '/' && !w->git_dir && w->main == (i == 0));
		field(sb, "worktree ", w->path);
		field(sb, "HEAD ", w->head);
		field(sb, "branch refs/heads/", w->branch);
		field(sb, "locked ", w->locked);
		field(sb, "prunable", w->prunable ? "" : NULL);
		field(sb, "bare", w->bare ? "" : NULL);
		strbuf_addch(sb, '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 16)
		return 0;
	char *text = malloc(size ? size : 1); /* exact, so that a step beyond it is seen */
	memcpy(text, data, size);
	struct git_worktrees list = {0}, again = {0};
	if (git_worktrees_parse(text, size, &list)) {
		autostrbuf first = STRBUF_INIT(1 << 20), second = STRBUF_INIT(1 << 20);
		write_out(&list, &first);
		bool good = git_worktrees_parse(strbuf_str(&first), first.len, &again);
		assert(good);
		write_out(&again, &second);
		assert(first.len == second.len &&
		       memcmp(strbuf_str(&first), strbuf_str(&second), first.len) == 0);
		git_worktrees_release(&again);
	} else {
		assert(!list.at && !list.n);
	}
	git_worktrees_release(&list);
	free(text);
	return 0;
}
