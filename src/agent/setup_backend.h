/* What each agent's own files have to hold so that its sessions are in the mesh (`coppice setup`): pure
 * functions from text to text. Which files are read and written, and how, is in cli/setup.h. */
#ifndef AGENT_SETUP_BACKEND_H
#define AGENT_SETUP_BACKEND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Settings that give an agent more than it has: each written only when the user said so. */
enum setup_allow {
	SETUP_ALLOW_TOOLS = 1 << 0, /* our tools without a question */
	SETUP_ALLOW_INBOX = 1 << 1, /* messages from processes that are not its own */
};

struct setup_consent {
	enum setup_allow allow;
	const char *name;    /* as in --allow=NAME, and the "kind" of its change */
	const char *setting; /* what is written */
	const char *means;   /* what it allows, one sentence */
	bool asked;	     /* whether the user is asked; else it takes --allow */
};

struct setup_wish {
	const char *program; /* this program, absolute */
	const char *version; /* the agent's */
	unsigned allow;	     /* of enum setup_allow */
};

struct setup_text {
	const char *file; /* its name in messages */
	const char *text; /* NULL: it is not there */
	size_t len;
};

/* What was done, or would be: {"kind","change":"added|updated|removed","what"}, and sentences for the user.
 */
struct setup_said {
	json_t *changes, *notes;
};

struct setup_file {
	const char *kind;    /* its name in the manifest */
	char *(*path)(void); /* absolute, by the environment; NULL without a home. Caller frees */
	bool hooks;	     /* it is JSON, and holds our hooks */
	bool folder_lock;    /* the agent locks it by making a folder PATH.lock, stale after 10 s */
	/* The text with all that is wished for. ERR_INVALID, with the line, for what is not understood. */
	int (*apply)(const struct setup_text *now, const struct setup_wish *wish, struct strbuf *ret,
		     struct setup_said *said, struct error *err);
	/* The text without anything of ours. `before` is the file as it was before anything was put in, NULL
	 * when that is not known. An empty text means that nothing is left. */
	int (*drop)(const struct setup_text *now, const struct setup_text *before, const char *program,
		    struct strbuf *ret, struct setup_said *said, struct error *err);
};

enum { SETUP_FILES_MAX = 2 };

struct setup_backend {
	const char *name;    /* as in agent.h */
	const char *program; /* its command when the configuration names none */
	struct setup_file files[SETUP_FILES_MAX];
	const struct setup_consent *consents; /* ends with a NULL name */
	const char *next;		      /* what the user does after a change */
	/* Whether the runtime runs our hooks by the user's leave: {"trusted","changed","unknown","off"},
	 * counts of them; NULL where the runtime asks for none. `texts` are those of `files`. A new
	 * reference. */
	json_t *(*trust)(const struct setup_text texts[SETUP_FILES_MAX], const char *program);
};

extern const struct setup_backend setup_claude_code;
extern const struct setup_backend setup_codex;

/* All of them, NULL-terminated; by name, NULL if there is none. */
const struct setup_backend *const *setup_backends(void);
const struct setup_backend *setup_backend_find(const char *name);
/* The consent of that name, NULL if this backend has none. */
const struct setup_consent *setup_consent_find(const struct setup_backend *backend, const char *name);

/* Whether the user's own files hold all that a session needs to be in the mesh, run by this very program, its
 * tools used without a question, its hooks by the user's leave: then a start needs none of it on its command
 * line. `env` is what the start sets in its environment ({"NAME": value}), or NULL. Reads the files. */
bool setup_settled(const char *backend, const char *program, const json_t *env);

/* --- for the backends --- */

/* Adds a change. */
void setup_say(struct setup_said *said, const char *kind, const char *change, const char *what);
void setup_note(struct setup_said *said, const char *note);

/* A file of settings in JSON: an object, or nothing yet. The caller frees *ret. ERR_INVALID names file and
 * line. */
struct edit_json;
int setup_parse(const struct setup_text *text, struct edit_json **ret, struct error *err) _warn_unused_;
/* The same of what stood there before setup; *ret is NULL where that is not known. */
int setup_parse_before(const struct setup_text *before, struct edit_json **ret,
		       struct error *err) _warn_unused_;
/* Adds the text as it has become to `ret`. */
void setup_give(const struct edit_json *doc, struct strbuf *ret);
/* Notes what the agent, which reads strict JSON, does not take. */
void setup_note_loose(struct setup_said *said, const struct edit_json *doc, const char *agent);
/* $VARIABLE/NAME, else ~/FOLDER/NAME; NULL without a home. Caller frees. */
char *setup_path(const char *variable, const char *folder, const char *name);

#endif
