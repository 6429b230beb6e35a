/* An agent without a model for the tests of the injector: it draws a prompt as agents do, and logs what it
 * reads, one event a line:
 *
 *	paste TEXT	a bracketed paste
 *	key C		a character
 *	back		a backspace
 *	enter TEXT	Enter, with what was in the prompt
 *	byte XX		anything else, among them Escape and Ctrl-C
 *	child PID	of what it started
 *
 * Its behaviour:
 *
 *	idle, busy, dialog, other (no prompt at all), draft (text in the prompt), hint (a dim one)
 *	key-before, key-behind	a key of a person comes right before or behind a paste
 *	deaf			shows nothing of a paste
 *	begins-turn		is busy from the first paste on
 *	stubborn		keeps the text after Enter
 *	foreign			is not the agent: that one is its child, in the background
 *	nested			passes on to the agent, its child, in a terminal of that one's own */
#ifndef TERM_TEST_AGENT_H
#define TERM_TEST_AGENT_H

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/strbuf.h"

enum { FAKE_TEXT_MAX = 1024 };

struct fake {
	const char *behaviour;
	const char *log;
	char text[FAKE_TEXT_MAX];
	bool working, in_paste;
	char paste[FAKE_TEXT_MAX];
};

static void fake_log(const struct fake *a, const char *what, const char *text)
{
	FILE *f = fopen(a->log, "a");
	if (!f || fprintf(f, "%s%s%s\n", what, *text ? " " : "", text) < 0 || fclose(f))
		_exit(9);
}

static bool behaves(const struct fake *a, const char *name)
{
	return strcmp(a->behaviour, name) == 0;
}

static void fake_rule(struct strbuf *out, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		strbuf_addstr(out, "─");
	strbuf_addstr(out, "\r\n");
}

/* The text, broken at spaces into rows of `width`. */
static void fake_wrap(struct strbuf *out, const char *text, size_t width)
{
	while (strlen(text) > width) {
		size_t n = width;
		while (n && text[n] != ' ')
			n--;
		n = n ? n : width;
		strbuf_add(out, text, n);
		strbuf_addstr(out, "\r\n  ");
		text += n + (text[n] == ' ');
	}
	strbuf_addstr(out, text);
}

/* Draws the screen anew: what stands below the prompt is drawn first, so that the cursor stays in it. */
static void fake_draw(const struct fake *a)
{
	struct winsize size = {.ws_col = 80, .ws_row = 24};
	(void)ioctl(0, TIOCGWINSZ, &size); /* a pane has one */
	autostrbuf out = STRBUF_INIT(65536);
	strbuf_addstr(&out, "\033[H\033[2Ja fake agent\r\n");
	if (behaves(a, "dialog") || behaves(a, "other")) {
		fake_rule(&out, size.ws_col);
		strbuf_addstr(&out, behaves(a, "dialog") ? "Do you want to run it?\r\n* " : "$ ");
	} else {
		autostrbuf text = STRBUF_INIT(8192);
		fake_wrap(&text, a->text, size.ws_col - 4u);
		fake_rule(&out, size.ws_col);
		strbuf_addstr(&out, "\0337> ");
		strbuf_addstr(&out, strbuf_str(&text));
		strbuf_addstr(&out, "\r\n");
		fake_rule(&out, size.ws_col);
		strbuf_addstr(&out, a->working ? "  working" : "  idle");
		strbuf_addstr(&out, "\0338> ");
		if (!*a->text && behaves(a, "hint"))
			strbuf_addstr(&out, "\033[2mtry this\033[0m\0338\033[2C");
		strbuf_addstr(&out, strbuf_str(&text));
	}
	for (size_t at = 0; at < out.len;) {
		ssize_t n = write(1, out.buf + at, out.len - at);
		if (n < 0 && errno != EINTR)
			_exit(8);
		at += n > 0 ? (size_t)n : 0;
	}
}

static void fake_append(struct fake *a, const char *text)
{
	size_t n = strlen(a->text);
	(void)snprintf(a->text + n, sizeof(a->text) - n, "%s", text);
}

static void fake_pasted(struct fake *a)
{
	fake_log(a, "paste", a->paste);
	if (behaves(a, "deaf"))
		return;
	if (behaves(a, "key-before"))
		fake_append(a, "x");
	fake_append(a, a->paste);
	if (behaves(a, "key-behind"))
		fake_append(a, "x");
	a->working |= behaves(a, "begins-turn");
}

static void fake_key(struct fake *a, char c)
{
	char text[8] = {c};
	size_t n = strlen(a->text);
	if (c == '\r') {
		fake_log(a, "enter", a->text);
		a->text[behaves(a, "stubborn") ? n : 0] = '\0';
	} else if (c == 0x7f) {
		fake_log(a, "back", "");
		a->text[n ? n - 1 : 0] = '\0';
	} else if (c >= 0x20) {
		fake_log(a, "key", text);
		fake_append(a, text);
	} else {
		(void)snprintf(text, sizeof(text), "%02x", (unsigned)(unsigned char)c);
		fake_log(a, "byte", text);
	}
}

/* Takes one piece of the input and returns its length. */
static size_t fake_input(struct fake *a, const char *at)
{
	static const char begin[] = "\033[200~", end[] = "\033[201~";
	size_t n = strlen(a->paste);
	if (!a->in_paste && strncmp(at, begin, 6) == 0) {
		a->in_paste = true;
		a->paste[0] = '\0';
		return 6;
	}
	if (a->in_paste && strncmp(at, end, 6) == 0) {
		a->in_paste = false;
		fake_pasted(a);
		return 6;
	}
	if (a->in_paste && n + 1 < sizeof(a->paste))
		memcpy(a->paste + n, (const char[]){*at, '\0'}, 2);
	else
		fake_key(a, *at);
	return 1;
}

static void raw_terminal(void)
{
	struct termios raw;
	if (tcgetattr(0, &raw))
		_exit(7);
	cfmakeraw(&raw);
	if (tcsetattr(0, TCSANOW, &raw))
		_exit(7);
}

static int fake_agent(const char *behaviour, const char *log)
{
	struct fake a = {.behaviour = behaviour, .log = log, .working = strcmp(behaviour, "busy") == 0};
	raw_terminal();
	if (write(1, "\033[?2004h", 8) != 8)
		return 8;
	if (behaves(&a, "draft"))
		fake_append(&a, "half a thought");
	fake_draw(&a);
	char in[4096];
	ssize_t n;
	while ((n = read(0, in, sizeof(in) - 1)) > 0) {
		in[n] = '\0';
		for (char *at = in; at < in + n;)
			at += fake_input(&a, at);
		fake_draw(&a);
	}
	return 0;
}

static void log_child(const char *log, pid_t pid)
{
	char text[16];
	struct fake a = {.log = log};
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	fake_log(&a, "child", text);
}

/* In the foreground is another one, which draws just such a prompt; the child is in a group of its own. */
static int fake_foreign(const char *log)
{
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* cannot fail */
		(void)pause();
		_exit(0);
	}
	if (pid < 0 || setpgid(pid, pid))
		return 6;
	log_child(log, pid);
	return fake_agent("idle", log);
}

/* As script(1) and sudo(8) do: the child has a terminal of its own, and this passes on what goes by. */
static int fake_nested(const char *log)
{
	int fd;
	struct winsize size = {.ws_col = 80, .ws_row = 24};
	pid_t pid = forkpty(&fd, NULL, NULL, &size);
	if (pid < 0)
		return 6;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* cannot fail */
		_exit(fake_agent("idle", log));
	}
	log_child(log, pid);
	raw_terminal();
	struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	for (;;) {
		char buf[4096];
		if (poll(fds, 2, -1) < 0)
			return 6;
		for (size_t i = 0; i < 2; i++) {
			if (!fds[i].revents)
				continue;
			ssize_t n = read(fds[i].fd, buf, sizeof(buf));
			if (n <= 0 || write(i ? 1 : fd, buf, (size_t)n) != n)
				return 0;
		}
	}
}

static int fake_main(const char *behaviour, const char *log)
{
	if (strcmp(behaviour, "foreign") == 0)
		return fake_foreign(log);
	return strcmp(behaviour, "nested") == 0 ? fake_nested(log) : fake_agent(behaviour, log);
}

#endif
