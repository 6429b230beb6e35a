/* What Coppice leaves on a machine (X7); see doctor.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/doctor.h"
#include "cli/setup.h"
#include "os/file.h"
#include "os/paths.h"

enum { OUTPUT_MAX = 1 << 20 };

static void add(json_t *list, const char *what, const char *path, bool sized)
{
	uint64_t bytes = 0;
	if (access(path, F_OK) < 0)
		return;
	bool known = sized && tree_size(path, &bytes, NULL) == 0;
	json_t *entry = json_object();
	json_set_str(entry, "what", what);
	json_set_str(entry, "path", path);
	json_object_set_new(entry, "bytes", known ? json_integer((json_int_t)bytes) : json_null());
	json_array_append_new(list, entry);
}

/* Adds a text once. */
static void note(json_t *set, const char *text)
{
	size_t i;
	json_t *old;
	if (!text)
		return;
	json_array_foreach(set, i, old)
	{
		if (strcmp(json_string_value(old), text) == 0)
			return;
	}
	json_array_append_new(set, json_string(text));
}

/* Notes the common folder of the repository that `dir` is in. */
static void note_repo(json_t *repos, const char *dir)
{
	const char *const argv[] = {
		"git", "-C", dir, "rev-parse", "--path-format=absolute", "--git-common-dir", NULL};
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	if (!dir || doctor_run(argv, &out, NULL) != 0 || out.len < 2)
		return;
	strbuf_setlen(&out, out.len - 1);
	note(repos, strbuf_str(&out));
}

static void note_rows(json_t *repos, json_t *siblings, const char *op, json_t *args, const char *key,
		      const char *place)
{
	json_auto_t *owned = args;
	json_auto_t *answer = doctor_ask(op, owned, NULL);
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(answer, key), i, row)
	{
		const char *path = json_str(row, "path"), *slash = path ? strrchr(path, '/') : NULL;
		note_repo(repos, json_str(row, place));
		if (!siblings || !slash || slash == path)
			continue;
		autofree char *parent = xstrndup(path, (size_t)(slash - path));
		autofree char *trash = path_join(parent, ".coppice-trash");
		note(siblings, trash);
	}
}

/* Its refs, a line each. */
static void add_refs(json_t *list, const char *common_dir)
{
	const char *const argv[] = {
		"git", "--git-dir", common_dir, "for-each-ref", "--format=%(refname)", "refs/coppice", NULL};
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX);
	size_t n = 0;
	if (doctor_run(argv, &out, NULL) != 0)
		return;
	for (const char *p = strbuf_str(&out); (p = strchr(p, '\n')); p++)
		n++;
	if (!n)
		return;
	autofree char *what = xasprintf("%zu ref%s below refs/coppice", n, n == 1 ? "" : "s");
	add(list, what, common_dir, false);
}

static void add_repo(json_t *list, const char *common_dir)
{
	static const struct {
		const char *name, *what;
		bool sized;
	} parts[] = {{"coppice.lock", "lock for making worktrees", false},
		     {"coppice-trash", "git's part of removed worktrees", true}};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		autofree char *path = path_join(common_dir, parts[i].name);
		add(list, parts[i].what, path, parts[i].sized);
	}
	add_refs(list, common_dir);
}

/* Files of the agents that setup has written into. */
static void add_settings(json_t *list, const char *home)
{
	json_auto_t *edited = setup_edited(home);
	size_t i;
	json_t *row;
	json_array_foreach(edited, i, row)
	{
		autofree char *what =
			xasprintf("settings of %s: %s", json_str(row, "backend"), json_str(row, "what"));
		add(list, what, json_str(row, "path"), false);
	}
}

json_t *doctor_footprint(const char *dir)
{
	json_t *list = json_array();
	json_auto_t *repos = json_array(), *siblings = json_array();
	autopaths paths = {0};
	size_t i;
	json_t *entry;
	if (paths_find(&paths, NULL) == 0) {
		add(list, "state folder", paths.home, true);
		add(list, "socket", paths.socket, false);
		add_settings(list, paths.home);
	}
	note_repo(repos, dir);
	note_rows(repos, NULL, "list_peers", json_pack("{s:b}", "show_offline", 1), "peers", "path");
	note_rows(repos, siblings, "trash_list", NULL, "trash", "repo");
	json_array_foreach(repos, i, entry)
	{
		add_repo(list, json_string_value(entry));
	}
	json_array_foreach(siblings, i, entry)
	{
		add(list, "removed worktrees", json_string_value(entry), true);
	}
	return list;
}
