/* shapes COMMAND [ARGUMENT...]; "shapes check" checks every command. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static struct command *commands;

void command_register(struct command *command)
{
	command->next = commands;
	commands = command;
}

static int check_all(void)
{
	int failed = 0;
	for (struct command *c = commands; c; c = c->next) {
		int bad = c->check ? c->check() : 0;
		printf("%s %s\n", bad ? "not ok" : "ok", c->name);
		failed |= bad;
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "check") == 0)
		return check_all();
	for (struct command *c = commands; argc > 1 && c; c = c->next)
		if (strcmp(c->name, argv[1]) == 0)
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "usage: shapes COMMAND\n");
	return 2;
}
