/* See in_use.h. */
#include "repo/in_use.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"
#include "repo/git.h"

enum { REASON_MAX = 4096 };

static const char ours[] = "coppice boot=";

static char *reason_of(const json_t *owner)
{
	return xasprintf("%s%s pid=%lld start=%lld", ours, json_str(owner, "boot_id"),
			 (long long)json_int(owner, "pid", 0), (long long)json_int(owner, "start_time", 0));
}

static int unlock(const struct git *g, const char *path, struct error *err)
{
	const char *const args[] = {"worktree", "unlock", "--", path, NULL};
	return git_run_worktree(g, args, NULL, err);
}

static int lock(const struct git *g, const char *path, const json_t *owner, struct error *err)
{
	autofree char *reason = reason_of(owner);
	const char *const args[] = {"worktree", "lock", "--reason", reason, "--", path, NULL};
	return git_run_worktree(g, args, NULL, err);
}

int repo_in_use(const json_t *args, json_t **ret, struct error *err)
{
	const json_t *repo = json_object_get(args, "repo"), *owner = json_object_get(args, "owner");
	const char *path = json_str(args, "path"), *git_dir = json_str(args, "git_dir");
	if (!path || !git_dir || !json_str(repo, "common_dir"))
		return error_set(err, ERR_INTERNAL, "in_use: an argument is missing");
	autogit g = GIT_INIT;
	git_at(json_str(repo, "common_dir"), json_str(repo, "common_dir"), json_str(repo, "main"), &g);
	autofree char *file = path_join(git_dir, "locked");
	autostrbuf held = STRBUF_INIT(REASON_MAX);
	autoerror none = {0};
	int code = file_read(file, &held, &none);
	bool locked = code == 0, foreign = locked && strncmp(strbuf_str(&held), ours, strlen(ours)) != 0;
	bool wanted = json_is_object(owner);
	code = 0;
	if (locked && !foreign)
		code = unlock(&g, path, err);
	if (!code && wanted && !foreign)
		code = lock(&g, path, owner, err);
	if (!code)
		*ret = json_pack("{s:b}", "locked", foreign || wanted);
	return code;
}
