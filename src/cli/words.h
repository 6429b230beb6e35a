/* Kinds of words on a command line, for completions. An entry names them in `operands`; an option's kind
 * follows from the name of its value ("BRANCH", "FACT,…"). A word with a '|' is a list of alternatives,
 * which may be a single one: "list|". */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

/* The kind of an option's value, "" when nothing is known of it; a static text. */
const char *words_of_value(const char *value);
/* The `index`th (from 0) of a command's operands: its text and length; the last one stands for all that
 * follow. NULL when there are none. */
const char *words_operand(const char *operands, size_t index, size_t *ret_len);
/* How many are told apart. */
size_t words_operands(const char *operands);
/* Whether `coppice complete` knows the kind. */
bool words_known(const char *kind, size_t len);

/* Prints the words of a kind as they are now, "word" or "word<tab>what it is", a line each. Words come from
 * git and from a daemon that runs; none is started, and what cannot be had is left out. */
void words_print(const char *kind, const char *dir);

#endif
