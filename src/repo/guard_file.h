/* Who may move which branch, as a file that the guard reads in peers (W9): the daemon writes it whenever that
 * changes (guard_rows.h), and at its start; the guard (guard.h) needs no daemon.
 *
 *   <home>/guard/owners.json
 *	{"version":1, "repos":{COMMON_DIR:{
 *		"branches":{BRANCH:{"peer":ID,"name":NAME,"circle":CIRCLE,"git_dir":…}},
 *			owned, each by one; git's folder of its worktree, or null
 *		"targets":[BRANCH…],            of open changes and running plans: no peer's
 *		"main":FOLDER|null,             the main worktree: its branch is no peer's either,
 *		"at_main":[ID…]}}}              but for the peers that work right there
 *
 * A repository that is not in the file is none of Coppice's, and nothing of it is guarded. */
#ifndef REPO_GUARD_FILE_H
#define REPO_GUARD_FILE_H

#include <jansson.h>

#include "base/error.h"

enum { GUARD_FILE_VERSION = 1, GUARD_FILE_MAX = 16 << 20 };

/* Below the state folder; caller frees. */
char *guard_file_path(const char *home);
int guard_file_write(const char *home, const json_t *owners, struct error *err) _warn_unused_;
/* Reads it. Whatever is wrong with it, the hint says how it is written anew. */
int guard_file_read(const char *home, json_t **ret, struct error *err) _warn_unused_;
/* Its parser, apart for the fuzzer. ERR_INVALID. */
int guard_file_parse(const char *text, size_t len, json_t **ret, struct error *err) _warn_unused_;

#endif
