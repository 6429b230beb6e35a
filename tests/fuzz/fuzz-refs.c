/* Fuzzes the readers of git's packed-refs and of its logs: an id that is found is one, and stands there. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "repo/ref_value.h"

static void is_an_id(const char *id, const char *text)
{
	size_t len = strlen(id);
	assert(len == 40 || len == 64);
	assert(strspn(id, "0123456789abcdef") == len);
	assert(strstr(text, id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char ref[] = "refs/heads/feat/b";
	char *text = malloc(size + 1); /* exact, so that a step beyond it is seen */
	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	char value[REF_VALUE_SIZE] = "";
	if (ref_log_find(text, NULL, value)) {
		is_an_id(value, text);
		char last[REF_VALUE_SIZE];
		assert(ref_log_find(text, value, last));
		assert(strcmp(last, value) == 0);
	}
	struct ref_look look = REF_LOOK_INIT("/nowhere");
	look.is_read = true;
	look.has_packed = TRUTH_YES;
	if (strlen(text) == size) { /* what a NUL hides is none of the search's */
		strbuf_add(&look.packed, text, size);
		enum truth there = ref_value_packed(&look, ref, value);
		assert(there != TRUTH_UNKNOWN);
		if (there == TRUTH_YES)
			is_an_id(value, text);
	}
	ref_look_release(&look);
	free(text);
	return 0;
}
