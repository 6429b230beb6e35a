/* Tests of the runtimes' prompts on screens that the real ones have drawn: the corpus of fuzz-screen,
 * captured from Claude Code 2.1.330 and Codex 0.169.0. A file's name begins with the runtime's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/composers.h"
#include "os/file.h"

static const struct {
	const char *name;
	enum composer_state state;
	enum term_screen kind;
} captured[] = {
	{"claude-after-clear", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-api-error", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-bypass-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-classic-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-ctrl-c", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-fake-box", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-help", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-idle-after-turn", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-idle-fresh", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-narrow-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-plan-named", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-suggestion", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-tiny-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-vim-normal", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-after-clear", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-help", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-idle-after-turn", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-idle-fresh", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-inline", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-narrow-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-plan-idle", PROMPT_EMPTY, SCREEN_PROMPT},
	{"codex-vim-normal", PROMPT_EMPTY, SCREEN_PROMPT},
	{"claude-40x24-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-bash", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-busy-draft", PROMPT_TEXT, SCREEN_BUSY},
	{"claude-busy-tool-draft", PROMPT_TEXT, SCREEN_BUSY},
	{"claude-classic-busy-draft", PROMPT_TEXT, SCREEN_BUSY},
	{"claude-classic-draft", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-draft", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-draft-multi", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-narrow-draft", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-narrow-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-queued-up", PROMPT_TEXT, SCREEN_BUSY},
	{"claude-slash", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-tiny-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-vim-normal-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-30x8-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-40x10-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-40x24-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-bash", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-busy-draft", PROMPT_TEXT, SCREEN_BUSY},
	{"codex-draft", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-draft-multi", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-narrow-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-side", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-slash", PROMPT_TEXT, SCREEN_PROMPT},
	{"codex-vim-normal-paste", PROMPT_TEXT, SCREEN_PROMPT},
	{"claude-busy", PROMPT_BUSY, SCREEN_BUSY},
	{"claude-busy-queued", PROMPT_BUSY, SCREEN_BUSY},
	{"claude-busy-tool", PROMPT_BUSY, SCREEN_BUSY},
	{"claude-classic-busy", PROMPT_BUSY, SCREEN_BUSY},
	{"codex-busy", PROMPT_BUSY, SCREEN_BUSY},
	{"codex-busy-queued", PROMPT_BUSY, SCREEN_BUSY},
	{"codex-busy-tab-queued", PROMPT_BUSY, SCREEN_BUSY},
	{"codex-busy-tool", PROMPT_BUSY, SCREEN_BUSY},
	{"claude-agents-view", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-api-key", PROMPT_DIALOG, SCREEN_LOGIN},
	{"claude-classic-permission", PROMPT_DIALOG, SCREEN_PERMISSION},
	{"claude-edit-permission", PROMPT_DIALOG, SCREEN_PERMISSION},
	{"claude-held", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-login", PROMPT_DIALOG, SCREEN_LOGIN},
	{"claude-login-refused", PROMPT_DIALOG, SCREEN_LOGIN},
	{"claude-login-select", PROMPT_DIALOG, SCREEN_LOGIN},
	{"claude-login-url", PROMPT_DIALOG, SCREEN_LOGIN},
	{"claude-model", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-nudge", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-permission", PROMPT_DIALOG, SCREEN_PERMISSION},
	{"claude-permission-amend", PROMPT_DIALOG, SCREEN_PERMISSION},
	{"claude-question", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-question-text", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-question-typed", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-rewind", PROMPT_DIALOG, SCREEN_OTHER},
	{"claude-trust", PROMPT_DIALOG, SCREEN_TRUST},
	{"codex-agents-view", PROMPT_DIALOG, SCREEN_OTHER},
	{"codex-browse", PROMPT_DIALOG, SCREEN_OTHER},
	{"codex-hooks-review", PROMPT_DIALOG, SCREEN_TRUST},
	{"codex-login", PROMPT_DIALOG, SCREEN_LOGIN},
	{"codex-login-url", PROMPT_DIALOG, SCREEN_LOGIN},
	{"codex-model", PROMPT_DIALOG, SCREEN_OTHER},
	{"codex-permission", PROMPT_DIALOG, SCREEN_PERMISSION},
	{"codex-permissions-menu", PROMPT_DIALOG, SCREEN_OTHER},
	{"codex-question", PROMPT_DIALOG, SCREEN_OTHER},
	{"codex-trust", PROMPT_DIALOG, SCREEN_TRUST},
	{"claude-btw", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"claude-onboarding", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"claude-search", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"claude-transcript", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"codex-question-notes", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"codex-rename", PROMPT_UNKNOWN, SCREEN_OTHER},
	{"codex-search", PROMPT_UNKNOWN, SCREEN_OTHER},
};

static char *corpus(void)
{
	const char *source = getenv("COPPICE_SOURCE");
	assert_non_null(source);
	return path_join(source, "tests/fuzz/corpus/screen");
}

static struct screen load(const char *name)
{
	autofree char *folder = corpus();
	autofree char *path = path_join(folder, name);
	autostrbuf text = STRBUF_INIT(1 << 20);
	struct screen s = {0};
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_int_equal(screen_parse(text.buf, text.len, &s, NULL), 0);
	return s;
}

static const struct term_composer *composer_of(const char *name)
{
	return strncmp(name, "codex-", 6) == 0 ? &codex_composer : &claude_composer;
}

static void test_D5_only_an_empty_prompt_is_one(void **state)
{
	(void)state;
	static const char *const states[] = {"unknown", "empty", "text", "busy", "dialog"};
	for (size_t i = 0; i < ARRAY_SIZE(captured); i++) {
		struct screen s = load(captured[i].name);
		struct composer_view v;
		composer_read(composer_of(captured[i].name), &s, &v);
		if (v.state != captured[i].state)
			fail_msg("%s: %s", captured[i].name, states[v.state]);
		screen_release(&s);
	}
}

static void test_D8_what_a_screen_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(captured); i++) {
		struct screen s = load(captured[i].name);
		enum term_screen kind = screen_classify(composer_of(captured[i].name), &s);
		if (kind != captured[i].kind)
			fail_msg("%s: %s", captured[i].name, term_screen_name(kind));
		screen_release(&s);
	}
}

static int count_captured(const char *name, int type, void *data, struct error *err)
{
	size_t *n = data;
	(void)type;
	(void)err;
	*n += strncmp(name, "codex-", 6) == 0 || strncmp(name, "claude-", 7) == 0;
	return 0;
}

static void test_every_captured_screen_has_its_row(void **state)
{
	(void)state;
	autofree char *folder = corpus();
	size_t n = 0;
	assert_int_equal(dir_each(folder, count_captured, &n, NULL), 0);
	assert_int_equal(n, ARRAY_SIZE(captured));
}

/* An agent may print a picture of an empty prompt, and a dialog may quote one: nothing is a prompt but where
 * the cursor is. */
static void test_D5_the_cursor_makes_the_prompt(void **state)
{
	(void)state;
	size_t moved = 0;
	for (size_t i = 0; i < ARRAY_SIZE(captured); i++) {
		if (captured[i].state != PROMPT_EMPTY)
			continue;
		struct screen s = load(captured[i].name);
		unsigned x = s.cursor_x, y = s.cursor_y;
		for (s.cursor_y = 0; s.cursor_y < s.height; s.cursor_y++)
			for (s.cursor_x = 0; s.cursor_x <= s.width; s.cursor_x++) {
				struct composer_view v;
				composer_read(composer_of(captured[i].name), &s, &v);
				if (v.state == PROMPT_EMPTY && (s.cursor_x != x || s.cursor_y != y))
					fail_msg("%s: at %u, %u", captured[i].name, s.cursor_x, s.cursor_y);
				moved++;
			}
		screen_release(&s);
	}
	assert_true(moved > 1000);
}

#define LONG                                                                                                 \
	"Coppice: 2 messages wait for you; call the tool wait_for_mail or run coppice inbox to read them, "  \
	"and answer what asks for it"

static const struct {
	const char *name, *text;
} shown[] = {
	{"claude-draft", "fix the parser first"},
	{"claude-narrow-draft", LONG},
	{"claude-40x24-paste",
	 LONG "; thank you very much for doing so at once, as it is rather quite urgent xx"},
	{"claude-vim-normal-paste", "Coppice: dd wake text"},
	{"claude-classic-draft", "half"},
	{"claude-busy-draft", "draft while busy"},
	{"codex-draft", "fix the parser first"},
	{"codex-narrow-paste",
	 LONG "; thank you very much for doing so at once, as it is rather quite urgent xx"},
	{"codex-40x24-paste",
	 LONG "; thank you very much for doing so at once, as it is rather quite urgent xx"},
	{"codex-40x10-paste",
	 LONG "; thank you very much for doing so at once, as it is rather quite urgent xx"},
	{"codex-vim-normal-paste", "Coppice: dd wake text"},
};

static bool shows(const char *name, const struct screen *s, const char *text)
{
	struct composer_view v;
	composer_read(composer_of(name), s, &v);
	return composer_shows(composer_of(name), s, &v, text);
}

static void test_D5_the_prompt_shows_exactly_the_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		const char *name = shown[i].name, *text = shown[i].text;
		struct screen s = load(name);
		if (!shows(name, &s, text))
			fail_msg("%s", name);
		/* One character more, less or other at any place. */
		for (size_t at = 0; at < strlen(text); at++) {
			autofree char *less = xasprintf("%.*s%s", (int)at, text, text + at + 1);
			autofree char *more = xasprintf("%.*sx%s", (int)at, text, text + at);
			autofree char *other =
				xasprintf("%.*s%c%s", (int)at, text, text[at] ^ 1, text + at + 1);
			/* A space at the end of a row is not drawn, so there it is not missed. */
			if ((text[at] != ' ' && shows(name, &s, less)) || shows(name, &s, more) ||
			    shows(name, &s, other))
				fail_msg("%s: at %zu", name, at);
		}
		autofree char *longer = xasprintf("%s.", text);
		assert_false(shows(name, &s, longer));
		s.cursor_x--;
		assert_false(shows(name, &s, text));
		s.cursor_x += 2;
		assert_false(shows(name, &s, text));
		screen_release(&s);
	}
	/* The first rows have scrolled away. */
	struct screen s = load("codex-30x8-paste");
	assert_false(shows("codex-30x8-paste", &s, shown[7].text));
	screen_release(&s);
}

static void test_D5_narrow_panes_have_room_or_not(void **state)
{
	(void)state;
	autofree char *full =
		xasprintf("%s; %s", LONG, "thank you very much for doing so at once, as it is so");
	static const struct {
		const char *name;
		bool room;
	} panes[] = {
		{"claude-narrow-idle", true}, {"claude-tiny-idle", false}, {"claude-40x24-paste", true},
		{"claude-idle-fresh", true},  {"codex-narrow-idle", true}, {"codex-40x10-paste", true},
		{"codex-30x8-paste", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(panes); i++) {
		struct screen s = load(panes[i].name);
		const struct term_composer *c = composer_of(panes[i].name);
		if (composer_has_room(c, &s, full) != panes[i].room)
			fail_msg("%s", panes[i].name);
		assert_true(composer_has_room(c, &s, "Coppice: a message"));
		screen_release(&s);
	}
}

static void test_backends_have_their_composers(void **state)
{
	(void)state;
	assert_ptr_equal(agent_claude_code.composer, &claude_composer);
	assert_ptr_equal(agent_codex.composer, &codex_composer);
	assert_null(agent_script.composer);
	assert_string_equal(term_screen_name(SCREEN_TRUST), "trust_dialog");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D5_only_an_empty_prompt_is_one),
		cmocka_unit_test(test_D8_what_a_screen_tells),
		cmocka_unit_test(test_every_captured_screen_has_its_row),
		cmocka_unit_test(test_D5_the_cursor_makes_the_prompt),
		cmocka_unit_test(test_D5_the_prompt_shows_exactly_the_text),
		cmocka_unit_test(test_D5_narrow_panes_have_room_or_not),
		cmocka_unit_test(test_backends_have_their_composers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
