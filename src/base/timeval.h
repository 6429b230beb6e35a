/* Time values: one type for durations and for points in time, in microseconds. Points in time are
 * UTC since the epoch (rows, JSON) or monotonic (timers); a name says which. */
#ifndef BASE_TIMEVAL_H
#define BASE_TIMEVAL_H

#include <stdint.h>

#include "base/error.h"

typedef int64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MIN (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MIN)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

#define TIME_TEXT_SIZE 32

/* RFC 3339 UTC with microseconds ("2026-01-02T03:04:05.000006Z") into `out` of TIME_TEXT_SIZE
 * bytes; returns `out`. */
char *time_format(usec_t utc, char *out);
/* "500ms", "25s", "12m", "24h", "30d", or a bare number of seconds. */
int duration_parse(const char *text, usec_t *ret, struct error *err) _warn_unused_;
/* "512", "64KiB", "20MiB", "2GiB", "1TiB" (powers of 1024; "K", "M", "G" and "T" mean the same). */
int size_parse(const char *text, uint64_t *ret, struct error *err) _warn_unused_;
/* A whole decimal number within [min, max], nothing before or after it. */
int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err) _warn_unused_;

#endif
