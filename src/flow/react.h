/* Reactions: one table, event kind → what follows from it, in the same transaction. */
#ifndef FLOW_REACT_H
#define FLOW_REACT_H

#include "flow/core.h"

/* Runs the reactions to all new events of the turn, and to the events that these cause. Called after
 * each operation and effect, before its savepoint is kept. */
void flow_react(struct core *core);

#endif
