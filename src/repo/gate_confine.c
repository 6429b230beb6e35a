/* See gate_confine.h. */
#include "repo/gate_confine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"

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
	json_list_add(spec, "write", tree);
	json_list_add(spec, "plain", admin);
	json_list_add(spec, "plain", objects);
	json_list_add(spec, "protect", link);
	json_list_add(spec, "blank", settings);
	json_list_add(spec, "protect", gitdir);
	json_list_add(spec, "protect", commondir);
	json_set_str(spec, "tmp", tmp);
	autofree char *text = json_text(spec);
	int code = file_replace(file, text, strlen(text), 0600, err);
	if (!code)
		*ret = json_pack("[s, s, s, s]", program, "confine", file, "--");
	return code;
}
