#!/bin/bash
# shellcheck disable=SC2031
# The tests' own manners: a home with a daemon, a tmux server, settings and a repository of "the user's", in which other tests run.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

# Everything of the user's that a test could harm, as text: files with their content and times, sessions, events, processes.
the_users_own() {
	find "$HOME" "$XDG_CONFIG_HOME" "$T/gitconfig" "$T/project" -printf '%p %y %m %T@ %l\n' | sort
	find "$HOME" "$XDG_CONFIG_HOME" "$T/gitconfig" "$T/project" -type f -exec sha256sum {} + | sort
	tmux -L test list-sessions -F '#{session_name} #{session_created} #{session_windows}'
	tmux list-sessions -F '#{session_name} #{session_created} #{session_windows}'
	coppice status --json | json pid
	coppice log -n 1000 --json
}

test_X5_tests_leave_the_users_daemon_tmux_git_config_and_home_alone() {
	make_repo
	mkdir "$HOME/.claude" "$HOME/.codex" "$XDG_CONFIG_HOME/git"
	echo '{"model": "opus"}' >"$HOME/.claude/settings.json"
	echo 'model = "x"' >"$HOME/.codex/config.toml"
	tmux -L test new-session -d -s mine
	tmux new-session -d -s own
	coppice new feat/mine >/dev/null
	the_users_own >"$T/before"
	for t in test-setup.sh:test_X7_uninstall_leaves_the_home_as_it_was test-plan.sh:test_L1_a_plan_lands_in_dependency_order \
		test-daemon.sh:$(sed -n 's/^\(test_[A-Za-z0-9_]*\)() *{.*/\1/p' "$here/test-daemon.sh" | head -1); do
		bash "$here/${t%%:*}" "${t#*:}" >"$T/nested" 2>&1 || fail "$t: $(cat "$T/nested")"
	done
	the_users_own >"$T/after"
	tmux kill-server
	diff "$T/before" "$T/after" || fail "a test touched what is the user's"
}

run_tests "$@"
