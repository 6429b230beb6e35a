/* Tests of what reaches the terminal: widths, clipping, escaping, and that no escape sequence leaves when
 * stdout is no terminal or colour is not wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/out.h"
#include "os/testing.h"

static const char evil[] = "a\x1b[31mb\x07\xc2\x9b"
			   "2Jc\x7f\r";

static void test_widths(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int width;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"é", 1},
		{"日本", 4},
		{"한", 2},
		{"e\xcc\x81", 1},
		{"🙂", 2},
		{"…", 1},
		{"\xff\xfe", 2},
		{"✔", 1},
		{"\xe6\x97", 2},
		{"ｆ", 2},
		{"a\xe2\x80\x8b"
		 "b",
		 2},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (out_width(cases[i].text) != cases[i].width)
			fail_msg("'%s' takes %d", cases[i].text, out_width(cases[i].text));
}

static void test_clipping(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int max;
		const char *clipped;
	} cases[] = {
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"},  {"abcdef", 1, "…"},
		{"abcdef", 0, "abcdef"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},	 {"日本語", 2, "…"},	  {"e\xcc\x81xyz", 3, "e\xcc\x81x…"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "%s", cases[i].text);
		out_clip(text, sizeof(text), cases[i].max);
		assert_string_equal(text, cases[i].clipped);
		assert_true(!cases[i].max || out_width(text) <= cases[i].max);
	}
	char tight[] = "ab"; /* no room for the ellipsis */
	out_clip(tight, sizeof(tight), 1);
	assert_string_equal(tight, "");
}

static void test_sizes(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0 bytes"},
		     {1023, "1023 bytes"},
		     {1536, "1.5 KiB"},
		     {3ull << 30, "3.0 GiB"},
		     {1ull << 52, "4096.0 TiB"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[32];
		assert_string_equal(out_size(cases[i].bytes, buf, sizeof(buf)), cases[i].text);
	}
}

static void test_words_for_a_shell(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"feat/a", "feat/a"}, {"", "''"}, {"a b", "'a b'"}, {"$(x)", "'$(x)'"}, {"a'b", "'a'\\''b'"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *word = out_word(cases[i][0]);
		assert_string_equal(word, cases[i][1]);
	}
}

/* Everything there is to print, with hostile text in it. */
static void print_all(void)
{
	static const struct out_column columns[] = {{.title = "NAME", .key = "name", .max = 20},
						    {.title = "N", .key = "n", .right = true}};
	json_auto_t *row = json_pack("{s:s, s:i}", "name", "日本", "n", 7);
	json_auto_t *other = json_object();
	json_object_set_new(other, "name", json_stringn_nocheck(evil, sizeof(evil) - 1));
	json_auto_t *rows = json_pack("[O,O]", row, other);
	out_in(RED, "red %s", evil);
	out_say(" %s\n", evil);
	out_text(stdout, evil, true);
	out_wrapped(evil, 0, 2);
	out_wrapped("\nwrapped: 日本日本日本日本日本日本日本日本日本日本日本日本日本日本日本日本日本日本 [in "
		    "brackets]\n",
		    0, 4);
	out_table(columns, ARRAY_SIZE(columns), rows, "none");
	out_json(rows);
	command_help_all();
	command_help(command_find("rm"));
	(void)fflush(stdout);
}

/* Runs print_all in a process of its own whose stdout is `fd`; what came is read from `from`. */
static char *printed_to(int fd, int from)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (dup2(fd, STDOUT_FILENO) < 0)
			_exit(1);
		print_all();
		_exit(0);
	}
	(void)close(fd);
	autostrbuf all = STRBUF_INIT(1 << 20);
	for (;;) {
		char chunk[4096];
		ssize_t n = read(from, chunk, sizeof(chunk));
		if (n <= 0) /* EIO is a terminal's end */
			break;
		strbuf_add(&all, chunk, (size_t)n);
	}
	(void)close(from);
	assert_int_equal(test_wait(child), 0);
	return strbuf_detach(&all);
}

static char *printed_to_pipe(void)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	return printed_to(ends[1], ends[0]);
}

static char *printed_to_terminal(void)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
		skip();
	int screen = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(screen >= 0);
	struct termios modes;
	assert_int_equal(tcgetattr(screen, &modes), 0);
	modes.c_oflag &= ~(tcflag_t)OPOST; /* newlines as they are */
	assert_int_equal(tcsetattr(screen, TCSANOW, &modes), 0);
	return printed_to(screen, terminal);
}

static void assert_plain(const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		bool c1 = c == 0xC2 && (unsigned char)p[1] < 0xA0;
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || c1)
			fail_msg("byte %02X at: %.40s", c, p);
	}
	assert_non_null(strstr(text, "a\\x1B[31mb\\x07"));
}

static void test_nothing_but_text_reaches_a_pipe(void **state)
{
	(void)state;
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	unsetenv("NO_COLOR");
	autofree char *text = printed_to_pipe();
	assert_plain(text);
	assert_non_null(strstr(text, "NAME"));
	assert_non_null(strstr(text, "日本"));
}

static void test_no_color_is_honoured_on_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
	autofree char *text = printed_to_terminal();
	unsetenv("NO_COLOR");
	assert_plain(text);
	assert_int_equal(setenv("TERM", "dumb", 1), 0);
	autofree char *dumb = printed_to_terminal();
	assert_plain(dumb);
}

/* On a terminal that takes colour there are colours, and no other sequence. */
static void test_a_terminal_gets_colours_only(void **state)
{
	(void)state;
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	unsetenv("NO_COLOR");
	autofree char *text = printed_to_terminal();
	size_t colours = 0;
	for (char *p = text; (p = strchr(p, '\x1b')); colours++) {
		size_t len = 1 + strspn(p + 1, "[0123456789");
		assert_int_equal(p[len], 'm');
		memmove(p, p + len + 1, strlen(p + len + 1) + 1);
	}
	assert_true(colours > 4);
	assert_plain(text);
}

static void test_brackets_stay_together_on_a_line(void **state)
{
	(void)state;
	autofree char *text = printed_to_pipe();
	assert_non_null(strstr(text, "本\n    [in brackets]\n"));
}

static void test_columns_are_aligned(void **state)
{
	(void)state;
	autofree char *text = printed_to_pipe();
	char *table = strstr(text, "NAME");
	assert_non_null(table);
	char *rest = table, *title = strsep(&rest, "\n"), *first = strsep(&rest, "\n");
	assert_int_equal(out_width(title), out_width(first));
	assert_int_equal(title[strlen(title) - 1], 'N');
	assert_int_equal(first[strlen(first) - 1], '7');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_clipping),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_words_for_a_shell),
		cmocka_unit_test(test_nothing_but_text_reaches_a_pipe),
		cmocka_unit_test(test_no_color_is_honoured_on_a_terminal),
		cmocka_unit_test(test_a_terminal_gets_colours_only),
		cmocka_unit_test(test_brackets_stay_together_on_a_line),
		cmocka_unit_test(test_columns_are_aligned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
