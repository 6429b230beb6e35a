/* A program of commands: each source file registers its own, so that branches that add one meet nowhere. */
#ifndef COMMAND_H
#define COMMAND_H

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* 0 is success */
	int (*check)(void);		   /* 0 is success; NULL for none */
	struct command *next;
};

void command_register(struct command *command);

#endif
