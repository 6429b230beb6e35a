/* The reference pages in Markdown, from the tables of commands, operations and configuration keys. */
#include <string.h>

#include "base/config.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/pages.h"
#include "ops/op.h"

static const char made[] = "<!-- Made from the program's own tables; renew it with: tools/reference -->\n\n";

/* Plain text: '|' would end a table's cell, and '<' begin a tag. */
static void add_plain(struct strbuf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '|' || *p == '<')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *p);
	}
}

json_t *page_config_keys(void)
{
	autoconfig *config = NULL;
	json_auto_t *all = NULL;
	if (config_parse(&(struct config_source){0}, &config, NULL) ||
	    config_to_json(config, NULL, &all, NULL))
		return json_array();
	return json_incref(json_object_get(all, "keys"));
}

/* --- commands --- */

static void add_options(struct strbuf *out, const struct option_entry *options)
{
	strbuf_addstr(out, "\n| option | |\n| --- | --- |\n");
	for (const struct option_entry *o = options; o->name; o++) {
		strbuf_addstr(out, "| ");
		if (o->letter)
			strbuf_addf(out, "`-%c`, ", o->letter);
		strbuf_addf(out, "`--%s", o->name);
		if (o->kind != OPTION_FLAG)
			strbuf_addf(out, o->kind == OPTION_OPTIONAL ? "[=%s]" : " %s", o->value);
		strbuf_addstr(out, "` | ");
		add_plain(out, o->doc);
		strbuf_addstr(out, " |\n");
	}
}

static void add_command(struct strbuf *out, const struct command *c)
{
	strbuf_addf(out, "\n### coppice %s\n\n%s.\n\n```\ncoppice %s%s%s\n```\n", c->name, c->summary,
		    c->name, *c->usage ? " " : "", c->usage);
	for (const char *p = c->text; p && *p;) {
		size_t len = strcspn(p, "\n");
		autofree char *paragraph = xstrndup(p, len);
		strbuf_addch(out, '\n');
		add_plain(out, paragraph);
		strbuf_addch(out, '\n');
		p += len + (p[len] == '\n');
	}
	if (c->options && c->options->name)
		add_options(out, c->options);
	if (c->examples)
		strbuf_addf(out, "\n```sh\n%s\n```\n", c->examples);
}

static void write_commands(struct strbuf *out)
{
	const char *group = "";
	strbuf_addstr(out, "# Commands\n\n");
	strbuf_addstr(out, made);
	strbuf_addstr(
		out,
		"Every command has these options. `-C` and `--json` may also stand before the command.\n");
	add_options(out, common_options);
	strbuf_addstr(
		out,
		"\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule, 4 no daemon and none "
		"could be started, 5 not found or ambiguous, 6 timed out. With `--json` an error is one "
		"object on stderr: `{\"error\":{\"code\",\"message\",\"hint\",\"details\"}}`.\n");
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		if (strcmp(commands[i]->group, group) != 0)
			strbuf_addf(out, "\n## %c%s\n", commands[i]->group[0] - 'a' + 'A',
				    commands[i]->group + 1);
		group = commands[i]->group;
		add_command(out, commands[i]);
	}
}

/* --- operations --- */

static void add_who(struct strbuf *out, unsigned who)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{BY_HUMAN, "human"},	{BY_SERVICE, "service"}, {BY_ORCHESTRATOR, "orchestrator"},
		     {BY_REVIEWER, "reviewer"}, {BY_AGENT, "agent"},	 {BY_UNKNOWN, "unknown"}};
	const char *between = "";
	if ((who & BY_ANYONE) == BY_ANYONE) {
		strbuf_addstr(out, "anyone");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(who & names[i].bit))
			continue;
		strbuf_addf(out, "%s%s", between, names[i].name);
		between = ", ";
	}
}

static void add_limit(struct strbuf *out, const struct op_param *p)
{
	long long max = (long long)p->max;
	if (p->type == OP_TEXT)
		strbuf_addf(out, "at most %lld bytes", max ? max : OP_TEXT_MAX);
	else if (p->type == OP_TEXTS)
		strbuf_addf(out, "at most %lld entries", max ? max : OP_LIST_MAX);
	else if (p->type == OP_NUMBER && max)
		strbuf_addf(out, "%lld to %lld", (long long)p->min, max);
	else if (p->type == OP_NUMBER)
		strbuf_addf(out, "%lld or more", (long long)p->min);
}

static void add_params(struct strbuf *out, const struct op_param *params)
{
	static const char *const types[] = {
		[OP_TEXT] = "text",	      [OP_NUMBER] = "number", [OP_FLAG] = "true or false",
		[OP_TEXTS] = "list of texts", [OP_OBJECT] = "object", [OP_ANY] = "any"};
	if (!params || !params->name)
		return;
	strbuf_addstr(out, "\n| parameter | type | limit | |\n| --- | --- | --- | --- |\n");
	for (const struct op_param *p = params; p->name; p++) {
		strbuf_addf(out, "| `%s`%s | %s | ", p->name, p->flags & OP_REQUIRED ? " (required)" : "",
			    types[p->type]);
		add_limit(out, p);
		strbuf_addstr(out, " | ");
		add_plain(out, p->doc);
		strbuf_addstr(out, " |\n");
	}
}

static void write_operations(struct strbuf *out)
{
	strbuf_addstr(out, "# Operations\n\n");
	strbuf_addstr(out, made);
	strbuf_addstr(out,
		      "Each is `POST /v1/NAME` on the daemon's socket, with a JSON object as its body, and "
		      "is described "
		      "in `/openapi.json`. Who a caller is follows from its process: a peer by its role, a "
		      "*human* at "
		      "a terminal or with the token, a *service* without a terminal, or *unknown*. One that "
		      "changes "
		      "something takes an `Idempotency-Key`: the same key again gets the same answer.\n");
	for (size_t i = 0; op_table[i]; i++) {
		const struct op *op = op_table[i];
		strbuf_addf(out, "\n## %s\n\n%s\n\nCallers: ", op->name, op->summary);
		add_who(out, op->who);
		strbuf_addstr(out, op->flags & OP_CHANGES ? ". Changes something" : ". Only reads");
		strbuf_addstr(out, op->flags & OP_WAITS ? ", and may wait, 25 s at most.\n" : ".\n");
		add_params(out, op->params);
		strbuf_addf(out, "\nResult: `%s`\n", op->result);
	}
}

/* --- configuration --- */

static void write_configuration(struct strbuf *out)
{
	json_auto_t *keys = page_config_keys();
	autofree char *section = xstrdup("");
	size_t i;
	json_t *key;
	strbuf_addstr(out, "# Configuration\n\n");
	strbuf_addstr(out, made);
	strbuf_addstr(
		out,
		"`$XDG_CONFIG_HOME/coppice/config.yaml` (`~/.config/coppice/config.yaml`) holds sections "
		"with "
		"these keys; a repository's `.coppice.yaml` may hold `worktrees`, `hooks`, `commit` and "
		"`trash`. A variable `COPPICE_<SECTION>__<KEY>` overrides a key; `-` becomes `_` in its "
		"name, "
		"and its value is YAML. `coppice config` prints what is in effect, with the origin of each "
		"value.\n");
	json_array_foreach(keys, i, key)
	{
		const char *name = json_str(key, "key");
		size_t len = strcspn(name, ".");
		autofree char *fallback = json_text(json_object_get(key, "default"));
		if (strlen(section) != len || strncmp(section, name, len) != 0)
			strbuf_addf(out, "\n## %.*s\n\n| key | default | |\n| --- | --- | --- |\n", (int)len,
				    name);
		free(section);
		section = xstrndup(name, len);
		strbuf_addf(out, "| `%s` | `%s` | ", name + len + 1, fallback);
		add_plain(out, json_str(key, "doc"));
		strbuf_addstr(out, " |\n");
	}
}

int page_reference(const char *name, struct strbuf *out, struct error *err)
{
	static const struct {
		const char *name;
		void (*write)(struct strbuf *out);
	} pages[] = {{"commands", write_commands},
		     {"operations", write_operations},
		     {"configuration", write_configuration}};
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (strcmp(pages[i].name, name) != 0)
			continue;
		pages[i].write(out);
		return out->overflow ? error_set(err, ERR_INTERNAL, "the page is too long") : 0;
	}
	return error_hint(err, error_set(err, ERR_INVALID, "there is no page '%.40s'", name),
			  "use commands, operations or configuration");
}
