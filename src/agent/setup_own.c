/* See setup_own.h. */
#include "agent/setup_own.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "os/file.h"

enum { WORD_MAX = 64 << 10 };

/* One word of a shell's command line, quotes undone; false if there is none, or a quote has no end. What a
 * shell would expand is taken as it is: no command of ours has any of that. */
static bool next_word(const char **text, struct strbuf *word)
{
	const char *p = *text + strspn(*text, " \t");
	char quote = '\0';
	if (!*p)
		return false;
	for (; *p && (quote || !strchr(" \t\n;&|<>", *p)); p++) {
		if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (quote && *p == quote)
			quote = '\0';
		else if (*p == '\\' && p[1] && quote != '\'')
			strbuf_addch(word, *++p);
		else
			strbuf_addch(word, *p);
	}
	*text = p;
	return !quote && !word->overflow;
}

static bool is_own(const char *word, const char *program)
{
	return (program && strcmp(word, program) == 0) || strcmp(path_base(word), "coppice") == 0;
}

/* The program of a command line into `word`; what follows is at `*ret_tail`. */
static bool read_program(const char *command, struct strbuf *word, const char **ret_tail)
{
	const char *p = command;
	if (!next_word(&p, word))
		return false;
	if (strcmp(strbuf_str(word), "exec") == 0) {
		strbuf_reset(word);
		if (!next_word(&p, word))
			return false;
	}
	*ret_tail = p;
	return true;
}

bool setup_own_command(const char *command, const char *program, const char *verb, const char **ret_tail)
{
	autostrbuf word = STRBUF_INIT(WORD_MAX), second = STRBUF_INIT(WORD_MAX);
	const char *tail = NULL;
	if (!command || !read_program(command, &word, &tail) || !is_own(strbuf_str(&word), program))
		return false;
	const char *p = tail;
	if (!next_word(&p, &second) || strcmp(strbuf_str(&second), verb) != 0)
		return false;
	if (ret_tail)
		*ret_tail = tail;
	return true;
}

char *setup_own_program(const char *command)
{
	autostrbuf word = STRBUF_INIT(WORD_MAX);
	const char *tail = NULL;
	return command && read_program(command, &word, &tail) ? strbuf_detach(&word) : NULL;
}

bool setup_own_server(const char *command, const json_t *args, const char *program)
{
	const char *first = json_string_value(json_array_get(args, 0));
	return command && is_own(command, program) && first && strcmp(first, "mcp") == 0;
}
