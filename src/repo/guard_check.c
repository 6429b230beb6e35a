/* See guard_check.h. */
#include "repo/guard_check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "os/file.h"
#include "repo/ref_value.h"

static const char heads[] = "refs/heads/";

/* --- values of references --- */

/* A piece of a line, not NUL-terminated. */
struct piece {
	const char *at;
	size_t len;
};

static bool same(const struct piece *a, const struct piece *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

/* All zeroes: "none", and as the old value also "any". */
static bool is_none(const struct piece *id)
{
	return strspn(id->at, "0") >= id->len;
}

/* Whether what is deleted is only the loose file of a reference that has just been packed: git puts that
 * before its hooks like any deletion. A deletion that is meant holds the lock of the packed ones by now. */
static bool is_pruned(const struct guard_place *place, const char *ref, const struct piece *old)
{
	char packed[REF_VALUE_SIZE];
	autoreflook look = REF_LOOK_INIT(place->common_dir);
	if (!place->common_dir)
		return false;
	autofree char *lock = path_join(place->common_dir, "packed-refs.lock");
	return access(lock, F_OK) < 0 && ref_value_packed(&look, ref, packed) == TRUTH_YES &&
	       same(old, &(struct piece){packed, strlen(packed)});
}

static enum truth current_value(const struct guard_place *place, const char *ref, char ret[REF_VALUE_SIZE])
{
	autoreflook look = REF_LOOK_INIT(place->common_dir);
	return place->common_dir ? ref_value(&look, ref, ret) : TRUTH_UNKNOWN;
}

/* Whether the reference has another value afterwards. */
static bool changes(const struct guard_place *place, const char *ref, const struct piece *old,
		    const struct piece *new)
{
	char value[REF_VALUE_SIZE];
	if (is_none(new))
		return is_none(old) ? current_value(place, ref, value) != TRUTH_NO
				    : !is_pruned(place, ref, old);
	if (!is_none(old))
		return !same(old, new);
	return current_value(place, ref, value) != TRUTH_YES ||
	       !same(new, &(struct piece){value, strlen(value)});
}

/* --- whose it is --- */

static bool lists(const json_t *list, const char *text)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
	return false;
}

static int refuse_owned(const char *branch, const json_t *owner, struct error *err)
{
	const char *name = json_str(owner, "name"), *circle = json_str(owner, "circle");
	int code = error_set(err, ERR_REFUSED, "%s%s is %s's (%s)", heads, branch, name,
			     json_str(owner, "peer"));
	return error_hint(err, code, "ask for it (coppice ask %s:%s …), or work on a branch of your own",
			  circle, name);
}

static int refuse_target(const char *branch, const char *why, struct error *err)
{
	int code = error_set(err, ERR_REFUSED, "%s%s is %s, which no agent moves", heads, branch, why);
	return error_hint(err, code, "commit on your own branch; it gets there by landing (coppice land)");
}

/* Whether this peer may change the branch. */
static int check_branch(const struct guard_place *place, const char *branch, struct error *err)
{
	const json_t *owner = json_object_get(json_object_get(place->repo, "branches"), branch);
	bool is_main = place->main_branch && strcmp(place->main_branch, branch) == 0;
	if (owner && strcmp(json_str(owner, "peer"), place->peer) == 0)
		return 0;
	if (owner)
		return refuse_owned(branch, owner, err);
	if (is_main && lists(json_object_get(place->repo, "at_main"), place->peer))
		return 0;
	if (lists(json_object_get(place->repo, "targets"), branch))
		return refuse_target(branch, "where changes land", err);
	return is_main ? refuse_target(branch, "the main worktree's branch", err) : 0;
}

/* Git renames a branch by deleting it, then the branch that the new name has been so far; refused at the
 * second, it ends there and then, and the first is gone. So a command that deletes a branch may not name one
 * that it may not change. */
static int check_command(const struct guard_place *place, struct error *err)
{
	const char *end = place->command ? place->command + place->command_len : NULL;
	for (const char *word = place->command; word < end;) {
		size_t len = strnlen(word, (size_t)(end - word)), prefix = strlen(heads);
		bool full = len > prefix && memcmp(word, heads, prefix) == 0;
		autofree char *name = full ? xstrndup(word + prefix, len - prefix) : xstrndup(word, len);
		int code = check_branch(place, name, err);
		if (code)
			return code;
		word += len + 1;
	}
	return 0;
}

/* A refused renaming has moved the branch's log away by now, and git, which ends at once, does not put it
 * back. */
static void put_log_back(const struct guard_place *place, const char *ref)
{
	char value[REF_VALUE_SIZE], last[REF_VALUE_SIZE];
	autofree char *log = xasprintf("%s/logs/%s", place->common_dir, ref);
	autofree char *folder = path_folder(log);
	autofree char *moved = path_join(place->common_dir, "logs/refs/.tmp-renamed-log");
	/* It is this branch's if it ends with its value. */
	if (access(log, F_OK) == 0 || current_value(place, ref, value) != TRUTH_YES ||
	    ref_log_last(moved, last) != TRUTH_YES || strcmp(last, value) != 0)
		return;
	/* What cannot be put back is where git has left it. */
	if (!dir_make(folder, 0777, NULL) && link(moved, log) == 0)
		(void)unlink(moved);
}

static int check_ref(const struct guard_place *place, const struct piece *ref, const struct piece *old,
		     const struct piece *new, struct error *err)
{
	autoerror refused = {0};
	size_t prefix = strlen(heads);
	if (ref->len <= prefix || memcmp(ref->at, heads, prefix) != 0)
		return 0;
	autofree char *name = xstrndup(ref->at, ref->len);
	int code = check_branch(place, name + prefix, &refused);
	if (code ? !changes(place, name, old, new) : !is_none(new))
		return 0;
	if (!code)
		code = check_command(place, &refused);
	if (code && is_none(new) && place->common_dir)
		put_log_back(place, name);
	if (err)
		*err = refused, refused = (struct error){0};
	return code;
}

/* --- lines --- */

/* Takes the line's next word; the last one goes to the line's end. */
static bool next_word(const char **pos, const char *eol, bool last, struct piece *ret)
{
	const char *space = last ? eol : memchr(*pos, ' ', (size_t)(eol - *pos));
	if (!space || space == *pos)
		return false;
	*ret = (struct piece){*pos, (size_t)(space - *pos)};
	*pos = space + 1;
	return true;
}

static int check_lines(const struct guard_place *place, const char *lines, size_t len, size_t words,
		       const size_t order[3], struct error *err)
{
	for (const char *pos = lines, *end = lines + len; pos < end;) {
		const char *eol = memchr(pos, '\n', (size_t)(end - pos));
		struct piece word[4];
		eol = eol ? eol : end;
		for (size_t i = 0; i < words; i++)
			if (!next_word(&pos, eol, i + 1 == words, &word[i]))
				return error_set(err, ERR_INVALID,
						 "git tells of a reference in an unknown form");
		int code = check_ref(place, &word[order[0]], &word[order[1]], &word[order[2]], err);
		if (code)
			return code;
		pos = eol + 1;
	}
	return 0;
}

int guard_check_transaction(const struct guard_place *place, const char *lines, size_t len, struct error *err)
{
	return check_lines(place, lines, len, 3, (const size_t[]){2, 0, 1}, err);
}

int guard_check_push(const struct guard_place *place, const char *lines, size_t len, struct error *err)
{
	return check_lines(place, lines, len, 4, (const size_t[]){2, 3, 1}, err);
}
