/* Two texts, line by line, in the form of `diff -u`: for showing what a command would change. */
#ifndef CLI_TEXT_DIFF_H
#define CLI_TEXT_DIFF_H

#include "base/strbuf.h"

/* Appends the lines that differ, each between three that are the same; long lines are cut. Nothing for texts
 * that are the same. */
void text_diff(const char *before, size_t before_len, const char *after, size_t after_len,
	       struct strbuf *ret);

#endif
