/* See gate_confine.h. */
#include "repo/gate_confine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"

static void add(json_t *spec, const char *key, const char *path)
{
	json_t *list = json_object_get(spec, key);
	if (!list) {
		list = json_array();
		json_object_set_new(spec, key, list);
	}
	json_array_append_new(list, json_lossy_string(path, strlen(path)));
}

int gate_confine(const struct land_scratch *s, const char *program, const json_t *sandbox, json_t **ret,
		 struct error *err)
{
	json_auto_t *spec = json_deep_copy(sandbox);
	autofree char *tree = path_join(s->path, s->name), *tmp = path_join(s->path, "tmp"),
		      *file = path_join(s->path, "sandbox.json");
	autofree char *admin = xasprintf("%s/worktrees/%s", s->common_dir, s->name);
	autofree char *objects = path_join(s->common_dir, "objects"), *gitdir = path_join(admin, "gitdir"),
		      *commondir = path_join(admin, "commondir"), *link = path_join(tree, ".git"),
		      *settings = path_join(admin, "config.worktree");
	add(spec, "write", tree);
	add(spec, "plain", admin);
	add(spec, "plain", objects);
	add(spec, "protect", link);
	add(spec, "blank", settings);
	add(spec, "protect", gitdir);
	add(spec, "protect", commondir);
	json_set_str(spec, "tmp", tmp);
	autofree char *text = json_text(spec);
	int code = file_replace(file, text, strlen(text), 0600, err);
	if (!code)
		*ret = json_pack("[s, s, s, s]", program, "confine", file, "--");
	return code;
}
