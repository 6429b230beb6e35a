#!/usr/bin/env bash
# Hooks of agents' sessions. A shell plays the agent: it is the process that its hooks find as theirs.
. "$(dirname "$0")/lib.sh"

# payload EVENT: what Claude Code gives a hook.
payload() {
	printf '{"session_id":"s-1","cwd":"%s","hook_event_name":"%s","source":"startup"}' "$T" "$1"
}

test_D4_a_hook_that_waits_wakes_an_idle_session_and_is_the_only_one() {
	payload SessionStart >"$T/start"
	payload Stop >"$T/stop"
	mkfifo "$T/go" "$T/ready"
	coppice status >/dev/null
	unset CLAUDE_CODE_MESSAGING_SOCKET
	export CLAUDE_CODE_ENTRYPOINT=cli
	sh -c '
		hook() { coppice hook "$1" --backend claude-code <"$T/$2"; }
		hook SessionStart start >/dev/null
		# A one-shot session would not end for it.
		(CLAUDE_CODE_ENTRYPOINT=sdk-cli; exec coppice hook wait --backend claude-code <"$T/stop")
		coppice hook wait --backend claude-code <"$T/stop" 2>"$T/wake" &
		first=$!
		read -r _ <"$T/go"
		hook wait stop 2>"$T/second"
		echo "second $?" >>"$T/log"
		echo >"$T/ready"
		code=0
		wait $first || code=$?
		echo "first $code" >>"$T/log"
	' &
	agent=$!
	wait_event transport.attached
	echo >"$T/go"
	read -r _ <"$T/ready"
	same "$(cat "$T/log")" "second 0"
	[ ! -s "$T/second" ] || fail "a second one said something"
	name=$(coppice ps --json | json peers.0.name)
	coppice notify "$name" "wake up" --json >"$T/sent"
	wait $agent
	same "$(tail -1 "$T/log")" "first 2"
	grep -q "wake up" "$T/wake"
	same "$(coppice trace "$(json message_id <"$T/sent")" --json | json steps.-1.transport)" claude-rewake
}

run_tests "$@"
