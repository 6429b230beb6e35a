/* Tests of the configuration: defaults, layers and their origins, and what is refused, with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/config.h"
#include "base/json.h"

static int load(const char *user, const char *repo, const char *const *env, struct config **ret,
		struct error *err)
{
	static const char *const backends[] = {"claude-code", "codex", "opencode", "script", NULL};
	const struct config_source src = {
		.user_file = "config.yaml",
		.user_text = user,
		.user_len = user ? strlen(user) : 0,
		.repo_file = ".coppice.yaml",
		.repo_text = repo,
		.repo_len = repo ? strlen(repo) : 0,
		.env = env,
		.backends = backends,
	};
	return config_parse(&src, ret, err);
}

static void assert_json(const json_t *json, const char *text)
{
	autofree char *got = json_text(json);
	assert_string_equal(got, text);
}

static void assert_origin(const struct config *cfg, const char *key, enum config_layer layer,
			  const char *text)
{
	enum config_layer got_layer;
	const char *got;
	config_origin(cfg, key, &got_layer, &got);
	assert_string_equal(got, text);
	assert_int_equal(got_layer, layer);
}

static void test_defaults(void **state)
{
	(void)state;
	autoconfig *cfg = NULL;
	assert_int_equal(load(NULL, NULL, NULL, &cfg, NULL), 0);
	assert_null(config_str(cfg, "daemon.tcp"));
	assert_string_equal(config_str(cfg, "daemon.log_level"), "info");
	assert_string_equal(config_str(cfg, "worktrees.path"), "../{repo}-{branch}");
	assert_null(config_str(cfg, "worktrees.target"));
	assert_json(config_list(cfg, "worktrees.disposable"), "[\"node_modules\",\"target\",\".venv\"]");
	assert_json(config_json(cfg, "worktrees.ports"), "{\"from\":20000,\"to\":29999}");
	assert_int_equal(config_size(cfg, "worktrees.min_free"), 2ULL << 30);
	assert_int_equal(config_duration(cfg, "trash.keep"), 30 * USEC_PER_DAY);
	assert_int_equal(config_size(cfg, "trash.max"), 20ULL << 30);
	assert_int_equal(config_duration(cfg, "delivery.queue_age"), USEC_PER_DAY);
	assert_int_equal(config_int(cfg, "delivery.queue_length"), 100);
	assert_int_equal(config_duration(cfg, "delivery.first_prompt"), 25 * USEC_PER_SEC);
	assert_int_equal(config_int(cfg, "governor.hops"), 8);
	assert_int_equal(config_int(cfg, "governor.pair_per_minute"), 12);
	assert_false(config_bool(cfg, "circles.enforce"));
	assert_json(config_list(cfg, "hooks.pre-remove"), "[]");
	assert_true(json_is_null(config_json(cfg, "commit.message_command")));
	assert_null(config_str(cfg, "terminal.socket"));
	assert_origin(cfg, "trash.keep", CONFIG_DEFAULT, "default");
	/* Nothing may be spawned by an agent until somebody says so (S2). */
	assert_json(config_list(cfg, "spawn.allowed_paths"), "[]");
	assert_null(config_backend_command(cfg, "claude-code"));
}

static void test_layers_and_their_origins(void **state)
{
	(void)state;
	static const char user[] = "trash:\n  keep: 10d\n  max: 1GiB\ndelivery: {queue_age: 1h}\n"
				   "worktrees: {copy: [.env]}\n";
	static const char repo[] = "trash:\n  max: 5GiB\nhooks:\n  pre-land: make lint\n"
				   "worktrees:\n  setup: [npm ci, [git, lfs, pull]]\n  target: dev\n";
	static const char *const env[] = {
		"HOME=/x",
		"COPPICE_HOME=/y",
		"COPPICE_TRASH__KEEP=3d",
		"COPPICE_HOOKS__POST_CREATE=[a, [b, c]]",
		"COPPICE_TERMINAL__SOCKET='test-1'",
		"COPPICE_DELIVERY__QUEUE_AGE=",
		"COPPICE_CIRCLES__ENFORCE=true",
		NULL,
	};
	autoconfig *cfg = NULL;
	autoerror err = {0};
	assert_int_equal(load(user, repo, env, &cfg, &err), 0);
	assert_int_equal(config_duration(cfg, "trash.keep"), 3 * USEC_PER_DAY);
	assert_origin(cfg, "trash.keep", CONFIG_ENV, "environment COPPICE_TRASH__KEEP");
	assert_int_equal(config_size(cfg, "trash.max"), 5ULL << 30);
	assert_origin(cfg, "trash.max", CONFIG_REPO, ".coppice.yaml:2");
	assert_int_equal(config_duration(cfg, "delivery.queue_age"), USEC_PER_HOUR);
	assert_origin(cfg, "delivery.queue_age", CONFIG_USER, "config.yaml:4");
	assert_json(config_list(cfg, "worktrees.copy"), "[\".env\"]");
	assert_json(config_list(cfg, "worktrees.setup"), "[\"npm ci\",[\"git\",\"lfs\",\"pull\"]]");
	assert_json(config_list(cfg, "hooks.pre-land"), "[\"make lint\"]");
	assert_json(config_list(cfg, "hooks.post-create"), "[\"a\",[\"b\",\"c\"]]");
	assert_string_equal(config_str(cfg, "terminal.socket"), "test-1");
	assert_string_equal(config_str(cfg, "worktrees.target"), "dev");
	assert_true(config_bool(cfg, "circles.enforce"));
}

static void test_null_takes_a_lower_layer_back(void **state)
{
	(void)state;
	static const char *const env[] = {"COPPICE_COMMIT__MESSAGE_COMMAND=null", NULL};
	autoconfig *cfg = NULL;
	assert_int_equal(load("commit: {message_command: llm}\ndaemon:\n", NULL, env, &cfg, NULL), 0);
	assert_true(json_is_null(config_json(cfg, "commit.message_command")));
	assert_origin(cfg, "commit.message_command", CONFIG_ENV,
		      "environment COPPICE_COMMIT__MESSAGE_COMMAND");
}

static void test_backends_and_profiles(void **state)
{
	(void)state;
	static const char user[] = "spawn:\n"
				   "  allowed_paths: ~/src\n"
				   "  backends:\n"
				   "    codex: { command: [codex, --fast] }\n"
				   "  profiles:\n"
				   "    codex:\n"
				   "      quick: { args: [-m, x], permissions: auto, sandbox: worktree }\n"
				   "      plain: { env: { LEVEL: 3 }, description: null }\n";
	autoconfig *cfg = NULL;
	autoerror err = {0};
	assert_int_equal(load(user, NULL, NULL, &cfg, &err), 0);
	assert_json(config_list(cfg, "spawn.allowed_paths"), "[\"~/src\"]");
	assert_json(config_backend_command(cfg, "codex"), "[\"codex\",\"--fast\"]");
	assert_null(config_backend_command(cfg, "opencode"));
	assert_json(config_profile(cfg, "codex", "quick"),
		    "{\"args\":[\"-m\",\"x\"],\"model\":null,\"env\":{},\"permissions\":\"auto\","
		    "\"sandbox\":\"worktree\",\"description\":null}");
	assert_json(config_profile(cfg, "codex", "plain"),
		    "{\"args\":[],\"model\":null,\"env\":{\"LEVEL\":\"3\"},\"permissions\":\"ask\","
		    "\"sandbox\":\"none\",\"description\":null}");
	assert_null(config_profile(cfg, "codex", "none"));
	assert_null(config_profile(cfg, "opencode", "quick"));
}

static void test_addresses_are_loopback(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"8377", "127.0.0.1:8377"},
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"'[::1]:80'", "[::1]:80"},
		{"localhost:65535", "localhost:65535"},
		{"0.0.0.0:80", NULL},
		{"':80'", NULL},
		{"'::1:80'", NULL},
		{"example.com:80", NULL},
		{"127.0.0.1:99999", NULL},
		{"127.0.0.1", NULL},
		{"127.0.0.1.evil.com:80", NULL},
		{"on", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("daemon: {tcp: %s}", cases[i].text);
		autoconfig *cfg = NULL;
		int r = load(text, NULL, NULL, &cfg, NULL);
		assert_int_equal(r, cases[i].want ? 0 : ERR_INVALID);
		if (cases[i].want)
			assert_string_equal(config_str(cfg, "daemon.tcp"), cases[i].want);
	}
}

static const struct {
	const char *text, *want;
} bad_values[] = {
	{"trsh: {}", "config.yaml:1: trsh: unknown key 'trsh' (did you mean 'trash'?)"},
	{"trash: {kep: 1d}", "config.yaml:1: trash.kep: unknown key 'kep' (did you mean 'keep'?)"},
	{"trash: []", "config.yaml:1: trash: expected a mapping (key: value)"},
	{"- x", "config.yaml:1: expected sections (name: {key: value})"},
	{"trash: {keep: soon}",
	 "config.yaml:1: trash.keep: 'soon' is not a duration such as 25s, 12m, 24h or 30d"},
	{"trash: {keep: }", "config.yaml:1: trash.keep: expected a text, not nothing"},
	{"trash: {max: 3 apples}",
	 "config.yaml:1: trash.max: '3 apples' is not a size such as 512MiB or 2GiB"},
	{"governor: {hops: 0}", "config.yaml:1: governor.hops: 0 is not between 1 and 1000"},
	{"daemon: {log_level: inof}",
	 "config.yaml:1: daemon.log_level: unknown value 'inof' (did you mean 'info'?)"},
	{"daemon: {token_file: token}",
	 "config.yaml:1: daemon.token_file: 'token': a path has to start with / or ~/"},
	{"worktrees: {path: '../{repo}'}", "config.yaml:1: worktrees.path: '../{repo}': without "
					   "{branch}, all worktrees would have one path"},
	{"worktrees: {path: '{branch}-{user}'}", "config.yaml:1: worktrees.path: '{branch}-{user}': "
						 "only {repo} and {branch} can stand in braces"},
	{"worktrees: {path: '{branch}}'}", "config.yaml:1: worktrees.path: '{branch}}': only {repo} "
					   "and {branch} can stand in braces"},
	{"worktrees:\n  copy:\n    - a/../../b",
	 "config.yaml:3: worktrees.copy[0]: 'a/../../b': a pattern cannot leave the worktree"},
	{"worktrees: {disposable: [/etc]}", "config.yaml:1: worktrees.disposable[0]: '/etc': a "
					    "pattern is relative to the worktree"},
	{"worktrees: {ports: {from: 9, to: 3}}", "config.yaml:1: worktrees.ports: from is above to"},
	{"worktrees: {ports: {from: 9}}", "config.yaml:1: worktrees.ports.to: missing"},
	{"worktrees: {target: 'a b'}", "config.yaml:1: worktrees.target: 'a b' is not a branch name"},
	{"spawn: {backends: {codx: {command: [x]}}}",
	 "config.yaml:1: spawn.backends.codx: unknown key 'codx' (did you mean 'codex'?)"},
	{"spawn: {backends: {codex: {}}}", "config.yaml:1: spawn.backends.codex.command: missing"},
	{"spawn: {backends: {codex: {command: codex}}}",
	 "config.yaml:1: spawn.backends.codex.command: expected a list of arguments, such as [make, "
	 "test], not a text"},
	{"spawn: {profiles: {codex: {-x: {}}}}",
	 "config.yaml:1: spawn.profiles.codex.-x: '-x': use 1 to 64 of A-Z a-z 0-9 . _ and -, "
	 "starting with a letter or digit"},
	{"spawn: {profiles: {codex: {x: {permissions: auto}}}}",
	 "config.yaml:1: spawn.profiles.codex.x.permissions: auto requires a sandbox: add 'sandbox: "
	 "worktree'"},
	{"spawn: {profiles: {codex: {x: {permissions: auto, sandbox: none}}}}",
	 "config.yaml:1: spawn.profiles.codex.x.permissions: auto requires a sandbox: add 'sandbox: "
	 "worktree'"},
	{"spawn: {profiles: {codex: {x: {env: {1A: x}}}}}",
	 "config.yaml:1: spawn.profiles.codex.x.env.1A: '1A': not the name of an environment "
	 "variable"},
	{"spawn: {allowed_paths: [src]}",
	 "config.yaml:1: spawn.allowed_paths[0]: 'src': a path has to start with / or ~/"},
	{"terminal: {socket: /tmp/x}", "config.yaml:1: terminal.socket: '/tmp/x': use 1 to 64 of A-Z "
				       "a-z 0-9 . _ and -, starting with a letter or digit"},
	{"commit: {message_command: {}}", "config.yaml:1: commit.message_command: expected a "
					  "command: a text for /bin/sh, or a list of arguments, not "
					  "a mapping"},
	{"circles: {enforce: 'true'}", "config.yaml:1: circles.enforce: expected true or false, not 'true'"},
};

static void test_each_bad_value_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
		autoconfig *cfg = NULL;
		autoerror err = {0};
		assert_int_equal(load(bad_values[i].text, NULL, NULL, &cfg, &err), ERR_INVALID);
		assert_null(cfg);
		assert_string_equal(err.message, bad_values[i].want);
	}
}

static void test_problems_of_all_layers_come_together(void **state)
{
	(void)state;
	static const char *const env[] = {"COPPICE_TRASH__KEEP=soon", "COPPICE_TRSH__KEEP=1d",
					  "COPPICE_WORKTREES__COPY=[/a]", NULL};
	autoconfig *cfg = NULL;
	autoerror err = {0};
	int r = load("governor:\n  hops: x\n  pair_per_minute: 0\n",
		     "spawn: {}\nhooks: {pre-land: [[]]}\nnone: 1\n", env, &cfg, &err);
	assert_int_equal(r, ERR_INVALID);
	assert_string_equal(
		err.message,
		"config.yaml:2: governor.hops: 'x' is not a whole number\n"
		"config.yaml:3: governor.pair_per_minute: 0 is not between 1 and 10000\n"
		".coppice.yaml:1: spawn: not in a repository's file, only in your own config.yaml: here are "
		"worktrees, hooks, commit and trash\n"
		".coppice.yaml:2: hooks.pre-land[0]: an argument list has to start with the program's name\n"
		".coppice.yaml:3: none: unknown key 'none' (one of daemon, worktrees, trash, spawn, sandbox, "
		"delivery, governor, circles, hooks, commit, terminal)\n"
		"environment COPPICE_TRASH__KEEP: 'soon' is not a duration such as 25s, 12m, 24h or 30d\n"
		"environment COPPICE_TRSH__KEEP: no such key: did you mean COPPICE_TRASH__KEEP\n"
		"environment COPPICE_WORKTREES__COPY: [0]: '/a': a pattern is relative to the worktree");
}

static void test_a_variable_that_is_no_yaml(void **state)
{
	(void)state;
	static const char *const env[] = {"COPPICE_WORKTREES__PATH={repo}-{branch}", NULL};
	autoconfig *cfg = NULL;
	autoerror err = {0};
	assert_int_equal(load(NULL, NULL, env, &cfg, &err), ERR_INVALID);
	assert_non_null(strstr(err.message, "environment COPPICE_WORKTREES__PATH:1:"));
	assert_non_null(strstr(err.hint, "quote it"));
}

static void test_to_json(void **state)
{
	(void)state;
	autoconfig *cfg = NULL;
	assert_int_equal(load("trash: {keep: 1d}\n", NULL, NULL, &cfg, NULL), 0);
	json_auto_t *one = NULL, *section = NULL, *all = NULL;
	assert_int_equal(config_to_json(cfg, "trash.keep", &one, NULL), 0);
	assert_json(one, "{\"keys\":[{\"key\":\"trash.keep\",\"value\":\"1d\",\"origin\":\"config.yaml:1\","
			 "\"default\":\"30d\",\"doc\":\"how long a removed worktree can be restored\"}]}");
	assert_int_equal(config_to_json(cfg, "trash", &section, NULL), 0);
	assert_int_equal(json_array_size(json_object_get(section, "keys")), 2);
	assert_int_equal(config_to_json(cfg, NULL, &all, NULL), 0);
	assert_true(json_array_size(json_object_get(all, "keys")) >= 30);
	json_t *none = NULL;
	autoerror err = {0};
	assert_int_equal(config_to_json(cfg, "trash.kep", &none, &err), ERR_NOT_FOUND);
	assert_string_equal(err.hint, "did you mean trash.keep?");
}

static void test_home_is_expanded(void **state)
{
	(void)state;
	static const struct {
		const char *path, *want;
	} cases[] = {{"~", "/h"}, {"~/a", "/h/a"}, {"/a/~", "/a/~"}, {"~x/a", "~x/a"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = config_expand_home(cases[i].path, "/h");
		assert_string_equal(got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_layers_and_their_origins),
		cmocka_unit_test(test_null_takes_a_lower_layer_back),
		cmocka_unit_test(test_backends_and_profiles),
		cmocka_unit_test(test_addresses_are_loopback),
		cmocka_unit_test(test_each_bad_value_is_named),
		cmocka_unit_test(test_problems_of_all_layers_come_together),
		cmocka_unit_test(test_a_variable_that_is_no_yaml),
		cmocka_unit_test(test_to_json),
		cmocka_unit_test(test_home_is_expanded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
