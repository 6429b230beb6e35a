/* See plan_watch.h. The rows are drawn from the plan's status, which is asked for after each of its events:
 * so what is shown is always whole, whatever was missed. */
#include "cli/plan_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/out.h"

enum {
	WORDS_MIN = 8,
	WORDS_MAX = 512,
	ROW_FIXED = 18, /* columns of a row besides its name and its words */
};

struct watch {
	struct command_run *run;
	const char *plan_id;
	struct client *status; /* a connection of its own, beside the stream */
	bool live;	       /* rows are redrawn in place: on a terminal that takes escapes */
	size_t drawn;	       /* lines on the screen */
	bool ended;
};

struct look {
	const char *state;
	const char *sign;
	enum colour colour;
	bool ended;
};

static const struct look looks[] = {
	{"waiting", "·", DIM, false},  {"creating", "◌", BLUE, false},	   {"starting", "◌", BLUE, false},
	{"running", "●", CYAN, false}, {"discarding", "◌", YELLOW, false}, {"landing", "▲", YELLOW, false},
	{"ready", "◆", YELLOW, true},  {"cleaning", "▲", GREEN, false},	   {"landed", "✔", GREEN, true},
	{"done", "✔", GREEN, true},    {"ejected", "✘", RED, true},	   {"failed", "✘", RED, true},
	{"cancelled", "✘", RED, true},
};

static const struct look *look_of(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
		if (state && strcmp(looks[i].state, state) == 0)
			return &looks[i];
	return &looks[0];
}

struct screen {
	int columns, lines;
};

static struct screen screen_now(void)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
	return (struct screen){known && size.ws_col > 20 ? size.ws_col : 80,
			       known && size.ws_row > 4 ? size.ws_row : 24};
}

/* A row's last words: why it is where it is, or what it said at its end. */
static void print_words(const json_t *task, int room)
{
	const char *words = json_str(task, "reason") ? json_str(task, "reason") : json_str(task, "summary");
	if (!words || room < WORDS_MIN)
		return;
	size_t len = strcspn(words, "\n");
	char line[WORDS_MAX + sizeof("…")];
	(void)snprintf(line, sizeof(line), "%.*s", len < WORDS_MAX ? (int)len : WORDS_MAX, words);
	out_clip(line, sizeof(line), room);
	out_in(DIM, "  %s", line);
}

/* A row never takes more than one line of the screen, for it is drawn over. */
static void print_row(const json_t *task, int name_width, int width)
{
	const struct look *look = look_of(json_str(task, "state"));
	char name[WORDS_MAX];
	(void)snprintf(name, sizeof(name), "%s", json_str(task, "task"));
	out_clip(name, sizeof(name), name_width);
	(void)fputs("  ", stdout);
	out_in(look->colour, "%s %-10s", look->sign, look->state);
	out_say(" %s%*s", name, name_width - out_width(name), "");
	print_words(task, width - name_width - ROW_FIXED);
	(void)putchar('\n');
}

/* What is drawn over must be on the screen whole: of a longer plan, tasks that have ended are left out first,
 * then the last ones. */
static void print_rows(const json_t *tasks, int name_width, struct screen screen, size_t room)
{
	size_t n = json_array_size(tasks), hidden = n > room ? n - room + 1 : 0, ended = hidden,
	       left = hidden;
	size_t i;
	json_t *task;
	json_array_foreach(tasks, i, task)
	{
		const struct look *look = look_of(json_str(task, "state"));
		if (ended && look->ended) {
			ended--;
			left--;
			continue;
		}
		if (n - i > left)
			print_row(task, name_width, screen.columns);
	}
	if (hidden)
		out_in(DIM, "  and %zu more: coppice plan status\n", hidden);
}

static void draw(struct watch *w, const json_t *plan)
{
	const json_t *tasks = json_object_get(plan, "tasks");
	struct screen screen = screen_now();
	size_t room = (size_t)screen.lines - 2, n = json_array_size(tasks);
	int name_width = 6;
	size_t i;
	json_t *task;
	json_array_foreach(tasks, i, task)
	{
		int width = out_width(json_str(task, "task"));
		name_width = width > name_width ? width : name_width;
	}
	if (name_width > screen.columns - ROW_FIXED)
		name_width = screen.columns - ROW_FIXED;
	if (w->drawn)
		(void)printf("\x1b[%zuA\x1b[J", w->drawn);
	print_rows(tasks, name_width, screen, room);
	w->drawn = n > room ? room : n;
	(void)fflush(stdout);
}

static int plan_now(struct watch *w, json_t **ret, struct error *err)
{
	json_auto_t *args = json_pack("{s:s}", "plan", w->plan_id);
	return client_call(w->status, "plan_status", args, NULL, ret, err);
}

/* One JSON object a line, with the task's name beside the event. */
static void print_json_event(const json_t *event)
{
	json_auto_t *line = json_object();
	json_object_set(line, "event", json_object_get(event, "event"));
	json_object_set(line, "at", json_object_get(event, "at"));
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(event, "data"), key, value) json_object_set(line, key, value);
	json_object_set(line, "subject", json_object_get(event, "subject"));
	out_json(line);
	(void)fflush(stdout);
}

static void print_line_event(const json_t *event)
{
	const char *kind = json_str(event, "event");
	const json_t *data = json_object_get(event, "data");
	if (!kind || strncmp(kind, "task.", 5) != 0)
		return;
	const char *reason = json_str(data, "reason");
	const struct look *look = look_of(kind + 5);
	out_say("  %s %-10s %s%s", look->sign, look->state, json_str(data, "task"), reason ? "  " : "");
	if (reason)
		out_text(stdout, reason, false);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static int on_event(void *data, const struct sse_event *sse, struct error *err)
{
	struct watch *w = data;
	json_auto_t *event = NULL;
	int code = json_parse(sse->data, sse->len, &event, err);
	if (code)
		return code;
	const char *kind = json_str(event, "event");
	w->ended =
		w->ended || (kind && (strcmp(kind, "plan.done") == 0 || strcmp(kind, "plan.cancelled") == 0));
	if (w->run->json) {
		print_json_event(event);
	} else if (!w->live) {
		print_line_event(event);
	} else {
		json_auto_t *plan = NULL;
		code = plan_now(w, &plan, err);
		if (!code)
			draw(w, plan);
	}
	return code ? code : w->ended ? 1 : 0;
}

static size_t count(const json_t *plan, const char *key)
{
	return json_array_size(json_object_get(plan, key));
}

static void print_list(const json_t *plan, const char *key, const char *title, enum colour colour)
{
	size_t i;
	json_t *branch;
	if (!count(plan, key))
		return;
	out_in(colour, "%-7s ", title);
	json_array_foreach(json_object_get(plan, key), i, branch)
	{
		out_say("%s%s", i ? ", " : "", json_string_value(branch));
	}
	(void)putchar('\n');
}

static void print_ready_hint(const json_t *plan)
{
	size_t i;
	json_t *branch;
	if (!count(plan, "ready"))
		return;
	(void)fputs("nothing vouches for these; land them yourself:\n  coppice land", stdout);
	json_array_foreach(json_object_get(plan, "ready"), i, branch)
	{
		autofree char *word = out_word(json_string_value(branch));
		out_say(" %s", word);
	}
	autofree char *target = out_word(json_str(plan, "target"));
	out_say(" --into %s\n", target);
}

static void print_reasons(const json_t *plan)
{
	size_t i;
	json_t *task;
	json_array_foreach(json_object_get(plan, "tasks"), i, task)
	{
		const char *state = json_str(task, "state"), *reason = json_str(task, "reason");
		bool bad = strcmp(state, "ejected") == 0 || strcmp(state, "failed") == 0;
		if (!bad || !reason)
			continue;
		out_say("  %s: ", json_str(task, "task"));
		out_text(stdout, reason, false);
		out_say("\n    look: coppice job show %s\n", json_str(task, "job"));
	}
}

static void print_summary(const json_t *plan)
{
	const char *commit = json_str(plan, "commit");
	(void)putchar('\n');
	print_list(plan, "landed", "landed", GREEN);
	print_list(plan, "done", "nothing to land", DIM);
	print_list(plan, "ready", "ready", YELLOW);
	print_list(plan, "ejected", "ejected", RED);
	print_list(plan, "failed", "failed", RED);
	print_list(plan, "cancelled", "cancelled", RED);
	print_reasons(plan);
	if (commit)
		out_say("%s is now %.12s\n", json_str(plan, "target"), commit);
	print_ready_hint(plan);
}

static void print_done(const json_t *plan)
{
	static const char *const keys[] = {"landed", "ready",  "ejected", "failed",
					   "target", "commit", "done",	  "cancelled"};
	json_auto_t *line = json_pack("{s:s}", "event", "done");
	json_object_set(line, "at", json_object_get(plan, "ended_at"));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(line, keys[i], json_object_get(plan, keys[i]));
	json_object_set(line, "plan", json_object_get(plan, "plan"));
	out_json(line);
}

static int follow(struct watch *w, struct client *stream, struct error *err)
{
	autofree char *query = xasprintf("plan=%s", w->plan_id);
	int code = client_stream_open(stream, query, "0", err);
	while (!code && !w->ended)
		code = client_stream_read(stream, on_event, w, err);
	client_stream_close(stream);
	return w->ended ? 0 : code;
}

int plan_watch(struct command_run *run, const char *plan_id, struct error *err)
{
	autoclient *status = NULL;
	struct client *stream = NULL;
	int code = command_client(run, &stream, err);
	if (!code)
		code = client_open_default(CLIENT_START, &status, err);
	if (code)
		return code;
	struct watch w = {.run = run, .plan_id = plan_id, .status = status};
	w.live = !run->json && out_colour(stdout); /* redrawing needs escapes, as colour does */
	/* A plan that does not exist has no events to wait for. */
	json_auto_t *before = NULL, *plan = NULL;
	code = plan_now(&w, &before, err);
	if (code)
		return code;
	if (!run->json)
		out_say("%s\n", plan_id);
	code = follow(&w, stream, err);
	if (!code)
		code = plan_now(&w, &plan, err);
	if (code)
		return code;
	if (run->json)
		print_done(plan);
	else
		print_summary(plan);
	bool all = !count(plan, "ready") && !count(plan, "ejected") && !count(plan, "failed") &&
		   !count(plan, "cancelled");
	run->exit_code = all ? 0 : 1;
	return 0;
}
