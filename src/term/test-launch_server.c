/* Tests of a spawn with a server. Launcher and server are this program itself: `launch HOME ID`, and
 * `serve HOW SOCKET`, which writes its pid to the file "pid" before anything else. */
#include "term/test-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/json.h"
#include "os/env.h"
#include "os/proc.h"
#include "term/launch.h"
#include "term/launch_server.h"

static char self[4096];

/* --- the server --- */

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 8) == 0;
}

static int serve(const char *how, const char *socket)
{
	autofree char *pid = xasprintf("%d", (int)getpid());
	if (file_replace("pid", pid, strlen(pid), 0600, NULL))
		return 9;
	if (strcmp(how, "exits") == 0) {
		(void)fprintf(stderr, "first\nno luck \033[1mtoday\n\n");
		return 3;
	}
	if (strcmp(how, "stubborn") == 0)
		(void)signal(SIGTERM, SIG_IGN);
	if (strcmp(how, "loud") == 0)
		for (int i = 0; i < 100000; i++)
			printf("line %d\n", i);
	const char *peer = getenv("COPPICE_PEER");
	printf("I am %s\n", peer ? peer : "nobody");
	(void)fflush(stdout);
	autofree char *elsewhere = xasprintf("%s.real", socket);
	bool linked = strcmp(how, "linked") == 0;
	if (strcmp(how, "led") == 0) {
		/* The link is there before what it leads to, in a folder that nobody watches. */
		autofree char *real = xasprintf("%s.d/s", socket);
		if (mkdir("s.d", 0700) != 0 || symlink(real, socket) != 0)
			return 7;
		(void)usleep(200 * 1000);
		return listen_at(real) ? pause() : 8;
	}
	if (strcmp(how, "silent") != 0 && !listen_at(linked ? elsewhere : socket))
		return 8;
	if (linked && symlink(elsewhere, socket) != 0)
		return 7;
	for (;;)
		(void)pause();
}

/* --- spawns --- */

static void write_spec(struct fixture *f, const char *kind, const json_t *server, const char *script)
{
	json_auto_t *spec =
		json_pack("{s:[s,s,s], s:{s:s}, s:s, s:s, s:O}", "argv", "sh", "-c", script, "env",
			  "COPPICE_PEER", "peer-1", "cwd", f->dir, "kind", kind, "server", server);
	assert_int_equal(launch_write(f->dir, "spawn-a", spec, NULL), 0);
}

/* A spawn with a server of that kind, behind a shell that waits for it as npm's starters do. */
static void write_spawn(struct fixture *f, const char *how, const char *script)
{
	autofree char *socket = path_join(f->dir, "s");
	json_auto_t *server =
		json_pack("{s:[s,s,s,s,s,s], s:s}", "argv", "sh", "-c", "\"$0\" serve \"$1\" \"$2\"; exit $?",
			  self, how, socket, "socket", socket);
	write_spec(f, "watch", server, script);
}

static pid_t start(struct fixture *f)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(null, fd);
		(void)execl(self, self, "launch", f->dir, "spawn-a", NULL);
		_exit(99);
	}
	assert_true(pid > 0);
	return pid;
}

static int run(struct fixture *f)
{
	int status;
	pid_t pid = start(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static json_t *exit_of(struct fixture *f)
{
	json_t *json = NULL;
	autoerror err = {0};
	if (launch_exit_read(f->dir, "spawn-a", &json, &err))
		fail_msg("%s", err.message);
	return json;
}

static void read_text(struct fixture *f, const char *name, struct strbuf *out)
{
	autofree char *path = path_join(f->dir, name);
	autoerror err = {0};
	if (file_read(path, out, &err))
		fail_msg("%s", err.message);
}

static pid_t server_pid(struct fixture *f)
{
	autostrbuf text = STRBUF_INIT(64);
	int64_t pid = 0;
	read_text(f, "pid", &text);
	assert_int_equal(number_parse(strbuf_str(&text), 1, INT32_MAX, &pid, NULL), 0);
	return (pid_t)pid;
}

static void assert_gone(struct fixture *f, const char *name)
{
	autofree char *path = path_join(f->dir, name);
	struct stat st;
	assert_int_equal(lstat(path, &st), -1);
}

static void assert_ended(pid_t pid)
{
	assert_int_equal(proc_stat(pid, &(struct proc_stat){0}, NULL), ERR_NOT_FOUND);
}

/* A process that is nobody's child of ours. */
struct watched {
	pid_t pid;
	int fd;
};

static struct watched watch(pid_t pid)
{
	struct proc_stat stat;
	struct watched w = {.pid = pid, .fd = -1};
	assert_int_equal(proc_stat(pid, &stat, NULL), 0);
	assert_int_equal(proc_pidfd(pid, stat.start_time, &w.fd, NULL), 0);
	return w;
}

static void wait_end(struct watched *w)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};
	assert_int_equal(poll(&fd, 1, (int)(test_limit / USEC_PER_MSEC)), 1);
	assert_int_equal(close(w->fd), 0);
}

/* Waits until the program has opened the fifo "up" for writing: it runs. */
static void wait_up(struct fixture *f)
{
	autofree char *path = path_join(f->dir, "up");
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void make_fifo(struct fixture *f, const char *name)
{
	autofree char *path = path_join(f->dir, name);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void test_the_server_is_there_before_and_gone_after(void **state)
{
	struct fixture *f = *state;
	static const char *const kinds[] = {"plain", "linked", "led"};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		autostrbuf log = STRBUF_INIT(4096);
		write_spawn(f, kinds[i], "test -S s && kill -0 $(cat pid) && echo ok > done; exit 5");
		usec_t began = os_monotonic();
		assert_int_equal(run(f), 5);
		assert_true(os_monotonic() - began < LAUNCH_SERVER_LIMIT * USEC_PER_SEC / 2);
		json_auto_t *left = exit_of(f);
		assert_int_equal(json_int(left, "exit", -1), 5);
		assert_ended(server_pid(f));
		assert_gone(f, "s");
		read_text(f, "spawn/spawn-a.server.log", &log);
		assert_string_equal(strbuf_str(&log), "I am peer-1\n");
		assert_int_equal(launch_forget(f->dir, "spawn-a", NULL), 0);
		assert_gone(f, "spawn/spawn-a.server.log");
	}
}

static void test_a_server_that_does_not_come_up(void **state)
{
	struct fixture *f = *state;
	write_spawn(f, "exits", "echo no > started");
	assert_int_equal(run(f), 126);
	json_auto_t *left = exit_of(f);
	assert_int_equal(json_int(left, "exit", -1), 126);
	assert_string_equal(json_str(left, "summary"), "the server of sh ended with exit 3: no luck today");
	assert_gone(f, "started");
}

static void test_servers_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *server, *kind;
		int code;
	} table[] = {
		{"{\"argv\":[\"no-such-program\"],\"socket\":\"/tmp/x\"}", "watch", 127},
		{"{\"argv\":[\"sh\"],\"socket\":\"s\"}", "watch", 126},
		{"{\"argv\":[\"sh\"]}", "watch", 126},
		{"{\"argv\":[],\"socket\":\"/tmp/x\"}", "watch", 126},
		{"{\"argv\":[\"sh\",7],\"socket\":\"/tmp/x\"}", "watch", 126},
		{"{\"argv\":[\"sh\"],\"socket\":\"/no-such-folder/x\"}", "watch", 126},
		{"{\"argv\":[\"sh\"],\"socket\":\"/tmp\"}", "watch", 126},
		{"{\"argv\":[\"sh\"],\"socket\":\"/tmp/x\"}", "exec", 126},
		{"[]", "watch", 126},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		json_auto_t *server = NULL;
		assert_int_equal(json_parse(table[i].server, strlen(table[i].server), &server, NULL), 0);
		write_spec(f, table[i].kind, server, "echo no > started");
		if (run(f) != table[i].code)
			fail_msg("case %zu", i);
		assert_gone(f, "started");
		assert_int_equal(launch_forget(f->dir, "spawn-a", NULL), 0);
	}
}

static void test_a_server_that_ends_takes_the_program_along(void **state)
{
	struct fixture *f = *state;
	make_fifo(f, "never");
	write_spawn(f, "plain", "kill -KILL $(cat pid); cat never");
	assert_int_equal(run(f), 1);
	json_auto_t *left = exit_of(f);
	assert_int_equal(json_int(left, "exit", -1), 1);
	assert_true(json_is_null(json_object_get(left, "signal")));
	assert_string_equal(json_str(left, "summary"), "the server of sh was killed by signal 9 (Killed)");
	assert_gone(f, "s");
}

static void test_a_server_that_will_not_end_is_killed(void **state)
{
	struct fixture *f = *state;
	write_spawn(f, "stubborn", "exit 0");
	assert_int_equal(run(f), 0);
	assert_ended(server_pid(f));
	assert_gone(f, "s");
}

static void test_a_killed_launcher_takes_the_server_along(void **state)
{
	struct fixture *f = *state;
	make_fifo(f, "up");
	make_fifo(f, "never");
	write_spawn(f, "plain", ": > up; cat never");
	pid_t launcher = start(f);
	wait_up(f);
	/* Not only what was started directly, but what that one started too. */
	struct watched server = watch(server_pid(f));
	assert_int_equal(kill(launcher, SIGKILL), 0);
	assert_int_equal(waitpid(launcher, NULL, 0), launcher);
	wait_end(&server);
}

static void test_the_server_is_no_part_of_the_launchers_lock(void **state)
{
	struct fixture *f = *state;
	make_fifo(f, "up");
	make_fifo(f, "never");
	write_spawn(f, "stubborn", ": > up; cat never");
	pid_t launcher = start(f);
	wait_up(f);
	struct watched server = watch(server_pid(f));
	assert_int_equal(kill(launcher, SIGKILL), 0);
	assert_int_equal(waitpid(launcher, NULL, 0), launcher);
	/* Its end is known while the server still goes on for its two seconds. */
	json_t *running = NULL;
	assert_int_equal(launch_running(f->dir, "spawn-a", &running, NULL), ERR_NOT_FOUND);
	assert_int_equal(run(f), 3);
	wait_end(&server);
}

static void test_the_launcher_can_be_ended_while_the_server_comes_up(void **state)
{
	struct fixture *f = *state;
	make_fifo(f, "up");
	autofree char *socket = path_join(f->dir, "s");
	json_auto_t *server =
		json_pack("{s:[s,s,s,s,s], s:s}", "argv", "sh", "-c",
			  ": > up; exec \"$0\" serve silent \"$1\"", self, socket, "socket", socket);
	write_spec(f, "watch", server, "echo no > started");
	pid_t launcher = start(f);
	int status;
	wait_up(f);
	assert_int_equal(kill(launcher, SIGTERM), 0);
	assert_int_equal(waitpid(launcher, &status, 0), launcher);
	assert_int_equal(WEXITSTATUS(status), 126);
	json_auto_t *left = exit_of(f);
	assert_non_null(strstr(json_str(left, "summary"), "ended by signal 15"));
	assert_gone(f, "started");
}

static void test_S3_the_log_is_capped(void **state)
{
	struct fixture *f = *state;
	autostrbuf log = STRBUF_INIT(LAUNCH_SERVER_LOG_MAX);
	write_spawn(f, "loud", "exit 0");
	assert_int_equal(run(f), 0);
	read_text(f, "spawn/spawn-a.server.log", &log);
	static const char last[] = "line 99999\nI am peer-1\n";
	assert_true(log.len > 1000);
	assert_string_equal(log.buf + log.len - strlen(last), last);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "launch") == 0)
		return launch_main(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
		return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_server_is_there_before_and_gone_after),
		TEST(test_a_server_that_does_not_come_up),
		TEST(test_servers_that_cannot_be),
		TEST(test_a_server_that_ends_takes_the_program_along),
		TEST(test_a_server_that_will_not_end_is_killed),
		TEST(test_a_killed_launcher_takes_the_server_along),
		TEST(test_the_server_is_no_part_of_the_launchers_lock),
		TEST(test_the_launcher_can_be_ended_while_the_server_comes_up),
		TEST(test_S3_the_log_is_capped),
	};
	return cmocka_run_group_tests_name("term-launch_server", tests, NULL, NULL);
}
