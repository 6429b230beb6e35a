/* The files by which peers are guarded (repo/guard_file.h): written at the start, and after each commit that
 * may have changed whose a branch is, before anybody is told of that commit. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/daemon.h"
#include "repo/guard_file.h"
#include "repo/guard_hooks.h"
#include "repo/guard_rows.h"
#include "repo/registry.h"
#include "store/event.h"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Who owns, which branches are targets, who works in main worktrees. */
static bool may_change_it(const struct event *e)
{
	return begins(e->kind, "change.") || begins(e->kind, "plan.") || begins(e->kind, "worktree.") ||
	       (begins(e->kind, "peer.") && strcmp(e->kind, "peer.turn") != 0);
}

static bool anything_changed(const struct daemon *d)
{
	size_t n = 0;
	const struct event *events = store_events(d->store, &n);
	for (size_t i = 0; i < n; i++)
		if (may_change_it(&events[i]))
			return true;
	const char *const *topics = store_wakes(d->store, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(topics[i], BRANCH_OWNERS) == 0)
			return true;
	return false;
}

/* Said once: until it can be written, what is there holds, and it is tried again after each commit. */
static void complain(struct daemon *d, const struct error *err)
{
	if (!d->owners_stale)
		(void)fprintf(stderr, "coppice: whose which branch is could not be written: %s\n",
			      err->message);
	d->owners_stale = true;
}

static void write_owners(struct daemon *d)
{
	autoerror err = {0};
	json_auto_t *owners = guard_rows_owners(d->store);
	if (!d->owners_stale && d->owners && json_equal(owners, d->owners))
		return;
	if (guard_file_write(d->paths.home, owners, &err)) {
		complain(d, &err);
		return;
	}
	d->owners_stale = false;
	json_decref(d->owners);
	d->owners = TAKE_PTR(owners);
	branches_watch(d);
}

void guard_mend_hooks(struct daemon *d)
{
	autoerror err = {0};
	if (guard_hooks_write(d->paths.home, d->program, &err))
		complain(d, &err);
}

void guard_start(struct daemon *d)
{
	guard_mend_hooks(d);
	write_owners(d);
}

void guard_committed(struct daemon *d)
{
	if (d->owners_stale || anything_changed(d))
		write_owners(d);
}

void guard_stop(struct daemon *d)
{
	json_decref(d->owners);
	d->owners = NULL;
}
