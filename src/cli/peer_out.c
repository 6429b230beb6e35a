/* See peer_out.h. */
#include "cli/peer_out.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/out.h"

void peer_print(const json_t *peer)
{
	static const char *const keys[] = {"name",   "peer_id",	    "circle",	 "role",
					   "status", "turn_state",  "backend",	 "path",
					   "branch", "description", "last_seen", "transport"};
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
}
