/* See setup_file.h. */
#include "cli/setup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/timeval.h"
#include "os/env.h"
#include "os/file.h"

enum { NEW_MODE = 0600, NEW_FOLDER_MODE = 0700, STALE_SECONDS = 10 };

#define LOCK_LIMIT (2 * USEC_PER_SEC)
#define LOCK_PAUSE_NSEC (20 * 1000 * 1000)

/* --- reading --- */

/* Where a name leads in folders that are not there yet. */
static int find_missing(struct setup_disk *disk, struct error *err)
{
	struct stat st;
	autofree char *there = path_folder(disk->path);
	size_t made = 0; /* bytes of the path up to the topmost folder that is missing */
	while (lstat(there, &st) < 0) {
		made = strlen(there);
		char *up = path_folder(there);
		free(there);
		there = up;
	}
	autofree char *real = realpath(there, NULL);
	if (!real || made == 0)
		return error_hint(err,
				  error_set(err, ERR_NOT_FOUND,
					    "%s is a symlink to something that does not exist", there),
				  "mend or remove that link");
	const char *rest = disk->path + strlen(there) + (there[1] ? 1 : 0);
	disk->target = path_join(real, rest);
	disk->made = xstrndup(disk->target, strlen(disk->target) - strlen(disk->path + made));
	return 0;
}

/* Where the name leads. */
static int find_target(struct setup_disk *disk, struct error *err)
{
	struct stat st;
	autofree char *folder = path_folder(disk->path);
	if (stat(folder, &st) < 0)
		return errno == ENOENT ? find_missing(disk, err)
				       : error_errno(err, errno, "cannot look at %s", folder);
	int r = path_resolve(disk->path, &disk->target, err);
	return r ? error_hint(err, r, "mend or remove that link") : 0;
}

static int check_owner(const struct setup_disk *disk, const struct stat *st, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return error_hint(err, error_set(err, ERR_REFUSED, "%s is no regular file", disk->target),
				  "move it away");
	if (st->st_uid != geteuid())
		return error_hint(err,
				  error_set(err, ERR_REFUSED, "%s belongs to another user", disk->target),
				  "run this as that user, or put in by hand what --dry-run shows");
	if (st->st_nlink > 1)
		return error_hint(
			err,
			error_set(err, ERR_REFUSED, "%s has %ju names (hard links), which would be parted",
				  disk->target, (uintmax_t)st->st_nlink),
			"make a file of its own of it (cp -p, mv), or put in by hand what --dry-run shows");
	return 0;
}

int setup_disk_read(const char *path, struct setup_disk *ret, struct error *err)
{
	struct stat st;
	*ret = (struct setup_disk){.path = xstrdup(path),
				   .text = STRBUF_INIT(SETUP_FILE_MAX),
				   .mode = NEW_MODE,
				   .group = (gid_t)-1};
	int r = find_target(ret, err);
	if (r || ret->made)
		return r;
	if (lstat(ret->target, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", ret->target);
	r = check_owner(ret, &st, err);
	if (!r)
		r = file_read(ret->target, &ret->text, err);
	if (r)
		return r;
	ret->exists = true;
	ret->mode = st.st_mode & 07777;
	ret->group = st.st_gid;
	sha256_hex(strbuf_str(&ret->text), ret->text.len, ret->hash);
	return 0;
}

/* The bits are looked at too, for they are not asked when root writes. */
int setup_disk_writable(const struct setup_disk *disk, struct error *err)
{
	struct stat st;
	autofree char *folder = path_folder(disk->made ? disk->made : disk->target);
	if (disk->exists && !(disk->mode & S_IWUSR))
		return error_hint(err, error_set(err, ERR_REFUSED, "%s is read-only", disk->target),
				  "chmod u+w it, or put in by hand what --dry-run shows");
	if (stat(folder, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", folder);
	if (!(st.st_mode & S_IWUSR) || access(folder, W_OK | X_OK) < 0)
		return error_hint(err, error_set(err, ERR_REFUSED, "the folder %s is read-only", folder),
				  "chmod u+w it, or put in by hand what --dry-run shows");
	return 0;
}

void setup_disk_release(struct setup_disk *disk)
{
	free(disk->path);
	free(disk->target);
	free(disk->made);
	strbuf_release(&disk->text);
	*disk = (struct setup_disk){0};
}

/* --- writing --- */

static int fill(int fd, const struct setup_disk *disk, const char *text, size_t len)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	/* Who may not give it to the group may not write it for the group either. */
	if (disk->group != (gid_t)-1 && st.st_gid != disk->group && fchown(fd, (uid_t)-1, disk->group) < 0)
		return -1;
	if (fchmod(fd, disk->mode) < 0 || file_write_all(fd, text, len) < 0 || fsync(fd) < 0)
		return -1;
	return 0;
}

static char *temp_of(const char *target)
{
	autofree char *folder = path_folder(target);
	return xasprintf("%s/.%s.coppice-new", folder, path_base(target));
}

void setup_temp_remove(const char *target)
{
	autofree char *temp = temp_of(target);
	(void)unlink(temp); /* most often there is none */
}

/* Writes a text beside the file. The name is always the same one, so what a crash left is found and goes. */
static int stage(const struct setup_disk *disk, const char *text, size_t len, char **ret, struct error *err)
{
	autofree char *folder = path_folder(disk->target), *temp = temp_of(disk->target);
	int r = dir_make(folder, NEW_FOLDER_MODE, err);
	if (r)
		return r;
	setup_temp_remove(disk->target);
	autoclose int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fill(fd, disk, text, len) < 0) {
		int saved = errno;
		if (fd >= 0)
			(void)unlink(temp);
		return error_errno(err, saved, "cannot write %s", disk->target);
	}
	*ret = TAKE_PTR(temp);
	return 0;
}

static int stale(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && time(NULL) - st.st_mtime > STALE_SECONDS;
}

/* Takes the lock of an agent that locks by making a folder. */
static int lock_folder(const struct setup_disk *disk, char **ret, struct error *err)
{
	autofree char *path = xasprintf("%s.lock", disk->path);
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NSEC};
	usec_t end = os_monotonic() + LOCK_LIMIT;
	while (mkdir(path, 0700) < 0) {
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot lock %s", disk->path);
		if (stale(path) && rmdir(path) == 0)
			continue;
		if (os_monotonic() > end)
			return error_hint(err,
					  error_set(err, ERR_TIMED_OUT, "%s is locked by a running session",
						    disk->path),
					  "try again; if no session runs, remove the folder %s", path);
		(void)nanosleep(&pause, NULL); /* a signal only makes it shorter */
	}
	*ret = TAKE_PTR(path);
	return 0;
}

static void unlock_folder(char **path)
{
	if (*path)
		(void)rmdir(*path); /* if it is gone, somebody thought it stale */
	free(*path);
}

/* Whether the file is still as it was read. */
static int compare(const struct setup_disk *disk, struct error *err)
{
	_cleanup_(setup_disk_release) struct setup_disk now = {0};
	int r = setup_disk_read(disk->path, &now, err);
	if (r)
		return r;
	/* The folders may have been made for the temporary file. */
	if (strcmp(now.target, disk->target) != 0 || now.exists != disk->exists ||
	    strcmp(now.hash, disk->hash) != 0)
		return error_set(err, ERR_CONFLICT, "%s has changed meanwhile", disk->path);
	return 0;
}

static int commit(struct setup_write *write, struct error *err)
{
	const struct setup_disk *disk = write->disk;
	autofree char *folder = path_folder(disk->target);
	_cleanup_(unlock_folder) char *lock = NULL;
	int r = write->folder_lock && disk->exists ? lock_folder(disk, &lock, err) : 0;
	if (!r)
		r = compare(disk, err);
	if (r)
		return r;
	if ((write->text ? rename(write->temp, disk->target) : unlink(disk->target)) < 0)
		return error_errno(err, errno, "cannot write %s", disk->target);
	write->done = true;
	return dir_sync(folder, err);
}

/* Puts back what was there, unless somebody else has written in the meantime. */
static void take_back(const struct setup_write *write)
{
	const struct setup_disk *disk = write->disk;
	autofree char *temp = NULL;
	autostrbuf now = STRBUF_INIT(SETUP_FILE_MAX);
	int r = file_read(disk->target, &now, NULL);
	bool ours = write->text ? !r && now.len == write->len &&
					  memcmp(strbuf_str(&now), write->text, now.len) == 0
				: r == ERR_NOT_FOUND;
	if (!ours)
		return;
	/* Best effort: what failed before may fail again, and is told by its own error. */
	if (!disk->exists)
		(void)unlink(disk->target);
	else if (stage(disk, strbuf_str(&disk->text), disk->text.len, &temp, NULL) == 0)
		(void)rename(temp, disk->target);
}

void setup_folders_remove(const char *target, const char *made)
{
	autofree char *folder = path_folder(target);
	while (path_inside(folder, made) && rmdir(folder) == 0) {
		char *up = path_folder(folder);
		free(folder);
		folder = up;
	}
}

int setup_files_write(struct setup_write *writes, size_t n, void (*between)(size_t done), struct error *err)
{
	int r = 0;
	for (size_t i = 0; i < n && !r; i++) {
		r = setup_disk_writable(writes[i].disk, err);
		if (!r && writes[i].text)
			r = stage(writes[i].disk, writes[i].text, writes[i].len, &writes[i].temp, err);
	}
	for (size_t i = 0; i < n && !r; i++) {
		r = commit(&writes[i], err);
		if (!r && between)
			between(i + 1);
	}
	for (size_t i = n; i-- > 0;) {
		if (r && writes[i].done)
			take_back(&writes[i]);
		else if (r && writes[i].temp)
			(void)unlink(writes[i].temp);
		if (r && writes[i].disk->made)
			setup_folders_remove(writes[i].disk->target, writes[i].disk->made);
		free(TAKE_PTR(writes[i].temp));
	}
	return r;
}
