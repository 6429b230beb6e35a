/* The daemon's glue on libuv: children, foreign processes and timers, all on one thread.
 *
 * Each object belongs to its loop from its start on and frees itself when it is done, in libuv's close
 * callbacks, so never while it may be on the call stack. Its pointer is valid until its callback has
 * returned or it was stopped; the callback comes at most once, and never from within the function that
 * started the object. A callback may start, kill and stop any object, itself included. To end a loop,
 * stop what is left and run the loop once more. */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/timeval.h"

struct loop_child;
struct loop_watch;
struct loop_timer;

struct loop_child_options {
	const char *const *argv; /* NULL-terminated; argv[0] is found by program_find of spawn.h */
	const char *const *env;	 /* whole environment, or NULL for our own */
	const char *cwd;	 /* or NULL */
	const char *input;	 /* its stdin, as a file; NULL is /dev/null */
	size_t input_len;
	size_t out_max;	     /* bytes kept of stdout; the rest is read and dropped (strbuf.overflow) */
	size_t err_max;	     /* the same for stderr */
	const int *keep_fds; /* inherited by the child besides 0-2, -1-terminated; NULL for none */
};

/* Starts a child in a session of its own. `done` is called when it has ended, with its exit code (or
 * 128 + signal) and what it wrote; it may detach the buffers. All that the child wrote is there; a
 * grandchild that keeps stdout open is not waited for. Errors are those of spawn_run; then `done` is not
 * called. `ret` may be NULL. */
int loop_child_start(uv_loop_t *loop, const struct loop_child_options *options,
		     void (*done)(struct loop_child *child, int status, struct strbuf *out,
				  struct strbuf *errout, void *data),
		     void *data, struct loop_child **ret, struct error *err) _warn_unused_;
pid_t loop_child_pid(const struct loop_child *child);
/* Sends a signal to the child and what it started in its process group; nothing once it has ended. */
void loop_child_kill(struct loop_child *child, int signum);
/* Lets go of a running child, for the end of the loop: it runs on, its output pipes closed, and `done` is
 * not called. NULL is fine. */
void loop_child_abandon(struct loop_child *child);

/* Calls `ended` when the very process (pid and start time) has ended, in one of the next turns of the
 * loop if it already has (I9). Costs a descriptor and no wake-ups. Fails with ERR_SYSTEM when the process
 * can neither be watched nor be known to be gone: that is unknown, not dead (I8). `ret` may be NULL. */
int loop_watch_start(uv_loop_t *loop, pid_t pid, uint64_t start_time, void (*ended)(void *data), void *data,
		     struct loop_watch **ret, struct error *err) _warn_unused_;
/* Ends the watch without a callback. NULL is fine. */
void loop_watch_stop(struct loop_watch *watch);

/* Calls `expired` once, `delay` from now on the monotonic clock or up to a few milliseconds later, never
 * earlier. Timers of one and the same millisecond expire in the order of their start. */
struct loop_timer *loop_timer_start(uv_loop_t *loop, usec_t delay, void (*expired)(void *data), void *data);
/* Ends the timer without a callback. NULL is fine. */
void loop_timer_stop(struct loop_timer *timer);

/* For uv_read_start, where what was read is used up within the callback that follows: one buffer serves all
 * streams of the process. */
void loop_give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret);

#endif
