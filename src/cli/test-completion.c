/* Tests of the completions: the bash script runs in bash, with a `coppice` of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/words.h"
#include "os/spawn.h"
#include "os/testing.h"

/* A branch that a shell would run, were it ever expanded; git allows each of its characters. */
static const char hostile[] = "a$(touch${IFS}hit)`touch${IFS}hit`;touch${IFS}hit|\"'x&>hit";

static const char *const shells[] = {"bash", "zsh", "fish"};

static char *script_of(const char *shell)
{
	autostrbuf script = STRBUF_INIT(1 << 20);
	assert_int_equal(completion_write(shell, &script, NULL), 0);
	return strbuf_detach(&script);
}

static void write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
	autofree char *path = path_join(folder, name);
	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
}

/* What bash offers for a command line, a candidate a line; the last word is being typed. The candidates
 * come quoted, and are shown as the shell would read them. */
static char *offered(const char *folder, const char *line)
{
	autofree char *code =
		xasprintf("source ./script\nCOMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
			  "_coppice\nfor c in \"${COMPREPLY[@]}\"; do eval \"set -- $c\"; "
			  "[ $# = 1 ] && printf '%%s\\n' \"$1\"; done",
			  line);
	autofree char *path = xasprintf("PATH=%s:%s", folder, getenv("PATH"));
	const char *const argv[] = {"bash", "--norc", "-c", code, NULL}, *const set[] = {path, NULL};
	char **env = env_edit(NULL, NULL, set);
	union {
		char **in;
		const char *const *out;
	} given = {env};
	autostrbuf out = STRBUF_INIT(1 << 16);
	struct spawn s = {.argv = argv, .env = given.out, .cwd = folder, .out = &out, .errout = &out};
	int status = -1;
	assert_int_equal(spawn_run(&s, &status, NULL), 0);
	env_free(env);
	if (status != 0)
		print_message("%s\n", strbuf_str(&out));
	return strbuf_detach(&out);
}

static char *bash_folder(void)
{
	autofree char *bash = NULL;
	if (program_find("bash", NULL, &bash, NULL) != 0)
		skip();
	char *folder = test_folder_make();
	autofree char *script = script_of("bash");
	write_file(folder, "script", script, 0600);
	write_file(folder, "words", hostile, 0600);
	write_file(folder, "coppice",
		   "#!/bin/sh\n"
		   "case $2 in\n"
		   "worktree) printf 'feat/a\\nfeat/b\\n'; cat words; echo ;;\n"
		   "peer) printf 'feat/a\\tthe first; $(touch hit)\\nmain\\tb\\n' ;;\n"
		   "*) printf '%s\\n' \"$2-word\" ;;\n"
		   "esac\n",
		   0700);
	return folder;
}

static void test_every_command_and_option_is_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		autofree char *script = script_of(shells[i]);
		for (size_t k = 0; commands[k]; k++) {
			const struct command *c = commands[k];
			for (const struct option_entry *o = c->options; c->group && o && o->name; o++) {
				if (!strstr(script, o->name))
					fail_msg("%s: no --%s of %s", shells[i], o->name, c->name);
			}
			if (c->group && !strstr(script, c->name))
				fail_msg("%s: no %s", shells[i], c->name);
		}
	}
	assert_int_equal(completion_write("csh", &STRBUF_INIT(1024), NULL), ERR_INVALID);
}

/* An entry whose operands nobody knows would complete nothing, and nobody would notice. */
static void test_kinds_are_known(void **state)
{
	(void)state;
	for (size_t k = 0; commands[k]; k++) {
		for (size_t i = 0; i < words_operands(commands[k]->operands); i++) {
			size_t len = 0;
			const char *kind = words_operand(commands[k]->operands, i, &len);
			static const char *const others[] = {"dir",   "file",  "message",
							     "shell", "state", "text"};
			bool known = words_known(kind, len) || memchr(kind, '|', len);
			for (size_t o = 0; o < ARRAY_SIZE(others); o++)
				known = known || (strlen(others[o]) == len && !memcmp(others[o], kind, len));
			if (!known)
				fail_msg("%s: %.*s", commands[k]->name, (int)len, kind);
		}
	}
}

static void test_bash_offers_what_fits(void **state)
{
	(void)state;
	static const struct {
		const char *line, *offered;
	} cases[] = {
		{"coppice ru", "run\n"},
		{"coppice help ''", "command-word\n"},
		{"coppice rm feat/", "feat/a\nfeat/b\n"},
		{"coppice rm feat/a feat/", "feat/a\nfeat/b\n"},
		{"coppice ask ''", "feat/a\nmain\n"},
		{"coppice ask --circle x ''", "feat/a\nmain\n"},
		{"coppice ask --circle = x ''", "feat/a\nmain\n"},
		{"coppice ask main ''", ""},
		{"coppice ask --circle ''", "circle-word\n"},
		{"coppice ask --circle = ''", "circle-word\n"},
		{"coppice ask --circle =", "circle-word\n"},
		{"coppice job c", "create\nclaim\ncancel\n"},
		{"coppice job show ''", "job-word\n"},
		{"coppice run --det", "--detach\n"},
		{"coppice run scr", "script\n"},
		{"coppice completion ''", "bash\nzsh\nfish\n"},
		{"coppice nothing ''", ""},
	};
	autofolder folder = bash_folder();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = offered(folder, cases[i].line);
		if (strcmp(got, cases[i].offered) != 0)
			fail_msg("%s: %s", cases[i].line, got);
	}
}

static void test_S2_a_hostile_branch_is_a_word(void **state)
{
	(void)state;
	autofolder folder = bash_folder();
	autofree char *got = offered(folder, "coppice rm 'a$'");
	autofree char *expected = xasprintf("%s\n", hostile);
	assert_string_equal(got, expected);
	autofree char *peers = offered(folder, "coppice ask ''");
	assert_string_equal(peers, "feat/a\nmain\n");
	autofree char *hit = path_join(folder, "hit");
	assert_int_equal(access(hit, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_command_and_option_is_offered),
		cmocka_unit_test(test_kinds_are_known),
		cmocka_unit_test(test_bash_offers_what_fits),
		cmocka_unit_test(test_S2_a_hostile_branch_is_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
