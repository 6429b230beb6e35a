/* Errors: one table maps each condition to its name, HTTP status and exit code.
 *
 * A fallible function returns 0 or one of enum error_code, and describes the failure in `err`,
 * which it leaves untouched on success. Text is for people ("what happened"); the hint says what
 * to do next. Callers may pass NULL where the text does not matter. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <jansson.h>

#include "base/alloc.h"

enum error_code {
	ERR_OK = 0,
	ERR_INVALID,	       /* malformed or out-of-range input */
	ERR_NOT_FOUND,	       /* what was named does not exist */
	ERR_NO_PEER,	       /* no peer by that name; details.near */
	ERR_AMBIGUOUS,	       /* several peers by that name; details.candidates */
	ERR_FORBIDDEN,	       /* the caller's role may not do this (S8) */
	ERR_REFUSED,	       /* a rule says no */
	ERR_EXISTS,	       /* already there */
	ERR_CONFLICT,	       /* the state does not allow it (a final job, a closed ask) */
	ERR_STALE_FENCE,       /* an older attempt or epoch (J2, I5) */
	ERR_TOO_LARGE,	       /* over a documented cap (S3) */
	ERR_TIMED_OUT,	       /* a wait ended without its event */
	ERR_NOT_STORED,	       /* the commit failed; nothing changed */
	ERR_MISSING,	       /* git or tmux is missing or too old */
	ERR_GIT,	       /* git failed; details.stderr */
	ERR_TERMINAL,	       /* tmux failed */
	ERR_NO_DAEMON,	       /* none runs and none could be started */
	ERR_PROTOCOL,	       /* client and daemon do not speak the same version */
	ERR_DISK_FULL,	       /* no space left */
	ERR_UNSUPPORTED,       /* the place or version cannot do this (NFS, bare repository) */
	ERR_LOGIN,	       /* spawn: the runtime wants a login (D8) */
	ERR_TRUST_DIALOG,      /* spawn: a trust dialog is open (D8) */
	ERR_PERMISSION_DIALOG, /* spawn: a permission dialog is open (D8) */
	ERR_EXITED,	       /* spawn: the process ended (D8) */
	ERR_NOT_REGISTERED,    /* spawn: no registration within the limit (D8) */
	ERR_SYSTEM,	       /* a system call failed; the message has its text */
	ERR_INTERNAL,	       /* a bug */
	ERR_MAX_,
};

struct error {
	enum error_code code;
	char *message;	 /* owned */
	char *hint;	 /* owned, may be NULL */
	json_t *details; /* owned, may be NULL */
};

#define autoerror _cleanup_(error_release) struct error

struct error_kind {
	const char *name; /* as in {"error":{"code":…}} */
	int http_status;
	int exit_code; /* surface.md */
};

/* The table row of a code; never NULL. */
const struct error_kind *error_kind(enum error_code code);
/* The code of a name, ERR_INTERNAL when unknown. */
enum error_code error_code_of(const char *name);

void error_release(struct error *err);
/* Fills `err` (unless NULL), replacing what it held, and returns `code`. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) _printf_(3, 4);
/* The same with errno's text appended; ENOSPC and EDQUOT become ERR_DISK_FULL. `errnum` > 0. */
int error_errno(struct error *err, int errnum, const char *fmt, ...) _printf_(3, 4);
/* Says what to do next, and returns `code`, so that both fit one statement:
 *   return error_hint(err, error_set(err, ERR_REFUSED, "it is locked"), "unlock it first"); */
int error_hint(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
/* Attaches details (ownership taken) and returns `code`. */
int error_details(struct error *err, int code, json_t *details);
/* {"error":{"code","message","hint","details"}}; a new reference. */
json_t *error_to_json(const struct error *err);
/* The inverse of error_to_json; tolerates missing fields. Returns the code. */
int error_from_json(json_t *json, struct error *err);

#endif
