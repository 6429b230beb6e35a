/* Fuzzes the reader of the guard's file: what it takes can be asked whose a branch is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "repo/guard_check.h"
#include "repo/guard_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char lines[] = "1 2 refs/heads/feat/b\n1 2 refs/heads/main\n";
	char *text = malloc(size + 1); /* exact, so that a step beyond it is seen */
	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	json_t *owners = NULL, *repo;
	const char *common_dir;
	if (guard_file_parse(text, size, &owners, NULL) == 0) {
		json_object_foreach(json_object_get(owners, "repos"), common_dir, repo)
		{
			struct guard_place place = {.repo = repo, .peer = "peer-a", .main_branch = "main"};
			struct error err = {0};
			int code = guard_check_transaction(&place, lines, strlen(lines), &err);
			assert((code == 0) == !err.message);
			assert(code == 0 || code == ERR_REFUSED);
			error_release(&err);
		}
	} else {
		assert(!owners);
	}
	json_decref(owners);
	free(text);
	return 0;
}
