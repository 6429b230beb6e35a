/* What the parts of the sandbox share; see sandbox.h. */
#ifndef OS_SANDBOX_INTERNAL_H
#define OS_SANDBOX_INTERNAL_H

#include <stdbool.h>

#include "base/error.h"

/* Paths: absolute, resolved, each owned. */
struct place_list {
	char **at;
	size_t n, cap;
};

struct sandbox {
	struct place_list write;   /* of `extra` too; none lies within another */
	struct place_list plain;   /* of `write`: only files and folders are made there */
	struct place_list protect; /* also what is not there yet */
	struct place_list hide, keep;
	struct place_list over, instead; /* at the path over.at[i] it sees instead.at[i] */
	char *tmp;			 /* resolved; or NULL */
	bool over_tmp;			 /* it stands for /tmp, too */
};

/* Takes `path` over. */
void place_add(struct place_list *list, char *path);
void place_list_release(struct place_list *list);
/* Whether one of the list is `path`, or lies above it. */
bool place_covers(const struct place_list *list, const char *path);

/* The mount namespace: read-only but for what may be written, foreign sockets hidden. */
int sandbox_mount(const struct sandbox *box, struct error *err) _warn_unused_;
/* ERR_UNSUPPORTED where the kernel has no Landlock. */
int sandbox_landlock_check(struct error *err) _warn_unused_;
/* Landlock, and no new privileges. */
int sandbox_landlock(const struct sandbox *box, struct error *err) _warn_unused_;

#endif
