/* The man page, in the man macros, from the commands' entries and the configuration's keys. */
#include <string.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/out.h"
#include "cli/pages.h"

static const char description[] =
	"Coppice lets several workers change one repository at the same time: each on its own git worktree "
	"and "
	"branch, as a peer that the others can ask by name. A plan file says what is to be done and which "
	"branch "
	"needs which; coppice makes the worktrees, starts the workers in tmux, carries their messages, gates "
	"each "
	"result on the exact tree that would land, and lands it in dependency order.\n"
	"A daemon owns all state. It is started by the first command that needs it, and everything that it "
	"promised is on disk: whatever ends it, the next one takes up what was under way.";

struct pair {
	const char *name, *text;
};

static const struct pair variables[] = {
	{"COPPICE", "0 keeps a session out: its hooks do nothing, and it starts no daemon."},
	{"COPPICE_CIRCLE", "The circle of what is spawned, unless --circle says otherwise."},
	{"COPPICE_HOME",
	 "The state folder. Default: $XDG_STATE_HOME/coppice, which is ~/.local/state/coppice."},
	{"COPPICE_TOKEN_FILE", "A file with the token that proves a human where no terminal does."},
	{"COPPICE_<SECTION>__<KEY>",
	 "Overrides a key of the configuration; its value is YAML. '-' becomes '_'."},
	{"COPPICE_PEER, COPPICE_JOB, COPPICE_FENCE", "Set by coppice in the terminals that it starts."},
	{"COPPICE_GUARD",
	 "Set for the commands of a session that was opened by hand: whose git it is, for coppice guard."},
	{"NO_COLOR", "If set, nothing is coloured, and rows are not redrawn."},
};

static const struct pair files[] = {
	{"$XDG_CONFIG_HOME/coppice/config.yaml", "The user's configuration."},
	{".coppice.yaml", "A repository's own: worktrees, hooks, commit and trash."},
	{"$XDG_RUNTIME_DIR/coppice/", "The daemon's socket."},
	{"~/.local/state/coppice/", "The state folder: the database, the log, and the trash where it fits."},
};

static const struct pair exits[] = {
	{"0", "Done."},
	{"1", "Failed."},
	{"2", "Wrong usage."},
	{"3", "Refused by a rule; rm: something was kept."},
	{"4", "No daemon runs, and none could be started."},
	{"5", "Not found, or ambiguous."},
	{"6", "Timed out."},
};

/* Text as roff shows it: no character of it is a request or an escape. */
static void add_text(struct strbuf *out, const char *text)
{
	bool first = true; /* on its line */
	while (*text) {
		uint32_t c;
		size_t n = out_character(text, &c);
		if (first && (c == '.' || c == '\''))
			strbuf_addstr(out, "\\&");
		first = c == '\n';
		if (c == '\\')
			strbuf_addstr(out, "\\e");
		else if (c == '-')
			strbuf_addstr(out, "\\-");
		else if (c == '\'')
			strbuf_addstr(out, "\\(aq");
		else if (c == '`')
			strbuf_addstr(out, "\\(ga");
		else if (c == '^')
			strbuf_addstr(out, "\\(ha");
		else if (c == '~')
			strbuf_addstr(out, "\\(ti");
		else if (c >= 0x80)
			strbuf_addf(out, "\\[u%04X]", c);
		else
			strbuf_addch(out, (char)c);
		text += n;
	}
}

/* Paragraphs, a line each, parted by `between`. */
static void add_paragraphs(struct strbuf *out, const char *text, const char *between)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");
		autofree char *line = xstrndup(p, len);
		add_text(out, line);
		p += len + (p[len] == '\n');
		strbuf_addf(out, "\n%s", *p ? between : "");
	}
}

static void add_option(struct strbuf *out, const struct option_entry *o)
{
	strbuf_addstr(out, ".TP\n");
	if (o->letter)
		strbuf_addf(out, "\\fB\\-%c\\fR, ", o->letter);
	strbuf_addstr(out, "\\fB");
	autofree char *name = xasprintf("--%s", o->name);
	add_text(out, name);
	strbuf_addstr(out, "\\fR");
	if (o->kind != OPTION_FLAG) {
		strbuf_addstr(out, o->kind == OPTION_OPTIONAL ? "[=\\fI" : " \\fI");
		add_text(out, o->value);
		strbuf_addstr(out, o->kind == OPTION_OPTIONAL ? "\\fR]" : "\\fR");
	}
	strbuf_addch(out, '\n');
	add_text(out, o->doc);
	strbuf_addch(out, '\n');
}

static void add_examples(struct strbuf *out, const char *examples)
{
	strbuf_addstr(out, ".PP\n.nf\n");
	for (const char *p = examples; *p;) {
		size_t len = strcspn(p, "\n");
		autofree char *line = xasprintf("$ %.*s", (int)len, p);
		add_text(out, line);
		strbuf_addch(out, '\n');
		p += len + (p[len] == '\n');
	}
	strbuf_addstr(out, ".fi\n");
}

static void add_command(struct strbuf *out, const struct command *c)
{
	strbuf_addf(out, ".TP\n\\fBcoppice %s\\fR ", c->name);
	add_text(out, c->usage);
	strbuf_addch(out, '\n');
	add_text(out, c->summary);
	strbuf_addstr(out, ".\n");
	strbuf_addstr(out, ".RS\n");
	if (c->text) {
		strbuf_addstr(out, ".PP\n");
		add_paragraphs(out, c->text, ".PP\n");
	}
	for (const struct option_entry *o = c->options; o && o->name; o++)
		add_option(out, o);
	if (c->examples)
		add_examples(out, c->examples);
	strbuf_addstr(out, ".RE\n");
}

static void add_pairs(struct strbuf *out, const char *title, const struct pair *pairs, size_t n)
{
	strbuf_addf(out, ".SH %s\n", title);
	for (size_t i = 0; i < n; i++) {
		strbuf_addstr(out, ".TP\n\\fB");
		add_text(out, pairs[i].name);
		strbuf_addstr(out, "\\fR\n");
		add_text(out, pairs[i].text);
		strbuf_addch(out, '\n');
	}
}

static void add_configuration(struct strbuf *out)
{
	json_auto_t *keys = page_config_keys();
	size_t i;
	json_t *key;
	strbuf_addstr(out, ".SH CONFIGURATION\n");
	add_text(out,
		 "A YAML file of sections with these keys; defaults in brackets. A file that is not valid is "
		 "reported with each problem's line, and nothing of it is used.");
	strbuf_addch(out, '\n');
	json_array_foreach(keys, i, key)
	{
		autofree char *fallback = json_text(json_object_get(key, "default"));
		strbuf_addstr(out, ".TP\n\\fB");
		add_text(out, json_str(key, "key"));
		strbuf_addstr(out, "\\fR [");
		add_text(out, fallback);
		strbuf_addstr(out, "]\n");
		add_text(out, json_str(key, "doc"));
		strbuf_addch(out, '\n');
	}
}

int page_man(struct strbuf *out, struct error *err)
{
	const char *group = "";
	strbuf_addf(out, ".TH COPPICE 1 \"\" \"coppice %s\" \"User commands\"\n.nh\n.ad l\n",
		    COPPICE_VERSION);
	strbuf_addstr(out,
		      ".SH NAME\ncoppice \\- AI coding agents in parallel, each on its own git worktree and "
		      "branch\n.SH SYNOPSIS\n.B coppice\n\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n.br\n"
		      ".B coppice help\n[\\fICOMMAND\\fR]\n.SH DESCRIPTION\n");
	add_paragraphs(out, description, ".PP\n");
	strbuf_addstr(out, ".SH OPTIONS\nEvery command has these.\n");
	for (const struct option_entry *o = common_options; o->name; o++)
		add_option(out, o);
	strbuf_addstr(out, ".SH COMMANDS\n");
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		if (strcmp(commands[i]->group, group) != 0)
			strbuf_addf(out, ".SS \"%c%s\"\n", commands[i]->group[0] - 'a' + 'A',
				    commands[i]->group + 1);
		group = commands[i]->group;
		add_command(out, commands[i]);
	}
	add_configuration(out);
	add_pairs(out, "ENVIRONMENT", variables, ARRAY_SIZE(variables));
	add_pairs(out, "FILES", files, ARRAY_SIZE(files));
	add_pairs(out, "\"EXIT STATUS\"", exits, ARRAY_SIZE(exits));
	strbuf_addstr(out, ".SH \"SEE ALSO\"\n.BR git (1),\n.BR git\\-worktree (1),\n.BR tmux (1)\n");
	return out->overflow ? error_set(err, ERR_INTERNAL, "the page is too long") : 0;
}
