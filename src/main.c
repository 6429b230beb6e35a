/* Dispatch only: what this one program does depends on how it is called. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "mcp/mcp.h"
#include "os/paths.h"
#include "os/sandbox.h"
#include "repo/guard.h"
#include "term/launch.h"

static int run_worker(int argc, char **argv)
{
	autopaths paths = {0};
	autoerror err = {0};
	if (argc < 3 || paths_find(&paths, &err)) {
		(void)fprintf(stderr, "coppice: worker: %s\n",
			      err.message ? err.message : "it is started by the daemon");
		return 2;
	}
	return worker_main(paths.home, argv[2], argc > 3 ? argv[3] : NULL);
}

static int run_launch(int argc, char **argv)
{
	autopaths paths = {0};
	autoerror err = {0};
	if (argc != 3 || paths_find(&paths, &err)) {
		(void)fprintf(stderr, "coppice: launch: %s\n",
			      err.message ? err.message : "it is started by the daemon");
		return 2;
	}
	return launch_main(paths.home, argv[2]);
}

/* A hook that is named by its path says itself where its state folder is. */
static int run_hook(int argc, char **argv)
{
	autopaths paths = {0};
	(void)!paths_find(&paths, NULL);
	return guard_main(paths.home, argc, argv);
}

/* A hook's arguments are its own; only what a person asks of the command itself is the command line's. */
static int run_guard(int argc, char **argv)
{
	command_guard_main = run_hook;
	return argc > 2 && argv[2][0] != '-' ? run_hook(argc - 2, argv + 2) : command_main(argc, argv);
}

static int run_mcp(const char *tools, const char *dir, struct error *err)
{
	enum mcp_set set = MCP_SET_BY_ROLE;
	int code = tools ? mcp_set_parse(tools, &set, err) : 0;
	return code ? code : mcp_main(set, dir, err);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} parts[] = {{"worker", run_worker},
		     {"launch", run_launch},
		     {"guard", run_guard},
		     {"confine", sandbox_main}};
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].name, argv[1]) == 0)
			return parts[i].run(argc, argv);
	command_daemon_main = daemon_main;
	command_mcp_main = run_mcp;
	command_guard_main = run_hook;
	return command_main(argc, argv);
}
