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

test_D10_a_notify_to_a_quiet_session_comes_along_with_its_next_turn() {
	for event in SessionStart Stop UserPromptSubmit; do payload $event >"$T/$event"; done
	mkfifo "$T/go" "$T/ready"
	coppice status >/dev/null
	sh -c '
		hook() { coppice hook "$1" --backend claude-code <"$T/$1"; }
		hook SessionStart >"$T/began"
		echo >"$T/ready"
		read -r _ <"$T/go"
		hook Stop >"$T/stopped" 2>&1
		hook UserPromptSubmit >"$T/prompted"
	' &
	agent=$!
	read -r _ <"$T/ready"
	name=$(coppice ps --json | json peers.0.name)
	same "$(coppice ps --json | json peers.0.quiet)" false
	same "$(coppice quiet "$name" on --json | json quiet)" true
	coppice ps | grep -q "quiet"
	id=$(coppice notify "$name" "by the way" --json | json message_id)
	coppice trace "$id" --json | json steps.0.reason | grep -q "marked quiet"
	echo >"$T/go"
	wait $agent
	! grep -q "by the way" "$T/stopped" || fail "its turn went on for it"
	grep -q "by the way" "$T/prompted"
	refuses 3 coppice quiet human on
	refuses 2 coppice quiet "$name" perhaps
}

# The session listens, starts its MCP server, and ends it by a signal, as Claude Code does.
session_with_inbox() {
	python3 - "$1" <<'END'
import json, os, signal, socket, subprocess, sys
folder = os.environ["XDG_RUNTIME_DIR"] + "/cc"
os.mkdir(folder, 0o700)
inbox = socket.socket(socket.AF_UNIX)
inbox.bind(folder + "/1.sock")
inbox.listen()
inbox.settimeout(60)
env = dict(os.environ, CLAUDE_CODE_MESSAGING_SOCKET=folder + "/1.sock")
server = subprocess.Popen(["coppice", "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-code", "version": "0"}}
for line in ({"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
             {"id": 2, "method": "tools/list"}):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **line}).encode() + b"\n")
server.stdin.flush()
inbox.accept()[0].recv(1)  # it looks who listens, and its own socket is there when it has
ours = f"{folder}/coppice-{server.pid}.sock"
assert os.path.exists(ours), os.listdir(folder)
server.send_signal(getattr(signal, sys.argv[1]))
assert server.wait() == 0
assert os.listdir(folder) == ["1.sock"], os.listdir(folder)
END
}

test_X7_an_mcp_server_that_is_ended_by_a_signal_leaves_no_socket() {
	coppice status >/dev/null
	for signal in SIGINT SIGTERM SIGHUP; do
		session_with_inbox "$signal"
		rm -r "$T/run/cc"
	done
}

run_tests "$@"
