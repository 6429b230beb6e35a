/* Operations on the daemon itself. */
#include <unistd.h>

#include "base/alloc.h"
#include "mesh/ask.h"
#include "mesh/message.h"
#include "ops/protocol.h"
#include "ops/table.h"
#include "store/event.h"
#include "work/job.h"

enum { EVENTS_MAX = 1000 };

static int handle_status(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	struct store *s = call->store;
	json_t *status = json_object();
	json_set_str(status, "version", COPPICE_VERSION);
	json_object_set_new(status, "protocol", json_integer(PROTOCOL_VERSION));
	json_object_set_new(status, "pid", json_integer(getpid()));
	json_set_str(status, "socket", call->core->socket);
	json_set_time(status, "started_at", call->core->started_at);
	json_object_set_new(status, "peers",
			    json_integer(db_int(s, 0,
						"SELECT count(*) FROM peer WHERE status = 'online'"
						" AND role NOT IN ('human','service')",
						"")));
	json_object_set_new(status, "open_asks", json_integer(ask_count_open(s)));
	json_object_set_new(status, "jobs", job_counts(s));
	json_object_set_new(status, "queued", json_integer(message_waiting(s, NULL)));
	json_set_str(status, "home", call->core->home);
	json_object_set_new(
		status, "effects",
		json_integer(db_int(s, 0, "SELECT count(*) FROM outbox WHERE ended_at IS NULL", "")));
	*ret = status;
	return 0;
}

const struct op op_status = {
	.name = "status",
	.summary = "What the daemon observes: peers, open asks, jobs, queued messages.",
	.params = (const struct op_param[]){{0}},
	.result = "{\"version\",\"protocol\",\"pid\",\"socket\",\"started_at\",\"peers\",\"open_asks\","
		  "\"jobs\",\"queued\"}",
	.who = BY_ANYONE,
	.flags = OP_LOCAL,
	.handle = handle_status,
};

static void append_event(const struct event *e, void *data)
{
	json_array_append_new(data, event_to_json(e));
}

static int handle_events(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	int limit = (int)json_int(call->params, "limit", 100);
	json_int_t after = json_int(call->params, "after", -1);
	if (after < 0) {
		after = event_last_id(call->store) - limit;
		after = after < 0 ? 0 : after;
	}
	json_t *list = json_array();
	event_since(call->store, after, op_text(call, "plan"), limit, append_event, list);
	*ret = json_pack("{s:o}", "events", list);
	return 0;
}

const struct op op_events = {
	.name = "events",
	.summary = "What happened: the last events, or those after a given one.",
	.params = (const struct op_param[]){{"after", OP_NUMBER, 0, "the id of the last one seen", 0, 0},
					    {"plan", OP_TEXT, 0, "only of this plan", 64, 0},
					    {"limit", OP_NUMBER, 0, "at most so many", EVENTS_MAX, 1},
					    {0}},
	.result = "{\"events\":[{\"id\",\"at\",\"event\",\"subject\",\"plan\",\"data\"}]}",
	.who = BY_ANYONE,
	.flags = OP_LOCAL,
	.handle = handle_events,
};

static int handle_config(struct op_call *call, json_t **ret, struct error *err)
{
	return config_to_json(call->core->config, op_text(call, "key"), ret, err);
}

const struct op op_config = {
	.name = "config",
	.summary = "The effective configuration, with the origin of each value.",
	.params = (const struct op_param[]){{"key", OP_TEXT, 0, "one key or section", 200, 0}, {0}},
	.result = "{\"keys\":[{\"key\",\"value\",\"origin\",\"default\",\"doc\"}]}",
	.who = BY_ANYONE,
	.flags = OP_LOCAL,
	.handle = handle_config,
};

static int handle_stop(struct op_call *call, json_t **ret, struct error *err)
{
	(void)err;
	event_emit(call->store, "daemon.stopping", "daemon", NULL, NULL);
	*ret = json_pack("{s:b, s:I}", "stopping", true, "pid", (json_int_t)getpid());
	return 0;
}

const struct op op_stop = {
	.name = "stop",
	.summary = "Stop the daemon; agents go on, and everything is taken up again at the next start.",
	.params = (const struct op_param[]){{0}},
	.result = "{\"stopping\",\"pid\"}",
	.who = BY_HUMAN | BY_SERVICE,
	.flags = OP_CHANGES | OP_LOCAL,
	.handle = handle_stop,
};
