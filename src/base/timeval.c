/* Parsing and printing of times, durations, sizes and numbers; see timeval.h. */
#include "base/timeval.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *time_format(usec_t utc, char *out)
{
	time_t seconds = (time_t)(utc / USEC_PER_SEC);
	long micros = (long)(utc % USEC_PER_SEC);
	if (micros < 0) {
		seconds--;
		micros += USEC_PER_SEC;
	}
	struct tm tm = {0};
	(void)gmtime_r(&seconds, &tm);
	size_t n = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, TIME_TEXT_SIZE - n, ".%06ldZ", micros);
	return out;
}

/* Reads the digits at *cursor and advances it; false without a digit or beyond int64_t. */
static bool take_digits(const char **cursor, int64_t *ret)
{
	const char *p = *cursor;
	int64_t value = 0;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*cursor = p;
	*ret = value;
	return true;
}

struct unit {
	const char *name;
	int64_t factor;
};

static bool scaled_parse(const char *text, const struct unit *units, int64_t *ret)
{
	const char *p = text;
	int64_t value;
	if (!take_digits(&p, &value))
		return false;
	for (; units->name; units++)
		if (strcmp(units->name, p) == 0)
			return !__builtin_mul_overflow(value, units->factor, ret);
	return false;
}

int duration_parse(const char *text, usec_t *ret, struct error *err)
{
	static const struct unit units[] = {
		{"", USEC_PER_SEC},   {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC}, {"m", USEC_PER_MIN},
		{"h", USEC_PER_HOUR}, {"d", USEC_PER_DAY},   {NULL, 0},
	};
	int64_t value;
	if (!scaled_parse(text, units, &value))
		return error_set(err, ERR_INVALID, "'%s' is not a duration such as 25s, 12m, 24h or 30d",
				 text);
	*ret = value;
	return 0;
}

int size_parse(const char *text, uint64_t *ret, struct error *err)
{
	static const struct unit units[] = {
		{"", 1},
		{"K", 1LL << 10},
		{"KiB", 1LL << 10},
		{"M", 1LL << 20},
		{"MiB", 1LL << 20},
		{"G", 1LL << 30},
		{"GiB", 1LL << 30},
		{"T", 1LL << 40},
		{"TiB", 1LL << 40},
		{NULL, 0},
	};
	int64_t value;
	if (!scaled_parse(text, units, &value))
		return error_set(err, ERR_INVALID, "'%s' is not a size such as 512MiB or 2GiB", text);
	*ret = (uint64_t)value;
	return 0;
}

int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
	const char *p = text;
	bool negative = *p == '-';
	int64_t value;
	if (negative)
		p++;
	if (!take_digits(&p, &value) || *p)
		return error_set(err, ERR_INVALID, "'%s' is not a whole number", text);
	if (negative)
		value = -value;
	if (value < min || value > max)
		return error_set(err, ERR_INVALID, "%s is not between %lld and %lld", text, (long long)min,
				 (long long)max);
	*ret = value;
	return 0;
}
