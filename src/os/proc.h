/* Processes as evidence: who is whose child, since when, and on which terminal (I2, I8, I9).
 * A process is named by pid, start time and boot id together, for pids are reused. Every question
 * has three answers: yes, no and unknown (another user's /proc, a container). */
#ifndef OS_PROC_H
#define OS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

enum truth { TRUTH_NO = 0, TRUTH_YES, TRUTH_UNKNOWN };

/* "no", "yes", "unknown". */
const char *truth_name(enum truth t);

struct proc_stat {
	pid_t pid;
	pid_t ppid;	     /* 0: outside of this pid namespace */
	pid_t pgid;	     /* process group */
	pid_t sid;	     /* session leader */
	uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
	int tty;	     /* device number of the controlling terminal, 0 if none */
	pid_t tty_pgid;	     /* foreground process group of that terminal, -1 if none */
	uint32_t flags;	     /* the kernel's PF_* bits */
	int threads;
	char state; /* R, S, Z, … */
};

/* Parses the text of /proc/PID/stat (the command name may hold anything); false if malformed. */
bool proc_stat_parse(const char *text, size_t len, struct proc_stat *ret);
/* Reads it; ERR_NOT_FOUND when there is no such process. */
int proc_stat(pid_t pid, struct proc_stat *ret, struct error *err) _warn_unused_;

/* Whether it has ended and only waits for its parent to take notice. */
bool proc_stat_ended(const struct proc_stat *st);

enum { PROC_CHAIN_MAX = 64 };

/* The ancestry of a process, itself first (n is at least 1), up to and without pid 1. */
struct proc_chain {
	size_t n;
	struct proc_stat at[PROC_CHAIN_MAX];
	bool complete; /* the walk reached pid 1; false means unknown beyond the last entry */
};

/* Walks up from `pid`. A parent that started after its child is a reused pid: the walk stops there,
 * incomplete; so it does at a parent outside of this pid namespace. ERR_NOT_FOUND when `pid` itself
 * is gone. */
int proc_chain(pid_t pid, struct proc_chain *ret, struct error *err) _warn_unused_;
/* Whether the very process (pid and start time, this boot) is alive; zombies are not. */
enum truth proc_alive(pid_t pid, uint64_t start_time);
/* Whether `name` is set in the process's initial environment: yes, no, or unknown when it is gone,
 * cannot be read, is empty, or is in the middle of an exec (which looks the same). On yes `ret` is its value
 * (caller frees), else NULL. */
void proc_environ(pid_t pid, const char *name, char **ret, enum truth *ret_known);
/* Its value in the initial environment of the very process; NULL if it is unset or empty, or cannot be told.
 * Caller frees. */
char *proc_given(pid_t pid, uint64_t start_time, const char *name);
/* Appends the words of its command line, each with a NUL at its end; ERR_NOT_FOUND if it is gone. */
int proc_command(pid_t pid, struct strbuf *ret, struct error *err) _warn_unused_;
/* The process's working folder, caller frees; ERR_NOT_FOUND if gone, unreadable, removed, or not
 * reachable by that path from here (a container). */
int proc_cwd(pid_t pid, char **ret, struct error *err) _warn_unused_;
/* Whether some process has its working folder, root, program or an open file below `dir` (resolved,
 * absolute). On yes, `ret_pid` (may be NULL) names one. `except` pids (n of them) and the calling
 * process are skipped; their children are not.
 *
 * Unknown when none was found, but one that may not be looked at is likely to be there: another
 * user's process started from a terminal under a process of ours (sudo, su), or another user's in a
 * container that has the folder mounted; `ret_pid` then names that one. Other users' services are taken to mind
 * their own folders, for else no ordinary user would ever get a no. */
enum truth proc_uses_dir(const char *dir, const pid_t *except, size_t n, pid_t *ret_pid);
/* A pidfd (CLOEXEC) on the very process; ERR_NOT_FOUND when it has ended (a zombie has) or another
 * took its pid. It becomes readable when the process ends. */
int proc_pidfd(pid_t pid, uint64_t start_time, int *ret_fd, struct error *err) _warn_unused_;
/* Whether the process of a pidfd has not ended yet; false for -1. */
bool proc_lives(int pidfd);

#endif
