/* Fuzzes the reader of `git diff-tree --raw -z`: entries point into the text, are sorted, and are found. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "repo/land_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autolanddiff d = LAND_DIFF_INIT;
	if (size > 1 << 16)
		return 0;
	strbuf_add(&d.text, data, size);
	if (!land_diff_parse(&d))
		return 0;
	for (size_t i = 0; i < d.n; i++) {
		const struct land_diff_entry *e = &d.at[i];
		assert(*e->path && e->path + strlen(e->path) < d.text.buf + d.text.len);
		assert(i == 0 || strcmp(d.at[i - 1].path, e->path) <= 0);
		assert(strcmp(land_diff_find(&d, e->path)->path, e->path) == 0);
	}
	assert(!land_diff_find(&d, "\x01 no such path"));
	return 0;
}
