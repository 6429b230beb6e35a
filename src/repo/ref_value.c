/* See ref_value.h. */
#include "repo/ref_value.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/file.h"

enum { LOOSE_MAX = 4096, LOG_TAIL = 64 << 10 };

static bool is_id(const char *text, size_t len)
{
	return (len == 40 || len == 64) && strspn(text, "0123456789abcdef") >= len;
}

static void take(const char *id, size_t len, char ret[REF_VALUE_SIZE])
{
	memcpy(ret, id, len);
	ret[len] = '\0';
}

void ref_look_release(struct ref_look *look)
{
	strbuf_release(&look->packed);
}

static enum truth read_truth(int code)
{
	return code == 0 ? TRUTH_YES : code == ERR_NOT_FOUND ? TRUTH_NO : TRUTH_UNKNOWN;
}

static void read_packed(struct ref_look *look)
{
	autofree char *reftable = path_join(look->common_dir, "reftable");
	autofree char *path = path_join(look->common_dir, "packed-refs");
	look->is_read = true;
	look->has_packed = access(reftable, F_OK) == 0 ? TRUTH_UNKNOWN
						       : read_truth(file_read(path, &look->packed, NULL));
}

enum truth ref_value_packed(struct ref_look *look, const char *ref, char ret[REF_VALUE_SIZE])
{
	if (!look->is_read)
		read_packed(look);
	if (look->has_packed != TRUTH_YES)
		return look->has_packed;
	autofree char *wanted = xasprintf(" %s\n", ref);
	const char *text = strbuf_str(&look->packed), *end = text + look->packed.len;
	for (const char *at = text; (at = memmem(at, (size_t)(end - at), wanted, strlen(wanted))); at++) {
		const char *line = at;
		while (line > text && line[-1] != '\n')
			line--;
		if (!is_id(line, (size_t)(at - line)))
			continue;
		take(line, (size_t)(at - line), ret);
		return TRUTH_YES;
	}
	return TRUTH_NO;
}

enum truth ref_value(struct ref_look *look, const char *ref, char ret[REF_VALUE_SIZE])
{
	autofree char *path = path_join(look->common_dir, ref);
	autostrbuf text = STRBUF_INIT(LOOSE_MAX);
	struct stat st;
	/* A folder is where others of the same beginning are. */
	int code = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? ERR_NOT_FOUND : file_read(path, &text, NULL);
	if (code == ERR_NOT_FOUND)
		return ref_value_packed(look, ref, ret);
	size_t len = strcspn(strbuf_str(&text), "\n");
	if (code || !is_id(strbuf_str(&text), len))
		return TRUTH_UNKNOWN;
	take(strbuf_str(&text), len, ret);
	return TRUTH_YES;
}

/* --- logs --- */

/* What the log has from `since` on, or the end of it where that is long ago or the log was written anew.
 * Whole lines; the first one may be a part. */
static enum truth read_log(const char *path, int64_t since, struct strbuf *ret, int64_t *ret_size)
{
	struct stat st;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return TRUTH_UNKNOWN;
	off_t from = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
	if (since > from && since <= st.st_size)
		from = since;
	char *to = strbuf_reserve(ret, LOG_TAIL);
	ssize_t n = to ? pread(fd, to, LOG_TAIL, from) : -1;
	if (n < 0)
		return TRUTH_UNKNOWN;
	strbuf_setlen(ret, ret->len + (size_t)n);
	*ret_size = from + n;
	return TRUTH_YES;
}

static bool read_entry(const char *line, char ret[REF_VALUE_SIZE])
{
	size_t old = strcspn(line, " \n"), new = line[old] == ' ' ? strcspn(line + old + 1, " \n") : 0;
	if (!is_id(line, old) || !is_id(line + old + 1, new))
		return false;
	take(line + old + 1, new, ret);
	return true;
}

bool ref_log_find(const char *text, const char *value, char ret[REF_VALUE_SIZE])
{
	bool found = false;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (read_entry(line, ret))
			found = found || !value || strcmp(ret, value) == 0;
	return found;
}

enum truth ref_log_last(const char *path, char ret[REF_VALUE_SIZE])
{
	autostrbuf text = STRBUF_INIT(LOG_TAIL);
	int64_t size;
	if (read_log(path, 0, &text, &size) != TRUTH_YES)
		return TRUTH_UNKNOWN;
	return ref_log_find(strbuf_str(&text), NULL, ret) ? TRUTH_YES : TRUTH_NO;
}

static bool head_is_on(const char *git_dir, const char *ref)
{
	static const char symbolic[] = "ref: ";
	autofree char *head = path_join(git_dir, "HEAD");
	autostrbuf text = STRBUF_INIT(LOOSE_MAX);
	if (file_read(head, &text, NULL) || strncmp(strbuf_str(&text), symbolic, strlen(symbolic)) != 0)
		return false;
	const char *on = strbuf_str(&text) + strlen(symbolic);
	return strcspn(on, "\n") == strlen(ref) && strncmp(on, ref, strlen(ref)) == 0;
}

enum truth ref_head_look(const char *git_dir, const char *ref, const char *value, int64_t since,
			 struct ref_head *ret)
{
	autofree char *log = path_join(git_dir, "logs/HEAD");
	autostrbuf text = STRBUF_INIT(LOG_TAIL);
	struct ref_head head = {.on = head_is_on(git_dir, ref)};
	char unused[REF_VALUE_SIZE];
	if (ref_log_last(log, head.last) != TRUTH_YES || read_log(log, since, &text, &head.size) != TRUTH_YES)
		return TRUTH_UNKNOWN;
	autofree char *renamed = xasprintf("Branch: renamed %s to ", ref);
	head.came_to = (!*value && strstr(strbuf_str(&text), renamed)) ||
		       ref_log_find(strbuf_str(&text), value, unused) || strcmp(head.last, value) == 0;
	*ret = head;
	return TRUTH_YES;
}
