/* What a landed commit says, and whose it is (L9).
 *
 * land_log_read() lists the commits that a branch brings, and land_compose() makes of them one message
 * and one author:
 *
 *	- A message that was given wins. Otherwise a single commit keeps its own, and several become
 *	  "<branch>: <subject of the first>" over the list of their subjects.
 *	- One author of all commits stays the author, with the date of the last one. Several: the user,
 *	  and each of the others in a Co-authored-by line.
 *	- Trailers that name people (Signed-off-by and the other ...-by) are kept, each once.
 *
 * Merge commits of the branch count for neither: they only brought in what others wrote. */
#ifndef REPO_LAND_MESSAGE_H
#define REPO_LAND_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "repo/git.h"

enum { LAND_LOG_MAX = 20000 }; /* commits of one branch */

/* A commit as it was written; everything points into the log's text and is UTF-8 as far as git could
 * make it so. */
struct land_commit {
	const char *hash, *tree;
	const char *parents; /* hex, separated by spaces; "" for a root */
	const char *author_name, *author_email;
	const char *author_date; /* "<seconds> <zone>" */
	const char *committer_name, *committer_email;
	const char *message;
	const char *trailers; /* "Key: value" lines, unfolded */
};

struct land_log {
	struct strbuf text;
	struct land_commit *at; /* oldest first */
	size_t n;
};

#define LAND_LOG_INIT ((struct land_log){.text = STRBUF_INIT(GIT_OUTPUT_MAX)})
#define autolandlog _cleanup_(land_log_release) struct land_log

/* The commits of `head` that neither `fork` nor `onto` has, merges left out. ERR_TOO_LARGE beyond
 * LAND_LOG_MAX. `ret` is LAND_LOG_INIT. */
int land_log_read(const struct git *g, const char *fork, const char *onto, const char *head,
		  struct land_log *ret, struct error *err) _warn_unused_;
void land_log_release(struct land_log *log);
/* Parses ret->text into ret->at; false when malformed. Apart from land_log_read for its fuzzer. */
bool land_log_parse(struct land_log *ret);

/* A name and address fit for git, which refuses a name without a letter or digit in it. */
struct land_author {
	char *name, *email; /* owned */
	char *date;	    /* owned, as GIT_AUTHOR_DATE takes it; NULL means now */
};

void land_author_release(struct land_author *a);
/* The author of one commit, with its date. */
void land_author_of(const struct land_commit *c, struct land_author *ret);

struct land_words {
	const char *branch, *target;
	const char *given;		    /* message of the user's choice, or NULL */
	const char *user_name, *user_email; /* the committer */
	bool merge;			    /* the commits stay in the history: a title is enough */
};

/* The message (ending in one newline) and the author of the commit that lands `log`. `ret_message` is
 * empty, with room for what `log` holds (GIT_OUTPUT_MAX). */
void land_compose(const struct land_log *log, const struct land_words *words, struct strbuf *ret_message,
		  struct land_author *ret_author);

#endif
