/* See setup_backend.h. */
#include "agent/setup_backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/edit_json.h"
#include "agent/setup_hooks.h"
#include "agent/setup_own.h"
#include "base/json.h"
#include "os/file.h"

static const struct setup_backend *const backends[] = {&setup_claude_code, &setup_codex, NULL};

const struct setup_backend *const *setup_backends(void)
{
	return backends;
}

const struct setup_backend *setup_backend_find(const char *name)
{
	for (size_t i = 0; backends[i]; i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

const struct setup_consent *setup_consent_find(const struct setup_backend *backend, const char *name)
{
	for (const struct setup_consent *c = backend->consents; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* --- what is settled --- */

enum { FILE_MAX = EDIT_JSON_SIZE_MAX };

/* Whether the environment of a start leads to other files than ours does. */
static bool leads_elsewhere(const json_t *env)
{
	static const char *const names[] = {"HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (json_object_get(env, names[i]))
			return true;
	return false;
}

/* The name by which a file of hooks calls this very program; `program` itself if it calls another. Caller
 * frees. */
static char *name_used(const struct setup_text *text, const char *program)
{
	autoeditjson *doc = NULL;
	struct setup_hook_place place;
	struct stat ours, theirs;
	if (!text->text || edit_json_parse(text->file, text->text, text->len, &doc, NULL) ||
	    !setup_hooks_find(doc, program, 0, &place))
		return xstrdup(program);
	json_auto_t *command = edit_json_value(doc, edit_json_get(doc, place.hook, "command"));
	autofree char *name = setup_own_program(json_string_value(command));
	bool same = name && *name == '/' && stat(name, &theirs) == 0 && stat(program, &ours) == 0 &&
		    ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
	return same ? TAKE_PTR(name) : xstrdup(program);
}

/* Whether nothing would be added or changed. What a version knows is not asked for here: with fewer hooks
 * than it could have, it is in the mesh all the same. */
static bool is_complete(const struct setup_file *file, const struct setup_text *text, const char *program)
{
	const struct setup_wish wish = {.program = program, .allow = SETUP_ALLOW_TOOLS};
	json_auto_t *changes = json_array(), *notes = json_array();
	struct setup_said said = {changes, notes};
	autostrbuf ignored = STRBUF_INIT(FILE_MAX);
	size_t i;
	json_t *change;
	if (!text->text || file->apply(text, &wish, &ignored, &said, NULL) != 0 || json_array_size(notes))
		return false;
	json_array_foreach(changes, i, change)
	{
		if (strcmp(json_str(change, "change"), "removed") != 0)
			return false;
	}
	return true;
}

static bool all_trusted(const struct setup_backend *backend, const struct setup_text *texts,
			const char *program)
{
	json_auto_t *counts = backend->trust ? backend->trust(texts, program) : NULL;
	return !counts || (json_int(counts, "trusted", 0) > 0 && json_int(counts, "changed", 0) == 0 &&
			   json_int(counts, "unknown", 0) == 0 && json_int(counts, "off", 0) == 0);
}

bool setup_settled(const char *name, const char *program, const json_t *env)
{
	const struct setup_backend *backend = setup_backend_find(name);
	struct strbuf bufs[SETUP_FILES_MAX] = {STRBUF_INIT(FILE_MAX), STRBUF_INIT(FILE_MAX)};
	struct setup_text texts[SETUP_FILES_MAX] = {0};
	char *paths[SETUP_FILES_MAX] = {0}, *used = NULL;
	bool settled = backend && !leads_elsewhere(env);
	for (size_t i = 0; settled && i < SETUP_FILES_MAX; i++) {
		paths[i] = backend->files[i].path();
		settled = paths[i] && file_read(paths[i], &bufs[i], NULL) == 0;
		texts[i] = (struct setup_text){paths[i], strbuf_str(&bufs[i]), bufs[i].len};
	}
	for (size_t i = 0; settled && !used && i < SETUP_FILES_MAX; i++)
		if (backend->files[i].hooks)
			used = name_used(&texts[i], program);
	for (size_t i = 0; settled && i < SETUP_FILES_MAX; i++)
		settled = is_complete(&backend->files[i], &texts[i], used);
	settled = settled && all_trusted(backend, texts, used);
	for (size_t i = 0; i < SETUP_FILES_MAX; i++) {
		free(paths[i]);
		strbuf_release(&bufs[i]);
	}
	free(used);
	return settled;
}

/* --- for the backends --- */

void setup_say(struct setup_said *said, const char *kind, const char *change, const char *what)
{
	json_t *entry = json_object();
	json_set_str(entry, "kind", kind);
	json_set_str(entry, "change", change);
	json_set_str(entry, "what", what);
	json_array_append_new(said->changes, entry);
}

void setup_note(struct setup_said *said, const char *note)
{
	json_array_append_new(said->notes, json_string(note));
}

int setup_parse(const struct setup_text *text, struct edit_json **ret, struct error *err)
{
	autoeditjson *doc = NULL;
	int r = edit_json_parse(text->file, text->text ? text->text : "", text->len, &doc, err);
	if (r)
		return r;
	uint32_t root = edit_json_root(doc);
	if (root && !edit_json_is(doc, root, EDIT_JSON_OBJECT))
		return error_set(err, ERR_INVALID, "%s:%d: the file holds no object", text->file,
				 edit_json_line(doc, root));
	*ret = TAKE_PTR(doc);
	return 0;
}

int setup_parse_before(const struct setup_text *before, struct edit_json **ret, struct error *err)
{
	*ret = NULL;
	return before ? setup_parse(before, ret, err) : 0;
}

void setup_give(const struct edit_json *doc, struct strbuf *ret)
{
	strbuf_add(ret, strbuf_str(&doc->text), doc->text.len);
}

void setup_note_loose(struct setup_said *said, const struct edit_json *doc, const char *agent)
{
	int line = edit_json_loose_line(doc);
	if (!line)
		return;
	autofree char *note = xasprintf(
		"%s:%d: %s takes no comments here, nor commas before a bracket, and leaves the whole file "
		"out of account; take them out",
		doc->file, line, agent);
	setup_note(said, note);
}

char *setup_path(const char *variable, const char *folder, const char *name)
{
	const char *given = getenv(variable), *home = getenv("HOME");
	if (given && *given == '/')
		return path_join(given, name);
	if (given && *given) {
		autofree char *cwd = getcwd(NULL, 0); /* as the agent itself would take it */
		autofree char *dir = cwd ? path_join(cwd, given) : NULL;
		return dir ? path_join(dir, name) : NULL;
	}
	if (!home || *home != '/')
		return NULL;
	autofree char *dir = *folder ? path_join(home, folder) : xstrdup(home);
	return path_join(dir, name);
}
