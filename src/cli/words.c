/* What words there are; see words.h. Called at a keystroke: quick, silent, and without effect. */
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/config.h"
#include "base/json.h"
#include "base/text.h"
#include "ops/client.h"
#include "cli/command.h"
#include "cli/out.h"
#include "os/spawn.h"

enum { GIT_MAX = 1 << 20, WORD_MAX = 512, SHOWN_MAX = 60 };

#define LIMIT (2 * USEC_PER_SEC)

/* A word with a control character cannot be typed, and could break the lines. */
static void print_word(const char *word, const char *what)
{
	autostrbuf shown = STRBUF_INIT(4 * WORD_MAX);
	size_t len = strnlen(word, WORD_MAX);
	text_escape(word, len, false, &shown);
	if (!len || len == WORD_MAX || shown.len != len)
		return;
	(void)fputs(word, stdout);
	if (what && *what) {
		autofree char *line = xstrndup(what, strcspn(what, "\n"));
		autostrbuf text = STRBUF_INIT(4 * WORD_MAX);
		text_escape(line, strnlen(line, WORD_MAX / 2), false, &text);
		autofree char *clipped = xcalloc(1, text.len + sizeof("…"));
		memcpy(clipped, strbuf_str(&text), text.len);
		out_clip(clipped, text.len + sizeof("…"), SHOWN_MAX);
		(void)printf("\t%s", clipped);
	}
	(void)putchar('\n');
}

/* Each line of what git prints; `prefix` is left out, and lines without it are. */
static void print_git(const char *dir, const char *const *arguments, const char *prefix)
{
	const char *argv[12] = {"git", "-C", dir};
	size_t n = 3;
	for (; *arguments; arguments++)
		argv[n++] = *arguments;
	autostrbuf out = STRBUF_INIT(GIT_MAX), ignored = STRBUF_INIT(0);
	struct spawn s = {
		.argv = argv, .out = &out, .errout = &ignored, .null_output = true, .timeout = LIMIT};
	int status = 0;
	if (spawn_run(&s, &status, NULL) != 0 || status != 0)
		return;
	char *text = out.buf, *line;
	while (text && (line = strsep(&text, "\n"))) {
		if (strncmp(line, prefix, strlen(prefix)) == 0)
			print_word(line + strlen(prefix), NULL);
	}
}

static void print_branches(const char *dir)
{
	static const char *const arguments[] = {"for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads",
						NULL};
	print_git(dir, arguments, "");
}

static void print_refs(const char *dir)
{
	static const char *const arguments[] = {"for-each-ref", "--format=%(refname:lstrip=2)",
						"refs/heads",	"refs/remotes",
						"refs/tags",	NULL};
	print_git(dir, arguments, "");
}

static void print_worktrees(const char *dir)
{
	static const char *const arguments[] = {"worktree", "list", "--porcelain", NULL};
	print_git(dir, arguments, "branch refs/heads/");
}

/* Asks the daemon, if one runs; the list at `key`, or NULL. */
static json_t *ask(const char *op, const char *key)
{
	autoclient *client = NULL;
	json_auto_t *answer = NULL;
	if (client_open_default(0, &client, NULL) != 0)
		return NULL;
	client_set_limit(client, LIMIT);
	if (client_call(client, op, NULL, NULL, &answer, NULL) != 0)
		return NULL;
	return json_incref(json_object_get(answer, key));
}

/* The words at `word` of each row, with what is at `what`; equal neighbours once. */
static void print_rows(const char *op, const char *key, const char *word, const char *what)
{
	json_auto_t *rows = ask(op, key);
	const char *last = "";
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		const char *text = json_str(row, word);
		if (text && strcmp(text, last) != 0)
			print_word(text, what ? json_str(row, what) : NULL);
		last = text ? text : last;
	}
}

static void print_peers(const char *dir)
{
	(void)dir;
	print_rows("list_peers", "peers", "name", "description");
}

static void print_circles(const char *dir)
{
	(void)dir;
	print_rows("list_peers", "peers", "circle", NULL);
}

static void print_jobs(const char *dir)
{
	(void)dir;
	print_rows("job_list", "jobs", "job_id", "title");
}

static void print_plans(const char *dir)
{
	(void)dir;
	print_rows("plan_status", "plans", "plan", "file");
}

static void print_asks(const char *dir)
{
	(void)dir;
	print_rows("asks", "asks", "correlation_id", "text");
}

static void print_trash(const char *dir)
{
	(void)dir;
	print_rows("trash_list", "trash", "branch", "path");
}

static void print_keys(const char *dir)
{
	(void)dir;
	autoconfig *config = NULL;
	json_auto_t *all = NULL;
	if (config_parse(&(struct config_source){0}, &config, NULL) ||
	    config_to_json(config, NULL, &all, NULL))
		return;
	size_t i;
	json_t *key;
	json_array_foreach(json_object_get(all, "keys"), i, key)
	{
		print_word(json_str(key, "key"), json_str(key, "doc"));
	}
}

static void print_backends(const char *dir)
{
	(void)dir;
	for (const char *const *name = agent_backend_names(); *name; name++)
		print_word(*name, agent_backend_find(*name)->summary);
}

static void print_commands(const char *dir)
{
	(void)dir;
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group)
			print_word(commands[i]->name, commands[i]->summary);
}

static const struct {
	const char *kind;
	void (*print)(const char *dir);
} kinds[] = {
	{"ask", print_asks},	   {"backend", print_backends}, {"branch", print_branches},
	{"circle", print_circles}, {"command", print_commands}, {"job", print_jobs},
	{"key", print_keys},	   {"peer", print_peers},	{"plan", print_plans},
	{"ref", print_refs},	   {"trash", print_trash},	{"worktree", print_worktrees},
};

bool words_known(const char *kind, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].kind) == len && memcmp(kinds[i].kind, kind, len) == 0)
			return true;
	return false;
}

void words_print(const char *kind, const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			kinds[i].print(dir);
}

const char *words_of_value(const char *value)
{
	static const struct {
		const char *value, *kind;
	} values[] = {
		{"BACKEND", "backend"},
		{"BRANCH", "branch"},
		{"CIRCLE", "circle"},
		{"DIR", "dir"},
		{"FACT,…", "clean|untracked|ignored|reachable|landed|operation|stash|process|lock"},
		{"FILE", "file"},
		{"JOB", "job"},
		{"PEER", "peer"},
		{"PLAN", "plan"},
		{"REF", "ref"},
		{"TARGET", "branch"},
	};
	for (size_t i = 0; value && i < ARRAY_SIZE(values); i++)
		if (strcmp(values[i].value, value) == 0)
			return values[i].kind;
	return "";
}

size_t words_operands(const char *operands)
{
	size_t n = 0;
	for (const char *p = operands; p && *p; p += *p == ' ') {
		p += strcspn(p, " ");
		n++;
	}
	return n;
}

const char *words_operand(const char *operands, size_t index, size_t *ret_len)
{
	const char *last = NULL;
	for (const char *p = operands; p && *p; p += *p == ' ') {
		last = p;
		*ret_len = strcspn(p, " ");
		if (index-- == 0)
			return p;
		p += *ret_len;
	}
	return last;
}
