/* See spawn_args.h. */
#include "cli/spawn_args.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"

void spawn_args(const struct command_run *run, json_t *args)
{
	static const char *const names[] = {"backend", "profile", "role", "message"};
	const char *circle = option_get(run, "circle");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_set_str(args, names[i], option_get(run, names[i]));
	json_set_str(args, "circle", circle ? circle : getenv("COPPICE_CIRCLE"));
	if (!run->rest || !run->rest[0])
		return;
	json_t *argv = json_array();
	for (char **arg = run->rest; *arg; arg++)
		json_array_append_new(argv, json_string(*arg));
	json_object_set_new(args, "run", argv);
}
