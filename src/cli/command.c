/* Parsing and running of commands by their entries; see command.h. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "cli/out.h"
#include "os/file.h"

enum { OPTIONS_MAX = 48, STDIN_MAX = 4 << 20 };

struct option_value {
	struct option_value *next;
	const char *name;
	const char *value;
};

static const struct option_entry common_options[] = {
	{"json", 0, OPTION_FLAG, NULL, "print JSON"},
	{"dir", 'C', OPTION_VALUE, "DIR", "act as if started in DIR"},
	{"help", 'h', OPTION_FLAG, NULL, "show this help"},
	{0},
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const char *option_get(const struct command_run *run, const char *name)
{
	for (const struct option_value *o = run->options; o; o = o->next)
		if (strcmp(o->name, name) == 0)
			return o->value;
	return NULL;
}

const char **option_all(const struct command_run *run, const char *name)
{
	size_t n = 0;
	for (const struct option_value *o = run->options; o; o = o->next)
		n += strcmp(o->name, name) == 0;
	if (!n)
		return NULL;
	const char **all = xcalloc(n + 1, sizeof(*all));
	for (const struct option_value *o = run->options; o; o = o->next) /* the list is newest first */
		if (strcmp(o->name, name) == 0)
			all[--n] = o->value;
	return all;
}

static const struct option_entry *entry_at(const struct command *c, int index)
{
	int n = 0;
	for (const struct option_entry *o = c->options; o && o->name; o++, n++)
		if (n == index)
			return o;
	return &common_options[index - n];
}

/* getopt's tables of a command; `shorts` has room for 2 * OPTIONS_MAX + 2 bytes. Returns the number of
 * options. */
static int build_tables(const struct command *c, struct option *longs, char *shorts)
{
	int n = 0;
	char *s = shorts;
	*s++ = c->rest ? '+' : '-'; /* '-': positional arguments come as option 1, in order */
	*s++ = ':';
	for (int i = 0; n < OPTIONS_MAX - 1; i++, n++) {
		const struct option_entry *o = entry_at(c, i);
		if (!o->name)
			break;
		static const int kinds[] = {[OPTION_FLAG] = no_argument,
					    [OPTION_VALUE] = required_argument,
					    [OPTION_OPTIONAL] = optional_argument};
		longs[n] = (struct option){o->name, kinds[o->kind], NULL, 256 + i};
		if (!o->letter)
			continue;
		*s++ = o->letter;
		if (o->kind == OPTION_VALUE)
			*s++ = ':';
	}
	*s = '\0';
	longs[n] = (struct option){0};
	return n;
}

static void add_option(struct command_run *run, const struct option_entry *o, const char *value)
{
	struct option_value *v = xcalloc(1, sizeof(*v));
	*v = (struct option_value){run->options, o->name, value ? value : ""};
	run->options = v;
}

static const struct option_entry *entry_of_letter(const struct command *c, int n, int letter)
{
	for (int i = 0; i < n; i++)
		if (entry_at(c, i)->letter == letter)
			return entry_at(c, i);
	return NULL;
}

static int usage_error(const struct command *c, struct error *err, const char *what, const char *which)
{
	int code = error_set(err, ERR_INVALID, "%s%s%s", what, which ? " " : "", which ? which : "");
	return error_hint(err, code, "usage: coppice %s %s", c->name, c->usage);
}

static int parse(struct command_run *run, int argc, char **argv, struct error *err)
{
	const struct command *c = run->command;
	struct option longs[OPTIONS_MAX];
	char shorts[2 * OPTIONS_MAX + 3];
	int n = build_tables(c, longs, shorts);
	run->args = xcalloc((size_t)argc + 1, sizeof(*run->args));
	opterr = 0;
	optind = 1;
	for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		const struct option_entry *o =
			got >= 256 ? entry_at(c, got - 256) : entry_of_letter(c, n, got);
		if (got == 1)
			run->args[run->n_args++] = optarg;
		else if (got == ':')
			return usage_error(c, err, "a value is missing after", argv[optind - 1]);
		else if (got == '?' || !o)
			return usage_error(c, err, "unknown option", argv[optind - 1]);
		else
			add_option(run, o, optarg);
	}
	bool dashes = optind > 0 && optind <= argc && strcmp(argv[optind - 1], "--") == 0;
	if (dashes && !c->rest)
		run->rest = argv + optind;
	else
		while (optind < argc)
			run->args[run->n_args++] = argv[optind++];
	return 0;
}

static int check_args(struct command_run *run, struct error *err)
{
	const struct command *c = run->command;
	const char *dir = option_get(run, "dir");
	autofree char *cwd = getcwd(NULL, 0);
	run->json = option_get(run, "json") != NULL;
	if (run->n_args < c->min_args)
		return usage_error(c, err, "something is missing", NULL);
	if (c->max_args >= 0 && run->n_args > c->max_args)
		return usage_error(c, err, "too much:", run->args[c->max_args]);
	if (!cwd && !dir)
		return error_set(err, ERR_NOT_FOUND, "the current folder is gone");
	return path_resolve(dir ? dir : cwd, &run->dir, err);
}

static void free_run(struct command_run *run)
{
	client_free(run->client);
	free(run->args);
	free(run->dir);
	for (struct option_value *o = run->options; o;) {
		struct option_value *next = o->next;
		free(o);
		o = next;
	}
}

static int run_command(const struct command *c, int argc, char **argv)
{
	struct command_run run = {.command = c};
	autoerror err = {0};
	int code = parse(&run, argc, argv, &err);
	if (!code && option_get(&run, "help")) {
		command_help(c);
		free_run(&run);
		return 0;
	}
	if (!code)
		code = check_args(&run, &err);
	if (!code)
		code = c->run(&run, &err);
	if (code)
		out_error(&err, option_get(&run, "json") != NULL);
	else
		code = -run.exit_code;
	free_run(&run);
	if (fflush(stdout) != 0 && code <= 0)
		return 1;
	return code > 0 ? error_kind((enum error_code)code)->exit_code : -code;
}

static int unknown_command(const char *name)
{
	autoerror err = {0};
	(void)error_set(&err, ERR_INVALID, "there is no command '%.60s'", name);
	(void)error_hint(&err, ERR_INVALID, "see: coppice help");
	out_error(&err, false);
	return error_kind(ERR_INVALID)->exit_code;
}

int command_main(int argc, char **argv)
{
	if (argc < 2) {
		command_help_all();
		return 2;
	}
	const char *name = argv[1];
	if (strcmp(name, "--version") == 0) {
		(void)printf("coppice %s\n", COPPICE_VERSION);
		return 0;
	}
	bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
	const struct command *c = command_find(help && argc > 2 ? argv[2] : name);
	if (help && !c && argc > 2)
		return unknown_command(argv[2]);
	if (help) {
		if (argc > 2)
			command_help(c);
		else
			command_help_all();
		return 0;
	}
	return c ? run_command(c, argc - 1, argv + 1) : unknown_command(name);
}

int command_client(struct command_run *run, struct client **ret, struct error *err)
{
	if (!run->client) {
		int code = client_open_default(CLIENT_START, &run->client, err);
		if (code)
			return code;
	}
	*ret = run->client;
	return 0;
}

int command_call(struct command_run *run, const char *op, json_t *args, bool change, json_t **ret,
		 struct error *err)
{
	json_auto_t *owned = args;
	struct client *client = NULL;
	char key[ID_SIZE];
	int code = command_client(run, &client, err);
	if (code)
		return code;
	client_new_key(key);
	return client_call(client, op, owned, change ? key : NULL, ret, err);
}

int command_answer(struct command_run *run, const char *op, json_t *args, bool change,
		   void (*print)(const json_t *answer), struct error *err)
{
	json_auto_t *answer = NULL;
	int code = command_call(run, op, args, change, &answer, err);
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		print(answer);
	return 0;
}

json_t *command_dir_args(const struct command_run *run)
{
	json_t *args = json_object();
	json_object_set_new(args, "dir", json_string(run->dir));
	return args;
}

static int read_stdin(char **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(STDIN_MAX);
	ssize_t n;
	do {
		char *to = strbuf_reserve(&text, 65536);
		if (!to)
			return error_set(err, ERR_TOO_LARGE, "stdin holds more than %d bytes", STDIN_MAX);
		n = read(STDIN_FILENO, to, 65536);
		if (n > 0)
			strbuf_setlen(&text, text.len + (size_t)n);
	} while (n > 0);
	*ret = strbuf_detach(&text);
	return 0;
}

int command_text(const struct command_run *run, int index, char **ret, struct error *err)
{
	autofree char *text = NULL;
	int code = 0;
	if (index < run->n_args && strcmp(run->args[index], "-") != 0)
		text = xstrdup(run->args[index]);
	else if (index < run->n_args)
		code = read_stdin(&text, err);
	if (!code && text && !utf8_valid(text, strlen(text)))
		code = error_set(err, ERR_INVALID, "the text is not valid UTF-8");
	if (!code)
		*ret = TAKE_PTR(text);
	return code;
}

char *command_path(const struct command_run *run, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : path_join(run->dir, path);
}
