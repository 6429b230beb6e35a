/* Session records of Claude Code: one file a process, `<pid>.json`, written anew at each change of its state.
 * Not documented by its vendor; seen with 2.1.197 to 2.1.330. What a killed session left behind stays, so pid
 * and start time have to be looked at. */
#include "agent/claude.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "os/file.h"

enum { RECORD_MAX = 64 << 10, TEXT_MAX = 256 };

static char *records_dir(void)
{
	const char *own = getenv("CLAUDE_CONFIG_DIR"), *home = getenv("HOME");
	if (own && own[0] == '/')
		return path_join(own, "sessions");
	return path_join(home ? home : "/", ".claude/sessions");
}

/* A number of 1 to `digits` digits and nothing else. */
static bool parse_number(const char *text, size_t len, size_t digits, uint64_t *ret)
{
	uint64_t value = 0;
	if (len == 0 || len > digits)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return true;
}

/* The name of a record; there are key files in the folder as well. */
static bool parse_name(const char *name, pid_t *ret)
{
	size_t len = strlen(name), suffix = strlen(".json");
	uint64_t pid;
	if (len <= suffix || strcmp(name + len - suffix, ".json") != 0 || name[0] == '0' ||
	    !parse_number(name, len - suffix, 9, &pid))
		return false;
	*ret = (pid_t)pid;
	return true;
}

static char *copy(const json_t *record, const char *key, size_t max)
{
	const char *text = json_str(record, key);
	return text && *text && strlen(text) <= max ? xstrdup(text) : NULL;
}

/* "SESSION:@WINDOW.%PANE". */
static char *parse_pane(const json_t *record)
{
	const char *text = json_str(record, "tmux");
	const char *pane = text ? strrchr(text, '.') : NULL;
	uint64_t number;
	return pane && pane[1] == '%' && parse_number(pane + 2, strlen(pane + 2), 9, &number)
		       ? xstrdup(pane + 1)
		       : NULL;
}

/* A state that is not known is taken for work: then nothing is done to the session. "shell" is an idle one
 * that left a command running in the background. */
static enum agent_turn parse_turn(const char *status)
{
	if (status && (strcmp(status, "idle") == 0 || strcmp(status, "shell") == 0))
		return AGENT_TURN_IDLE;
	return status && strcmp(status, "waiting") == 0 ? AGENT_TURN_AWAITS : AGENT_TURN_WORKING;
}

static bool is_text(const json_t *record, const char *key, const char *text)
{
	const char *value = json_str(record, key);
	return value && strcmp(value, text) == 0;
}

static int record_parse(const char *name, const char *text, size_t len, struct agent_record *ret,
			struct error *err)
{
	struct agent_record r = {0};
	if (!parse_name(name, &r.pid))
		return error_set(err, ERR_UNSUPPORTED, "%.100s is no session's record", name);
	json_auto_t *json = NULL;
	if (len > RECORD_MAX)
		return error_set(err, ERR_INVALID, "a session's record has more than %d bytes", RECORD_MAX);
	int code = json_parse(text, len, &json, err);
	if (code)
		return code;
	const char *start = json_str(json, "procStart"), *cwd = json_str(json, "cwd");
	if (json_int(json, "pid", 0) != r.pid || !start ||
	    !parse_number(start, strlen(start), 18, &r.start_time) || !cwd || cwd[0] != '/' ||
	    strlen(cwd) >= PATH_MAX)
		return error_set(err, ERR_INVALID, "the record of process %d lacks what names it",
				 (int)r.pid);
	r.session = copy(json, "sessionId", TEXT_MAX);
	if (!r.session)
		return error_set(err, ERR_INVALID, "the record of process %d names no session", (int)r.pid);
	r.cwd = xstrdup(cwd);
	r.version = copy(json, "version", TEXT_MAX);
	r.pane = parse_pane(json);
	r.turn = parse_turn(json_str(json, "status"));
	r.interactive = is_text(json, "kind", "interactive") && is_text(json, "entrypoint", "cli");
	r.has_inbox = json_str(json, "messagingSocketPath") != NULL;
	*ret = r;
	return 0;
}

const struct agent_records claude_records = {.dir = records_dir, .parse = record_parse};
