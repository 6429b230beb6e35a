/* A plan file (surface.md, "Plan file"), read and checked completely before anything is created.
 *
 * Every problem is reported with file, line and key, all together: unknown keys, wrong types, names
 * that git would refuse, duplicate branches and ones that cannot exist beside each other (feat and
 * feat/a), unknown needs, cycles (printed: feat/a -> feat/b -> feat/a), missing prompts and files.
 *
 * The repository has to be found before prompt files in it can be: so first plan_file_repo(), then,
 * with what was found there, plan_file_parse(). */
#ifndef WORK_PLAN_FILE_H
#define WORK_PLAN_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	PLAN_TASKS_MAX = 200,
	PLAN_PARALLEL_MAX = 64,
	PLAN_PROMPT_MAX = 1 << 20,  /* bytes of one prompt */
	PLAN_PROMPTS_MAX = 8 << 20, /* of all prompts of a plan */
};

enum plan_start {
	PLAN_START_PARALLEL, /* cut from the target, at once */
	PLAN_START_STACKED,  /* cut from the branch of its one need, once that has completed */
	PLAN_START_AFTER,    /* cut from the target when all its needs have landed */
};
enum plan_gate { PLAN_GATE_ABSENT, PLAN_GATE_NONE, PLAN_GATE_COMMANDS };
enum plan_push { PLAN_PUSH_NONE, PLAN_PUSH_BRANCHES };
enum plan_via { PLAN_VIA_LOCAL, PLAN_VIA_PR, PLAN_VIA_NONE };
enum plan_how { PLAN_HOW_SQUASH, PLAN_HOW_REBASE, PLAN_HOW_MERGE };
enum plan_retry { PLAN_RETRY_RESUME, PLAN_RETRY_FRESH };

/* The names of those values, as in the file. */
const char *plan_start_name(enum plan_start start);
const char *plan_push_name(enum plan_push push);
const char *plan_via_name(enum plan_via via);
const char *plan_how_name(enum plan_how how);
const char *plan_retry_name(enum plan_retry state);

/* All pointers are owned by the plan. */
struct plan_task {
	char *branch;
	char *prompt;	   /* the text, read from prompt_file if it was there; NULL for script */
	char *prompt_file; /* as written; NULL if none, and in a plan from JSON */
	char **run;	   /* argument array, NULL-terminated; NULL but for script */
	size_t *needs;	   /* indexes into the plan's tasks, in the order written, each once */
	size_t n_needs;
	int start;     /* enum plan_start */
	char *backend; /* never NULL; `script` if it has `run` and names no backend of its own */
	char *profile; /* NULL for none. That of `defaults` counts for its backend only */
	char *sandbox; /* "worktree", "none", or NULL: as the profile says */
	char *circle;  /* the task's, else of defaults, else the plan's; NULL: the caller's own */
	int line;      /* where it starts in the file, 0 from JSON */
};

struct plan_review {
	bool present;
	char *backend; /* spawn a reviewer of this backend … */
	char *profile;
	char *peer; /* … or ask this peer: exactly one of the two */
	int64_t approvals;
};

struct plan_file {
	char *repo;   /* absolute; not resolved, not yet known to be a repository */
	char *into;   /* target branch; NULL when neither the file nor plan_source.target names it */
	char *circle; /* or NULL: the caller's own */
	int64_t parallel;
	int gate;	       /* enum plan_gate */
	json_t *gate_commands; /* [string | [argv…], …] if PLAN_GATE_COMMANDS, else NULL */
	int push;	       /* enum plan_push */
	char *remote;	       /* never NULL */
	int via;	       /* land.via: enum plan_via */
	int how;	       /* land.how: enum plan_how */
	bool land_push;	       /* land.push: push the target after landing */
	struct plan_review review;
	int64_t attempts; /* retry.attempts, the first one included; 1 without `retry` */
	int retry_state;  /* enum plan_retry */
	struct plan_task *tasks;
	size_t n_tasks;
};

/* What to read and against what to check it. Paths are absolute; nothing in it is kept. */
struct plan_source {
	const char *file; /* its name in messages */
	const char *text;
	size_t len;
	const char *dir;	     /* the plan file's folder; NULL if it has none: no prompt_file then */
	const char *cwd;	     /* what `repo` is relative to, and its default */
	const char *home;	     /* what ~/ in `repo` means; NULL: nothing */
	const char *repo_root;	     /* the found repository's folder; NULL: prompt_file only below `dir` */
	const char *target;	     /* the target when the file names none; may be NULL */
	const char *default_backend; /* for tasks that name none; NULL: that is a problem */
	/* Whether such an agent can be started; an error is reported at the task. NULL: any. `profile` and
	 * `sandbox` may be NULL. */
	int (*check_agent)(const char *backend, const char *profile, const char *sandbox, void *data,
			   struct error *err);
	void *data;
};

/* The absolute path that `repo` names (src->cwd without it); syntax errors only. Caller frees. */
int plan_file_repo(const struct plan_source *src, char **ret, struct error *err) _warn_unused_;
/* Reads and checks the whole plan. A prompt_file is looked for below `dir`, then below `repo_root`,
 * and must be inside one of them with its symlinks resolved. */
int plan_file_parse(const struct plan_source *src, struct plan_file **ret, struct error *err) _warn_unused_;
/* The same from JSON of the plan file's shape (an API call, or what plan_file_to_json() gave);
 * src->text is not used. */
int plan_file_from_json(const json_t *json, const struct plan_source *src, struct plan_file **ret,
			struct error *err) _warn_unused_;
/* The plan in the file's own shape, with prompts read and defaults applied: plan_file_from_json() gives
 * an equal plan, anywhere. A new reference. */
json_t *plan_file_to_json(const struct plan_file *plan);
void plan_file_free(struct plan_file *plan);
void plan_file_release(struct plan_file **plan);
#define autoplan _cleanup_(plan_file_release) struct plan_file

/* The index of the task of `branch`, or -1. */
ptrdiff_t plan_file_task(const struct plan_file *plan, const char *branch);
/* Writes the n_tasks indexes to `ret` so that each task comes after all it needs, and otherwise in
 * the file's order. */
void plan_file_order(const struct plan_file *plan, size_t *ret);

#endif
