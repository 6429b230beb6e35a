/* See confine.h. */
#include "flow/confine.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/denial.h"
#include "base/alloc.h"
#include "base/text.h"
#include "os/file.h"
#include "os/kernel.h"
#include "os/paths.h"
#include "os/sandbox.h"

enum { WORKTREES_MAX = SANDBOX_PLACES_MAX / 4, PATH_SHOWN = 300 };

static json_t *list_of(json_t *spec, const char *key)
{
	json_t *list = json_object_get(spec, key);
	if (!list) {
		list = json_array();
		json_object_set_new(spec, key, list);
	}
	return list;
}

static void add(json_t *spec, const char *key, const char *path)
{
	if (path)
		json_list_add(spec, key, path);
}

static void add_below(json_t *spec, const char *key, const char *dir, const char *name)
{
	autofree char *path = path_join(dir, name);
	add(spec, key, path);
}

/* --- whether --- */

static bool says(const char *sandbox)
{
	return sandbox && strcmp(sandbox, "none") != 0;
}

static bool wanted(struct core *core, const struct spawn_order *order)
{
	const json_t *profile =
		order->profile ? config_profile(core->config, order->backend, order->profile) : NULL;
	if (order->sandbox ? says(order->sandbox) : says(json_str(profile, "sandbox")))
		return true;
	/* S7: by whom it was ordered, and by whom that one was, as far as it goes. */
	return db_int(core->store, 0,
		      "WITH RECURSIVE line(id, n) AS (SELECT parent_peer, 0 FROM peer WHERE peer_id = ?1 "
		      "UNION ALL"
		      " SELECT peer.parent_peer, n + 1 FROM peer JOIN line ON peer.peer_id = line.id WHERE n "
		      "< 100)"
		      " SELECT 1 FROM peer JOIN line ON peer.peer_id = line.id WHERE sandbox IS NOT NULL "
		      "LIMIT 1",
		      "s", order->peer_id) != 0;
}

/* --- the places --- */

/* Its worktree and git's own folder of it, and of the repository what a commit writes. */
static int add_worktree(struct store *s, const char *path, json_t *spec, struct error *err)
{
	static const char *const shared[] = {"objects", "refs", "lfs"};
	static const char *const ways[] = {"gitdir", "commondir"};
	/* Git reads this one, too, once the repository says so. */
	static const char blank[] = "config.worktree";
	autoquery q = db_query(s,
			       "SELECT git_dir, common_dir FROM worktree JOIN repo ON repo.repo_id ="
			       " worktree.repo_id WHERE path = ? AND state = 'live' AND git_dir IS NOT NULL",
			       "s", path);
	if (!query_next(&q))
		return error_hint(
			err,
			error_set(err, ERR_REFUSED, "the sandbox is for a worktree, and %s is none", path),
			"make one: coppice new BRANCH, or use a profile without a sandbox");
	const char *git_dir = query_text(&q, 0), *common_dir = query_text(&q, 1);
	add(spec, "write", path);
	add_below(spec, "protect", path, ".git");
	add(spec, "plain", git_dir);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		add_below(spec, "plain", common_dir, shared[i]);
	add_below(spec, "make", common_dir, "logs"); /* git makes it with the first commit in a worktree */
	add_below(spec, "plain", common_dir, "logs");
	add_below(spec, "blank", git_dir, blank);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		add_below(spec, "protect", git_dir, ways[i]);
	return 0;
}

/* The state folder, the user's configuration, and all repositories and worktrees but its own. */
static void add_protected(struct core *core, const char *path, json_t *spec)
{
	add(spec, "protect", core->home);
	const char *config = core->config_source ? core->config_source->user_file : NULL;
	autofree char *folder = config && config[0] == '/' ? path_folder(config) : NULL;
	add(spec, "protect", folder);
	autoquery q =
		db_query(core->store,
			 "SELECT common_dir FROM repo UNION SELECT main FROM repo WHERE main IS NOT NULL"
			 " UNION SELECT path FROM worktree WHERE state = 'live' AND path <> ?1 LIMIT ?2",
			 "si", path, (int64_t)WORKTREES_MAX);
	while (query_next(&q))
		add(spec, "protect", query_text(&q, 0));
}

static void add_configured(struct core *core, json_t *spec)
{
	const char *home = getenv("HOME");
	size_t i;
	const json_t *item;
	static const char *const shut[] = {".cargo/bin", ".cargo/env", ".cargo/config.toml", ".cargo/config",
					   "go/bin"};
	/* Within caches that may be written: what the user's own shell runs. */
	for (size_t k = 0; home && home[0] == '/' && k < ARRAY_SIZE(shut); k++)
		add_below(spec, "shut", home, shut[k]);
	json_array_foreach(config_list(core->config, "sandbox.write"), i, item)
	{
		autofree char *path = config_expand_home(json_string_value(item),
							 home && home[0] == '/' ? home : "/nowhere");
		add(spec, "extra", path);
	}
}

static void add_hidden(struct core *core, json_t *spec)
{
	autofree char *agents = paths_agents(core->socket), *token = paths_token(core->home);
	add(spec, "hide", agents);
	add(spec, "hide", token);
}

int confine_make(struct core *core, const struct spawn_order *order, const char *spawn_id, json_t **ret,
		 struct error *err)
{
	*ret = NULL;
	if (!wanted(core, order))
		return 0;
	if (kernel_landlock_abi() < 1)
		return error_hint(err,
				  error_set(err, ERR_UNSUPPORTED,
					    "the kernel has no Landlock, which the sandbox needs"),
				  "see: coppice doctor");
	json_auto_t *spec = json_object();
	int code = add_worktree(core->store, order->path, spec, err);
	if (code)
		return code;
	add_protected(core, order->path, spec);
	add_configured(core, spec);
	/* The daemon's socket may be made anew while the peer lives, so its folder stays to be seen. Those of
	 * other agents have a folder of their own, which does not. */
	autofree char *runtime = path_folder(core->socket);
	add(spec, "keep", order->path);
	add(spec, "keep", runtime);
	add_hidden(core, spec);
	autofree char *tmp = xasprintf("%s/tmp/%s", core->home, spawn_id);
	json_set_str(spec, "tmp", tmp);
	*ret = json_incref(spec);
	return 0;
}

json_t *confine_gate(struct core *core, const char *repo_id)
{
	if (!db_int(core->store, 0, "SELECT 1 FROM peer WHERE repo_id = ? AND sandbox IS NOT NULL LIMIT 1",
		    "s", repo_id))
		return NULL;
	json_t *spec = json_object();
	add_protected(core, "", spec);
	add_configured(core, spec);
	add_hidden(core, spec);
	return spec;
}

void confine_add(json_t *spec, const json_t *places)
{
	const char *key;
	json_t *paths;
	union {
		const json_t *in;
		json_t *out;
	} object = {places}; /* iterating changes nothing */
	json_object_foreach(object.out, key, paths)
	{
		if (json_is_array(paths))
			json_array_extend(list_of(spec, key), paths);
		else
			json_object_set(spec, key, paths);
	}
}

/* --- what it may write --- */

static json_t *spec_of(struct store *s, const char *peer_id)
{
	autofree char *text = db_text(s, "SELECT sandbox FROM peer WHERE peer_id = ?", "s", peer_id);
	return text ? json_loads(text, 0, NULL) : NULL;
}

json_t *confine_writable(struct store *s, const char *peer_id)
{
	json_auto_t *spec = spec_of(s, peer_id);
	if (!spec)
		return NULL;
	json_t *all = json_array();
	json_array_extend(all, json_object_get(spec, "write"));
	json_array_extend(all, json_object_get(spec, "plain"));
	json_array_extend(all, json_object_get(spec, "extra"));
	json_array_append(all, json_object_get(spec, "tmp"));
	return all;
}

/* --- what it was kept from --- */

/* The length of the longest of the places that `path` is in; 0 if it is in none. */
static size_t nearest(const json_t *spec, const char *key, const char *path)
{
	size_t i, most = 0;
	const json_t *item;
	json_array_foreach(json_object_get(spec, key), i, item)
	{
		const char *place = json_string_value(item);
		if (path_inside(path, place) && strlen(place) > most)
			most = strlen(place);
	}
	return most;
}

static bool may_write(const json_t *spec, const char *path)
{
	const char *tmp = json_str(spec, "tmp");
	if (nearest(spec, "shut", path))
		return false;
	if ((tmp && path_inside(path, tmp)) || path_inside(path, "/dev") || nearest(spec, "extra", path))
		return true;
	static const char *const open[] = {"write", "plain", "make"};
	size_t most = 0;
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		size_t n = nearest(spec, open[i], path);
		most = n > most ? n : most;
	}
	return most > nearest(spec, "protect", path) && most > nearest(spec, "blank", path);
}

/* `name`, seen from `cwd`, without "." and ".."; by its words alone. Caller frees. */
static char *absolute(const char *cwd, const char *name)
{
	autofree char *joined = name[0] == '/' ? xstrdup(name) : path_join(cwd, name);
	char *out = xcalloc(strlen(joined) + 2, 1), *end = out;
	for (const char *at = joined; *at;) {
		size_t len = strcspn(at, "/");
		if (len == 2 && memcmp(at, "..", 2) == 0) {
			while (end > out && *--end != '/')
				;
		} else if (len && !(len == 1 && *at == '.')) {
			*end++ = '/';
			memcpy(end, at, len);
			end += len;
		}
		at += len + (at[len] == '/');
	}
	*end = '\0';
	if (end == out)
		*end = '/';
	return out;
}

/* The file that a line complains of: in quotes, else what stands before its last colon, else a path anywhere
 * in it. Caller frees; NULL if there is none. */
static char *named_in(const char *line, const char *complaint)
{
	const char *open = strchr(line, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
	const char *left = strstr(line, "‘"), *right = left ? strstr(left, "’") : NULL;
	if (open && close && close > open + 1)
		return xstrndup(open + 1, (size_t)(close - open - 1));
	if (left && right)
		return xstrndup(left + strlen("‘"), (size_t)(right - left) - strlen("‘"));
	const char *end = complaint, *start;
	while (end > line && strchr(": ", end[-1]))
		end--;
	for (start = end; start > line && !strchr(" \t\"", start[-1]);)
		start--;
	return end > start ? xstrndup(start, (size_t)(end - start)) : NULL;
}

static char *kept_from(const json_t *spec, const char *cwd, const char *line)
{
	const char *complaint = denial_in(line);
	autofree char *name = complaint ? named_in(line, complaint) : NULL;
	if (!name)
		return NULL;
	char *path = absolute(cwd, name);
	if (!may_write(spec, path))
		return path;
	free(path);
	return NULL;
}

static char *sentence(const json_t *spec, const char *path)
{
	autostrbuf shown = STRBUF_INIT(4 * PATH_SHOWN);
	text_escape(path, strnlen(path, PATH_SHOWN), false, &shown);
	return xasprintf("the sandbox keeps %s from being written: %s", strbuf_str(&shown),
			 nearest(spec, "protect", path) || nearest(spec, "shut", path)
				 ? "no setting opens it"
				 : "add it to sandbox.write");
}

char *confine_denied(struct store *s, const char *peer_id, const char *text)
{
	json_auto_t *spec = spec_of(s, peer_id);
	autofree char *cwd = db_text(s, "SELECT path FROM peer WHERE peer_id = ?", "s", peer_id);
	if (!spec || !cwd || !text)
		return NULL;
	char *found = NULL;
	for (const char *at = text; !found && *at;) {
		size_t len = strcspn(at, "\n");
		autofree char *line = xstrndup(at, len);
		autofree char *path = kept_from(spec, cwd, line);
		if (path)
			found = sentence(spec, path);
		at += len + (at[len] == '\n');
	}
	return found;
}
