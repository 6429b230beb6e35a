/* The error table; see error.h. */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct error_kind kinds[ERR_MAX_] = {
	[ERR_OK] = {"ok", 200, 0},
	[ERR_INVALID] = {"invalid", 400, 2},
	[ERR_NOT_FOUND] = {"not_found", 404, 5},
	[ERR_NO_PEER] = {"no_such_peer", 404, 5},
	[ERR_AMBIGUOUS] = {"ambiguous_peer", 409, 5},
	[ERR_FORBIDDEN] = {"forbidden", 403, 3},
	[ERR_REFUSED] = {"refused", 409, 3},
	[ERR_EXISTS] = {"exists", 409, 3},
	[ERR_CONFLICT] = {"conflict", 409, 3},
	[ERR_STALE_FENCE] = {"stale_fence", 409, 3},
	[ERR_TOO_LARGE] = {"too_large", 413, 3},
	[ERR_TIMED_OUT] = {"timed_out", 408, 6},
	[ERR_NOT_STORED] = {"not_stored", 503, 1},
	[ERR_MISSING] = {"missing_program", 503, 1},
	[ERR_GIT] = {"git_failed", 500, 1},
	[ERR_TERMINAL] = {"terminal_failed", 500, 1},
	[ERR_NO_DAEMON] = {"no_daemon", 503, 4},
	[ERR_PROTOCOL] = {"protocol_mismatch", 426, 1},
	[ERR_DISK_FULL] = {"disk_full", 507, 1},
	[ERR_UNSUPPORTED] = {"unsupported", 409, 3},
	[ERR_LOGIN] = {"login", 502, 1},
	[ERR_TRUST_DIALOG] = {"trust_dialog", 502, 1},
	[ERR_PERMISSION_DIALOG] = {"permission_dialog", 502, 1},
	[ERR_EXITED] = {"exited", 502, 1},
	[ERR_NOT_REGISTERED] = {"not_registered", 504, 1},
	[ERR_SYSTEM] = {"system", 500, 1},
	[ERR_INTERNAL] = {"internal", 500, 1},
};

const struct error_kind *error_kind(enum error_code code)
{
	assert(code >= 0 && code < ERR_MAX_);
	return &kinds[code];
}

enum error_code error_code_of(const char *name)
{
	for (int i = 0; i < ERR_MAX_; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return (enum error_code)i;
	return ERR_INTERNAL;
}

void error_release(struct error *err)
{
	free(err->message);
	free(err->hint);
	json_decref(err->details);
	*err = (struct error){0};
}

static char *_printf_(1, 0) format(const char *fmt, va_list ap)
{
	char *s = NULL;
	if (vasprintf(&s, fmt, ap) < 0)
		alloc_abort();
	return s;
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
	if (!err)
		return (int)code;
	va_list ap;
	va_start(ap, fmt);
	char *message = format(fmt, ap);
	va_end(ap);
	error_release(err);
	err->code = code;
	err->message = message;
	return (int)code;
}

int error_errno(struct error *err, int errnum, const char *fmt, ...)
{
	enum error_code code = errnum == ENOSPC || errnum == EDQUOT ? ERR_DISK_FULL : ERR_SYSTEM;
	if (!err)
		return (int)code;
	va_list ap;
	va_start(ap, fmt);
	autofree char *what = format(fmt, ap);
	va_end(ap);
	return error_set(err, code, "%s: %s", what, strerror(errnum));
}

int error_hint(struct error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	va_list ap;
	va_start(ap, fmt);
	char *hint = format(fmt, ap);
	va_end(ap);
	free(err->hint);
	err->hint = hint;
	return code;
}

int error_details(struct error *err, int code, json_t *details)
{
	if (!err) {
		json_decref(details);
		return code;
	}
	json_decref(err->details);
	err->details = details;
	return code;
}

json_t *error_to_json(const struct error *err)
{
	return json_pack("{s:{s:s, s:s, s:s?, s:O?}}", "error", "code", error_kind(err->code)->name,
			 "message", err->message ? err->message : "", "hint", err->hint, "details",
			 err->details);
}

int error_from_json(json_t *json, struct error *err)
{
	json_t *e = json_object_get(json, "error");
	const char *name = json_string_value(json_object_get(e, "code"));
	const char *message = json_string_value(json_object_get(e, "message"));
	const char *hint = json_string_value(json_object_get(e, "hint"));
	json_t *details = json_object_get(e, "details");
	enum error_code code = name ? error_code_of(name) : ERR_INTERNAL;
	(void)error_set(err, code, "%s", message ? message : "no message");
	if (hint)
		(void)error_hint(err, (int)code, "%s", hint);
	if (json_is_object(details))
		(void)error_details(err, (int)code, json_incref(details));
	return (int)code;
}
