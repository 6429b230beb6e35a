/* Delivery into the session's inbox; see deliver.h. */
#include "mcp/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "os/env.h"
#include "os/loop.h"

enum {
	TAKE_MAX = 10,
	TAKE_SECONDS =
		7 * 86400, /* the wait is not cut into slices: an idle session makes no system call (X2) */
	REASON_MAX = 1000, /* bytes; the daemon takes some more */
	REOPENINGS = 5,	   /* of a lost inbox, unasked, each after twice the rest of the one before */
	DOUBLINGS_MAX = 7, /* of the rest after refusals: about a minute */
};

/* Between two takes that brought nothing, should the daemon not wait; and after a failure that may pass. */
#define REST USEC_PER_SEC
#define REST_MAX USEC_PER_MIN

/* A report on its way, oldest first: they are made one after the other, in the order of what happened. */
struct report {
	struct list link;
	char *id, *reason; /* owned; reason or NULL */
	const char *step;
};

/* A message that the inbox has not settled yet. */
struct handed {
	struct list link;
	char *id;
};

struct mcp_deliver {
	uv_loop_t *loop;
	struct mcp_link *link;
	const struct agent_inbox_kind *kind;
	struct agent_inbox *inbox; /* NULL: not open */
	struct mcp_call *take, *reporting;
	struct loop_timer *rest, *report_rest;
	usec_t asked_at; /* monotonic: the last take */
	usec_t pause;	 /* of the next rest after a failure */
	int reopenings;	 /* since the inbox last took something */
	int refusals;	 /* of messages, since then: what is returned waits again, and is taken again */
	struct list handed, reports;
};

static void take(void *data);
static void send_report(void *data);

/* --- reports --- */

static void report_free(struct report *r)
{
	list_remove(&r->link);
	free(r->id);
	free(r->reason);
	free(r);
}

static void on_reported(void *data, json_t *answer, const struct error *err)
{
	struct mcp_deliver *d = data;
	(void)answer;
	d->reporting = NULL;
	if (err && err->code == ERR_NOT_STORED) {
		d->report_rest = loop_timer_start(d->loop, REST, send_report, d);
		return;
	}
	report_free(list_entry(d->reports.next, struct report, link));
	send_report(d);
}

/* Makes the first report, unless one is being made. */
static void send_report(void *data)
{
	struct mcp_deliver *d = data;
	loop_timer_stop(TAKE_PTR(d->report_rest));
	if (d->reporting || list_empty(&d->reports))
		return;
	const struct report *r = list_entry(d->reports.next, struct report, link);
	json_auto_t *args =
		json_pack("{s:s, s:s, s:s}", "id", r->id, "step", r->step, "transport", d->kind->transport);
	if (r->reason)
		json_set_str(args, "reason", r->reason);
	struct mcp_request request = {.op = "delivery_report",
				      .args = args,
				      .flags = MCP_CHANGES,
				      .lane = MCP_LANE_REPORTS,
				      .patience = MCP_FOREVER};
	d->reporting = mcp_link_call(d->link, &request, on_reported, d);
}

static void report(struct mcp_deliver *d, const char *id, const char *step, const char *reason)
{
	struct report *r = xcalloc(1, sizeof(*r));
	*r = (struct report){
		.id = xstrdup(id), .step = step, .reason = reason ? xstrndup(reason, REASON_MAX) : NULL};
	list_append(&d->reports, &r->link);
	if (!d->report_rest)
		send_report(d);
}

/* --- the inbox --- */

static void handed_free(struct handed *h)
{
	list_remove(&h->link);
	free(h->id);
	free(h);
}

/* Closes the inbox: what it has not settled did not arrive, and the daemon is to take other ways. */
static void close_inbox(struct mcp_deliver *d)
{
	d->kind->close(TAKE_PTR(d->inbox));
	mcp_link_cancel(TAKE_PTR(d->take));
	mcp_link_close_lane(d->link, MCP_LANE_DELIVERY);
	loop_timer_stop(TAKE_PTR(d->rest));
	list_for_each_safe (pos, &d->handed) {
		struct handed *h = list_entry(pos, struct handed, link);
		report(d, h->id, "returned", "the session's inbox is gone");
		handed_free(h);
	}
}

/* Calls `then` in `pause`, in place of what was to come. */
static void rest(struct mcp_deliver *d, usec_t pause, void (*then)(void *data))
{
	loop_timer_stop(d->rest);
	d->rest = loop_timer_start(d->loop, pause, then, d);
}

/* Takes what waits; after refusals ever later, for it may be the same again. */
static void take_on(struct mcp_deliver *d)
{
	int doublings = d->refusals < DOUBLINGS_MAX ? d->refusals : DOUBLINGS_MAX;
	if (d->refusals)
		rest(d, REST << (doublings - 1), take);
	else
		take(d);
}

static void reopen(void *data);

static void reopen_later(struct mcp_deliver *d)
{
	if (d->reopenings < REOPENINGS)
		rest(d, REST << d->reopenings++, reopen);
}

static void reopen(void *data)
{
	struct mcp_deliver *d = data;
	d->rest = NULL;
	mcp_deliver_start(d);
	if (!d->inbox)
		reopen_later(d);
}

/* The inbox does not take anything. It may again, once the session has come to itself. */
static void lose_inbox(void *data)
{
	struct mcp_deliver *d = data;
	close_inbox(d);
	reopen_later(d);
}

/* Whether it is this one message that the inbox does not take. */
static bool is_of_message(const struct error *err)
{
	return err->code == ERR_INVALID || err->code == ERR_TOO_LARGE || err->code == ERR_REFUSED ||
	       err->code == ERR_CONFLICT;
}

static void on_sent(void *data, const char *id, const struct error *err)
{
	struct mcp_deliver *d = data;
	list_for_each (pos, &d->handed) {
		struct handed *h = list_entry(pos, struct handed, link);
		if (strcmp(h->id, id) != 0)
			continue;
		handed_free(h);
		break;
	}
	report(d, id, err ? "returned" : "submitted", err ? err->message : NULL);
	d->reopenings = err ? d->reopenings : 0;
	d->refusals = err ? d->refusals + 1 : 0;
	if (err && !is_of_message(err))
		rest(d, 0, lose_inbox); /* it is the inbox that calls */
	else if (list_empty(&d->handed) && !d->rest)
		take_on(d);
}

static void on_held(void *data, const char *id, const char *reason)
{
	report(data, id, "held", reason);
}

static void on_released(void *data, const char *id)
{
	report(data, id, "submitted", NULL);
}

static void on_dropped(void *data, const char *id, const char *reason)
{
	report(data, id, "returned", reason);
}

static const struct agent_inbox_events inbox_events = {
	.sent = on_sent, .held = on_held, .released = on_released, .dropped = on_dropped};

/* --- takes --- */

/* Hands one message over; false when the inbox is lost by it. */
static bool hand_over(struct mcp_deliver *d, const json_t *message)
{
	const char *id = json_str(message, "id"), *text = json_str(message, "text");
	const char *from = json_str(message, "from_name");
	autoerror err = {0};
	if (!id || !text)
		return true; /* not a message */
	struct handed *h = xcalloc(1, sizeof(*h));
	h->id = xstrdup(id);
	list_append(&d->handed, &h->link);
	int r = d->kind->send(d->inbox, id, from ? from : "", text, &err);
	if (r) {
		handed_free(h);
		report(d, id, "returned", err.message);
		d->refusals++;
	}
	return !r || is_of_message(&err);
}

/* A failure: one that may pass is waited out, else the inbox is closed until the next start. */
static void take_failed(struct mcp_deliver *d, const struct error *err)
{
	bool passes = err->code == ERR_NOT_STORED || err->code == ERR_NO_DAEMON || err->code == ERR_DISK_FULL;
	if (!passes) {
		close_inbox(d);
		return;
	}
	rest(d, d->pause, take);
	d->pause = d->pause * 2 < REST_MAX ? d->pause * 2 : REST_MAX;
}

static void on_taken(void *data, json_t *answer, const struct error *err)
{
	struct mcp_deliver *d = data;
	d->take = NULL;
	if (err) {
		take_failed(d, err);
		return;
	}
	d->pause = REST;
	const json_t *messages = json_object_get(answer, "messages");
	bool open = true;
	for (size_t i = 0; open && i < json_array_size(messages); i++)
		open = hand_over(d, json_array_get(messages, i));
	bool hasty = os_monotonic() - d->asked_at < REST;
	if (!open)
		lose_inbox(d);
	else if (list_empty(&d->handed) && hasty && !d->refusals)
		rest(d, REST, take);
	else if (list_empty(&d->handed))
		take_on(d);
}

static void take(void *data)
{
	struct mcp_deliver *d = data;
	loop_timer_stop(TAKE_PTR(d->rest));
	if (!d->inbox || d->take)
		return;
	json_auto_t *args = json_pack("{s:s, s:i, s:i}", "transport", d->kind->transport, "wait_seconds",
				      TAKE_SECONDS, "max", TAKE_MAX);
	struct mcp_request request = {.op = "delivery_take",
				      .args = args,
				      .flags = MCP_CHANGES,
				      .lane = MCP_LANE_DELIVERY,
				      .patience = MCP_FOREVER};
	d->asked_at = os_monotonic();
	d->take = mcp_link_call(d->link, &request, on_taken, d);
}

/* --- the whole --- */

struct mcp_deliver *mcp_deliver_new(uv_loop_t *loop, struct mcp_link *link,
				    const struct agent_inbox_kind *kind)
{
	struct mcp_deliver *d = xcalloc(1, sizeof(*d));
	*d = (struct mcp_deliver){.loop = loop, .link = link, .kind = kind, .pause = REST};
	list_init(&d->handed);
	list_init(&d->reports);
	return d;
}

void mcp_deliver_free(struct mcp_deliver *d)
{
	if (!d)
		return;
	d->kind->close(d->inbox);
	mcp_link_cancel(d->take);
	mcp_link_cancel(d->reporting);
	loop_timer_stop(d->rest);
	loop_timer_stop(d->report_rest);
	list_for_each_safe (pos, &d->handed)
		handed_free(list_entry(pos, struct handed, link));
	list_for_each_safe (pos, &d->reports)
		report_free(list_entry(pos, struct report, link));
	free(d);
}

void mcp_deliver_start(struct mcp_deliver *d)
{
	autoerror err = {0};
	if (d->inbox)
		return;
	/* A session without one is reached by hooks or by its terminal. */
	if (d->kind->open(d->loop, &inbox_events, d, &d->inbox, &err) == 0)
		take(d);
	else
		d->inbox = NULL;
}

bool mcp_deliver_is_open(const struct mcp_deliver *d)
{
	return d->inbox != NULL;
}
