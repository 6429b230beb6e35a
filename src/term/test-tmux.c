/* Tests of the tmux client against real tmux servers on private sockets. */
#include "term/test-fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

/* A session of the user's own, so that the server outlives ours. */
static void user_session(struct fixture *f)
{
	assert_int_equal(USER_TMUX(f, NULL, "new-session", "-d", "-s", "user", "-x", "120", "-y", "40", "--",
				   "cat", "-"),
			 0);
}

static void test_commands_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	struct answer a[40] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		autofree char *text = xasprintf("number %zu", i);
		SEND(f, &a[i], "display-message", "-p", text);
	}
	assert_false(a[0].done); /* never from inside tmux_run() */
	wait_for(f, &a[ARRAY_SIZE(a) - 1].done);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		autofree char *text = xasprintf("number %zu\n", i);
		assert_true(a[i].done);
		assert_int_equal(a[i].code, 0);
		assert_string_equal(a[i].text, text);
		answer_release(&a[i]);
	}
	/* Nothing polls: no timer runs while nothing waits. */
	assert_int_equal(uv_backend_timeout(&f->loop), -1);
}

static void test_a_failed_command_stops_its_line_only(void **state)
{
	struct fixture *f = *state;
	autoanswer refused = {0}, parse = {0}, after = {0}, large = {0};
	autostrbuf line = STRBUF_INIT(TMUX_LINE_MAX), broken = STRBUF_INIT(8);
	control_command(&line, (const char *[]){"display-message", "-p", "before", NULL});
	control_command(&line, (const char *[]){"kill-pane", "-t", "%999", NULL});
	control_command(&line, (const char *[]){"display-message", "-p", "never", NULL});
	tmux_run(f->tmux, &line, on_answer, &refused);
	SEND(f, &parse, "no-such-command");
	control_command(&broken, (const char *[]){"list-sessions", NULL});
	tmux_run(f->tmux, &broken, on_answer, &large);
	SEND(f, &after, "if-shell", "-F", "1", "display-message -p a ; display-message -p b", "");
	wait_for(f, &after.done);
	assert_int_equal(refused.code, ERR_TERMINAL);
	assert_true(refused.answered);
	assert_string_equal(refused.text, "before\n");
	assert_string_equal(refused.err.message, "tmux: can't find pane: %999");
	assert_int_equal(parse.code, ERR_TERMINAL);
	assert_int_equal(large.code, ERR_TOO_LARGE);
	assert_int_equal(after.code, 0);
	assert_string_equal(after.text, "a\nb\n");
}

static void test_every_byte_reaches_tmux_as_it_is(void **state)
{
	struct fixture *f = *state;
	static const char *const words[] = {"~",   "~root", "$HOME",	   "${HOME}", "\\",  "\\n",
					    "a;",  ";",	    "#x",	   "{}",      "%if", "'\"",
					    "\"'", " ",	    "a\n #b\n\tc", "--"};
	autostrbuf all = STRBUF_INIT(65536);
	for (int i = 1; i < 256; i++)
		strbuf_addch(&all, (char)i);
	for (int i = 1; i < 256; i++)
		strbuf_addf(&all, "~%c$%c\\%c\"%c'%c", i, i, i, i, i);
	autofree char *path = path_join(f->dir, "buffer");
	for (size_t i = 0; i <= ARRAY_SIZE(words); i++) {
		const char *word = i ? words[i - 1] : strbuf_str(&all);
		autoanswer set = {0}, save = {0};
		SEND(f, &set, "set-buffer", "-b", "x", "--", word);
		SEND(f, &save, "save-buffer", "-b", "x", path);
		wait_for(f, &save.done);
		assert_int_equal(set.code, 0);
		assert_int_equal(save.code, 0);
		autostrbuf got = STRBUF_INIT(65536);
		assert_int_equal(file_read(path, &got, NULL), 0);
		assert_int_equal(got.len, strlen(word));
		assert_memory_equal(got.buf, word, got.len);
	}
}

/* The end of a connection is noticed some time after it happened, and a server that is ending may still
 * take a client; a command in between is told so. */
static char *ask_until_answered(struct fixture *f, const char *format)
{
	for (int i = 0; i < 100; i++) {
		autoanswer a = {0};
		SEND(f, &a, "display-message", "-p", format);
		wait_for(f, &a.done);
		if (!a.code)
			return TAKE_PTR(a.text);
		assert_int_equal(a.code, ERR_TERMINAL);
		assert_false(a.answered);
	}
	fail_msg("not connected again");
	return NULL;
}

static void test_a_server_that_ended_is_started_again(void **state)
{
	struct fixture *f = *state;
	autofree char *first = ask_until_answered(f, "#{pid}");
	assert_int_equal(USER_TMUX(f, NULL, "kill-server"), 0);
	autofree char *second = ask_until_answered(f, "#{pid}");
	assert_string_not_equal(first, second);
}

static void test_a_client_that_was_detached_is_started_again(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autofree char *first = ask_until_answered(f, "#{client_pid}");
	assert_int_equal(USER_TMUX(f, NULL, "detach-client", "-s", tmux_hidden_session(f->tmux)), 0);
	autofree char *second = ask_until_answered(f, "#{client_pid}");
	assert_string_not_equal(first, second);
	/* It is in the same session again. */
	autostrbuf list = STRBUF_INIT(4096);
	assert_int_equal(USER_TMUX(f, &list, "list-sessions", "-F", "#{session_name}"), 0);
	autofree char *expected = xasprintf("%s\nuser\n", tmux_hidden_session(f->tmux));
	assert_string_equal(strbuf_str(&list), expected);
}

static void test_tmux_missing_or_too_old(void **state)
{
	struct fixture *f = *state;
	autofree char *path = xstrdup(getenv("PATH"));
	autofree char *fake = path_join(f->dir, "tmux");
	autoanswer missing = {0}, old = {0}, good = {0};
	assert_int_equal(setenv("PATH", f->dir, 1), 0);
	SEND(f, &missing, "list-sessions");
	assert_false(missing.done);
	wait_for(f, &missing.done);
	assert_int_equal(missing.code, ERR_MISSING);
	assert_string_equal(missing.err.hint, "install tmux 3.2 or newer");
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
	assert_int_equal(good.code, 0);
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
	fixture_close_tmux(f);
	struct tmux_settings settings = {.socket = f->socket, .home = f->dir, .timeout = 300 * USEC_PER_MSEC};
	f->tmux = tmux_new(&f->loop, &settings);
	user_session(f);
	autostrbuf pid = STRBUF_INIT(64);
	assert_int_equal(USER_TMUX(f, &pid, "display-message", "-p", "#{pid}"), 0);
	int64_t server;
	strbuf_setlen(&pid, strcspn(strbuf_str(&pid), "\n"));
	assert_int_equal(number_parse(strbuf_str(&pid), 2, INT32_MAX, &server, NULL), 0);
	assert_int_equal(kill((pid_t)server, SIGSTOP), 0);
	autoanswer first = {0}, second = {0}, after = {0};
	SEND(f, &first, "list-sessions");
	SEND(f, &second, "list-sessions");
	wait_for(f, &second.done);
	assert_int_equal(kill((pid_t)server, SIGCONT), 0);
	assert_int_equal(first.code, ERR_TIMED_OUT);
	assert_int_equal(second.code, ERR_TIMED_OUT);
	assert_false(second.answered);
	fixture_close_tmux(f);
	settings.timeout = 0;
	f->tmux = tmux_new(&f->loop, &settings);
	SEND(f, &after, "list-sessions");
	wait_for(f, &after.done);
	assert_int_equal(after.code, 0);
}

static void test_an_unusable_socket_says_why(void **state)
{
	struct fixture *f = *state;
	autofree char *socket = path_join(f->dir, "no/such/folder/sock");
	fixture_close_tmux(f);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = socket, .home = f->dir});
	autoanswer a = {0};
	SEND(f, &a, "list-sessions");
	wait_for(f, &a.done);
	assert_int_equal(a.code, ERR_TERMINAL);
	assert_false(a.answered);
	assert_non_null(strstr(a.err.message, "could not be reached"));
	assert_non_null(strstr(a.err.hint, socket));
}

/* Waits until the hidden session is gone, told by tmux itself. */
static void assert_hidden_session_ends(struct fixture *f, const char *hidden)
{
	autofree char *target = xasprintf("=%s", hidden);
	assert_int_equal(USER_TMUX(f, NULL, "set-hook", "-g", "session-closed", "wait-for -S closed"), 0);
	if (USER_TMUX(f, NULL, "has-session", "-t", target) == 0)
		assert_int_equal(USER_TMUX(f, NULL, "wait-for", "closed"), 0);
	assert_int_not_equal(USER_TMUX(f, NULL, "has-session", "-t", target), 0);
	assert_int_equal(USER_TMUX(f, NULL, "has-session", "-t", "=user"), 0);
}

static void test_the_hidden_session_ends_with_the_client(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autofree char *hidden = xstrdup(tmux_hidden_session(f->tmux));
	assert_memory_equal(hidden, TMUX_HIDDEN_PREFIX, strlen(TMUX_HIDDEN_PREFIX));
	autoanswer clients = {0};
	SEND(f, &clients, "list-clients", "-F", "#{client_session} #{client_flags} #{client_pid}");
	wait_for(f, &clients.done);
	assert_non_null(strstr(clients.text, "no-output"));
	assert_non_null(strstr(clients.text, "ignore-size"));
	fixture_close_tmux(f);
	assert_hidden_session_ends(f, hidden);
}

struct owner {
	struct fixture *f;
	int report_fd;
};

static void report_session(void *data, const struct tmux_reply *reply)
{
	const struct owner *o = data;
	const char *name = tmux_hidden_session(o->f->tmux);
	_exit(reply->err || write(o->report_fd, name, strlen(name) + 1) < 0 ? 1 : pause());
}

/* In a process of its own: connects, tells its session's name, and stays. */
static void own_a_connection(struct owner *o)
{
	uv_loop_t loop;
	if (uv_loop_init(&loop) < 0)
		_exit(1);
	struct tmux_settings settings = {.socket = o->f->socket, .home = o->f->dir};
	o->f->tmux = tmux_new(&loop, &settings);
	autostrbuf line = STRBUF_INIT(64);
	control_command(&line, (const char *[]){"list-sessions", NULL});
	tmux_run(o->f->tmux, &line, report_session, o);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	_exit(1);
}

static void test_the_hidden_session_ends_with_a_killed_daemon(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0)
		own_a_connection(&(struct owner){.f = f, .report_fd = fds[1]});
	assert_int_equal(close(fds[1]), 0);
	char hidden[64] = "";
	assert_true(read(fds[0], hidden, sizeof(hidden) - 1) > 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_memory_equal(hidden, TMUX_HIDDEN_PREFIX, strlen(TMUX_HIDDEN_PREFIX));
	assert_hidden_session_ends(f, hidden);
	autostrbuf clients = STRBUF_INIT(4096);
	assert_int_equal(USER_TMUX(f, &clients, "list-clients"), 0);
	assert_string_equal(strbuf_str(&clients), "");
}

static void test_the_users_windows_keep_their_size(void **state)
{
	struct fixture *f = *state;
	user_session(f);
	autoanswer a = {0};
	SEND(f, &a, "display-message", "-p", "-t", "=user:", "#{window_width}x#{window_height}");
	wait_for(f, &a.done);
	assert_string_equal(a.text, "120x40\n");
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
	autoanswer unsent = {0}, waiting = {0};
	SEND(f, &unsent, "list-sessions");
	fixture_close_tmux(f); /* while `tmux -V` runs */
	assert_int_equal(unsent.code, ERR_TERMINAL);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket, .home = f->dir});
	autostrbuf line = STRBUF_INIT(64);
	control_command(&line, (const char *[]){"list-sessions", NULL});
	tmux_run(f->tmux, &line, free_tmux, f); /* from inside an answer */
	SEND(f, &waiting, "list-sessions");
	wait_for(f, &waiting.done);
	assert_int_equal(waiting.code, ERR_TERMINAL);
	assert_null(f->tmux);
}

static void test_socket_arguments(void **state)
{
	(void)state;
	const char *args[2];
	assert_int_equal(tmux_socket_args(NULL, args), 0);
	assert_int_equal(tmux_socket_args("name", args), 2);
	assert_string_equal(args[0], "-L");
	assert_int_equal(tmux_socket_args("/a/b", args), 2);
	assert_string_equal(args[0], "-S");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands_are_answered_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_failed_command_stops_its_line_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_byte_reaches_tmux_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_server_that_ended_is_started_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_client_that_was_detached_is_started_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_tmux_missing_or_too_old, setup, teardown),
		cmocka_unit_test(test_versions),
		cmocka_unit_test_setup_teardown(test_a_server_that_does_not_answer_times_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_an_unusable_socket_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_hidden_session_ends_with_the_client, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_hidden_session_ends_with_a_killed_daemon, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_users_windows_keep_their_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_while_commands_wait, setup, teardown),
		cmocka_unit_test(test_socket_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
