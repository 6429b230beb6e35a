/* The help texts, made from the commands' entries. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/out.h"

enum { OPTION_COLUMN = 30, SUMMARY_COLUMN = 14 };

static void print_option(const struct option_entry *o)
{
	autofree char *value = !o->value		    ? xstrdup("")
			       : o->kind == OPTION_OPTIONAL ? xasprintf("[=%s]", o->value)
							    : xasprintf(" %s", o->value);
	autofree char *left = o->letter ? xasprintf("  -%c, --%s%s", o->letter, o->name, value)
					: xasprintf("      --%s%s", o->name, value);
	int width = out_width(left);
	(void)fputs(left, stdout);
	if (width + 2 > OPTION_COLUMN)
		(void)printf("\n%*s", OPTION_COLUMN, "");
	else
		(void)printf("%*s", OPTION_COLUMN - width, "");
	out_wrapped(o->doc, OPTION_COLUMN, OPTION_COLUMN);
	(void)putchar('\n');
}

static void print_lines(const char *text, const char *prefix)
{
	for (const char *p = text; p && *p;) {
		size_t n = strcspn(p, "\n");
		(void)printf("%s%.*s\n", prefix, (int)n, p);
		p += n + (p[n] == '\n');
	}
}

void command_help(const struct command *c)
{
	autofree char *usage = xasprintf("coppice %s%s%s", c->name, *c->usage ? " " : "", c->usage);
	int name_width = (int)strlen("coppice ") + (int)strlen(c->name);
	out_in(BOLD, "coppice %s", c->name);
	(void)fputs(": ", stdout);
	out_wrapped(c->summary, name_width + 2, 2);
	(void)fputs("\n\n", stdout);
	out_in(BOLD, "usage:");
	(void)putchar(' ');
	out_wrapped(usage, 7, 7 + name_width + 1);
	(void)putchar('\n');
	if (c->text) {
		(void)putchar('\n');
		out_wrapped(c->text, 0, 0);
		(void)putchar('\n');
	}
	(void)putchar('\n');
	out_in(BOLD, "options:");
	(void)putchar('\n');
	for (const struct option_entry *o = c->options; o && o->name; o++)
		print_option(o);
	for (const struct option_entry *o = common_options; o->name; o++)
		print_option(o);
	if (c->examples) {
		(void)putchar('\n');
		out_in(BOLD, "examples:");
		(void)putchar('\n');
		print_lines(c->examples, "  ");
	}
}

void command_help_all(void)
{
	const char *group = "";
	out_in(BOLD, "coppice");
	(void)puts(": AI coding agents in parallel, each on its own git worktree and branch\n");
	out_in(BOLD, "usage:");
	(void)puts(" coppice COMMAND [ARGUMENT…]      coppice help COMMAND");
	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		if (!c->group)
			continue;
		if (strcmp(c->group, group) != 0) {
			(void)putchar('\n');
			out_in(BOLD, "%s", c->group);
			(void)putchar('\n');
		}
		group = c->group;
		(void)printf("  %-*s", SUMMARY_COLUMN - 2, c->name);
		out_wrapped(c->summary, SUMMARY_COLUMN, SUMMARY_COLUMN);
		(void)putchar('\n');
	}
	(void)puts("\nEvery command has --help with examples, --json, and -C DIR.");
}
