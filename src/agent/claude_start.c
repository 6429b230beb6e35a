/* Starting an interactive session; see claude.h.
 *
 * Its settings and MCP server come in files of its own, on top of the user's, unless the user's hold them
 * already. Dialogs that are the user's to answer (trust in a folder, an API key, the first use of a mode
 * without questions) are left to the user.
 *
 * The first request to the model may leave before the MCP server is up (half of the time, when tried). It
 * waits for the hook of the session's start, so whoever answers that hook may put it off until the tools are
 * there. */
#include "agent/claude.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"

static void add(json_t *argv, const char *arg)
{
	(void)json_array_append_new(argv, json_lossy_string(arg, strlen(arg)));
}

static void add_option(json_t *argv, const char *name, const char *value)
{
	add(argv, name);
	add(argv, value);
}

static void add_file(const struct agent_start *start, const char *name, const json_t *content,
		     const char *option, struct agent_command *command)
{
	autofree char *path = xasprintf("%s/agents/%s-%s.json", start->home, start->spawn_id, name);
	autofree char *text = json_text(content);
	json_set_str(command->files, path, text);
	add_option(command->argv, option, path);
}

/* The options take files only, or JSON that would be in everybody's sight in the process list. */
static void add_settings(const struct agent_start *start, struct agent_command *command)
{
	command->files = json_object();
	json_auto_t *settings =
		json_pack("{s:o, s:{s:[s]}}", "hooks", claude_hooks(start->program, start->version),
			  "permissions", "allow", CLAUDE_ALLOW_TOOLS);
	add_file(start, "settings", settings, "--settings", command);
	json_auto_t *servers =
		json_pack("{s:{s:o}}", "mcpServers", "coppice", claude_mcp_server(start->program));
	add_file(start, "mcp", servers, "--mcp-config", command);
}

/* Without a profile the user's own mode stays, which may well be one that does not ask. */
static const struct {
	const char *permissions, *mode;
} modes[] = {{"ask", "default"}, {"edits", "acceptEdits"}, {"auto", "bypassPermissions"}};

static int add_profile(const struct agent_start *start, struct agent_command *command, struct error *err)
{
	const char *model = json_str(start->profile, "model");
	if (model)
		add_option(command->argv, "--model", model);
	const char *permissions = json_str(start->profile, "permissions");
	for (size_t i = 0; permissions && i < ARRAY_SIZE(modes); i++)
		if (strcmp(permissions, modes[i].permissions) == 0)
			add_option(command->argv, "--permission-mode", modes[i].mode);
	size_t i;
	json_t *arg;
	json_array_foreach(json_object_get(start->profile, "args"), i, arg)
	{
		const char *text = json_string_value(arg);
		/* Of two the last would count, and the session would never be heard of. */
		if (!start->settled && text && strncmp(text, "--settings", strlen("--settings")) == 0)
			return error_hint(
				err,
				error_set(err, ERR_INVALID,
					  "the profile's argument %s takes the place of Coppice's own", text),
				"run: coppice setup claude-code");
		(void)json_array_append(command->argv, arg);
	}
	const json_t *env = json_object_get(start->profile, "env");
	if (json_object_size(env) > 0)
		command->env = json_deep_copy(env);
	return 0;
}

/* Its own folder, but for what makes other sessions run things. The file of its state lies beside that,
 * unless both are elsewhere. */
static json_t *places(const struct agent_start *start)
{
	static const char *const shut[] = {"settings.json",
					   "settings.local.json",
					   "CLAUDE.md",
					   "hooks",
					   "commands",
					   "agents",
					   "skills",
					   "plugins",
					   "output-styles",
					   "rules",
					   "local",
					   ".claude.json",
					   NULL};
	const char *own = json_str(json_object_get(start->profile, "env"), "CLAUDE_CONFIG_DIR");
	const char *dir = own ? own : getenv("CLAUDE_CONFIG_DIR"), *user = getenv("HOME");
	bool elsewhere = dir && dir[0] == '/';
	autofree char *home = elsewhere		       ? xstrdup(dir)
			      : user && user[0] == '/' ? path_join(user, ".claude")
						       : NULL;
	/* Its inbox is in one of these, whatever TMPDIR says, beside those of all other sessions. */
	autofree char *sockets = xasprintf("/tmp/cc-socks-%u", (unsigned)geteuid());
	json_t *places = agent_places(home, shut, "shell-snapshots", start->tmp),
	       *over = json_object_get(places, "over");
	json_set_str(over, "/tmp/cc-socks", start->tmp);
	json_set_str(over, sockets, start->tmp);
	return places;
}

/* IS_SANDBOX lets root use the mode without questions, which it is refused otherwise. What the session cannot
 * write down it asks again each time, in the prompt's place: whether it shall draw in another way is settled
 * here. */
static void add_confinement(const struct agent_start *start, struct agent_command *command)
{
	if (!command->env)
		command->env = json_object();
	json_set_str(command->env, "IS_SANDBOX", "1");
	if (!json_object_get(command->env, "CLAUDE_CODE_NO_FLICKER"))
		json_set_str(command->env, "CLAUDE_CODE_NO_FLICKER", "0");
	json_set_str(command->env, "CLAUDE_CODE_TMPDIR", start->tmp);
	command->places = places(start);
}

/* After "--" nothing is an option. But a single word could still be a subcommand ("update", "purge"): a blank
 * before it makes it a prompt, which the session trims. */
static int add_prompt(const struct agent_start *start, struct agent_command *command, struct error *err)
{
	const char *prompt = start->prompt;
	if (!prompt || !*prompt)
		return 0;
	if (strlen(prompt) > CLAUDE_PROMPT_MAX)
		return error_hint(err,
				  error_set(err, ERR_TOO_LARGE, "the first prompt is longer than %d bytes",
					    CLAUDE_PROMPT_MAX),
				  "put the text in a file of the worktree, and name the file in the prompt");
	autofree char *word = strpbrk(prompt, " \t\n") ? NULL : xasprintf(" %s", prompt);
	add_option(command->argv, "--", word ? word : prompt);
	return 0;
}

int claude_start(const struct agent_start *start, struct agent_command *ret, struct error *err)
{
	struct agent_command command = {.argv = start->command ? json_deep_copy(start->command)
							       : json_pack("[s]", "claude")};
	if (!start->settled)
		add_settings(start, &command);
	int code = add_profile(start, &command, err);
	if (code == 0 && start->confined)
		add_confinement(start, &command);
	if (code == 0)
		code = add_prompt(start, &command, err);
	if (code) {
		agent_command_release(&command);
		return code;
	}
	*ret = command;
	return 0;
}
