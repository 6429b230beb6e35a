/* The lock and the trial index of a checkout; see land_checkout.h. How it is brought along is in
 * land_bring.c.
 *
 * A linked worktree may be in an agent's hands, admin folder and all. So nothing is written there but the
 * lock and, by rename, the finished index; and git, which would read <admin folder>/config.worktree and
 * run the filters that it finds in it, gets a stand-in for the admin folder, with the sparse patterns
 * and no configuration (W3). Whether the checkout is sparse is read from that file as a value. */
#include "repo/land_checkout.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "repo/land_file.h"

enum { LOCK_WAIT_MS = 2000, LOCK_LOOK_MS = 20 };

static const char work_folder[] = "coppice-land.d";

/* What is taken from a worktree's own configuration: booleans that say how sparse it is. */
static const char *const option_keys[LAND_OPTIONS] = {"core.sparseCheckout", "core.sparseCheckoutCone",
						      "index.sparse"};

bool land_checkout_pending(const char *common_dir)
{
	autofree char *work = path_join(common_dir, work_folder);
	struct stat st;
	return lstat(work, &st) == 0;
}

void land_checkout_clear(const char *common_dir)
{
	autofree char *work = path_join(common_dir, work_folder);
	land_file_discard(work);
}

void land_checkout_init(const char *common_dir, const char *git_dir, const char *path, int lock_fd,
			struct land_checkout *ret)
{
	bool linked = strcmp(common_dir, git_dir) != 0;
	autofree char *folder = path_join(common_dir, work_folder);
	*ret = (struct land_checkout){
		.path = xstrdup(path),
		.git_dir = xstrdup(git_dir),
		/* git allows no @ in the name of an entry. */
		.work = path_join(folder, linked ? path_base(git_dir) : "@main"),
		.index = path_join(git_dir, "index"),
		.lock = path_join(git_dir, "index.lock"),
		.linked = linked,
	};
	autofree char *stand_in = path_join(ret->work, "admin");
	git_at(common_dir, linked ? stand_in : git_dir, path, &ret->git);
	ret->git.lock_fd = lock_fd;
}

void land_checkout_release(struct land_checkout *c)
{
	free(c->path);
	free(c->git_dir);
	free(c->work);
	free(c->index);
	free(c->lock);
	for (size_t i = 0; i < ARRAY_SIZE(c->options); i++)
		free(c->options[i]);
	git_release(&c->git);
	*c = (struct land_checkout){.git = GIT_INIT};
}

/* ---- the lock ---- */

static char *lock_source(const struct land_checkout *c)
{
	return path_join(c->work, "lock");
}

bool land_checkout_owns(const struct land_checkout *c)
{
	autofree char *source = lock_source(c);
	struct stat lock, ours;
	return lstat(c->lock, &lock) == 0 && lstat(source, &ours) == 0 && lock.st_dev == ours.st_dev &&
	       lock.st_ino == ours.st_ino;
}

static int make_lock_source(const struct land_checkout *c, struct error *err)
{
	static const char text[] =
		"coppice is landing here; a landing that was cut short goes on by itself\n";
	autofree char *source = lock_source(c);
	int r = dir_make(c->work, 0700, err);
	return r ? r : file_replace(source, text, strlen(text), 0600, err);
}

int land_checkout_lock(struct land_checkout *c, struct error *err)
{
	autofree char *source = lock_source(c);
	int r = land_checkout_owns(c) ? 0 : make_lock_source(c, err);
	if (r)
		return r;
	for (int waited = 0; !land_checkout_owns(c); waited += LOCK_LOOK_MS) {
		/* A link is there and is ours at once; of a new file nobody could tell whose it is. */
		if (link(source, c->lock) == 0)
			break;
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot lock the index of %s", c->path);
		if (waited >= LOCK_WAIT_MS)
			return error_hint(
				err, error_set(err, ERR_CONFLICT, "a git command is at work in %s", c->path),
				"wait for it to end; if there is none, remove %s", c->lock);
		const struct timespec pause = {.tv_nsec = LOCK_LOOK_MS * 1000000L};
		(void)nanosleep(&pause, NULL); /* a signal only makes the next look earlier */
	}
	c->locked = true;
	return 0;
}

void land_checkout_unlock(struct land_checkout *c)
{
	/* First the lock: without the work folder nobody would know that it is ours. */
	if (c->locked)
		(void)unlink(c->lock); /* gone only if the user removed it */
	c->locked = false;
	land_file_discard(c->work);
}

/* ---- the trial ---- */

/* The other half of a split index; the trial itself is written whole. */
static int copy_shared_index(const char *name, int type, void *data, struct error *err)
{
	const struct land_checkout *c = data;
	if (type != DT_REG || strncmp(name, "sharedindex.", strlen("sharedindex.")) != 0)
		return 0;
	autofree char *from = path_join(c->git_dir, name), *to = path_join(c->git.git_dir, name);
	return land_file_copy(from, to, err);
}

static int write_in(const char *dir, const char *name, const char *text, struct error *err)
{
	autofree char *path = path_join(dir, name), *line = xasprintf("%s\n", text);
	return file_replace(path, line, strlen(line), 0600, err);
}

/* The worktree's own refs, which git consults even for full ids; nothing is written through the link. */
static int link_refs(const struct land_checkout *c, const char *name, struct error *err)
{
	autofree char *from = path_join(c->git_dir, name), *to = path_join(c->git.git_dir, name);
	struct stat st;
	if (lstat(from, &st) < 0)
		return 0;
	return symlink(from, to) < 0 ? error_errno(err, errno, "cannot link %s", to) : 0;
}

static int make_stand_in(struct land_checkout *c, struct error *err)
{
	static const char *const refs[] = {"refs", "reftable"};
	autofree char *info = path_join(c->git.git_dir, "info");
	autofree char *from = path_join(c->git_dir, "info/sparse-checkout"),
		      *to = path_join(info, "sparse-checkout");
	land_file_discard(c->git.git_dir);
	int r = dir_make(info, 0700, err);
	if (r == 0) /* decides nothing here, but must be there */
		r = write_in(c->git.git_dir, "HEAD", "ref: refs/heads/.none", err);
	if (r == 0) /* some of git looks here, whatever GIT_COMMON_DIR says */
		r = write_in(c->git.git_dir, "commondir", c->git.common_dir, err);
	for (size_t i = 0; i < ARRAY_SIZE(refs) && r == 0; i++)
		r = link_refs(c, refs[i], err);
	if (r == 0)
		r = dir_each(c->git_dir, copy_shared_index, c, err);
	if (r)
		return r;
	autoerror why = {0};
	r = land_file_copy(from, to, &why);
	return r == 0 || r == ERR_NOT_FOUND ? 0 : error_set(err, (enum error_code)r, "%s", why.message);
}

/* Sets c->options to what the worktree's own configuration says of sparseness, if git would read it. */
static int read_options(struct land_checkout *c, struct error *err)
{
	autofree char *file = path_join(c->git_dir, "config.worktree");
	autogit common = GIT_INIT;
	git_at(c->git.common_dir, c->git.common_dir, NULL, &common);
	const char *const own[] = {"config", "--type=bool", "--get", "extensions.worktreeConfig", NULL};
	autostrbuf out = STRBUF_INIT(256);
	int status = 0;
	int r = git_run(&common, GIT_QUIET, own, &out, &status, err);
	struct stat st;
	if (r || strcmp(strbuf_str(&out), "true\n") != 0 || lstat(file, &st) < 0)
		return r;
	for (size_t i = 0; i < LAND_OPTIONS; i++) {
		const char *const get[] = {"config", "--file",	     file, "--type=bool",
					   "--get",  option_keys[i], NULL};
		strbuf_reset(&out);
		r = git_run(&common, GIT_QUIET, get, &out, &status, err);
		if (r)
			return r;
		const char *value = strbuf_str(&out);
		free(c->options[i]);
		c->options[i] = status ? NULL : xstrndup(value, strcspn(value, "\n"));
	}
	return 0;
}

int land_checkout_try(struct land_checkout *c, struct error *err)
{
	static const char *const leftover[] = {"index.lock", "start", "start.lock"};
	autofree char *trial = path_join(c->work, "index"), *fresh = path_join(c->work, "fresh");
	for (size_t i = 0; i < ARRAY_SIZE(leftover); i++) {
		autofree char *path = path_join(c->work, leftover[i]);
		(void)unlink(path); /* there only after a kill */
	}
	land_file_discard(fresh);
	int r = land_file_copy(c->index, trial, err);
	if (r == 0 && c->linked)
		r = make_stand_in(c, err);
	return r || !c->linked ? r : read_options(c, err);
}

int land_checkout_git(const struct land_checkout *c, enum land_index which, unsigned flags,
		      const char *const *args, const struct strbuf *input, struct strbuf *out,
		      int *ret_status, struct error *err)
{
	autofree char *index =
		xasprintf("GIT_INDEX_FILE=%s/%s", c->work, which == LAND_TRIAL ? "index" : "start");
	/* A split index would leave its other half in the stand-in. */
	char *options[2 * LAND_OPTIONS + 1] = {NULL};
	const char *env[ARRAY_SIZE(options) + 6] = {index, "GIT_NO_REPLACE_OBJECTS=1",
						    "GIT_CONFIG_KEY_0=core.splitIndex",
						    "GIT_CONFIG_VALUE_0=false"};
	size_t n = 0, count = 1, at = 4;
	for (size_t i = 0; i < LAND_OPTIONS; i++) {
		if (!c->options[i])
			continue;
		options[n++] = xasprintf("GIT_CONFIG_KEY_%zu=%s", count, option_keys[i]);
		options[n++] = xasprintf("GIT_CONFIG_VALUE_%zu=%s", count++, c->options[i]);
	}
	autofree char *number = xasprintf("GIT_CONFIG_COUNT=%zu", count);
	env[at++] = number;
	for (size_t i = 0; i < n; i++)
		env[at++] = options[i];
	int r = git_run_with(&c->git, flags, args, input ? strbuf_str(input) : NULL, input ? input->len : 0,
			     env, out, ret_status, err);
	for (size_t i = 0; i < n; i++)
		free(options[i]);
	return r;
}
