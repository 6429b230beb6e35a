/* coppice attach */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "os/spawn.h"
#include "term/term.h"

static void read_pane(const json_t *json, struct term_pane *pane)
{
	*pane = (struct term_pane){.server = (pid_t)json_int(json, "server", 0)};
	(void)snprintf(pane->pane, sizeof(pane->pane), "%s", json_str(json, "pane_id"));
	(void)snprintf(pane->window, sizeof(pane->window), "%s", json_str(json, "window"));
	(void)snprintf(pane->session_id, sizeof(pane->session_id), "%s", json_str(json, "session_id"));
	(void)snprintf(pane->session, sizeof(pane->session), "%s", json_str(json, "session"));
	(void)snprintf(pane->socket, sizeof(pane->socket), "%s", json_str(json, "socket"));
}

/* Returns only when it cannot be started. */
static int become(const char *const *argv, struct error *err)
{
	autofree char *program = NULL;
	int code = program_find(argv[0], NULL, &program, err);
	if (code)
		return code;
	union {
		const char *const *in;
		char *const *out;
	} args = {argv}; /* execv's prototype lacks the const that it keeps */
	(void)execv(program, args.out);
	return error_errno(err, errno, "cannot start %s", program);
}

static int run_attach(struct command_run *run, struct error *err)
{
	json_t *args = json_pack("{s:s}", "peer_name", run->args[0]);
	json_auto_t *terminal = NULL;
	json_set_str(args, "circle", option_get(run, "circle"));
	int code = command_call(run, "peer_terminal", args, false, &terminal, err);
	if (code)
		return code;
	struct term_pane pane;
	char target[TERM_TARGET_SIZE];
	const char *argv[TERM_ATTACH_ARGS];
	read_pane(terminal, &pane);
	if (run->json) {
		out_json(terminal);
		return 0;
	}
	term_attach_argv(&pane, getenv("TMUX"), target, argv);
	return become(argv, err);
}

const struct command command_attach = {
	.name = "attach",
	.group = "peers and messages",
	.summary = "Go to a peer's terminal",
	.usage = "PEER [--circle CIRCLE]",
	.text = "Inside of the same tmux server it switches to the peer's window; elsewhere it attaches.",
	.examples = "coppice attach feat/a",
	.operands = "peer",
	.options =
		(const struct option_entry[]){
			{"circle", 0, OPTION_VALUE, "CIRCLE", "the circle of that name"}, {0}},
	.min_args = 1,
	.max_args = 1,
	.run = run_attach,
};
