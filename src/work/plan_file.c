/* Reading plan files; see plan_file.h.
 *
 * In order: the document's tables fill the structs (unknown keys and wrong types are noted there);
 * defaults are applied to each task; then the checks that need the whole plan run (plan_check.c). Each
 * step goes on after a problem, so that all of them are reported at once, and none of them creates
 * anything. A plan from JSON takes the same way, through the same tree. */
#include "work/plan_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "os/file.h"
#include "work/plan_check.h"

static const char *const starts[] = {"parallel", "stacked", "after", NULL};
static const char *const pushes[] = {"none", "branches", NULL};
static const char *const vias[] = {"local", "pr", "none", NULL};
static const char *const hows[] = {"squash", "rebase", "merge", NULL};
static const char *const retries[] = {"resume", "fresh", NULL};
static const char *const sandboxes[] = {"none", "worktree", NULL};
static const char script[] = "script";

const char *plan_start_name(enum plan_start start)
{
	return starts[start];
}

const char *plan_push_name(enum plan_push push)
{
	return pushes[push];
}

const char *plan_via_name(enum plan_via via)
{
	return vias[via];
}

const char *plan_how_name(enum plan_how how)
{
	return hows[how];
}

const char *plan_retry_name(enum plan_retry state)
{
	return retries[state];
}

/* A text that cannot be empty. */
static void read_name(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	const char *text;
	char **to = member;
	if (!yaml_text(node, &text, r))
		return;
	if (!*text)
		yaml_problem(r, node, "an empty name");
	else
		*to = xstrdup(text);
}

static void read_circle(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	const char *text;
	char **to = member;
	autoerror why = {0};
	if (!yaml_text(node, &text, r))
		return;
	if (circle_name_check(text, &why))
		yaml_problem(r, node, "%s: %s", why.message, why.hint);
	else
		*to = xstrdup(text);
}

static void read_into(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	const char *text;
	char **to = member;
	autoerror why = {0};
	if (!yaml_text(node, &text, r))
		return;
	if (branch_name_check(text, &why))
		yaml_problem(r, node, "%s", why.message);
	else
		*to = xstrdup(text);
}

static void read_sandbox(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	int i;
	char **to = member;
	if (yaml_choice(node, sandboxes, &i, r))
		*to = xstrdup(sandboxes[i]);
}

static void read_remote(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";
	const char *text;
	char **to = member;
	if (!yaml_text(node, &text, r))
		return;
	if (!*text || *text == '-' || text[strspn(text, set)])
		yaml_problem(r, node, "'%.100s' is not the name of a remote", text);
	else
		*to = xstrdup(text);
}

static void read_defaults(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("backend", YAML_TYPE_CUSTOM, struct plan_defaults, backend, .read = read_name),
		YAML_FIELD("profile", YAML_TYPE_CUSTOM, struct plan_defaults, profile, .nullable = true,
			   .read = read_name),
		YAML_FIELD("sandbox", YAML_TYPE_CUSTOM, struct plan_defaults, sandbox, .read = read_sandbox),
		YAML_FIELD("circle", YAML_TYPE_CUSTOM, struct plan_defaults, circle, .read = read_circle),
		YAML_FIELD("start", YAML_TYPE_CHOICE, struct plan_defaults, start, .choices = starts),
		{0},
	};
	yaml_read(node, fields, member, r);
}

/* `none`, or commands. An empty gate would pass everything without saying so (L4). */
static void read_gate(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	struct plan_file *plan = member;
	if (yaml_is_null(node) || (node->kind == YAML_SEQUENCE && !node->n)) {
		yaml_problem(r, node, "an empty gate: write 'none', or a list of commands");
	} else if (node->kind == YAML_SCALAR && strcmp(node->text, "none") == 0) {
		plan->gate = PLAN_GATE_NONE;
	} else if (yaml_commands(node, &plan->gate_commands, r)) {
		plan->gate = PLAN_GATE_COMMANDS;
	}
}

static void read_land(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("via", YAML_TYPE_CHOICE, struct plan_file, via, .choices = vias),
		YAML_FIELD("how", YAML_TYPE_CHOICE, struct plan_file, how, .choices = hows),
		YAML_FIELD("push", YAML_TYPE_BOOL, struct plan_file, land_push),
		{0},
	};
	struct plan_file *plan = member;
	yaml_read(node, fields, plan, r);
	if (plan->land_push && plan->via != PLAN_VIA_LOCAL)
		yaml_problem_at(r, node, "push", "pushing the target needs 'via: local'");
}

static void read_review(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("backend", YAML_TYPE_CUSTOM, struct plan_review, backend, .read = read_name),
		YAML_FIELD("profile", YAML_TYPE_CUSTOM, struct plan_review, profile, .nullable = true,
			   .read = read_name),
		YAML_FIELD("peer", YAML_TYPE_CUSTOM, struct plan_review, peer, .read = read_name),
		YAML_FIELD("approvals", YAML_TYPE_INT, struct plan_review, approvals, .min = 1, .max = 10),
		{0},
	};
	struct plan_review *review = member;
	review->present = true;
	review->approvals = 1;
	size_t before = r->total;
	yaml_read(node, fields, review, r);
	if (r->total != before)
		return;
	if (!review->backend == !review->peer)
		yaml_problem(r, node, "name either a 'backend' to spawn or a 'peer' to ask");
	else if (review->profile && !review->backend)
		yaml_problem_at(r, node, "profile", "a profile goes with a 'backend'");
}

static void read_retry(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("attempts", YAML_TYPE_INT, struct plan_file, attempts, .min = 1, .max = 20),
		YAML_FIELD("state", YAML_TYPE_CHOICE, struct plan_file, retry_state, .choices = retries),
		{0},
	};
	yaml_read(node, fields, member, r);
}

/* "repo", "dir/repo" or "~/repo" as an absolute path, NULL with a problem where there is nothing that it
 * could be relative to. */
static char *absolute_repo(const struct plan_source *src, const char *text)
{
	if (src->home && (strcmp(text, "~") == 0 || strncmp(text, "~/", 2) == 0))
		return config_expand_home(text, src->home);
	if (*text == '/' || !src->cwd)
		return *text == '/' ? xstrdup(text) : NULL;
	return strcmp(text, ".") == 0 ? xstrdup(src->cwd) : path_join(src->cwd, text);
}

static void read_repo(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	const struct plan_draft *d = r->data;
	const char *text;
	char **to = member;
	if (!yaml_text(node, &text, r))
		return;
	*to = absolute_repo(d->src, *text ? text : ".");
	if (!*to)
		yaml_problem(r, node, "has to be an absolute path here");
}

static void keep_node(const struct yaml_node *node, void *member, struct yaml_report *r)
{
	(void)r;
	const struct yaml_node **to = member;
	*to = node;
}

static void read_document(struct plan_draft *d, const struct yaml_node *root)
{
	static const struct yaml_field fields[] = {
		YAML_FIELD("repo", YAML_TYPE_CUSTOM, struct plan_draft, plan.repo, .nullable = true,
			   .read = read_repo),
		YAML_FIELD("into", YAML_TYPE_CUSTOM, struct plan_draft, plan.into, .nullable = true,
			   .read = read_into),
		YAML_FIELD("circle", YAML_TYPE_CUSTOM, struct plan_draft, plan.circle, .nullable = true,
			   .read = read_circle),
		YAML_FIELD("parallel", YAML_TYPE_INT, struct plan_draft, plan.parallel, .min = 1,
			   .max = PLAN_PARALLEL_MAX),
		YAML_FIELD("defaults", YAML_TYPE_CUSTOM, struct plan_draft, defaults, .nullable = true,
			   .read = read_defaults),
		YAML_FIELD("gate", YAML_TYPE_CUSTOM, struct plan_draft, plan, .read = read_gate),
		YAML_FIELD("push", YAML_TYPE_CHOICE, struct plan_draft, plan.push, .choices = pushes),
		YAML_FIELD("remote", YAML_TYPE_CUSTOM, struct plan_draft, plan.remote, .read = read_remote),
		YAML_FIELD("land", YAML_TYPE_CUSTOM, struct plan_draft, plan, .nullable = true,
			   .read = read_land),
		YAML_FIELD("review", YAML_TYPE_CUSTOM, struct plan_draft, plan.review, .nullable = true,
			   .read = read_review),
		YAML_FIELD("retry", YAML_TYPE_CUSTOM, struct plan_draft, plan, .nullable = true,
			   .read = read_retry),
		YAML_FIELD("tasks", YAML_TYPE_CUSTOM, struct plan_draft, task_list, .required = true,
			   .read = keep_node),
		{0},
	};
	struct plan_file *plan = &d->plan;
	plan->parallel = 4;
	plan->attempts = 1;
	d->defaults.start = -1;
	yaml_read(root, fields, d, &d->report);
	if (!plan->repo && d->src->cwd)
		plan->repo = xstrdup(d->src->cwd);
	if (!plan->into && d->src->target)
		plan->into = xstrdup(d->src->target);
	if (!plan->remote)
		plan->remote = xstrdup("origin");
}

/* Tasks */

/* Reads the file that `name` means from below one folder: false when it is not there, and otherwise
 * the text in `ret`, or a problem noted. */
static bool read_below(struct plan_draft *d, const struct yaml_node *node, const char *base, const char *name,
		       char **ret)
{
	autoerror err = {0};
	autofree char *path = *name == '/' ? xstrdup(name) : path_join(base, name);
	autofree char *resolved = NULL, *dir = NULL, *root = NULL;
	autostrbuf text = STRBUF_INIT(PLAN_PROMPT_MAX);
	int r = path_resolve(path, &resolved, &err);
	if (r == ERR_NOT_FOUND)
		return false;
	if (r) {
		yaml_problem(&d->report, node, "%s", err.message);
		return true;
	}
	/* A folder that cannot be resolved holds nothing. */
	bool in_dir = d->src->dir && !path_resolve(d->src->dir, &dir, NULL) && path_inside(resolved, dir);
	bool in_repo = d->src->repo_root && !path_resolve(d->src->repo_root, &root, NULL) &&
		       path_inside(resolved, root);
	if (!in_dir && !in_repo) {
		yaml_problem(&d->report, node,
			     "'%.200s' leads outside of the plan's folder and the repository", name);
		return true;
	}
	r = file_read(resolved, &text, &err);
	if (r == ERR_NOT_FOUND)
		return false;
	if (r)
		yaml_problem(&d->report, node, "%s", err.message);
	else if (!utf8_valid(strbuf_str(&text), text.len) || memchr(strbuf_str(&text), 0, text.len))
		yaml_problem(&d->report, node, "'%.200s' is not a text in UTF-8", name);
	else
		*ret = strbuf_detach(&text);
	return true;
}

static void read_prompt_file(struct plan_draft *d, const struct yaml_node *node, struct plan_task *t)
{
	const char *const bases[] = {d->src->dir, d->src->repo_root};
	bool any = false;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		any = any || bases[i];
		if (bases[i] && read_below(d, node, bases[i], t->prompt_file, &t->prompt))
			return;
	}
	if (any)
		yaml_problem(&d->report, node, "no file '%.200s'", t->prompt_file);
	else
		yaml_problem(&d->report, node,
			     "there is no folder to find a file in: give the 'prompt' itself");
}

/* A script has `run`, everything else a prompt, in one of two places. */
static void check_work(struct plan_draft *d, const struct yaml_node *node, struct plan_task *t)
{
	struct yaml_report *r = &d->report;
	bool prompt = yaml_get(node, "prompt"), file = yaml_get(node, "prompt_file");
	bool run = yaml_get(node, "run");
	if (t->backend && strcmp(t->backend, script) == 0) {
		if (!run)
			yaml_problem_at(r, node, "run",
					"a task of backend script needs 'run: [program, argument…]'");
		if (prompt || file)
			yaml_problem_at(r, node, prompt ? "prompt" : "prompt_file",
					"a task of backend script has 'run' in place of a prompt");
		return;
	}
	if (run && t->backend)
		yaml_problem_at(r, node, "run", "'run' is for backend script, and this is %.100s",
				t->backend);
	if (prompt && file)
		yaml_problem_at(r, node, "prompt_file", "there is a 'prompt' already");
	else if (!prompt && !file && !run)
		yaml_problem_at(r, node, "prompt", "missing: give 'prompt' or 'prompt_file'");
	else if (t->prompt_file)
		read_prompt_file(d, yaml_get(node, "prompt_file"), t);
	if (t->prompt && !t->prompt[strspn(t->prompt, " \t\r\n")])
		yaml_problem_at(r, node, file ? "prompt_file" : "prompt", "an empty prompt");
}

/* The profile of `defaults` belongs to the backend of `defaults`: another backend has profiles of its
 * own, by the same names or not. */
static void default_agent(struct plan_draft *d, const struct yaml_node *node, struct plan_task *t)
{
	const char *usual = d->defaults.backend ? d->defaults.backend : d->src->default_backend;
	if (yaml_get(node, "backend") && !t->backend)
		return; /* a wrong one, reported */
	if (!t->backend && yaml_get(node, "run"))
		t->backend = xstrdup(script);
	if (!t->backend && usual)
		t->backend = xstrdup(usual);
	if (!t->backend)
		yaml_problem_at(&d->report, node, "backend", "missing: name one here or in 'defaults'");
	else if (!t->profile && d->defaults.profile && usual && strcmp(usual, t->backend) == 0)
		t->profile = xstrdup(d->defaults.profile);
	if (!t->sandbox && d->defaults.sandbox)
		t->sandbox = xstrdup(d->defaults.sandbox);
}

static void check_agent(struct plan_draft *d, const struct yaml_node *node, const struct plan_task *t)
{
	autoerror why = {0};
	const struct plan_source *src = d->src;
	if (t->backend && src->check_agent &&
	    src->check_agent(t->backend, t->profile, t->sandbox, src->data, &why))
		yaml_problem_at(&d->report, node, "backend", "%s%s%s", why.message, why.hint ? ": " : "",
				why.hint ? why.hint : "");
}

static void read_task(struct plan_draft *d, const struct yaml_node *node, size_t i)
{
	struct task {
		struct plan_task task;
		char **needs;
	} got = {.task = {.start = -1, .line = node->line}};
	static const struct yaml_field fields[] = {
		YAML_FIELD("branch", YAML_TYPE_TEXT, struct task, task.branch, .required = true),
		YAML_FIELD("prompt", YAML_TYPE_TEXT, struct task, task.prompt),
		YAML_FIELD("prompt_file", YAML_TYPE_CUSTOM, struct task, task.prompt_file, .read = read_name),
		YAML_FIELD("run", YAML_TYPE_ARGV, struct task, task.run),
		YAML_FIELD("needs", YAML_TYPE_TEXTS, struct task, needs, .nullable = true),
		YAML_FIELD("start", YAML_TYPE_CHOICE, struct task, task.start, .choices = starts),
		YAML_FIELD("backend", YAML_TYPE_CUSTOM, struct task, task.backend, .read = read_name),
		YAML_FIELD("profile", YAML_TYPE_CUSTOM, struct task, task.profile, .nullable = true,
			   .read = read_name),
		YAML_FIELD("sandbox", YAML_TYPE_CUSTOM, struct task, task.sandbox, .read = read_sandbox),
		YAML_FIELD("circle", YAML_TYPE_CUSTOM, struct task, task.circle, .read = read_circle),
		{0},
	};
	yaml_read(node, fields, &got, &d->report);
	if (node->kind == YAML_MAPPING) {
		default_agent(d, node, &got.task);
		check_work(d, node, &got.task);
		check_agent(d, node, &got.task);
	}
	/* A default start is for tasks that wait for something. */
	if (got.task.start < 0)
		got.task.start = got.needs && got.needs[0] && d->defaults.start >= 0 ? d->defaults.start
										     : PLAN_START_PARALLEL;
	const char *circle = d->defaults.circle ? d->defaults.circle : d->plan.circle;
	if (!got.task.circle && circle)
		got.task.circle = xstrdup(circle);
	d->plan.tasks[i] = got.task;
	d->tasks[i] = (struct plan_draft_task){.node = node, .needs = got.needs};
}

static void read_tasks(struct plan_draft *d)
{
	const struct yaml_node *list = d->task_list;
	if (!list)
		return;
	if (list->kind != YAML_SEQUENCE || !list->n) {
		yaml_problem(&d->report, list, "expected a list of at least one task");
		return;
	}
	if (list->n > PLAN_TASKS_MAX) {
		yaml_problem(&d->report, list, "%zu tasks; a plan has at most %d", list->n, PLAN_TASKS_MAX);
		return;
	}
	d->plan.tasks = xcalloc(list->n, sizeof(*d->plan.tasks));
	d->tasks = xcalloc(list->n, sizeof(*d->tasks));
	d->plan.n_tasks = list->n;
	size_t prompts = 0;
	for (size_t i = 0; i < list->n; i++) {
		read_task(d, list->items[i], i);
		const char *prompt = d->plan.tasks[i].prompt;
		size_t len = prompt ? strlen(prompt) : 0;
		if (len > PLAN_PROMPT_MAX)
			yaml_problem_at(&d->report, list->items[i], "prompt", "larger than %d bytes",
					PLAN_PROMPT_MAX);
		prompts += len;
	}
	if (prompts > PLAN_PROMPTS_MAX)
		yaml_problem(&d->report, list, "all prompts together are larger than %d bytes",
			     PLAN_PROMPTS_MAX);
	plan_check_branches(d);
	plan_link_needs(d);
	plan_check_cycles(d);
	plan_check_starts(d);
}

static void plan_clear(struct plan_file *plan)
{
	for (size_t i = 0; i < plan->n_tasks; i++) {
		struct plan_task *t = &plan->tasks[i];
		yaml_texts_free(t->run);
		free(t->branch);
		free(t->prompt);
		free(t->prompt_file);
		free(t->needs);
		free(t->backend);
		free(t->profile);
		free(t->sandbox);
		free(t->circle);
	}
	free(plan->tasks);
	json_decref(plan->gate_commands);
	free(plan->repo);
	free(plan->into);
	free(plan->circle);
	free(plan->remote);
	free(plan->review.backend);
	free(plan->review.profile);
	free(plan->review.peer);
	*plan = (struct plan_file){0};
}

static void draft_release(struct plan_draft *d)
{
	for (size_t i = 0; d->tasks && i < d->plan.n_tasks; i++)
		yaml_texts_free(d->tasks[i].needs);
	free(d->tasks);
	free(d->defaults.backend);
	free(d->defaults.profile);
	free(d->defaults.sandbox);
	free(d->defaults.circle);
	plan_clear(&d->plan);
	yaml_report_release(&d->report);
}

static int read_plan(const struct yaml_node *root, const struct plan_source *src, struct plan_file **ret,
		     struct error *err)
{
	_cleanup_(draft_release) struct plan_draft d = {.src = src, .report = {.file = src->file}};
	d.report.data = &d;
	read_document(&d, root);
	read_tasks(&d);
	int r = yaml_report_end(&d.report, err);
	if (r)
		return r;
	for (size_t i = 0; i < d.plan.n_tasks; i++)
		yaml_texts_free(d.tasks[i].needs);
	free(TAKE_PTR(d.tasks));
	*ret = xmalloc(sizeof(**ret));
	**ret = d.plan;
	d.plan = (struct plan_file){0};
	return 0;
}

int plan_file_parse(const struct plan_source *src, struct plan_file **ret, struct error *err)
{
	autoyaml *root = NULL;
	int r = yaml_parse(src->file, src->text, src->len, &root, err);
	return r ? r : read_plan(root, src, ret, err);
}

int plan_file_from_json(const json_t *json, const struct plan_source *src, struct plan_file **ret,
			struct error *err)
{
	autoyaml *root = yaml_from_json(json);
	return read_plan(root, src, ret, err);
}

int plan_file_repo(const struct plan_source *src, char **ret, struct error *err)
{
	autoyaml *root = NULL;
	int r = yaml_parse(src->file, src->text, src->len, &root, err);
	if (r)
		return r;
	_cleanup_(draft_release) struct plan_draft d = {.src = src, .report = {.file = src->file}};
	d.report.data = &d;
	const struct yaml_node *node = yaml_get(root, "repo");
	if (!yaml_is_null(node))
		read_repo(node, &d.plan.repo, &d.report);
	else if (src->cwd)
		d.plan.repo = xstrdup(src->cwd);
	else
		yaml_problem_at(&d.report, root, "repo", "missing");
	r = yaml_report_end(&d.report, err);
	if (!r)
		*ret = TAKE_PTR(d.plan.repo);
	return r;
}

/* JSON out */

static void set_optional(json_t *object, const char *key, const char *value)
{
	if (value)
		json_set_str(object, key, value);
}

static json_t *task_json(const struct plan_file *plan, const struct plan_task *t)
{
	json_t *task = json_object();
	json_set_str(task, "branch", t->branch);
	set_optional(task, "prompt", t->prompt);
	if (t->run) {
		json_t *run = json_array();
		for (size_t i = 0; t->run[i]; i++)
			json_array_append_new(run, json_lossy_string(t->run[i], strlen(t->run[i])));
		json_object_set_new(task, "run", run);
	}
	if (t->n_needs) {
		json_t *needs = json_array();
		for (size_t i = 0; i < t->n_needs; i++)
			json_array_append_new(needs, json_string(plan->tasks[t->needs[i]].branch));
		json_object_set_new(task, "needs", needs);
	}
	json_set_str(task, "start", starts[t->start]);
	json_set_str(task, "backend", t->backend);
	set_optional(task, "profile", t->profile);
	set_optional(task, "sandbox", t->sandbox);
	set_optional(task, "circle", t->circle);
	return task;
}

json_t *plan_file_to_json(const struct plan_file *plan)
{
	json_t *out = json_object(), *tasks = json_array();
	set_optional(out, "repo", plan->repo);
	set_optional(out, "into", plan->into);
	set_optional(out, "circle", plan->circle);
	json_object_set_new(out, "parallel", json_integer(plan->parallel));
	if (plan->gate == PLAN_GATE_NONE)
		json_set_str(out, "gate", "none");
	else if (plan->gate == PLAN_GATE_COMMANDS)
		json_object_set(out, "gate", plan->gate_commands);
	json_set_str(out, "push", pushes[plan->push]);
	json_set_str(out, "remote", plan->remote);
	json_object_set_new(out, "land",
			    json_pack("{s:s, s:s, s:b}", "via", vias[plan->via], "how", hows[plan->how],
				      "push", plan->land_push));
	if (plan->review.present) {
		json_t *review = json_object();
		set_optional(review, "backend", plan->review.backend);
		set_optional(review, "profile", plan->review.profile);
		set_optional(review, "peer", plan->review.peer);
		json_object_set_new(review, "approvals", json_integer(plan->review.approvals));
		json_object_set_new(out, "review", review);
	}
	json_object_set_new(
		out, "retry",
		json_pack("{s:I, s:s}", "attempts", plan->attempts, "state", retries[plan->retry_state]));
	for (size_t i = 0; i < plan->n_tasks; i++)
		json_array_append_new(tasks, task_json(plan, &plan->tasks[i]));
	json_object_set_new(out, "tasks", tasks);
	return out;
}

void plan_file_free(struct plan_file *plan)
{
	if (!plan)
		return;
	plan_clear(plan);
	free(plan);
}

void plan_file_release(struct plan_file **plan)
{
	plan_file_free(*plan);
}

ptrdiff_t plan_file_task(const struct plan_file *plan, const char *branch)
{
	for (size_t i = 0; i < plan->n_tasks; i++)
		if (plan->tasks[i].branch && strcmp(plan->tasks[i].branch, branch) == 0)
			return (ptrdiff_t)i;
	return -1;
}

/* Whether all that the task needs is placed. */
static bool is_ready(const struct plan_task *t, const bool *placed)
{
	for (size_t k = 0; k < t->n_needs; k++)
		if (!placed[t->needs[k]])
			return false;
	return true;
}

void plan_file_order(const struct plan_file *plan, size_t *ret)
{
	bool placed[PLAN_TASKS_MAX] = {false};
	for (size_t n = 0; n < plan->n_tasks; n++) {
		size_t i = 0;
		while (placed[i] || !is_ready(&plan->tasks[i], placed))
			i++; /* one is ready, for there is no cycle */
		placed[i] = true;
		ret[n] = i;
	}
}
