/* See gitenv.h. */
#include "os/gitenv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "os/spawn.h"

extern char **environ;

static const char count_name[] = "GIT_CONFIG_COUNT";

static const char *const *or_own(const char *const *env)
{
	union {
		char **in;
		const char *const *out;
	} own = {environ};
	return env ? env : own.out;
}

/* The value of a variable of `env`; NULL if it is not there. */
static const char *value_of(const char *const *env, const char *name)
{
	size_t len = strlen(name);
	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

static const char *numbered(const char *const *env, const char *what, int n)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "GIT_CONFIG_%s_%d", what, n);
	return value_of(env, name);
}

/* How many settings there are; -1 for what git refuses. */
static int count_of(const char *const *env)
{
	const char *text = value_of(env, count_name);
	char *end;
	if (!text || !*text)
		return 0;
	long n = strtol(text, &end, 10);
	return *end || n < 0 || n > GITENV_MAX ? -1 : (int)n;
}

bool gitenv_each(const char *const *env, bool (*each)(const char *key, const char *value, void *data),
		 void *data)
{
	env = or_own(env);
	int n = count_of(env);
	for (int i = 0; i < n; i++) {
		const char *key = numbered(env, "KEY", i), *value = numbered(env, "VALUE", i);
		if (key && value && each(key, value, data))
			return true;
	}
	return false;
}

struct last {
	const char *key, *value;
};

/* Keys are compared as those without a subsection are: their case does not count. */
static bool note_last(const char *key, const char *value, void *data)
{
	struct last *last = data;
	if (strcasecmp(key, last->key) == 0)
		last->value = value;
	return false;
}

char **gitenv_add(const char *const *env, const char *key, const char *value)
{
	struct last last = {.key = key};
	env = or_own(env);
	int n = count_of(env);
	if (n < 0 || n == GITENV_MAX)
		return NULL;
	char **set = xcalloc(4, sizeof(*set));
	(void)gitenv_each(env, note_last, &last);
	if (last.value && strcmp(last.value, value) == 0)
		return set;
	set[0] = xasprintf("GIT_CONFIG_KEY_%d=%s", n, key);
	set[1] = xasprintf("GIT_CONFIG_VALUE_%d=%s", n, value);
	set[2] = xasprintf("%s=%d", count_name, n + 1);
	return set;
}

struct rest {
	const char *key, *value; /* what is left out */
	char **set;
	int n; /* settings that are kept */
};

static bool keep(const char *key, const char *value, void *data)
{
	struct rest *rest = data;
	if (strcasecmp(key, rest->key) == 0 && strcmp(value, rest->value) == 0)
		return false;
	size_t at = (size_t)rest->n * 2;
	rest->set[at] = xasprintf("GIT_CONFIG_KEY_%d=%s", rest->n, key);
	rest->set[at + 1] = xasprintf("GIT_CONFIG_VALUE_%d=%s", rest->n, value);
	rest->n++;
	return false;
}

char **gitenv_without(const char *const *env, const char *key, const char *value)
{
	static const char *const all[] = {"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*", NULL};
	env = or_own(env);
	int n = count_of(env);
	if (n < 0)
		return env_edit(env, NULL, NULL);
	struct rest rest = {.key = key, .value = value, .set = xcalloc((size_t)n * 2 + 2, sizeof(*rest.set))};
	(void)gitenv_each(env, keep, &rest);
	if (rest.n)
		rest.set[(size_t)rest.n * 2] = xasprintf("%s=%d", count_name, rest.n);
	union {
		char **in;
		const char *const *out;
	} set = {rest.set};
	char **without = env_edit(env, all, set.out);
	env_free(rest.set);
	return without;
}
