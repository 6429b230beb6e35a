/* See setup_manifest.h. */
#include "cli/setup_manifest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sha256.h"
#include "os/file.h"

enum { MANIFEST_MAX = 4 << 20, VERSION = 1, NAME_HASH = 16 };

static char *manifest_path(const char *home)
{
	return path_join(home, "setup.json");
}

int setup_manifest_read(const char *home, json_t **ret, struct error *err)
{
	autofree char *path = manifest_path(home);
	autostrbuf text = STRBUF_INIT(MANIFEST_MAX);
	json_auto_t *manifest = NULL;
	autoerror why = {0};
	int r = file_read(path, &text, &why);
	if (r == ERR_NOT_FOUND) {
		*ret = json_pack("{s:i, s:[]}", "version", VERSION, "files");
		return 0;
	}
	if (!r)
		r = json_parse(strbuf_str(&text), text.len, &manifest, &why);
	if (!r && (json_int(manifest, "version", 0) != VERSION ||
		   !json_is_array(json_object_get(manifest, "files"))))
		r = error_set(&why, ERR_INVALID, "it is of another version");
	if (r)
		return error_hint(err,
				  error_set(err, (enum error_code)r,
					    "the record of what was set up, %s, cannot be read: %s", path,
					    why.message),
				  "move it away; uninstall then finds entries of coppice by what they run");
	*ret = TAKE_PTR(manifest);
	return 0;
}

int setup_manifest_write(const char *home, const json_t *manifest, struct error *err)
{
	autofree char *path = manifest_path(home);
	if (!json_array_size(json_object_get(manifest, "files"))) {
		(void)unlink(path); /* most often it is there; that it goes is not vital */
		return 0;
	}
	autofree char *text = json_dumps(manifest, JSON_INDENT(2));
	if (!text)
		alloc_abort();
	int r = dir_make_private(home, err);
	return r ? r : file_replace(path, text, strlen(text), 0600, err);
}

static size_t find(const json_t *manifest, const char *target)
{
	size_t i;
	json_t *entry;
	json_array_foreach(json_object_get(manifest, "files"), i, entry)
	{
		const char *there = json_str(entry, "target");
		if (there && strcmp(there, target) == 0)
			return i;
	}
	return (size_t)-1;
}

json_t *setup_manifest_find(const json_t *manifest, const char *target)
{
	return json_array_get(json_object_get(manifest, "files"), find(manifest, target));
}

void setup_manifest_drop(json_t *manifest, const char *target)
{
	size_t i = find(manifest, target);
	if (i != (size_t)-1)
		json_array_remove(json_object_get(manifest, "files"), i);
}

void setup_manifest_put(json_t *manifest, json_t *entry)
{
	size_t i = find(manifest, json_str(entry, "target"));
	json_t *files = json_object_get(manifest, "files");
	if (i == (size_t)-1)
		json_array_append_new(files, entry);
	else
		json_array_set_new(files, i, entry);
}

int setup_backup_keep(const char *home, const char *file, const struct strbuf *text, char **ret,
		      struct error *err)
{
	char hash[SHA256_HEX_SIZE];
	autofree char *dir = path_join(home, "backup");
	int r = dir_make_private(home, err);
	if (!r)
		r = dir_make_private(dir, err);
	if (r)
		return r;
	sha256_hex(strbuf_str(text), text->len, hash);
	autofree char *name = xasprintf("%s-%.*s", path_base(file), NAME_HASH, hash);
	autofree char *path = path_join(dir, name);
	if (access(path, F_OK) < 0)
		r = file_replace(path, strbuf_str(text), text->len, 0600, err);
	if (!r)
		*ret = TAKE_PTR(name);
	return r;
}

int setup_backup_read(const char *home, const char *name, const char *hash, struct strbuf *ret,
		      struct error *err)
{
	char is[SHA256_HEX_SIZE];
	if (!name || !hash || strchr(name, '/'))
		return error_set(err, ERR_INVALID, "no copy is noted");
	autofree char *dir = path_join(home, "backup"), *path = path_join(dir, name);
	size_t start = ret->len;
	int r = file_read(path, ret, err);
	if (r)
		return r;
	sha256_hex(strbuf_str(ret) + start, ret->len - start, is);
	if (strcmp(is, hash) == 0)
		return 0;
	strbuf_setlen(ret, start);
	return error_set(err, ERR_INVALID, "%s is not any more what was kept", path);
}
