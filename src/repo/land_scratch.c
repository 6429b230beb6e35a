/* Throwaway folders of landings; see land_scratch.h. */
#include "repo/land_scratch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timeval.h"
#include "os/env.h"
#include "os/file.h"
#include "os/proc.h"
#include "repo/land_file.h"

#define MARK "coppice-land."
enum { ID_MAX = 64, TRIES = 1000 };

struct marker {
	char id[ID_MAX + 1];
	uint64_t boot;
	int64_t pid;
	int64_t start;
};

static uint64_t this_boot(void)
{
	const char *id = os_env_real()->boot_id;
	return text_hash(id, strlen(id));
}

static bool next_part(const char **p, char *ret, size_t size)
{
	size_t n = strcspn(*p, ".");
	if (n == 0 || n >= size)
		return false;
	memcpy(ret, *p, n);
	ret[n] = '\0';
	*p += n + ((*p)[n] == '.');
	return true;
}

static bool marker_parse(const char *name, struct marker *ret)
{
	char boot[17], pid[24], start[24];
	if (strncmp(name, MARK, strlen(MARK)) != 0)
		return false;
	const char *p = name + strlen(MARK);
	if (!next_part(&p, ret->id, sizeof(ret->id)) || !next_part(&p, boot, sizeof(boot)) ||
	    !next_part(&p, pid, sizeof(pid)) || !next_part(&p, start, sizeof(start)))
		return false;
	/* What may follow is the number of a repeated run. */
	if (strlen(boot) != 16 || strspn(boot, "0123456789abcdef") != 16 ||
	    strspn(p, "0123456789") != strlen(p))
		return false;
	ret->boot = strtoull(boot, NULL, 16); /* 16 hex digits always fit */
	return number_parse(pid, 1, INT32_MAX, &ret->pid, NULL) == 0 &&
	       number_parse(start, 0, INT64_MAX, &ret->start, NULL) == 0;
}

bool land_scratch_is(const char *worktree_path)
{
	struct marker m;
	return marker_parse(path_base(worktree_path), &m);
}

static bool is_leftover(const char *name, const char *own_id)
{
	struct marker m;
	if (!marker_parse(name, &m))
		return false;
	return strcmp(m.id, own_id) == 0 || m.boot != this_boot() ||
	       proc_alive((pid_t)m.pid, (uint64_t)m.start) == TRUTH_NO;
}

struct sweep {
	const char *own_id;
	const char *tmp_dir;
	const char *entries; /* <common dir>/worktrees */
};

static int sweep_folder(const char *name, int type, void *data, struct error *err)
{
	(void)err;
	const struct sweep *s = data;
	if (type != DT_DIR || !is_leftover(name, s->own_id))
		return 0;
	autofree char *path = path_join(s->tmp_dir, name);
	/* Unknown does not hinder: the folder was ours alone (0700), so nobody else's process is in it. */
	if (proc_uses_dir(path, NULL, 0, NULL) != TRUTH_YES)
		land_file_discard(path);
	return 0;
}

/* Whether the worktree that an entry belongs to is gone. The entry's `gitdir` names the .git file. */
static bool worktree_is_gone(const char *entry)
{
	autofree char *file = path_join(entry, "gitdir");
	autostrbuf text = STRBUF_INIT(PATH_MAX + 8);
	int r = file_read(file, &text, NULL);
	if (r)
		return r == ERR_NOT_FOUND; /* a kill between the folder and this file */
	autofree char *line = strbuf_detach(&text);
	line[strcspn(line, "\n")] = '\0';
	autofree char *path =
		*line == '/' ? xstrdup(line) : path_join(entry, line); /* git 2.48 may write it so */
	struct stat st;
	return lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static int sweep_entry(const char *name, int type, void *data, struct error *err)
{
	(void)err;
	const struct sweep *s = data;
	if (type != DT_DIR || !is_leftover(name, s->own_id))
		return 0;
	autofree char *entry = path_join(s->entries, name);
	if (worktree_is_gone(entry))
		land_file_discard(entry);
	return 0;
}

static void sweep(const char *common_dir, const char *tmp_dir, const char *own_id)
{
	autofree char *entries = path_join(common_dir, "worktrees");
	struct sweep s = {own_id, tmp_dir, entries};
	/* Not being able to tidy up is no reason not to land; a missing folder is the usual case. */
	int unasked _unused_ = dir_each(tmp_dir, sweep_folder, &s, NULL);
	unasked = dir_each(entries, sweep_entry, &s, NULL);
}

static bool id_ok(const char *id)
{
	size_t n = strlen(id);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && id[i] != '-')
			return false;
	return n >= 1 && n <= ID_MAX;
}

/* git would append a digit to a name that is taken in <common dir>/worktrees, and spoil the marker. */
static bool entry_exists(const char *common_dir, const char *name)
{
	autofree char *entries = path_join(common_dir, "worktrees"), *entry = path_join(entries, name);
	struct stat st;
	return lstat(entry, &st) == 0;
}

static int make_folder(struct land_scratch *s, const char *id, struct error *err)
{
	struct proc_stat self;
	int r = proc_stat(getpid(), &self, err);
	if (r)
		return r;
	autofree char *base = xasprintf(MARK "%s.%016" PRIx64 ".%d.%" PRIu64, id, this_boot(), (int)getpid(),
					self.start_time);
	for (int i = 0; i < TRIES; i++) {
		autofree char *name = i ? xasprintf("%s.%d", base, i) : xstrdup(base);
		autofree char *path = path_join(s->tmp_dir, name);
		if (entry_exists(s->common_dir, name))
			continue;
		if (mkdir(path, 0700) == 0) {
			s->name = TAKE_PTR(name);
			s->path = TAKE_PTR(path);
			return 0;
		}
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot create %s", path);
	}
	return error_set(err, ERR_EXISTS, "%s is full of folders of this landing", s->tmp_dir);
}

int land_scratch_open(const char *common_dir, const char *tmp_dir, const char *id, struct land_scratch *ret,
		      struct error *err)
{
	if (!id_ok(id))
		return error_set(err, ERR_INVALID, "not the id of a landing");
	int r = dir_make(tmp_dir, 0700, err);
	if (r)
		return r;
	sweep(common_dir, tmp_dir, id);
	autolandscratch s = {.common_dir = xstrdup(common_dir)};
	/* Resolved, for git and /proc name folders so. */
	r = path_resolve(tmp_dir, &s.tmp_dir, err);
	if (r == 0)
		r = make_folder(&s, id, err);
	if (r)
		return r;
	*ret = s;
	s = (struct land_scratch){0};
	return 0;
}

void land_scratch_release(struct land_scratch *s)
{
	if (s->path) {
		land_file_discard(s->path);
		autofree char *entries = path_join(s->common_dir, "worktrees");
		autofree char *entry = path_join(entries, s->name);
		struct stat st;
		if (lstat(s->path, &st) < 0 && errno == ENOENT)
			land_file_discard(entry);
	}
	free(s->common_dir);
	free(s->tmp_dir);
	free(s->name);
	free(s->path);
	*s = (struct land_scratch){0};
}

int land_scratch_folder(const struct land_scratch *s, const char *name, char **ret, struct error *err)
{
	autofree char *path = path_join(s->path, name);
	if (mkdir(path, 0700) < 0)
		return error_errno(err, errno, "cannot create %s", path);
	*ret = TAKE_PTR(path);
	return 0;
}
