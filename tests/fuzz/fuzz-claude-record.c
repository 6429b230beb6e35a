/* Fuzzes the reader of Claude Code's session records: what it takes names a process, a session and a folder.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/claude.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1); /* exact, so that a step beyond it is seen */
	memcpy(text, data, size);
	struct agent_record r = {0};
	if (claude_records.parse("7.json", text, size, &r, NULL) == 0) {
		assert(r.pid == 7 && r.session && *r.session && r.cwd && r.cwd[0] == '/');
		assert(!r.pane || r.pane[0] == '%');
		assert(r.turn >= AGENT_TURN_IDLE && r.turn <= AGENT_TURN_AWAITS);
	} else {
		assert(!r.session && !r.cwd && !r.version && !r.pane);
	}
	agent_record_release(&r);
	/* The name of a file is from outside as well. */
	char *name = strndup(text, size < 64 ? size : 64);
	(void)!claude_records.parse(name, "{}", 2, &r, NULL);
	free(name);
	free(text);
	return 0;
}
