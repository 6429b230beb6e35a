/* `codex queue`, the fallback for sessions without a control socket; see codex.h. */
#include "agent/codex.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"

enum {
	ARGUMENTS_MAX = 256 << 10,
	TEXT_MAX = 120000, /* bytes: the kernel takes 128 KiB in one argument */
	SAID_MAX = 300,	   /* bytes of what it said that are shown */
};

bool codex_queue_reaches(pid_t pid)
{
	static const char *const others[] = {"exec", "e", "app-server", "mcp-server", "review"};
	autofree char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	autostrbuf line = STRBUF_INIT(ARGUMENTS_MAX);
	if (file_read(path, &line, NULL) || !line.len)
		return false;
	const char *end = strbuf_str(&line) + line.len;
	for (const char *p = strbuf_str(&line) + strlen(strbuf_str(&line)) + 1; p < end; p += strlen(p) + 1)
		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			if (strcmp(p, others[i]) == 0)
				return false;
	return true;
}

/* Each value in the word of its option: neither can be taken for an option. */
static void add_option(json_t *argv, const char *option, const char *value)
{
	autofree char *word = xasprintf("%s=%s", option, value);
	json_array_append_new(argv, json_lossy_string(word, strlen(word)));
}

int codex_queue(const json_t *command, const char *session, const char *text, json_t **ret, struct error *err)
{
	if (strlen(text) > TEXT_MAX)
		return error_set(err, ERR_TOO_LARGE, "the message has more than %d bytes", TEXT_MAX);
	json_t *argv = command ? json_deep_copy(command) : json_pack("[s]", "codex");
	json_array_append_new(argv, json_string("queue"));
	add_option(argv, "--thread", session);
	add_option(argv, "--message", text);
	*ret = argv;
	return 0;
}

int codex_queue_result(int status, const char *out, size_t len, struct error *err)
{
	static const char queued[] = "Queued message ";
	/* It may warn of something else first. */
	for (const char *p = out, *end = out + len; status == 0 && p && p < end;) {
		if ((size_t)(end - p) >= sizeof(queued) - 1 && memcmp(p, queued, sizeof(queued) - 1) == 0)
			return 0;
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	autostrbuf said = STRBUF_INIT(8 * SAID_MAX);
	text_escape(out, len < SAID_MAX ? len : SAID_MAX, false, &said);
	return error_set(err, ERR_REFUSED, "codex queue ended with %d: %s", status, strbuf_str(&said));
}
