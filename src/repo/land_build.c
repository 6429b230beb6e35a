/* Building a landing; see land_build.h.
 *
 *	squash	tree of the three-way merge, one parent
 *	merge	the same tree, two parents
 *	rebase	each commit merged onto the one before, with its own parent as the merge base
 *
 * All merges are land_merge.h's: in the object store. A commit that already sits where it would be
 * replayed to is kept as it is (same hash) if the user committed it and no signature is asked for; one
 * whose changes are all there already is dropped, as git rebase does. */
#include "repo/land_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/timeval.h"
#include "repo/gate.h"
#include "repo/gate_confine.h"
#include "repo/git.h"
#include "repo/land_commit.h"
#include "repo/land_merge.h"
#include "repo/land_message.h"
#include "repo/land_scratch.h"
#include "repo/landed.h"

enum {
	MESSAGE_MAX = 64 << 10,
	GATE_TIMEOUT_DEFAULT = 1800, /* seconds */
	GATE_TIMEOUT_MAX = 7 * 86400,
	NAMES_SHOWN = 5, /* conflicting files in a reason */
};

struct build {
	const json_t *args;
	const char *common_dir, *target, *branch;
	struct land_scratch scratch;
	struct git git;
	struct land_committer committer;
	struct land_log log;
	char *onto, *head, *fork; /* commits, full hex */
	char *landed_base;	  /* the recorded fork point, if it has landed in another form; else NULL */
	bool recorded;		  /* fork is that one, not git's merge base */
	char *onto_tree;
	char *tree, *commit; /* what was built; NULL before */
	json_t *files;	     /* conflicts, or NULL */
	char *reason;
};

static void build_release(struct build *b)
{
	git_release(&b->git);
	land_scratch_release(&b->scratch);
	land_committer_release(&b->committer);
	land_log_release(&b->log);
	free(b->onto);
	free(b->head);
	free(b->fork);
	free(b->landed_base);
	free(b->onto_tree);
	free(b->tree);
	free(b->commit);
	json_decref(b->files);
	free(b->reason);
}

#define autobuild _cleanup_(build_release) struct build

/* How a step ended: done and go on, or with a result that is final. */
enum outcome { GO_ON, PASSED, FAILED, CONFLICT, EMPTY, REFUSED };

static const char *const outcome_names[] = {[PASSED] = "passed",
					    [FAILED] = "failed",
					    [CONFLICT] = "conflict",
					    [EMPTY] = "empty",
					    [REFUSED] = "refused"};

/* ---- arguments ---- */

static int check_number(const json_t *args, const char *key, json_int_t max, struct error *err)
{
	const json_t *v = json_object_get(args, key);
	if (!v || json_is_null(v) ||
	    (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= max))
		return 0;
	return error_set(err, ERR_INVALID, "%s is a whole number from 1 to %lld", key, (long long)max);
}

static int check_names(const struct build *b, struct error *err)
{
	static const char *const paths[] = {"tmp_dir", "log_dir"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const char *path = json_str(b->args, paths[i]);
		if (!path || path[0] != '/')
			return error_set(err, ERR_INVALID, "%s is an absolute path", paths[i]);
	}
	if (!b->common_dir || !json_str(b->args, "id") || !b->target || !b->branch)
		return error_set(err, ERR_INVALID, "a landing needs repo, id, target and branch");
	const char *how = json_str(b->args, "how");
	if (how && strcmp(how, "squash") != 0 && strcmp(how, "rebase") != 0 && strcmp(how, "merge") != 0)
		return error_set(err, ERR_INVALID, "how is squash, rebase or merge");
	int r = branch_name_check(b->target, err);
	if (r == 0)
		r = branch_name_check(b->branch, err);
	const char *message = json_str(b->args, "message");
	if (r == 0 && message && strlen(message) > MESSAGE_MAX)
		r = error_set(err, ERR_TOO_LARGE, "the commit message is longer than %d bytes", MESSAGE_MAX);
	return r;
}

static int check_gate(const struct build *b, struct error *err)
{
	const json_t *gate = json_object_get(b->args, "gate"), *confine = json_object_get(b->args, "confine");
	int r = gate && !json_is_null(gate) ? gate_check(gate, err) : 0;
	if (r == 0 && confine && !json_is_null(confine)) {
		json_auto_t *as_command = json_pack("[O]", confine);
		r = gate_check(as_command, err);
		if (r == 0 && !json_is_array(confine))
			r = error_set(err, ERR_INVALID, "confine is a list of arguments");
	}
	if (r == 0 && json_object_get(b->args, "sandbox") && !json_str(b->args, "program"))
		r = error_set(err, ERR_INVALID, "a sandbox needs the program that confines");
	if (r == 0)
		r = check_number(b->args, "gate_tries", GATE_TRIES_MAX, err);
	return r ? r : check_number(b->args, "gate_timeout", GATE_TIMEOUT_MAX, err);
}

/* ---- commits to start from ---- */

static int resolve(const char *common_dir, const char *rev, const char *branch, char **ret, struct error *err)
{
	autogit g = GIT_INIT;
	git_at(common_dir, common_dir, NULL, &g);
	if (rev)
		return git_commit_of(&g, rev, ret, err);
	autofree char *tip = NULL;
	int r = git_branch_tip(&g, branch, &tip, err);
	if (r)
		return r;
	if (!tip)
		return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no branch '%s'", branch),
				  "name one that 'git branch' lists; a new one needs its first commit");
	*ret = TAKE_PTR(tip);
	return 0;
}

/* The merge base of two commits, NULL if they have no common history. */
static int merge_base(const struct git *g, const char *a, const char *b, char **ret, struct error *err)
{
	const char *const args[] = {"merge-base", a, b, NULL};
	const char *const env[] = {"GIT_NO_REPLACE_OBJECTS=1", NULL};
	autostrbuf out = STRBUF_INIT(4096);
	int status = 0;
	int r = git_run_with(g, GIT_QUIET, args, NULL, 0, env, &out, &status, err);
	if (r)
		return r;
	if (status > 1)
		return error_set(err, ERR_GIT, "git merge-base failed with exit code %d", status);
	char *line = strbuf_detach(&out);
	line[strcspn(line, "\n")] = '\0';
	*ret = status == 0 ? line : NULL;
	if (status)
		free(line);
	return 0;
}

/* Finds out whether the recorded fork point has landed in another form: what leads to it is then not landed
 * again. It is the merge base too, unless the branch has merged the target since. */
static int apply_recorded_fork(struct build *b, struct error *err)
{
	const char *recorded = json_str(b->args, "base_commit");
	autofree char *base = NULL, *in_head = NULL, *in_onto = NULL;
	struct landed landed = {0};
	if (!recorded || git_commit_of(&b->git, recorded, &base, NULL))
		return 0; /* gone with a branch that was thrown away: git's merge base serves */
	int r = merge_base(&b->git, base, b->head, &in_head, err);
	if (r || !in_head || strcmp(in_head, base) != 0)
		return r; /* the branch was moved elsewhere meanwhile */
	r = merge_base(&b->git, base, b->onto, &in_onto, err);
	if (r || !in_onto || strcmp(in_onto, base) == 0)
		return r; /* it is in the target itself: git's merge base is there, or later */
	r = landed_test(&b->git, b->onto, base, &landed, err);
	if (r || landed.value != TRUTH_YES)
		return r;
	b->recorded = strcmp(in_onto, b->fork) == 0;
	if (b->recorded) {
		free(b->fork);
		b->fork = xstrdup(base);
	}
	b->landed_base = TAKE_PTR(base);
	return 0;
}

static int find_start(struct build *b, enum outcome *ret, struct error *err)
{
	int r = resolve(b->common_dir, json_str(b->args, "onto"), b->target, &b->onto, err);
	if (r == 0)
		r = resolve(b->common_dir, json_str(b->args, "head"), b->branch, &b->head, err);
	autofree char *attributes = NULL;
	if (r == 0)
		r = land_scratch_folder(&b->scratch, "attributes", &attributes, err);
	if (r == 0)
		r = land_merge_open(b->common_dir, attributes, b->onto, &b->git, err);
	if (r == 0)
		r = land_tree_of(&b->git, b->onto, &b->onto_tree, err);
	if (r == 0)
		r = merge_base(&b->git, b->onto, b->head, &b->fork, err);
	if (r)
		return r;
	if (!b->fork) {
		b->reason = xasprintf("%s and %s have no common history", b->branch, b->target);
		*ret = REFUSED;
		return 0;
	}
	if (strcmp(b->fork, b->head) == 0) { /* also when branch and target are the same */
		b->reason = xasprintf("%s has no commit that %s lacks", b->branch, b->target);
		*ret = EMPTY;
		return 0;
	}
	return apply_recorded_fork(b, err);
}

/* ---- trees and commits ---- */

/* Keeps the conflicts, and says which they are: "a, b and 3 more conflict with <what>". */
static void set_conflict(struct build *b, json_t *files, const char *what)
{
	autostrbuf text = STRBUF_INIT(64 << 10);
	size_t n = json_array_size(files);
	for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
		const json_t *name = json_array_get(files, i);
		strbuf_addstr(&text, i ? ", " : "");
		text_escape(json_string_value(name), json_string_length(name), false, &text);
	}
	if (n > NAMES_SHOWN)
		strbuf_addf(&text, " and %zu more", n - NAMES_SHOWN);
	strbuf_addf(&text, " %s with %s", n == 1 ? "conflicts" : "conflict", what);
	b->files = json_incref(files);
	b->reason = strbuf_detach(&text);
}

static int build_one(struct build *b, bool merge, enum outcome *ret, struct error *err)
{
	_cleanup_(land_merged_release) struct land_merged merged = {0};
	int r = b->recorded ? land_merge_from(&b->git, b->fork, b->onto_tree, b->head, &merged, err)
			    : land_merge(&b->git, b->onto, b->head, &merged, err);
	if (r)
		return r;
	if (!merged.tree) {
		set_conflict(b, merged.files, b->target);
		*ret = CONFLICT;
		return 0;
	}
	if (strcmp(merged.tree, b->onto_tree) == 0) {
		b->reason = xasprintf("%s has everything that %s brings", b->target, b->branch);
		*ret = EMPTY;
		return 0;
	}
	const struct land_words words = {.branch = b->branch,
					 .target = b->target,
					 .given = json_str(b->args, "message"),
					 .user_name = b->committer.name,
					 .user_email = b->committer.email,
					 .merge = merge};
	autostrbuf message = STRBUF_INIT(GIT_OUTPUT_MAX);
	_cleanup_(land_author_release) struct land_author author = {0};
	land_compose(&b->log, &words, &message, &author);
	const struct land_commit_spec spec = {.tree = merged.tree,
					      .parents = {b->onto, merge ? b->head : NULL},
					      .author = &author,
					      .committer = &b->committer,
					      .message = strbuf_str(&message),
					      .message_len = message.len};
	b->tree = TAKE_PTR(merged.tree);
	return land_commit_write(&b->git, &spec, &b->commit, err);
}

/* Where a replay has come to. */
struct tip {
	char *commit, *tree;
};

static void tip_release(struct tip *t)
{
	free(t->commit);
	free(t->tree);
}

static void tip_move(struct tip *t, const char *commit, const char *tree)
{
	char *new_commit = xstrdup(commit), *new_tree = xstrdup(tree);
	tip_release(t);
	*t = (struct tip){new_commit, new_tree};
}

static bool stays_as_it_is(const struct build *b, const struct land_commit *c, const struct tip *tip)
{
	return strcmp(c->parents, tip->commit) == 0 && !b->committer.sign &&
	       strcmp(c->committer_name, b->committer.name) == 0 &&
	       strcmp(c->committer_email, b->committer.email) == 0;
}

/* Whether a commit changes nothing, as it was made: such a one is kept. */
static int is_empty(const struct build *b, const struct land_commit *c, bool *ret, struct error *err)
{
	autofree char *tree = NULL;
	int r = land_tree_of(&b->git, c->parents, &tree, err);
	if (r == 0)
		*ret = strcmp(tree, c->tree) == 0;
	return r;
}

static int replay_one(struct build *b, const struct land_commit *c, struct tip *tip, enum outcome *ret,
		      struct error *err)
{
	_cleanup_(land_merged_release) struct land_merged merged = {0};
	autofree char *commit = NULL;
	bool was_empty = false;
	int r = land_merge_from(&b->git, c->parents, tip->tree, c->hash, &merged, err);
	if (r)
		return r;
	if (!merged.tree) {
		autofree char *what = xasprintf("%s when %.12s is replayed", b->target, c->hash);
		set_conflict(b, merged.files, what);
		*ret = CONFLICT;
		return 0;
	}
	bool no_change = strcmp(merged.tree, tip->tree) == 0;
	if (no_change)
		r = is_empty(b, c, &was_empty, err);
	if (r || (no_change && !was_empty))
		return r;
	_cleanup_(land_author_release) struct land_author author = {0};
	land_author_of(c, &author);
	const struct land_commit_spec spec = {.tree = merged.tree,
					      .parents = {tip->commit, NULL},
					      .author = &author,
					      .committer = &b->committer,
					      .message = c->message,
					      .message_len = strlen(c->message)};
	r = land_commit_write(&b->git, &spec, &commit, err);
	if (r == 0)
		tip_move(tip, commit, merged.tree);
	return r;
}

static int build_replay(struct build *b, enum outcome *ret, struct error *err)
{
	_cleanup_(tip_release) struct tip tip = {xstrdup(b->onto), xstrdup(b->onto_tree)};
	for (size_t i = 0; i < b->log.n && *ret == GO_ON; i++) {
		const struct land_commit *c = &b->log.at[i];
		int r = 0;
		if (!*c->parents) {
			b->reason = xasprintf("commit %.12s has no parent, so it cannot be replayed: "
					      "land with squash or merge",
					      c->hash);
			*ret = REFUSED;
		} else if (stays_as_it_is(b, c, &tip)) {
			tip_move(&tip, c->hash, c->tree);
		} else {
			r = replay_one(b, c, &tip, ret, err);
		}
		if (r)
			return r;
	}
	if (*ret == GO_ON && strcmp(tip.tree, b->onto_tree) == 0) {
		b->reason = xasprintf("%s has everything that %s brings", b->target, b->branch);
		*ret = EMPTY;
	}
	if (*ret == GO_ON) {
		b->tree = TAKE_PTR(tip.tree);
		b->commit = TAKE_PTR(tip.commit);
	}
	return 0;
}

static int build_commit(struct build *b, enum outcome *ret, struct error *err)
{
	const char *how = json_str(b->args, "how");
	int r = land_log_read(&b->git, b->landed_base ? b->landed_base : b->fork, b->onto, b->head, &b->log,
			      err);
	if (r)
		return r;
	if (how && strcmp(how, "rebase") == 0)
		return build_replay(b, ret, err);
	return build_one(b, how && strcmp(how, "merge") == 0, ret, err);
}

/* ---- the gate and the result ---- */

/* How the gate's commands are confined: an argument array, or NULL. */
static int find_confine(const struct build *b, json_t **ret, struct error *err)
{
	json_t *confine = json_object_get(b->args, "confine");
	const json_t *sandbox = json_object_get(b->args, "sandbox");
	if (json_is_object(sandbox))
		return gate_confine(&b->scratch, json_str(b->args, "program"), sandbox, ret, err);
	*ret = json_is_array(confine) ? json_incref(confine) : NULL;
	return 0;
}

static int test_built(struct build *b, enum outcome *ret, json_t **ret_runs, struct error *err)
{
	const json_t *commands = json_object_get(b->args, "gate");
	json_auto_t *confine = NULL;
	if (json_array_size(commands) == 0) {
		*ret = PASSED;
		return 0;
	}
	int r = find_confine(b, &confine, err);
	if (r)
		return r;
	const struct gate_spec spec = {
		.scratch = &b->scratch,
		.id = json_str(b->args, "id"),
		.log_dir = json_str(b->args, "log_dir"),
		.commit = b->commit,
		.tree = b->tree,
		.commands = commands,
		.confine = confine,
		.tries = (int)json_int(b->args, "gate_tries", 1),
		.timeout = json_int(b->args, "gate_timeout", GATE_TIMEOUT_DEFAULT) * USEC_PER_SEC,
	};
	r = gate_run(&spec, ret_runs, &b->reason, err);
	if (r == 0)
		*ret = b->reason ? FAILED : PASSED;
	return r;
}

static json_t *build_result(const struct build *b, enum outcome outcome, json_t *runs)
{
	json_t *j = json_object();
	json_set_str(j, "result", outcome_names[outcome]);
	json_set_str(j, "target_commit", b->onto);
	json_set_str(j, "head", b->head);
	json_set_str(j, "fork", b->fork);
	json_set_str(j, "tree", b->tree);
	json_set_str(j, "commit", b->commit);
	json_object_set_new(j, "gate", runs ? json_incref(runs) : json_array());
	json_object_set_new(j, "files", b->files ? json_incref(b->files) : json_array());
	json_set_str(j, "reason", b->reason);
	json_object_set_new(j, "confined", json_boolean(json_object_get(b->args, "sandbox")));
	return j;
}

int repo_land_build(const json_t *args, json_t **ret, struct error *err)
{
	autobuild b = {.args = args,
		       .common_dir = json_str(json_object_get(args, "repo"), "common_dir"),
		       .target = json_str(args, "target"),
		       .branch = json_str(args, "branch"),
		       .git = GIT_INIT,
		       .log = LAND_LOG_INIT};
	json_auto_t *runs = NULL;
	enum outcome outcome = GO_ON;
	int r = check_names(&b, err);
	if (r == 0)
		r = check_gate(&b, err);
	if (r == 0)
		r = land_scratch_open(b.common_dir, json_str(args, "tmp_dir"), json_str(args, "id"),
				      &b.scratch, err);
	if (r == 0)
		r = find_start(&b, &outcome, err);
	if (r == 0 && outcome == GO_ON)
		r = land_committer_read(&b.git, &b.committer, err);
	if (r == 0 && outcome == GO_ON)
		r = build_commit(&b, &outcome, err);
	if (r == 0 && outcome == GO_ON)
		r = test_built(&b, &outcome, &runs, err);
	if (r)
		return r;
	*ret = build_result(&b, outcome, runs);
	return 0;
}
