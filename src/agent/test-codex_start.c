/* Tests of how Codex is started, and of finding where an app server listens: for the latter this program
 * plays one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/codex.h"
#include "base/json.h"
#include "os/file.h"
#include "os/testing.h"

static char self[4096];

/* A home without a config.toml of Codex's, in the environment, and a runtime folder. */
static char *folder;

static int setup(void **state)
{
	(void)state;
	folder = test_folder_make();
	(void)unsetenv("CODEX_HOME");
	(void)setenv("HOME", folder, 1);
	(void)setenv("COPPICE_HOME", folder, 1);
	(void)setenv("XDG_RUNTIME_DIR", folder, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_folder_remove(folder);
	return 0;
}

static struct agent_start plain(void)
{
	return (struct agent_start){.program = "/opt/coppice",
				    .home = "/h",
				    .path = "/w",
				    .spawn_id = "spawn-1",
				    .settled = true};
}

static void start(const struct agent_start *s, struct agent_command *ret)
{
	autoerror err = {0};
	if (codex_start(s, ret, &err))
		fail_msg("%s", err.message);
}

#define autocommand _cleanup_(agent_command_release) struct agent_command

static void assert_argv(const json_t *argv, const char *want)
{
	autofree char *got = json_text(argv);
	autostrbuf socket = STRBUF_INIT(4096), expected = STRBUF_INIT(16384);
	strbuf_addf(&socket, "unix://%s/coppice-agents/spawn-1/codex", folder);
	for (const char *p = want; *p; p++)
		if (*p == '@')
			strbuf_addstr(&expected, strbuf_str(&socket));
		else
			strbuf_addch(&expected, *p);
	assert_string_equal(got, strbuf_str(&expected));
}

static const json_t *server_argv(const struct agent_command *c)
{
	return json_object_get(c->server, "argv");
}

/* The value of the setting `key` in an argument array, or NULL; borrowed. */
static const char *setting(const json_t *argv, const char *key)
{
	size_t i, n = strlen(key);
	const json_t *word;
	json_array_foreach(argv, i, word)
	{
		const char *text = json_string_value(word);
		const char *before = i ? json_string_value(json_array_get(argv, i - 1)) : "";
		if (strcmp(before, "-c") == 0 && strncmp(text, key, n) == 0 && text[n] == '=')
			return text + n + 1;
	}
	return NULL;
}

/* Codex's config.toml in the home of these tests. */
static void write_config(const char *text)
{
	autofree char *dir = path_join(folder, ".codex");
	autofree char *config = path_join(dir, "config.toml");
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(config, text, strlen(text), 0600, NULL), 0);
}

static void test_a_server_and_a_view(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	s.prompt = "--help me";
	start(&s, &c);
	assert_argv(server_argv(&c), "[\"codex\",\"app-server\",\"--listen\",\"@\"]");
	assert_argv(c.argv, "[\"codex\",\"--remote\",\"@\",\"-C\",\"/w\",\"--\",\"--help me\"]");
	autofree char *socket = xasprintf("%s/coppice-agents/spawn-1/codex", folder);
	assert_string_equal(json_str(c.server, "socket"), socket);
	assert_null(c.env);
	assert_null(c.files);
	/* Without a prompt nothing is said. */
	autocommand silent = {0};
	json_auto_t *command = json_pack("[s,s]", "npx", "codex");
	s.prompt = NULL;
	s.command = command;
	start(&s, &silent);
	assert_argv(silent.argv, "[\"npx\",\"codex\",\"--remote\",\"@\",\"-C\",\"/w\"]");
	assert_argv(server_argv(&silent), "[\"npx\",\"codex\",\"app-server\",\"--listen\",\"@\"]");
	assert_int_equal(json_array_size(command), 2);
}

static void test_the_mcp_server_is_given_where_setup_has_not_been(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	s.settled = false;
	s.program = "/opt/it's \"here\"/coppice";
	start(&s, &c);
	const json_t *argv = server_argv(&c);
	assert_string_equal(setting(argv, "mcp_servers.coppice.command"),
			    "\"/opt/it's \\\"here\\\"/coppice\"");
	assert_string_equal(setting(argv, "mcp_servers.coppice.args"), "[\"mcp\"]");
	assert_string_equal(setting(argv, "mcp_servers.coppice.default_tools_approval_mode"), "\"approve\"");
	assert_string_equal(setting(argv, "mcp_servers.coppice.tool_timeout_sec"), "60");
	assert_non_null(strstr(setting(argv, "mcp_servers.coppice.env_vars"), "\"COPPICE_HOME\""));
	assert_null(setting(c.argv, "mcp_servers.coppice.command"));
}

static void test_a_profile(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	json_auto_t *profile = json_pack("{s:s, s:s, s:[s,s,s,s,s,s], s:{s:s}}", "model", "gpt-x",
					 "permissions", "ask", "args", "--search", "-c", "a=1",
					 "--enable=hooks", "-i", "x.png", "env", "NAME", "value");
	s.profile = profile;
	start(&s, &c);
	assert_argv(
		c.argv,
		"[\"codex\",\"--remote\",\"@\",\"-C\",\"/w\",\"-m\",\"gpt-x\",\"--search\",\"-c\",\"a=1\","
		"\"--enable=hooks\",\"-i\",\"x.png\"]");
	assert_argv(server_argv(&c),
		    "[\"codex\",\"app-server\",\"--listen\",\"@\",\"-c\",\"a=1\",\"--enable=hooks\"]");
	assert_string_equal(json_str(c.env, "NAME"), "value");
}

#define ROOTS "sandbox_workspace_write.writable_roots"

static void test_permissions(void **state)
{
	(void)state;
	static const char *const names[] = {"edits", "auto"}, *const approvals[] = {"on-request", "never"};
	static const char *const there[] = {".git/objects", ".git/refs", ".git/logs"};
	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		autofree char *path = path_join(folder, there[i]);
		assert_int_equal(dir_make(path, 0700, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct agent_start s = plain();
		autocommand c = {0};
		json_auto_t *profile = json_pack("{s:s}", "permissions", names[i]);
		s.profile = profile;
		autofree char *common = path_join(folder, ".git");
		s.git_dir = "/r/.git/worktrees/a";
		s.common_dir = common;
		start(&s, &c);
		autofree char *want =
			xasprintf("[\"codex\",\"--remote\",\"@\",\"-a\",\"%s\",\"-s\",\"workspace-write\"]",
				  approvals[i]);
		assert_argv(c.argv, want);
		/* What a commit writes, and not the repository's configuration; only what is there: there is
		 * no LFS in this one. */
		autofree char *roots =
			xasprintf("[\"/r/.git/worktrees/a\",\"%s/objects\",\"%s/refs\",\"%s/logs\"]", common,
				  common, common);
		assert_string_equal(setting(server_argv(&c), ROOTS), roots);
	}
}

static void test_folders_that_the_user_lets_be_written_stay(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	json_auto_t *profile = json_pack("{s:s, s:[s,s,s]}", "permissions", "ask", "args", "--add-dir",
					 "/more", "--add-dir=/even more");
	write_config("model = 'x'\n[sandbox_workspace_write]\nwritable_roots = [\"/cache\"]\n");
	s.profile = profile;
	start(&s, &c);
	assert_string_equal(setting(server_argv(&c), ROOTS), "[\"/more\",\"/even more\",\"/cache\"]");
	assert_argv(c.argv, "[\"codex\",\"--remote\",\"@\",\"-C\",\"/w\"]");
	/* Another home by the profile. */
	autocommand other = {0};
	json_object_set_new(profile, "env", json_pack("{s:s}", "CODEX_HOME", "/nowhere"));
	start(&s, &other);
	assert_string_equal(setting(server_argv(&other), ROOTS), "[\"/more\",\"/even more\"]");
}

static void test_arguments_that_would_lead_elsewhere(void **state)
{
	(void)state;
	static const char *const words[] = {"-p",   "-pfast",	  "--profile=fast",	"-C/x",
					    "--cd", "--worktree", "--remote=unix:///x", "--no-daemon"};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct agent_start s = plain();
		struct agent_command c = {0};
		autoerror err = {0};
		json_auto_t *profile = json_pack("{s:[s]}", "args", words[i]);
		s.profile = profile;
		assert_int_equal(codex_start(&s, &c, &err), ERR_UNSUPPORTED);
		assert_non_null(err.hint);
		assert_null(c.argv);
	}
}

static void test_trust_is_asked_for_as_codex_would(void **state)
{
	(void)state;
	static const struct {
		const char *config, *profile;
		bool asks;
	} table[] = {
		{"", "{}", true},
		{"model = 'x'\n[projects.'/other']\ntrust_level = 'trusted'\n", "{}", true},
		{"[projects.'/w']\ntrust_level = 'trusted'\n", "{}", false},
		{"[projects.'/w']\n", "{}", true},
		{"[projects.\"/r\"]\ntrust_level = \"untrusted\"\n", "{}", false},
		{"projects = [\n", "{}", true},
		{"approval_policy = 'never'\n", "{}", false},
		{"sandbox_mode = 'read-only'\n", "{}", false},
		{"", "{\"permissions\":\"ask\"}", true},
		{"", "{\"permissions\":\"edits\"}", false},
		{"", "{\"permissions\":\"ask\",\"args\":[\"--search\",\"-sread-only\"]}", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct agent_start s = plain();
		autocommand c = {0};
		json_auto_t *profile = json_loads(table[i].profile, 0, NULL);
		write_config(table[i].config);
		s.profile = profile;
		s.git_dir = "/r/.git/worktrees/w";
		s.common_dir = "/r/.git";
		start(&s, &c);
		autofree char *text = json_text(c.argv);
		if (!strstr(text, "\"-C\",\"/w\"") == table[i].asks)
			fail_msg("case %zu: %s", i, text);
	}
}

static void test_S2_a_prompt_is_never_the_users_shell_command(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	s.prompt = "!rm -rf .";
	start(&s, &c);
	assert_argv(c.argv, "[\"codex\",\"--remote\",\"@\",\"-C\",\"/w\",\"--\",\" !rm -rf .\"]");
}

static void test_a_long_prompt_is_in_a_file(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	autostrbuf prompt = STRBUF_INIT(1 << 20);
	strbuf_addstr(&prompt, "<coppice-message id=\"msg-0123456789ab\" kind=\"prompt\" says=\"user\">\n");
	while (prompt.len <= CODEX_PROMPT_MAX)
		strbuf_addstr(&prompt, "do this and that; ");
	s.prompt = strbuf_str(&prompt);
	start(&s, &c);
	const char *said = json_string_value(json_array_get(c.argv, json_array_size(c.argv) - 1));
	assert_string_equal(said, "<coppice-message id=\"msg-0123456789ab\" kind=\"prompt\" says=\"user\">\n"
				  "Your first prompt is too long to be given here. It is in the file "
				  "/h/agents/spawn-1-prompt.txt: read all of it, and do what it says.\n"
				  "</coppice-message>\n");
	assert_string_equal(json_str(c.files, "/h/agents/spawn-1-prompt.txt"), s.prompt);
}

static void test_S3_a_path_that_is_no_sockets(void **state)
{
	(void)state;
	struct agent_start s = plain();
	struct agent_command c = {0};
	autoerror err = {0};
	char id[65];
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	autofree char *deep = path_join(folder, "a-folder-with-quite-a-long-name");
	assert_int_equal(dir_make(deep, 0700, NULL), 0);
	(void)setenv("XDG_RUNTIME_DIR", deep, 1);
	s.spawn_id = id;
	assert_int_equal(codex_start(&s, &c, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.hint, "XDG_RUNTIME_DIR"));
}

/* --- where an app server listens --- */

static char *socket_of(const char *const *argv, const char *const *env)
{
	int ready[2], hold[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	pid_t pid = fork();
	if (pid == 0) {
		union {
			const char *const *in;
			char *const *out;
		} args = {argv}, vars = {env};
		(void)dup2(hold[0], STDIN_FILENO);
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)close(hold[1]);
		(void)execve(self, args.out, vars.out);
		_exit(99);
	}
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	char *socket = codex_link_socket(pid);
	assert_int_equal(close(hold[0]), 0);
	assert_int_equal(close(hold[1]), 0);
	assert_int_equal(close(ready[0]), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return socket;
}

static void test_where_it_listens(void **state)
{
	(void)state;
	static const char *const home[] = {"HOME=/home/u", NULL}, *const codex_home[] = {"CODEX_HOME=/c",
											 "HOME=/x", NULL};
	static const char *const relative[] = {"CODEX_HOME=c", "HOME=/x", NULL};
	static const struct {
		const char *argv[8];
		const char *const *env;
		const char *socket;
	} table[] = {
		{{"codex", "app-server", "--listen", "unix:///run/x.sock"}, home, "/run/x.sock"},
		{{"codex", "-c", "a=1", "app-server", "--listen=unix:///run/x y"}, home, "/run/x y"},
		{{"codex", "app-server", "--listen", "unix://", "--managed-daemon"},
		 home,
		 "/home/u/.codex/app-server-control/app-server-control.sock"},
		{{"codex", "app-server", "--listen", "unix:"},
		 codex_home,
		 "/c/app-server-control/app-server-control.sock"},
		{{"codex", "app-server", "--listen", "unix://"}, relative, NULL},
		{{"codex", "app-server", "--listen", "unix://rel"}, home, NULL},
		{{"codex", "app-server", "--listen", "ws://127.0.0.1:1"}, home, NULL},
		{{"codex", "app-server", "--listen"}, home, NULL},
		{{"codex", "app-server"}, home, NULL},
		{{"codex", "--remote", "unix:///run/x.sock", "--listen", "unix:///y"}, home, NULL},
		{{"codex", "exec", "say app"}, home, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autofree char *socket = socket_of(table[i].argv, table[i].env);
		if (strcmp(socket ? socket : "-", table[i].socket ? table[i].socket : "-") != 0)
			fail_msg("case %zu: %s", i, socket ? socket : "none");
	}
	assert_null(codex_link_socket(-1));
}

static void test_S5_confined_it_has_no_sandbox_of_its_own(void **state)
{
	(void)state;
	struct agent_start s = plain();
	autocommand c = {0};
	json_auto_t *profile = json_pack("{s:s}", "permissions", "auto");
	s.profile = profile;
	s.confined = true;
	s.git_dir = "/r/.git/worktrees/w";
	s.common_dir = "/r/.git";
	start(&s, &c);
	assert_argv(c.argv, "[\"codex\",\"--remote\",\"@\",\"-a\",\"never\",\"-s\",\"danger-full-access\"]");
	assert_null(setting(server_argv(&c), ROOTS));
	autofree char *sockets = xasprintf("%s/coppice-agents/spawn-1", folder);
	autofree char *home = path_join(folder, ".codex"), *config = path_join(home, "config.toml");
	const json_t *write = json_object_get(c.places, "write"),
		     *protect = json_object_get(c.places, "protect");
	assert_string_equal(json_string_value(json_array_get(write, 0)), home);
	assert_string_equal(json_string_value(json_array_get(write, 1)), sockets);
	assert_string_equal(json_string_value(json_array_get(protect, 0)), config);
	assert_string_equal(json_string_value(json_array_get(c.folders, 0)), sockets);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (argc > 1 && strcmp(argv[0], "codex") == 0) {
		char c;
		(void)!write(STDOUT_FILENO, "r", 1); /* whoever waits for it sees that it is missing */
		while (read(STDIN_FILENO, &c, 1) > 0)
			;
		return 0;
	}
	if (n <= 0)
		return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_server_and_a_view),
		TEST(test_the_mcp_server_is_given_where_setup_has_not_been),
		TEST(test_a_profile),
		TEST(test_permissions),
		TEST(test_folders_that_the_user_lets_be_written_stay),
		TEST(test_arguments_that_would_lead_elsewhere),
		TEST(test_trust_is_asked_for_as_codex_would),
		TEST(test_S2_a_prompt_is_never_the_users_shell_command),
		TEST(test_a_long_prompt_is_in_a_file),
		TEST(test_S3_a_path_that_is_no_sockets),
		TEST(test_where_it_listens),
		TEST(test_S5_confined_it_has_no_sandbox_of_its_own),
	};
	return cmocka_run_group_tests_name("agent-codex_start", tests, NULL, NULL);
}
