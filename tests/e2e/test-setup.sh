#!/bin/bash
# shellcheck disable=SC2031
# Setting up and taking back, by the real program in a home of its own. The agents are programs that only say their version.
. "$(dirname "$0")/lib.sh"

# A home with agents, and settings as people have them.
make_agents() {
	mkdir "$T/bin"
	printf '#!/bin/sh\necho "2.1.330 (Claude Code)"\n' >"$T/bin/claude"
	printf '#!/bin/sh\necho "codex-cli 0.169.0"\n' >"$T/bin/codex"
	chmod +x "$T/bin/claude" "$T/bin/codex"
	PATH=$T/bin:$PATH
	unset CLAUDE_CONFIG_DIR CODEX_HOME
	mkdir "$HOME/.claude" "$HOME/.codex" "$HOME/dotfiles"
	printf '{\r\n\t// mine\r\n\t"model": "opus",\r\n}\r\n' >"$HOME/dotfiles/settings.json"
	ln -s ../dotfiles/settings.json "$HOME/.claude/settings.json"
	printf '{"numStartups":3,"oauthAccount":{"x":1}}' >"$HOME/.claude.json"
	printf 'model = "x" # mine' >"$HOME/.codex/config.toml"
	cp -a "$HOME" "$T/before"
}

same_home() {
	diff -r "$HOME" "$T/before" || fail "the home is not what it was"
}

test_X7_uninstall_leaves_the_home_as_it_was() {
	make_agents
	coppice setup --allow=tools,inbox >out
	grep -q 'next: at its next start Codex says "Hooks need review"' <(tr -s ' \n' ' ' <out)
	[ -L "$HOME/.claude/settings.json" ]
	grep -q 'mcp__coppice__\*' "$HOME/.claude/settings.json"
	grep -q crossSessionInbound "$HOME/.claude/settings.json"
	grep -q 'default_tools_approval_mode = "approve"' "$HOME/.codex/config.toml"
	json backends.0.changed < <(coppice setup --json) | grep -qx false
	cp -a "$HOME" "$T/after"
	coppice setup >out
	diff -r "$HOME" "$T/after"
	coppice uninstall -n >out
	diff -r "$HOME" "$T/after"
	coppice uninstall >out
	grep -q 'byte for byte' out
	grep -q "stays: $COPPICE_HOME" out
	same_home
	coppice uninstall >out
	grep -q 'no settings of yours' out
}

test_X7_the_footprint_names_the_edited_files() {
	make_agents
	coppice setup claude-code >out
	coppice doctor --footprint >out
	grep -q "settings of claude-code: hooks for .*$HOME/.claude/settings.json" out
	grep -q "settings of claude-code: MCP server coppice *$HOME/.claude.json" out
	if grep -q 'settings of codex' out; then fail "codex was not set up"; fi
	coppice uninstall >out
	coppice doctor --footprint >out
	if grep -q 'settings of' out; then fail "nothing is edited any more"; fi
}

test_X7_edits_of_the_user_and_of_the_agent_stay() {
	make_agents
	coppice setup >out
	sed -i 's/opus/haiku/' "$HOME/dotfiles/settings.json"
	python3 - "$HOME/.claude.json" <<-'PY'
		import json, sys
		state = json.load(open(sys.argv[1]))
		state["numStartups"] += 1
		json.dump(state, open(sys.argv[1], "w"), indent=2)
	PY
	printf '\n[tui]\ntheme = "dark"\n' >>"$HOME/.codex/config.toml"
	coppice uninstall >out
	same "$(cat "$HOME/dotfiles/settings.json")" "$(sed 's/opus/haiku/' "$T/before/dotfiles/settings.json")"
	same "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1])))' "$HOME/.claude.json")" \
		"{'numStartups': 4, 'oauthAccount': {'x': 1}}"
	same "$(cat "$HOME/.codex/config.toml")" "$(printf 'model = "x" # mine\n\n[tui]\ntheme = "dark"')"
	[ ! -e "$HOME/.codex/hooks.json" ]
}

test_permissions_take_consent() {
	make_agents
	coppice setup </dev/null >out
	grep -q 'coppice setup claude-code --allow=tools' out
	if grep -q mcp__coppice "$HOME/.claude/settings.json"; then fail "allowed without being asked"; fi
	if grep -q approval "$HOME/.codex/config.toml"; then fail "allowed without being asked"; fi
	refuses 2 coppice setup --allow=everything
	# an agent cannot allow itself anything (S8)
	COPPICE_PEER=peer-x refuses 3 coppice setup --yes
	if grep -q mcp__coppice "$HOME/.claude/settings.json"; then fail "an agent allowed itself"; fi
	coppice setup --yes >out
	grep -q mcp__coppice "$HOME/.claude/settings.json"
	if grep -q crossSessionInbound "$HOME/.claude/settings.json"; then fail "that was not asked for"; fi
}

# On a terminal the user is asked, each time with what it allows.
test_a_person_is_asked() {
	make_agents
	tmux -L test new-session -d -x 200 -y 50 -s s "coppice setup; tmux -L test wait-for -S done; cat"
	eventually_shows 'claude-code: may sessions use'
	tmux -L test send-keys -t s y Enter
	eventually_shows 'codex: may sessions use'
	tmux -L test send-keys -t s n Enter
	eventually_shows 'Write these lines'
	tmux -L test send-keys -t s y Enter
	tmux -L test wait-for done
	grep -q mcp__coppice "$HOME/.claude/settings.json"
	if grep -q approval "$HOME/.codex/config.toml"; then fail "the user said no"; fi
	grep -q 'claude-code: { command: \[claude\] }' "$XDG_CONFIG_HOME/coppice/config.yaml"
	# The daemon runs: a session that opens now is a peer at once.
	ls "$XDG_RUNTIME_DIR"/coppice/*.sock >/dev/null
	coppice config spawn.backends --json | grep -q config.yaml
}

eventually_shows() {
	until tmux -L test capture-pane -p -J -t s | tr -s ' \n' ' ' | grep -qE "$1"; do sleep 0.05; done
}

test_what_is_not_installed_is_said() {
	make_agents
	rm "$T/bin/codex"
	coppice setup >out
	grep -q 'codex: codex is not installed' out
	refuses 1 coppice setup codex
	refuses 2 coppice setup emacs
	printf '#!/bin/sh\nexit 3\n' >"$T/bin/codex"
	chmod +x "$T/bin/codex"
	refuses 1 coppice setup codex
	grep -q 'says no version' "$T/err"
	rm "$T/bin/claude" "$T/bin/codex"
	coppice setup >out
	# where the configuration says it is
	mkdir "$T/opt"
	printf '#!/bin/sh\necho "codex-cli 0.169.0"\n' >"$T/opt/my-codex"
	chmod +x "$T/opt/my-codex"
	mkdir -p "$XDG_CONFIG_HOME/coppice"
	echo "spawn: { backends: { codex: { command: [$T/opt/my-codex] } } }" >"$XDG_CONFIG_HOME/coppice/config.yaml"
	coppice setup codex >out
	grep -q "codex 0.169.0 ($T/opt/my-codex)" out
}

test_what_is_not_understood_is_left_alone() {
	make_agents
	printf '{\n"hooks": [],\n}' >"$HOME/dotfiles/settings.json"
	printf 'mcp_servers = { x = { url = "y" } }\n' >"$HOME/.codex/config.toml"
	rm -r "$T/before"
	cp -a "$HOME" "$T/before"
	refuses 1 coppice setup
	grep -q 'settings.json:2: hooks is no object' "$T/err"
	grep -q 'config.toml:1: ' "$T/err"
	grep -q '^ *\[mcp_servers.coppice\]' "$T/out"
	same_home
	refuses 1 coppice setup --json
	json backends.0.error.code <"$T/out" | grep -qx invalid
	same_home
}

test_doctor_names_the_cure_and_fixes() {
	make_agents
	coppice doctor >out || :
	tr -s ' \n' ' ' <out | grep -q 'warn claude-code hooks not set up in .*cure: coppice setup claude-code'
	coppice setup --allow=tools >out
	coppice doctor --json >out || :
	python3 - out <<-'PY'
		import json, sys
		checks = {c["name"]: c for c in json.load(open(sys.argv[1]))["checks"]}
		assert checks["claude-code hooks"]["result"] == "ok", checks
		assert checks["claude-code tools"]["result"] == "ok", checks
		assert checks["codex server"]["result"] == "ok", checks
		assert checks["codex trust"]["result"] == "warn" and "Trust all" in checks["codex trust"]["cure"], checks
	PY
	sed -i 's/hook Stop/hook Old/; s/"timeout": 10/"timeout": 1/' "$HOME/dotfiles/settings.json"
	coppice doctor >out || :
	tr -s ' \n' ' ' <out | grep -q 'warn claude-code hooks .*cure: coppice doctor --fix'
	coppice doctor --fix >out || :
	tr -s ' \n' ' ' <out | grep -q 'ok claude-code hooks'
	grep -q 'hook Stop' "$HOME/dotfiles/settings.json"
	coppice uninstall >out
	same_home
	coppice doctor --fix >out || : # nothing was set up: nothing is
	same_home
}

# An older program's entries are brought to this one.
test_another_place_of_the_program_is_brought_in_line() {
	make_agents
	coppice setup >out
	sed -i "s|'[^']*coppice'|'/opt/old/coppice'|" "$HOME/dotfiles/settings.json"
	sed -i 's|"command":"[^"]*"|"command":"/opt/old/coppice"|' "$HOME/.claude.json"
	grep -q /opt/old/coppice "$HOME/dotfiles/settings.json"
	grep -q /opt/old/coppice "$HOME/.claude.json"
	coppice setup >out
	if grep -q /opt/old "$HOME/dotfiles/settings.json" "$HOME/.claude.json"; then fail "the old place is still there"; fi
	coppice uninstall >out
	same_home
}

run_tests "$@"
