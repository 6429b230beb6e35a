/* Tests of guard_check.h: which changes of references a peer may make. */
#include "repo/test-fixture.h"

#include "repo/guard_check.h"
#include "repo/guard_file.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NONE "0000000000000000000000000000000000000000"

/* feat/a is ours, feat/b and feat/b2 are b's; main is the main worktree's, release a target. */
static const char owners_text[] =
	"{\"version\":1,\"repos\":{\"/r/.git\":{\"main\":\"/r\",\"targets\":[\"release\",\"feat/"
	"a\"],\"at_main\":[\"peer-m\"],"
	"\"branches\":{\"feat/a\":{\"peer\":\"peer-a\",\"name\":\"feat/a\",\"circle\":\"default\"},"
	"\"feat/b\":{\"peer\":\"peer-b\",\"name\":\"bob\",\"circle\":\"web\"}}}}}";

static json_t *owners(void)
{
	json_t *parsed = NULL;
	assert_int_equal(guard_file_parse(owners_text, strlen(owners_text), &parsed, NULL), 0);
	return parsed;
}

static int transaction(const char *common, const char *peer, const char *command, size_t len,
		       const char *lines, struct error *err)
{
	json_auto_t *all = owners();
	struct guard_place place = {.repo = json_object_get(json_object_get(all, "repos"), "/r/.git"),
				    .peer = peer,
				    .main_branch = "main",
				    .command = command,
				    .command_len = len,
				    .common_dir = common};
	return guard_check_transaction(&place, lines, strlen(lines), err);
}

static void test_W9_whose_a_branch_is_decides(void **state)
{
	(void)state;
	static const struct {
		const char *peer, *lines;
		int code;
	} cases[] = {
		{"peer-a", "", 0},
		{"peer-a", A " " B " refs/heads/feat/a\n", 0}, /* its own, though it is a target too */
		{"peer-a", A " " B " HEAD\n" A " " B " refs/heads/feat/a\n", 0},
		{"peer-a", A " " B " refs/heads/feat/b\n", ERR_REFUSED},
		{"peer-a", NONE " " B " refs/heads/feat/b\n", ERR_REFUSED},
		{"peer-a", A " " NONE " refs/heads/feat/b\n", ERR_REFUSED},
		{"peer-a", A " " B " refs/heads/feat/a\n" A " " B " refs/heads/feat/b", ERR_REFUSED},
		{"peer-b", A " " B " refs/heads/feat/b\n", 0},
		{"", A " " B " refs/heads/feat/a\n", ERR_REFUSED}, /* nobody owns nothing */
		{"", A " " B " refs/heads/other\n", 0},
		{"peer-a", NONE " " B " refs/heads/feat/c\n" A " " B " refs/heads/feat/bb\n", 0},
		{"peer-a", A " " B " refs/heads/main\n", ERR_REFUSED},
		{"peer-a", A " " B " refs/heads/release\n", ERR_REFUSED},
		{"peer-m", A " " B " refs/heads/main\n", 0}, /* it works right there */
		{"peer-m", A " " B " refs/heads/release\n", ERR_REFUSED},
		{"peer-m", A " " B " refs/heads/feat/b\n", ERR_REFUSED},
		/* What leaves the value as it is, and what is no branch. */
		{"peer-a", B " " B " refs/heads/feat/b\n", 0},
		{"peer-a", "ref:refs/heads/x ref:refs/heads/x refs/heads/feat/b\n", 0},
		{"peer-a", "ref:refs/heads/x ref:refs/heads/y refs/heads/feat/b\n", ERR_REFUSED},
		{"peer-a", B " ref:refs/heads/feat/a refs/heads/feat/b\n", ERR_REFUSED},
		{"peer-a", "ref:refs/heads/feat/b ref:refs/heads/feat/a HEAD\n", 0},
		{"peer-a", A " " B " worktrees/b/HEAD\n" A " " B " main-worktree/HEAD\n", 0},
		{"peer-a", NONE " " B " refs/tags/feat/b\n" A " " B " refs/remotes/origin/feat/b\n", 0},
		{"peer-a", A " " B " refs/stash\n" A " " B " refs/heads/\n" A " " B " refs/headsfeat/b\n", 0},
		{"peer-a", A " " B "\n", ERR_INVALID},
		{"peer-a", A "  refs/heads/feat/b\n", ERR_INVALID},
		{"peer-a", "\n", ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoerror err = {0};
		int code = transaction(NULL, cases[i].peer, NULL, 0, cases[i].lines, &err);
		if (code != cases[i].code)
			fail_msg("%s: %s: %d (%s)", cases[i].peer, cases[i].lines, code,
				 err.message ? err.message : "");
	}
}

static void test_W9_a_refusal_says_whose_it_is_and_what_to_do(void **state)
{
	(void)state;
	autoerror owned = {0}, main = {0}, target = {0};
	assert_int_equal(transaction(NULL, "peer-a", NULL, 0, A " " B " refs/heads/feat/b", &owned),
			 ERR_REFUSED);
	assert_string_equal(owned.message, "refs/heads/feat/b is bob's (peer-b)");
	assert_non_null(strstr(owned.hint, "coppice ask web:bob"));
	assert_int_equal(transaction(NULL, "peer-a", NULL, 0, A " " B " refs/heads/main", &main),
			 ERR_REFUSED);
	assert_non_null(strstr(main.message, "refs/heads/main is the main worktree's branch"));
	assert_int_equal(transaction(NULL, "peer-a", NULL, 0, A " " B " refs/heads/release", &target),
			 ERR_REFUSED);
	assert_non_null(strstr(target.message, "where changes land"));
	assert_non_null(strstr(target.hint, "coppice land"));
}

static void test_W9_a_push_to_a_repository_of_this_machine_counts_as_a_change_there(void **state)
{
	(void)state;
	json_auto_t *all = owners();
	struct guard_place place = {.repo = json_object_get(json_object_get(all, "repos"), "/r/.git"),
				    .peer = "peer-a"};
	static const struct {
		const char *line;
		int code;
	} cases[] = {
		{"HEAD " B " refs/heads/feat/b " A "\n", ERR_REFUSED},
		{"(delete) " NONE " refs/heads/feat/b " A "\n", ERR_REFUSED},
		{"HEAD " B " refs/heads/feat/b " B "\n", 0},
		{"HEAD " B " refs/heads/feat/a " A "\n", 0},
		{"HEAD " B " refs/heads/feat/b\n", ERR_INVALID},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(guard_check_push(&place, cases[i].line, strlen(cases[i].line), NULL),
				 cases[i].code);
}

static int at(const char *common, const char *lines)
{
	return transaction(common, "peer-a", NULL, 0, lines, NULL);
}

static void test_W9_what_leaves_the_value_as_it_is_passes(void **state)
{
	(void)state;
	struct fixture fx;
	fx_init(&fx);
	const char *c = fx.common;
	/* Nobody says what it was: looked up, loose or packed. */
	fx_write(c, "refs/heads/feat/b", B "\n");
	assert_int_equal(at(c, NONE " " B " refs/heads/feat/b\n"), 0);
	assert_int_equal(at(c, NONE " " A " refs/heads/feat/b\n"), ERR_REFUSED);
	fx_write(c, "packed-refs",
		 "# pack-refs with: peeled\n" A " refs/heads/feat\n" A " refs/heads/feat/b\n^" B "\n");
	assert_int_equal(at(c, NONE " " B " refs/heads/feat/b\n"), 0); /* loose wins */
	/* Deleting the loose one of a packed branch is pruning only when the value stays. */
	assert_int_equal(at(c, B " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	fx_write(c, "refs/heads/feat/b", A "\n");
	assert_int_equal(at(c, A " " NONE " refs/heads/feat/b\n"), 0);
	fx_write(c, "packed-refs.lock", "");
	assert_int_equal(at(c, A " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	assert_int_equal(at(c, NONE " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	autofree char *loose = path_join(c, "refs/heads/feat/b"), *lock = path_join(c, "packed-refs.lock");
	assert_int_equal(unlink(loose) | unlink(lock), 0);
	assert_int_equal(at(c, NONE " " A " refs/heads/feat/b\n"), 0);
	assert_int_equal(at(c, NONE " " B " refs/heads/feat/b\n"), ERR_REFUSED);
	/* There is none to be deleted. */
	fx_write(c, "packed-refs", "");
	assert_int_equal(at(c, NONE " " NONE " refs/heads/feat/b\n"), 0);
	/* A store that we do not read: nothing is known of a value. */
	fx_write(c, "reftable/tables.list", "");
	assert_int_equal(at(c, NONE " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	fx_release(&fx);
}

static void test_W9_a_renaming_over_anothers_branch_is_refused_before_it_deletes_the_own(void **state)
{
	(void)state;
	static const char over[] = "git\0branch\0-M\0feat/a\0feat/b",
			  full[] = "git\0branch\0-M\0refs/heads/main",
			  own[] = "git\0branch\0-M\0feat/a\0feat/new",
			  unended[] = {'f', 'e', 'a', 't', '/', 'b'};
	static const char deletion[] = A " " NONE " refs/heads/feat/a\n",
			  move[] = A " " B " refs/heads/feat/a\n";
	assert_int_equal(transaction(NULL, "peer-a", over, sizeof(over), deletion, NULL), ERR_REFUSED);
	assert_int_equal(transaction(NULL, "peer-a", full, sizeof(full), deletion, NULL), ERR_REFUSED);
	assert_int_equal(transaction(NULL, "peer-a", unended, sizeof(unended), deletion, NULL), ERR_REFUSED);
	assert_int_equal(transaction(NULL, "peer-a", own, sizeof(own), deletion, NULL), 0);
	/* To name another's branch is no change of it: git merge feat/b. */
	assert_int_equal(transaction(NULL, "peer-a", over, sizeof(over), move, NULL), 0);
}

static void test_W9_the_log_of_a_branch_whose_renaming_is_refused_is_put_back(void **state)
{
	(void)state;
	struct fixture fx;
	fx_init(&fx);
	const char *c = fx.common;
	static const char log[] =
		NONE " " A " Ada <a@b> 1 +0000\tbranch\n" A " " B " Ada <a@b> 2 +0000\tcommit\n";
	fx_write(c, "refs/heads/feat/b", B "\n");
	fx_write(c, "logs/refs/.tmp-renamed-log", log);
	assert_int_equal(at(c, B " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	autofree char *back = fx_read(c, "logs/refs/heads/feat/b");
	assert_string_equal(back, log);
	assert_false(fx_exists(c, "logs/refs/.tmp-renamed-log"));
	/* One that is there stays, and so does another's. */
	fx_write(c, "logs/refs/.tmp-renamed-log", "x\n");
	assert_int_equal(at(c, B " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	autofree char *kept = fx_read(c, "logs/refs/heads/feat/b");
	assert_string_equal(kept, log);
	autofree char *path = path_join(c, "logs/refs/heads/feat/b");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(at(c, B " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	fx_write(c, "logs/refs/.tmp-renamed-log", B " " A " Ada <a@b> 2 +0000\tanother's\n");
	assert_int_equal(at(c, B " " NONE " refs/heads/feat/b\n"), ERR_REFUSED);
	assert_false(fx_exists(c, "logs/refs/heads/feat/b"));
	fx_release(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_W9_whose_a_branch_is_decides),
		cmocka_unit_test(test_W9_a_refusal_says_whose_it_is_and_what_to_do),
		cmocka_unit_test(test_W9_a_push_to_a_repository_of_this_machine_counts_as_a_change_there),
		cmocka_unit_test(test_W9_what_leaves_the_value_as_it_is_passes),
		cmocka_unit_test(
			test_W9_a_renaming_over_anothers_branch_is_refused_before_it_deletes_the_own),
		cmocka_unit_test(test_W9_the_log_of_a_branch_whose_renaming_is_refused_is_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
