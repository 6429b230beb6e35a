/* The memory of a creation; see creation.h.
 *
 * A creation that may be killed at any instant must find out what it had done already. What it decided
 * is written down before the first step, in a folder of its own, <common_dir>/coppice.create-<id>, which
 * goes when the creation is complete, and with it the temporary files of writes that were killed. Complete is
 * what has a marker, <git dir>/coppice: it is written in that folder and renamed into place, stays as long as
 * the worktree, and keeps its base on record (W2). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/env.h"
#include "os/file.h"
#include "repo/creation.h"

enum { RECORD_MAX = 64 << 10 };

static const char marker_name[] = "coppice";

static json_t *record(const struct creation *c)
{
	json_t *r = json_object();
	json_set_str(r, "id", c->id);
	json_set_str(r, "branch", c->branch);
	json_set_str(r, "base", c->base);
	json_set_str(r, "base_commit", c->base_commit);
	json_set_str(r, "path", c->path);
	json_set_str(r, "made_parent", c->made_parent);
	json_set_str(r, "git_dir", c->git_dir);
	json_set_str(r, "head", c->head);
	json_object_set_new(r, "began", json_integer(c->began));
	json_object_set_new(r, "empty_before", json_boolean(c->empty_before));
	json_object_set_new(r, "new_branch", json_boolean(c->new_branch));
	json_object_set_new(r, "created_branch", json_boolean(c->created_branch));
	json_object_set_new(r, "undoing", json_boolean(c->undoing));
	json_object_set_new(r, "warnings", json_incref(c->warnings));
	return r;
}

static void take_str(char **slot, const json_t *record, const char *key)
{
	const char *value = json_str(record, key);
	free(*slot);
	*slot = value ? xstrdup(value) : NULL;
}

static void restore(struct creation *c, const json_t *record)
{
	take_str(&c->base, record, "base");
	take_str(&c->base_commit, record, "base_commit");
	take_str(&c->path, record, "path");
	take_str(&c->made_parent, record, "made_parent");
	take_str(&c->git_dir, record, "git_dir");
	take_str(&c->head, record, "head");
	c->began = json_int(record, "began", 0);
	c->empty_before = json_bool(record, "empty_before", false);
	c->new_branch = json_bool(record, "new_branch", false);
	c->created_branch = json_bool(record, "created_branch", false);
	c->undoing = json_bool(record, "undoing", false);
}

/* Reads a record; `ret` stays NULL when there is none, or it is not one of ours. */
static int read_record(const char *path, json_t **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(RECORD_MAX);
	autoerror why = {0};
	int r = file_read(path, &text, &why);
	if (r == ERR_NOT_FOUND || r == ERR_TOO_LARGE || r == ERR_INVALID)
		return 0;
	if (r)
		return error_set(err, (enum error_code)r, "%s", why.message);
	json_t *record = NULL;
	if (json_parse(strbuf_str(&text), text.len, &record, NULL) == 0 && json_str(record, "id") &&
	    json_str(record, "path") && json_str(record, "branch"))
		*ret = record;
	else
		json_decref(record);
	return 0;
}

int creation_journal_load(struct creation *c, struct error *err)
{
	struct stat st;
	if (lstat(c->journal_dir, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", c->journal_dir);
	autofree char *path = path_join(c->journal_dir, "journal");
	json_auto_t *saved = NULL;
	int r = read_record(path, &saved, err);
	if (r || !saved) /* killed before it was written: nothing had been done */
		return r;
	if (strcmp(json_str(saved, "branch"), c->branch) != 0)
		return error_set(err, ERR_INTERNAL, "the id %s was used for the branch %s before", c->id,
				 json_str(saved, "branch"));
	restore(c, saved);
	c->repeated = true;
	return 0;
}

void creation_journal_peek(const char *journal_dir, struct creation *ret)
{
	autofree char *path = path_join(journal_dir, "journal");
	json_auto_t *saved = NULL;
	if (read_record(path, &saved, NULL) != 0 || !saved)
		return;
	take_str(&ret->path, saved, "path");
	ret->empty_before = json_bool(saved, "empty_before", false);
	ret->began = json_int(saved, "began", 0);
}

int creation_journal_save(struct creation *c, struct error *err)
{
	autofree char *path = path_join(c->journal_dir, "journal");
	if (!c->began)
		c->began = os_now(os_env_real());
	json_auto_t *r = record(c);
	autofree char *text = json_text(r);
	int code = dir_make(c->journal_dir, 0700, err);
	return code ? code : file_replace(path, text, strlen(text), 0600, err);
}

int creation_journal_drop(const struct creation *c, struct error *err)
{
	return tree_remove(c->journal_dir, err);
}

int creation_mark(const struct creation *c, struct error *err)
{
	autofree char *from = path_join(c->journal_dir, "marker"), *to = path_join(c->git_dir, marker_name);
	json_auto_t *r = record(c);
	autofree char *text = json_text(r);
	int code = file_replace(from, text, strlen(text), 0600, err);
	if (code)
		return code;
	if (rename(from, to) < 0)
		return error_errno(err, errno, "cannot write %s", to);
	return dir_sync(c->git_dir, err);
}

/* What dir_each gives to look_for_marker(). */
struct marker_search {
	struct creation *c;
	const char *admin;
	bool found;
};

static int look_for_marker(const char *name, int type, void *data, struct error *err)
{
	struct marker_search *s = data;
	if (type != DT_DIR || s->found)
		return 0;
	autofree char *git_dir = path_join(s->admin, name), *path = path_join(git_dir, marker_name);
	json_auto_t *saved = NULL;
	int r = read_record(path, &saved, err);
	if (r || !saved || strcmp(json_str(saved, "id"), s->c->id) != 0)
		return r;
	/* The folder is the agent's to write: what it says must fit what was asked. */
	if (strcmp(json_str(saved, "branch"), s->c->branch) != 0)
		return 0;
	restore(s->c, saved);
	free(s->c->git_dir);
	s->c->git_dir = TAKE_PTR(git_dir);
	json_t *warnings = json_object_get(saved, "warnings");
	if (json_is_array(warnings))
		json_array_extend(s->c->warnings, warnings);
	s->found = s->c->base_commit && s->c->head;
	return 0;
}

int creation_find_marked(struct creation *c, bool *ret, struct error *err)
{
	autofree char *admin = path_join(c->repo.common_dir, "worktrees");
	struct marker_search s = {.c = c, .admin = admin};
	struct stat st;
	*ret = false;
	if (lstat(admin, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", admin);
	int r = dir_each(admin, look_for_marker, &s, err);
	*ret = s.found;
	return r;
}

void creation_read_base(struct creation *c, const char *git_dir)
{
	autofree char *path = path_join(git_dir, marker_name);
	json_auto_t *saved = NULL;
	if (read_record(path, &saved, NULL) != 0 || !saved || !json_str(saved, "base_commit"))
		return;
	take_str(&c->base, saved, "base");
	take_str(&c->base_commit, saved, "base_commit");
}
