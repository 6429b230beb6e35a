/* coppice stop */
#include <poll.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "os/proc.h"

enum { END_LIMIT_MS = 10000 };

/* Until it is gone, its files are its own: a script that goes on at once would meet it. */
static void await_end(pid_t pid)
{
	struct proc_stat st;
	autoclose int fd = -1;
	if (pid <= 1 || proc_stat(pid, &st, NULL) || proc_pidfd(pid, st.start_time, &fd, NULL))
		return;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	(void)poll(&p, 1, END_LIMIT_MS);
}

static int run_stop(struct command_run *run, struct error *err)
{
	json_auto_t *answer = NULL;
	/* The one command that starts no daemon only to stop it. */
	int code = client_open_default(0, &run->client, err);
	if (!code)
		code = command_call(run, "stop", NULL, true, &answer, err);
	if (code == ERR_NO_DAEMON) {
		error_release(err);
		answer = json_pack("{s:b}", "stopping", 0);
		code = 0;
	}
	if (code)
		return code;
	await_end((pid_t)json_int(answer, "pid", 0));
	if (run->json)
		out_json(answer);
	else
		(void)puts(json_is_true(json_object_get(answer, "stopping"))
				   ? "stopped; agents go on, and all is taken up at the next command"
				   : "no daemon is running");
	return 0;
}

const struct command command_stop = {
	.name = "stop",
	.group = "the daemon",
	.summary = "Stop the daemon; agents and plans go on when it is back",
	.usage = "",
	.examples = "coppice stop",
	.run = run_stop,
};
