/* Dispatch only: what this one program does depends on how it is called. */
#include <stdio.h>
#include <string.h>

#include "base/timeval.h"
#include "cli/command.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "os/paths.h"
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

static int run_daemon(int argc, char **argv)
{
	int64_t fd = -1;
	autoerror err = {0};
	bool bad = argc != 2 && !(argc == 4 && strcmp(argv[2], "--ready-fd") == 0);
	if (bad || (argc == 4 && number_parse(argv[3], 3, 1 << 20, &fd, &err))) {
		(void)fprintf(stderr, "coppice: daemon: runs in the foreground and takes no arguments\n");
		return bad && argc == 3 && strcmp(argv[2], "--help") == 0 ? 0 : 2;
	}
	return daemon_main((int)fd);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} parts[] = {{"daemon", run_daemon}, {"worker", run_worker}, {"launch", run_launch}};
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].name, argv[1]) == 0)
			return parts[i].run(argc, argv);
	return command_main(argc, argv);
}
