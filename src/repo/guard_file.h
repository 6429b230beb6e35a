/* Who may move which branch, as a file that the guard reads in peers (W9): the daemon writes it whenever that
 *changes, and at its start; the guard (guard.h) needs no daemon.
 *
 *   <home>/guard/owners.json
 *	{"version":1, "repos":{COMMON_DIR:{
 *		"branches":{BRANCH:{"peer":ID,"name":NAME,"circle":CIRCLE,"git_dir":…}},
 *			owned, each by one; git's folder of its worktree, or null
 *		"targets":[BRANCH…],            of open changes and running plans: no peer's
 *		"main":FOLDER|null,             the main worktree: its branch is no peer's either,
 *		"at_main":[ID…]}}}              but for the peers that work right there
 *
 *   <home>/guard/hooks/   core.hooksPath of peers: each name leads to `coppice guard`
 *
 * A repository that is not in the file is none of Coppice's, and nothing of it is guarded. */
#ifndef REPO_GUARD_FILE_H
#define REPO_GUARD_FILE_H

#include <jansson.h>

#include "base/error.h"
#include "store/store.h"

enum { GUARD_FILE_MAX = 16 << 20 };

/* Both below the state folder; caller frees. */
char *guard_file_path(const char *home);
char *guard_hooks_path(const char *home);

/* What the file shall say, by the rows; a new reference. Outside of a turn or in one. */
json_t *guard_file_make(struct store *s);
int guard_file_write(const char *home, const json_t *owners, struct error *err) _warn_unused_;
/* Reads it. Whatever is wrong with it, the hint says how it is written anew. */
int guard_file_read(const char *home, json_t **ret, struct error *err) _warn_unused_;
/* Its parser, apart for the fuzzer. ERR_INVALID. */
int guard_file_parse(const char *text, size_t len, json_t **ret, struct error *err) _warn_unused_;

/* Makes the folder of hooks, for this program at `program`; one that is as it shall be is left alone. */
int guard_hooks_write(const char *home, const char *program, struct error *err) _warn_unused_;
/* Whether git knows a hook of that name, which the folder has (githooks(5)). */
bool guard_hook_known(const char *name);

#endif
