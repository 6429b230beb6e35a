/* The help texts, made from the commands' entries. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/out.h"

static void print_option(const struct option_entry *o)
{
	autofree char *value = !o->value		    ? xstrdup("")
			       : o->kind == OPTION_OPTIONAL ? xasprintf("[=%s]", o->value)
							    : xasprintf(" %s", o->value);
	autofree char *left = o->letter ? xasprintf("-%c, --%s%s", o->letter, o->name, value)
					: xasprintf("    --%s%s", o->name, value);
	(void)printf("  %-28s %s\n", left, o->doc);
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
	const char *bold = out_colour_code(BOLD), *plain = out_colour_code(PLAIN);
	(void)printf("%scoppice %s%s: %s\n\n%susage:%s coppice %s %s\n", bold, c->name, plain, c->summary,
		     bold, plain, c->name, c->usage);
	if (c->text) {
		(void)putchar('\n');
		print_lines(c->text, "");
	}
	(void)printf("\n%soptions:%s\n", bold, plain);
	for (const struct option_entry *o = c->options; o && o->name; o++)
		print_option(o);
	print_option(&(struct option_entry){"json", 0, OPTION_FLAG, NULL, "print JSON"});
	print_option(&(struct option_entry){"dir", 'C', OPTION_VALUE, "DIR", "act as if started in DIR"});
	print_option(&(struct option_entry){"help", 'h', OPTION_FLAG, NULL, "show this help"});
	if (c->examples) {
		(void)printf("\n%sexamples:%s\n", bold, plain);
		print_lines(c->examples, "  ");
	}
}

void command_help_all(void)
{
	const char *bold = out_colour_code(BOLD), *plain = out_colour_code(PLAIN);
	const char *group = "";
	(void)printf("%scoppice%s: AI coding agents in parallel, each on its own git worktree and branch\n\n"
		     "%susage:%s coppice COMMAND [ARGUMENT…]      coppice help COMMAND\n",
		     bold, plain, bold, plain);
	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		if (!c->group)
			continue;
		if (strcmp(c->group, group) != 0)
			(void)printf("\n%s%s%s\n", bold, c->group, plain);
		group = c->group;
		(void)printf("  %-11s %s\n", c->name, c->summary);
	}
	(void)printf("\nEvery command has --help with examples, --json, and -C DIR.\n");
}
