/* coppice completion SHELL */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/completion.h"

enum { SCRIPT_MAX = 1 << 20 };

static int run_completion(struct command_run *run, struct error *err)
{
	autostrbuf script = STRBUF_INIT(SCRIPT_MAX);
	int code = completion_write(run->args[0], &script, err);
	if (!code)
		(void)fputs(strbuf_str(&script), stdout);
	return code;
}

const struct command command_completion = {
	.name = "completion",
	.group = "the daemon",
	.summary = "The completion script for a shell",
	.usage = "bash|zsh|fish",
	.text = "An installed coppice has them in place already. In bash, put the first example into "
		"~/.bashrc; "
		"for zsh, write the script as _coppice into a folder of $fpath; for fish, into "
		"~/.config/fish/completions/coppice.fish.",
	.examples = "source <(coppice completion bash)\ncoppice completion zsh >~/.zfunc/_coppice",
	.operands = "bash|zsh|fish",
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
};
