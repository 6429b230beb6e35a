/* The records that runtimes keep of their sessions (agent.h): a session is seen though nothing of ours was
 * started with it. The folders are watched by inotify, from the daemon's start or a session's first word on;
 * none is made. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "daemon/daemon.h"
#include "flow/react.h"
#include "flow/session.h"
#include "mesh/identity.h"
#include "os/file.h"

enum { RECORD_MAX = 64 << 10, NAMES_MAX = 1024 };

struct records {
	struct list link; /* in daemon.records */
	struct daemon *daemon;
	const struct agent_backend *backend;
	char *dir; /* owned */
	uv_fs_event_t watch;
	json_t *changed; /* {name: true}: to be read in the next turn; owned */
};

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct records *r = watch->data;
	(void)events;
	if (status < 0 || !name || json_object_size(r->changed) >= NAMES_MAX)
		return;
	json_object_set_new(r->changed, name, json_true());
	turn_wanted(r->daemon);
}

static int note_name(const char *name, int type, void *data, struct error *err)
{
	struct records *r = data;
	(void)type;
	(void)err;
	if (json_object_size(r->changed) < NAMES_MAX)
		json_object_set_new(r->changed, name, json_true());
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct records *r = handle->data;
	json_decref(r->changed);
	free(r->dir);
	free(r);
}

static bool is_watched(const struct daemon *d, const char *dir)
{
	list_for_each (pos, &d->records)
		if (strcmp(list_entry(pos, struct records, link)->dir, dir) == 0)
			return true;
	return false;
}

static void watch(struct daemon *d, const struct agent_backend *backend)
{
	autofree char *dir = backend->records ? backend->records->dir() : NULL;
	if (!dir || is_watched(d, dir))
		return;
	struct records *r = xcalloc(1, sizeof(*r));
	*r = (struct records){
		.daemon = d, .backend = backend, .dir = TAKE_PTR(dir), .changed = json_object()};
	uv_fs_event_init(&d->loop, &r->watch);
	r->watch.data = r;
	if (uv_fs_event_start(&r->watch, on_change, r->dir, 0) < 0) { /* not there yet */
		uv_close((uv_handle_t *)&r->watch, on_closed);
		return;
	}
	list_append(&d->records, &r->link);
	if (dir_each(r->dir, note_name, r, NULL) == 0)
		turn_wanted(d);
}

void records_watch(struct daemon *d)
{
	for (const struct agent_backend *const *b = agent_backends(); *b; b++)
		watch(d, *b);
}

bool records_any_news(const struct daemon *d)
{
	list_for_each (pos, &d->records)
		if (json_object_size(list_entry(pos, struct records, link)->changed))
			return true;
	return false;
}

/* A record counts only while its very process is alive: files of dead sessions stay behind. */
static void record_one(struct records *r, const char *name)
{
	struct daemon *d = r->daemon;
	autofree char *path = path_join(r->dir, name);
	autostrbuf text = STRBUF_INIT(RECORD_MAX);
	_cleanup_(agent_record_release) struct agent_record record = {0};
	struct proc_chain chain;
	char inside[ID_SIZE];
	if (file_read(path, &text, NULL) ||
	    r->backend->records->parse(name, strbuf_str(&text), text.len, &record, NULL) ||
	    !record.interactive || !record.cwd || proc_chain(record.pid, &chain, NULL) ||
	    chain.at[0].start_time != record.start_time)
		return;
	bool enclosed = identity_enclosing(d->store, &chain, 1, NULL, inside);
	autofree char *circle = proc_given(record.pid, record.start_time, "COPPICE_CIRCLE");
	autofree char *role = proc_given(record.pid, record.start_time, "COPPICE_ROLE");
	autofree char *mark = proc_given(record.pid, record.start_time, "COPPICE_PEER");
	autofree char *out = proc_given(record.pid, record.start_time, "COPPICE");
	if (out && strcmp(out, "0") == 0)
		return;
	struct session_found found = {.backend = r->backend->name,
				      .key = record.session,
				      .path = record.cwd,
				      .pid = record.pid,
				      .start_time = (int64_t)record.start_time,
				      .inside = enclosed ? inside : NULL,
				      .mark = mark,
				      .circle = circle,
				      .role = role,
				      .turn = record.turn};
	session_found(&d->core, &found);
}

void records_record(struct daemon *d)
{
	list_for_each (pos, &d->records) {
		struct records *r = list_entry(pos, struct records, link);
		const char *name;
		json_t *unused;
		json_object_foreach(r->changed, name, unused) record_one(r, name);
	}
	flow_react(&d->core);
}

void records_committed(struct daemon *d)
{
	list_for_each (pos, &d->records)
		json_object_clear(list_entry(pos, struct records, link)->changed);
}

void records_close_all(struct daemon *d)
{
	list_for_each_safe (pos, &d->records) {
		struct records *r = list_entry(pos, struct records, link);
		list_remove(pos);
		uv_close((uv_handle_t *)&r->watch, on_closed);
	}
}
