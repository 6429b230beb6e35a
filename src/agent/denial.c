/* See denial.h. */
#include "agent/denial.h"

#include <string.h>

#include "base/alloc.h"

enum { LEVELS = 8 };

const char *denial_in(const char *line)
{
	static const char *const complaints[] = {
		"Read-only file system", "Permission denied", "EROFS", "EACCES",
		"read-only file system", "permission denied"};
	const char *found = NULL;
	for (size_t i = 0; !found && i < ARRAY_SIZE(complaints); i++)
		found = strstr(line, complaints[i]);
	return found;
}

static char *line_in(const char *text)
{
	const char *at = denial_in(text), *start = at;
	if (!at)
		return NULL;
	while (start > text && start[-1] != '\n')
		start--;
	size_t len = strcspn(start, "\n");
	return len <= DENIAL_LINE_MAX ? xstrndup(start, len) : NULL;
}

static char *find(const json_t *value, int levels)
{
	char *found = NULL;
	size_t i;
	const json_t *item;
	const char *key;
	union {
		const json_t *in;
		json_t *out;
	} object = {value}; /* iterating changes nothing */
	if (json_is_string(value))
		return line_in(json_string_value(value));
	if (!levels)
		return NULL;
	json_array_foreach(value, i, item) if (!found) found = find(item, levels - 1);
	json_t *member;
	json_object_foreach(object.out, key, member) if (!found) found = find(member, levels - 1);
	return found;
}

char *denial_line(const json_t *result)
{
	return result ? find(result, LEVELS) : NULL;
}
