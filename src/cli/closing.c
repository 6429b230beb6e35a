/* See closing.h. */
#include "cli/closing.h"

#include "base/alloc.h"
#include "base/json.h"
#include "cli/out.h"

static void print_end(const json_t *answer)
{
	out_say("%s %s\n", json_str(answer, "correlation_id"), json_str(answer, "outcome"));
}

int closing_run(struct command_run *run, const char *op, const char *key, struct error *err)
{
	autofree char *text = NULL;
	int code = command_text(run, 1, &text, err);
	if (code)
		return code;
	json_t *args = json_object();
	json_set_str(args, "correlation_id", run->args[0]);
	json_set_str(args, key, text);
	return command_answer(run, op, args, true, print_end, err);
}
