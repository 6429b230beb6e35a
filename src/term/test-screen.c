/* Tests of reading screens, and of looking at real panes. */
#include "term/test-fixture.h"

#include "term/screen.h"

/* A screen of 10 columns with the cursor at 2, 1. */
#define HEAD(rows, command)                                                                                  \
	"coppice-screen\t10\t" #rows "\t2\t1\t1\t0\t0\t0\t0\t0\t11\t12\t0\t100\t107\t" command "\n"

static struct screen parse(const char *text)
{
	struct screen s = {0};
	assert_int_equal(screen_parse(text, strlen(text), &s, NULL), 0);
	return s;
}

static void test_rows_and_facts(void **state)
{
	(void)state;
	struct screen s = parse("a hook's line\n" HEAD(3, "no\tde") "one  \n\n  two\n");
	assert_int_equal(s.n, 3);
	assert_string_equal(s.rows[0].text, "one");
	assert_int_equal(s.rows[1].len, 0);
	assert_string_equal(s.rows[2].text, "  two");
	assert_int_equal(s.width, 10);
	assert_int_equal(s.height, 3);
	assert_int_equal(s.cursor_x, 2);
	assert_int_equal(s.cursor_y, 1);
	assert_true(s.cursor_shown);
	assert_false(s.alternate || s.in_mode || s.dead || s.input_off || s.synchronized);
	assert_int_equal(s.server, 11);
	assert_int_equal(s.pid, 12);
	assert_int_equal(s.key_age, -1);
	assert_string_equal(s.command, "no\tde");
	assert_true(screen_row_begins(&s.rows[0], "on"));
	assert_false(screen_row_begins(&s.rows[0], "one two"));
	assert_true(screen_row_has(&s.rows[2], "wo"));
	screen_release(&s);
}

static void test_attributes(void **state)
{
	(void)state;
	/* Colours hold 1, 2 and 7 too; attributes run on from row to row. */
	struct screen s = parse(HEAD(4, "x") "\033[1ma\033[2mb\033[22mc\033[7md\033[27me\n"
					     "\033[38;5;2mf\033[48;2;1;2;7mg\033[58;5;1;7mh\n"
					     "i\033[mj\033[4:2mk\033[1;0;2ml\n"
					     "\033]8;;http://x\033\\m\033]8;;\033\\\033(B\016n\017\n");
	static const uint8_t expected[4][5] = {
		{SCREEN_BOLD, SCREEN_BOLD | SCREEN_DIM, 0, SCREEN_INVERSE, 0},
		{0, 0, SCREEN_INVERSE},
		{SCREEN_INVERSE, 0, 0, SCREEN_DIM},
		{SCREEN_DIM, SCREEN_DIM},
	};
	static const char *const texts[] = {"abcde", "fgh", "ijkl", "mn"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_string_equal(s.rows[i].text, texts[i]);
		assert_memory_equal(s.rows[i].attr, expected[i], strlen(texts[i]));
	}
	screen_release(&s);
}

static void test_other_forms_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"one\ntwo\n",
		HEAD(2, "x") "one\n",
		HEAD(2, "x") "one\ntwo\nthree\n",
		HEAD(2, "x") "one\ntwo",
		HEAD(1, "x") "one\n", /* the cursor is below */
		HEAD(1001, "x"),
		"coppice-screen\t10\n",
		"coppice-screen\t\t2\t2\t1\t1\t0\t0\t0\t0\t0\t11\t12\t0\t100\t107\tx\none\ntwo\n",
	};
	struct screen s = {0};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(screen_parse(bad[i], strlen(bad[i]), &s, NULL), ERR_TERMINAL);
		assert_null(s.rows);
	}
}

struct look {
	bool done;
	int code;
	struct screen screen; /* without its rows */
	char first[128];
};

static void on_look(void *data, const struct error *err, const struct screen *screen)
{
	struct look *l = data;
	l->done = true;
	l->code = err ? (int)err->code : 0;
	assert_int_equal(!err, screen != NULL);
	if (!screen)
		return;
	l->screen = *screen;
	assert_int_equal(screen->n, screen->height);
	(void)snprintf(l->first, sizeof(l->first), "%s", screen->rows[0].text);
}

static struct look look(struct fixture *f, const char *pane)
{
	struct look l = {0};
	assert_int_equal(term_look(f->tmux, pane, on_look, &l, NULL), 0);
	assert_false(l.done);
	wait_for(f, &l.done);
	return l;
}

static void test_looking_at_a_pane(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(USER_TMUX(f, NULL, "new-session", "-d", "-x", "60", "-y", "10", "--", "sh", "-c",
				   "printf '\\033[2mdim\\033[0m #S'; exec cat"),
			 0);
	struct look l;
	do
		l = look(f, "%0");
	while (strcmp(l.first, "dim #S") != 0 || strcmp(l.screen.command, "cat") != 0);
	assert_int_equal(l.screen.width, 60);
	assert_int_equal(l.screen.height, 10);
	assert_int_equal(l.screen.cursor_x, 6);
	assert_int_equal(l.screen.cursor_y, 0);
	assert_true(l.screen.cursor_shown);
	assert_false(l.screen.in_mode);
	assert_int_equal(l.screen.key_age, -1); /* nobody is attached */
	assert_int_equal(USER_TMUX(f, NULL, "copy-mode", "-t", "%0"), 0);
	l = look(f, "%0");
	assert_true(l.screen.in_mode);
	assert_string_equal(l.first, "dim #S");
	l = look(f, "%7");
	assert_int_equal(l.code, ERR_NOT_FOUND);
	assert_int_equal(USER_TMUX(f, NULL, "kill-server"), 0);
	l = look(f, "%0");
	assert_int_not_equal(l.code, 0);
	static const char *const bad[] = {"", "%", "7", "%7x", "%7;", "%123456789012345", "@1"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(term_look(f->tmux, bad[i], on_look, &l, NULL), ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_and_facts),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_other_forms_are_refused),
		TEST(test_looking_at_a_pane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
