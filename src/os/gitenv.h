/* Git's configuration in an environment: GIT_CONFIG_COUNT, GIT_CONFIG_KEY_<n>, GIT_CONFIG_VALUE_<n>
 * (git-config(1)). It holds for every git that is started with it, and leaves all files alone. The last
 * setting of a key counts. */
#ifndef OS_GITENV_H
#define OS_GITENV_H

#include <stdbool.h>

enum { GITENV_MAX = 1000 };

/* What adds one setting to `env` (NULL: our own), as "NAME=value", NULL-terminated; caller frees with
 * env_free. Without an element when `env` has it as the key's last one already. NULL when git would not take
 * the environment as it is: a count that is no number, or more than GITENV_MAX. */
char **gitenv_add(const char *const *env, const char *key, const char *value);
/* A copy of `env` (NULL: our own) without that one setting, however often it is there; the others are
 * numbered anew. Caller frees with env_free. */
char **gitenv_without(const char *const *env, const char *key, const char *value);
/* Calls `each` for every setting of `env` (NULL: our own), in order, until it returns true; whether one did.
 */
bool gitenv_each(const char *const *env, bool (*each)(const char *key, const char *value, void *data),
		 void *data);

#endif
