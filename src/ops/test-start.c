/* Tests of starting the daemon on demand. The daemon is this very program: started as "… daemon --ready-fd 3"
 * it plays one, in the way that COPPICE_TEST__PART names (a variable that the daemon is given). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ops/client.h"
#include "ops/start.h"
#include "os/detach.h"
#include "os/testing.h"

/* --- the daemon --- */

static void append(const struct paths *p, const char *name, const char *text)
{
	autofree char *path = path_join(p->home, name);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(20);
}

static int daemon_listen(const struct paths *p)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, p->socket, strlen(p->socket) + 1);
	(void)unlink(p->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		_exit(21);
	return fd;
}

static void daemon_serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
	for (;;) {
		char request[4096];
		autoclose int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(22);
		if (recv(fd, request, sizeof(request), 0) > 0)
			(void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL); /* or it has gone */
	}
}

static int daemon_main(int argc, char **argv)
{
	autopaths p = {0};
	autoerror err = {0};
	const char *part = getenv("COPPICE_TEST__PART");
	(void)alarm(60); /* whatever becomes of the test */
	if (argc != 4 || strcmp(argv[2], "--ready-fd") != 0 || strcmp(argv[3], "3") != 0 ||
	    paths_find(&p, NULL) != 0)
		return 23;
	autofree char *pid = xasprintf("%d\n", (int)getpid());
	append(&p, "starts", pid);
	for (char **e = environ; *e; e++) {
		append(&p, "env", *e);
		append(&p, "env", "\n");
	}
	if (part && strcmp(part, "fail") == 0) {
		(void)error_hint(&err, error_set(&err, ERR_UNSUPPORTED, "the database is newer"), "upgrade");
		detach_failed(DETACH_READY_FD, &err);
		return 1;
	}
	if (part && strcmp(part, "exit") == 0)
		return 7;
	int listener = daemon_listen(&p);
	detach_ready(DETACH_READY_FD);
	daemon_serve(listener);
	return 0;
}

/* --- the tests --- */

static const char *const variables[] = {"COPPICE_PEER", "COPPICE", "COPPICE_TEST__PART", "COPPICE_TOKEN_FILE",
					"XDG_STATE_HOME"};

struct place {
	char *folder;
	struct paths paths;
};

static void place_init(struct place *place)
{
	*place = (struct place){.folder = test_folder_make()};
	autofree char *runtime = path_join(place->folder, "run");
	autofree char *home = path_join(place->folder, "home");
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		assert_int_equal(unsetenv(variables[i]), 0);
	assert_int_equal(dir_make(runtime, 0700, NULL), 0);
	assert_int_equal(setenv("HOME", place->folder, 1), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	assert_int_equal(setenv("COPPICE_HOME", home, 1), 0);
	assert_int_equal(paths_find(&place->paths, NULL), 0);
}

/* The content of a file that the daemon wrote; "" if there is none. */
static char *written(const struct place *place, const char *name)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	autofree char *path = path_join(place->paths.home, name);
	return file_read(path, &text, NULL) == 0 ? strbuf_detach(&text) : xstrdup("");
}

/* Ends the daemons that were started, and removes the folder. */
static void place_end(struct place *place)
{
	autofree char *starts = written(place, "starts");
	for (char *line = starts; *line; line += strcspn(line, "\n") + 1) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		if (kill(pid, SIGKILL) == 0)
			(void)waitpid(pid, NULL, 0); /* it may be another process's child */
	}
	paths_release(&place->paths);
	test_folder_cleanup(&place->folder);
}

#define PLACE(p)                                                                                             \
	_cleanup_(place_end) struct place p;                                                                 \
	place_init(&p)

static int start(const struct place *place, struct error *err)
{
	struct start_options o = {.paths = &place->paths, .limit = 30 * USEC_PER_SEC};
	return client_start_daemon(&o, err);
}

static void test_X1_starts_what_is_not_there(void **state)
{
	(void)state;
	PLACE(p);
	struct client *c = NULL;
	json_auto_t *ret = NULL;
	autoerror err = {0};
	assert_int_equal(client_open_default(0, &c, NULL), 0);
	assert_int_equal(client_call(c, "status", NULL, NULL, &ret, &err), ERR_NO_DAEMON);
	client_free(c);
	assert_int_equal(client_open_default(CLIENT_START, &c, NULL), 0);
	assert_int_equal(client_call(c, "status", NULL, NULL, &ret, NULL), 0);
	client_free(c);
	assert_int_equal(start(&p, NULL), 0); /* there is one already */
	autofree char *starts = written(&p, "starts");
	assert_ptr_equal(strchr(starts, '\n'), strrchr(starts, '\n'));
	struct stat st;
	assert_int_equal(stat(p.paths.log, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static int start_in_child(void *data)
{
	return start(data, NULL);
}

static void test_X1_many_clients_start_one_daemon(void **state)
{
	(void)state;
	PLACE(p);
	pid_t pids[12];
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = test_fork(start_in_child, &p);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		assert_int_equal(test_wait(pids[i]), 0);
	autofree char *starts = written(&p, "starts");
	assert_non_null(strchr(starts, '\n'));
	assert_ptr_equal(strchr(starts, '\n'), strrchr(starts, '\n'));
}

static void test_X1_never_from_inside_a_peer(void **state)
{
	(void)state;
	PLACE(p);
	static const struct {
		const char *name, *value, *message;
	} table[] = {
		{"COPPICE_PEER", "peer-000000000000", "from within a peer"},
		{"COPPICE_PEER", "", "from within a peer"},
		{"COPPICE", "0", "COPPICE=0"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autoerror err = {0};
		assert_int_equal(setenv(table[i].name, table[i].value, 1), 0);
		assert_int_equal(start(&p, &err), ERR_NO_DAEMON);
		assert_int_equal(unsetenv(table[i].name), 0);
		assert_int_equal(error_kind(err.code)->exit_code, 4);
		assert_non_null(strstr(err.message, table[i].message));
		assert_non_null(strstr(err.hint, "coppice status"));
		assert_int_equal(access(p.paths.home, F_OK), -1);
	}
	/* A daemon that runs may be used from there. */
	struct client *c = NULL;
	json_auto_t *ret = NULL;
	assert_int_equal(start(&p, NULL), 0);
	assert_int_equal(setenv("COPPICE_PEER", "peer-000000000000", 1), 0);
	assert_int_equal(client_open_default(CLIENT_START, &c, NULL), 0);
	assert_int_equal(client_call(c, "status", NULL, NULL, &ret, NULL), 0);
	client_free(c);
}

static void test_X1_environment_is_scrubbed(void **state)
{
	(void)state;
	PLACE(p);
	static const char *const given[] = {"LC_TIME", "XDG_DATA_HOME",	      "TMUX_TMPDIR",
					    "TZ",      "GIT_CONFIG_NOSYSTEM", "COPPICE_TRASH__KEEP"};
	static const char *const kept_back[] = {"TMUX",
						"TMUX_PANE",
						"SSH_AUTH_SOCK",
						"GIT_DIR",
						"GIT_CONFIG_COUNT",
						"LD_PRELOAD",
						"COPPICE_TOKEN_FILE",
						"COPPICE_CIRCLE",
						"ANTHROPIC_API_KEY",
						"DISPLAY",
						"XDGX",
						"TZX",
						"A__B"};
	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		assert_int_equal(setenv(given[i], "x", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kept_back); i++)
		assert_int_equal(setenv(kept_back[i], "", 1), 0);
	assert_int_equal(start(&p, NULL), 0);
	autofree char *got = written(&p, "env");
	autofree char *env = xasprintf("\n%s", got);
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		autofree char *line = xasprintf("\n%s=x\n", given[i]);
		if (!strstr(env, line))
			fail_msg("%s was not given", given[i]);
		assert_int_equal(unsetenv(given[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept_back); i++) {
		autofree char *line = xasprintf("\n%s=", kept_back[i]);
		if (strstr(env, line))
			fail_msg("%s was given", kept_back[i]);
		assert_int_equal(unsetenv(kept_back[i]), 0);
	}
}

static void test_failures_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *part, *message, *hint;
	} table[] = {
		{"fail", "the daemon did not start: the database is newer", "upgrade"},
		{"exit", "ended with exit code 7", "daemon.log"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		PLACE(p);
		autoerror err = {0};
		assert_int_equal(setenv("COPPICE_TEST__PART", table[i].part, 1), 0);
		assert_int_equal(start(&p, &err), ERR_NO_DAEMON);
		assert_non_null(strstr(err.message, table[i].message));
		assert_non_null(strstr(err.hint, table[i].hint));
	}
	PLACE(p);
	autoerror err = {0};
	struct start_options o = {.paths = &p.paths, .program = "/nowhere/coppice"};
	assert_int_equal(client_start_daemon(&o, &err), ERR_NO_DAEMON);
	assert_int_equal(dir_make(p.paths.home, 0700, NULL), 0);
	assert_int_equal(chmod(p.paths.home, 0755), 0);
	assert_int_equal(start(&p, &err), ERR_NO_DAEMON);
	assert_non_null(strstr(err.message, "open to other users"));
	assert_non_null(strstr(err.hint, "chmod 700"));
}

static void test_long_log_is_put_aside(void **state)
{
	(void)state;
	PLACE(p);
	struct stat st;
	autofree char *old = xasprintf("%s.1", p.paths.log);
	assert_int_equal(paths_prepare(&p.paths, NULL), 0);
	int fd = open(p.paths.log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(start(&p, NULL), 0);
	assert_int_equal(stat(old, &st), 0);
	assert_int_equal(st.st_size, 2 << 20);
	assert_int_equal(stat(p.paths.log, &st), 0);
	assert_true(st.st_size < 1 << 20);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return strcmp(argv[1], "daemon") == 0 ? daemon_main(argc, argv) : 2;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_X1_starts_what_is_not_there),
		cmocka_unit_test(test_X1_many_clients_start_one_daemon),
		cmocka_unit_test(test_X1_never_from_inside_a_peer),
		cmocka_unit_test(test_X1_environment_is_scrubbed),
		cmocka_unit_test(test_failures_are_told),
		cmocka_unit_test(test_long_log_is_put_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
