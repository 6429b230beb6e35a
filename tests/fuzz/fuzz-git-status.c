/* Fuzzes the reader of `git status --porcelain=v2 -z`: each entry points into the text, none is empty, and
 * the counters add up. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct git_status s = {.text = STRBUF_INIT(1 << 20)};
	if (size > 1 << 16)
		return 0;
	strbuf_add(&s.text, data, size);
	if (git_status_parse(&s)) {
		size_t seen[128] = {0};
		for (size_t i = 0; i < s.n; i++) {
			const struct git_status_entry *e = &s.at[i];
			assert(strchr("12u?!", e->kind) && *e->path);
			assert(e->path > s.text.buf && e->path + strlen(e->path) < s.text.buf + s.text.len);
			seen[(unsigned char)e->kind]++;
		}
		assert(s.changed == seen['1'] + seen['2'] && s.unmerged == seen['u']);
		assert(s.untracked == seen['?'] && s.ignored == seen['!']);
	}
	git_status_release(&s);
	return 0;
}
