/* Running git: explicit repository, clean environment, argument arrays, porcelain output (W3).
 *
 * Discovery happens once, when a person or a caller names a folder (git_open); from then on git runs
 * with GIT_DIR, GIT_COMMON_DIR and GIT_WORK_TREE given, never found, so that a rewritten .git file
 * cannot lead it elsewhere. Every GIT_* variable of our own environment is dropped but the identity
 * and configuration ones (GIT_AUTHOR_*, GIT_COMMITTER_*, GIT_CONFIG_GLOBAL, GIT_CONFIG_NOSYSTEM,
 * GIT_CONFIG_SYSTEM, GIT_SSH*, GIT_ASKPASS), terminal prompts are off, core.fsmonitor is false, and the
 * locale is C. Branch names, paths and revisions always follow "--" or "--end-of-options". */
#ifndef REPO_GIT_H
#define REPO_GIT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Where git works. All absolute and resolved; owned by whoever made it. */
struct git {
	char *common_dir; /* the repository's shared folder */
	char *git_dir;	  /* == common_dir, or <common_dir>/worktrees/<id> */
	char *work_tree;  /* NULL for a bare repository */
	int lock_fd;	  /* an flock that git children inherit, -1 for none (W1) */
};

#define GIT_INIT ((struct git){.lock_fd = -1})
#define autogit _cleanup_(git_release) struct git

enum { GIT_OUTPUT_MAX = 64 << 20 };

void git_release(struct git *g);
/* Finds the repository at or above `dir`. ERR_MISSING without git or with one older than 2.38,
 * ERR_NOT_FOUND outside a repository, ERR_UNSUPPORTED for one git calls unsafe (the hint repeats git's). */
int git_open(const char *dir, struct git *ret, struct error *err) _warn_unused_;
/* A git for another folder of the same repository, without discovery; copies its arguments. */
void git_at(const char *common_dir, const char *git_dir, const char *work_tree, struct git *ret);

enum git_flags {
	GIT_HOOKS = 1 << 0, /* let repository hooks run, as the user's own command would; off otherwise */
	GIT_QUIET = 1 << 1, /* a non-zero exit is an answer: see ret_status */
};

/* Runs `git ARGS…` (NULL-terminated, without "git"), stdout into `out` (may be NULL: dropped). A
 * non-zero exit is ERR_GIT with git's stderr (escaped, first lines) in the message; with GIT_QUIET it
 * is stored in `ret_status` instead (may be NULL otherwise). */
int git_run(const struct git *g, unsigned flags, const char *const *args, struct strbuf *out, int *ret_status,
	    struct error *err) _warn_unused_;
/* The same with text on stdin and "NAME=value" variables set (either may be NULL). */
int git_run_with(const struct git *g, unsigned flags, const char *const *args, const char *input,
		 size_t input_len, const char *const *set, struct strbuf *out, int *ret_status,
		 struct error *err) _warn_unused_;
/* The environment that git gets (see above); with `g` NULL it names no repository. Caller frees with
 * env_free. */
char **git_environment(const struct git *g, unsigned flags, const char *const *set);
/* Runs git and returns its first output line, without the newline; caller frees. */
int git_line(const struct git *g, const char *const *args, char **ret, struct error *err) _warn_unused_;
/* The full hex commit that `rev` names, caller frees; ERR_NOT_FOUND if none. */
int git_commit_of(const struct git *g, const char *rev, char **ret, struct error *err) _warn_unused_;
/* Whether refs/heads/<branch> exists, and its commit (caller frees, NULL if not; may be NULL). */
int git_branch_tip(const struct git *g, const char *branch, char **ret, struct error *err) _warn_unused_;

/* The admin folder that the .git file of a linked worktree names, absolute and resolved; caller frees.
 * For a worktree that we have just made: in an agent's hands the file may say anything (W3). */
int git_link_read(const char *worktree, char **ret, struct error *err) _warn_unused_;

/* A linked or main worktree as `git worktree list --porcelain -z` tells it. */
struct git_worktree {
	char *path;    /* absolute */
	char *git_dir; /* its admin folder, absolute; NULL if it could not be told */
	char *head;    /* commit, or NULL for an unborn branch */
	char *branch;  /* short name, or NULL when detached */
	char *locked;  /* reason ("" without one), or NULL */
	bool bare;
	bool main;
	bool prunable;
};

struct git_worktrees {
	struct git_worktree *at;
	size_t n;
};

/* All worktrees of the repository, the main one first. */
int git_worktrees(const struct git *g, struct git_worktrees *ret, struct error *err) _warn_unused_;
/* Runs a `git worktree` command. While another git makes or removes a worktree, whoever's it is, that one's
 * folder lacks files for an instant, and this one dies of it before it has changed anything: then it is run
 * again, which is all that helps, for no lock is shared with a git that somebody runs by hand. `out` may be
 * NULL. */
int git_run_worktree(const struct git *g, const char *const *args, struct strbuf *out,
		     struct error *err) _warn_unused_;
void git_worktrees_release(struct git_worktrees *list);
/* The parser of that porcelain, apart for its fuzzer. False when malformed. */
bool git_worktrees_parse(const char *text, size_t len, struct git_worktrees *ret);

/* One entry of `git status --porcelain=v2 -z`. */
struct git_status_entry {
	char kind;	  /* '1' changed, '2' renamed, 'u' unmerged, '?' untracked, '!' ignored */
	const char *path; /* points into the text */
};

struct git_status {
	struct strbuf text; /* the porcelain, NUL-separated */
	struct git_status_entry *at;
	size_t n;
	size_t changed, unmerged, untracked, ignored;
};

enum git_status_flags {
	GIT_STATUS_IGNORED = 1 << 0,
	GIT_STATUS_UNTRACKED_ALL = 1 << 1, /* each file, not only the folder */
};

/* What keeps a look at a worktree from running programs of its agent's choice (W3). Filters of the
 * user's own (global, system) configuration run, as they must for LFS; those of the repository's
 * configuration do not, and a worktree's own configuration file, which a confined agent may write (S5),
 * is not read at all. Taken once per repository; immutable, so threads may share it. */
struct git_guard {
	char **set;	  /* configuration overrides, "NAME=value" for git_run_with */
	char **set_aside; /* the same where extensions.worktreeConfig is on, else NULL */
};

#define autogitguard _cleanup_(git_guard_release) struct git_guard
int git_guard_take(const struct git *g, struct git_guard *ret, struct error *err) _warn_unused_;
void git_guard_release(struct git_guard *guard);
/* Runs a git command that only looks at the worktree of `g` (status, ls-files, diff-files, …) under
 * `guard`; NULL takes one for this command. It must not be one that goes into submodules: there git
 * works by discovery. */
int git_look(const struct git *g, const struct git_guard *guard, const char *const *args, struct strbuf *out,
	     struct error *err) _warn_unused_;

/* The worktree's state, by git_look. Of a submodule only its commit is compared. */
int git_status(const struct git *g, const struct git_guard *guard, unsigned flags, struct git_status *ret,
	       struct error *err) _warn_unused_;
void git_status_release(struct git_status *s);
/* Parses ret->text into ret->at; false when malformed. */
bool git_status_parse(struct git_status *ret);

#endif
