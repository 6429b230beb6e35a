/* For the tests of os/: a folder of their own, and processes that wait for their end. */
#ifndef OS_TESTING_H
#define OS_TESTING_H

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/file.h"

/* A new folder, resolved; test_folder_remove frees it. */
_unused_ static char *test_folder_make(void)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *name = xasprintf("%s/coppice-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	char *real = mkdtemp(name) ? realpath(name, NULL) : NULL;
	if (!real)
		abort();
	return real;
}

_unused_ static void test_folder_remove(char *folder)
{
	if (tree_remove(folder, NULL))
		abort();
	free(folder);
}

_unused_ static void test_folder_cleanup(char **folder)
{
	test_folder_remove(*folder);
}

#define autofolder _cleanup_(test_folder_cleanup) char *

/* Forks a process that runs `body` and ends with its result as the exit code. */
_unused_ static pid_t test_fork(int (*body)(void *data), void *data)
{
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		_exit(body(data));
	return pid;
}

/* The exit code of a child, or 128 + signal. */
_unused_ static int test_wait(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

_unused_ static void test_kill(pid_t pid)
{
	(void)kill(pid, SIGKILL); /* it may have ended already */
	(void)test_wait(pid);
}

/* Body of a process that waits to be killed. */
_unused_ static int test_pause(void *data)
{
	(void)data;
	while (pause() < 0)
		;
	return 0;
}

#endif
