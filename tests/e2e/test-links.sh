#!/usr/bin/env bash
# The link to a process that hosts sessions: app-server.py plays it.
. "$(dirname "$0")/lib.sh"

begin_host() {
	socket=$(coppice status --json | json socket)
	mkfifo "$T/go"
	python3 "$COPPICE_SOURCE/tests/e2e/app-server.py" "$T/run/app.sock" "$socket" "$T/started" <"$T/go" &
	exec 8>"$T/go"
	wait_event transport.attached
	name=$(coppice ps --json | json peers.0.name)
}

# What is returned waits again: it is not offered by the same way until something has changed there.
test_D4_X2_a_link_that_refuses_a_message_is_let_go_of_until_the_sessions_next_turn() {
	begin_host
	coppice notify "$name" "hello" --json >"$T/sent"
	wait_event transport.detached
	same "$(wc -l <"$T/started")" 1
	id=$(json message_id <"$T/sent")
	same "$(coppice trace "$id" --json | json steps.-1.step)" returned
	echo >&8
	wait_event message.submitted
	same "$(wc -l <"$T/started")" 2
	same "$(coppice trace "$id" --json | json steps.-1.transport)" codex-link
}

run_tests "$@"
