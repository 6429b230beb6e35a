/* Commits through `git commit-tree`; see land_commit.h. */
#include "repo/land_commit.h"

#include <stdlib.h>
#include <string.h>

/* Nothing is guessed: git then fails instead of inventing user@host. And the message was read as UTF-8;
 * with i18n.commitEncoding git would label it otherwise. */
#define CONFIG                                                                                               \
	"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=user.useConfigOnly", "GIT_CONFIG_VALUE_0=true",              \
		"GIT_CONFIG_KEY_1=i18n.commitEncoding", "GIT_CONFIG_VALUE_1=UTF-8"

void land_committer_release(struct land_committer *c)
{
	free(c->name);
	free(c->email);
	*c = (struct land_committer){0};
}

/* Splits "Name <email> seconds zone". */
static bool split_ident(const char *line, struct land_committer *ret)
{
	const char *open = strstr(line, " <"), *close = open ? strchr(open, '>') : NULL;
	if (!close)
		return false;
	ret->name = xstrndup(line, (size_t)(open - line));
	ret->email = xstrndup(open + 2, (size_t)(close - open - 2));
	return true;
}

int land_committer_read(const struct git *g, struct land_committer *ret, struct error *err)
{
	static const char *const env[] = {CONFIG, NULL};
	const char *const ident[] = {"var", "GIT_COMMITTER_IDENT", NULL};
	const char *const sign[] = {"config", "--type=bool",	"--default=false",
				    "--get",  "commit.gpgSign", NULL};
	autofree char *yes = NULL;
	autostrbuf line = STRBUF_INIT(64 << 10);
	struct land_committer found = {0};
	int r = git_run_with(g, 0, ident, NULL, 0, env, &line, NULL, err);
	if (r == ERR_GIT)
		return error_hint(
			err,
			error_set(err, ERR_REFUSED,
				  "git does not know who commits: user.name or user.email is not set"),
			"git config --global user.name \"Your Name\" && "
			"git config --global user.email you@example.com");
	if (r == 0)
		r = git_line(g, sign, &yes, err);
	if (r)
		return r;
	if (!split_ident(strbuf_str(&line), &found))
		return error_set(err, ERR_GIT, "git var printed something unexpected");
	found.sign = strcmp(yes, "true") == 0;
	*ret = found;
	return 0;
}

int land_commit_write(const struct git *g, const struct land_commit_spec *spec, char **ret, struct error *err)
{
	const struct land_author *a = spec->author;
	const char *args[10] = {"commit-tree", "-F", "-", "-p", spec->parents[0]};
	size_t n = 5;
	if (spec->parents[1]) {
		args[n++] = "-p";
		args[n++] = spec->parents[1];
	}
	if (spec->committer->sign)
		args[n++] = "-S";
	args[n] = spec->tree;
	autofree char *name = xasprintf("GIT_AUTHOR_NAME=%s", a->name);
	autofree char *email = xasprintf("GIT_AUTHOR_EMAIL=%s", a->email);
	autofree char *date = xasprintf("GIT_AUTHOR_DATE=%s", a->date ? a->date : "");
	const char *const env[] = {CONFIG, "GIT_NO_REPLACE_OBJECTS=1", name, email, date, NULL};
	autostrbuf out = STRBUF_INIT(256);
	int r = git_run_with(g, 0, args, spec->message, spec->message_len, env, &out, NULL, err);
	if (r == ERR_GIT && spec->committer->sign)
		return error_hint(
			err, r,
			"commit.gpgSign is on: unlock the signing key, or check user.signingKey and "
			"gpg.program");
	if (r)
		return r;
	char *hash = strbuf_detach(&out);
	hash[strcspn(hash, "\n")] = '\0';
	*ret = hash;
	return 0;
}
