/* See peer_out.h. */
#include "cli/peer_out.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/out.h"

void writable_print(const json_t *peer)
{
	size_t i;
	const json_t *path;
	json_array_foreach(json_object_get(peer, "writable"), i, path)
	{
		out_say("%-12s ", i ? "" : "may write");
		out_text(stdout, json_string_value(path), false);
		(void)putchar('\n');
	}
}

void peer_print(const json_t *peer)
{
	static const char *const keys[] = {"name",	 "peer_id",   "circle", "role",	  "status",
					   "turn_state", "backend",   "path",	"branch", "description",
					   "last_seen",	 "transport", "sandbox"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = json_str(peer, keys[i]);
		if (!value)
			continue;
		out_say("%-12s ", keys[i]);
		out_text(stdout, value, false);
		(void)putchar('\n');
	}
	if (json_bool(peer, "quiet", false))
		out_say("%-12s %s\n", "quiet", "no notify wakes it");
	writable_print(peer);
}
