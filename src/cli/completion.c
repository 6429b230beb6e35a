/* The three scripts; see completion.h. Each shell gets the same facts: the commands with their summaries,
 * their options with the kind of each value, and the kinds of their operands. */
#include "cli/completion.h"

#include <string.h>

#include "cli/command.h"
#include "cli/words.h"

/* Appends a text within single quotes of the shell. In fish, and in zsh's option specifications, more
 * characters than the quote are special there: each in `special` gets a backslash. */
static void add_quoted(struct strbuf *out, const char *text, const char *special)
{
	for (const char *p = text; *p; p++) {
		if (strchr(special, *p))
			strbuf_addch(out, '\\');
		if (*p == '\'' && !strchr(special, '\''))
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, *p);
	}
}

static bool is_choice(const char *kind, size_t len)
{
	return memchr(kind, '|', len) != NULL;
}

static bool is(const char *kind, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(kind, name, len) == 0;
}

/* Whether something can be offered for it. */
static bool is_offered(const char *kind, size_t len)
{
	return is_choice(kind, len) || is(kind, len, "file") || is(kind, len, "dir") ||
	       words_known(kind, len);
}

/* Alternatives, as words apart. */
static void add_choices(struct strbuf *out, const char *kind, size_t len)
{
	for (size_t i = 0; i < len; i++)
		strbuf_addch(out, kind[i] == '|' ? ' ' : kind[i]);
}

/* Calls `each` for the options of a command, the common ones included. */
static void each_option(struct strbuf *out, const struct command *c,
			void (*each)(struct strbuf *out, const struct command *c,
				     const struct option_entry *o))
{
	for (const struct option_entry *o = c->options; o && o->name; o++)
		each(out, c, o);
	for (const struct option_entry *o = common_options; o->name; o++)
		each(out, c, o);
}

/* --- bash --- */

static const char bash_head[] = "# Completions of coppice for bash, as printed by: coppice completion bash\n"
				"\n"
				"# Offers the words after $1 that begin with $1, quoted: they are others' "
				"words, and never expanded.\n"
				"_coppice_offer()\n"
				"{\n"
				"\tlocal typed=$1 word quoted\n"
				"\tshift\n"
				"\tfor word; do\n"
				"\t\tif [[ $word == \"$typed\"* ]]; then\n"
				"\t\t\tprintf -v quoted %q \"$word\"\n"
				"\t\t\tCOMPREPLY+=(\"$quoted\")\n"
				"\t\tfi\n"
				"\tdone\n"
				"}\n"
				"\n"
				"# Offers the words of a kind.\n"
				"_coppice_words()\n"
				"{\n"
				"\tlocal typed=$1 kind=$2 word\n"
				"\tlocal -a words=()\n"
				"\tcase $kind in\n"
				"\tfile | dir)\n"
				"\t\tcompopt -o filenames 2>/dev/null\n"
				"\t\tmapfile -t COMPREPLY < <(compgen \"-${kind:0:1}\" -- \"$typed\")\n"
				"\t\t;;\n"
				"\t*'|'*)\n"
				"\t\tIFS='|' read -ra words <<<\"$kind\"\n"
				"\t\t_coppice_offer \"$typed\" \"${words[@]}\"\n"
				"\t\t;;\n"
				"\t?*)\n"
				"\t\twhile IFS=$'\\t' read -r word _; do\n"
				"\t\t\twords+=(\"$word\")\n"
				"\t\tdone < <(coppice complete \"$kind\" 2>/dev/null)\n"
				"\t\t_coppice_offer \"$typed\" \"${words[@]}\"\n"
				"\t\t;;\n"
				"\tesac\n"
				"}\n";

static const char bash_tail[] =
	"_coppice()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name=${COMP_WORDS[1]}\n"
	"\tlocal kind takes i n=1\n"
	"\tCOMPREPLY=()\n"
	"\tif ((COMP_CWORD == 1)); then\n"
	"\t\t_coppice_offer \"$cur\" \"${_coppice_commands[@]}\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t# readline takes --option=value for three words\n"
	"\tif [[ $cur == '=' ]]; then\n"
	"\t\tcur=''\n"
	"\telif [[ $before == '=' ]]; then\n"
	"\t\tbefore=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\t_coppice_value \"$name\" \"$before\"\n"
	"\tif ((takes)); then\n"
	"\t\t_coppice_words \"$cur\" \"$kind\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [[ $cur == -* ]]; then\n"
	"\t\t_coppice_options \"$name\" \"$cur\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\t_coppice_value \"$name\" \"${COMP_WORDS[i]}\"\n"
	"\t\tif ((takes)); then\n"
	"\t\t\t[[ ${COMP_WORDS[i+1]} == '=' ]] && ((i++))\n"
	"\t\t\t((i++))\n"
	"\t\telif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
	"\t\t\t((n++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tkind=''\n"
	"\t_coppice_operand \"$name\" \"$n\"\n"
	"\t_coppice_words \"$cur\" \"$kind\"\n"
	"}\n"
	"complete -F _coppice coppice\n";

static void bash_value(struct strbuf *out, const struct command *c, const struct option_entry *o)
{
	if (o->kind != OPTION_VALUE)
		return;
	strbuf_addf(out, "\t'%s --%s'", c->name, o->name);
	if (o->letter)
		strbuf_addf(out, " | '%s -%c'", c->name, o->letter);
	strbuf_addf(out, ") kind='%s' ;;\n", words_of_value(o->value));
}

static void bash_option(struct strbuf *out, const struct command *c, const struct option_entry *o)
{
	(void)c;
	if (o->letter)
		strbuf_addf(out, " -%c", o->letter);
	strbuf_addf(out, " --%s", o->name);
}

static void bash_operands(struct strbuf *out, const struct command *c)
{
	size_t n = words_operands(c->operands), len = 0;
	for (size_t i = 0; i < n; i++) {
		const char *kind = words_operand(c->operands, i, &len);
		if (!is_offered(kind, len))
			continue;
		if (i + 1 == n && c->max_args != (int)n)
			strbuf_addf(out, "\t'%s '*) kind='%.*s' ;;\n", c->name, (int)len, kind);
		else
			strbuf_addf(out, "\t'%s %zu') kind='%.*s' ;;\n", c->name, i + 1, (int)len, kind);
	}
}

static void write_bash(struct strbuf *out)
{
	strbuf_addstr(out, bash_head);
	strbuf_addstr(out, "\n_coppice_commands=(help");
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group)
			strbuf_addf(out, " %s", commands[i]->name);
	strbuf_addstr(
		out, ")\n\n# Whether an option of a command takes the next word, and of which kind that is.\n"
		     "_coppice_value()\n{\n\ttakes=1\n\tcase \"$1 $2\" in\n");
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group)
			each_option(out, commands[i], bash_value);
	strbuf_addstr(out, "\t*) takes=0 ;;\n\tesac\n}\n\n_coppice_options()\n{\n\tcase $1 in\n");
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		strbuf_addf(out, "\t%s) _coppice_offer \"$2\"", commands[i]->name);
		each_option(out, commands[i], bash_option);
		strbuf_addstr(out, " ;;\n");
	}
	strbuf_addstr(out, "\tesac\n}\n\n# The kind of a command's operand, the first being 1.\n"
			   "_coppice_operand()\n{\n\tcase \"$1 $2\" in\n\t'help 1') kind='command' ;;\n");
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group)
			bash_operands(out, commands[i]);
	strbuf_addstr(out, "\tesac\n}\n\n");
	strbuf_addstr(out, bash_tail);
}

/* --- zsh --- */

static const char zsh_head[] = "#compdef coppice\n"
			       "# Completions of coppice for zsh, as printed by: coppice completion zsh\n"
			       "\n"
			       "# Offers the words of a kind; compadd quotes them.\n"
			       "_coppice_words()\n"
			       "{\n"
			       "\tlocal line tab=$'\\t'\n"
			       "\tlocal -a words shown\n"
			       "\tfor line in \"${(@f)$(command coppice complete $1 2>/dev/null)}\"; do\n"
			       "\t\t[[ -n $line ]] || continue\n"
			       "\t\twords+=(\"${line%%$tab*}\")\n"
			       "\t\tshown+=(\"${line/$tab/  -- }\")\n"
			       "\tdone\n"
			       "\tcompadd -l -d shown -a words\n"
			       "}\n";

/* The action of _arguments for a kind. The blank before a call keeps compadd's options out of it. */
static void zsh_action(struct strbuf *out, const char *kind, size_t len)
{
	if (is_choice(kind, len)) {
		strbuf_addch(out, '(');
		add_choices(out, kind, len);
		strbuf_addch(out, ')');
	} else if (is(kind, len, "file")) {
		strbuf_addstr(out, "_files");
	} else if (is(kind, len, "dir")) {
		strbuf_addstr(out, "_files -/");
	} else if (words_known(kind, len)) {
		strbuf_addf(out, " _coppice_words %.*s", (int)len, kind);
	} else {
		strbuf_addch(out, ' ');
	}
}

static void zsh_spec(struct strbuf *out, const struct option_entry *o, const char *form, const char *equals)
{
	const char *kind = words_of_value(o->value);
	strbuf_addf(out, " \\\n\t\t\t'%s%s%s[", o->kind == OPTION_VALUE ? "*" : "", form, equals);
	add_quoted(out, o->doc, "[]:\\");
	strbuf_addch(out, ']');
	if (o->kind != OPTION_FLAG) {
		strbuf_addstr(out, o->kind == OPTION_OPTIONAL ? "::" : ":");
		add_quoted(out, o->value, ":\\");
		strbuf_addch(out, ':');
		zsh_action(out, kind, strlen(kind));
	}
	strbuf_addch(out, '\'');
}

static void zsh_option(struct strbuf *out, const struct command *c, const struct option_entry *o)
{
	(void)c;
	static const char *const long_equals[] = {
		[OPTION_FLAG] = "", [OPTION_VALUE] = "=", [OPTION_OPTIONAL] = "=-"};
	static const char *const short_equals[] = {
		[OPTION_FLAG] = "", [OPTION_VALUE] = "+", [OPTION_OPTIONAL] = "-"};
	autofree char *name = xasprintf("--%s", o->name);
	zsh_spec(out, o, name, long_equals[o->kind]);
	char letter[] = {'-', o->letter, '\0'};
	if (o->letter)
		zsh_spec(out, o, letter, short_equals[o->kind]);
}

static void zsh_operands(struct strbuf *out, const struct command *c)
{
	size_t n = words_operands(c->operands), len = 0;
	for (size_t i = 0; i < n; i++) {
		const char *kind = words_operand(c->operands, i, &len);
		if (i + 1 == n && c->max_args != (int)n)
			strbuf_addstr(out, " \\\n\t\t\t'*: :");
		else
			strbuf_addf(out, " \\\n\t\t\t'%zu: :", i + 1);
		zsh_action(out, kind, len);
		strbuf_addch(out, '\'');
	}
}

static void write_zsh(struct strbuf *out)
{
	strbuf_addstr(out, zsh_head);
	strbuf_addstr(out, "\n_coppice_commands()\n{\n\tlocal -a commands=(\n\t\t'help:Help of a command'\n");
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		strbuf_addf(out, "\t\t'%s:", commands[i]->name);
		add_quoted(out, commands[i]->summary, "");
		strbuf_addstr(out, "'\n");
	}
	strbuf_addstr(
		out, "\t)\n\t_describe -t commands command commands\n}\n\n"
		     "_coppice()\n{\n\tlocal curcontext=$curcontext state line\n\ttypeset -A opt_args\n"
		     "\t_arguments -C '--version[show the version]' '1: :_coppice_commands' '*:: :->args' && "
		     "return\n"
		     "\tcase $words[1] in\n\thelp)\n\t\t_arguments '1: : _coppice_words command'\n\t\t;;\n");
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		strbuf_addf(out, "\t%s)\n\t\t_arguments -s -S", commands[i]->name);
		each_option(out, commands[i], zsh_option);
		zsh_operands(out, commands[i]);
		strbuf_addstr(out, "\n\t\t;;\n");
	}
	strbuf_addstr(out, "\tesac\n}\n\nif [[ $funcstack[1] == _coppice ]]; then\n\t_coppice \"$@\"\nelse\n"
			   "\tcompdef _coppice coppice\nfi\n");
}

/* --- fish --- */

static const char fish_head[] =
	"# Completions of coppice for fish, as printed by: coppice completion fish\n"
	"\n"
	"# Whether the command is $argv[1], and its operand number $argv[2], if given, or a later one with "
	"'+'\n"
	"# after it, is being typed. Values of options that stand apart are taken for operands.\n"
	"function __coppice_at\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -q words[2]; and test \"$words[2]\" = $argv[1]; or return 1\n"
	"\tset -q argv[2]; or return 0\n"
	"\tset -l n (math (count (string match -v -- '-*' $words)) - 1)\n"
	"\tif string match -q '*+' -- $argv[2]\n"
	"\t\ttest $n -ge (string trim -c + -- $argv[2])\n"
	"\telse\n"
	"\t\ttest $n -eq $argv[2]\n"
	"\tend\n"
	"end\n"
	"\n"
	"complete -c coppice -f\n"
	"complete -c coppice -n __fish_use_subcommand -l version -d 'show the version'\n"
	"complete -c coppice -n __fish_use_subcommand -a help -d 'Help of a command'\n"
	"complete -c coppice -n '__coppice_at help 1' -a '(coppice complete command)'\n";

/* The candidates of a kind: their list, or a command, which fish itself runs; what it prints is not expanded.
 */
static void fish_words(struct strbuf *out, const char *kind, size_t len)
{
	if (is_choice(kind, len)) {
		strbuf_addstr(out, " -a '");
		add_choices(out, kind, len);
		strbuf_addch(out, '\'');
	} else if (is(kind, len, "file")) {
		strbuf_addstr(out, " -F");
	} else if (is(kind, len, "dir")) {
		strbuf_addstr(out, " -a '(__fish_complete_directories)'");
	} else if (words_known(kind, len)) {
		strbuf_addf(out, " -a '(coppice complete %.*s)'", (int)len, kind);
	}
}

static void fish_option(struct strbuf *out, const struct command *c, const struct option_entry *o)
{
	const char *kind = words_of_value(o->value);
	strbuf_addf(out, "complete -c coppice -n '__coppice_at %s' -l %s", c->name, o->name);
	if (o->letter)
		strbuf_addf(out, " -s %c", o->letter);
	if (o->kind == OPTION_VALUE)
		strbuf_addstr(out, " -r");
	if (o->kind != OPTION_FLAG)
		fish_words(out, kind, strlen(kind));
	strbuf_addstr(out, " -d '");
	add_quoted(out, o->doc, "'\\");
	strbuf_addstr(out, "'\n");
}

static void fish_operands(struct strbuf *out, const struct command *c)
{
	size_t n = words_operands(c->operands), len = 0;
	for (size_t i = 0; i < n; i++) {
		const char *kind = words_operand(c->operands, i, &len);
		if (!is_offered(kind, len))
			continue;
		strbuf_addf(out, "complete -c coppice -n '__coppice_at %s %zu%s'", c->name, i + 1,
			    i + 1 == n && c->max_args != (int)n ? "+" : "");
		fish_words(out, kind, len);
		strbuf_addch(out, '\n');
	}
}

static void write_fish(struct strbuf *out)
{
	strbuf_addstr(out, fish_head);
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group)
			continue;
		strbuf_addf(out, "\ncomplete -c coppice -n __fish_use_subcommand -a %s -d '",
			    commands[i]->name);
		add_quoted(out, commands[i]->summary, "'\\");
		strbuf_addstr(out, "'\n");
		each_option(out, commands[i], fish_option);
		fish_operands(out, commands[i]);
	}
}

int completion_write(const char *shell, struct strbuf *out, struct error *err)
{
	static const struct {
		const char *shell;
		void (*write)(struct strbuf *out);
	} shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].shell, shell) != 0)
			continue;
		shells[i].write(out);
		return out->overflow ? error_set(err, ERR_INTERNAL, "the script is too long") : 0;
	}
	return error_hint(err, error_set(err, ERR_INVALID, "there are no completions for '%.40s'", shell),
			  "use bash, zsh or fish");
}
