/* Tests of the parsing of command lines, with a command of the test's own, and of how commands end. What they
 * print goes to files, for a test looks at stdout and stderr apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/out.h"
#include "os/testing.h"

/* What the command was given, as text: "arg arg | --option=value … | rest …". */
static char seen[1024];
static int wanted_code, wanted_exit;
static const char *wanted_message = "it is so";
static json_t *wanted_details;

static void see(const char *fmt, ...) _printf_(1, 2);

static void see(const char *fmt, ...)
{
	size_t len = strlen(seen);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(seen + len, sizeof(seen) - len, fmt, ap);
	va_end(ap);
}

static int note_call(struct command_run *run, struct error *err)
{
	static const char *const names[] = {"flag", "value", "maybe"};
	for (int i = 0; i < run->n_args; i++)
		see("%s ", run->args[i]);
	assert_null(run->args[run->n_args]);
	see("|");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree const char **all = option_all(run, names[i]);
		for (const char **value = all; value && *value; value++)
			see(" %s=%s", names[i], *value);
		assert_true(!all == !option_get(run, names[i]));
	}
	see(" |");
	for (char **word = run->rest; word && *word; word++)
		see(" %s", *word);
	run->exit_code = wanted_exit;
	if (!wanted_code)
		return 0;
	int code = error_set(err, (enum error_code)wanted_code, "%s", wanted_message);
	if (wanted_details)
		(void)error_details(err, code, json_incref(wanted_details));
	return error_hint(err, code, "do this");
}

static const struct option_entry options[] = {
	{"flag", 'f', OPTION_FLAG, NULL, "a flag"},
	{"value", 'v', OPTION_VALUE, "TEXT", "a value"},
	{"maybe", 'm', OPTION_OPTIONAL, "TEXT", "a value that may be left out"},
	{0},
};

static const struct command plain = {.name = "plain",
				     .summary = "A test",
				     .usage = "ONE [TWO]",
				     .options = options,
				     .min_args = 1,
				     .max_args = 2,
				     .run = note_call};
static const struct command taker = {.name = "taker",
				     .summary = "A test",
				     .usage = "ONE [-- COMMAND…]",
				     .options = options,
				     .min_args = 1,
				     .max_args = 1,
				     .takes_command = true,
				     .run = note_call};

/* Runs `body` with stdout and stderr in files; its result. Caller frees the texts. */
struct captured {
	char *out, *err;
	int code;
};

static char *take_file(int fd)
{
	autostrbuf text = STRBUF_INIT(1 << 20);
	char *to = strbuf_reserve(&text, 65536);
	ssize_t n = pread(fd, to, 65536, 0);
	assert_true(n >= 0);
	strbuf_setlen(&text, (size_t)n);
	(void)close(fd);
	return strbuf_detach(&text);
}

static int file_in_place_of(FILE *f, int *ret_saved)
{
	autofolder folder = test_folder_make();
	autofree char *path = path_join(folder, "text");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)fflush(f);
	*ret_saved = dup(fileno(f));
	assert_true(dup2(fd, fileno(f)) >= 0);
	return fd;
}

static void put_back(FILE *f, int saved)
{
	(void)fflush(f);
	assert_true(dup2(saved, fileno(f)) >= 0);
	(void)close(saved);
}

/* `words` are separated by blanks; "''" is an empty one. */
static void call(const struct command *c, const char *words, struct captured *ret)
{
	autofree char *text = xstrdup(words), *name = xstrdup("coppice");
	char *argv[32], *rest = text, *word;
	static char empty[] = "";
	int argc = 0, saved_out, saved_err;
	argv[argc++] = name;
	while (*words && (word = strsep(&rest, " ")))
		argv[argc++] = strcmp(word, "''") == 0 ? empty : word;
	argv[argc] = NULL;
	seen[0] = '\0';
	int out = file_in_place_of(stdout, &saved_out), err = file_in_place_of(stderr, &saved_err);
	ret->code = c ? command_execute(c, argc, argv) : command_main(argc, argv);
	put_back(stdout, saved_out);
	put_back(stderr, saved_err);
	ret->out = take_file(out);
	ret->err = take_file(err);
}

static void captured_release(struct captured *c)
{
	free(c->out);
	free(c->err);
}

#define autocaptured _cleanup_(captured_release) struct captured

static void test_what_is_understood(void **state)
{
	(void)state;
	static const struct {
		const struct command *command;
		const char *words, *seen;
	} cases[] = {
		{&plain, "a", "a | |"},
		{&plain, "a b", "a b | |"},
		{&plain, "-f a", "a | flag= |"},
		{&plain, "a -f b", "a b | flag= |"},
		{&plain, "a --value x", "a | value=x |"},
		{&plain, "a --value=x", "a | value=x |"},
		{&plain, "a --value=", "a | value= |"},
		{&plain, "a -vx -v y", "a | value=x value=y |"},
		{&plain, "a -fvx", "a | flag= value=x |"},
		{&plain, "a --value --flag", "a | value=--flag |"},
		{&plain, "a --value --", "a | value=-- |"},
		{&plain, "a --maybe", "a | maybe= |"},
		{&plain, "a --maybe=5", "a | maybe=5 |"},
		{&plain, "a --maybe 5", "a 5 | maybe= |"},
		{&plain, "a -m5", "a | maybe=5 |"},
		{&plain, "-- -f", "-f | |"},
		{&plain, "-- a --", "a -- | |"},
		{&plain, "a -- --value", "a --value | |"},
		{&plain, "-", "- | |"},
		{&plain, "''", " | |"},
		{&plain, "a -C / --json", "a | |"},
		{&taker, "a", "a | |"},
		{&taker, "a -- make -j 2 -- x", "a | | make -j 2 -- x"},
		{&taker, "-f a --", "a | flag= |"},
		{&taker, "a -- --json", "a | | --json"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autocaptured got = {0};
		call(cases[i].command, cases[i].words, &got);
		if (got.code != 0 || strcmp(seen, cases[i].seen) != 0)
			fail_msg("%s: %d, %s, %s", cases[i].words, got.code, seen, got.err);
		assert_string_equal(got.err, "");
	}
}

static void test_what_is_refused(void **state)
{
	(void)state;
	static const struct {
		const struct command *command;
		const char *words, *said;
	} cases[] = {
		{&plain, "", "an argument is missing: usage: coppice plain ONE [TWO]"},
		{&plain, "a b c d", "one argument too many: c"},
		{&plain, "a --wrong", "unknown option --wrong"},
		{&plain, "a --flaag", "unknown option --flaag: did you mean --flag?"},
		{&plain, "a -x", "unknown option -x"},
		{&plain, "a -fx", "unknown option -x"},
		{&plain, "a --flag=1", "no value can be given to --flag"},
		{&plain, "a --value", "a value is missing after --value"},
		{&plain, "a -v", "a value is missing after -v"},
		{&plain, "a -fv", "a value is missing after -v"},
		{&plain, "a -C", "a value is missing after -C"},
		{&taker, "a b", "one argument too many: b"},
		{&taker, "-- a", "an argument is missing"},
		{NULL, "nothing", "there is no command 'nothing': see: coppice help"},
		{NULL, "statsu", "did you mean status?"},
		{NULL, "remove x", "did you mean rm?"},
		{NULL, "help statsu", "did you mean status?"},
		{NULL, "''", "there is no command ''"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autocaptured got = {0};
		call(cases[i].command, cases[i].words, &got);
		if (got.code != 2 || !strstr(got.err, cases[i].said) || strncmp(got.err, "coppice: ", 9) != 0)
			fail_msg("%s: %d, %s", cases[i].words, got.code, got.err);
		assert_string_equal(got.out, "");
		assert_string_equal(seen, "");
	}
}

static void test_the_folder_is_absolute(void **state)
{
	(void)state;
	autocaptured missing = {0};
	call(&plain, "a -C /no/such/folder", &missing);
	assert_int_equal(missing.code, 5);
	autocaptured help = {0};
	call(NULL, "-C /tmp --json help", &help);
	assert_int_equal(help.code, 0);
	assert_non_null(strstr(help.out, "usage: coppice COMMAND"));
}

static void test_exit_codes_follow_from_errors(void **state)
{
	(void)state;
	static const struct {
		int code, exit, ends;
	} cases[] = {
		{0, 0, 0},
		{0, 3, 3},
		{ERR_INVALID, 0, 2},
		{ERR_REFUSED, 0, 3},
		{ERR_FORBIDDEN, 0, 3},
		{ERR_NO_DAEMON, 0, 4},
		{ERR_NOT_FOUND, 0, 5},
		{ERR_NO_PEER, 0, 5},
		{ERR_AMBIGUOUS, 0, 5},
		{ERR_TIMED_OUT, 0, 6},
		{ERR_INTERNAL, 0, 1},
		{ERR_SYSTEM, 3, 1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autocaptured got = {0};
		wanted_code = cases[i].code;
		wanted_exit = cases[i].exit;
		call(&plain, "a", &got);
		wanted_code = wanted_exit = 0;
		if (got.code != cases[i].ends)
			fail_msg("%d: ends with %d", cases[i].code, got.code);
		assert_string_equal(got.err, cases[i].code ? "coppice: it is so: do this\n" : "");
	}
	/* surface.md documents 0 to 6 and no other. */
	for (int code = 1; code < ERR_MAX_; code++)
		assert_in_range(error_kind((enum error_code)code)->exit_code, 1, 6);
}

static void test_errors_are_json_on_stderr(void **state)
{
	(void)state;
	static const char *const lines[] = {"a --json", "--json", "--json --wrong", "--wrong --json"};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		autocaptured got = {0};
		json_auto_t *json = NULL;
		wanted_code = i == 0 ? ERR_REFUSED : 0;
		call(&plain, lines[i], &got);
		wanted_code = 0;
		assert_string_equal(got.out, "");
		assert_int_equal(json_parse(got.err, strlen(got.err), &json, NULL), 0);
		const json_t *error = json_object_get(json, "error");
		assert_string_equal(json_str(error, "code"), i == 0 ? "refused" : "invalid");
		assert_non_null(json_str(error, "message"));
		assert_non_null(json_str(error, "hint"));
	}
	autocaptured unknown = {0};
	call(NULL, "nothing --json", &unknown);
	assert_int_equal(strncmp(unknown.err, "{\"error\":{\"code\":\"invalid\"", 25), 0);
}

static void test_errors_of_several_lines(void **state)
{
	(void)state;
	static const struct {
		const char *message, *details, *said;
	} cases[] = {
		{"git failed\nfatal: no", NULL, "coppice: git failed\n  fatal: no\ndo this\n"},
		{"p:1: a: x\np:2: b: y", "{\"problems\":[]}",
		 "coppice: these problems were found:\n  p:1: a: x\n  p:2: b: y\ndo this\n"},
		{"p:1: a: x", "{\"problems\":[]}", "coppice: p:1: a: x: do this\n"},
		{"2 peers are called a",
		 "{\"candidates\":[{\"name\":\"a\",\"circle\":\"x\",\"peer_id\":\"peer-1\"},"
		 "{\"name\":\"a\",\"circle\":\"y\",\"peer_id\":\"peer-2\"}]}",
		 "coppice: 2 peers are called a\n  x:a  peer-1\n  y:a  peer-2\ndo this\n"},
		{"a\x1b[31mb", NULL, "coppice: a\\x1B[31mb: do this\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autocaptured got = {0};
		json_auto_t *details = NULL;
		if (cases[i].details)
			assert_int_equal(
				json_parse(cases[i].details, strlen(cases[i].details), &details, NULL), 0);
		wanted_code = ERR_GIT;
		wanted_message = cases[i].message;
		wanted_details = details;
		call(&plain, "a", &got);
		wanted_code = 0;
		wanted_message = "it is so";
		wanted_details = NULL;
		assert_string_equal(got.err, cases[i].said);
	}
}

static void test_a_full_stdout_is_an_error(void **state)
{
	(void)state;
	int saved_out, saved_err, full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full < 0)
		skip();
	char name[] = "completion", shell[] = "bash", *argv[] = {name, shell, NULL};
	int out = file_in_place_of(stdout, &saved_out), err = file_in_place_of(stderr, &saved_err);
	assert_true(dup2(full, STDOUT_FILENO) >= 0);
	int code = command_execute(command_find("completion"), 2, argv);
	clearerr(stdout);
	put_back(stdout, saved_out);
	put_back(stderr, saved_err);
	(void)close(full);
	(void)close(out);
	autofree char *said = take_file(err);
	assert_int_equal(code, 1);
	assert_non_null(strstr(said, "stdout takes no more"));
}

/* Every entry is complete, and its help fits the screen. */
static void test_every_command_has_its_help(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		autocaptured got = {0};
		autofree char *words = xasprintf("%s --help", c->name);
		call(NULL, words, &got);
		assert_int_equal(got.code, 0);
		assert_non_null(c->examples);
		assert_non_null(strstr(got.out, "examples:"));
		assert_non_null(strstr(got.out, "--json"));
		assert_null(strchr(got.out, '\x1b'));
		char *rest = got.out, *line;
		bool example = false;
		while ((line = strsep(&rest, "\n"))) {
			example = example || strcmp(line, "examples:") == 0;
			if (!example && out_width(line) > OUT_WIDTH)
				fail_msg("%s: %s", c->name, line);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_understood),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_the_folder_is_absolute),
		cmocka_unit_test(test_exit_codes_follow_from_errors),
		cmocka_unit_test(test_errors_are_json_on_stderr),
		cmocka_unit_test(test_errors_of_several_lines),
		cmocka_unit_test(test_a_full_stdout_is_an_error),
		cmocka_unit_test(test_every_command_has_its_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
