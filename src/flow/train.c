/* The train; see train.h. Serial: a change is built on the target as it stands, gated on that exact tree, and
 * the target is moved to it by compare-and-swap. A target that moved meanwhile sends it back (L2). */
#include "flow/train.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "flow/confine.h"
#include "flow/effects.h"
#include "repo/change.h"
#include "repo/registry.h"

enum { REASON_MAX = 2048, FILES_SHOWN = 5 };

static char *lane_of(const char *repo_id, const char *target)
{
	return xasprintf("land:%s:%s", repo_id, target);
}

static json_t *build_args(struct core *core, const struct change *c)
{
	json_t *args = json_object();
	json_object_set_new(args, "repo", repo_args(core->store, c->repo_id));
	json_set_str(args, "id", c->id);
	json_set_str(args, "target", c->target);
	json_set_str(args, "branch", c->branch);
	json_set_str(args, "base_commit", c->base_commit);
	json_set_str(args, "how", c->how);
	json_object_set(args, "gate", c->gate);
	json_object_set_new(args, "gate_tries", json_integer(c->gate_tries));
	autofree char *tmp = xasprintf("%s/gate", core->home);
	autofree char *log = xasprintf("%s/log", core->home);
	json_set_str(args, "tmp_dir", tmp);
	json_set_str(args, "log_dir", log);
	json_t *confine = confine_gate(core, c->repo_id);
	if (confine) {
		json_object_set_new(args, "sandbox", confine);
		json_set_str(args, "program", core->program);
	}
	return args;
}

void train_advance(struct core *core, const char *repo_id, const char *target)
{
	autochange c = {0};
	if (!change_next(core->store, repo_id, target, &c))
		return;
	bool gated = json_array_size(c.gate) > 0;
	change_set_state(core->store, c.id, gated ? "testing" : "building", NULL);
	autofree char *lane = lane_of(repo_id, target);
	(void)flow_effect_add(core, EFFECT_LAND_BUILD, c.id, lane, build_args(core, &c));
}

static void add_files(struct strbuf *out, const json_t *files)
{
	size_t i;
	json_t *f;
	json_array_foreach(files, i, f)
	{
		if (i == FILES_SHOWN) {
			strbuf_addf(out, " and %zu more", json_array_size(files) - FILES_SHOWN);
			break;
		}
		const char *name = json_is_string(f) ? json_string_value(f) : json_str(f, "file");
		strbuf_addf(out, "%s%s", i ? ", " : "", name ? name : "?");
	}
}

static const char *failed_command(const json_t *built, struct strbuf *out)
{
	size_t i;
	json_t *g;
	json_array_foreach(json_object_get(built, "gate"), i, g)
	{
		const char *result = json_str(g, "result");
		if (!result || strcmp(result, "failed") != 0)
			continue;
		json_t *command = json_object_get(g, "command");
		autofree char *text =
			json_is_string(command) ? xstrdup(json_string_value(command)) : json_text(command);
		strbuf_addf(out, "the gate failed: %.300s", text);
		if (json_str(g, "log"))
			strbuf_addf(out, " (log: %s)", json_str(g, "log"));
		if (json_bool(built, "confined", false))
			strbuf_addstr(out, "; it ran in the sandbox, as agents here did: what else it is to"
					   " write belongs in sandbox.write");
	}
	return strbuf_str(out);
}

static void reject(struct core *core, const struct change *c, const char *outcome, const json_t *built)
{
	autostrbuf reason = STRBUF_INIT(REASON_MAX);
	if (strcmp(outcome, "conflict") == 0) {
		strbuf_addf(&reason, "conflicts with %s in ", c->target);
		add_files(&reason, json_object_get(built, "files"));
	} else if (strcmp(outcome, "failed") == 0) {
		(void)failed_command(built, &reason);
	}
	if (!reason.len)
		strbuf_addf(&reason, "%.1500s",
			    json_str(built, "reason") ? json_str(built, "reason") : outcome);
	change_eject(core->store, c->id, strbuf_str(&reason));
}

static const char *error_text(const json_t *result)
{
	const char *text = json_str(json_object_get(result, "error"), "message");
	return text ? text : "the worker failed";
}

void train_built(struct core *core, const char *subject, bool ok, const json_t *result)
{
	autochange c = {0};
	if (!change_get(core->store, subject, &c))
		return;
	const char *outcome = ok ? json_str(result, "result") : NULL;
	if (ok)
		change_built(core->store, c.id, result);
	if (!outcome) {
		change_eject(core->store, c.id, error_text(result));
	} else if (strcmp(outcome, "empty") == 0) {
		change_landed(core->store, c.id, NULL,
			      "nothing to land: it has no change that the target lacks");
	} else if (strcmp(outcome, "passed") == 0) {
		json_t *args = json_object();
		json_object_set_new(args, "repo", repo_args(core->store, c.repo_id));
		json_set_str(args, "id", c.id);
		json_set_str(args, "target", c.target);
		json_object_set(args, "old", json_object_get(result, "target_commit"));
		json_object_set(args, "new", json_object_get(result, "commit"));
		autofree char *lane = lane_of(c.repo_id, c.target);
		(void)flow_effect_add(core, EFFECT_LAND_MOVE, c.id, lane, args);
		return;
	} else {
		reject(core, &c, outcome, result);
	}
	train_advance(core, c.repo_id, c.target);
}

void train_moved(struct core *core, const char *subject, bool ok, const json_t *result)
{
	autochange c = {0};
	if (!change_get(core->store, subject, &c))
		return;
	const char *why = json_str(result, "reason");
	if (!ok) {
		change_eject(core->store, c.id, error_text(result));
	} else if (json_bool(result, "moved", false)) {
		bool gated = json_array_size(c.gate) > 0;
		change_landed(core->store, c.id, json_str(c.built, "commit"),
			      gated ? NULL : "landed without a gate");
	} else if (why && strcmp(why, "stale") == 0) {
		change_set_state(core->store, c.id, "queued", "the target moved; built and tested again");
	} else {
		/* local_changes, operation, busy, missing: the worker says which checkout and which file */
		const char *message = json_str(result, "message");
		const json_t *files = json_object_get(result, "files");
		autostrbuf reason = STRBUF_INIT(REASON_MAX);
		if (json_array_size(files)) {
			add_files(&reason, files);
			strbuf_addstr(&reason, ": ");
		}
		strbuf_addf(&reason, "%.1000s", message ? message : why ? why : "the target was not moved");
		change_eject(core->store, c.id, strbuf_str(&reason));
	}
	train_advance(core, c.repo_id, c.target);
}
