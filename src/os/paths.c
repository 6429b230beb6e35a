/* Where things are; see paths.h.
 *
 * The socket cannot live in the state folder, whose path may be longer than sun_path holds, and one runtime
 * folder may serve several state folders; hence its name is a hash of the state folder's path, which is
 * resolved first, so that two names of one folder do not make two daemons. */
#include "os/paths.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"

static const char note_name[] = "socket";

/* The variable if it holds an absolute path, else NULL. */
static const char *env_path(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] == '/' ? value : NULL;
}

/* "$XDG_…/coppice", or the same in the user's home folder. Caller frees. */
static int xdg_folder(const char *variable, const char *fallback, char **ret, struct error *err)
{
	const char *base = env_path(variable);
	const char *user_home = env_path("HOME");
	const struct passwd *pw = base || user_home ? NULL : getpwuid(geteuid());
	if (!user_home && pw && pw->pw_dir && pw->pw_dir[0] == '/')
		user_home = pw->pw_dir;
	if (!base && !user_home)
		return error_hint(err, error_set(err, ERR_INVALID, "the user's home folder is not known"),
				  "set HOME, or COPPICE_HOME");
	*ret = base ? path_join(base, "coppice") : xasprintf("%s/%s/coppice", user_home, fallback);
	return 0;
}

/* path_resolve for a path of which any number of folders at the end may be missing yet. The result is
 * the same when they are there. */
static int resolve(const char *path, char **ret, struct error *err)
{
	autofree char *head = xstrdup(path);
	autofree char *rest = NULL;
	for (;;) {
		autofree char *real = NULL;
		int r = path_resolve(head, &real, NULL);
		char *slash = strrchr(head, '/');
		const char *name = slash + 1;
		if (!r) {
			*ret = rest ? path_join(real, rest) : TAKE_PTR(real);
			return 0;
		}
		if (r != ERR_NOT_FOUND || slash == head || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return error_set(err, (enum error_code)r, "cannot resolve the folder %s", path);
		if (*name) {
			char *longer = rest ? path_join(name, rest) : xstrdup(name);
			free(rest);
			rest = longer;
		}
		*slash = '\0';
	}
}

static int find_home(char **ret, struct error *err)
{
	const char *wanted = getenv("COPPICE_HOME");
	autofree char *folder = NULL;
	if (wanted && *wanted && *wanted != '/')
		return error_hint(err, error_set(err, ERR_INVALID, "COPPICE_HOME is not an absolute path"),
				  "set it to one, or unset it");
	if (wanted && *wanted)
		return resolve(wanted, ret, err);
	int r = xdg_folder("XDG_STATE_HOME", ".local/state", &folder, err);
	return r ? r : resolve(folder, ret, err);
}

static char *find_runtime(void)
{
	const char *base = env_path("XDG_RUNTIME_DIR");
	struct stat st;
	if (base && stat(base, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		return path_join(base, "coppice");
	return xasprintf("/tmp/coppice-%u", (unsigned)geteuid());
}

static int check_socket(const char *path, struct error *err)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	if (strlen(path) <= most)
		return 0;
	return error_hint(
		err,
		error_set(err, ERR_UNSUPPORTED, "the socket's path %s is longer than %zu bytes", path, most),
		"set XDG_RUNTIME_DIR to a folder with a shorter path");
}

int paths_find(struct paths *ret, struct error *err)
{
	autopaths p = {0};
	autofree char *config_folder = NULL;
	int r = find_home(&p.home, err);
	if (!r)
		r = xdg_folder("XDG_CONFIG_HOME", ".config", &config_folder, err);
	if (r)
		return r;
	p.runtime = find_runtime();
	uint64_t hash = text_hash(p.home, strlen(p.home));
	p.socket = xasprintf("%s/%012llx.sock", p.runtime, (unsigned long long)(hash >> 16));
	p.lock = path_join(p.home, "daemon.lock");
	p.start_lock = path_join(p.home, "start.lock");
	p.log = path_join(p.home, "daemon.log");
	p.database = path_join(p.home, "coppice.db");
	p.config = path_join(config_folder, "config.yaml");
	r = check_socket(p.socket, err);
	if (!r) {
		*ret = p;
		p = (struct paths){0};
	}
	return r;
}

void paths_release(struct paths *p)
{
	free(p->home);
	free(p->runtime);
	free(p->socket);
	free(p->lock);
	free(p->start_lock);
	free(p->log);
	free(p->database);
	free(p->config);
	*p = (struct paths){0};
}

char *paths_token(const char *home)
{
	return path_join(home, "token");
}

char *paths_agents(const char *socket)
{
	autofree char *runtime = path_folder(socket);
	return xasprintf("%s-agents", runtime);
}

int paths_prepare(const struct paths *p, struct error *err)
{
	int r = dir_make_private(p->home, err);
	return r ? r : dir_make_private(p->runtime, err);
}

int paths_note_socket(const struct paths *p, struct error *err)
{
	autofree char *note = path_join(p->home, note_name);
	return file_replace(note, p->socket, strlen(p->socket), 0600, err);
}

char *paths_noted_socket(const struct paths *p)
{
	autofree char *note = path_join(p->home, note_name);
	autostrbuf text = STRBUF_INIT(PATH_MAX);
	/* Without a readable note there is nothing to know. */
	if (file_read(note, &text, NULL) != 0 || strlen(strbuf_str(&text)) != text.len ||
	    strbuf_str(&text)[0] != '/' || check_socket(strbuf_str(&text), NULL) != 0 ||
	    strcmp(strbuf_str(&text), p->socket) == 0)
		return NULL;
	return strbuf_detach(&text);
}
