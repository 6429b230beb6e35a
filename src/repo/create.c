/* Making a worktree; see create.h for what is promised, creation.h for how it is divided.
 *
 *	journal     what is going to be done, durable
 *	branch      by compare-and-swap, from nothing			} under the lock
 *	register    git worktree add, without a checkout		}
 *	fill        checkout, submodules, hook
 *	marker      complete, durable; then the journal goes
 *
 * Up to the marker a failure takes everything back, and so does the repetition of a try that was killed
 * while it did. A repetition of a try that was killed on its way forward goes on from where it was. */
#include "repo/create.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/lock.h"
#include "repo/creation.h"

enum { SPARSE_MAX = 1000, PATTERN_MAX = 4096, HASH_MAX_LEN = 40 };

static void creation_release(struct creation *c)
{
	git_release(&c->repo);
	free(c->lock_reason);
	free(c->base);
	free(c->base_commit);
	free(c->path);
	free(c->made_parent);
	free(c->git_dir);
	free(c->head);
	free(c->journal_dir);
	json_decref(c->warnings);
}

static int read_sparse(struct creation *c, const json_t *list, struct error *err)
{
	size_t i;
	const json_t *p;
	if (!list || json_is_null(list) || json_array_size(list) == 0)
		return json_is_object(list) || json_is_string(list)
			       ? error_set(err, ERR_INVALID, "'sparse' must be a list of patterns")
			       : 0;
	if (json_array_size(list) > SPARSE_MAX)
		return error_set(err, ERR_TOO_LARGE, "more than %d sparse patterns", SPARSE_MAX);
	json_array_foreach(list, i, p)
	{
		const char *s = json_string_value(p);
		if (!s || !*s || strlen(s) > PATTERN_MAX || strpbrk(s, "\r\n"))
			return error_set(err, ERR_INVALID, "a sparse pattern must be one non-empty line");
	}
	c->sparse = list;
	return 0;
}

static int read_owner(struct creation *c, const json_t *owner, struct error *err)
{
	const char *boot = json_str(owner, "boot_id");
	if (!owner || json_is_null(owner))
		return 0;
	if (!boot || !*boot || strlen(boot) > 64 || strspn(boot, "0123456789abcdef-") != strlen(boot) ||
	    json_int(owner, "pid", 0) <= 0)
		return error_set(err, ERR_INVALID, "'lock_owner' must have boot_id, pid and start_time");
	c->lock_reason =
		xasprintf("coppice boot=%s pid=%lld start=%lld", boot, (long long)json_int(owner, "pid", 0),
			  (long long)json_int(owner, "start_time", 0));
	return 0;
}

static int read_names(struct creation *c, const json_t *args, struct error *err)
{
	c->id = json_str(args, "id");
	c->branch = json_str(args, "branch");
	c->asked_base = json_str(args, "base");
	c->asked_path = json_str(args, "path");
	c->hash = json_str(args, "hash");
	c->path_fixed = json_bool(args, "path_fixed", false);
	if (!c->asked_base)
		c->asked_base = json_str(args, "target");
	if (!c->id || !id_is(c->id, "wt"))
		return error_set(err, ERR_INVALID, "'id' must be a worktree's id");
	if (!c->asked_path || *c->asked_path != '/')
		return error_set(err, ERR_INVALID, "'path' must be an absolute path");
	if (!c->path_fixed && (!c->hash || !*c->hash || strlen(c->hash) > HASH_MAX_LEN ||
			       strspn(c->hash, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(c->hash)))
		return error_set(err, ERR_INVALID, "'hash' must be a short word");
	if (!c->branch)
		return error_set(err, ERR_INVALID, "'branch' is missing");
	return branch_name_check(c->branch, err);
}

static int read_args(struct creation *c, const json_t *args, struct error *err)
{
	const char *common = json_str(json_object_get(args, "repo"), "common_dir");
	json_int_t min_free = json_int(args, "min_free", 0);
	if (!common || *common != '/')
		return error_set(err, ERR_INVALID, "'repo.common_dir' must be an absolute path");
	git_at(common, common, NULL, &c->repo);
	c->min_free = min_free > 0 ? (uint64_t)min_free : 0;
	c->warnings = json_array();
	int r = read_names(c, args, err);
	if (r == 0)
		r = read_sparse(c, json_object_get(args, "sparse"), err);
	if (r == 0)
		r = read_owner(c, json_object_get(args, "lock_owner"), err);
	autofree char *name = r == 0 ? xasprintf(CREATION_JOURNAL "%s", c->id) : NULL;
	c->journal_dir = name ? path_join(common, name) : NULL;
	return r;
}

static json_t *result(const struct creation *c)
{
	json_t *out = json_object();
	json_set_str(out, "branch", c->branch);
	json_set_str(out, "path", c->path);
	json_set_str(out, "git_dir", c->git_dir);
	json_set_str(out, "base", c->base);
	json_set_str(out, "base_commit", c->base_commit);
	json_set_str(out, "head", c->head);
	json_object_set_new(out, "created_branch", json_boolean(c->created_branch));
	json_object_set_new(out, "adopted", json_boolean(c->adopted));
	json_object_set(out, "warnings", c->warnings);
	return out;
}

/* Takes a failed creation back, under the lock. */
static void take_back(struct creation *c, int code, struct error *err)
{
	autofree char *path = path_join(c->repo.common_dir, "coppice.lock");
	autoerror why = {0};
	int r = lock_take(path, LOCK_WAIT, &c->repo.lock_fd, &why);
	if (r)
		(void)error_hint(err, code, "it could not be taken back: %s", why.message);
	else if (creation_undo(c, &why) != 0)
		(void)error_hint(err, code, "not all of it could be taken back: %s", why.message);
	if (r == 0)
		(void)close(TAKE_FD(c->repo.lock_fd)); /* nothing is written through it */
}

int repo_create(const json_t *args, json_t **ret, struct error *err)
{
	_cleanup_(creation_release) struct creation c = {.repo = GIT_INIT};
	bool complete = false;
	int r = read_args(&c, args, err);
	if (r == 0)
		r = creation_find_marked(&c, &complete, err);
	if (r)
		return r;
	if (!complete) {
		r = creation_register(&c, err);
		if (r)
			return r;
	}
	if (!complete && !c.adopted) {
		r = creation_fill(&c, err);
		if (r == 0)
			r = creation_mark(&c, err);
		if (r) {
			take_back(&c, r, err);
			return r;
		}
	}
	r = c.adopted ? 0 : creation_journal_drop(&c, err);
	if (r == 0)
		*ret = result(&c);
	return r;
}
