/* coppice help COMMAND, --man, --reference. Without an option command_main answers it. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/pages.h"

static int run_help(struct command_run *run, struct error *err)
{
	const char *reference = option_get(run, "reference");
	autostrbuf page = STRBUF_INIT(PAGE_MAX);
	int code = 0;
	if (reference)
		code = page_reference(reference, &page, err);
	else if (option_get(run, "man"))
		code = page_man(&page, err);
	else
		command_help_all();
	if (!code)
		(void)fputs(strbuf_str(&page), stdout);
	return code;
}

const struct command command_help_entry = {
	.name = "help",
	.summary = "Show the commands, or the help of one",
	.usage = "[COMMAND | --man | --reference PAGE]",
	.examples = "coppice help\ncoppice help run\ncoppice help --man | man -l -",
	.options =
		(const struct option_entry[]){{"man", 0, OPTION_FLAG, NULL, "print the man page's source"},
					      {"reference", 0, OPTION_VALUE, "PAGE",
					       "print the source of commands, operations or configuration"},
					      {0}},
	.operands = "command",
	.run = run_help,
};
