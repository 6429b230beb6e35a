/* The configuration as it is for one repository: the user's, with the repository's own .coppice.yaml under
 * the environment. That file is read from the commit that the main worktree stands on, never from an agent's
 * branch (W10). */
#ifndef FLOW_REPO_CONFIG_H
#define FLOW_REPO_CONFIG_H

#include "flow/core.h"

/* `ret_owned` is to be released by the caller (autoconfig); it may stay NULL, for the result may be the
 * core's own. Errors name file, line and key; with `err` NULL a bad file counts as absent. */
int repo_config(const struct core *core, const char *repo_id, struct config **ret_owned,
		const struct config **ret, struct error *err) _warn_unused_;

#endif
