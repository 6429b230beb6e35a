/* Setting an agent up; see setup.h. Taking back is in setup_undo.c. */
#include "cli/setup.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/json.h"
#include "cli/doctor.h"
#include "cli/setup_file.h"
#include "cli/setup_internal.h"
#include "cli/setup_manifest.h"
#include "cli/text_diff.h"
#include "os/env.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/spawn.h"

enum { OUTPUT_MAX = 64 << 10, TRIES = 5, ARGS_MAX = 64 };

#define VERSION_LIMIT (10 * USEC_PER_SEC)

/* --- the agent's program --- */

void setup_agent_release(struct setup_agent *agent)
{
	free(agent->program);
	free(agent->version);
	*agent = (struct setup_agent){0};
}

/* The first word of a text that is a version; caller frees. */
static char *version_in(const char *text)
{
	for (const char *p = text; *p; p += strcspn(p, " \t\n"), p += strspn(p, " \t\n")) {
		size_t len = strcspn(p, " \t\n");
		if (isdigit((unsigned char)*p) && memchr(p, '.', len))
			return xstrndup(p, len);
	}
	return NULL;
}

static int ask_version(const char *const *argv, char **ret, struct error *err)
{
	autostrbuf out = STRBUF_INIT(OUTPUT_MAX), ignored = STRBUF_INIT(0);
	struct spawn s = {.argv = argv, .out = &out, .errout = &ignored, .timeout = VERSION_LIMIT};
	int status = -1;
	int r = spawn_run(&s, &status, err);
	if (r)
		return r;
	*ret = status == 0 ? version_in(strbuf_str(&out)) : NULL;
	if (!*ret)
		return error_hint(err, error_set(err, ERR_MISSING, "%s --version says no version", argv[0]),
				  "mend or install it anew");
	return 0;
}

int setup_agent_find(const struct setup_backend *backend, const struct config *config,
		     struct setup_agent *ret, struct error *err)
{
	const json_t *command = config ? config_backend_command(config, backend->name) : NULL;
	const char *argv[ARGS_MAX + 2] = {backend->program};
	size_t n = 1, i;
	json_t *arg;
	json_array_foreach(command, i, arg)
	{
		if (i < ARGS_MAX)
			argv[i] = json_string_value(arg);
		n = i < ARGS_MAX ? i + 1 : n;
	}
	autofree char *program = NULL, *version = NULL;
	int r = program_find(argv[0], NULL, &program, err);
	if (r)
		return error_hint(err, error_set(err, ERR_MISSING, "%s is not installed", argv[0]),
				  "install it, or name it in config.yaml: spawn.backends.%s.command",
				  backend->name);
	argv[n] = "--version";
	r = ask_version(argv, &version, err);
	if (r)
		return r;
	*ret = (struct setup_agent){TAKE_PTR(program), TAKE_PTR(version)};
	return 0;
}

/* --- this program --- */

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static char *place_warning(const char *program)
{
	static const char *const temporary[] = {"/tmp", "/var/tmp", "/dev/shm"};
	const char *tmp = getenv("TMPDIR");
	autofree char *folder = xstrndup(program, (size_t)(path_base(program) - program));
	autofree char *ninja = path_join(folder, "build.ninja");
	bool lasts = !(tmp && *tmp == '/' && path_inside(program, tmp));
	for (size_t i = 0; i < ARRAY_SIZE(temporary); i++)
		lasts = lasts && !path_inside(program, temporary[i]);
	if (lasts && access(ninja, F_OK) < 0)
		return NULL;
	return xasprintf(
		"%s is in a %s folder; install coppice and run setup again, or the agents' hooks fail "
		"when it goes",
		program, lasts ? "build" : "temporary");
}

int setup_own_path(char **ret, char **ret_warning, struct error *err)
{
	char self[PATH_MAX];
	autofree char *named = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return error_set(err, ERR_SYSTEM, "cannot find the coppice program");
	self[n] = '\0';
	if (access(self, X_OK) < 0)
		return error_hint(
			err,
			error_set(err, ERR_NOT_FOUND, "this program has been replaced or removed: %s", self),
			"run it again");
	bool on_path = program_find("coppice", NULL, &named, NULL) == 0 && same_file(named, self);
	*ret = on_path ? TAKE_PTR(named) : xstrdup(self);
	*ret_warning = place_warning(self);
	return 0;
}

/* --- planning --- */

static void part_release(struct setup_part *part)
{
	free(part->path);
	setup_disk_release(&part->disk);
	strbuf_release(&part->text);
	json_decref(part->said.changes);
	json_decref(part->said.notes);
	json_decref(part->entry);
	*part = (struct setup_part){0};
}

void setup_parts_release(struct setup_parts *parts)
{
	for (size_t i = 0; i < parts->n; i++)
		part_release(&parts->at[i]);
	parts->n = 0;
}

int setup_part_read(const struct setup_backend *backend, const struct setup_file *file, const char *path,
		    struct setup_part *ret, struct error *err)
{
	*ret = (struct setup_part){.backend = backend, .file = file, .path = xstrdup(path)};
	strbuf_init(&ret->text, SETUP_FILE_MAX);
	ret->said = (struct setup_said){json_array(), json_array()};
	return setup_disk_read(path, &ret->disk, err);
}

struct setup_text setup_part_text(const struct setup_part *part)
{
	return (struct setup_text){.file = part->path,
				   .text = part->disk.exists ? strbuf_str(&part->disk.text) : NULL,
				   .len = part->disk.text.len};
}

static int read_parts(const struct setup_backend *backend, struct setup_parts *parts, struct error *err)
{
	for (size_t i = 0; i < SETUP_FILES_MAX && backend->files[i].kind; i++) {
		autofree char *path = backend->files[i].path();
		if (!path)
			return error_hint(err, error_set(err, ERR_NOT_FOUND, "there is no home folder"),
					  "set HOME");
		int r = setup_part_read(backend, &backend->files[i], path, &parts->at[parts->n++], err);
		if (r)
			return r;
	}
	return 0;
}

/* What to put in by hand where the file was not understood. */
static int add_by_hand(const struct setup_part *part, const struct setup_wish *wish, int code,
		       struct error *err)
{
	json_auto_t *changes = json_array(), *notes = json_array();
	struct setup_said said = {changes, notes};
	const struct setup_text none = {.file = part->path};
	autostrbuf text = STRBUF_INIT(SETUP_FILE_MAX);
	if (code != ERR_INVALID || part->file->apply(&none, wish, &text, &said, NULL) != 0)
		return code;
	code = error_details(err, code,
			     json_pack("{s:s, s:s}", "file", part->path, "by_hand", strbuf_str(&text)));
	return error_hint(err, code, "mend it and run this again, or put this in by hand");
}

/* Makes the new texts. */
static int apply_parts(struct setup_parts *parts, const struct setup_wish *wish, struct error *err)
{
	for (size_t i = 0; i < parts->n; i++) {
		struct setup_part *part = &parts->at[i];
		struct setup_text now = setup_part_text(part);
		strbuf_reset(&part->text);
		json_array_clear(part->said.changes);
		json_array_clear(part->said.notes);
		int r = part->file->apply(&now, wish, &part->text, &part->said, err);
		if (!r && part->text.overflow)
			r = error_set(err, ERR_TOO_LARGE, "%s is too large", part->path);
		if (r)
			return add_by_hand(part, wish, r, err);
	}
	return 0;
}

static bool says(const struct setup_parts *parts, const char *kind)
{
	size_t k;
	json_t *change;
	for (size_t i = 0; i < parts->n; i++) {
		json_array_foreach(parts->at[i].said.changes, k, change)
		{
			if (strcmp(json_str(change, "kind"), kind) == 0)
				return true;
		}
	}
	return false;
}

/* Asks for what the user has neither allowed nor set already. `present` is what is set already. */
static int settle_consents(struct setup_parts *parts, struct setup_wish *wish, const struct setup_options *o,
			   unsigned *present, struct error *err)
{
	const struct setup_backend *backend = parts->at[0].backend;
	struct setup_wish all = *wish;
	for (const struct setup_consent *c = backend->consents; c->name; c++)
		all.allow |= c->allow;
	int r = apply_parts(parts, &all, err);
	for (const struct setup_consent *c = backend->consents; !r && c->name; c++) {
		if (!says(parts, c->name))
			*present |= c->allow;
		else if (!(wish->allow & c->allow) && c->asked && o->ask && o->ask(backend, c, o->data))
			wish->allow |= c->allow;
	}
	return r;
}

/* --- writing --- */

bool setup_part_changes(const struct setup_part *part)
{
	if (!part->disk.exists)
		return part->text.len > 0;
	return part->text.len != part->disk.text.len ||
	       memcmp(strbuf_str(&part->text), strbuf_str(&part->disk.text), part->text.len) != 0;
}

int setup_before(const char *home, const json_t *entry, struct strbuf *text, struct setup_text *ret)
{
	*ret = (struct setup_text){.file = "the copy"};
	if (!entry)
		return ERR_NOT_FOUND;
	if (json_bool(entry, "created", false))
		return 0;
	int r = setup_backup_read(home, json_str(entry, "restore"), json_str(entry, "before"), text, NULL);
	ret->text = strbuf_str(text);
	ret->len = text->len;
	return r;
}

/* What is to be put back one day: the file as it is, without what is of ours in it already. */
static int keep_copies(const struct setup_part *part, const struct setup_options *o, const json_t *old,
		       json_t *entry, struct error *err)
{
	autostrbuf before_text = STRBUF_INIT(SETUP_FILE_MAX), clean = STRBUF_INIT(SETUP_FILE_MAX);
	json_auto_t *changes = json_array(), *notes = json_array();
	struct setup_said said = {changes, notes};
	struct setup_text now = setup_part_text(part), before;
	autofree char *restore = NULL, *backup = NULL;
	char hash[SHA256_HEX_SIZE];
	bool known = setup_before(o->home, old, &before_text, &before) == 0;
	int r = part->file->drop(&now, known ? &before : NULL, o->program, &clean, &said, err);
	if (!r)
		r = setup_backup_keep(o->home, part->path, &part->disk.text, &backup, err);
	if (!r && !(known && !before.text && clean.len == 0))
		r = setup_backup_keep(o->home, part->path, &clean, &restore, err);
	if (r)
		return r;
	sha256_hex(strbuf_str(&clean), clean.len, hash);
	json_set_str(entry, "before", restore ? hash : NULL);
	json_set_str(entry, "restore", restore);
	json_set_str(entry, "backup", backup);
	json_object_set_new(entry, "created", json_boolean(!restore));
	return 0;
}

/* The manifest's entry of a file that is about to be written. */
static int make_entry(struct setup_part *part, const struct setup_options *o, const json_t *old,
		      struct error *err)
{
	char hash[SHA256_HEX_SIZE];
	const char *after = old ? json_str(old, "after") : NULL;
	bool ours = part->disk.exists && after && strcmp(after, part->disk.hash) == 0;
	json_t *entry = ours ? json_deep_copy(old) : json_object();
	json_decref(part->entry);
	part->entry = entry;
	json_set_str(entry, "backend", part->backend->name);
	json_set_str(entry, "kind", part->file->kind);
	json_set_str(entry, "path", part->path);
	json_set_str(entry, "target", part->disk.target);
	json_set_str(entry, "program", o->program);
	json_set_time(entry, "at", os_now(os_env_real()));
	sha256_hex(strbuf_str(&part->text), part->text.len, hash);
	json_set_str(entry, "after", hash);
	if (ours) {
		json_array_extend(json_object_get(entry, "changes"), part->said.changes);
		return 0;
	}
	json_object_set(entry, "changes", part->said.changes);
	json_set_str(entry, "made", part->disk.made ? part->disk.made : json_str(old, "made"));
	if (part->disk.exists)
		return keep_copies(part, o, old, entry, err);
	static const char *const none[] = {"before", "restore", "backup"};
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		json_object_set_new(entry, none[i], json_null());
	json_object_set_new(entry, "created", json_true());
	return 0;
}

static int write_parts(struct setup_parts *parts, const struct setup_options *o, struct error *err)
{
	json_auto_t *manifest = NULL, *old = NULL;
	struct setup_write writes[SETUP_FILES_MAX];
	size_t n = 0;
	int r = setup_manifest_read(o->home, &manifest, err);
	old = json_deep_copy(manifest);
	for (size_t i = 0; i < parts->n && !r; i++) {
		struct setup_part *part = &parts->at[i];
		if (!setup_part_changes(part))
			continue;
		r = setup_disk_writable(&part->disk, err);
		if (!r)
			r = make_entry(part, o, setup_manifest_find(manifest, part->disk.target), err);
		if (!r)
			setup_manifest_put(manifest, json_incref(part->entry));
		writes[n++] = (struct setup_write){.disk = &part->disk,
						   .text = strbuf_str(&part->text),
						   .len = part->text.len,
						   .folder_lock = part->file->folder_lock};
	}
	if (!r && n)
		r = setup_manifest_write(o->home, manifest, err);
	if (r)
		return r;
	r = setup_files_write(writes, n, NULL, err);
	if (r)
		(void)!setup_manifest_write(o->home, old,
					    NULL); /* an entry of what was not written does no harm */
	return r;
}

/* Whether what was written is still there: a session that runs may have written its own state over it. */
static int check_written(const struct setup_backend *backend, const struct setup_wish *wish,
			 struct error *err)
{
	_cleanup_(setup_parts_release) struct setup_parts now = {0};
	int r = read_parts(backend, &now, err);
	if (!r)
		r = apply_parts(&now, wish, err);
	for (size_t i = 0; i < now.n && !r; i++)
		if (setup_part_changes(&now.at[i]))
			r = error_hint(err,
				       error_set(err, ERR_CONFLICT, "%s was written over by another program",
						 now.at[i].path),
				       "end the sessions that run, and try again");
	return r;
}

/* --- the report --- */

static json_t *report_file(const struct setup_part *part, const struct setup_options *o)
{
	bool changes = setup_part_changes(part);
	const char *backup = json_str(part->entry, "backup");
	json_t *row = json_object();
	json_set_str(row, "path", part->path);
	json_set_str(row, "kind", part->file->kind);
	json_set_str(row, "state", !changes ? "unchanged" : part->disk.exists ? "changed" : "created");
	json_object_set(row, "changes", part->said.changes);
	json_object_set(row, "notes", part->said.notes);
	autofree char *where = backup ? xasprintf("%s/backup/%s", o->home, backup) : NULL;
	json_set_str(row, "backup", where);
	if (!o->dry_run)
		return row;
	autostrbuf diff = STRBUF_INIT(SETUP_FILE_MAX);
	text_diff(strbuf_str(&part->disk.text), part->disk.text.len, strbuf_str(&part->text), part->text.len,
		  &diff);
	json_set_str(row, "diff", strbuf_str(&diff));
	return row;
}

static json_t *report_consents(const struct setup_backend *backend, unsigned allowed)
{
	json_t *list = json_array();
	for (const struct setup_consent *c = backend->consents; c->name; c++) {
		json_t *row = json_object();
		json_set_str(row, "name", c->name);
		json_set_str(row, "setting", c->setting);
		json_set_str(row, "means", c->means);
		json_object_set_new(row, "asked", json_boolean(c->asked));
		json_set_str(row, "state", allowed & c->allow ? "allowed" : "not_allowed");
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *report(const struct setup_parts *parts, const struct setup_agent *agent,
		      const struct setup_options *o, unsigned allowed)
{
	const struct setup_backend *backend = parts->at[0].backend;
	json_t *all = json_object(), *files = json_array();
	struct setup_text texts[SETUP_FILES_MAX] = {0};
	bool changed = false;
	for (size_t i = 0; i < parts->n; i++) {
		const struct setup_part *part = &parts->at[i];
		changed = changed || setup_part_changes(part);
		texts[i] = (struct setup_text){part->path, strbuf_str(&part->text), part->text.len};
		json_array_append_new(files, report_file(part, o));
	}
	json_set_str(all, "backend", backend->name);
	json_set_str(all, "program", agent->program);
	json_set_str(all, "version", agent->version);
	json_object_set_new(all, "changed", json_boolean(changed));
	json_object_set_new(all, "files", files);
	json_object_set_new(all, "consents", report_consents(backend, allowed));
	if (changed)
		json_set_str(all, "next", backend->next);
	if (backend->trust)
		json_object_set_new(all, "trust", backend->trust(texts, o->program));
	return all;
}

/* --- all of it --- */

static int apply_once(const struct setup_backend *backend, const struct setup_agent *agent,
		      const struct setup_options *o, struct setup_wish *wish, json_t **ret, struct error *err)
{
	_cleanup_(setup_parts_release) struct setup_parts parts = {0};
	unsigned present = 0;
	bool changes = false;
	int r = read_parts(backend, &parts, err);
	if (!r)
		r = settle_consents(&parts, wish, o, &present, err);
	if (!r)
		r = apply_parts(&parts, wish, err);
	if (r)
		return r;
	for (size_t i = 0; i < parts.n; i++)
		changes = changes || setup_part_changes(&parts.at[i]);
	if (changes && !o->dry_run)
		r = write_parts(&parts, o, err);
	if (!r && changes && !o->dry_run)
		r = check_written(backend, wish, err);
	if (!r)
		*ret = report(&parts, agent, o, present | wish->allow);
	return r;
}

int setup_lock(const char *home, int *ret_fd, struct error *err)
{
	autofree char *path = path_join(home, "setup.lock");
	int r = dir_make_private(home, err);
	return r ? r : lock_take(path, LOCK_WAIT, ret_fd, err);
}

int setup_apply(const struct setup_backend *backend, const struct setup_agent *agent,
		const struct setup_options *options, json_t **ret, struct error *err)
{
	struct setup_wish wish = {
		.program = options->program, .version = agent->version, .allow = options->allow};
	struct setup_options again = *options;
	autoclose int lock = -1;
	int r = options->dry_run ? 0 : setup_lock(options->home, &lock, err);
	for (int i = 0; !r && i < TRIES; i++) {
		r = apply_once(backend, agent, &again, &wish, ret, err);
		if (r != ERR_CONFLICT)
			return r;
		again.ask = NULL; /* the user has answered */
		r = i + 1 < TRIES ? 0 : r;
	}
	return r;
}
