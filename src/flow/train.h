/* The train of a target: which change is built next, and what follows from its build (L1 to L4). */
#ifndef FLOW_TRAIN_H
#define FLOW_TRAIN_H

#include "flow/core.h"

/* Starts the next change of the train, unless one is under way. */
void train_advance(struct core *core, const char *repo_id, const char *target);
/* Ends of the effects land.build and land.move; `subject` is the change. */
void train_built(struct core *core, const char *subject, bool ok, const json_t *result);
void train_moved(struct core *core, const char *subject, bool ok, const json_t *result);

#endif
