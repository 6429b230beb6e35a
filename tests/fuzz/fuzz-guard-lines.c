/* Fuzzes the guard's look at what git says of references, and at the command that it runs: a line of its own
 * for the other's branch is refused wherever it stands among others that pass. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "repo/guard_check.h"
#include "repo/guard_file.h"

static const char owners_text[] =
	"{\"version\":1,\"repos\":{\"/r\":{\"main\":\"/"
	"r\",\"targets\":[\"release\"],\"at_main\":[],\"branches\":{"
	"\"feat/b\":{\"peer\":\"peer-b\",\"name\":\"feat/b\",\"circle\":\"default\"}}}}}";

static int check(const struct guard_place *place, const char *lines, size_t len, bool push)
{
	struct error err = {0};
	int code = push ? guard_check_push(place, lines, len, &err)
			: guard_check_transaction(place, lines, len, &err);
	assert(code == 0 || code == ERR_REFUSED || code == ERR_INVALID);
	assert((code == 0) == !err.message);
	error_release(&err);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char others[] = "\n1 2 refs/heads/feat/b\n";
	json_t *owners = NULL;
	int parsed = guard_file_parse(owners_text, strlen(owners_text), &owners, NULL);
	assert(parsed == 0);
	/* As the buffer that git's words are read into: with a NUL at its end. */
	char *text = malloc(size + sizeof(others));
	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	char *exact = malloc(size ? size : 1);
	assert(exact);
	memcpy(exact, data, size);
	struct guard_place place = {.repo = json_object_get(json_object_get(owners, "repos"), "/r"),
				    .peer = "peer-a",
				    .main_branch = "main"};
	int alone = check(&place, text, size, false);
	(void)check(&place, text, size, true);
	static const char deletion[] = "1 0 refs/heads/mine\n";
	place.command = exact;
	place.command_len = size;
	(void)check(&place, deletion, strlen(deletion), false);
	place.command = NULL;
	memcpy(text + size, others, sizeof(others));
	if (alone == 0 && (size == 0 || data[size - 1] != '\n')) {
		size_t skip = size == 0; /* without a line before it, its newline would be an empty one */
		assert(check(&place, text + skip, size + strlen(others) - skip, false) == ERR_REFUSED);
	}
	free(exact);
	free(text);
	json_decref(owners);
	return 0;
}
