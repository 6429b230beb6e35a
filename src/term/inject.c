/* The terminal transport; see inject.h for what it does and why.
 *
 * Each step is one line of tmux commands. A step that types is `if-shell -F CONDITION COMMANDS`, where the
 * condition compares what tmux knows of the pane at that moment with what it knew at the last look; tmux runs
 * both without anything in between, and the commands print DONE_TOKEN after they have typed. So their answer
 * tells for certain whether something was typed, unless tmux itself was lost.
 *   The condition and the commands of a step are text that tmux parses. They are made of numbers, ids that
 * were checked, and of wake texts and command names in which all that means something to tmux is quoted or
 * replaced by a wildcard. */
#include "term/inject.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/text.h"
#include "os/proc.h"

#define DONE_TOKEN "coppice-typed"

enum { CONDITION_MAX = 4 << 10, COMMANDS_MAX = 4 << 10, PATTERN_MAX = 48, INJECT_TRIES = 3 };

static const struct {
	const char *name;
	enum error_code code;
	const char *message;
} whys[INJECT_WHY_MAX_] = {
	[INJECT_WHY_NONE] = {"none", ERR_OK, ""},
	[INJECT_GONE] = {"gone", ERR_NOT_FOUND, "the terminal or its agent is gone"},
	[INJECT_REPLACED] = {"replaced", ERR_REFUSED, "something else is in the agent's pane now"},
	[INJECT_FOREIGN] = {"foreign", ERR_REFUSED, "the agent is not in the foreground of its terminal"},
	[INJECT_MODE] = {"mode", ERR_REFUSED, "the pane is in copy-mode, or its input is off or shared"},
	[INJECT_PERSON] = {"person", ERR_REFUSED, "somebody is typing in the pane"},
	[INJECT_DIALOG] = {"dialog", ERR_REFUSED, "a dialog or another view is open in the terminal"},
	[INJECT_DRAFT] = {"draft", ERR_REFUSED, "there is text in the prompt"},
	[INJECT_BUSY] = {"busy", ERR_REFUSED, "the agent is at work"},
	[INJECT_STRANGE] = {"strange", ERR_REFUSED, "the terminal's screen is not understood"},
	[INJECT_ROOM] = {"room", ERR_REFUSED, "the pane is too small to show the text"},
	[INJECT_CHANGED] = {"changed", ERR_REFUSED, "the pane changed just before the typing"},
	[INJECT_TMUX] = {"tmux", ERR_TERMINAL, "tmux did not answer"},
	[INJECT_MIXED] = {"mixed", ERR_REFUSED,
			  "the prompt does not show exactly the text that was typed; Enter was not pressed"},
	[INJECT_UNSENT] = {"unsent", ERR_REFUSED,
			   "the text stands in the prompt; Enter could not be pressed"},
	[INJECT_UNCLEARED] = {"uncleared", ERR_REFUSED,
			      "Enter was pressed, but the prompt is not seen to be empty"},
};

const char *inject_why_name(enum inject_why why)
{
	return whys[why].name;
}

/* --- the text --- */

/* Whether `c` may stand behind `before` (NUL: at the begin). */
static bool wake_char_ok(char c, char before)
{
	if (isalnum((unsigned char)c) && (unsigned char)c < 0x80)
		return true;
	if (!before)
		return false;
	bool in_word = isalnum((unsigned char)before) && (unsigned char)before < 0x80;
	if (c == '/' || c == ':' || c == '~')
		return in_word;
	return c == ' ' ? before != ' ' : c && strchr("_-.,;()'=+", c) != NULL;
}

int wake_text_check(const char *text, struct error *err)
{
	size_t n = strnlen(text, INJECT_TEXT_MAX + 1);
	bool ok = n > 0 && n <= INJECT_TEXT_MAX && text[n - 1] != ' ';
	for (size_t i = 0; ok && i < n; i++)
		ok = wake_char_ok(text[i], i ? text[i - 1] : '\0');
	return ok ? 0 : error_set(err, ERR_INVALID, "not a text that may be typed into a terminal");
}

size_t wake_text_make(const char *from, char ret[INJECT_TEXT_MAX + 1])
{
	size_t n = 0;
	for (; *from && n < INJECT_TEXT_MAX; from++) {
		char c = *from == '\n' || *from == '\t' ? ' ' : *from;
		if (wake_char_ok(c, n ? ret[n - 1] : '\0'))
			ret[n++] = c;
	}
	while (n && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
	return n;
}

/* --- an order --- */

enum stage {
	STAGE_FIRST, /* the look before typing */
	STAGE_TYPED,
	STAGE_ENTERED,
	STAGE_TAKEN_BACK,
};

struct inject_request {
	struct list node; /* of `running` */
	struct tmux *tmux;
	char *pane;
	char *spawn_id;	     /* or NULL */
	pid_t server, pid;   /* of the pane, and … */
	uint64_t start_time; /* … of its process */
	pid_t agent;
	uint64_t agent_start;
	const struct term_composer *composer;
	char *text;
	enum stage stage;
	unsigned tries;		 /* to type */
	unsigned looks;		 /* since the stage began */
	enum inject_why reason;	 /* STAGE_TAKEN_BACK: why */
	enum term_screen screen; /* at the last look */
	/* The pane at the last look, as tmux tells it again within the step: in the order of STATE_FORMAT. */
	char state[128];
	char command[SCREEN_COMMAND_SIZE + 2]; /* a pattern */
	char shown[PATTERN_MAX];	       /* a pattern of the text's first row; "" before it is shown */
	bool entering;			       /* the step that was sent is Enter, not the taking back */
	void (*done)(void *data, const struct term_injected *result);
	void *data;
};

/* All orders under way, of all servers: one writer per pane. */
static struct list running = {&running, &running};

static void request_free(struct inject_request *r)
{
	list_remove(&r->node);
	free(r->pane);
	free(r->spawn_id);
	free(r->text);
	free(r);
}

static void finish(struct inject_request *r, enum inject_outcome outcome, enum inject_why why,
		   const struct error *cause)
{
	autoerror err = {0};
	if (why == INJECT_TMUX && cause)
		(void)error_set(&err, cause->code, "%s", cause->message);
	else if (why)
		(void)error_set(&err, whys[why].code, "%s", whys[why].message);
	struct term_injected result = {
		.outcome = outcome, .why = why, .screen = r->screen, .err = err.code ? &err : NULL};
	/* Before the answer, so that the next order for the pane may come from within it. */
	list_remove(&r->node);
	r->done(r->data, &result);
	request_free(r);
}

static void refuse(struct inject_request *r, enum inject_why why)
{
	finish(r, INJECT_REFUSED, why, NULL);
}

static void leave(struct inject_request *r, enum inject_why why)
{
	finish(r, INJECT_UNKNOWN, why, NULL);
}

/* --- what is known of the pane --- */

#define STATE_FORMAT                                                                                         \
	"#{pid} #{pane_pid} #{pane_dead} #{pane_in_mode} #{pane_input_off} #{pane_synchronized} "            \
	"#{alternate_on} #{pane_width} #{pane_height} #{cursor_x} #{cursor_y}"

/* Keeps for the next step how the pane is now. */
static void keep_state(struct inject_request *r, const struct screen *s)
{
	(void)snprintf(r->state, sizeof(r->state), "%d %d %d %d %d %d %d %u %u %u %u", (int)s->server,
		       (int)s->pid, s->dead, s->in_mode, s->input_off, s->synchronized, s->alternate,
		       s->width, s->height, s->cursor_x, s->cursor_y);
}

/* A pattern of fnmatch(3) that fits `text` (or, if it is `cut`, what begins with it), and in which tmux finds
 * nothing of its own. */
static void make_pattern(const char *text, size_t len, bool cut, char *ret, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < len && n + 2 < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x80 && (isalnum(c) || strchr(" -._", c)))
			ret[n++] = (char)c;
		else if (!n || ret[n - 1] != '*')
			ret[n++] = '*';
	}
	if (cut && (!n || ret[n - 1] != '*'))
		ret[n++] = '*';
	ret[n] = '\0';
}

/* Whether the agent reads from the pane's terminal: it is in the foreground group there. In a terminal of its
 * own (a wrapper such as script or sudo has made one), it is in the foreground of that one, and the wrapper,
 * which leads the pane's foreground group, is one of its ancestors. */
static enum inject_why check_processes(const struct inject_request *r)
{
	struct proc_stat pane, agent;
	enum truth alive = proc_alive(r->agent, r->agent_start);
	enum truth same = proc_alive(r->pid, r->start_time);
	if (alive == TRUTH_NO)
		return INJECT_GONE;
	if (same == TRUTH_NO)
		return INJECT_REPLACED;
	if (alive == TRUTH_UNKNOWN || same == TRUTH_UNKNOWN || proc_stat(r->pid, &pane, NULL) ||
	    proc_stat(r->agent, &agent, NULL))
		return INJECT_FOREIGN;
	bool stopped = agent.state == 'T' || agent.state == 't';
	if (!pane.tty || pane.tty_pgid <= 0 || !agent.tty || agent.pgid != agent.tty_pgid || stopped)
		return INJECT_FOREIGN;
	if (agent.tty == pane.tty)
		return INJECT_WHY_NONE;
	struct proc_chain chain;
	if (proc_chain(r->agent, &chain, NULL) == 0)
		for (size_t i = 0; i < chain.n; i++)
			if (chain.at[i].pid == pane.tty_pgid)
				return INJECT_WHY_NONE;
	return INJECT_FOREIGN;
}

static enum inject_why check_pane(const struct inject_request *r, const struct screen *s)
{
	if (s->server != r->server || s->pid != r->pid)
		return INJECT_REPLACED;
	if (s->dead)
		return INJECT_GONE;
	if (s->in_mode || s->input_off || s->synchronized)
		return INJECT_MODE;
	return check_processes(r);
}

static enum inject_why check_prompt(const struct inject_request *r, const struct screen *s)
{
	struct composer_view view;
	composer_read(r->composer, s, &view);
	switch (view.state) {
	case PROMPT_EMPTY:
		break;
	case PROMPT_TEXT:
		return INJECT_DRAFT;
	case PROMPT_BUSY:
		return INJECT_BUSY;
	case PROMPT_DIALOG:
		return INJECT_DIALOG;
	case PROMPT_UNKNOWN:
	default:
		return INJECT_STRANGE;
	}
	if (!composer_has_room(r->composer, s, r->text))
		return INJECT_ROOM;
	return s->key_age >= 0 && s->key_age < INJECT_QUIET ? INJECT_PERSON : INJECT_WHY_NONE;
}

/* --- steps that type --- */

/* Runs `commands` if the pane is as it was. */
static int send_step(struct inject_request *r, usec_t delay, const char *commands,
		     void (*done)(void *data, const struct tmux_reply *reply))
{
	autostrbuf condition = STRBUF_INIT(CONDITION_MAX);
	strbuf_addf(&condition, "#{&&:#{==:" STATE_FORMAT ",%s},#{&&:#{m:%s,#{pane_current_command}},",
		    r->state, r->command);
	if (r->spawn_id)
		strbuf_addf(&condition, "#{&&:#{==:#{@coppice_spawn},%s},", r->spawn_id);
	if (r->shown[0])
		strbuf_addf(&condition, "#{C:%s}", r->shown);
	else
		strbuf_addstr(&condition, "1");
	strbuf_addstr(&condition, r->spawn_id ? "}}}" : "}}");
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	tmux_command(&line, (const char *const[]){"if-shell", "-F", "-t", r->pane, strbuf_str(&condition),
						  commands, NULL});
	return tmux_run_after(r->tmux, delay, &line, done, r, NULL);
}

enum typed { TYPED_NO, TYPED_YES, TYPED_GONE, TYPED_UNKNOWN };

static enum typed step_result(const struct tmux_reply *reply)
{
	if (strstr(reply->text, DONE_TOKEN "\n"))
		return TYPED_YES;
	if (reply->outcome == TMUX_DONE)
		return TYPED_NO;
	return reply->outcome == TMUX_UNKNOWN ? TYPED_UNKNOWN : TYPED_GONE;
}

/* --- looking --- */

static void on_look(void *data, const struct tmux_reply *reply);

static int look_after(struct inject_request *r, usec_t delay)
{
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	screen_commands(r->pane, &line);
	return tmux_run_after(r->tmux, delay, &line, on_look, r, NULL);
}

/* The next look of this stage; false if there have been enough. */
static bool look_again(struct inject_request *r)
{
	static const usec_t after[INJECT_LOOKS] = {20, 20, 40, 80, 160, 320, 500, 500, 500, 500, 500, 500};
	return r->looks < INJECT_LOOKS && look_after(r, after[r->looks++] * USEC_PER_MSEC) == 0;
}

static void begin_stage(struct inject_request *r, enum stage stage)
{
	r->stage = stage;
	r->looks = 0;
	if (!look_again(r))
		leave(r, INJECT_TMUX);
}

/* --- 2: the text --- */

static void on_typed(void *data, const struct tmux_reply *reply)
{
	struct inject_request *r = data;
	switch (step_result(reply)) {
	case TYPED_YES:
		begin_stage(r, STAGE_TYPED);
		break;
	case TYPED_NO: /* perhaps the program was just drawing */
		if (++r->tries == INJECT_TRIES || !look_again(r))
			refuse(r, INJECT_CHANGED);
		break;
	case TYPED_GONE:
		refuse(r, INJECT_GONE);
		break;
	case TYPED_UNKNOWN:
	default:
		finish(r, INJECT_UNKNOWN, INJECT_TMUX, reply->err);
	}
}

static void type_text(struct inject_request *r)
{
	static unsigned last;
	autofree char *buffer = xasprintf("coppice-%d-%u", (int)getpid(), ++last);
	autostrbuf commands = STRBUF_INIT(COMMANDS_MAX);
	strbuf_addf(&commands, "set-buffer -b %s -- '", buffer);
	for (const char *c = r->text; *c; c++)
		strbuf_addf(&commands, *c == '\'' ? "'\"%c\"'" : "%c", *c);
	strbuf_addf(&commands, "' ; paste-buffer -p -r -d -b %s -t %s ; display-message -p " DONE_TOKEN,
		    buffer, r->pane);
	if (send_step(r, 0, strbuf_str(&commands), on_typed))
		refuse(r, INJECT_STRANGE);
}

/* --- 4: Enter, or taking it back --- */

static void on_keys(void *data, const struct tmux_reply *reply)
{
	struct inject_request *r = data;
	switch (step_result(reply)) {
	case TYPED_YES:
		begin_stage(r, r->entering ? STAGE_ENTERED : STAGE_TAKEN_BACK);
		break;
	case TYPED_NO: /* the pane changed: look what there is now, as long as there are looks */
		if (!look_again(r))
			leave(r, INJECT_UNSENT);
		break;
	case TYPED_GONE:
		leave(r, INJECT_GONE);
		break;
	case TYPED_UNKNOWN:
	default:
		finish(r, INJECT_UNKNOWN, INJECT_TMUX, reply->err);
	}
}

static void send_keys(struct inject_request *r, bool enter)
{
	autofree char *commands =
		enter ? xasprintf("send-keys -t %s Enter ; display-message -p " DONE_TOKEN, r->pane)
		      : xasprintf("send-keys -N %zu -t %s BSpace ; display-message -p " DONE_TOKEN,
				  strlen(r->text), r->pane);
	r->entering = enter;
	if (send_step(r, enter ? r->composer->settle : 0, commands, on_keys))
		leave(r, INJECT_UNSENT);
}

/* --- 1, 3 and 5: what the looks tell --- */

static void on_first(struct inject_request *r, const struct screen *s)
{
	enum inject_why why = check_pane(r, s);
	if (!why)
		why = check_prompt(r, s);
	if (why) {
		refuse(r, why);
		return;
	}
	keep_state(r, s);
	make_pattern(s->command, strlen(s->command), strlen(s->command) == SCREEN_COMMAND_SIZE - 1,
		     r->command, sizeof(r->command));
	type_text(r);
}

static void on_look_typed(struct inject_request *r, const struct screen *s)
{
	struct composer_view view;
	composer_read(r->composer, s, &view);
	if (!composer_shows(r->composer, s, &view, r->text)) {
		if (!look_again(r))
			leave(r, INJECT_MIXED);
		return;
	}
	enum inject_why why = check_pane(r, s);
	if (why == INJECT_MODE) { /* a person reads back; they may come out of it in time */
		if (!look_again(r))
			leave(r, INJECT_UNSENT);
		return;
	}
	if (why) {
		leave(r, INJECT_UNSENT);
		return;
	}
	keep_state(r, s);
	const struct screen_row *row = &s->rows[view.first];
	make_pattern(row->text, row->len, true, r->shown, sizeof(r->shown));
	r->reason = view.busy ? INJECT_BUSY : INJECT_WHY_NONE;
	send_keys(r, !view.busy);
}

static void on_look_after(struct inject_request *r, const struct screen *s)
{
	struct composer_view view;
	composer_read(r->composer, s, &view);
	if (!view.found || !view.empty) {
		if (!look_again(r))
			leave(r, r->stage == STAGE_ENTERED ? INJECT_UNCLEARED : INJECT_UNSENT);
	} else if (r->stage == STAGE_ENTERED) {
		finish(r, INJECT_DONE, INJECT_WHY_NONE, NULL);
	} else {
		refuse(r, r->reason);
	}
}

static void on_look(void *data, const struct tmux_reply *reply)
{
	struct inject_request *r = data;
	enum inject_outcome outcome = r->stage == STAGE_FIRST ? INJECT_REFUSED : INJECT_UNKNOWN;
	struct screen s = {0};
	if (reply->outcome == TMUX_REFUSED || reply->outcome == TMUX_NO_SERVER) {
		finish(r, outcome, INJECT_GONE, NULL);
	} else if (reply->err) {
		finish(r, outcome, INJECT_TMUX, reply->err);
	} else if (screen_parse(reply->text, reply->len, &s, NULL)) {
		finish(r, outcome, INJECT_STRANGE, NULL);
	} else {
		r->screen = screen_classify(r->composer, &s);
		if (r->stage == STAGE_FIRST)
			on_first(r, &s);
		else if (r->stage == STAGE_TYPED)
			on_look_typed(r, &s);
		else
			on_look_after(r, &s);
	}
	screen_release(&s);
}

/* --- the order --- */

static int order_check(const struct term_inject *o, struct error *err)
{
	const char *id = o->pane.spawn_id;
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	if (!term_pane_id_ok(o->pane.pane))
		return error_set(err, ERR_INVALID, "not a pane id");
	if (id && (!*id || strlen(id) > 64 || id[strspn(id, allowed)]))
		return error_set(err, ERR_INVALID, "not a spawn id");
	if (o->agent <= 0 || o->pane.pid <= 0 || o->pane.server <= 0 || !o->composer)
		return error_set(err, ERR_INVALID, "not an order to type");
	return wake_text_check(o->text, err);
}

static bool has_writer(const struct tmux *t, const char *pane)
{
	list_for_each (node, &running) {
		const struct inject_request *r = list_entry(node, struct inject_request, node);
		if (r->tmux == t && strcmp(r->pane, pane) == 0)
			return true;
	}
	return false;
}

int term_inject(struct tmux *t, const struct term_inject *order,
		void (*done)(void *data, const struct term_injected *result), void *data, struct error *err)
{
	int code = order_check(order, err);
	if (code)
		return code;
	if (has_writer(t, order->pane.pane))
		return error_set(err, ERR_CONFLICT, "the pane is being typed into already");
	struct inject_request *r = xcalloc(1, sizeof(*r));
	*r = (struct inject_request){
		.tmux = t,
		.pane = xstrdup(order->pane.pane),
		.spawn_id = order->pane.spawn_id ? xstrdup(order->pane.spawn_id) : NULL,
		.server = order->pane.server,
		.pid = order->pane.pid,
		.start_time = order->pane.start_time,
		.agent = order->agent,
		.agent_start = order->agent_start,
		.composer = order->composer,
		.text = xstrdup(order->text),
		.done = done,
		.data = data,
	};
	list_append(&running, &r->node);
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	screen_commands(r->pane, &line);
	code = tmux_run(t, &line, on_look, r, err);
	if (code)
		request_free(r);
	return code;
}
