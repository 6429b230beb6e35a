/* Fuzzes the configuration: the input is the user's file, then a repository's, then the value of each of
 * some variables. What is accepted answers every getter, and never gives an agent more than the rules. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"

static void check_profiles(const struct config *cfg)
{
	const char *backend, *name;
	json_t *profiles, *profile, *all = NULL;
	const json_t *value = config_json(cfg, "spawn.profiles");
	memcpy(&all, &value, sizeof(all)); /* jansson iterates over what it does not change as non-const */
	json_object_foreach(all, backend, profiles)
	{
		json_object_foreach(profiles, name, profile)
		{
			assert(config_profile(cfg, backend, name) == profile);
			const char *sandbox = json_str(profile, "sandbox");
			assert(strcmp(json_str(profile, "permissions"), "auto") != 0 ||
			       strcmp(sandbox, "worktree") == 0);
			assert(json_is_array(json_object_get(profile, "args")));
		}
	}
}

static void check_config(const struct config *cfg)
{
	const char *tcp = config_str(cfg, "daemon.tcp"), *target = config_str(cfg, "worktrees.target");
	assert(!tcp || strncmp(tcp, "127.0.0.1:", 10) == 0 || strncmp(tcp, "localhost:", 10) == 0 ||
	       strncmp(tcp, "[::1]:", 6) == 0);
	assert(!target || !branch_name_check(target, NULL));
	assert(strstr(config_str(cfg, "worktrees.path"), "{branch}"));
	assert(config_duration(cfg, "trash.keep") >= 0);
	assert(config_size(cfg, "trash.max") <= INT64_MAX);
	assert(config_int(cfg, "governor.hops") >= 1);
	(void)config_bool(cfg, "circles.enforce");
	assert(json_is_array(config_list(cfg, "hooks.pre-land")));
	const json_t *ports = config_json(cfg, "worktrees.ports");
	assert(json_int(ports, "from", 0) >= 1 && json_int(ports, "from", 0) <= json_int(ports, "to", 0));
	check_profiles(cfg);
	json_auto_t *json = NULL;
	int r = config_to_json(cfg, NULL, &json, NULL);
	assert(!r);
	autofree char *text = json_text(json);
	assert(*text == '{');
}

static void load(const struct config_source *src)
{
	autoconfig *cfg = NULL;
	autoerror err = {0};
	if (!config_parse(src, &cfg, &err)) {
		check_config(cfg);
		return;
	}
	assert(!cfg && err.message && utf8_valid(err.message, strlen(err.message)));
	for (const char *p = err.message; *p; p++)
		assert(*p == '\n' || (unsigned char)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"COPPICE_SPAWN__PROFILES",	   "COPPICE_SPAWN__BACKENDS",
		"COPPICE_WORKTREES__PORTS",	   "COPPICE_DAEMON__TCP",
		"COPPICE_COMMIT__MESSAGE_COMMAND", "COPPICE_WORKTREES__PATH",
		"COPPICE_WORKTREES__SETUP",	   "COPPICE_TRASH__KEEP",
	};
	const char *text = (const char *)data;
	load(&(struct config_source){.user_file = "config.yaml", .user_text = text, .user_len = size});
	load(&(struct config_source){.repo_file = ".coppice.yaml", .repo_text = text, .repo_len = size});
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *value = xstrndup(text, size);
		autofree char *variable = xasprintf("%s=%s", names[i], value);
		const char *const env[] = {variable, NULL};
		load(&(struct config_source){.env = env});
	}
	autofree char *line = xstrndup(text, size);
	const char *const env[] = {line, NULL};
	load(&(struct config_source){.env = env});
	return 0;
}
