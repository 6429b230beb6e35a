/* What programs say when the system does not let them write: the sandbox's denials (S5) are known by nothing
 * else. Their words are what anybody may print, and prove nothing. */
#ifndef AGENT_DENIAL_H
#define AGENT_DENIAL_H

#include <jansson.h>
#include <stddef.h>

enum { DENIAL_LINE_MAX = 1024 };

/* Where in a line the complaint begins; NULL if there is none. */
const char *denial_in(const char *line);
/* The first line with a complaint in any of the strings of a tool's result, whatever its shape, down to eight
 * levels; caller frees. NULL if there is none, or it is longer than DENIAL_LINE_MAX bytes. */
char *denial_line(const json_t *result);

#endif
