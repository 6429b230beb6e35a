/* Tests of plan files: what is read, what is applied by default, and that whatever is wrong is named with
 * file, line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "os/file.h"
#include "os/testing.h"
#include "work/plan_file.h"

static int check_agent(const char *backend, const char *profile, const char *sandbox, void *data,
		       struct error *err)
{
	(void)sandbox;
	(void)data;
	if (strcmp(backend, "vim") == 0)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "no backend 'vim'"), "one of codex");
	if (profile && strcmp(profile, "wrong") == 0)
		return error_set(err, ERR_NOT_FOUND, "no profile 'wrong'");
	return 0;
}

static int parse_at(const char *text, const char *dir, const char *repo, struct plan_file **ret,
		    struct error *err)
{
	const struct plan_source src = {
		.file = "plan.yaml",
		.text = text,
		.len = strlen(text),
		.dir = dir,
		.cwd = "/cwd",
		.home = "/home/u",
		.repo_root = repo,
		.target = "main",
		.check_agent = check_agent,
	};
	return plan_file_parse(&src, ret, err);
}

static struct plan_file *parse(const char *text)
{
	struct plan_file *plan = NULL;
	autoerror err = {0};
	if (parse_at(text, NULL, NULL, &plan, &err))
		fail_msg("%s", err.message);
	return plan;
}

static const char full[] = "repo: sub\n"
			   "into: dev\n"
			   "circle: features\n"
			   "parallel: 8\n"
			   "defaults: { backend: claude-code, profile: capable, sandbox: worktree }\n"
			   "gate: [\"make test\", [npm, run, lint]]\n"
			   "push: branches\n"
			   "remote: upstream\n"
			   "land: { via: pr, how: rebase, push: false }\n"
			   "review: { backend: codex, approvals: 2 }\n"
			   "retry: { attempts: 3, state: fresh }\n"
			   "tasks:\n"
			   "  - branch: feat/c\n"
			   "    needs: [feat/b, feat/a]\n"
			   "    start: after\n"
			   "    run: [make, 'feature c']\n"
			   "    backend: script\n"
			   "  - branch: feat/a\n"
			   "    prompt: implement feat/a\n"
			   "    circle: other\n"
			   "  - branch: feat/b\n"
			   "    needs: feat/a\n"
			   "    start: stacked\n"
			   "    prompt: |\n"
			   "      implement feat/b\n"
			   "      and test it\n"
			   "    backend: codex\n"
			   "    profile: fast\n"
			   "    sandbox: none\n";

static void test_every_field(void **state)
{
	(void)state;
	autoplan *plan = parse(full);
	assert_string_equal(plan->repo, "/cwd/sub");
	assert_string_equal(plan->into, "dev");
	assert_int_equal(plan->parallel, 8);
	assert_int_equal(plan->gate, PLAN_GATE_COMMANDS);
	autofree char *gate = json_text(plan->gate_commands);
	assert_string_equal(gate, "[\"make test\",[\"npm\",\"run\",\"lint\"]]");
	assert_int_equal(plan->push, PLAN_PUSH_BRANCHES);
	assert_string_equal(plan->remote, "upstream");
	assert_int_equal(plan->via, PLAN_VIA_PR);
	assert_int_equal(plan->how, PLAN_HOW_REBASE);
	assert_true(plan->review.present);
	assert_string_equal(plan->review.backend, "codex");
	assert_int_equal(plan->review.approvals, 2);
	assert_int_equal(plan->attempts, 3);
	assert_int_equal(plan->retry_state, PLAN_RETRY_FRESH);
	assert_int_equal(plan->n_tasks, 3);
	const struct plan_task *c = &plan->tasks[0], *a = &plan->tasks[1], *b = &plan->tasks[2];
	assert_int_equal(c->line, 13);
	assert_string_equal(c->backend, "script");
	assert_null(c->profile);
	assert_string_equal(c->run[1], "feature c");
	assert_null(c->run[2]);
	assert_null(c->prompt);
	assert_int_equal(c->n_needs, 2);
	assert_int_equal(c->needs[0], 2);
	assert_int_equal(c->needs[1], 1);
	assert_int_equal(c->start, PLAN_START_AFTER);
	assert_string_equal(a->backend, "claude-code");
	assert_string_equal(a->profile, "capable");
	assert_string_equal(a->sandbox, "worktree");
	assert_string_equal(a->circle, "other");
	assert_int_equal(a->start, PLAN_START_PARALLEL);
	assert_string_equal(b->prompt, "implement feat/b\nand test it\n");
	assert_string_equal(b->profile, "fast");
	assert_string_equal(b->sandbox, "none");
	assert_string_equal(b->circle, "features");
	size_t order[3];
	plan_file_order(plan, order);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 0);
}

static void test_defaults(void **state)
{
	(void)state;
	autoplan *plan = parse("defaults: {backend: codex, profile: p, start: stacked}\n"
			       "tasks:\n"
			       "- {branch: a, prompt: x}\n"
			       "- {branch: b, prompt: x, needs: a, backend: pi}\n"
			       "- {branch: c, run: ['true']}\n");
	assert_string_equal(plan->repo, "/cwd");
	assert_string_equal(plan->into, "main");
	assert_null(plan->circle);
	assert_int_equal(plan->parallel, 4);
	assert_int_equal(plan->gate, PLAN_GATE_ABSENT);
	assert_int_equal(plan->push, PLAN_PUSH_NONE);
	assert_string_equal(plan->remote, "origin");
	assert_int_equal(plan->via, PLAN_VIA_LOCAL);
	assert_int_equal(plan->how, PLAN_HOW_SQUASH);
	assert_false(plan->land_push);
	assert_false(plan->review.present);
	assert_int_equal(plan->attempts, 1);
	/* A default start is for tasks that need one; a default profile is its backend's. */
	assert_int_equal(plan->tasks[0].start, PLAN_START_PARALLEL);
	assert_int_equal(plan->tasks[1].start, PLAN_START_STACKED);
	assert_string_equal(plan->tasks[0].profile, "p");
	assert_null(plan->tasks[1].profile);
	assert_string_equal(plan->tasks[2].backend, "script");
	assert_null(plan->tasks[2].profile);
	assert_null(plan->tasks[0].sandbox);
}

static void test_gate_none_is_not_no_gate(void **state)
{
	(void)state;
	autoplan *none = parse("gate: none\ntasks: [{branch: a, run: [x]}]\n");
	assert_int_equal(none->gate, PLAN_GATE_NONE);
	assert_null(none->gate_commands);
	autoplan *one = parse("gate: make test\ntasks: [{branch: a, run: [x]}]\n");
	assert_int_equal(one->gate, PLAN_GATE_COMMANDS);
	assert_int_equal(json_array_size(one->gate_commands), 1);
}

static void test_repo_paths(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {{"", "/cwd"},
		     {"repo: .\n", "/cwd"},
		     {"repo:\n", "/cwd"},
		     {"repo: ../x\n", "/cwd/../x"},
		     {"repo: /abs\n", "/abs"},
		     {"repo: ~/src/x\n", "/home/u/src/x"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("%stasks: [{branch: a, run: [x]}]\n", cases[i].text);
		autoplan *plan = parse(text);
		assert_string_equal(plan->repo, cases[i].want);
		const struct plan_source src = {.file = "plan.yaml",
						.text = text,
						.len = strlen(text),
						.cwd = "/cwd",
						.home = "/home/u"};
		autofree char *repo = NULL;
		assert_int_equal(plan_file_repo(&src, &repo, NULL), 0);
		assert_string_equal(repo, cases[i].want);
	}
}

static void assert_refused(const char *text, const char *want)
{
	autoplan *plan = NULL;
	autoerror err = {0};
	assert_int_equal(parse_at(text, NULL, NULL, &plan, &err), ERR_INVALID);
	assert_null(plan);
	assert_string_equal(err.message, want);
}

static void test_each_bad_field_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want; /* the text before the tasks, and what is said of it */
	} cases[] = {
		{"tsks: 1", "tsks: unknown key 'tsks' (did you mean 'tasks'?)"},
		{"parallel: 0", "parallel: 0 is not between 1 and 64"},
		{"parallel: 65", "parallel: 65 is not between 1 and 64"},
		{"into: a..b", "into: 'a..b' is not a branch name"},
		{"circle: a b",
		 "circle: not a circle name: use 1 to 64 of A-Z a-z 0-9 _ and -, not starting with -"},
		{"gate:", "gate: an empty gate: write 'none', or a list of commands"},
		{"gate: []", "gate: an empty gate: write 'none', or a list of commands"},
		{"gate: [[]]", "gate[0]: an argument list has to start with the program's name"},
		{"push: all", "push: unknown value 'all' (one of none, branches)"},
		{"remote: --upload-pack=x", "remote: '--upload-pack=x' is not the name of a remote"},
		{"land: local", "land: expected a mapping (key: value), not a text"},
		{"land: {how: sqash}", "land.how: unknown value 'sqash' (did you mean 'squash'?)"},
		{"land: {via: none, push: true}", "land.push: pushing the target needs 'via: local'"},
		{"review: {}", "review: name either a 'backend' to spawn or a 'peer' to ask"},
		{"review: {backend: codex, peer: x}",
		 "review: name either a 'backend' to spawn or a 'peer' to ask"},
		{"review: {peer: x, profile: y}", "review.profile: a profile goes with a 'backend'"},
		{"review: {peer: x, approvals: 0}", "review.approvals: 0 is not between 1 and 10"},
		{"retry: {attempts: many}", "retry.attempts: 'many' is not a whole number"},
		{"retry: {state: new}", "retry.state: unknown value 'new' (one of resume, fresh)"},
		{"defaults: {branch: x}",
		 "defaults.branch: unknown key 'branch' (one of backend, profile, sandbox, circle, start)"},
		{"defaults: {sandbox: container}",
		 "defaults.sandbox: unknown value 'container' (one of none, worktree)"},
		{"repo: [x]", "repo: expected a text, not a list"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("# x\n%s\ntasks: [{branch: a, run: [x]}]\n", cases[i].text);
		autofree char *want = xasprintf("plan.yaml:2: %s", cases[i].want);
		assert_refused(text, want);
	}
}

static void test_each_bad_task_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *task, *want;
	} cases[] = {
		{"prompt: x", "tasks[1].branch: missing"},
		{"branch: b c", "tasks[1].branch: 'b c' is not a branch name"},
		{"branch: main", "tasks[1].branch: 'main' is the target branch itself"},
		{"branch: main/x", "tasks[1].branch: git cannot have 'main/x' beside the target 'main'"},
		{"branch: a/x", "tasks[1].branch: git cannot have 'a/x' beside 'a'"},
		{"branch: a", "tasks[1].branch: 'a' is already the branch of tasks[0]"},
		{"branch: b, prompt: ' '", "tasks[1].prompt: an empty prompt"},
		{"branch: b, prompt: x, prompt_file: y", "tasks[1].prompt_file: there is a 'prompt' already"},
		{"branch: b, prompt_file: y", "tasks[1].prompt_file: there is no folder to find a file in: "
					      "give the 'prompt' itself"},
		{"branch: b, run: [x], prompt: y",
		 "tasks[1].prompt: a task of backend script has 'run' in place of a prompt"},
		{"branch: b, backend: script, prompt: x",
		 "tasks[1].run: a task of backend script needs 'run: [program, argument…]'\n"
		 "plan.yaml:4: tasks[1].prompt: a task of backend script has 'run' in place of a prompt"},
		{"branch: b, backend: pi, run: [x]",
		 "tasks[1].run: 'run' is for backend script, and this is pi"},
		{"branch: b, run: make", "tasks[1].run: expected a list of arguments, such as [make, test], "
					 "not a text"},
		{"branch: b, backend: vim, prompt: x", "tasks[1].backend: no backend 'vim': one of codex"},
		{"branch: b, backend: pi, profile: wrong, prompt: x", "tasks[1].backend: no profile 'wrong'"},
		{"branch: b, backend: '', prompt: x", "tasks[1].backend: an empty name"},
		{"branch: b, prompt: x, neds: [a]",
		 "tasks[1].neds: unknown key 'neds' (did you mean 'needs'?)"},
		{"branch: b, prompt: x, needs: [aa]",
		 "tasks[1].needs[0]: no task has the branch 'aa' (did you mean 'a'?)"},
		{"branch: b, prompt: x, needs: nothing", "tasks[1].needs: no task has the branch 'nothing'"},
		{"branch: b, prompt: x, needs: [a, a]", "tasks[1].needs[1]: 'a' is there twice"},
		{"branch: b, prompt: x, needs: [b]", "tasks[1].needs: a cycle: b -> b"},
		{"branch: b, prompt: x, start: stacked",
		 "tasks[1].start: 'stacked' needs a branch in 'needs'"},
		{"branch: b, prompt: x, start: after, needs: []",
		 "tasks[1].start: 'after' needs a branch in 'needs'"},
		{"branch: b, prompt: x, start: soon",
		 "tasks[1].start: unknown value 'soon' (one of parallel, stacked, after)"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool has_work = strstr(cases[i].task, "prompt") || strstr(cases[i].task, "run");
		autofree char *text =
			xasprintf("defaults: {backend: codex}\ntasks:\n- {branch: a, prompt: x}\n- {%s%s}\n",
				  cases[i].task, has_work ? "" : ", prompt: x");
		autofree char *want = xasprintf("plan.yaml:4: %s", cases[i].want);
		assert_refused(text, want);
	}
}

static void test_a_task_without_any_backend(void **state)
{
	(void)state;
	assert_refused("tasks:\n- {branch: a, prompt: x}\n",
		       "plan.yaml:2: tasks[0].backend: missing: name one here or in 'defaults'");
	assert_refused("tasks:\n- {branch: a, backend: pi}\n",
		       "plan.yaml:2: tasks[0].prompt: missing: give 'prompt' or 'prompt_file'");
}

static void test_tasks_of_other_shapes(void **state)
{
	(void)state;
	assert_refused("into: dev\n", "plan.yaml:1: tasks: missing");
	assert_refused("", "plan.yaml:1: expected a mapping (key: value), not nothing");
	assert_refused("tasks: []\n", "plan.yaml:1: tasks: expected a list of at least one task");
	assert_refused("tasks: {branch: a}\n", "plan.yaml:1: tasks: expected a list of at least one task");
	assert_refused("tasks:\n- a\n", "plan.yaml:2: tasks[0]: expected a mapping (key: value), not a text");
	autostrbuf many = STRBUF_INIT(1 << 16);
	strbuf_addstr(&many, "tasks:\n");
	for (int i = 0; i <= PLAN_TASKS_MAX; i++)
		strbuf_addf(&many, "- {branch: b%d, run: [x]}\n", i);
	assert_refused(many.buf, "plan.yaml:2: tasks: 201 tasks; a plan has at most 200");
}

static void test_cycles_are_printed(void **state)
{
	(void)state;
	assert_refused("tasks:\n"
		       "- {branch: x, run: [x], needs: [feat/b]}\n"
		       "- {branch: feat/a, run: [x], needs: [feat/b]}\n"
		       "- {branch: feat/b, run: [x], needs: [feat/a]}\n"
		       "- {branch: p, run: [x], needs: [q]}\n"
		       "- {branch: q, run: [x], needs: [r, x]}\n"
		       "- {branch: r, run: [x], needs: [p]}\n",
		       "plan.yaml:4: tasks[2].needs: a cycle: feat/b -> feat/a -> feat/b\n"
		       "plan.yaml:5: tasks[3].needs: a cycle: p -> q -> r -> p");
}

static void test_starts_that_cannot_work(void **state)
{
	(void)state;
	assert_refused("tasks:\n"
		       "- {branch: a, run: [x]}\n"
		       "- {branch: b, run: [x]}\n"
		       "- {branch: c, run: [x], needs: [a, b], start: stacked}\n",
		       "plan.yaml:4: tasks[2].start: 'stacked' is cut from one branch, and this needs 2: use "
		       "'after'");
	assert_refused("land: {via: none}\n"
		       "tasks:\n"
		       "- {branch: a, run: [x]}\n"
		       "- {branch: b, run: [x], needs: [a], start: after}\n",
		       "plan.yaml:4: tasks[1].start: 'after' waits for a landing, and with land.via 'none' "
		       "nothing lands");
}

static void test_all_problems_come_together(void **state)
{
	(void)state;
	assert_refused("paralel: 2\n"
		       "gate: []\n"
		       "tasks:\n"
		       "  - branch: a\n"
		       "    needs: [b]\n"
		       "    run: [x]\n"
		       "  - branch: b\n"
		       "    needs: [a, c]\n"
		       "    backend: vim\n",
		       "plan.yaml:1: paralel: unknown key 'paralel' (did you mean 'parallel'?)\n"
		       "plan.yaml:2: gate: an empty gate: write 'none', or a list of commands\n"
		       "plan.yaml:5: tasks[0].needs: a cycle: a -> b -> a\n"
		       "plan.yaml:7: tasks[1].prompt: missing: give 'prompt' or 'prompt_file'\n"
		       "plan.yaml:8: tasks[1].needs[1]: no task has the branch 'c' (did you mean 'a'?)\n"
		       "plan.yaml:9: tasks[1].backend: no backend 'vim': one of codex");
}

/* Each of the 8,000 wrong names would be compared with 199 branches, were it to be shown. */
static void test_thousands_of_problems_are_only_counted(void **state)
{
	(void)state;
	autostrbuf text = STRBUF_INIT(1 << 20);
	strbuf_addstr(&text, "tasks:\n");
	for (int i = 0; i < PLAN_TASKS_MAX; i++) {
		strbuf_addf(&text, "- {branch: a-branch-with-a-long-name-%d, run: [x], needs: [", i);
		for (int k = 0; k < 40; k++)
			strbuf_addf(&text, "%sa-needed-one-of-a-long-name-too-%d", k ? ", " : "", k);
		strbuf_addstr(&text, "]}\n");
	}
	autoplan *plan = NULL;
	autoerror err = {0};
	assert_int_equal(parse_at(text.buf, NULL, NULL, &plan, &err), ERR_INVALID);
	assert_non_null(strstr(err.message, "\nand 7980 more"));
}

static void test_a_long_chain(void **state)
{
	(void)state;
	autostrbuf text = STRBUF_INIT(1 << 16);
	strbuf_addstr(&text, "tasks:\n");
	for (int i = 0; i < PLAN_TASKS_MAX - 1; i++)
		strbuf_addf(&text, "- {branch: b%d, run: [x], needs: [b%d], start: stacked}\n", i, i + 1);
	strbuf_addf(&text, "- {branch: b%d, run: [x]}\n", PLAN_TASKS_MAX - 1);
	autoplan *plan = parse(text.buf);
	size_t order[PLAN_TASKS_MAX];
	plan_file_order(plan, order);
	for (size_t i = 0; i < PLAN_TASKS_MAX; i++)
		assert_int_equal(order[i], PLAN_TASKS_MAX - 1 - i);
}

static void test_json_and_back(void **state)
{
	(void)state;
	static const char *const texts[] = {
		full,
		"gate: none\nreview: {peer: x}\ntasks: [{branch: a, run: [x, \"\\e\\x7f\"]}]\n",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autoplan *plan = parse(texts[i]), *again = NULL;
		json_auto_t *json = plan_file_to_json(plan);
		const struct plan_source src = {.file = "plan"};
		autoerror err = {0};
		if (plan_file_from_json(json, &src, &again, &err))
			fail_msg("%s", err.message);
		json_auto_t *second = plan_file_to_json(again);
		assert_true(json_equal(json, second));
		assert_int_equal(again->gate, plan->gate);
		assert_string_equal(again->tasks[0].branch, plan->tasks[0].branch);
	}
}

static void test_json_problems_have_no_lines(void **state)
{
	(void)state;
	json_auto_t *json =
		json_pack("{s:s, s:[{s:s, s:s}]}", "repo", "x", "tasks", "branch", "a", "nedds", "b");
	const struct plan_source src = {.file = "plan"};
	autoplan *plan = NULL;
	autoerror err = {0};
	assert_int_equal(plan_file_from_json(json, &src, &plan, &err), ERR_INVALID);
	assert_string_equal(err.message, "plan: repo: has to be an absolute path here\n"
					 "plan: tasks[0].nedds: unknown key 'nedds' (did you mean 'needs'?)\n"
					 "plan: tasks[0].backend: missing: name one here or in 'defaults'\n"
					 "plan: tasks[0].prompt: missing: give 'prompt' or 'prompt_file'");
}

/* Prompt files: <tmp>/plans is the plan's folder, <tmp>/repo the repository, <tmp>/out neither. */

static char *make_folders(void)
{
	char *top = test_folder_make();
	static const char *const folders[] = {"plans", "repo/docs", "out"};
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		autofree char *folder = path_join(top, folders[i]);
		assert_int_equal(dir_make(folder, 0700, NULL), 0);
	}
	return top;
}

static void put(const char *top, const char *name, const char *text, size_t len)
{
	autofree char *path = path_join(top, name);
	assert_int_equal(file_replace(path, text, len, 0600, NULL), 0);
}

static int parse_prompt(const char *top, const char *name, struct plan_file **ret, struct error *err)
{
	autofree char *dir = path_join(top, "plans"), *repo = path_join(top, "repo");
	autofree char *text = xasprintf("tasks:\n- {branch: a, backend: pi, prompt_file: %s}\n", name);
	return parse_at(text, dir, repo, ret, err);
}

static void assert_prompt(const char *top, const char *name, const char *want)
{
	autoplan *plan = NULL;
	autoerror err = {0};
	if (parse_prompt(top, name, &plan, &err))
		fail_msg("%s", err.message);
	assert_string_equal(plan->tasks[0].prompt, want);
	assert_string_equal(plan->tasks[0].prompt_file, name);
}

static void assert_no_prompt(const char *top, const char *name, const char *want)
{
	autoplan *plan = NULL;
	autoerror err = {0};
	assert_int_equal(parse_prompt(top, name, &plan, &err), ERR_INVALID);
	if (!strstr(err.message, "plan.yaml:2: tasks[0].prompt_file: ") || !strstr(err.message, want))
		fail_msg("%s", err.message);
}

static void test_prompt_files(void **state)
{
	(void)state;
	autofolder top = make_folders();
	autofree char *absolute = path_join(top, "repo/docs/b.md"), *linked = path_join(top, "plans/link.md");
	autofree char *gone = path_join(top, "plans/gone.md"), *out = path_join(top, "out/c.md");
	put(top, "plans/a.md", "from the plan's folder", 22);
	put(top, "repo/a.md", "from the repository", 19);
	put(top, "repo/docs/b.md", "b", 1);
	put(top, "out/c.md", "c", 1);
	put(top, "plans/bytes.md", "a\xff", 2);
	put(top, "plans/nul.md", "a\0b", 3);
	put(top, "plans/empty.md", " \n", 2);
	assert_int_equal(symlink(out, linked), 0);
	assert_int_equal(symlink("nowhere", gone), 0);
	assert_prompt(top, "a.md", "from the plan's folder");
	assert_prompt(top, "docs/b.md", "b");
	assert_prompt(top, absolute, "b");
	assert_prompt(top, "../repo/docs/../docs/b.md", "b");
	assert_no_prompt(top, "none.md", "no file 'none.md'");
	assert_no_prompt(top, "none/at/all.md", "no file 'none/at/all.md'");
	assert_no_prompt(top, "gone.md", "no file 'gone.md'");
	assert_no_prompt(top, "../out/c.md", "leads outside");
	assert_no_prompt(top, out, "leads outside");
	assert_no_prompt(top, "link.md", "leads outside");
	assert_no_prompt(top, "/etc/passwd", "leads outside");
	assert_no_prompt(top, "docs", "docs");
	assert_no_prompt(top, "bytes.md", "not a text in UTF-8");
	assert_no_prompt(top, "nul.md", "not a text in UTF-8");
	assert_no_prompt(top, "empty.md", "an empty prompt");
}

static void test_prompt_files_are_capped(void **state)
{
	(void)state;
	autofolder top = make_folders();
	autofree char *big = xmalloc(PLAN_PROMPT_MAX + 1);
	memset(big, 'x', PLAN_PROMPT_MAX + 1);
	put(top, "plans/fits.md", big, PLAN_PROMPT_MAX);
	put(top, "plans/big.md", big, PLAN_PROMPT_MAX + 1);
	autoplan *plan = NULL;
	assert_int_equal(parse_prompt(top, "fits.md", &plan, NULL), 0);
	assert_no_prompt(top, "big.md", "big.md");
	autostrbuf text = STRBUF_INIT(4096);
	strbuf_addstr(&text, "defaults: {backend: pi}\ntasks:\n");
	for (int i = 0; i < 9; i++)
		strbuf_addf(&text, "- {branch: b%d, prompt_file: fits.md}\n", i);
	autofree char *dir = path_join(top, "plans");
	autoplan *nine = NULL;
	autoerror err = {0};
	assert_int_equal(parse_at(text.buf, dir, NULL, &nine, &err), ERR_INVALID);
	assert_string_equal(err.message,
			    "plan.yaml:3: tasks: all prompts together are larger than 8388608 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_gate_none_is_not_no_gate),
		cmocka_unit_test(test_repo_paths),
		cmocka_unit_test(test_each_bad_field_is_named),
		cmocka_unit_test(test_each_bad_task_is_named),
		cmocka_unit_test(test_a_task_without_any_backend),
		cmocka_unit_test(test_tasks_of_other_shapes),
		cmocka_unit_test(test_cycles_are_printed),
		cmocka_unit_test(test_starts_that_cannot_work),
		cmocka_unit_test(test_all_problems_come_together),
		cmocka_unit_test(test_thousands_of_problems_are_only_counted),
		cmocka_unit_test(test_a_long_chain),
		cmocka_unit_test(test_json_and_back),
		cmocka_unit_test(test_json_problems_have_no_lines),
		cmocka_unit_test(test_prompt_files),
		cmocka_unit_test(test_prompt_files_are_capped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
