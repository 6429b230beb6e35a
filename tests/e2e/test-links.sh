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

# A peer that asks what its first argument says, each {operation: arguments}, by one connection, and lives until its input ends.
peer_asks() {
	exec python3 -c '
import json, socket, sys
with socket.socket(socket.AF_UNIX) as conn:
    conn.connect(sys.argv[2])
    for op, args in json.loads(sys.argv[1]):
        body = json.dumps(args)
        conn.sendall(f"POST /v1/{op} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if not conn.recv(1 << 20).startswith(b"HTTP/1.1 200"):
            sys.exit(op)
sys.stdin.readline()' "$1" "$socket"
}

test_D4_a_connection_holds_one_way_and_lets_go_of_the_one_before() {
	socket=$(coppice status --json | json socket)
	mkfifo "$T/go"
	peer_asks '[["register_peer", {"backend": "script", "self": true}], ["delivery_take", {"transport": "claude-inbox"}],
		["delivery_take", {"transport": "codex-queue"}]]' <"$T/go" &
	exec 8>"$T/go"
	wait_event peer.online
	detached=""
	exec 9< <(exec coppice log -f -n 1000 --json)
	while [ "$(echo "$detached" | wc -w)" -lt 2 ] && read -r line <&9; do
		case $line in *transport.detached*) detached="$detached $(echo "$line" | json data.transport)" ;; esac
	done
	kill $!
	same "$detached" " claude-inbox codex-queue"
	same "$(coppice ps --json | json peers.0.transport)" inbox
	echo >&8
}

run_tests "$@"
