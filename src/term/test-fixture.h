/* What the terminal tests share: a private tmux server in a folder of its own, a loop, and a way to wait.
 * The user's own server, configuration and home are out of reach (X5). */
#ifndef TERM_TEST_FIXTURE_H
#define TERM_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "os/file.h"
#include "os/spawn.h"
#include "term/tmux.h"

struct fixture {
	uv_loop_t loop;
	struct tmux *tmux;
	char dir[64]; /* HOME */
	char *socket;
};

static const usec_t test_limit = 30 * USEC_PER_SEC;

/* Runs a program to its end, as the user would; returns its exit code, and shows what it complained of.
 * `out` may be NULL. */
_unused_ static int run_program(const char *const *argv, struct strbuf *out)
{
	autostrbuf said = STRBUF_INIT(4096);
	struct spawn s = {.argv = argv, .out = out ? out : &said, .errout = &said, .timeout = test_limit};
	autoerror err = {0};
	int status = -1;
	if (spawn_run(&s, &status, &err))
		fail_msg("%s: %s", argv[0], err.message);
	if (status)
		print_message("# %s %s: %s\n", argv[0], argv[4], strbuf_str(&said));
	return status;
}

/* `tmux ARG…` on the fixture's server, as the user would. */
#define USER_TMUX(f, out, ...)                                                                               \
	run_program((const char *const[]){"tmux", "-u", "-S", (f)->socket, __VA_ARGS__, NULL}, (out))

_unused_ static void write_file(const char *dir, const char *name, const char *text)
{
	autofree char *path = path_join(dir, name);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static struct fixture *fixture_new(const char *tmux_conf)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/coppice-term-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->socket = path_join(f->dir, "sock");
	assert_int_equal(setenv("HOME", f->dir, 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", f->dir, 1), 0);
	assert_int_equal(setenv("TMUX_TMPDIR", f->dir, 1), 0);
	assert_int_equal(setenv("LC_ALL", "C.UTF-8", 1), 0);
	assert_int_equal(setenv("TERM", "xterm-256color", 1), 0);
	(void)unsetenv("TMUX");
	(void)unsetenv("TMUX_PANE");
	if (tmux_conf)
		write_file(f->dir, ".tmux.conf", tmux_conf);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->tmux = tmux_new(&f->loop, &(struct tmux_settings){.socket = f->socket});
	return f;
}

static void fixture_close_tmux(struct fixture *f)
{
	tmux_free(TAKE_PTR(f->tmux));
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static void fixture_free(struct fixture *f)
{
	fixture_close_tmux(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	if (access(f->socket, F_OK) == 0)
		(void)USER_TMUX(f, NULL, "kill-server"); /* fails when it has ended meanwhile */
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->socket);
	free(f);
}

_unused_ static int setup(void **state)
{
	*state = fixture_new(NULL);
	return 0;
}

_unused_ static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void on_test_limit(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing happened for too long");
}

static void stop_when_done(uv_prepare_t *prepare)
{
	const bool *done = prepare->data;
	if (*done)
		uv_stop(prepare->loop);
}

/* Turns the loop until `done`. */
_unused_ static void wait_for(struct fixture *f, const bool *done)
{
	union {
		const bool *in;
		void *out;
	} flag = {done};
	uv_timer_t timer;
	uv_prepare_t prepare;
	assert_int_equal(uv_timer_init(&f->loop, &timer), 0);
	assert_int_equal(uv_timer_start(&timer, on_test_limit, (uint64_t)(test_limit / USEC_PER_MSEC), 0), 0);
	assert_int_equal(uv_prepare_init(&f->loop, &prepare), 0);
	prepare.data = flag.out;
	assert_int_equal(uv_prepare_start(&prepare, stop_when_done), 0);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(*done);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&prepare, NULL);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* One answer, kept. */
struct answer {
	bool done;
	int order; /* among all answers, from 1 */
	enum tmux_outcome outcome;
	int code;
	char *text;
	struct error err;
};

_unused_ static void answer_release(struct answer *a)
{
	free(a->text);
	error_release(&a->err);
}

#define autoanswer _cleanup_(answer_release) struct answer

_unused_ static void on_answer(void *data, const struct tmux_reply *reply)
{
	static int last;
	struct answer *a = data;
	assert_false(a->done);
	a->done = true;
	a->order = ++last;
	a->outcome = reply->outcome;
	a->text = xstrndup(reply->text, reply->len);
	if (reply->err) {
		a->code = error_set(&a->err, reply->err->code, "%s", reply->err->message);
		if (reply->err->hint)
			(void)error_hint(&a->err, a->code, "%s", reply->err->hint);
	}
}

/* Sends one command through the client under test. */
#define SEND(f, answer, ...)                                                                                 \
	do {                                                                                                 \
		autostrbuf line_ = STRBUF_INIT(TMUX_LINE_MAX);                                               \
		tmux_command(&line_, (const char *const[]){__VA_ARGS__, NULL});                              \
		assert_int_equal(tmux_run((f)->tmux, &line_, on_answer, (answer), NULL), 0);                 \
	} while (0)

#endif
