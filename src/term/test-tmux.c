/* Tests of the tmux client against real tmux servers on private sockets. */
#include "term/test-fixture.h"

#include <sys/stat.h>

/* A session of the user's own. */
static void user_session(struct fixture *f)
{
	assert_int_equal(USER_TMUX(f, NULL, "new-session", "-d", "-s", "user", "-x", "120", "-y", "40", "--",
				   "cat", "-"),
			 0);
}

static void test_commands_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	struct answer a[20] = {0};
	user_session(f);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		autofree char *text = xasprintf("number %zu", i);
		SEND(f, &a[i], "display-message", "-p", text);
	}
	assert_false(a[0].done); /* never from inside tmux_run() */
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		autofree char *text = xasprintf("number %zu\n", i);
		wait_for(f, &a[i].done);
		assert_int_equal(a[i].order, a[0].order + (int)i);
		assert_int_equal(a[i].outcome, TMUX_DONE);
		assert_string_equal(a[i].text, text);
		answer_release(&a[i]);
	}
	/* Nothing polls: no timer runs and no child, and nothing of ours is in the server. */
	assert_false(uv_loop_alive(&f->loop));
	autoanswer clients = {0};
	SEND(f, &clients, "list-clients");
	wait_for(f, &clients.done);
	assert_string_equal(clients.text, "");
}

static void test_a_line_stops_at_the_command_that_fails(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autoanswer refused = {0}, parse = {0}, nested = {0};
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX), broken = STRBUF_INIT(8);
	tmux_command(&line, (const char *[]){"display-message", "-p", "before", NULL});
	tmux_command(&line, (const char *[]){"kill-pane", "-t", "%999", NULL});
	tmux_command(&line, (const char *[]){"display-message", "-p", "never", NULL});
	assert_int_equal(tmux_run(f->tmux, &line, on_answer, &refused, NULL), 0);
	SEND(f, &parse, "no-such-command\033[m");
	SEND(f, &nested, "if-shell", "-F", "1", "display-message -p a ; display-message -p b", "");
	wait_for(f, &nested.done);
	assert_int_equal(refused.outcome, TMUX_REFUSED);
	assert_int_equal(refused.code, ERR_TERMINAL);
	assert_string_equal(refused.text, "before\n");
	assert_string_equal(refused.err.message, "tmux: can't find pane: %999");
	assert_int_not_equal(parse.outcome, TMUX_DONE);
	assert_null(strchr(parse.err.message, '\033'));
	assert_int_equal(nested.outcome, TMUX_DONE);
	assert_string_equal(nested.text, "a\nb\n");
	tmux_command(&broken, (const char *[]){"list-sessions", NULL});
	assert_int_equal(tmux_run(f->tmux, &broken, on_answer, &refused, NULL), ERR_TOO_LARGE);
}

static void test_every_argument_reaches_tmux_as_it_is(void **state)
{
	struct fixture *f = *state;
	static const char *const words[] = {"~",  "$HOME", "\\",  "\\;", "a;",	    ";",  ";;", "a\\\\;",
					    "#x", "{}",	   "%if", "'\"", "a\n #b;", "--", "-"};
	user_session(f);
	autostrbuf all = STRBUF_INIT(4096);
	for (int i = 1; i < 256; i++)
		strbuf_addch(&all, (char)i);
	autofree char *path = path_join(f->dir, "buffer");
	for (size_t i = 0; i <= ARRAY_SIZE(words); i++) {
		const char *word = i ? words[i - 1] : strbuf_str(&all);
		autoanswer saved = {0};
		autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
		tmux_command(&line, (const char *[]){"set-buffer", "-b", "x", "--", word, NULL});
		tmux_command(&line, (const char *[]){"save-buffer", "-b", "x", path, NULL});
		assert_int_equal(tmux_run(f->tmux, &line, on_answer, &saved, NULL), 0);
		wait_for(f, &saved.done);
		assert_int_equal(saved.outcome, TMUX_DONE);
		autostrbuf got = STRBUF_INIT(4096);
		assert_int_equal(file_read(path, &got, NULL), 0);
		assert_int_equal(got.len, strlen(word));
		assert_memory_equal(got.buf, word, got.len);
	}
}

static void test_format_literals(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autostrbuf text = STRBUF_INIT(64);
	tmux_format_literal(&text, "#{pid} #S #(x)");
	autoanswer a = {0};
	SEND(f, &a, "display-message", "-p", strbuf_str(&text));
	wait_for(f, &a.done);
	assert_string_equal(a.text, "#{pid} #S #(x)\n");
}

static void test_no_server(void **state)
{
	struct fixture *f = *state;
	autoanswer none = {0}, started = {0};
	SEND(f, &none, "list-sessions");
	wait_for(f, &none.done);
	assert_int_equal(none.outcome, TMUX_NO_SERVER);
	assert_int_equal(none.code, ERR_TERMINAL);
	/* A command that starts one does. */
	assert_int_equal(setenv("COPPICE_TOKEN", "secret", 1), 0);
	SEND(f, &started, "new-session", "-d", "-P", "-F", "made", "--", "cat", "-");
	wait_for(f, &started.done);
	assert_int_equal(unsetenv("COPPICE_TOKEN"), 0);
	autostrbuf env = STRBUF_INIT(65536);
	assert_int_equal(USER_TMUX(f, &env, "show-environment", "-g"), 0);
	assert_non_null(strstr(strbuf_str(&env), "HOME="));
	assert_null(strstr(strbuf_str(&env), "secret"));
	assert_int_equal(started.outcome, TMUX_DONE);
	assert_string_equal(started.text, "made\n");
	/* The socket of a server that was killed is still there. */
	assert_int_equal(USER_TMUX(f, NULL, "run-shell", "kill -9 #{pid}"), 1);
	enum tmux_outcome outcome = TMUX_UNKNOWN;
	for (int i = 0; i < 1000 && outcome == TMUX_UNKNOWN; i++) { /* as long as it is ending */
		autoanswer refused = {0};
		SEND(f, &refused, "list-sessions");
		wait_for(f, &refused.done);
		outcome = refused.outcome;
	}
	assert_int_equal(outcome, TMUX_NO_SERVER);
}

static void test_a_server_that_ends_meanwhile(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autoanswer a = {0};
	SEND(f, &a, "run-shell", "kill -9 #{pid}");
	wait_for(f, &a.done);
	assert_int_equal(a.outcome, TMUX_UNKNOWN);
	assert_int_equal(a.code, ERR_TERMINAL);
}

static void test_an_unusable_socket_is_not_an_absent_server(void **state)
{
	struct fixture *f = *state;
	fixture_close_tmux(f);
	autofree char *socket = xasprintf("%s/%0200d", f->dir, 0); /* longer than a socket's path may be */
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = socket});
	autoanswer a = {0};
	SEND(f, &a, "list-sessions");
	wait_for(f, &a.done);
	assert_int_equal(a.outcome, TMUX_UNKNOWN);
	assert_non_null(strstr(a.err.message, "name too long"));
}

static void test_tmux_missing_or_too_old(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autofree char *path = xstrdup(getenv("PATH"));
	autofree char *fake = path_join(f->dir, "tmux");
	autoanswer missing = {0}, behind = {0}, old = {0}, good = {0};
	assert_int_equal(setenv("PATH", f->dir, 1), 0);
	SEND(f, &missing, "list-sessions");
	SEND(f, &behind, "list-sessions");
	assert_false(missing.done);
	wait_for(f, &behind.done);
	assert_int_equal(missing.code, ERR_MISSING);
	assert_int_equal(missing.outcome, TMUX_UNKNOWN);
	assert_string_equal(missing.err.hint, "install tmux 3.2 or newer");
	assert_int_equal(behind.code, ERR_MISSING);
	write_file(f->dir, "tmux", "#!/bin/sh\necho tmux 3.1c\n");
	assert_int_equal(chmod(fake, 0700), 0);
	SEND(f, &old, "list-sessions");
	wait_for(f, &old.done);
	assert_int_equal(old.code, ERR_MISSING);
	assert_string_equal(old.err.message, "tmux is too old: tmux 3.1c");
	assert_string_equal(old.err.hint, "install tmux 3.2 or newer");
	assert_int_equal(setenv("PATH", path, 1), 0);
	SEND(f, &good, "list-sessions");
	wait_for(f, &good.done);
	assert_int_equal(good.outcome, TMUX_DONE);
}

static void test_versions(void **state)
{
	(void)state;
	static const char *const good[] = {"tmux 3.2\n",      "tmux 3.3a",	  "tmux 3.10\n",  "tmux 4.0",
					   "tmux next-3.4\n", "tmux openbsd-7.2", "tmux master\n"};
	static const char *const bad[] = {"tmux 3.1c\n", "tmux 2.9", "tmux next-3.1", "",
					  "screen 4.9",	 "tmux 3"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(tmux_version_ok(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(tmux_version_ok(bad[i]));
}

static void test_a_server_that_does_not_answer_times_out(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	fixture_close_tmux(f);
	f->tmux = tmux_new(&f->loop,
			   &(struct tmux_settings){.socket = f->socket, .timeout = 300 * USEC_PER_MSEC});
	autoanswer pid = {0}, first = {0}, second = {0}, after = {0};
	SEND(f, &pid, "display-message", "-p", "#{pid}");
	wait_for(f, &pid.done);
	int64_t server;
	pid.text[strcspn(pid.text, "\n")] = '\0';
	assert_int_equal(number_parse(pid.text, 2, INT32_MAX, &server, NULL), 0);
	assert_int_equal(kill((pid_t)server, SIGSTOP), 0);
	SEND(f, &first, "list-sessions");
	SEND(f, &second, "list-sessions");
	wait_for(f, &second.done);
	assert_int_equal(kill((pid_t)server, SIGCONT), 0);
	assert_int_equal(first.code, ERR_TIMED_OUT);
	assert_int_equal(first.outcome, TMUX_UNKNOWN);
	assert_int_equal(second.code, ERR_TIMED_OUT);
	fixture_close_tmux(f);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket});
	SEND(f, &after, "list-sessions");
	wait_for(f, &after.done);
	assert_int_equal(after.outcome, TMUX_DONE);
}

static void test_a_name_for_the_socket(void **state)
{
	struct fixture *f = *state;
	fixture_close_tmux(f);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = "name"});
	autoanswer made = {0}, gone = {0};
	SEND(f, &made, "new-session", "-d", "-P", "-F", "#{b:socket_path}", "--", "cat", "-");
	SEND(f, &gone, "kill-server");
	wait_for(f, &gone.done);
	assert_string_equal(made.text, "name\n");
}

static void free_tmux(void *data, const struct tmux_reply *reply)
{
	struct fixture *f = data;
	assert_null(reply->err);
	tmux_free(TAKE_PTR(f->tmux));
}

static void test_freed_while_commands_wait(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autoanswer first = {0}, waiting = {0};
	SEND(f, &first, "list-sessions");
	fixture_close_tmux(f); /* while `tmux -V` runs */
	assert_int_equal(first.code, ERR_TERMINAL);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket});
	autostrbuf line = STRBUF_INIT(64);
	tmux_command(&line, (const char *[]){"list-sessions", NULL});
	assert_int_equal(tmux_run(f->tmux, &line, free_tmux, f, NULL), 0); /* from inside an answer */
	SEND(f, &waiting, "list-sessions");
	wait_for(f, &waiting.done);
	assert_int_equal(waiting.outcome, TMUX_UNKNOWN);
	assert_null(f->tmux);
}

static void send_after(struct fixture *f, usec_t delay, const char *text, struct answer *answer)
{
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX);
	tmux_command(&line, (const char *[]){"display-message", "-p", text, NULL});
	assert_int_equal(tmux_run_after(f->tmux, delay, &line, on_answer, answer, NULL), 0);
}

static void test_commands_for_later(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autoanswer late = {0}, soon = {0}, now = {0}, never = {0};
	send_after(f, 400 * USEC_PER_MSEC, "late", &late);
	send_after(f, 10 * USEC_PER_MSEC, "soon", &soon);
	send_after(f, 0, "now", &now);
	wait_for(f, &late.done);
	assert_true(now.order < soon.order && soon.order < late.order);
	assert_string_equal(late.text, "late\n");
	send_after(f, USEC_PER_HOUR, "never", &never);
	autostrbuf long_line = STRBUF_INIT(8);
	tmux_command(&long_line, (const char *[]){"list-sessions", NULL});
	assert_int_equal(tmux_run_after(f->tmux, 1, &long_line, on_answer, NULL, NULL), ERR_TOO_LARGE);
	fixture_close_tmux(f); /* ends, for no timer is left */
	assert_int_equal(never.outcome, TMUX_UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commands_are_answered_in_order),
		TEST(test_a_line_stops_at_the_command_that_fails),
		TEST(test_every_argument_reaches_tmux_as_it_is),
		TEST(test_format_literals),
		TEST(test_no_server),
		TEST(test_a_server_that_ends_meanwhile),
		TEST(test_an_unusable_socket_is_not_an_absent_server),
		TEST(test_tmux_missing_or_too_old),
		cmocka_unit_test(test_versions),
		TEST(test_a_server_that_does_not_answer_times_out),
		TEST(test_a_name_for_the_socket),
		TEST(test_freed_while_commands_wait),
		TEST(test_commands_for_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
