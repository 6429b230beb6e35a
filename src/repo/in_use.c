/* See in_use.h. The lock is git's own, <git dir>/locked with the reason in it, but `git worktree lock` makes the
 * file before it writes the reason: one that is killed in between leaves a lock of nobody's, which nobody takes
 * off. So it is written beside and then given its name, which fails where somebody else's has come meanwhile. */
#include "repo/in_use.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"

enum { REASON_MAX = 4096 };

static const char ours[] = "coppice boot=";

static char *reason_of(const json_t *owner)
{
	return xasprintf("%s%s pid=%lld start=%lld\n", ours, json_str(owner, "boot_id"),
			 (long long)json_int(owner, "pid", 0), (long long)json_int(owner, "start_time", 0));
}

static int remove_file(const char *path, struct error *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

static int write_reason(const char *path, const char *reason, struct error *err)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || file_write_all(fd, reason, strlen(reason)) < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "cannot write %s", path);
	return 0;
}

/* Locks it, unless somebody has meanwhile. */
static int lock(const char *file, const char *beside, const json_t *owner, struct error *err)
{
	autofree char *reason = reason_of(owner);
	int code = write_reason(beside, reason, err);
	if (!code && link(beside, file) < 0 && errno != EEXIST)
		code = error_errno(err, errno, "cannot write %s", file);
	int left = remove_file(beside, code ? NULL : err);
	return code ? code : left;
}

int repo_in_use(const json_t *args, json_t **ret, struct error *err)
{
	const json_t *owner = json_object_get(args, "owner");
	const char *git_dir = json_str(args, "git_dir");
	if (!git_dir || *git_dir != '/')
		return error_set(err, ERR_INTERNAL, "in_use: 'git_dir' must be an absolute path");
	autofree char *file = path_join(git_dir, "locked"), *beside = xasprintf("%s.coppice", file);
	autostrbuf held = STRBUF_INIT(REASON_MAX);
	autoerror none = {0};
	bool locked = file_read(file, &held, &none) != ERR_NOT_FOUND;
	bool foreign = locked && strncmp(strbuf_str(&held), ours, strlen(ours)) != 0;
	bool wanted = json_is_object(owner);
	/* Of a try that was killed, and maybe the lock by another name: it is never written to again. */
	int code = remove_file(beside, err);
	if (!code && locked && !foreign)
		code = remove_file(file, err);
	if (!code && wanted && !foreign)
		code = lock(file, beside, owner, err);
	if (!code)
		*ret = json_pack("{s:b}", "locked", foreign || wanted);
	return code;
}
