/* See setup_backend.h. */
#include "agent/setup_backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/edit_json.h"
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
