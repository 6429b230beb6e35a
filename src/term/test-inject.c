/* Tests of typing into real panes of real tmux servers. The agent in a pane is this program itself, as
 * test-agent.h has it. */
#include "term/test-fixture.h"

#include <sys/stat.h>

#include "os/proc.h"
#include "term/inject.h"
#include "term/test-agent.h"

static char self[4096];

/* --- its prompt --- */

static bool fake_busy(const struct screen *s, const struct composer_view *prompt)
{
	return prompt->last + 2 < s->n && screen_row_has(&s->rows[prompt->last + 2], "working");
}

static unsigned fake_rows(unsigned height)
{
	return height - 5;
}

static const struct term_mark fake_marks[] = {{SCREEN_PERMISSION, "Do you want to ", NULL}, {0}};

static const struct term_composer fake_composer = {
	.prompt = ">",
	.gap = 1,
	.indent = 2,
	.margin = 2,
	.ruled = true,
	.choice = "*",
	.marks = fake_marks,
	.busy = fake_busy,
	.rows = fake_rows,
};

/* --- what the tests share --- */

static const char wake[] = "Coppice: a message waits (from feat/a~2); it's read by: coppice inbox";

struct agent {
	struct fixture *f;
	char *log;
	struct term_inject order;
	char pane[16];
};

static char *log_text(const struct agent *a)
{
	struct strbuf text = STRBUF_INIT(1 << 20);
	if (file_read(a->log, &text, NULL))
		strbuf_reset(&text); /* nothing was logged yet */
	return strbuf_detach(&text);
}

struct seen {
	bool done;
	bool there;
	const char *text;
};

static void on_seen(void *data, const struct error *err, const struct screen *screen)
{
	struct seen *seen = data;
	assert_null(err);
	seen->done = true;
	for (size_t i = 0; i < screen->n; i++)
		seen->there |= screen_row_has(&screen->rows[i], seen->text);
}

static void await_screen(const struct agent *a, const char *text)
{
	uint64_t start = uv_hrtime();
	for (;;) {
		struct seen seen = {.text = text};
		assert_int_equal(term_look(a->f->tmux, a->pane, on_seen, &seen, NULL), 0);
		wait_for(a->f, &seen.done);
		if (seen.there)
			return;
		if (uv_hrtime() - start > (uint64_t)test_limit * 1000)
			fail_msg("never on the screen: %s", text);
	}
}

static int64_t pane_number(const struct agent *a, const char *format)
{
	autostrbuf out = STRBUF_INIT(4096);
	int64_t n;
	assert_int_equal(USER_TMUX(a->f, &out, "display-message", "-p", "-t", a->pane, format), 0);
	strbuf_setlen(&out, out.len - 1);
	assert_int_equal(number_parse(strbuf_str(&out), 0, INT32_MAX, &n, NULL), 0);
	return n;
}

static uint64_t start_time(pid_t pid)
{
	struct proc_stat st;
	assert_int_equal(proc_stat(pid, &st, NULL), 0);
	return st.start_time;
}

/* Starts an agent in a pane of so many columns and rows, and waits until it has drawn `text`. */
static struct agent start(struct fixture *f, const char *behaviour, const char *width, const char *height,
			  const char *text)
{
	struct agent a = {.f = f, .log = path_join(f->dir, behaviour)};
	autostrbuf out = STRBUF_INIT(4096);
	assert_int_equal(USER_TMUX(f, &out, "new-session", "-d", "-P", "-F", "#{pane_id}", "-x", width, "-y",
				   height, "--", self, "fake", behaviour, a.log),
			 0);
	(void)snprintf(a.pane, sizeof(a.pane), "%.*s", (int)strcspn(strbuf_str(&out), "\n"),
		       strbuf_str(&out));
	await_screen(&a, text);
	pid_t pid = (pid_t)pane_number(&a, "#{pane_pid}");
	a.order = (struct term_inject){
		.pane = {.server = (pid_t)pane_number(&a, "#{pid}"),
			 .pid = pid,
			 .start_time = start_time(pid)},
		.agent = pid,
		.agent_start = start_time(pid),
		.composer = &fake_composer,
		.text = wake,
	};
	return a;
}

static void stop(struct agent *a)
{
	free(a->log);
}

#define autoagent _cleanup_(stop) struct agent

struct outcome {
	bool done;
	enum inject_outcome outcome;
	enum inject_why why;
	enum term_screen screen;
	int code;
};

static void on_injected(void *data, const struct term_injected *result)
{
	struct outcome *o = data;
	assert_false(o->done);
	o->done = true;
	o->outcome = result->outcome;
	o->why = result->why;
	o->screen = result->screen;
	o->code = result->err ? (int)result->err->code : 0;
	assert_int_equal(result->outcome == INJECT_DONE, !result->err);
	if (result->err)
		print_message("# %s: %s\n", inject_why_name(result->why), result->err->message);
}

static struct outcome inject(struct agent *a)
{
	struct outcome o = {0};
	a->order.pane.pane = a->pane;
	assert_int_equal(term_inject(a->f->tmux, &a->order, on_injected, &o, NULL), 0);
	assert_false(o.done);
	wait_for(a->f, &o.done);
	return o;
}

/* Everything that the agent has read: a key of the user comes last, and when it is there, all is. The log is
 * compared without that key. */
static void assert_log(const struct agent *a, const char *expected)
{
	static const char last[] = "key !\n";
	assert_int_equal(USER_TMUX(a->f, NULL, "send-keys", "-l", "-t", a->pane, "!"), 0);
	uint64_t begin = uv_hrtime();
	for (;;) {
		autofree char *text = log_text(a);
		char *end = strstr(text, last);
		if (end) {
			*end = '\0';
			assert_string_equal(text, expected);
			return;
		}
		if (uv_hrtime() - begin > (uint64_t)test_limit * 1000)
			fail_msg("the key was never read; before it: %s", text);
	}
}

static void assert_refused(struct agent *a, enum inject_why why)
{
	struct outcome o = inject(a);
	assert_string_equal(inject_why_name(o.why), inject_why_name(why));
	assert_int_equal(o.outcome, INJECT_REFUSED);
}

/* No buffer of ours stays with the user. */
static void assert_no_buffers(struct fixture *f)
{
	autostrbuf out = STRBUF_INIT(4096);
	assert_int_equal(USER_TMUX(f, &out, "list-buffers"), 0);
	assert_string_equal(strbuf_str(&out), "");
}

#define PASTED "paste Coppice: a message waits (from feat/a~2); it's read by: coppice inbox\n"
#define ENTERED "enter Coppice: a message waits (from feat/a~2); it's read by: coppice inbox\n"

/* --- the tests --- */

static void test_D5_the_line_is_pasted_and_enter_sent_apart(void **state)
{
	struct fixture *f = *state;
	autoagent a = start(f, "idle", "80", "24", "  idle");
	struct outcome o = inject(&a);
	assert_int_equal(o.outcome, INJECT_DONE);
	assert_int_equal(o.code, 0);
	assert_int_equal(o.screen, SCREEN_PROMPT);
	assert_log(&a, PASTED ENTERED); /* the paste has no line's end in it */
	assert_no_buffers(f);
}

static void test_D5_a_hint_in_the_prompt_is_no_text(void **state)
{
	autoagent a = start(*state, "hint", "80", "24", "try this");
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	assert_log(&a, PASTED ENTERED);
}

static void test_D5_narrow_panes(void **state)
{
	struct fixture *f = *state;
	static const char *const widths[] = {"60", "44", "30", "13"};
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		autoagent a = start(f, "idle", widths[i], "20", "  idle");
		struct outcome o = inject(&a);
		print_message("# %s columns: %s\n", widths[i], inject_why_name(o.why));
		assert_int_equal(o.outcome, INJECT_DONE);
		assert_log(&a, PASTED ENTERED);
		assert_int_equal(unlink(a.log), 0);
	}
	/* What could not be seen whole is not typed. */
	autoagent small = start(f, "idle", "30", "7", "  idle");
	assert_refused(&small, INJECT_ROOM);
	assert_log(&small, "");
}

static void test_D5_a_draft_is_kept(void **state)
{
	autoagent a = start(*state, "draft", "80", "24", "half a thought");
	assert_refused(&a, INJECT_DRAFT);
	assert_log(&a, "");
	await_screen(&a, "> half a thought!");
}

static void test_D5_no_typing_into_a_dialog(void **state)
{
	autoagent a = start(*state, "dialog", "80", "24", "Do you want");
	struct outcome o = inject(&a);
	assert_int_equal(o.outcome, INJECT_REFUSED);
	assert_int_equal(o.why, INJECT_DIALOG);
	assert_int_equal(o.screen, SCREEN_PERMISSION);
	assert_log(&a, "");
}

static void test_D5_no_typing_into_what_is_not_understood(void **state)
{
	autoagent a = start(*state, "other", "80", "24", "$");
	assert_refused(&a, INJECT_STRANGE);
	assert_log(&a, "");
}

static void test_D6_a_busy_agent_is_left_alone(void **state)
{
	autoagent a = start(*state, "busy", "80", "24", "  working");
	struct outcome o = inject(&a);
	assert_int_equal(o.outcome, INJECT_REFUSED);
	assert_int_equal(o.why, INJECT_BUSY);
	assert_int_equal(o.screen, SCREEN_BUSY);
	assert_log(&a, "");
}

static void test_D5_no_typing_in_copy_mode(void **state)
{
	autoagent a = start(*state, "idle", "80", "24", "  idle");
	assert_int_equal(USER_TMUX(a.f, NULL, "copy-mode", "-t", a.pane), 0);
	assert_refused(&a, INJECT_MODE);
	assert_int_equal(USER_TMUX(a.f, NULL, "send-keys", "-X", "-t", a.pane, "cancel"), 0);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-option", "-w", "-t", a.pane, "synchronize-panes", "on"),
			 0);
	assert_refused(&a, INJECT_MODE);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-option", "-w", "-t", a.pane, "synchronize-panes", "off"),
			 0);
	assert_int_equal(USER_TMUX(a.f, NULL, "select-pane", "-d", "-t", a.pane), 0);
	assert_refused(&a, INJECT_MODE);
	assert_int_equal(USER_TMUX(a.f, NULL, "select-pane", "-e", "-t", a.pane), 0);
	assert_log(&a, "");
}

/* The check and the typing are one step: what happens between the look and the typing is not missed. */
static void test_D5_checked_again_in_the_step_that_types(void **state)
{
	autoagent a = start(*state, "idle", "80", "24", "  idle");
	autofree char *enter = xasprintf("copy-mode -t %s", a.pane);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-hook", "-g", "after-capture-pane", enter), 0);
	/* The first look finds the pane without a mode, for the facts are printed before the rows. */
	assert_refused(&a, INJECT_MODE);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-hook", "-gu", "after-capture-pane"), 0);
	assert_int_equal(USER_TMUX(a.f, NULL, "send-keys", "-X", "-t", a.pane, "cancel"), 0);
	assert_log(&a, "");
}

/* The same of Enter: a person scrolls back after the text was typed. */
static void test_D5_checked_again_in_the_step_that_enters(void **state)
{
	autoagent a = start(*state, "idle", "80", "24", "  idle");
	autofree char *enter = xasprintf("set-hook -g after-capture-pane 'copy-mode -t %s'", a.pane);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-hook", "-g", "after-paste-buffer", enter), 0);
	struct outcome o = inject(&a);
	assert_int_equal(o.outcome, INJECT_UNKNOWN);
	assert_int_equal(o.why, INJECT_UNSENT);
	assert_int_equal(USER_TMUX(a.f, NULL, "set-hook", "-gu", "after-capture-pane"), 0);
	assert_int_equal(USER_TMUX(a.f, NULL, "send-keys", "-X", "-t", a.pane, "cancel"), 0);
	assert_log(&a, PASTED);
}

static pid_t child_of(const struct agent *a)
{
	autofree char *log = log_text(a);
	int64_t pid;
	assert_int_equal(strncmp(log, "child ", 6), 0);
	log[strcspn(log, "\n")] = '\0';
	assert_int_equal(number_parse(log + 6, 2, INT32_MAX, &pid, NULL), 0);
	return (pid_t)pid;
}

static void test_D5_no_typing_when_another_is_in_the_foreground(void **state)
{
	autoagent a = start(*state, "foreign", "80", "24", "  idle");
	pid_t pid = a.order.agent = child_of(&a);
	a.order.agent_start = start_time(pid);
	assert_refused(&a, INJECT_FOREIGN);
	autofree char *expected = xasprintf("child %d\n", (int)pid);
	assert_log(&a, expected);
	/* Nor is a process elsewhere, or one that has ended. */
	a.order.agent = getpid();
	a.order.agent_start = start_time(getpid());
	assert_refused(&a, INJECT_FOREIGN);
	a.order.agent_start++;
	assert_refused(&a, INJECT_GONE);
}

static void test_D5_an_agent_in_a_terminal_of_its_own(void **state)
{
	autoagent a = start(*state, "nested", "80", "24", "  idle");
	pid_t pid = a.order.agent = child_of(&a);
	a.order.agent_start = start_time(pid);
	/* A stopped one reads nothing. */
	struct proc_stat st;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	do
		assert_int_equal(proc_stat(pid, &st, NULL), 0);
	while (st.state != 'T');
	assert_refused(&a, INJECT_FOREIGN);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	autofree char *expected = xasprintf("child %d\n" PASTED ENTERED, (int)pid);
	assert_log(&a, expected);
}

static void test_D5_no_typing_into_another_pane(void **state)
{
	struct fixture *f = *state;
	autoagent a = start(f, "idle", "80", "24", "  idle");
	struct term_inject right = a.order;
	a.order.pane.server++;
	assert_refused(&a, INJECT_REPLACED);
	a.order = right;
	a.order.pane.start_time++;
	assert_refused(&a, INJECT_REPLACED);
	a.order = right;
	a.order.pane.spawn_id = "spawn-1";
	assert_refused(&a, INJECT_CHANGED);
	assert_log(&a, "");
	/* The pane is the same, its process another. */
	assert_int_equal(
		USER_TMUX(f, NULL, "respawn-pane", "-k", "-t", a.pane, "--", self, "fake", "idle", a.log), 0);
	await_screen(&a, "  idle");
	a.order = right;
	assert_refused(&a, INJECT_REPLACED);
	assert_int_equal(USER_TMUX(f, NULL, "new-window", "--", "cat"), 0);
	assert_int_equal(USER_TMUX(f, NULL, "kill-pane", "-t", a.pane), 0);
	assert_refused(&a, INJECT_GONE);
	autofree char *log = log_text(&a);
	assert_string_equal(log, "key !\n");
}

static void test_D5_the_pane_of_a_spawn(void **state)
{
	autoagent a = start(*state, "idle", "80", "24", "  idle");
	assert_int_equal(USER_TMUX(a.f, NULL, "set-option", "-p", "-t", a.pane, "@coppice_spawn", "spawn-1"),
			 0);
	a.order.pane.spawn_id = "spawn-1";
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	assert_log(&a, PASTED ENTERED);
}

static void test_D5_one_writer_per_pane(void **state)
{
	struct fixture *f = *state;
	autoagent a = start(f, "idle", "80", "24", "  idle"), b = start(f, "hint", "80", "24", "try this");
	struct outcome first = {0}, other = {0};
	a.order.pane.pane = a.pane;
	b.order.pane.pane = b.pane;
	assert_int_equal(term_inject(f->tmux, &a.order, on_injected, &first, NULL), 0);
	autoerror err = {0};
	assert_int_equal(term_inject(f->tmux, &a.order, on_injected, NULL, &err), ERR_CONFLICT);
	assert_int_equal(term_inject(f->tmux, &b.order, on_injected, &other, NULL), 0);
	wait_for(f, &first.done);
	wait_for(f, &other.done);
	assert_int_equal(first.outcome, INJECT_DONE);
	assert_int_equal(other.outcome, INJECT_DONE);
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	assert_log(&a, PASTED ENTERED PASTED ENTERED);
	assert_log(&b, PASTED ENTERED);
}

static void test_D5_no_enter_unless_the_prompt_shows_exactly_the_text(void **state)
{
	struct fixture *f = *state;
	static const char *const behaviours[] = {"key-before", "key-behind", "deaf"};
	struct agent a[ARRAY_SIZE(behaviours)];
	struct outcome o[ARRAY_SIZE(behaviours)] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = start(f, behaviours[i], "80", "24", "  idle");
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i].order.pane.pane = a[i].pane;
		assert_int_equal(term_inject(f->tmux, &a[i].order, on_injected, &o[i], NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		wait_for(f, &o[i].done);
		assert_int_equal(o[i].outcome, INJECT_UNKNOWN);
		assert_int_equal(o[i].why, INJECT_MIXED);
		assert_log(&a[i], PASTED); /* and nothing is removed */
		stop(&a[i]);
	}
}

static void test_D5_the_prompt_is_empty_in_the_end(void **state)
{
	autoagent a = start(*state, "stubborn", "80", "24", "  idle");
	struct outcome o = inject(&a);
	assert_int_equal(o.outcome, INJECT_UNKNOWN);
	assert_int_equal(o.why, INJECT_UNCLEARED);
	assert_log(&a, PASTED ENTERED); /* neither typed nor submitted a second time */
}

static void test_D6_what_was_typed_as_a_turn_began_is_taken_back(void **state)
{
	autoagent a = start(*state, "begins-turn", "80", "24", "  idle");
	assert_refused(&a, INJECT_BUSY);
	autostrbuf expected = STRBUF_INIT(4096);
	strbuf_addstr(&expected, PASTED);
	for (size_t i = 0; i < strlen(wake); i++)
		strbuf_addstr(&expected, "back\n");
	assert_log(&a, strbuf_str(&expected));
	await_screen(&a, "> !");
}

static void test_D5_control_bytes_never_arrive(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"",	  " a",	 "a ",	 "a  b", "a\nb",  "a\033[31mb", "a\rb", "a\x7f", "a\x03",
		"/model", "!ls", "a @b", "a $b", "a #b",  "a /b",	"a :b", "a\\b",	 "a`b`",
		"größe",  "?",	 "-- a", "a\"b", "a;b {", "a%b",	"a&b",	"a\tb",	 "a\xc2\x9b",
	};
	autoagent a = start(f, "idle", "80", "24", "  idle");
	autofree char *longest = xcalloc(1, INJECT_TEXT_MAX + 2);
	a.order.pane.pane = a.pane;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		a.order.text = bad[i];
		assert_int_equal(term_inject(f->tmux, &a.order, on_injected, NULL, NULL), ERR_INVALID);
	}
	memset(longest, 'a', INJECT_TEXT_MAX + 1);
	a.order.text = longest;
	assert_int_equal(term_inject(f->tmux, &a.order, on_injected, NULL, NULL), ERR_INVALID);
	/* Any text can be made one that may be typed. */
	char made[INJECT_TEXT_MAX + 1];
	assert_int_equal(
		wake_text_make("\033[31m!ls\r\n\x03  feat/a: it's  größe;\x9b\x7f @x \"$(y)\" ", made),
		strlen("31mls feat/a: it's gre; x (y)"));
	assert_string_equal(made, "31mls feat/a: it's gre; x (y)");
	a.order.text = made;
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	assert_int_equal(wake_text_make("\033\r\n!@#", made), 0);
	assert_int_equal(wake_text_make(longest, made), INJECT_TEXT_MAX);
	assert_int_equal(wake_text_check(made, NULL), 0);
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	autofree char *expected = xasprintf("paste 31mls feat/a: it's gre; x (y)\n"
					    "enter 31mls feat/a: it's gre; x (y)\npaste %s\nenter %s\n",
					    made, made);
	assert_log(&a, expected);
}

/* A person at a terminal of their own. */
struct person {
	pid_t client;
	int fd;
};

static struct person attach(const struct agent *a)
{
	struct person p;
	struct winsize size = {.ws_col = 80, .ws_row = 24};
	p.client = forkpty(&p.fd, NULL, NULL, &size);
	assert_true(p.client >= 0);
	if (p.client == 0) {
		(void)execlp("tmux", "tmux", "-u", "-S", a->f->socket, "attach-session", (char *)NULL);
		_exit(127);
	}
	while (pane_number(a, "#{session_attached}") == 0)
		;
	return p;
}

static void detach(const struct person *p)
{
	(void)kill(p->client, SIGKILL); /* it may have ended */
	assert_int_equal(waitpid(p->client, NULL, 0), p->client);
	assert_int_equal(close(p->fd), 0);
}

static void test_D5_no_typing_while_somebody_types(void **state)
{
	struct fixture *f = *state;
	autoagent a = start(f, "idle", "80", "24", "  idle");
	struct person p = attach(&a);
	struct outcome o = {0};
	/* Again where the machine was so slow that the key lay too far back. */
	for (int i = 0; i < 20 && o.why != INJECT_PERSON; i++) {
		assert_int_equal(write(p.fd, "x", 1), 1);
		await_screen(&a, "> x");
		assert_int_equal(write(p.fd, "\x7f", 1), 1);
		do
			o = inject(&a);
		while (o.why == INJECT_DRAFT); /* until the backspace is there */
	}
	assert_int_equal(o.outcome, INJECT_REFUSED);
	assert_int_equal(o.why, INJECT_PERSON);
	/* In another window the keys are for somebody else. */
	assert_int_equal(USER_TMUX(f, NULL, "new-window", "--", "cat"), 0);
	assert_int_equal(inject(&a).outcome, INJECT_DONE);
	detach(&p);
}

static void test_the_tmux_client_is_closed_meanwhile(void **state)
{
	struct fixture *f = *state;
	autoagent a = start(f, "deaf", "80", "24", "  idle");
	struct outcome o = {0};
	a.order.pane.pane = a.pane;
	assert_int_equal(term_inject(f->tmux, &a.order, on_injected, &o, NULL), 0);
	fixture_close_tmux(f);
	assert_int_equal(o.outcome, INJECT_REFUSED); /* before anything was typed */
	assert_int_equal(o.why, INJECT_TMUX);
	/* And while it waits for the prompt to change. */
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket});
	o = (struct outcome){0};
	assert_int_equal(term_inject(f->tmux, &a.order, on_injected, &o, NULL), 0);
	for (bool pasted = false; !pasted;) {
		(void)uv_run(&f->loop, UV_RUN_ONCE);
		autofree char *log = log_text(&a);
		pasted = strcmp(log, PASTED) == 0;
	}
	fixture_close_tmux(f);
	assert_int_equal(o.outcome, INJECT_UNKNOWN);
	assert_int_equal(o.why, INJECT_TMUX);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket});
	assert_log(&a, PASTED);
}

static void test_orders_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	struct term_inject good = {.pane = {.pane = "%1", .server = 2, .pid = 3},
				   .agent = 3,
				   .composer = &fake_composer,
				   .text = "a"};
	struct term_inject bad[] = {good, good, good, good, good, good};
	bad[0].pane.pane = "%1;x";
	bad[1].pane.spawn_id = "a}b";
	bad[2].pane.server = 0;
	bad[3].pane.pid = 0;
	bad[4].agent = 0;
	bad[5].composer = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(term_inject(f->tmux, &bad[i], on_injected, NULL, NULL), ERR_INVALID);
	struct outcome o = {0};
	assert_int_equal(term_inject(f->tmux, &good, on_injected, &o, NULL), 0);
	wait_for(f, &o.done);
	assert_int_equal(o.outcome, INJECT_REFUSED);
	assert_int_equal(o.why, INJECT_GONE); /* there is no server at all */
	assert_int_equal(o.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "fake") == 0)
		return fake_main(argv[2], argv[3]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	const struct CMUnitTest tests[] = {
		TEST(test_D5_the_line_is_pasted_and_enter_sent_apart),
		TEST(test_D5_a_hint_in_the_prompt_is_no_text),
		TEST(test_D5_narrow_panes),
		TEST(test_D5_a_draft_is_kept),
		TEST(test_D5_no_typing_into_a_dialog),
		TEST(test_D5_no_typing_into_what_is_not_understood),
		TEST(test_D6_a_busy_agent_is_left_alone),
		TEST(test_D5_no_typing_in_copy_mode),
		TEST(test_D5_checked_again_in_the_step_that_types),
		TEST(test_D5_checked_again_in_the_step_that_enters),
		TEST(test_D5_no_typing_when_another_is_in_the_foreground),
		TEST(test_D5_an_agent_in_a_terminal_of_its_own),
		TEST(test_D5_no_typing_into_another_pane),
		TEST(test_D5_the_pane_of_a_spawn),
		TEST(test_D5_one_writer_per_pane),
		TEST(test_D5_no_enter_unless_the_prompt_shows_exactly_the_text),
		TEST(test_D5_the_prompt_is_empty_in_the_end),
		TEST(test_D6_what_was_typed_as_a_turn_began_is_taken_back),
		TEST(test_D5_control_bytes_never_arrive),
		TEST(test_D5_no_typing_while_somebody_types),
		TEST(test_the_tmux_client_is_closed_meanwhile),
		TEST(test_orders_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
