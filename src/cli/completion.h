/* Completion scripts for shells, made from the commands' entries. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/error.h"
#include "base/strbuf.h"

/* The script for "bash", "zsh" or "fish"; ERR_INVALID for another shell. Words that change (branches, peers)
 * are asked of `coppice complete` when they are needed. They are others' words: the scripts never let a
 * shell expand one, and quote what they insert (S2). */
int completion_write(const char *shell, struct strbuf *out, struct error *err) _warn_unused_;

#endif
