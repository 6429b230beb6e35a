/* What the blocking children of spawn.h and the loop's children of loop.h have in common. */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Opens what a child gets as its stdin: a memory file holding `len` bytes of `input`, or /dev/null
 * when `input` is NULL. A file, not a pipe: the child may read it when it likes, or never, and nobody
 * has to feed it. The descriptor is CLOEXEC and above 2. */
int child_input(const char *input, size_t len, int *ret_fd, struct error *err) _warn_unused_;
/* A pipe for a child's output: both ends CLOEXEC and above 2, the reading end non-blocking. */
int child_pipe(int *ret_read, int *ret_write, struct error *err) _warn_unused_;
/* Appends what fits into `sb` and marks it overflown when something did not; `sb` may be NULL. */
void child_collect(struct strbuf *sb, const char *data, size_t len);
/* Reads once from a non-blocking pipe into `sb`. Returns 1 when there was something (or a signal came
 * between), 0 when nothing is there now, -1 at the end of the stream. At most `limit` bytes are read;
 * what was taken from the pipe is subtracted. */
int child_read(int fd, struct strbuf *sb, size_t *limit);
/* What waits in the pipe right now. */
size_t child_readable(int fd);
/* Why a program could not be started: names the missing program or folder. `errnum` > 0. */
int child_error(struct error *err, int errnum, const char *program, const char *cwd);

#endif
