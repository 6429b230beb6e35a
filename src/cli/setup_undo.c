/* Taking back what setup has written; see setup.h. Each file for itself: one that cannot be mended must not
 * keep the others.
 *
 * A file that is still what was written becomes what it was, byte for byte. In any other, what is ours is
 * taken out of what the user has made of it. */
#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/setup_file.h"
#include "cli/setup_internal.h"
#include "cli/setup_manifest.h"

enum { TRIES = 5 };

struct undo {
	const char *home;
	bool dry_run;
	json_t *manifest, *rows;
};

static const struct setup_file *file_of(const struct setup_backend *backend, const char *kind)
{
	for (size_t i = 0; backend && kind && i < SETUP_FILES_MAX && backend->files[i].kind; i++)
		if (strcmp(backend->files[i].kind, kind) == 0)
			return &backend->files[i];
	return NULL;
}

/* The text that was there, if the file is still just what was written. */
static bool restores(const struct undo *u, const struct setup_part *part, const json_t *entry,
		     struct strbuf *ret)
{
	const char *after = entry ? json_str(entry, "after") : NULL;
	struct setup_text before;
	strbuf_reset(ret);
	return after && strcmp(after, part->disk.hash) == 0 &&
	       setup_before(u->home, entry, ret, &before) == 0;
}

/* Makes the text that it becomes; `ret_state` says how. */
static int plan(const struct undo *u, struct setup_part *part, const json_t *entry, const char **ret_state,
		struct error *err)
{
	autostrbuf before_text = STRBUF_INIT(SETUP_FILE_MAX);
	struct setup_text now = setup_part_text(part), before;
	bool created = json_bool(entry, "created", false);
	if (!part->disk.exists) {
		*ret_state = "gone";
		return 0;
	}
	if (restores(u, part, entry, &part->text)) {
		*ret_state = created ? "removed" : "restored";
		return 0;
	}
	bool known = setup_before(u->home, entry, &before_text, &before) == 0;
	strbuf_reset(&part->text);
	int r = part->file->drop(&now, known ? &before : NULL, entry ? json_str(entry, "program") : NULL,
				 &part->text, &part->said, err);
	if (r)
		return r;
	bool empty = known && created && part->text.len == 0;
	*ret_state = empty ? "removed" : setup_part_changes(part) ? "edited" : "unchanged";
	return 0;
}

static int write_one(const struct setup_part *part, const char *state, struct error *err)
{
	bool remove = strcmp(state, "removed") == 0;
	struct setup_write write = {.disk = &part->disk,
				    .text = remove ? NULL : strbuf_str(&part->text),
				    .len = part->text.len,
				    .folder_lock = part->file->folder_lock};
	if (!remove && !setup_part_changes(part))
		return 0;
	return setup_files_write(&write, 1, NULL, err);
}

static void part_release(struct setup_part *part)
{
	struct setup_parts one = {.at = {*part}, .n = 1};
	setup_parts_release(&one);
}

static int take_back(struct undo *u, const struct setup_backend *backend, const struct setup_file *file,
		     const char *path, const json_t *entry, json_t *row, struct error *err)
{
	const char *state = NULL;
	for (int i = 0;; i++) {
		_cleanup_(part_release) struct setup_part part = {0};
		int r = setup_part_read(backend, file, path, &part, err);
		if (!r)
			r = plan(u, &part, entry, &state, err);
		if (!r && !u->dry_run && strcmp(state, "gone") != 0)
			r = write_one(&part, state, err);
		if (r == ERR_CONFLICT && i + 1 < TRIES)
			continue;
		if (r)
			return r;
		json_set_str(row, "state", state);
		json_object_set(row, "changes", part.said.changes);
		json_object_set(row, "notes", part.said.notes);
		break;
	}
	const char *made = entry ? json_str(entry, "made") : NULL;
	if (entry && !u->dry_run)
		setup_temp_remove(json_str(entry, "target"));
	if (made && !u->dry_run && (strcmp(state, "removed") == 0 || strcmp(state, "gone") == 0))
		setup_folders_remove(json_str(entry, "target"), made);
	return 0;
}

static void take_back_file(struct undo *u, const struct setup_backend *backend, const struct setup_file *file,
			   const char *path, const json_t *entry)
{
	autoerror err = {0};
	json_t *row = json_object();
	json_set_str(row, "backend", backend->name);
	json_set_str(row, "path", path);
	json_set_str(row, "kind", file->kind);
	json_object_set_new(row, "noted", json_boolean(entry != NULL));
	int r = take_back(u, backend, file, path, entry, row, &err);
	if (r) {
		json_set_str(row, "state", "failed");
		json_auto_t *all = error_to_json(&err);
		json_object_set(row, "error", json_object_get(all, "error"));
	}
	json_array_append_new(u->rows, row);
}

/* What the manifest names. An entry goes when its file is done. */
static void take_back_noted(struct undo *u)
{
	size_t i;
	json_t *entry;
	json_auto_t *entries = json_copy(json_object_get(u->manifest, "files"));
	json_array_foreach(entries, i, entry)
	{
		const char *name = json_str(entry, "backend"), *path = json_str(entry, "path");
		const char *target = json_str(entry, "target");
		const struct setup_backend *backend = name ? setup_backend_find(name) : NULL;
		const struct setup_file *file = file_of(backend, json_str(entry, "kind"));
		if (!file || !path || !target)
			continue; /* of a version that knew more */
		take_back_file(u, backend, file, path, entry);
		const json_t *row = json_array_get(u->rows, json_array_size(u->rows) - 1);
		if (strcmp(json_str(row, "state"), "failed") != 0)
			setup_manifest_drop(u->manifest, target);
	}
}

static bool is_done(const struct undo *u, const char *path)
{
	size_t i;
	json_t *row;
	json_array_foreach(u->rows, i, row)
	{
		if (strcmp(json_str(row, "path"), path) == 0)
			return true;
	}
	return false;
}

/* What an older setup, or one with another state folder, may have written where the agents look now. */
static void take_back_found(struct undo *u)
{
	for (const struct setup_backend *const *b = setup_backends(); *b; b++)
		for (size_t i = 0; i < SETUP_FILES_MAX && (*b)->files[i].kind; i++) {
			autofree char *path = (*b)->files[i].path();
			if (path && !is_done(u, path))
				take_back_file(u, *b, &(*b)->files[i], path, NULL);
		}
}

/* Files in which there was nothing are no news, unless they were expected to have something. */
static json_t *worth_telling(const json_t *rows)
{
	json_t *told = json_array();
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		const char *state = json_str(row, "state");
		bool nothing = strcmp(state, "unchanged") == 0 || strcmp(state, "gone") == 0;
		if (!nothing || json_bool(row, "noted", false) ||
		    json_array_size(json_object_get(row, "notes")))
			json_array_append(told, row);
	}
	return told;
}

int setup_take_back(const char *home, bool dry_run, json_t **ret, struct error *err)
{
	json_auto_t *manifest = NULL, *rows = json_array();
	autoclose int lock = -1;
	int r = dry_run || access(home, F_OK) < 0 ? 0 : setup_lock(home, &lock, err);
	if (!r)
		r = setup_manifest_read(home, &manifest, err);
	if (r)
		return r;
	bool any = json_array_size(json_object_get(manifest, "files")) > 0;
	struct undo u = {.home = home, .dry_run = dry_run, .manifest = manifest, .rows = rows};
	take_back_noted(&u);
	take_back_found(&u);
	if (!dry_run && any)
		r = setup_manifest_write(home, manifest, err);
	if (r)
		return r;
	*ret = json_pack("{s:o}", "files", worth_telling(rows));
	return 0;
}

json_t *setup_edited(const char *home)
{
	json_auto_t *manifest = NULL;
	json_t *list = json_array(), *entry, *change;
	size_t i, k;
	if (setup_manifest_read(home, &manifest, NULL))
		return list;
	json_array_foreach(json_object_get(manifest, "files"), i, entry)
	{
		autostrbuf what = STRBUF_INIT(4096);
		json_array_foreach(json_object_get(entry, "changes"), k, change)
		{
			const char *text = json_str(change, "what");
			if (text && !strstr(strbuf_str(&what), text))
				strbuf_addf(&what, "%s%s", what.len ? ", " : "", text);
		}
		json_t *row = json_object();
		json_set_str(row, "backend", json_str(entry, "backend"));
		json_set_str(row, "path", json_str(entry, "path"));
		json_set_str(row, "what", strbuf_str(&what));
		json_array_append_new(list, row);
	}
	return list;
}
