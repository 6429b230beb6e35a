/* Who uses a folder: proc_uses_dir of proc.h.
 *
 * A process that may be looked at is judged by the links in /proc: cwd, root, exe and fd/N. The text of
 * such a link is a path as its own mount namespace has it. For a process in another one, folders are
 * climbed by device and inode, which no namespace disguises, and the path of anything else is translated by
 * the mount that it is on.
 *
 * A process that may not be looked at (another user's, a set-user-id one) leaves two traces that all
 * may read: its ancestry and terminal, and its mount table. They decide whether its silence is
 * "unknown" or "no"; the reasons are in proc.h. */
#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/timeval.h"
#include "os/file.h"

enum {
	PROC_FLAG_KTHREAD = 0x00200000, /* PF_KTHREAD of the kernel's sched.h */
	MOUNTINFO_MAX = 16 << 20,
	LINK_MAX_ = PATH_MAX + 32, /* with the kernel's " (deleted)" */
	CLIMB_MAX = 4096,
};

/* Where the folder is, in the terms of mount tables. */
struct place {
	char *device; /* "major:minor", owned; NULL if it could not be told */
	char *path;   /* within that file system, owned */
};

struct search {
	const char *dir;
	const pid_t *except;
	size_t n_except;
	struct stat st;	      /* of the folder */
	struct stat ns;	      /* our mount namespace */
	struct strbuf mounts; /* and its table */
	struct place place;
	enum truth found;
	pid_t pid;
};

/* Fields of a line of /proc/PID/mountinfo, unescaped, owned. */
struct mount_line {
	int64_t id;
	char *device;
	char *root;
	char *point;
};

static void mount_line_release(struct mount_line *m)
{
	free(m->device);
	free(m->root);
	free(m->point);
	*m = (struct mount_line){0};
}

/* Takes the next word of a line; the kernel writes blanks and backslashes in it as \ooo. */
static char *take_word(const char **cursor)
{
	const char *p = *cursor;
	size_t n = strcspn(p, " \n"), out = 0;
	char *word = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++) {
		bool octal = p[i] == '\\' && i + 3 < n && strspn(p + i + 1, "01234567") >= 3;
		word[out++] = octal ? (char)((p[i + 1] - '0') * 64 + (p[i + 2] - '0') * 8 + (p[i + 3] - '0'))
				    : p[i];
		i += octal ? 3 : 0;
	}
	word[out] = '\0';
	*cursor = p + n + (p[n] == ' ');
	return word;
}

/* Reads the line at *cursor and advances to the next; false at the end or at a malformed line. */
static bool take_mount(const char **cursor, struct mount_line *ret)
{
	const char *p = *cursor;
	if (!*p)
		return false;
	autofree char *id = take_word(&p);
	free(take_word(&p)); /* the parent's id */
	*ret = (struct mount_line){.device = take_word(&p), .root = take_word(&p), .point = take_word(&p)};
	p += strcspn(p, "\n");
	*cursor = p + (*p == '\n');
	if (number_parse(id, 0, INT32_MAX, &ret->id, NULL) == 0)
		return true;
	mount_line_release(ret);
	return false;
}

static bool read_mounts(const char *pid, struct strbuf *ret)
{
	autofree char *path = xasprintf("/proc/%s/mountinfo", pid);
	return file_read(path, ret, NULL) == 0;
}

/* The rest of `path` below `dir`, which holds it: "" or "/x/y". */
static const char *below(const char *path, const char *dir)
{
	return strcmp(dir, "/") == 0 ? (strcmp(path, "/") == 0 ? "" : path) : path + strlen(dir);
}

/* `rest` below `dir`, without the double slash that "/" would make. */
static char *rebase(const char *dir, const char *rest)
{
	return strcmp(dir, "/") == 0 && *rest ? xstrdup(rest) : xasprintf("%s%s", dir, rest);
}

static void find_place(const char *dir, const char *mounts, struct place *ret)
{
	struct statx stx;
	if (statx(AT_FDCWD, dir, 0, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return;
	struct mount_line m;
	for (const char *p = mounts; take_mount(&p, &m); mount_line_release(&m))
		if ((uint64_t)m.id == stx.stx_mnt_id && path_inside(dir, m.point)) {
			ret->device = TAKE_PTR(m.device);
			ret->path = rebase(m.root, below(dir, m.point));
			mount_line_release(&m);
			return;
		}
}

/* Whether the process has the folder, or a part of it, mounted in a way of its own. A private
 * namespace that shows it where we see it is what services and sandboxes have, and tells nothing. */
static bool has_mounted(const struct search *s, pid_t pid)
{
	autostrbuf text = STRBUF_INIT(MOUNTINFO_MAX);
	autofree char *name = xasprintf("%d", (int)pid);
	if (!s->place.device || !read_mounts(name, &text))
		return false;
	bool found = false;
	struct mount_line m;
	for (const char *p = strbuf_str(&text); !found && take_mount(&p, &m); mount_line_release(&m)) {
		if (strcmp(m.device, s->place.device) != 0)
			continue;
		if (path_inside(m.root, s->place.path)) {
			found = strcmp(m.root, "/") != 0;
		} else if (path_inside(s->place.path, m.root)) {
			autofree char *seen = rebase(m.point, below(s->place.path, m.root));
			found = strcmp(seen, s->dir) != 0;
		}
	}
	return found;
}

/* Whether an opened folder is the searched one or below it, by device and inode. Closes `fd`. */
static bool climbs_to(const struct search *s, int fd)
{
	struct stat st, last = {0};
	bool found = false;
	for (int i = 0; !found && fd >= 0 && i < CLIMB_MAX && fstat(fd, &st) == 0; i++) {
		found = st.st_dev == s->st.st_dev && st.st_ino == s->st.st_ino;
		if (i > 0 && st.st_dev == last.st_dev && st.st_ino == last.st_ino)
			break; /* the root is its own parent */
		last = st;
		int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd); /* nothing was done through it */
		fd = up;
	}
	if (fd >= 0)
		(void)close(fd); /* as above */
	return found;
}

/* Whether a path of another namespace is below the folder, by the mount of that namespace that it is on;
 * unknown when the table does not tell. */
static enum truth mounted_inside(const struct search *s, const char *mounts, uint64_t id, const char *path)
{
	enum truth found = TRUTH_UNKNOWN;
	struct mount_line m;
	for (const char *p = mounts; found == TRUTH_UNKNOWN && take_mount(&p, &m); mount_line_release(&m)) {
		if ((uint64_t)m.id != id || !path_inside(path, m.point))
			continue;
		autofree char *place = rebase(m.root, below(path, m.point));
		found = strcmp(m.device, s->place.device) == 0 && path_inside(place, s->place.path)
				? TRUTH_YES
				: TRUTH_NO;
	}
	return found;
}

/* The same as link_inside for a process in another mount namespace, whose paths are its own. */
static enum truth foreign_link_inside(const struct search *s, int dir_fd, const char *name,
				      const char *mounts)
{
	char text[LINK_MAX_];
	struct statx stx;
	struct stat st;
	ssize_t n = readlinkat(dir_fd, name, text, sizeof(text) - 1);
	autoclose int fd = openat(dir_fd, name, O_PATH | O_CLOEXEC);
	if (fd < 0 || n < 0 || fstat(fd, &st) < 0)
		return errno == EACCES || errno == EPERM ? TRUTH_UNKNOWN : TRUTH_NO; /* or closed by now */
	if (S_ISDIR(st.st_mode))
		return climbs_to(s, TAKE_FD(fd)) ? TRUTH_YES : TRUTH_NO;
	if (st.st_dev != s->st.st_dev || text[0] != '/')
		return TRUTH_NO;
	text[n] = '\0';
	if (!s->place.device || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID))
		return TRUTH_UNKNOWN;
	/* What was opened before it went into its namespace is still on the mounts of ours. */
	enum truth t = mounted_inside(s, mounts, stx.stx_mnt_id, text);
	return t != TRUTH_UNKNOWN ? t : mounted_inside(s, strbuf_str(&s->mounts), stx.stx_mnt_id, text);
}

/* Whether the link leads below the folder; unknown when it may not be read. */
static enum truth link_inside(const struct search *s, int dir_fd, const char *name)
{
	char text[LINK_MAX_];
	ssize_t n = readlinkat(dir_fd, name, text, sizeof(text) - 1);
	if (n < 0)
		return errno == EACCES || errno == EPERM ? TRUTH_UNKNOWN : TRUTH_NO;
	text[n] = '\0';
	return path_inside(text, s->dir) ? TRUTH_YES : TRUTH_NO;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* was only read */
}

/* `mounts`: of its namespace, if that is another one; else NULL. */
static enum truth files_inside(const struct search *s, pid_t pid, const char *mounts)
{
	autofree char *path = xasprintf("/proc/%d/fd", (int)pid);
	_cleanup_(close_dir) DIR *dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM ? TRUTH_UNKNOWN : TRUTH_NO;
	enum truth found = TRUTH_NO;
	const struct dirent *e;
	while (found != TRUTH_YES && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		enum truth t = mounts ? foreign_link_inside(s, dirfd(dir), e->d_name, mounts)
				      : link_inside(s, dirfd(dir), e->d_name);
		if (t == TRUTH_YES || (mounts && t == TRUTH_UNKNOWN))
			found = t;
	}
	return found;
}

/* Whether the process was started from a terminal, below a process of ours. */
static bool is_from_our_terminal(pid_t pid)
{
	struct proc_chain chain;
	if (proc_chain(pid, &chain, NULL) || !chain.at[0].tty)
		return false;
	for (size_t i = 1; i < chain.n; i++) {
		autofree char *path = xasprintf("/proc/%d", (int)chain.at[i].pid);
		struct stat st;
		if (stat(path, &st) == 0 && st.st_uid == geteuid())
			return true;
	}
	return false;
}

static const char *const links[] = {"cwd", "root", "exe"};

/* A process of another mount namespace that may be looked at: all that it has open is. */
static enum truth look_into(const struct search *s, pid_t pid, int proc_fd)
{
	autofree char *name = xasprintf("%d", (int)pid);
	autostrbuf mounts = STRBUF_INIT(MOUNTINFO_MAX);
	if (!read_mounts(name, &mounts))
		return TRUTH_NO; /* it has ended */
	enum truth found = files_inside(s, pid, strbuf_str(&mounts));
	for (size_t i = 0; found != TRUTH_YES && i < ARRAY_SIZE(links); i++) {
		enum truth t = foreign_link_inside(s, proc_fd, links[i], strbuf_str(&mounts));
		found = t == TRUTH_NO ? found : t;
	}
	return found;
}

static enum truth look_at(const struct search *s, pid_t pid)
{
	struct proc_stat st;
	if (proc_stat(pid, &st, NULL) || proc_stat_ended(&st) || (st.flags & PROC_FLAG_KTHREAD))
		return TRUTH_NO;
	autofree char *path = xasprintf("/proc/%d", (int)pid);
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool hidden = false;
	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(links); i++) {
		enum truth t = link_inside(s, fd, links[i]);
		if (t == TRUTH_YES)
			return t;
		hidden |= t == TRUTH_UNKNOWN;
	}
	enum truth files = files_inside(s, pid, NULL);
	if (files == TRUTH_YES)
		return files;
	if (hidden || files == TRUTH_UNKNOWN)
		return is_from_our_terminal(pid) || has_mounted(s, pid) ? TRUTH_UNKNOWN : TRUTH_NO;
	struct stat ns;
	if (fd < 0 || fstatat(fd, "ns/mnt", &ns, 0) < 0 || ns.st_ino == s->ns.st_ino)
		return TRUTH_NO;
	return look_into(s, pid, fd);
}

static bool is_excepted(const struct search *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_except; i++)
		if (s->except[i] == pid)
			return true;
	return pid == getpid();
}

static int each_process(const char *name, int type, void *data, struct error *err)
{
	(void)type;
	(void)err;
	struct search *s = data;
	int64_t pid;
	if (number_parse(name, 1, INT32_MAX, &pid, NULL) || is_excepted(s, (pid_t)pid))
		return 0;
	enum truth t = look_at(s, (pid_t)pid);
	if (t == TRUTH_NO || (t == TRUTH_UNKNOWN && s->found == TRUTH_UNKNOWN))
		return 0;
	s->found = t;
	s->pid = (pid_t)pid;
	return t == TRUTH_YES ? ERR_EXISTS : 0; /* any code ends the search */
}

enum truth proc_uses_dir(const char *dir, const pid_t *except, size_t n, pid_t *ret_pid)
{
	struct search s = {.dir = dir, .except = except, .n_except = n, .mounts = STRBUF_INIT(MOUNTINFO_MAX)};
	struct stat first;
	if (stat(dir, &s.st) < 0)
		return errno == ENOENT ? TRUTH_NO : TRUTH_UNKNOWN;
	if (stat("/proc/self/ns/mnt", &s.ns) < 0)
		return TRUTH_UNKNOWN;
	if (read_mounts("self", &s.mounts))
		find_place(dir, strbuf_str(&s.mounts), &s.place);
	int r = dir_each("/proc", each_process, &s, NULL);
	/* Where /proc hides other users' processes (hidepid), even the first is missing. */
	bool complete = (r == 0 || r == ERR_EXISTS) && stat("/proc/1/stat", &first) == 0;
	if (s.found == TRUTH_NO && !complete)
		s.found = TRUTH_UNKNOWN;
	if (s.found != TRUTH_NO && ret_pid)
		*ret_pid = s.pid;
	free(s.place.device);
	free(s.place.path);
	strbuf_release(&s.mounts);
	return s.found;
}
