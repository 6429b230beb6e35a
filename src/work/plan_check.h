/* A plan while it is read: its tasks beside the YAML that they came from, and the checks that look at
 * more than one task. Only plan_file.c uses this. */
#ifndef WORK_PLAN_CHECK_H
#define WORK_PLAN_CHECK_H

#include "base/yaml_read.h"
#include "work/plan_file.h"

/* What a task says that its struct does not keep. */
struct plan_draft_task {
	const struct yaml_node *node; /* the task's mapping */
	char **needs;		      /* names as written, owned; NULL for none */
};

/* `defaults`, as written; NULL and -1 for what is not there. */
struct plan_defaults {
	char *backend;
	char *profile;
	char *sandbox;
	char *circle;
	int start;
};

/* Everything in it is owned but the source and the nodes. */
struct plan_draft {
	struct plan_file plan;
	struct plan_defaults defaults;
	const struct yaml_node *task_list;
	struct plan_draft_task *tasks; /* plan.n_tasks of them */
	const struct plan_source *src;
	struct yaml_report report;
};

/* Notes branch names that git would refuse, that are there twice, that cannot exist beside another or
 * beside the target, or that are the target. */
void plan_check_branches(struct plan_draft *d);
/* Turns the names in `needs` into indexes; notes unknown and repeated ones. */
void plan_link_needs(struct plan_draft *d);
/* Notes each cycle, printed: feat/a -> feat/b -> feat/a. */
void plan_check_cycles(struct plan_draft *d);
/* Notes a start that does not fit the task's needs or the plan's way of landing. */
void plan_check_starts(struct plan_draft *d);

#endif
