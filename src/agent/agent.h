/* Backends: the runtimes behind peers, one const table entry and one file each. Adding one is a file with an
 * entry, and its line in agent.c. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

enum agent_launch {
	AGENT_LAUNCH_EXEC,  /* the terminal's process becomes the agent */
	AGENT_LAUNCH_WATCH, /* the terminal's process waits for it and records how it ended (term/launch.h) */
};

struct agent_backend {
	const char *name;
	const char *summary; /* one line, for help and docs */
	enum agent_launch launch;
};

/* NULL if there is none of that name. */
const struct agent_backend *agent_backend_find(const char *name);
/* The names, NULL-terminated. */
const char *const *agent_backend_names(void);

extern const struct agent_backend agent_script;

#endif
