/* Processes whose end must be noticed at once (I9): a pidfd each, no polling. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "daemon/call.h"
#include "flow/react.h"
#include "flow/spawn.h"
#include "mesh/peer.h"

struct watch {
	struct list link;
	struct daemon *daemon;
	struct loop_watch *handle;
	int64_t pid, start_time;
	bool over;
};

/* The end is recorded in a turn of its own: it is rare, and must not wait behind requests. */
static void ended(void *data)
{
	struct watch *w = data;
	w->handle = NULL;
	w->over = true;
	turn_wanted(w->daemon);
}

void watch_process(struct daemon *d, int64_t pid, int64_t start_time)
{
	list_for_each (pos, &d->watches) {
		struct watch *w = list_entry(pos, struct watch, link);
		if (w->pid == pid && w->start_time == start_time)
			return;
	}
	struct watch *w = xcalloc(1, sizeof(*w));
	*w = (struct watch){.daemon = d, .pid = pid, .start_time = start_time};
	list_append(&d->watches, &w->link);
	autoerror err = {0};
	if (loop_watch_start(&d->loop, (pid_t)pid, (uint64_t)start_time, ended, w, &w->handle, &err)) {
		(void)fprintf(stderr, "coppice: process %lld cannot be watched: %s\n", (long long)pid,
			      err.message);
		list_remove(&w->link);
		free(w);
	}
}

static void watch_one(const char *peer_id, pid_t pid, uint64_t start_time, void *data)
{
	(void)peer_id;
	watch_process(data, pid, (int64_t)start_time);
}

static void watch_spawned(int64_t pid, int64_t start_time, void *data)
{
	watch_process(data, pid, start_time);
}

void watch_all(struct daemon *d)
{
	peer_watch_each(d->store, watch_one, d);
	spawn_watch_each(d->store, watch_spawned, d);
}

void watch_record_ended(struct daemon *d)
{
	list_for_each (pos, &d->watches) {
		struct watch *w = list_entry(pos, struct watch, link);
		if (!w->over)
			continue;
		process_gone(&d->core, w->pid, w->start_time, store_boot_id(d->store));
		flow_react(&d->core);
	}
}

bool watch_any_ended(const struct daemon *d)
{
	list_for_each (pos, &d->watches)
		if (list_entry(pos, struct watch, link)->over)
			return true;
	return false;
}

void watch_drop_ended(struct daemon *d)
{
	list_for_each_safe (pos, &d->watches) {
		struct watch *w = list_entry(pos, struct watch, link);
		if (!w->over)
			continue;
		list_remove(&w->link);
		free(w);
	}
}

void watch_stop_all(struct daemon *d)
{
	list_for_each_safe (pos, &d->watches) {
		struct watch *w = list_entry(pos, struct watch, link);
		loop_watch_stop(w->handle);
		list_remove(&w->link);
		free(w);
	}
}
