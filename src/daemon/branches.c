/* Owned branches are watched: a move that was not made in the owner's worktree is noticed at once
 * (flow/branches.h).
 *
 * Git's folders of references are watched by inotify, so that idle is idle (X2): those that lead to an owned
 * branch, and the repository's own for packed-refs. A moment after something happened there, for git writes a
 * reference and its logs one after the other, each owned branch is compared with what it was. What it was is
 * known since the daemon's start, or since it has an owner. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/daemon.h"
#include "flow/branches.h"
#include "flow/react.h"
#include "os/file.h"
#include "repo/ref_value.h"

#define MOMENT (100 * USEC_PER_MSEC)

enum { FOLDERS_MAX = 4096 };

struct folder {
	struct list link; /* in daemon.branch_folders */
	struct daemon *daemon;
	char *path;  /* owned */
	ino_t inode; /* a folder that git has removed and made anew is another one */
	bool packed; /* the repository's own: only packed-refs counts */
	bool wanted;
	uv_fs_event_t watch;
};

static void moment_over(void *data)
{
	struct daemon *d = data;
	d->branch_timer = NULL;
	d->branches_due = true;
	turn_wanted(d);
}

static bool is_lock(const char *name)
{
	size_t len = strlen(name), end = strlen(".lock");
	return len > end && strcmp(name + len - end, ".lock") == 0;
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct folder *f = watch->data;
	(void)events;
	if (status < 0 || (name && is_lock(name)) ||
	    (f->packed && (!name || strcmp(name, "packed-refs") != 0)))
		return;
	if (!f->daemon->branch_timer)
		f->daemon->branch_timer = loop_timer_start(&f->daemon->loop, MOMENT, moment_over, f->daemon);
}

static void on_closed(uv_handle_t *handle)
{
	struct folder *f = handle->data;
	free(f->path);
	free(f);
}

static void unwatch(struct folder *f)
{
	list_remove(&f->link);
	uv_close((uv_handle_t *)&f->watch, on_closed);
}

static void want_folder(struct daemon *d, const char *path, bool packed)
{
	struct stat st;
	size_t n = 0;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	list_for_each (pos, &d->branch_folders) {
		struct folder *old = list_entry(pos, struct folder, link);
		n++;
		if (strcmp(old->path, path) != 0 || old->inode != st.st_ino)
			continue;
		old->wanted = true;
		return;
	}
	if (n >= FOLDERS_MAX)
		return;
	struct folder *f = xcalloc(1, sizeof(*f));
	*f = (struct folder){
		.daemon = d, .path = xstrdup(path), .inode = st.st_ino, .packed = packed, .wanted = true};
	uv_fs_event_init(&d->loop, &f->watch);
	f->watch.data = f;
	list_append(&d->branch_folders, &f->link);
	if (uv_fs_event_start(&f->watch, on_change, f->path, 0) < 0)
		unwatch(f); /* gone meanwhile, or there are too many: then this one is not noticed */
}

/* refs/heads and each folder below it on the way to the branch. */
static void want_branch(struct daemon *d, const char *common_dir, const char *branch)
{
	autofree char *ref = xasprintf("%s/refs/heads/%s", common_dir, branch);
	for (char *slash = ref + strlen(common_dir) + strlen("/refs/heads"); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		want_folder(d, ref, false);
		*slash = '/';
	}
}

/* {"value","log"}: what it was at, and how long the log of its worktree's HEAD was; NULL. */
static json_t *known(const json_t *values, const char *common_dir, const char *branch)
{
	return json_object_get(json_object_get(values, common_dir), branch);
}

/* What is known of a branch is compared with what it is: "" where it is not there. NULL when that cannot be
 * told. With `core`, a move that was not made in its worktree is told of. */
static json_t *look_at(struct daemon *d, struct core *core, struct ref_look *look, const char *branch,
		       const char *git_dir)
{
	autofree char *ref = xasprintf("refs/heads/%s", branch);
	json_t *before = known(d->branch_values, look->common_dir, branch);
	const char *old = json_str(before, "value");
	char now[REF_VALUE_SIZE];
	struct ref_head head;
	enum truth there = ref_value(look, ref, now);
	if (there == TRUTH_NO)
		now[0] = '\0';
	if (there == TRUTH_UNKNOWN || !git_dir ||
	    ref_head_look(git_dir, ref, now, json_int(before, "log", 0), &head) != TRUTH_YES)
		return NULL;
	/* Where its worktree is on it, its own moves of this very moment are what is to be restored. */
	if (core && old && strcmp(old, now) != 0 && !head.came_to)
		branch_moved(core,
			     &(struct branch_move){look->common_dir, branch, head.on ? head.last : old, now});
	return json_pack("{s:s, s:I}", "value", now, "log", (json_int_t)head.size);
}

/* All of them: {common_dir:{branch:value}}, a new reference. */
static json_t *look_at_all(struct daemon *d, struct core *core)
{
	json_t *values = json_object(), *repo, *owner;
	const char *common_dir, *branch;
	json_object_foreach(json_object_get(d->owners, "repos"), common_dir, repo)
	{
		autoreflook look = REF_LOOK_INIT(common_dir);
		json_t *of_repo = json_object();
		json_object_foreach(json_object_get(repo, "branches"), branch, owner)
		{
			json_t *seen = look_at(d, core, &look, branch, json_str(owner, "git_dir"));
			if (seen)
				json_object_set_new(of_repo, branch, seen);
		}
		json_object_set_new(values, common_dir, of_repo);
	}
	return values;
}

static void know(struct daemon *d, json_t *values)
{
	json_decref(d->branch_values);
	d->branch_values = values;
}

void branches_watch(struct daemon *d)
{
	json_t *repo, *owner;
	const char *common_dir, *branch;
	list_for_each (pos, &d->branch_folders)
		list_entry(pos, struct folder, link)->wanted = false;
	json_object_foreach(json_object_get(d->owners, "repos"), common_dir, repo)
	{
		if (json_object_size(json_object_get(repo, "branches")))
			want_folder(d, common_dir, true);
		json_object_foreach(json_object_get(repo, "branches"), branch, owner)
			want_branch(d, common_dir, branch);
	}
	list_for_each_safe (pos, &d->branch_folders) {
		struct folder *f = list_entry(pos, struct folder, link);
		if (!f->wanted)
			unwatch(f);
	}
	/* Those that are new are known from now on; of the others what is known stays, until it is compared.
	 */
	json_t *values = look_at_all(d, NULL), *of_repo, *value;
	json_object_foreach(values, common_dir, of_repo)
	{
		json_object_foreach(of_repo, branch, value)
		{
			json_t *before = known(d->branch_values, common_dir, branch);
			if (before)
				json_object_update(value, before);
		}
	}
	know(d, values);
}

bool branches_any_news(const struct daemon *d)
{
	return d->branches_due;
}

void branches_record(struct daemon *d)
{
	if (!d->branches_due)
		return;
	json_decref(d->branches_seen);
	d->branches_seen = look_at_all(d, &d->core);
	flow_react(&d->core);
}

void branches_committed(struct daemon *d)
{
	if (!d->branches_seen)
		return;
	d->branches_due = false;
	know(d, TAKE_PTR(d->branches_seen));
	branches_watch(d); /* git makes and removes folders as it goes */
}

void branches_stop(struct daemon *d)
{
	list_for_each_safe (pos, &d->branch_folders)
		unwatch(list_entry(pos, struct folder, link));
	loop_timer_stop(d->branch_timer);
	d->branch_timer = NULL;
	json_decref(d->branches_seen);
	d->branches_seen = NULL;
	know(d, NULL);
}
