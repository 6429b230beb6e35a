/* Commands: one file each, self-described by a const entry; --help, the man page and the completions are made
 * from it. A new command is a file with an entry, and its line in commands.c. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "ops/client.h"

enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_OPTIONAL };

struct option_entry {
	const char *name; /* long, without dashes */
	char letter;	  /* short, or 0 */
	enum option_kind kind;
	const char *value; /* its value's name in the help: "REF" */
	const char *doc;
};

struct command_run;

struct command {
	const char *name;
	const char *group;   /* heading in `coppice help`; NULL hides it: for agents and the program itself */
	const char *summary; /* one line */
	const char *usage;   /* what follows the name: "BRANCH [--base REF]" */
	const char *text;    /* paragraphs for the man page and --help, a line each, or NULL */
	const char *examples; /* a line each */
	/* What the positional arguments are, for completions: kinds of words (words.h), or alternatives, by
	 * spaces, the last one repeated: "peer text", "list|show job"; NULL: none. */
	const char *operands;
	const struct option_entry
		*options;	/* ends with a NULL name; --json, -C and --help go without saying */
	int min_args, max_args; /* positional; -1: any number */
	bool takes_command;	/* what follows "--" is somebody else's: run->rest */
	int (*run)(struct command_run *run, struct error *err); /* 0, or an error's code */
};

/* One call of a command. */
struct command_run {
	const struct command *command;
	char **args; /* positional ones, NULL-terminated */
	int n_args;
	char **rest; /* the command after "--", NULL-terminated; NULL without it */
	bool json;
	char *dir; /* -C, or the current folder; absolute, owned */
	struct client *client;
	int exit_code; /* what a command that succeeded wants to end with (3: something was kept) */
	struct option_value *options; /* command.c's own */
};

/* The value of an option; "" for a flag or an optional value left out; NULL when it was not given. */
const char *option_get(const struct command_run *run, const char *name);
/* All values of an option given several times, NULL-terminated, caller frees the array; NULL when not given.
 */
const char **option_all(const struct command_run *run, const char *name);

/* The commands, by group; ends with NULL. */
extern const struct command *const commands[];
const struct command *command_find(const char *name);

/* Options that every command has. */
extern const struct option_entry common_options[];

/* Parses and runs; the process's exit code. */
int command_main(int argc, char **argv);
/* The same for one command, argv[0] being its name. */
int command_execute(const struct command *command, int argc, char **argv);
/* The help texts, to stdout. */
void command_help(const struct command *command);
void command_help_all(void);

/* The client, made at its first use; starts the daemon. */
int command_client(struct command_run *run, struct client **ret, struct error *err) _warn_unused_;
/* Calls an operation: `change` gives it a fresh idempotency key. Takes `args`. */
int command_call(struct command_run *run, const char *op, json_t *args, bool change, json_t **ret,
		 struct error *err) _warn_unused_;
/* The same, printing the answer as JSON, or by `print` for people. */
int command_answer(struct command_run *run, const char *op, json_t *args, bool change,
		   void (*print)(const json_t *answer), struct error *err) _warn_unused_;
/* {"dir": run->dir} */
json_t *command_dir_args(const struct command_run *run);
/* The text argument at `index`; "-" reads stdin to its end. Caller frees. */
int command_text(const struct command_run *run, int index, char **ret, struct error *err) _warn_unused_;
/* `path` made absolute from run->dir; caller frees. */
char *command_path(const struct command_run *run, const char *path);

#endif
