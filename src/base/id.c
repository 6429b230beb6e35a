/* Identifiers; see id.h. */
#include "base/id.h"

#include <assert.h>
#include <string.h>

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { ID_DIGITS = 12 };

void id_format(const char *prefix, uint64_t random, char ret[ID_SIZE])
{
	size_t n = strlen(prefix);
	assert(n <= 8);
	memcpy(ret, prefix, n);
	ret[n++] = '-';
	for (int i = 0; i < ID_DIGITS; i++, random >>= 5)
		ret[n++] = digits[random & 31];
	ret[n] = '\0';
}

bool id_is(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);
	if (strncmp(text, prefix, n) != 0 || text[n] != '-' || strlen(text + n + 1) != ID_DIGITS)
		return false;
	return strspn(text + n + 1, digits) == ID_DIGITS;
}
