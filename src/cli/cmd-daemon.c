/* coppice daemon */
#include "base/timeval.h"
#include "cli/commands.h"

int (*command_daemon_main)(int ready_fd);

static int run_daemon(struct command_run *run, struct error *err)
{
	const char *ready = option_get(run, "ready-fd");
	int64_t fd = -1;
	int code = ready ? number_parse(ready, 3, 1 << 20, &fd, err) : 0;
	if (!code)
		run->exit_code = command_daemon_main((int)fd);
	return code;
}

const struct command command_daemon = {
	.name = "daemon",
	.group = "the daemon",
	.summary = "Run the daemon in the foreground",
	.usage = "",
	.text = "Every command but stop starts the daemon when none runs; this is for a user service, and "
		"for "
		"looking at what it says, on stderr. There is one daemon per state folder. SIGTERM ends it: "
		"agents go on, and the next "
		"daemon takes up everything that was under way.",
	.examples = "coppice daemon\nsystemd-run --user --unit coppice coppice daemon",
	.options = (const struct option_entry[]){{"ready-fd", 0, OPTION_VALUE, "N",
						  "say on this descriptor when it listens, then close it"},
						 {0}},
	.run = run_daemon,
};
