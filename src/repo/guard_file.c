/* See guard_file.h. */
#include "repo/guard_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "os/file.h"

enum { VERSION = 1, DISPATCH_MAX = 16 << 10, SHEBANG_MAX = 127 };

char *guard_file_path(const char *home)
{
	return path_join(home, "guard/owners.json");
}

char *guard_hooks_path(const char *home)
{
	return path_join(home, "guard/hooks");
}

/* --- from the rows --- */

static json_t *branches_of(struct store *s, const char *repo_id)
{
	autoquery q = db_query(
		s,
		"SELECT o.branch, peer.peer_id, peer.name, peer.circle, (SELECT git_dir FROM worktree AS w"
		" WHERE w.repo_id = o.repo_id AND w.branch = o.branch AND w.state = 'live')"
		" FROM branch_owner AS o JOIN peer ON peer.peer_id = o.peer_id WHERE o.repo_id = ?"
		" ORDER BY 1",
		"s", repo_id);
	json_t *branches = json_object();
	while (query_next(&q)) {
		json_t *owner = json_object();
		json_set_str(owner, "peer", query_text(&q, 1));
		json_set_str(owner, "name", query_text(&q, 2));
		json_set_str(owner, "circle", query_text(&q, 3));
		json_set_str(owner, "git_dir", query_text(&q, 4));
		(void)json_object_set_new(branches, query_text(&q, 0),
					  owner); /* what is no UTF-8 is in no row */
	}
	return branches;
}

/* The first column of each row. Takes the query. */
static json_t *column_of(struct query rows)
{
	autoquery q = rows;
	json_t *list = json_array();
	while (query_next(&q))
		json_array_append_new(list, json_string(query_text(&q, 0)));
	return list;
}

static json_t *repo_of(struct store *s, const char *repo_id, const char *main)
{
	json_t *targets = column_of(
		db_query(s,
			 "SELECT target FROM change WHERE repo_id = ?1 AND ended_at IS NULL UNION"
			 " SELECT target FROM plan WHERE repo_id = ?1 AND ended_at IS NULL ORDER BY 1",
			 "s", repo_id));
	/* A worktree may lie within the main one. */
	json_t *at_main = column_of(db_query(s,
					     "SELECT peer_id FROM peer WHERE live = 1 AND (path = ?1 OR "
					     "substr(path, 1, length(?1) + 1) = ?1 || '/')"
					     " AND NOT EXISTS (SELECT 1 FROM worktree AS w WHERE w.repo_id = "
					     "?2 AND w.state <> 'removed' AND"
					     " (peer.path = w.path OR substr(peer.path, 1, length(w.path) + "
					     "1) = w.path || '/')) ORDER BY peer_id",
					     "ss", main, repo_id));
	json_t *repo = json_pack("{s:o, s:o, s:o}", "branches", branches_of(s, repo_id), "targets", targets,
				 "at_main", at_main);
	json_set_str(repo, "main", main);
	return repo;
}

json_t *guard_file_make(struct store *s)
{
	json_t *repos = json_object();
	autoquery q = db_query(s, "SELECT repo_id, common_dir, main FROM repo ORDER BY common_dir", "");
	while (query_next(&q))
		(void)json_object_set_new(repos, query_text(&q, 1),
					  repo_of(s, query_text(&q, 0), query_text(&q, 2)));
	return json_pack("{s:i, s:o}", "version", VERSION, "repos", repos);
}

int guard_file_write(const char *home, const json_t *owners, struct error *err)
{
	autofree char *path = guard_file_path(home);
	autofree char *folder = path_folder(path);
	autofree char *text = json_text(owners);
	size_t len = strlen(text);
	if (len > GUARD_FILE_MAX)
		return error_set(err, ERR_TOO_LARGE, "the owners of all branches take more than %d bytes",
				 GUARD_FILE_MAX);
	int code = dir_make_private(folder, err);
	return code ? code : file_replace(path, text, len, 0600, err);
}

/* --- reading --- */

static bool all_text(const json_t *list)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
	return json_is_array(list);
}

static bool repo_ok(json_t *repo)
{
	json_t *branches = json_object_get(repo, "branches"), *owner;
	const json_t *main = json_object_get(repo, "main");
	const char *branch;
	if (!json_is_object(branches) || !(json_is_string(main) || json_is_null(main)))
		return false;
	json_object_foreach(branches, branch, owner)
	{
		if (!json_str(owner, "peer") || !json_str(owner, "name") || !json_str(owner, "circle"))
			return false;
	}
	return all_text(json_object_get(repo, "targets")) && all_text(json_object_get(repo, "at_main"));
}

int guard_file_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
	json_auto_t *owners = NULL;
	int code = json_parse(text, len, &owners, err);
	if (code)
		return code;
	json_t *repos = json_object_get(owners, "repos"), *repo;
	const char *common_dir;
	if (json_int(owners, "version", 0) != VERSION || !json_is_object(repos))
		return error_set(err, ERR_INVALID, "it is of another version");
	json_object_foreach(repos, common_dir, repo)
	{
		if (!repo_ok(repo))
			return error_set(err, ERR_INVALID, "a repository in it has another form");
	}
	*ret = TAKE_PTR(owners);
	return 0;
}

int guard_file_read(const char *home, json_t **ret, struct error *err)
{
	autofree char *path = guard_file_path(home);
	autostrbuf text = STRBUF_INIT(GUARD_FILE_MAX);
	autoerror why = {0};
	int code = file_read(path, &text, &why);
	if (!code)
		code = guard_file_parse(strbuf_str(&text), text.len, ret, &why);
	if (!code)
		return 0;
	code = error_set(err, (enum error_code)code, "nobody knows whose branches these are (%s: %s)", path,
			 why.message);
	return error_hint(
		err, code,
		"it is written when the daemon starts: outside of peers, coppice stop, then coppice status");
}

/* --- the folder of hooks --- */

/* Not here: push-to-checkout, whose mere existence replaces what git does without it, and which only a
 * receiving git runs, to which no environment of a peer comes; fsmonitor-watchman, which git finds by a path
 * of its own. */
static const char *const hooks[] = {
	"applypatch-msg",     "commit-msg",    "p4-changelist",
	"p4-post-changelist", "p4-pre-submit", "p4-prepare-changelist",
	"post-applypatch",    "post-checkout", "post-commit",
	"post-index-change",  "post-merge",    "post-receive",
	"post-rewrite",	      "post-update",   "pre-applypatch",
	"pre-auto-gc",	      "pre-commit",    "pre-merge-commit",
	"pre-push",	      "pre-rebase",    "pre-receive",
	"prepare-commit-msg", "proc-receive",  "reference-transaction",
	"sendemail-validate", "update",
};

bool guard_hook_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (strcmp(hooks[i], name) == 0)
			return true;
	return false;
}

/* What each hook is: the kernel starts the program with its path as first argument. Where the program's path
 * is too long for that, or has a blank, a shell does, which is slower. It is a file, and not a link to the
 * program, so that a tool that writes a hook where git says that they are can never write into the program.
 */
static void dispatch_text(const char *program, struct strbuf *out)
{
	if (!strpbrk(program, " \t\n'") && strlen(program) + strlen("#! guard") <= SHEBANG_MAX) {
		strbuf_addf(out, "#!%s guard\n", program);
		return;
	}
	strbuf_addstr(out, "#!/bin/sh\nexec ");
	text_quote(program, out);
	strbuf_addstr(out, " guard \"$0\" \"$@\"\n");
}

static bool file_is(const char *path, const struct strbuf *wanted)
{
	autostrbuf text = STRBUF_INIT(DISPATCH_MAX);
	struct stat st;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0500 &&
	       file_read(path, &text, NULL) == 0 && text.len == wanted->len &&
	       memcmp(strbuf_str(&text), strbuf_str(wanted), text.len) == 0;
}

static bool link_is(const char *path, const char *wanted)
{
	char to[64];
	ssize_t n = readlink(path, to, sizeof(to));
	return n > 0 && (size_t)n == strlen(wanted) && memcmp(to, wanted, (size_t)n) == 0;
}

static int link_hook(const char *folder, const char *name, const char *to, struct error *err)
{
	autofree char *path = path_join(folder, name);
	if (link_is(path, to))
		return 0;
	if ((unlink(path) < 0 && errno != ENOENT) || symlink(to, path) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

int guard_hooks_write(const char *home, const char *program, struct error *err)
{
	static const char dispatch[] = "../dispatch";
	autofree char *folder = guard_hooks_path(home);
	autofree char *path = path_join(home, "guard/dispatch");
	autostrbuf text = STRBUF_INIT(DISPATCH_MAX);
	dispatch_text(program, &text);
	int code = dir_make_private(folder, err);
	if (!code && !file_is(path, &text))
		code = file_replace(path, strbuf_str(&text), text.len, 0500, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(hooks); i++)
		code = link_hook(folder, hooks[i], dispatch, err);
	return code;
}
