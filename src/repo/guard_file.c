/* See guard_file.h. */
#include "repo/guard_file.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "os/file.h"

char *guard_file_path(const char *home)
{
	return path_join(home, "guard/owners.json");
}

int guard_file_write(const char *home, const json_t *owners, struct error *err)
{
	autofree char *path = guard_file_path(home);
	autofree char *folder = path_folder(path);
	autofree char *text = json_text(owners);
	size_t len = strlen(text);
	if (len > GUARD_FILE_MAX)
		return error_set(err, ERR_TOO_LARGE, "the owners of all branches take more than %d bytes",
				 GUARD_FILE_MAX);
	int code = dir_make_private(folder, err);
	return code ? code : file_replace(path, text, len, 0600, err);
}

/* --- reading --- */

static bool all_text(const json_t *list)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
	return json_is_array(list);
}

static bool repo_ok(json_t *repo)
{
	json_t *branches = json_object_get(repo, "branches"), *owner;
	const json_t *main = json_object_get(repo, "main");
	const char *branch;
	if (!json_is_object(branches) || !(json_is_string(main) || json_is_null(main)))
		return false;
	json_object_foreach(branches, branch, owner)
	{
		if (!json_str(owner, "peer") || !json_str(owner, "name") || !json_str(owner, "circle"))
			return false;
	}
	return all_text(json_object_get(repo, "targets")) && all_text(json_object_get(repo, "at_main"));
}

int guard_file_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
	json_auto_t *owners = NULL;
	int code = json_parse(text, len, &owners, err);
	if (code)
		return code;
	json_t *repos = json_object_get(owners, "repos"), *repo;
	const char *common_dir;
	if (json_int(owners, "version", 0) != GUARD_FILE_VERSION || !json_is_object(repos))
		return error_set(err, ERR_INVALID, "it is of another version");
	json_object_foreach(repos, common_dir, repo)
	{
		if (!repo_ok(repo))
			return error_set(err, ERR_INVALID, "a repository in it has another form");
	}
	*ret = TAKE_PTR(owners);
	return 0;
}

int guard_file_read(const char *home, json_t **ret, struct error *err)
{
	autofree char *path = guard_file_path(home);
	autostrbuf text = STRBUF_INIT(GUARD_FILE_MAX);
	autoerror why = {0};
	int code = file_read(path, &text, &why);
	if (!code)
		code = guard_file_parse(strbuf_str(&text), text.len, ret, &why);
	if (!code)
		return 0;
	code = error_set(err, (enum error_code)code, "nobody knows whose branches these are (%s: %s)", path,
			 why.message);
	return error_hint(
		err, code,
		"it is written when the daemon starts: outside of peers, coppice stop, then coppice status");
}
