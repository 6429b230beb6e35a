/* See change_out.h. */
#include "cli/change_out.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/out.h"

static const char *show_commit(const json_t *row, char *buf, size_t size)
{
	const char *commit = json_str(row, "landed_as");
	(void)snprintf(buf, size, "%.10s", commit ? commit : "-");
	return buf;
}

static const char *show_gate(const json_t *row, char *buf, size_t size)
{
	const json_t *runs = json_object_get(row, "gate");
	size_t n = json_array_size(runs);
	if (!n)
		return "none";
	const json_t *last = json_array_get(runs, n - 1);
	(void)snprintf(buf, size, "%s", json_str(last, "result") ? json_str(last, "result") : "-");
	return buf;
}

static enum colour paint_state(const json_t *row)
{
	const char *state = json_str(row, "state");
	if (state && strcmp(state, "landed") == 0)
		return GREEN;
	return state && (strcmp(state, "ejected") == 0 || strcmp(state, "blocked") == 0) ? RED : YELLOW;
}

void changes_print(const json_t *answer)
{
	static const struct out_column columns[] = {
		{.title = "BRANCH", .key = "branch", .max = 40},
		{.title = "STATE", .key = "state", .paint = paint_state},
		{.title = "COMMIT", .key = "landed_as", .show = show_commit},
		{.title = "GATE", .key = "gate", .show = show_gate},
		{.title = "REASON", .key = "reason", .max = 200},
	};
	out_say("into %s\n", json_str(answer, "target"));
	out_table(columns, ARRAY_SIZE(columns), json_object_get(answer, "changes"), "nothing in the train");
}
