/* Child processes: argument arrays through posix_spawn, never a shell, never a plain fork (see
 * architecture.md, "The turn"). This is the blocking form, for commands and workers; the daemon's
 * loop has its own in os/loop.h. */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/timeval.h"

struct spawn {
	const char *const *argv; /* NULL-terminated; argv[0] is found by program_find */
	const char *const *env;	 /* whole environment, or NULL for our own */
	const char *cwd;	 /* or NULL */
	const char *input;	 /* its stdin, as a file; NULL is /dev/null */
	size_t input_len;
	struct strbuf *out;    /* collects stdout up to its max; NULL passes our own stdout on */
	struct strbuf *errout; /* the same for stderr; may be the same buffer as `out` */
	int log_fd;	       /* > 0: stdout and stderr both go there, `out` and `errout` are ignored */
	bool null_output;      /* what is not collected goes to /dev/null, not to our own */
	const int *keep_fds;   /* inherited by the child besides 0-2, -1-terminated; NULL for none */
	usec_t timeout;	       /* 0 is none; then SIGTERM to its group, SIGKILL 2 s later, ERR_TIMED_OUT */
	bool new_session;      /* setsid: its own group, no terminal */
};

/* Runs it to its end. `ret_status`: exit code, or 128 + signal. Output beyond a buffer's max is read
 * and dropped (strbuf.overflow says so), so that the child never blocks. A grandchild that keeps the
 * output open is not waited for: what is readable when the child ends is all. A child with a timeout
 * has a process group of its own, so that the signals reach what it started; only on a timeout is that
 * group killed. ERR_MISSING when the program is not found, ERR_NOT_FOUND when `cwd` is not there. */
int spawn_run(const struct spawn *s, int *ret_status, struct error *err) _warn_unused_;

/* The path of the program `name`: itself if it has a slash, else the first executable file in the PATH
 * of `env` (NULL: our own). Relative entries of PATH are skipped, for a worktree's files must not
 * become commands. ERR_MISSING if there is none. Caller frees. */
int program_find(const char *name, const char *const *env, char **ret, struct error *err) _warn_unused_;

/* Edits an environment: copies `base` (NULL: our own) without any variable named in `drop`
 * (NULL-terminated, "GIT_*" drops by prefix) and with `set` ("NAME=value", NULL-terminated) added or
 * replaced. Caller frees with env_free. */
char **env_edit(const char *const *base, const char *const *drop, const char *const *set);
void env_free(char **env);

#endif
