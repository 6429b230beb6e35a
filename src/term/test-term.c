/* Tests of terminals against real tmux servers on private sockets. The process in a pane is this program
 * itself, waiting (`test-term pause ID`). */
#include "term/test-fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "os/proc.h"
#include "term/term.h"

static char self[4096];

struct spawned {
	bool done;
	int code;
	struct term_pane pane;
};

static void on_spawned(void *data, const struct error *err, const struct term_pane *pane)
{
	struct spawned *s = data;
	assert_false(s->done);
	s->done = true;
	s->code = err ? (int)err->code : 0;
	if (err)
		print_message("# spawn: %s\n", err->message);
	else
		s->pane = *pane;
}

static struct term_spawn order(const char *id, const char *circle, const char *name, const char *cwd)
{
	static const char *launcher[4];
	launcher[0] = self;
	launcher[1] = "pause";
	launcher[2] = id;
	return (struct term_spawn){
		.spawn_id = id, .circle = circle, .name = name, .cwd = cwd, .launcher = launcher};
}

static struct term_pane spawn(struct fixture *f, const char *id, const char *circle, const char *name)
{
	struct spawned s = {0};
	struct term_spawn o = order(id, circle, name, f->dir);
	assert_int_equal(term_spawn(f->tmux, &o, on_spawned, &s, NULL), 0);
	assert_false(s.done);
	wait_for(f, &s.done);
	assert_int_equal(s.code, 0);
	return s.pane;
}

struct probed {
	bool done;
	enum truth found;
	int code;
	struct term_pane pane;
};

static void on_probed(void *data, const struct error *err, enum truth found, const struct term_pane *pane)
{
	struct probed *p = data;
	*p = (struct probed){.done = true, .found = found, .code = err ? (int)err->code : 0};
	assert_int_equal(found == TRUTH_YES, pane != NULL);
	if (pane)
		p->pane = *pane;
}

static struct probed probe(struct fixture *f, const char *id)
{
	struct probed p = {0};
	assert_int_equal(term_probe(f->tmux, id, on_probed, &p, NULL), 0);
	wait_for(f, &p.done);
	return p;
}

struct killed {
	bool done;
	int code;
	char message[256];
};

static void on_killed(void *data, const struct error *err)
{
	struct killed *k = data;
	k->done = true;
	k->code = err ? (int)err->code : 0;
	(void)snprintf(k->message, sizeof(k->message), "%s", err ? err->message : "");
	if (err)
		print_message("# kill: %s\n", err->message);
}

static struct killed kill_pane(struct fixture *f, const struct term_proof *proof)
{
	struct killed k = {0};
	k.code = term_kill(f->tmux, proof, on_killed, &k, NULL);
	if (!k.code)
		wait_for(f, &k.done);
	return k;
}

static struct term_proof proof_of(const struct term_pane *pane, const char *id)
{
	return (struct term_proof){.pane = pane->pane,
				   .spawn_id = id,
				   .server = pane->server,
				   .pid = pane->pid,
				   .start_time = pane->start_time};
}

/* The user's look at a pane: what a format says of it. */
static char *look(struct fixture *f, const char *target, const char *format)
{
	struct strbuf out = STRBUF_INIT(65536);
	assert_int_equal(USER_TMUX(f, &out, "display-message", "-p", "-t", target, format), 0);
	assert_true(out.len > 0);
	strbuf_setlen(&out, out.len - 1);
	return strbuf_detach(&out);
}

_printf_(4, 5) static void assert_look(struct fixture *f, const char *target, const char *format,
				       const char *expected, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, expected);
	(void)vsnprintf(text, sizeof(text), expected, ap);
	va_end(ap);
	autofree char *seen = look(f, target, format);
	assert_string_equal(seen, text);
}

/* tmux tells of a process as soon as it is forked, before it has gone to its folder. */
static void await_cwd(pid_t pid, const char *expected)
{
	uint64_t start = uv_hrtime();
	for (;;) {
		autofree char *cwd = NULL;
		if (proc_cwd(pid, &cwd, NULL) == 0 && strcmp(cwd, expected) == 0)
			return;
		if (uv_hrtime() - start > (uint64_t)test_limit * 1000)
			fail_msg("still in '%s'", cwd ? cwd : "an unknown folder");
	}
}

static void test_spawn_tells_where_the_process_is(void **state)
{
	struct fixture *f = *state;
	struct term_pane a = spawn(f, "spawn-a", "features", "feat/a");
	assert_string_equal(a.session, "features");
	assert_string_equal(a.socket, f->socket);
	assert_true(a.marked);
	assert_false(a.dead);
	assert_int_equal(proc_alive(a.pid, a.start_time), TRUTH_YES);
	assert_look(f, a.pane, "#{pane_pid} #{pane_tty} #{pid}", "%d %s %d", (int)a.pid, a.tty,
		    (int)a.server);
	assert_look(f, a.pane, "#{window_name} #{@coppice_spawn}", "feat/a spawn-a");
	assert_look(f, a.pane, "#{session_name} #{session_id}", "features %s", a.session_id);
	await_cwd(a.pid, f->dir);
	/* The next one joins the session and leaves the current window alone. */
	struct term_pane b = spawn(f, "spawn-b", "features", "feat/b");
	assert_string_equal(b.session_id, a.session_id);
	assert_string_not_equal(b.window, a.window);
	assert_look(f, "=features:", "#{window_id} #{session_windows}", "%s 2", a.window);
	struct term_pane c = spawn(f, "spawn-c", "feature", "feat/c"); /* no match by prefix */
	assert_string_equal(c.session, "feature");
}

static void test_spawn_takes_any_name_folder_and_variable(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name, *shown;
	} names[] = {
		{"feat/a~2", "feat/a~2"},	{"#{pid} #(touch x) #S %H", "#{pid} #(touch x) #S %H"},
		{"-x; \"a\" '", "-x; \"a\" '"}, {"größe", "größe"},
		{"=features", "=features"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *id = xasprintf("spawn-%zu", i);
		struct term_pane pane = spawn(f, id, "features", names[i].name);
		assert_look(f, pane.pane, "#{window_name}", "%s", names[i].shown);
	}
	struct term_pane steering = spawn(f, "spawn-c", "features", "a\033[31m\nb\xff");
	autofree char *name = look(f, steering.pane, "#{window_name}");
	assert_non_null(strstr(name, "x1B"));
	assert_non_null(strstr(name, "xFF"));

	autofree char *folder = path_join(f->dir, "a #{pid} \"b\" '$c' ~;");
	assert_int_equal(mkdir(folder, 0700), 0);
	struct term_spawn o = order("spawn-d", "features", "d", folder);
	o.env = (const char *const[]){"COPPICE_HOME=/a b/#{pid}/$HOME", "X=", NULL};
	struct spawned s = {0};
	assert_int_equal(term_spawn(f->tmux, &o, on_spawned, &s, NULL), 0);
	wait_for(f, &s.done);
	await_cwd(s.pane.pid, folder);
	assert_look(f, s.pane.pane, "#{pane_start_path}", "%s", folder);
}

static void test_spawn_refuses_what_cannot_be(void **state)
{
	struct fixture *f = *state;
	struct spawned s = {0};
	autofree char *long_id = xasprintf("%065d", 0);
	const char *const ids[] = {"", "a b", "a;b", "a'b", "#{pid}", long_id};
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct term_spawn o = order(ids[i], "c", "n", "/");
		assert_int_equal(term_spawn(f->tmux, &o, on_spawned, &s, NULL), ERR_INVALID);
		assert_int_equal(term_probe(f->tmux, ids[i], on_probed, &s, NULL), ERR_INVALID);
	}
	const char *const circles[] = {"", "a.b", "a:b", "-x", "a b"};
	for (size_t i = 0; i < ARRAY_SIZE(circles); i++) {
		struct term_spawn o = order("spawn-a", circles[i], "n", "/");
		assert_int_equal(term_spawn(f->tmux, &o, on_spawned, &s, NULL), ERR_INVALID);
	}
	struct term_spawn relative = order("spawn-a", "c", "n", "x");
	assert_int_equal(term_spawn(f->tmux, &relative, on_spawned, &s, NULL), ERR_INVALID);
	struct term_spawn nameless = order("spawn-a", "c", "n", "/");
	nameless.spawn_id = "spawn-b"; /* not in the launcher's command: could not be found again */
	assert_int_equal(term_spawn(f->tmux, &nameless, on_spawned, &s, NULL), ERR_INVALID);
	struct term_spawn shell = order("spawn-a", "c", "n", "/");
	shell.launcher = (const char *const[]){"spawn-a", NULL}; /* tmux would give it to a shell */
	assert_int_equal(term_spawn(f->tmux, &shell, on_spawned, &s, NULL), ERR_INVALID);
	assert_false(s.done);
}

static void test_twenty_spawns_at_once(void **state)
{
	struct fixture *f = *state;
	enum { N = 20 };
	struct spawned s[N] = {0};
	for (int i = 0; i < N; i++) {
		autofree char *id = xasprintf("spawn-%d", i);
		struct term_spawn o = order(id, i % 4 ? "many" : "few", "same name", f->dir);
		assert_int_equal(term_spawn(f->tmux, &o, on_spawned, &s[i], NULL), 0);
	}
	for (int i = 0; i < N; i++)
		wait_for(f, &s[i].done);
	for (int i = 0; i < N; i++) {
		assert_int_equal(s[i].code, 0);
		assert_true(s[i].pane.marked);
		assert_int_equal(proc_alive(s[i].pane.pid, s[i].pane.start_time), TRUTH_YES);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(s[i].pane.pane, s[j].pane.pane);
	}
	assert_look(f, "=many:", "#{session_windows}", "15");
	assert_look(f, "=few:", "#{session_windows}", "5");
}

/* What people put into their configuration. */
static const char odd_conf[] =
	"set -g base-index 1\n"
	"set -g renumber-windows on\n"
	"set -g default-command 'exec false'\n"
	"set -g default-shell /bin/false\n"
	"set -g destroy-unattached on\n"
	"set -g detach-on-destroy off\n"
	"setw -g pane-base-index 1\n"
	"setw -g automatic-rename on\n"
	"setw -g allow-rename on\n"
	"setw -g remain-on-exit on\n"
	"setw -g aggressive-resize on\n"
	"set -g status-format[0] '#(exit 1)'\n"
	"set-hook -g after-new-window 'rename-window hooked ; display-message -p hooked'\n"
	"set-hook -g after-new-session 'rename-window hooked'\n"
	"set-hook -g session-created 'display-message -p created'\n"
	"set-hook -g window-linked 'display-message -p linked'\n"
	"no-such-option on\n";

static int setup_odd(void **state)
{
	*state = fixture_new(odd_conf);
	return 0;
}

static void test_odd_configurations_do_not_matter(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 3; i++) {
		autofree char *id = xasprintf("spawn-%d", i);
		struct term_pane pane = spawn(f, id, "features", "feat/a");
		assert_int_equal(proc_alive(pane.pid, pane.start_time), TRUTH_YES);
		assert_true(pane.marked);
		assert_look(f, pane.pane, "#{window_name} #{allow-rename} #{pane_in_mode}", "feat/a 0 0");
		struct probed p = probe(f, id);
		assert_int_equal(p.found, TRUTH_YES);
		assert_string_equal(p.pane.pane, pane.pane);
	}
	/* Nor does that nobody is attached when a client leaves. */
	assert_int_equal(USER_TMUX(f, NULL, "has-session", "-t", "=features"), 0);
}

static void test_probe_knows_three_answers(void **state)
{
	struct fixture *f = *state;
	struct term_pane pane = spawn(f, "spawn-a", "features", "feat/a");
	struct probed none = probe(f, "spawn-b");
	assert_int_equal(none.found, TRUTH_NO);
	assert_int_equal(none.code, 0);
	/* A window that is linked into a second session is listed twice. */
	assert_int_equal(USER_TMUX(f, NULL, "new-session", "-d", "-s", "other", "--", "cat", "-"), 0);
	assert_int_equal(USER_TMUX(f, NULL, "link-window", "-s", pane.window, "-t", "=other:"), 0);
	assert_int_equal(probe(f, "spawn-a").found, TRUTH_YES);
	assert_int_equal(kill(pane.server, SIGSTOP), 0);
	fixture_close_tmux(f);
	struct tmux_settings impatient = {.socket = f->socket, .timeout = 200 * USEC_PER_MSEC};
	f->tmux = tmux_new(&f->loop, &impatient);
	struct probed unknown = probe(f, "spawn-a");
	assert_int_equal(kill(pane.server, SIGCONT), 0);
	assert_int_equal(unknown.found, TRUTH_UNKNOWN);
	assert_int_equal(unknown.code, ERR_TIMED_OUT);
}

struct daemon {
	struct fixture *f;
	int report_fd;
};

static void report_pane(void *data, const struct error *err, const struct term_pane *pane)
{
	const struct daemon *d = data;
	_exit(err || write(d->report_fd, pane, sizeof(*pane)) != sizeof(*pane) ? 1 : pause());
}

/* A daemon that has just spawned when kill -9 hits it; returns what it knew. */
static struct term_pane spawn_in_a_daemon_that_dies(struct fixture *f, const char *id)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		uv_loop_t loop;
		struct daemon d = {.f = f, .report_fd = fds[1]};
		struct term_spawn o = order(id, "features", "feat/a", f->dir);
		struct tmux_settings settings = {.socket = f->socket};
		if (uv_loop_init(&loop) == 0 &&
		    !term_spawn(tmux_new(&loop, &settings), &o, report_pane, &d, NULL))
			(void)uv_run(&loop, UV_RUN_DEFAULT);
		_exit(1);
	}
	assert_int_equal(close(fds[1]), 0);
	struct term_pane pane;
	assert_int_equal(read(fds[0], &pane, sizeof(pane)), sizeof(pane));
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pane;
}

static void test_W11_spawn_is_found_again_after_a_crash(void **state)
{
	struct fixture *f = *state;
	struct term_pane before = spawn_in_a_daemon_that_dies(f, "spawn-a");
	struct probed after = probe(f, "spawn-a");
	assert_int_equal(after.found, TRUTH_YES);
	assert_string_equal(after.pane.pane, before.pane);
	assert_int_equal(after.pane.pid, before.pid);
	assert_int_equal(after.pane.start_time, before.start_time);
	assert_int_equal(after.pane.server, before.server);
	assert_true(after.pane.marked);
	assert_int_equal(proc_alive(before.pid, before.start_time), TRUTH_YES);
	/* Between the window and its option nobody else can look in; the id in the start command would do. */
	assert_int_equal(USER_TMUX(f, NULL, "set-option", "-p", "-u", "-t", before.pane, "@coppice_spawn"),
			 0);
	after = probe(f, "spawn-a");
	assert_int_equal(after.found, TRUTH_YES);
	assert_string_equal(after.pane.pane, before.pane);
	assert_false(after.pane.marked);
	/* Somebody who looks for the id in another pane is not the spawn. */
	assert_int_equal(
		USER_TMUX(f, NULL, "set-option", "-p", "-t", before.pane, "@coppice_spawn", "spawn-a"), 0);
	assert_int_equal(USER_TMUX(f, NULL, "new-session", "-d", "-s", "aaa", "--", self, "pause", "spawn-a"),
			 0);
	assert_string_equal(probe(f, "spawn-a").pane.pane, before.pane);
}

static void test_I10_kill_needs_proof(void **state)
{
	struct fixture *f = *state;
	struct term_pane pane = spawn(f, "spawn-a", "features", "feat/a");
	(void)spawn(f, "spawn-b", "features", "feat/b"); /* so that the server stays */
	const struct term_proof good = proof_of(&pane, "spawn-a");
	struct term_proof bad = good;

	bad.pid = getpid(); /* another process than the pane's, and alive */
	struct proc_stat own;
	assert_int_equal(proc_stat(getpid(), &own, NULL), 0);
	bad.start_time = own.start_time;
	assert_int_equal(kill_pane(f, &bad).code, ERR_REFUSED);
	bad = good;
	bad.start_time++; /* the pid is another process's now */
	assert_int_equal(kill_pane(f, &bad).code, ERR_NOT_FOUND);
	bad = good;
	bad.server++; /* pane ids begin anew with each server */
	assert_int_equal(kill_pane(f, &bad).code, ERR_NOT_FOUND);
	bad = good;
	bad.spawn_id = "spawn-b";
	assert_int_equal(kill_pane(f, &bad).code, ERR_REFUSED);
	bad.spawn_id = "spawn-a,1}";
	assert_int_equal(kill_pane(f, &bad).code, ERR_INVALID);
	const char *const ids[] = {"", "%", "%1 ; kill-server", "features", "@1", "%-1"};
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		bad = good;
		bad.pane = ids[i];
		assert_int_equal(kill_pane(f, &bad).code, ERR_INVALID);
	}
	/* The option is gone: nothing says that Coppice started it. */
	assert_int_equal(USER_TMUX(f, NULL, "set-option", "-p", "-u", "-t", pane.pane, "@coppice_spawn"), 0);
	struct killed unmarked = kill_pane(f, &good);
	assert_int_equal(unmarked.code, ERR_REFUSED);
	assert_non_null(strstr(unmarked.message, "not marked"));
	assert_int_equal(USER_TMUX(f, NULL, "set-option", "-p", "-t", pane.pane, "@coppice_spawn", "spawn-a"),
			 0);
	assert_int_equal(proc_alive(pane.pid, pane.start_time), TRUTH_YES);

	assert_int_equal(kill_pane(f, &good).code, 0);
	assert_int_equal(probe(f, "spawn-a").found, TRUTH_NO);
	assert_int_equal(kill_pane(f, &good).code, ERR_NOT_FOUND);
	assert_int_equal(probe(f, "spawn-b").found, TRUTH_YES);
}

static void test_I10_kill_spares_a_pane_that_was_taken_over(void **state)
{
	struct fixture *f = *state;
	struct term_pane pane = spawn(f, "spawn-a", "features", "feat/a");
	const struct term_proof good = proof_of(&pane, "spawn-a");
	/* The user starts something of their own in it; tmux keeps the option. */
	assert_int_equal(USER_TMUX(f, NULL, "respawn-pane", "-k", "-t", pane.pane, "--", "cat", "-"), 0);
	assert_look(f, pane.pane, "#{@coppice_spawn}", "spawn-a");
	autofree char *taken = look(f, pane.pane, "#{pane_pid}");
	struct killed k = kill_pane(f, &good);
	assert_int_equal(k.code, ERR_REFUSED);
	assert_non_null(strstr(k.message, taken));
	assert_look(f, pane.pane, "#{pane_pid} #{pane_dead}", "%s 0", taken);
}

/* Asks tmux until it says so; there is no event for what these tests wait for that tmux sends always. */
static void await_look(struct fixture *f, const char *target, const char *format, const char *expected)
{
	uint64_t start = uv_hrtime();
	for (;;) {
		autofree char *seen = look(f, target, format);
		if (strcmp(seen, expected) == 0)
			return;
		if (uv_hrtime() - start > (uint64_t)test_limit * 1000)
			fail_msg("still '%s'", seen);
	}
}

static void test_I10_a_dead_pane_is_closed_with_proof(void **state)
{
	struct fixture *f = *state;
	struct term_pane pane = spawn(f, "spawn-a", "features", "feat/a");
	(void)spawn(f, "spawn-b", "features", "feat/b"); /* so that the server stays */
	assert_int_equal(USER_TMUX(f, NULL, "set-option", "-p", "-t", pane.pane, "remain-on-exit", "on"), 0);
	assert_int_equal(kill(pane.pid, SIGKILL), 0);
	await_look(f, pane.pane, "#{pane_dead}", "1");
	struct probed p = probe(f, "spawn-a");
	assert_int_equal(p.found, TRUTH_YES);
	assert_true(p.pane.dead);
	assert_int_equal(p.pane.start_time, 0);
	struct term_proof proof = proof_of(&pane, "spawn-a");
	proof.pid++;
	assert_int_not_equal(kill_pane(f, &proof).code, 0);
	proof.pid--;
	assert_int_equal(kill_pane(f, &proof).code, 0);
	assert_int_equal(probe(f, "spawn-a").found, TRUTH_NO);
}

static void test_kill_of_the_last_pane_ends_the_server(void **state)
{
	struct fixture *f = *state;
	struct term_pane pane = spawn(f, "spawn-a", "features", "feat/a");
	const struct term_proof proof = proof_of(&pane, "spawn-a");
	assert_int_equal(kill_pane(f, &proof).code, 0);
	enum truth found = TRUTH_UNKNOWN;
	for (int i = 0; i < 1000 && found == TRUTH_UNKNOWN; i++) /* as long as it is ending */
		found = probe(f, "spawn-a").found;
	assert_int_equal(found, TRUTH_NO);
	assert_int_equal(kill_pane(f, &proof).code, ERR_NOT_FOUND);
}

static void test_attach_argv(void **state)
{
	(void)state;
	struct term_pane pane = {.pane = "%7",
				 .window = "@5",
				 .session_id = "$3",
				 .socket = "/tmp/a,b/default",
				 .server = 1234};
	static const struct {
		const char *env, *command;
	} cases[] = {
		{NULL, "attach-session"},
		{"", "attach-session"},
		{"/tmp/a,b/default,1234,0", "switch-client"},
		{"/tmp/other,12345,0", "attach-session"},
		{"1234,0", "attach-session"},
		{",1234,0", "switch-client"},
		{"/tmp/x,1234", "attach-session"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char target[TERM_TARGET_SIZE];
		const char *argv[TERM_ATTACH_ARGS];
		term_attach_argv(&pane, cases[i].env, target, argv);
		assert_string_equal(argv[0], "tmux");
		assert_string_equal(argv[2], "/tmp/a,b/default");
		assert_string_equal(argv[3], cases[i].command);
		assert_string_equal(argv[5], "$3:@5.%7");
		assert_null(argv[6]);
	}
}

/* Runs `command` in a new window of `session` on the server at `socket`. */
static void run_in_terminal(const char *socket, const char *const *command)
{
	const char *argv[32] = {"tmux", "-u", "-S", socket, "new-session", "-d",
				"-x",	"80", "-y", "24",   "--"};
	size_t n = 11;
	while (*command)
		argv[n++] = *command++;
	assert_int_equal(run_program(argv, NULL), 0);
}

static void test_attach_shows_the_pane(void **state)
{
	struct fixture *f = *state;
	(void)spawn(f, "spawn-a", "features", "feat/a");
	(void)spawn(f, "spawn-b", "other", "feat/b");
	struct term_pane pane = spawn(f, "spawn-c", "features", "feat/c");
	/* From a terminal outside of that server, which is a pane of another one. */
	autofree char *outer = path_join(f->dir, "outer");
	char target[TERM_TARGET_SIZE];
	const char *argv[TERM_ATTACH_ARGS];
	term_attach_argv(&pane, NULL, target, argv);
	run_in_terminal(outer, argv);
	await_look(f, "=features:", "#{session_attached}", "1");
	assert_look(f, "=features:", "#{window_id} #{pane_id}", "%s %s", pane.window, pane.pane);
	/* From a terminal inside of it. */
	struct probed b = probe(f, "spawn-b");
	autofree char *env = xasprintf("%s,%d,0", f->socket, (int)b.pane.server);
	term_attach_argv(&b.pane, env, target, argv);
	assert_string_equal(argv[3], "switch-client");
	const char *respawn[32] = {"tmux", "-S", f->socket, "respawn-pane", "-k", "-t", pane.pane, "--"};
	memcpy(respawn + 8, argv, sizeof(argv));
	assert_int_equal(run_program(respawn, NULL), 0);
	await_look(f, "=other:", "#{session_attached}", "1");
	assert_int_equal(
		run_program((const char *const[]){"tmux", "-u", "-S", outer, "kill-server", NULL}, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "pause") == 0)
		return pause();
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return 1;
	const struct CMUnitTest tests[] = {
		TEST(test_spawn_tells_where_the_process_is),
		TEST(test_spawn_takes_any_name_folder_and_variable),
		TEST(test_spawn_refuses_what_cannot_be),
		TEST(test_twenty_spawns_at_once),
		cmocka_unit_test_setup_teardown(test_odd_configurations_do_not_matter, setup_odd, teardown),
		TEST(test_probe_knows_three_answers),
		TEST(test_W11_spawn_is_found_again_after_a_crash),
		TEST(test_I10_kill_needs_proof),
		TEST(test_I10_kill_spares_a_pane_that_was_taken_over),
		TEST(test_I10_a_dead_pane_is_closed_with_proof),
		TEST(test_kill_of_the_last_pane_ends_the_server),
		cmocka_unit_test(test_attach_argv),
		TEST(test_attach_shows_the_pane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
