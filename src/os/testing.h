/* For tests: a folder of their own, and processes that wait for their end. Include it after cmocka. */
#ifndef OS_TESTING_H
#define OS_TESTING_H

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/file.h"

/* Folders that are still there. A failed or skipped test jumps out of its function, past its cleanups, so
 * what it leaves is removed at the end. */
static struct test_folders {
	pid_t owner; /* forked processes inherit the list, and leave it alone */
	size_t n;
	char *at[64];
} test_folders;

_unused_ static void test_folders_remove(void)
{
	if (test_folders.owner != getpid())
		return;
	while (test_folders.n > 0) {
		autofree char *folder = test_folders.at[--test_folders.n];
		if (tree_remove(folder, NULL))
			abort();
	}
}

/* A new folder, resolved; test_folder_remove frees it. */
_unused_ static char *test_folder_make(void)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *name = xasprintf("%s/coppice-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	char *real = mkdtemp(name) ? realpath(name, NULL) : NULL;
	if (!real || test_folders.n == ARRAY_SIZE(test_folders.at) ||
	    (!test_folders.owner && atexit(test_folders_remove) != 0))
		abort();
	test_folders.owner = getpid();
	test_folders.at[test_folders.n++] = real;
	return real;
}

_unused_ static void test_folder_remove(const char *folder)
{
	for (size_t i = 0; i < test_folders.n; i++)
		if (test_folders.at[i] == folder) {
			autofree char *path = test_folders.at[i];
			test_folders.at[i] = test_folders.at[--test_folders.n];
			if (tree_remove(path, NULL))
				abort();
			return;
		}
}

_unused_ static void test_folder_cleanup(char **folder)
{
	test_folder_remove(*folder);
}

#define autofolder _cleanup_(test_folder_cleanup) char *

/* Forks a process that runs `body` and ends with its result as the exit code. It also ends with us, so
 * that a test that is killed leaves nobody waiting. */
_unused_ static pid_t test_fork(int (*body)(void *data), void *data)
{
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* cannot fail */
		_exit(body(data));
	}
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
