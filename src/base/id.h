/* Identifiers people may have to type: a prefix, a dash, 12 characters of Crockford's base 32
 * (60 random bits, no i, l, o, u). Uniqueness is enforced by the database's keys. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_SIZE 32

/* Writes "<prefix>-xxxxxxxxxxxx" from the low 60 bits of `random`; `prefix` has at most 8 bytes. */
void id_format(const char *prefix, uint64_t random, char ret[ID_SIZE]);
/* Whether `text` has the form of an id with that prefix. */
bool id_is(const char *text, const char *prefix);

#endif
