/* coppice rm */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/out.h"

/* All that the trash covers: what -f waives. A live process and a lock are named by whoever means them. */
static const char covered[] = "clean,untracked,ignored,reachable,landed,operation,stash";

enum { FACTS_MAX = 256 };

static void add_facts(json_t *list, const char *names)
{
	for (const char *p = names; *p;) {
		size_t n = strcspn(p, ",");
		if (n)
			json_array_append_new(list, json_stringn(p, n));
		p += n + (p[n] == ',');
	}
}

static json_t *waived(const struct command_run *run)
{
	json_t *list = json_array();
	autofree const char **given = option_all(run, "force");
	for (const char **f = given; f && *f; f++)
		add_facts(list, **f ? *f : covered);
	if (option_get(run, "all"))
		add_facts(list, covered);
	return list;
}

static bool is_waived(const json_t *waived, const char *fact)
{
	size_t i;
	const json_t *one;
	json_array_foreach(waived, i, one)
	{
		if (strcmp(json_string_value(one), fact) == 0)
			return true;
	}
	return false;
}

/* What --force has to name, besides -f if that is given, so that nothing speaks against it any more; false
 * when no fact keeps it, or one does that can't be waived. */
static bool remedy(const json_t *k, const json_t *waived, bool all, struct strbuf *ret)
{
	bool helps = false, hopeless = false;
	const char *fact;
	json_t *value;
	json_object_foreach(json_object_get(k, "facts"), fact, value)
	{
		if (strcmp(json_string_value(value), "yes") == 0)
			continue;
		helps = helps || !is_waived(waived, fact);
		hopeless = hopeless || strcmp(fact, "ours") == 0 || strcmp(fact, "lease") == 0;
		if (!all || !strstr(covered, fact))
			strbuf_addf(ret, "%s%s", ret->len ? "," : "", fact);
	}
	return helps && !hopeless;
}

static void print_kept(const struct command_run *run, const json_t *k, const json_t *waived)
{
	const char *reason = json_str(k, "reason");
	out_in(YELLOW, "kept");
	(void)putchar(' ');
	out_text(stdout, json_str(k, "branch"), false);
	(void)fputs(": ", stdout);
	out_text(stdout, reason ? reason : "a fact speaks against it", false);
	(void)putchar('\n');
	autofree char *word = out_word(json_str(k, "branch"));
	const char *process = json_str(json_object_get(k, "facts"), "process");
	if (process && strcmp(process, "yes") != 0)
		out_say("  end what runs in it first; an agent, by its name: coppice kill %s\n", word);
	autostrbuf facts = STRBUF_INIT(FACTS_MAX);
	if (!remedy(k, waived, option_get(run, "all") != NULL, &facts))
		return;
	out_say("  remove it all the same: coppice rm %s%s%s --force=%s\n", word,
		option_get(run, "delete-branch") ? " -D" : "", option_get(run, "all") ? " -f" : "",
		strbuf_str(&facts));
}

static void print_removed(const struct command_run *run, const json_t *answer)
{
	size_t i;
	json_t *r;
	json_auto_t *facts = waived(run);
	json_array_foreach(json_object_get(answer, "removed"), i, r)
	{
		autofree char *word = out_word(json_str(r, "branch"));
		out_say("removed %s%s; bring it back: coppice restore %s\n", json_str(r, "branch"),
			json_bool(r, "branch_deleted", false) ? " and its branch" : "", word);
	}
	json_array_foreach(json_object_get(answer, "kept"), i, r)
	{
		print_kept(run, r, facts);
	}
}

static int run_rm(struct command_run *run, struct error *err)
{
	json_t *args = command_dir_args(run);
	json_t *branches = json_array();
	for (int i = 0; i < run->n_args; i++)
		json_array_append_new(branches, json_string(run->args[i]));
	json_object_set_new(args, "branches", branches);
	json_object_set_new(args, "force", waived(run));
	json_object_set_new(args, "delete_branch", json_boolean(option_get(run, "delete-branch") != NULL));
	json_auto_t *answer = NULL;
	int code = command_call(run, "worktree_remove", args, true, &answer, err);
	if (code)
		return code;
	if (run->json)
		out_json(answer);
	else
		print_removed(run, answer);
	run->exit_code = json_array_size(json_object_get(answer, "kept")) ? 3 : 0;
	return 0;
}

const struct command command_rm = {
	.name = "rm",
	.group = "worktrees",
	.summary = "Remove worktrees by facts, into the trash",
	.usage = "BRANCH… [--delete-branch] [-f | --force=FACT,…]",
	.text = "Nothing is removed that a fact speaks against: uncommitted or untracked files, precious "
		"ignored ones, commits that are nowhere else, an operation in progress, a stash, a live "
		"process, a lock. --force=FACT waives the facts that it names (clean untracked ignored "
		"reachable landed operation stash process lock), -f all that the trash keeps safe. Ends with "
		"3 when anything was kept.",
	.examples = "coppice rm feat/login\ncoppice rm feat/try --force=untracked\ncoppice rm feat/try -f "
		    "--delete-branch",
	.operands = "worktree",
	.options =
		(const struct option_entry[]){
			{"delete-branch", 'D', OPTION_FLAG, NULL, "delete the branch too, if it has landed"},
			{"force", 0, OPTION_OPTIONAL, "FACT,…", "waive these facts"},
			{"all", 'f', OPTION_FLAG, NULL, "waive all facts that the trash covers"},
			{0}},
	.min_args = 1,
	.max_args = 100,
	.run = run_rm,
};
