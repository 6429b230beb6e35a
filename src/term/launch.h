/* The process of a pane: `coppice launch SPAWN_ID`.
 *
 * In the folder `<home>/spawn`, for a spawn ID:
 *   ID.json  written by the daemon first: {"argv":[…], "env":{"NAME":"value"|null}, "cwd":…, "kind":…,
 *            "server":{"argv":[…],"socket":PATH}|absent, "git":{"KEY":"value"}|absent,
 *            "confine":{…}|absent, "folders":[PATH]|absent}; a null unsets the
 *            variable; env edits what the terminal gave; git's are settings of git, after those that the
 *            environment has (os/gitenv.h); what is confined, the server too, is so as os/sandbox.h says
 *   ID.lock  locked by whoever runs the spawn, and no longer empty once it was started: one spawn never
 *            runs twice, not even after a power loss
 *   ID.server.log  what the server wrote, at most LAUNCH_SERVER_LOG_MAX bytes of it
 *   ID.exit  written at the end: {"exit":N, "signal":N|null, "summary":…, "tail":…}. `exit` is the exit code
 * or 128 + signal; 126 and 127 with the reason as summary when it could not be started
 *
 * Kind "exec" becomes the program and holds the lock (its descriptor is inherited) until it ends; it leaves
 * ID.exit only when it could not be started; a confined one does not get the descriptor. Kind "watch" runs
 * the program as a child on the same terminal, as a shell would, and leaves ID.exit with the last non-empty
 * line that is on the terminal as summary (at most 2 KiB) and the last 20 lines as tail (at most 8 KiB), both
 * with control bytes escaped. SIGHUP, SIGTERM, SIGINT and SIGQUIT are passed on to the child's group, and
 * ID.exit is still written; if the launcher is killed by SIGKILL, the child dies too.
 *
 * With a server (kind "watch" only) that is started first, with the same environment and folder, and the
 * program once the server's socket takes connections; a server that does not come up counts as a program that
 * could not be started. It is ended with the program. If it ends before, so does the program, and ID.exit
 * says why.
 *
 * The launcher itself is never confined. When all has ended it removes the temporary folder of a confined
 * program, and the folders that were made for the spawn. */
#ifndef TERM_LAUNCH_H
#define TERM_LAUNCH_H

#include <jansson.h>

#include "base/error.h"

enum { LAUNCH_SUMMARY_MAX = 2 << 10, LAUNCH_TAIL_MAX = 8 << 10, LAUNCH_TAIL_LINES = 20 };

/* Writes ID.json durably (0600, in a folder of 0700). `spec` has the form above. */
int launch_write(const char *home, const char *spawn_id, const json_t *spec, struct error *err) _warn_unused_;
/* Reads ID.exit; a new reference. ERR_NOT_FOUND when there is none. */
int launch_exit_read(const char *home, const char *spawn_id, json_t **ret, struct error *err) _warn_unused_;
/* The process that has started the spawn, by ID.lock, if it is alive. ERR_NOT_FOUND otherwise. After a crash
 * of the daemon a second launcher may have been started, which has ended at once: this one is the real one.
 */
int launch_running(const char *home, const char *spawn_id, json_t **ret, struct error *err) _warn_unused_;
/* Removes the files of a spawn that has ended and is settled. */
int launch_forget(const char *home, const char *spawn_id, struct error *err) _warn_unused_;

/* The command itself; returns the exit code of the process, or does not return (kind "exec"). A spawn
 * that runs or has run is left alone: 3. Errors go to stderr. */
int launch_main(const char *home, const char *spawn_id);

#endif
