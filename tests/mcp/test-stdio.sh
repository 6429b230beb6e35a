#!/bin/bash
# `coppice mcp` as a process: the real binary on its pipes, with a real daemon.
. "$(dirname "$0")/../e2e/lib.sh"

MODERN='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
HELLO='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"claude-code","version":"1"}}}'

# An agent with its MCP server: a process of its own, for the test itself must not become the peer.
agent() {
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$T/agent"; coppice mcp "$@"; exit $?' agent "$@"
}

# A session on two FIFOs: `say` writes a message, `hear` reads one into $heard.
begin_session() {
	mkfifo "$T/in" "$T/out"
	agent <"$T/in" >"$T/out" 2>"$T/mcp-errors" &
	session=$!
	exec 7>"$T/in" 8<"$T/out"
}

say() {
	printf '%s\n' "$1" >&7
}

hear() {
	read -r heard <&8
}

# The session ends by itself once its input does, and has said nothing else, and nothing on stderr.
end_session() {
	exec 7>&-
	code=0
	wait "$session" || code=$?
	same "$code" 0
	same "$(cat <&8)" ""
	same "$(cat "$T/mcp-errors")" ""
	exec 8<&-
}

tool() {
	say "{\"jsonrpc\":\"2.0\",\"id\":$1,\"method\":\"tools/call\",\"params\":{\"name\":\"$2\",\"arguments\":$3,$MODERN}}"
}

test_a_session_becomes_a_peer_and_ends_with_its_input() {
	coppice status >/dev/null
	begin_session
	say "$HELLO"
	hear
	tool 1 whoami '{}'
	hear
	same "$(json result.structuredContent.role <<<"$heard")" agent
	same "$(json result.structuredContent.backend <<<"$heard")" claude-code
	same "$(json result.structuredContent.pid <<<"$heard")" "$(cat "$T/agent")"
	same "$(json result.structuredContent.path <<<"$heard")" "$T"
	same "$(coppice ps --json | json peers.0.name)" "$(json result.structuredContent.name <<<"$heard")"
	end_session
}

test_what_was_asked_before_the_end_of_the_input_is_answered() {
	printf '%s\n%s' "$HELLO" "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"whoami\",$MODERN}}" |
		agent >"$T/said"
	same "$(sed -n 2p "$T/said" | json result.structuredContent.role)" agent
	same "$(wc -l <"$T/said")" 2
	# files are as good as pipes
	printf '{"jsonrpc":"2.0","id":1,"method":"ping"}\n' >"$T/file"
	coppice mcp <"$T/file" >"$T/said"
	same "$(cat "$T/said")" '{"jsonrpc":"2.0","id":1,"result":{}}'
	same "$(coppice mcp </dev/null)" ""
}

test_X1_within_a_peer_no_daemon_is_started() {
	export COPPICE_PEER=peer-x
	begin_session
	say "$HELLO"
	hear
	say '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
	hear
	same "$(json id <<<"$heard")" 1
	tool 2 list_peers '{}'
	[ ! -e "$T/state/daemon.log" ] || fail "a daemon was started"
	# a person starts it outside: the call that waited is answered
	env -u COPPICE_PEER coppice status >/dev/null
	hear
	case $heard in *list_changed*) hear ;; esac
	same "$(json id <<<"$heard")" 2
	same "$(json result.structuredContent.peers.0.role <<<"$heard")" agent
	end_session
	unset COPPICE_PEER
}

# Nobody's session: it calls as a service, so that this shell can answer it as the human.
test_D2_calls_outlive_a_daemon_that_is_killed() {
	coppice status >/dev/null
	begin_session
	tool 1 ask '{"peer_name":"human","query":"are you there?"}'
	hear
	ask=$(json result.structuredContent.correlation_id <<<"$heard")
	tool 2 wait_on_ack "{\"correlation_id\":\"$ask\"}"
	kill -KILL "$(coppice status --json | json pid)"
	COPPICE_TOKEN_FILE="$T/state/token" coppice ack "$ask" "yes" >/dev/null
	hear
	same "$(json result.structuredContent.outcome <<<"$heard")" replied
	case $(json result.structuredContent.reply <<<"$heard") in *yes*) ;; *) fail "$heard" ;; esac
	same "$(coppice asks --json | json asks)" "[]"
	end_session
}

test_X2_an_idle_session_makes_no_system_call() {
	coppice status >/dev/null
	begin_session
	say "$HELLO"
	hear
	tool 1 whoami '{}'
	hear
	strace -o "$T/calls" -p "$(pgrep -P "$(cat "$T/agent")")" 2>"$T/strace" &
	tracer=$!
	until grep -q attached "$T/strace"; do :; done
	sleep 3 # what is looked for is that nothing happens
	kill "$tracer"
	wait "$tracer" || :
	same "$(grep -v 'epoll_.*detached\|restart_syscall\|resuming\|epoll_p\?wait' "$T/calls" || :)" ""
	same "$(grep -c epoll "$T/calls")" 1 # the one that it was in
	end_session
}

# In the era of 2026-07-28, a subscription is told of a new role, and of the end, also of one by a signal.
test_S8_a_subscription_is_told_of_a_new_role_and_of_the_end() {
	coppice status >/dev/null
	begin_session
	say "$HELLO"
	hear
	tool 1 whoami '{}'
	hear
	peer=$(json result.structuredContent.name <<<"$heard")
	say "{\"jsonrpc\":\"2.0\",\"id\":\"news\",\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{\"toolsListChanged\":true},$MODERN}}"
	hear
	same "$(json method <<<"$heard")" notifications/subscriptions/acknowledged
	coppice role "$peer" orchestrator >/dev/null
	hear
	same "$(json method <<<"$heard")" notifications/tools/list_changed
	case $heard in *'"io.modelcontextprotocol/subscriptionId":"news"'*) ;; *) fail "$heard" ;; esac
	say "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{$MODERN}}"
	hear
	case $heard in *'"name":"spawn_peer"'*) ;; *) fail "the tools of its new role are not there" ;; esac
	kill "$(pgrep -P "$(cat "$T/agent")")"
	hear
	same "$(json id <<<"$heard")" news
	same "$(json result.resultType <<<"$heard")" complete
	end_session
}

test_X4_a_client_that_is_gone_ends_it_quietly() {
	coppice status >/dev/null
	begin_session
	exec 8<&-
	for i in 1 2 3; do say "{\"jsonrpc\":\"2.0\",\"id\":$i,\"method\":\"ping\"}" || :; done 2>/dev/null
	code=0
	wait "$session" || code=$?
	same "$code" 0
	exec 7>&-
}

test_S3_a_client_that_does_not_read_is_not_read_either() {
	begin_session
	python3 - <<'PY'
import json, os, select
fd = 7
os.set_blocking(fd, False)
line = json.dumps({"jsonrpc": "2.0", "id": "x" * 1000, "method": "ping"}).encode() + b"\n"
sent = 0
while sent < 64 << 20 and select.select([], [fd], [], 2)[1]:
    try:
        sent += os.write(fd, line)
    except BlockingIOError:
        pass
assert sent < 8 << 20, f"{sent} bytes were read of a client that reads nothing"
PY
	kill "$session"
	exec 7>&- 8<&-
}

test_X7_COPPICE_0_keeps_a_session_out() {
	coppice status >/dev/null
	export COPPICE=0
	begin_session
	say "$HELLO"
	hear
	say '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
	hear
	same "$(json result.tools <<<"$heard")" "[]"
	end_session
	unset COPPICE
	same "$(coppice ps --json | json peers)" "[]"
}

test_usage() {
	refuses 2 coppice mcp --tools everything
	grep -q 'worker, orchestrator or all' "$T/err"
	printf '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}\n' "$MODERN" | coppice mcp --tools orchestrator |
		grep -q '"name":"land"'
	mkdir "$T/else"
	printf '%s\n{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami",%s}}\n' "$HELLO" "$MODERN" |
		agent -C "$T/else" | tail -1 >"$T/said"
	same "$(json result.structuredContent.path <"$T/said")" "$T/else"
}

run_tests "$@"
