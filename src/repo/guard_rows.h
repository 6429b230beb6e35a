/* The rows from which the guard's file is made; apart from guard_file.h, for what reads that file runs at
 * each of git's hooks, and is not to be linked with a database. */
#ifndef REPO_GUARD_ROWS_H
#define REPO_GUARD_ROWS_H

#include <jansson.h>

#include "store/store.h"

/* What the file shall say (guard_file.h), by the rows; a new reference. Outside of a turn or in one. */
json_t *guard_rows_owners(struct store *s);

#endif
