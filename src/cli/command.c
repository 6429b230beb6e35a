/* Parsing and running of commands by their entries; see command.h. */
#include "cli/command.h"

#include <errno.h>
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

enum {
	OPTIONS_MAX = 48,
	STDIN_MAX = 4 << 20,
	NEAR = 2, /* edits between what was typed and what was meant */
	SHORT_USAGE = 50,
	SHOWN_TEXT = 200, /* bytes of an argument that an error repeats */
};

struct option_value {
	struct option_value *next;
	const char *name;
	const char *value;
};

const struct option_entry common_options[] = {
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

/* getopt's tables of a command; `shorts` has room for 3 * OPTIONS_MAX + 3 bytes. Returns the number of
 * options. */
static int build_tables(const struct command *c, struct option *longs, char *shorts)
{
	int n = 0;
	char *s = shorts;
	*s++ = '-'; /* positional arguments come as option 1, in order */
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
		for (int k = o->kind == OPTION_VALUE ? 1 : o->kind == OPTION_OPTIONAL ? 2 : 0; k > 0; k--)
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
	if (strlen(c->name) + strlen(c->usage) < SHORT_USAGE)
		return error_hint(err, code, "usage: coppice %s%s%s", c->name, *c->usage ? " " : "",
				  c->usage);
	return error_hint(err, code, "see: coppice help %s", c->name);
}

/* The long option that somebody may have meant. */
static const char *near_option(const struct command *c, int n, const char *given)
{
	autofree char *name = xstrndup(given, strcspn(given, "="));
	for (int i = 0; i < n; i++)
		if (text_distance(entry_at(c, i)->name, name) <= NEAR)
			return entry_at(c, i)->name;
	return NULL;
}

/* Says what getopt did not like: `got` is '?' or ':'. */
static int option_error(const struct command *c, int n, char *const *argv, int got, struct error *err)
{
	/* optopt: 0 for an unknown long one, which is then behind us; else the letter or number of a known
	 * one, or an unknown letter. */
	const struct option_entry *o = optopt >= 256 ? entry_at(c, optopt - 256) : NULL;
	autofree char *name = o	       ? xasprintf("--%s", o->name)
			      : optopt ? xasprintf("-%c", optopt)
				       : xstrdup(argv[optind - 1]);
	if (got == ':')
		return usage_error(c, err, "a value is missing after", name);
	if (o)
		return usage_error(c, err, "no value can be given to", name);
	const char *near = optopt ? NULL : near_option(c, n, name + 2);
	int code = usage_error(c, err, "unknown option", name);
	return near ? error_hint(err, code, "did you mean --%s? see: coppice help %s", near, c->name) : code;
}

static int parse(struct command_run *run, int argc, char **argv, struct error *err)
{
	const struct command *c = run->command;
	struct option longs[OPTIONS_MAX];
	char shorts[3 * OPTIONS_MAX + 3];
	int n = build_tables(c, longs, shorts);
	run->args = xcalloc((size_t)argc + 1, sizeof(*run->args));
	opterr = 0;
	optind = 0; /* glibc's way to say that this is another command line */
	for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		if (got == ':' || got == '?')
			return option_error(c, n, argv, got, err);
		const struct option_entry *o = got >= 256 ? entry_at(c, got - 256) : NULL;
		/* Nothing after the sign is a script's empty variable, which must not mean the default. */
		if (o && o->kind == OPTION_OPTIONAL && optarg && !*optarg)
			return usage_error(c, err, "a value is missing after", argv[optind - 1]);
		if (got == 1)
			run->args[run->n_args++] = optarg;
		else
			add_option(run, o ? o : entry_of_letter(c, n, got), optarg);
	}
	/* What is left was behind "--". */
	if (c->takes_command && optind < argc)
		run->rest = argv + optind;
	else
		while (optind < argc)
			run->args[run->n_args++] = argv[optind++];
	return 0;
}

/* JSON carries nothing else; what would come of it must not quietly be another name. */
static int check_text(const char *what, const char *text, struct error *err)
{
	autostrbuf shown = STRBUF_INIT(4 * SHOWN_TEXT);
	if (utf8_valid(text, strlen(text)))
		return 0;
	text_escape(text, strnlen(text, SHOWN_TEXT), false, &shown);
	return error_set(err, ERR_INVALID, "%s is not valid UTF-8: %s", what, strbuf_str(&shown));
}

static int check_utf8(int argc, char *const *argv, struct error *err)
{
	int code = 0;
	for (int i = 1; i < argc && !code; i++)
		code = check_text("this argument", argv[i], err);
	return code;
}

static int check_args(struct command_run *run, struct error *err)
{
	const struct command *c = run->command;
	const char *dir = option_get(run, "dir");
	autofree char *cwd = getcwd(NULL, 0);
	run->json = option_get(run, "json") != NULL;
	if (run->n_args < c->min_args)
		return usage_error(c, err, "an argument is missing", NULL);
	if (c->max_args >= 0 && run->n_args > c->max_args)
		return usage_error(c, err, "one argument too many:", run->args[c->max_args]);
	if (!cwd && !dir)
		return error_set(err, ERR_NOT_FOUND, "the current folder is gone");
	int code = path_resolve(dir ? dir : cwd, &run->dir, err);
	return code ? code : check_text("the path of this folder", run->dir, err);
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

/* Whether the answer, and so an error too, shall be JSON: it may be wanted before the rest is understood. */
static bool wants_json(int argc, char *const *argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int command_execute(const struct command *c, int argc, char **argv)
{
	struct command_run run = {.command = c};
	autoerror err = {0};
	int code = check_utf8(argc, argv, &err);
	if (!code)
		code = parse(&run, argc, argv, &err);
	bool help = !code && option_get(&run, "help");
	if (help)
		command_help(c);
	if (!code && !help)
		code = check_args(&run, &err);
	if (!code && !help)
		code = c->run(&run, &err);
	int exit_code = code ? error_kind((enum error_code)code)->exit_code : run.exit_code;
	if (!code)
		code = out_end(&err);
	if (code)
		out_error(&err, run.json || wants_json(argc, argv));
	free_run(&run);
	return code && !exit_code ? 1 : exit_code;
}

/* What other programs call it. */
static const struct {
	const char *other, *ours;
} synonyms[] = {
	{"add", "new"},	      {"create", "new"},     {"delete", "rm"},	 {"health", "doctor"},
	{"logs", "log"},      {"ls", "list"},	     {"merge", "land"},	 {"message", "notify"},
	{"msg", "notify"},    {"queue", "train"},    {"remove", "rm"},	 {"send", "notify"},
	{"serve", "daemon"},  {"start", "daemon"},   {"tell", "notify"}, {"version", "--version"},
	{"worktree", "list"}, {"worktrees", "list"}, {"peers", "ps"},
};

static bool is_near(const struct command *c, const char *name)
{
	size_t len = strlen(name);
	return c->group && ((len > 1 && strncmp(c->name, name, len) == 0) ||
			    text_distance(c->name, name) <= (len > 3 ? NEAR : 1));
}

static int unknown_command(const char *name, bool json)
{
	autoerror err = {0};
	autostrbuf near = STRBUF_INIT(256);
	for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (strcmp(synonyms[i].other, name) == 0)
			strbuf_addstr(&near, synonyms[i].ours);
	for (size_t i = 0; commands[i]; i++)
		if (is_near(commands[i], name))
			strbuf_addf(&near, "%s%s", near.len ? ", " : "", commands[i]->name);
	int code = error_set(&err, ERR_INVALID, "there is no command '%.60s'", name);
	if (near.len)
		(void)error_hint(&err, code, "did you mean %s? all of them: coppice help", strbuf_str(&near));
	else
		(void)error_hint(&err, code, "see: coppice help");
	out_error(&err, json);
	return error_kind(ERR_INVALID)->exit_code;
}

/* -C DIR and --json may stand before the command too, as git has it: they are moved behind it. */
static void move_options(int argc, char **argv)
{
	int i = 1;
	while (i < argc && argv[i][0] == '-') {
		bool dir = strcmp(argv[i], "-C") == 0 || strcmp(argv[i], "--dir") == 0;
		bool one = strncmp(argv[i], "--dir=", 6) == 0 || strcmp(argv[i], "--json") == 0;
		if (!dir && !one)
			return;
		i += dir ? 2 : 1;
	}
	if (i == 1 || i >= argc)
		return;
	char *name = argv[i];
	memmove(argv + 2, argv + 1, (size_t)(i - 1) * sizeof(*argv));
	argv[1] = name;
}

static int show_help(int argc, char **argv)
{
	const struct command *c = argc > 2 ? command_find(argv[2]) : NULL;
	if (argc > 2 && !c)
		return unknown_command(argv[2], false);
	if (c)
		command_help(c);
	else
		command_help_all();
	return out_end(NULL) ? 1 : 0;
}

int command_main(int argc, char **argv)
{
	move_options(argc, argv);
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name) {
		command_help_all();
		return 2;
	}
	if (strcmp(name, "--version") == 0) {
		(void)printf("coppice %s\n", COPPICE_VERSION);
		return out_end(NULL) ? 1 : 0;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
	    (strcmp(name, "help") == 0 && (argc < 3 || argv[2][0] != '-')))
		return show_help(argc, argv);
	const struct command *c = command_find(name);
	return c ? command_execute(c, argc - 1, argv + 1) : unknown_command(name, wants_json(argc, argv));
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
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return error_errno(err, errno, "cannot read stdin");
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
