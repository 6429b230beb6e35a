/* Confining a process and all that it will start (S5).
 *
 * In a mount namespace of its own every file system is read-only but for the places that it may write, and
 * the sockets of others (terminals, session bus, containers, keys) are out of sight, for connecting writes
 * nothing. Landlock then refuses the same writes once more, and all that could undo the namespace: mounts,
 * and looking into or (from its version 6 on) signalling processes outside. So one of the two may miss a
 * case: Landlock does not see changes of modes and owners, and before version 3 no truncation. Nothing is
 * given back later; what it starts inherits all of it.
 *
 * What is allowed is a JSON object of lists of absolute paths, each of which may be absent:
 *	write	may be written, with all below; what is not there is skipped
 *	plain	the same, but files and folders only are made there: in git's own folders a symlink would
 *		lead what others' git writes to anywhere, and a pipe would hold it up
 *	make	the same, but folders that are made when they are missing
 *	extra	the same as `write`, by the user's configuration: refused where it reaches a protected place
 *	protect	is never written: what of it lies within a place of `write` is read-only there
 *	blank	the same: files, which are made when they are missing
 *	shut	the same, even within a place of `extra`
 *	hide	folders that are seen empty, besides those in which others' sockets are known to be, and
 *		files that read as empty: secrets
 *	keep	folders that stay to be seen within one that is hidden, with their sockets: the daemon's
 * and
 *	over	{PATH: FOLDER}: at that path it sees this folder of its own, which `write` names; the path is
 *		made when it is missing
 *	tmp	its own temporary folder, made when it is missing. It stands for /tmp, too, where nothing that
 *		is named here, nor the home folder or the program, lies in /tmp */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <jansson.h>

#include "base/error.h"
#include "os/proc.h"

enum { SANDBOX_PLACES_MAX = 4096 };

/* Confines the calling process, which must have one thread. Its working folder stays; of its descriptors
 * the next program gets standard input, output and error only. ERR_UNSUPPORTED, with the cure, where the
 * kernel cannot; ERR_REFUSED for an `extra` that would open a protected place. After an error the process may
 * be half confined, and must end. */
int sandbox_enter(const json_t *spec, struct error *err) _warn_unused_;
/* A copy of `env` (NULL: our own) as the confined process shall have it: TMPDIR is its own, and what only
 * names sockets that are hidden is left out. Caller frees with env_free. */
char **sandbox_env(const json_t *spec, const char *const *env);
/* Whether a sandbox is around the process; unknown when it has gone. Its mark is a mount, which nobody within
 * can take away, and nobody outside; one that keeps itself from being looked at is taken for confined. */
enum truth sandbox_holds(pid_t pid);
/* Whether this machine can confine: tried in a child process. ERR_UNSUPPORTED with the cure. */
int sandbox_check(struct error *err) _warn_unused_;

/* `coppice confine SPEC-FILE -- PROGRAM ARGUMENT…`: confines itself by the file, and becomes the program.
 * Returns the exit code when it cannot: 126, or 127 without the program; errors go to stderr. */
int sandbox_main(int argc, char **argv);

#endif
