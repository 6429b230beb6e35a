/* `coppice worker KIND [EFFECT]`: one piece of slow work in a process of its own. Reads its arguments as JSON
 * from stdin, prints
 * {"ok":…} or the error object, and ends with 0 or 1.
 *
 * A worker of an effect holds a lock named by it, which its git children inherit: after a crash of the daemon
 * the next worker of the same effect first waits until the old one is really over. One whose daemon went
 * while it waited, or before it got there, changes nothing (W11). */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

/* `effect` is the effect's id as text, or NULL for work that changes nothing. `home` is the state folder. */
int worker_main(const char *home, const char *kind, const char *effect);
/* The folder of those locks, and the lock of one effect; caller frees. */
char *worker_lock_dir(const char *home);
char *worker_lock_path(const char *home, const char *effect);

#endif
