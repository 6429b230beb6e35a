/* The words and the author of a landed commit; see land_message.h.
 *
 * The log comes from rev-list, which no log.* setting of the user changes. Its records are fields that
 * each end in NUL, and a newline after the last: git allows no NUL in a commit's text. */
#include "repo/land_message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	SUBJECTS_MAX = 50,  /* listed in a squashed message; the rest is counted */
	TRAILERS_MAX = 200, /* people named in one message */
};

#define FIELD(f) f "%x00"
static const char log_format[] = "--format=" FIELD("%H") FIELD("%T") FIELD("%P") FIELD("%an") FIELD("%ae")
	FIELD("%ad") FIELD("%cn") FIELD("%ce") FIELD("%B") FIELD("%(trailers:only,unfold)");

void land_log_release(struct land_log *log)
{
	strbuf_release(&log->text);
	free(log->at);
	*log = LAND_LOG_INIT;
}

bool land_log_parse(struct land_log *ret)
{
	const char *p = ret->text.buf, *end = p ? p + ret->text.len : p;
	size_t cap = 0;
	while (p < end) {
		struct land_commit c = {0};
		const char **const fields[] = {
			&c.hash,	 &c.tree,	 &c.parents,	    &c.author_name,
			&c.author_email, &c.author_date, &c.committer_name, &c.committer_email,
			&c.message,	 &c.trailers};
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			const char *nul = memchr(p, '\0', (size_t)(end - p));
			if (!nul)
				return false;
			*fields[i] = p;
			p = nul + 1;
		}
		if (p == end || *p++ != '\n')
			return false;
		ARRAY_GROW(ret->at, ret->n, cap);
		ret->at[ret->n++] = c;
	}
	return true;
}

int land_log_read(const struct git *g, const char *fork, const char *onto, const char *head,
		  struct land_log *ret, struct error *err)
{
	autofree char *not_fork = xasprintf("^%s", fork), *not_onto = xasprintf("^%s", onto);
	autofree char *limit = xasprintf("--max-count=%d", LAND_LOG_MAX + 1);
	const char *const args[] = {"rev-list",	    "--no-commit-header",
				    "--topo-order", "--reverse",
				    "--no-merges",  "--encoding=UTF-8",
				    "--date=raw",   limit,
				    log_format,	    head,
				    not_fork,	    not_onto,
				    "--",	    NULL};
	const char *const env[] = {"GIT_NO_REPLACE_OBJECTS=1", NULL};
	int r = git_run_with(g, 0, args, NULL, 0, env, &ret->text, NULL, err);
	if (r)
		return r;
	if (ret->text.overflow)
		return error_set(err, ERR_TOO_LARGE, "the branch's commit messages are larger than %zu bytes",
				 ret->text.max);
	if (!land_log_parse(ret))
		return error_set(err, ERR_GIT, "git rev-list printed something unexpected");
	if (ret->n > LAND_LOG_MAX)
		return error_hint(err,
				  error_set(err, ERR_TOO_LARGE, "the branch has more than %d new commits",
					    LAND_LOG_MAX),
				  "was it cut from the target at all? land it in parts, or by hand");
	return 0;
}

void land_author_release(struct land_author *a)
{
	free(a->name);
	free(a->email);
	free(a->date);
	*a = (struct land_author){0};
}

/* git strips these from both ends of a name, and refuses a name of nothing else. */
static bool is_crud(unsigned char c)
{
	return c <= 32 || strchr(".,:;<>\"\\'", c) != NULL;
}

static bool is_name(const char *s)
{
	while (*s && is_crud((unsigned char)*s))
		s++;
	return *s != '\0';
}

/* "<seconds> <zone>" as git itself writes it; what somebody forged becomes "now". */
static bool is_raw_date(const char *s)
{
	size_t digits = strspn(s, "0123456789");
	const char *zone = s + digits;
	return digits >= 1 && digits <= 12 && zone[0] == ' ' && (zone[1] == '+' || zone[1] == '-') &&
	       strspn(zone + 2, "0123456789") == 4 && zone[6] == '\0';
}

void land_author_of(const struct land_commit *c, struct land_author *ret)
{
	const char *name = is_name(c->author_name)    ? c->author_name
			   : is_name(c->author_email) ? c->author_email
						      : "unknown";
	*ret = (struct land_author){
		.name = xstrdup(name),
		.email = xstrdup(c->author_email),
		.date = is_raw_date(c->author_date) ? xasprintf("@%s", c->author_date) : NULL,
	};
}

static bool same_author(const struct land_commit *a, const struct land_commit *b)
{
	return strcasecmp(a->author_email, b->author_email) == 0 &&
	       (*a->author_email || strcmp(a->author_name, b->author_name) == 0);
}

static bool one_author(const struct land_log *log)
{
	for (size_t i = 1; i < log->n; i++)
		if (!same_author(&log->at[0], &log->at[i]))
			return false;
	return log->n > 0;
}

/* A line of a message, without its newline and trailing blanks. */
struct line {
	const char *at;
	size_t len;
};

/* Takes the next line of `*text`; false at the end. */
static bool next_line(const char **text, struct line *ret)
{
	if (!**text)
		return false;
	size_t n = strcspn(*text, "\n");
	*ret = (struct line){*text, n};
	*text += n + ((*text)[n] == '\n');
	while (ret->len && isspace((unsigned char)ret->at[ret->len - 1]))
		ret->len--;
	return true;
}

static struct line subject_of(const char *message)
{
	struct line l = {"", 0};
	while (next_line(&message, &l) && l.len == 0)
		;
	return l;
}

static bool has_line(const char *message, struct line wanted)
{
	struct line l;
	while (next_line(&message, &l))
		if (l.len == wanted.len && strncasecmp(l.at, wanted.at, l.len) == 0)
			return true;
	return false;
}

/* Length of the "Key" of a "Key: value" line, 0 if it is none. */
static size_t trailer_key(struct line l)
{
	size_t n = 0;
	while (n < l.len && (isalnum((unsigned char)l.at[n]) || l.at[n] == '-'))
		n++;
	return n < l.len && l.at[n] == ':' ? n : 0;
}

/* Whether the last paragraph, which must not be the title, consists of trailers: new ones then join it. */
static bool ends_in_trailers(const char *message)
{
	bool all = false, title = true;
	struct line l;
	while (next_line(&message, &l)) {
		bool blank = l.len == 0, folded = !blank && isspace((unsigned char)l.at[0]);
		if (blank)
			all = true;
		else if (!trailer_key(l) && !folded)
			all = false;
		title = title && !blank;
	}
	return all && !title;
}

/* The lines that go below the message, each on its own line. */
struct tail {
	struct strbuf text;
	size_t n;
};

static void tail_add(struct tail *tail, const char *message, struct line l)
{
	if (tail->n >= TRAILERS_MAX || has_line(message, l) || has_line(strbuf_str(&tail->text), l))
		return;
	strbuf_add(&tail->text, l.at, l.len);
	strbuf_addch(&tail->text, '\n');
	tail->n++;
}

static void tail_add_people(struct tail *tail, const char *message, const struct land_log *log)
{
	for (size_t i = 0; i < log->n; i++) {
		const char *text = log->at[i].trailers;
		struct line l;
		while (next_line(&text, &l)) {
			size_t key = trailer_key(l);
			if (key > 3 && strncasecmp(l.at + key - 3, "-by", 3) == 0)
				tail_add(tail, message, l);
		}
	}
}

static void tail_add_authors(struct tail *tail, const char *message, const struct land_log *log,
			     const struct land_words *words)
{
	for (size_t i = 0; i < log->n; i++) {
		if (strcasecmp(log->at[i].author_email, words->user_email) == 0)
			continue;
		struct land_author a = {0};
		land_author_of(&log->at[i], &a);
		autofree char *text = xasprintf("Co-authored-by: %s <%s>", a.name, a.email);
		tail_add(tail, message, (struct line){text, strlen(text)});
		land_author_release(&a);
	}
}

/* Commits that only exist to be folded into another are not worth a line. */
static bool is_fixup(struct line subject)
{
	static const char *const marks[] = {"fixup! ", "squash! ", "amend! "};
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (subject.len > strlen(marks[i]) && memcmp(subject.at, marks[i], strlen(marks[i])) == 0)
			return true;
	return false;
}

static void add_squashed(const struct land_log *log, const char *branch, struct strbuf *out)
{
	autostrbuf list = STRBUF_INIT(GIT_OUTPUT_MAX);
	struct line first = {"", 0};
	size_t listed = 0, left_out = 0;
	for (size_t i = 0; i < log->n; i++) {
		struct line subject = subject_of(log->at[i].message);
		if (subject.len == 0 || is_fixup(subject))
			continue;
		if (!first.len)
			first = subject;
		if (listed == SUBJECTS_MAX) {
			left_out++;
			continue;
		}
		strbuf_addf(&list, "* %.*s\n", (int)subject.len, subject.at);
		listed++;
	}
	strbuf_addstr(out, branch);
	if (first.len)
		strbuf_addf(out, ": %.*s", (int)first.len, first.at);
	strbuf_addch(out, '\n');
	if (listed > 1)
		strbuf_addf(out, "\n%s", strbuf_str(&list));
	if (left_out)
		strbuf_addf(out, "* and %zu more\n", left_out);
}

/* Adds `text` without blank lines at its end; false if nothing is left. */
static bool add_text(const char *text, struct strbuf *out)
{
	size_t n = text ? strlen(text) : 0;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	strbuf_add(out, text, n);
	if (n)
		strbuf_addch(out, '\n');
	return n > 0;
}

static void add_body(const struct land_log *log, const struct land_words *words, struct strbuf *out)
{
	if (add_text(words->given, out))
		return;
	if (words->merge)
		strbuf_addf(out, "Merge branch '%s' into %s\n", words->branch, words->target);
	else if (log->n != 1 || !add_text(log->at[0].message, out))
		add_squashed(log, words->branch, out);
}

void land_compose(const struct land_log *log, const struct land_words *words, struct strbuf *ret_message,
		  struct land_author *ret_author)
{
	add_body(log, words, ret_message);
	struct tail tail = {.text = STRBUF_INIT(GIT_OUTPUT_MAX)};
	if (!words->merge)
		tail_add_people(&tail, strbuf_str(ret_message), log);
	if (one_author(log)) {
		land_author_of(&log->at[log->n - 1], ret_author);
	} else {
		tail_add_authors(&tail, strbuf_str(ret_message), log, words);
		*ret_author = (struct land_author){.name = xstrdup(words->user_name),
						   .email = xstrdup(words->user_email)};
	}
	if (tail.n && !ends_in_trailers(strbuf_str(ret_message)))
		strbuf_addch(ret_message, '\n');
	strbuf_add(ret_message, strbuf_str(&tail.text), tail.text.len);
	strbuf_release(&tail.text);
}
