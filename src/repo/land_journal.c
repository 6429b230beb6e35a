/* The journal of moving a target; see land_journal.h.
 *
 * It is written with one write(2) into the empty file: a kill leaves none of it or all. After a power
 * loss half of it may be there; it then lacks its last newline and counts as none, for nothing is done
 * before the sync. */
#include "repo/land_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "os/file.h"
#include "os/lock.h"

enum { JOURNAL_MAX = 4096, FIELDS = 5 };

static const char magic[] = "coppice-land 1";

static void forget(struct land_journal *j)
{
	free(j->id);
	free(j->target);
	free(j->from);
	free(j->to);
	j->id = j->target = j->from = j->to = NULL;
}

void land_journal_release(struct land_journal *j)
{
	/* No footprint: whoever waits for the lock looks the name up again. */
	if (j->idle)
		(void)unlink(j->path); /* an empty journal left behind means the same */
	forget(j);
	free(j->path);
	if (j->fd >= 0)
		(void)close(j->fd); /* all that was written is synced */
	*j = LAND_JOURNAL_INIT;
}

static void parse(const char *text, struct land_journal *j)
{
	char *fields[FIELDS] = {NULL};
	size_t n = 0;
	for (size_t len; n < FIELDS && text[len = strcspn(text, "\n")]; text += len + 1)
		fields[n++] = xstrndup(text, len);
	if (n == FIELDS && strcmp(fields[0], magic) == 0) {
		j->id = TAKE_PTR(fields[1]);
		j->target = TAKE_PTR(fields[2]);
		j->from = TAKE_PTR(fields[3]);
		j->to = TAKE_PTR(fields[4]);
	}
	for (size_t i = 0; i < n; i++)
		free(fields[i]);
}

int land_journal_open(const char *common_dir, struct land_journal *ret, struct error *err)
{
	autolandjournal j = LAND_JOURNAL_INIT;
	j.path = path_join(common_dir, "coppice-land");
	int r = lock_take(j.path, LOCK_WAIT, &j.fd, err);
	autostrbuf text = STRBUF_INIT(JOURNAL_MAX);
	struct stat st;
	if (r == 0)
		r = file_read(j.path, &text, err);
	if (r)
		return r;
	if (fstat(j.fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", j.path);
	j.since = st.st_mtim;
	parse(strbuf_str(&text), &j);
	j.idle = !j.id;
	*ret = j;
	j = LAND_JOURNAL_INIT;
	return 0;
}

int land_journal_begin(struct land_journal *j, const char *id, const char *target, const char *from,
		       const char *to, struct error *err)
{
	autofree char *text = xasprintf("%s\n%s\n%s\n%s\n%s\n", magic, id, target, from, to);
	size_t len = strlen(text);
	if (len > JOURNAL_MAX)
		return error_set(err, ERR_TOO_LARGE, "the names of this landing are too long");
	j->idle = false;
	if (ftruncate(j->fd, 0) < 0 || pwrite(j->fd, text, len, 0) != (ssize_t)len || fsync(j->fd) < 0)
		return error_errno(err, errno, "cannot write %s", j->path);
	forget(j);
	parse(text, j);
	return 0;
}

int land_journal_end(struct land_journal *j, struct error *err)
{
	if (ftruncate(j->fd, 0) < 0)
		return error_errno(err, errno, "cannot empty %s", j->path);
	j->idle = true;
	forget(j);
	return 0;
}
