/* Starting Codex with an app server of its own; see codex.h.
 *
 * `codex app-server --listen unix://SOCKET` has the session, its MCP servers and its hooks, all below the
 * terminal's process: so whose they are can be told, and the socket takes messages. `codex --remote` is the
 * user's view of it. What is a setting of the server goes there, what is one of the session to the view,
 * which hands it on. */
#include "agent/codex.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/edit_toml.h"
#include "base/json.h"
#include "os/file.h"
#include "os/paths.h"
#include "os/proc.h"

enum { CONFIG_MAX = 1 << 20, ARGUMENTS_MAX = 128 << 10 };

static void add(json_t *argv, const char *word)
{
	(void)json_array_append_new(argv, json_lossy_string(word, strlen(word)));
}

static void add_option(json_t *argv, const char *name, const char *value)
{
	add(argv, name);
	add(argv, value);
}

/* -c KEY=VALUE: the JSON of texts, numbers and arrays is TOML as well. */
static void add_setting(json_t *argv, const char *key, const json_t *value)
{
	autofree char *text = json_text(value);
	autofree char *word = xasprintf("%s=%s", key, text);
	add_option(argv, "-c", word);
}

static json_t *new_argv(const struct agent_start *start)
{
	return start->command ? json_deep_copy(start->command) : json_pack("[s]", "codex");
}

/* --- the server's settings --- */

static void add_mcp_server(const struct agent_start *start, json_t *argv)
{
	json_auto_t *server = codex_mcp_server(start->program);
	const char *key;
	json_t *value;
	json_object_foreach(server, key, value)
	{
		autofree char *name = xasprintf("mcp_servers.coppice.%s", key);
		add_setting(argv, name, value);
	}
}

/* Codex's own folder, by the environment that the session will have; caller frees, NULL if unknown. */
static char *codex_home(const struct agent_start *start)
{
	const char *own = json_str(json_object_get(start->profile, "env"), "CODEX_HOME");
	const char *home = own ? own : getenv("CODEX_HOME"), *user = getenv("HOME");
	if (home && *home)
		return home[0] == '/' ? xstrdup(home) : NULL;
	return user && user[0] == '/' ? path_join(user, ".codex") : NULL;
}

static char *config_path(const struct agent_start *start)
{
	autofree char *home = codex_home(start);
	return home ? path_join(home, "config.toml") : NULL;
}

/* What it needs where it is confined: its own folder, but for what makes other sessions run things, and the
 * folder of its socket. */
static json_t *places(const struct agent_start *start, const char *sockets)
{
	static const char *const shut[] = {"config.toml", "hooks.json", "AGENTS.md", "AGENTS.override.md",
					   "rules",	  "skills",	"prompts",   "plugins",
					   "agents",	  "packages",	".env",	     NULL};
	autofree char *home = codex_home(start);
	json_t *places = agent_places(home, shut, "shell_snapshots", start->tmp);
	/* Whatever it is told to listen at, the socket itself is made here, beside those of all other
	 * sessions. */
	autofree char *common = xasprintf("/tmp/codex-daemon-%u", (unsigned)geteuid());
	json_set_str(json_object_get(places, "over"), common, sockets);
	json_list_add(places, "write", sockets);
	json_list_add(places, "keep", sockets);
	return places;
}

/* It, parsed; NULL where there is none. What cannot be read now cannot be read by Codex either, which says
 * so.
 */
static struct edit_toml *read_config(const struct agent_start *start)
{
	autofree char *path = config_path(start);
	autostrbuf text = STRBUF_INIT(CONFIG_MAX);
	struct edit_toml *doc = NULL;
	if (!path || file_read(path, &text, NULL) ||
	    edit_toml_parse(path, strbuf_str(&text), text.len, &doc, NULL))
		return NULL;
	return doc;
}

static bool config_has(const struct edit_toml *config, const char *table, const char *name, const char *key)
{
	const char *const nested[] = {table, name, key, NULL}, *const top[] = {key, NULL};
	const char *const *keys = table ? nested : top;
	return config && edit_toml_find(config, keys) != EDIT_TOML_NONE;
}

/* Whether Codex would ask its user whether the folder is trusted: if it knows neither of it nor of its
 * repository, and nobody has said what may be done without asking. With a server of its own it asks only
 * where it is given a folder, and then of every linked worktree, whatever is known of its repository. */
static bool asks_for_trust(const struct agent_start *start, const struct edit_toml *config)
{
	static const char *const policies[] = {"approval_policy", "sandbox_mode"};
	static const char *const flags[] = {"-a", "--ask-for-approval", "-s", "--sandbox",
					    "--approve-for-me"};
	const char *permissions = json_str(start->profile, "permissions"), *slash = NULL;
	if (permissions && strcmp(permissions, "ask") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		if (config_has(config, NULL, NULL, policies[i]))
			return false;
	size_t i;
	const json_t *arg;
	json_array_foreach(json_object_get(start->profile, "args"), i, arg)
	{
		const char *word = json_string_value(arg);
		for (size_t k = 0; word && k < ARRAY_SIZE(flags); k++)
			if (strncmp(word, flags[k], strlen(flags[k])) == 0)
				return false;
	}
	if (start->common_dir)
		slash = strrchr(start->common_dir, '/');
	autofree char *repo = slash ? xstrndup(start->common_dir, (size_t)(slash - start->common_dir)) : NULL;
	return !config_has(config, "projects", start->path, "trust_level") &&
	       !(repo && config_has(config, "projects", repo, "trust_level"));
}

/* What the user lets be written already: an option takes the place of the whole list. */
static void add_users_roots(const struct edit_toml *config, json_t *roots)
{
	static const char *const key[] = {"sandbox_workspace_write", "writable_roots", NULL};
	if (!config)
		return;
	json_auto_t *list = edit_toml_value(config, edit_toml_find(config, key));
	json_array_extend(roots, list);
}

/* Codex's sandbox lets the worktree be written, but no git folder: not even one that is named, with what is
 * below it. So what a commit writes is named piece by piece: not the repository's configuration and hooks. A
 * folder that is not there must not be named: with it the sandbox would run no command at all. */
static void add_git_roots(const struct agent_start *start, json_t *roots)
{
	static const char *const shared[] = {"objects", "refs", "logs", "lfs"};
	if (!start->git_dir || !start->common_dir)
		return;
	add(roots, start->git_dir);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		autofree char *path = path_join(start->common_dir, shared[i]);
		if (access(path, F_OK) == 0)
			add(roots, path);
	}
}

/* --- the profile --- */

struct plan {
	const struct agent_start *start;
	json_t *view, *server; /* their arguments, borrowed */
	json_t *roots;	       /* folders that may be written besides, borrowed */
};

/* `-a` and `-s`, so that they hold whatever the folder's trust makes the default. With "auto" nobody is
 * asked, and what the sandbox does not allow fails. Within ours Codex cannot make its own, which needs
 * mounts: it is left out, and the user's settings with it. */
static const struct {
	const char *name, *approval;
} permissions[] = {{"edits", "on-request"}, {"auto", "never"}};

static void add_permissions(struct plan *p)
{
	const char *name = json_str(p->start->profile, "permissions");
	for (size_t i = 0; name && i < ARRAY_SIZE(permissions); i++) {
		if (strcmp(permissions[i].name, name) != 0)
			continue;
		add_option(p->view, "-a", permissions[i].approval);
		if (p->start->confined)
			continue;
		add_option(p->view, "-s", "workspace-write");
		add_git_roots(p->start, p->roots);
	}
	if (p->start->confined)
		add_option(p->view, "-s", "danger-full-access");
}

enum argument { ARG_VIEW, ARG_BOTH, ARG_ROOT, ARG_REFUSED };

static const struct option {
	const char *name;
	enum argument what;
	bool has_value;
	const char *instead; /* what to do for ARG_REFUSED */
} options[] = {
	{"-c", ARG_BOTH, true, NULL},
	{"--config", ARG_BOTH, true, NULL},
	{"--enable", ARG_BOTH, true, NULL},
	{"--disable", ARG_BOTH, true, NULL},
	{"--strict-config", ARG_BOTH, false, NULL},
	{"--add-dir", ARG_ROOT, true, NULL},
	{"-p", ARG_REFUSED, true, "give its settings by -c"},
	{"--profile", ARG_REFUSED, true, "give its settings by -c"},
	{"-C", ARG_REFUSED, true, "name the folder to Coppice"},
	{"--cd", ARG_REFUSED, true, "name the folder to Coppice"},
	{"--worktree", ARG_REFUSED, false, "let Coppice make the worktree"},
	{"--remote", ARG_REFUSED, true, "leave it out"},
	{"--no-daemon", ARG_REFUSED, false, "leave it out"},
};

/* The option that `word` is, "--name=value" and "-nvalue" too; its value in the word, if any, to `ret`. */
static const struct option *option_of(const char *word, const char **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		size_t n = strlen(o->name);
		*ret = NULL;
		if (strncmp(word, o->name, n) != 0)
			continue;
		if (!word[n])
			return o;
		bool is_long = o->name[1] == '-';
		if (o->has_value && (is_long ? word[n] == '=' : true)) {
			*ret = word + n + (word[n] == '=');
			return o;
		}
	}
	return NULL;
}

/* One argument of the profile, `next` being the one after it; `ret_used` says whether that was its value. */
static int add_argument(struct plan *p, const char *word, const char *next, bool *ret_used, struct error *err)
{
	const char *value;
	const struct option *o = option_of(word, &value);
	enum argument what = o ? o->what : ARG_VIEW;
	bool apart = o && o->has_value && !value && next;
	if (what == ARG_REFUSED)
		return error_hint(err,
				  error_set(err, ERR_UNSUPPORTED,
					    "the profile's argument %s cannot be used for a worker", o->name),
				  "%s", o->instead);
	*ret_used = apart;
	if (what == ARG_ROOT && (value || next)) {
		add(p->roots, value ? value : next);
		return 0;
	}
	for (int i = 0; i < (what == ARG_BOTH ? 2 : 1); i++) {
		json_t *argv = i ? p->server : p->view;
		add(argv, word);
		if (apart)
			add(argv, next);
	}
	return 0;
}

static int add_profile(struct plan *p, struct error *err)
{
	const json_t *args = json_object_get(p->start->profile, "args");
	const char *model = json_str(p->start->profile, "model");
	int code = 0;
	if (model)
		add_option(p->view, "-m", model);
	add_permissions(p);
	for (size_t i = 0; !code && i < json_array_size(args); i++) {
		const char *word = json_string_value(json_array_get(args, i));
		bool used = false;
		code = add_argument(p, word ? word : "", json_string_value(json_array_get(args, i + 1)),
				    &used, err);
		i += used;
	}
	return code;
}

/* --- the first prompt --- */

/* The opening tag of our element, so that the session is seen to read it; "" when there is none. Caller
 * frees. */
static char *opening_of(const char *prompt)
{
	static const char mark[] = "<coppice-message ";
	const char *end = strncmp(prompt, mark, sizeof(mark) - 1) == 0 ? strchr(prompt, '>') : NULL;
	return end ? xasprintf("%.*s\n", (int)(end - prompt + 1), prompt) : xstrdup("");
}

static char *prompt_in_a_file(const struct agent_start *start, struct agent_command *command)
{
	autofree char *path = xasprintf("%s/agents/%s-prompt.txt", start->home, start->spawn_id);
	autofree char *opening = opening_of(start->prompt);
	command->files = json_object();
	json_set_str(command->files, path, start->prompt);
	return xasprintf(
		"%sYour first prompt is too long to be given here. It is in the file %s: read all of "
		"it, and do what it says.\n%s",
		opening, path, *opening ? "</coppice-message>\n" : "");
}

/* After "--" nothing is an option. But an exclamation mark at the beginning makes Codex run the rest as the
 * user's own shell command; behind a blank it is text like any other (S2). */
static void add_prompt(const struct agent_start *start, struct agent_command *command)
{
	const char *prompt = start->prompt;
	if (!prompt || !*prompt)
		return;
	autofree char *pointer = strlen(prompt) > CODEX_PROMPT_MAX ? prompt_in_a_file(start, command) : NULL;
	autofree char *tame = prompt[0] == '!' ? xasprintf(" %s", prompt) : NULL;
	add_option(command->argv, "--", pointer ? pointer : tame ? tame : prompt);
}

/* --- all of it --- */

/* Codex makes its socket elsewhere, and a symlink here; whether it always will is not promised, so the path
 * has to fit. */
static int socket_path(const struct agent_start *start, char **ret, struct error *err)
{
	autopaths paths = {0};
	int code = paths_find(&paths, err);
	if (code)
		return code;
	autofree char *agents = paths_agents(paths.socket);
	autofree char *path = xasprintf("%s/%s/codex", agents, start->spawn_id);
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	if (strlen(path) > most)
		return error_hint(
			err,
			error_set(err, ERR_UNSUPPORTED, "the path %s is longer than a socket's may be", path),
			"set XDG_RUNTIME_DIR to a folder with a shorter path");
	*ret = TAKE_PTR(path);
	return 0;
}

static int make(const struct agent_start *start, const char *socket, struct agent_command *command,
		struct error *err)
{
	json_auto_t *roots = json_array();
	autoedittoml *config = read_config(start);
	json_t *server = new_argv(start);
	autofree char *address = xasprintf("unix://%s", socket);
	command->argv = new_argv(start);
	command->server = json_pack("{s:o, s:s}", "argv", server, "socket", socket);
	add(server, "app-server");
	add_option(server, "--listen", address);
	add_option(command->argv, "--remote", address);
	autofree char *folder = path_folder(socket);
	command->folders = json_pack("[s]", folder);
	if (start->confined)
		command->places = places(start, folder);
	if (asks_for_trust(start, config))
		add_option(command->argv, "-C", start->path);
	if (!start->settled)
		add_mcp_server(start, server);
	struct plan plan = {.start = start, .view = command->argv, .server = server, .roots = roots};
	int code = add_profile(&plan, err);
	if (code)
		return code;
	if (json_array_size(roots)) {
		add_users_roots(config, roots);
		add_setting(server, "sandbox_workspace_write.writable_roots", roots);
	}
	const json_t *env = json_object_get(start->profile, "env");
	if (json_object_size(env) > 0)
		command->env = json_deep_copy(env);
	add_prompt(start, command);
	return 0;
}

int codex_start(const struct agent_start *start, struct agent_command *ret, struct error *err)
{
	struct agent_command command = {0};
	autofree char *socket = NULL;
	int code = socket_path(start, &socket, err);
	if (!code)
		code = make(start, socket, &command, err);
	if (code) {
		agent_command_release(&command);
		return code;
	}
	*ret = command;
	return 0;
}

/* --- where it listens --- */

/* The value of --listen in a NUL-separated command line that has the word app-server; NULL without either. */
static const char *listen_value(const struct strbuf *line)
{
	static const char option[] = "--listen", with_value[] = "--listen=";
	const char *value = NULL, *end = line->buf + line->len;
	bool server = false, next = false;
	for (const char *word = line->buf; word && word < end; word += strlen(word) + 1) {
		if (next)
			value = word;
		next = strcmp(word, option) == 0;
		server = server || strcmp(word, "app-server") == 0;
		if (strncmp(word, with_value, sizeof(with_value) - 1) == 0)
			value = word + sizeof(with_value) - 1;
	}
	return server ? value : NULL;
}

/* Where an app server listens that was given no path. Caller frees, NULL if unknown. */
static char *default_socket(pid_t pid)
{
	static const char name[] = "app-server-control/app-server-control.sock";
	enum truth known;
	autofree char *home = NULL;
	proc_environ(pid, "CODEX_HOME", &home, &known);
	if (home && *home)
		return home[0] == '/' ? path_join(home, name) : NULL;
	free(home);
	home = NULL;
	if (known != TRUTH_UNKNOWN)
		proc_environ(pid, "HOME", &home, &known);
	autofree char *folder = home && home[0] == '/' ? path_join(home, ".codex") : NULL;
	return folder ? path_join(folder, name) : NULL;
}

char *codex_link_socket(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	autostrbuf line = STRBUF_INIT(ARGUMENTS_MAX);
	if (file_read(path, &line, NULL) || !line.len)
		return NULL;
	const char *value = listen_value(&line);
	if (!value)
		return NULL;
	if (strncmp(value, "unix:///", 8) == 0)
		return xstrdup(value + 7);
	bool bare = strcmp(value, "unix://") == 0 || strcmp(value, "unix:") == 0;
	return bare ? default_socket(pid) : NULL;
}
