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

enum truth { TRUTH_NO = 0, TRUTH_YES, TRUTH_UNKNOWN };

/* "no", "yes", "unknown". */
const char *truth_name(enum truth t);

struct proc_stat {
	pid_t pid;
	pid_t ppid;
	pid_t sid;	     /* session leader */
	uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
	int tty;	     /* device number of the controlling terminal, 0 if none */
	char state;	     /* R, S, Z, … */
};

/* Parses the text of /proc/PID/stat (the command name may hold anything); false if malformed. */
bool proc_stat_parse(const char *text, size_t len, struct proc_stat *ret);
/* Reads it; ERR_NOT_FOUND when there is no such process. */
int proc_stat(pid_t pid, struct proc_stat *ret, struct error *err) _warn_unused_;

enum { PROC_CHAIN_MAX = 64 };

/* The ancestry of a process, itself first, up to (without) pid 1. */
struct proc_chain {
	size_t n;
	struct proc_stat at[PROC_CHAIN_MAX];
	bool complete; /* the walk reached pid 1; false means unknown beyond the last entry */
};

/* Walks up from `pid`. A parent that started after its child is a reused pid: the walk stops there,
 * incomplete. ERR_NOT_FOUND when `pid` itself is gone. */
int proc_chain(pid_t pid, struct proc_chain *ret, struct error *err) _warn_unused_;
/* Whether the very process (pid and start time, this boot) is alive; zombies are not. */
enum truth proc_alive(pid_t pid, uint64_t start_time);
/* Value of `name` in the process's initial environment into `ret` (caller frees), NULL if unset or
 * unreadable; `ret_known` says which. */
void proc_environ(pid_t pid, const char *name, char **ret, enum truth *ret_known);
/* The process's working folder, caller frees; ERR_NOT_FOUND if gone or unreadable. */
int proc_cwd(pid_t pid, char **ret, struct error *err) _warn_unused_;
/* Whether some process has its working folder, root or an open file below `dir` (resolved, absolute).
 * Unknown when a process of another user could not be looked at and none was found. On yes,
 * `ret_pid` (may be NULL) names one. `except` pids (n of them) and their own are skipped. */
enum truth proc_uses_dir(const char *dir, const pid_t *except, size_t n, pid_t *ret_pid);
/* A pidfd (CLOEXEC) on the very process; ERR_NOT_FOUND when it is gone or another took its pid. */
int proc_pidfd(pid_t pid, uint64_t start_time, int *ret_fd, struct error *err) _warn_unused_;

#endif
