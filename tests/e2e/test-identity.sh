#!/bin/bash
. "$(dirname "$0")/lib.sh"

test_I2_commands_of_a_peer_resolve_to_it() {
	mkfifo "$T/me"
	coppice spawn "$T" --backend script -- sh -c "coppice whoami --json >'$T/me'; coppice inbox --wait=30" >/dev/null
	id=$(json peer_id <"$T/me")
	same "$id" "$(coppice ps --json | json peers.0.peer_id)"
	coppice notify "$id" bye
}

test_I2_setsid_orphan_is_unknown() {
	mkfifo "$T/me"
	# shellcheck disable=SC2016
	coppice spawn "$T" --backend script -- sh -c \
		"setsid -f sh -c 'while [ \"\$(ps -o ppid= -p \$\$ | tr -d \" \")\" != 1 ]; do :; done; coppice whoami --json >\"$T/me\"'; coppice inbox --wait=30" >/dev/null
	same "$(json role <"$T/me")" unknown
	coppice broadcast bye >/dev/null
}

test_I2_tmux_run_shell_is_unknown() {
	coppice spawn "$T" --backend script -- coppice inbox --wait=30 >/dev/null
	mkfifo "$T/me"
	tmux -L test run-shell -b "COPPICE_HOME='$T/state' XDG_RUNTIME_DIR='$T/run' '$BINARY' whoami --json >'$T/me'"
	same "$(json role <"$T/me")" unknown
	coppice broadcast bye >/dev/null
}

test_I2_a_person_at_a_terminal_is_the_human() {
	coppice status >/dev/null
	script -qec "coppice whoami --json" /dev/null >"$T/me"
	same "$(json role <"$T/me")" human
}

test_I2_a_script_without_a_terminal_is_a_service_and_a_token_makes_it_the_human() {
	same "$(coppice whoami --json | json role)" service
	COPPICE_TOKEN_FILE="$T/state/token"
	export COPPICE_TOKEN_FILE
	same "$(coppice whoami --json | json role)" human
	unset COPPICE_TOKEN_FILE
}

test_S8_unknown_callers_may_read_but_not_act() {
	mkfifo "$T/codes"
	# shellcheck disable=SC2016
	coppice spawn "$T" --backend script -- sh -c \
		"setsid -f sh -c 'while [ \"\$(ps -o ppid= -p \$\$ | tr -d \" \")\" != 1 ]; do :; done; coppice ps >/dev/null; a=\$?; coppice job create x; echo \$a \$? >\"$T/codes\"'; coppice inbox --wait=30" >/dev/null
	same "$(cat "$T/codes")" "0 3"
	coppice broadcast bye >/dev/null
}

# Its number may be another's by then: who has ended is nobody, whoever holds the connection, and whatever token comes over it.
test_I2_a_caller_that_has_ended_is_unknown() {
	coppice status >/dev/null
	python3 - "$(coppice status --json | json socket)" "$(cat "$T/state/token")" >"$T/who" <<-'P'
		import os, socket, sys
		mine, its = socket.socketpair()
		pid = os.fork()
		if pid == 0:
		    caller = socket.socket(socket.AF_UNIX)
		    caller.connect(sys.argv[1])
		    caller.sendall(b"POST /v1/whoami HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n")
		    caller.sendall(f"Authorization: Bearer {sys.argv[2]}\r\n\r\n".encode())
		    socket.send_fds(its, [b"x"], [caller.fileno()])
		    os._exit(0)
		_, fds, _, _ = socket.recv_fds(mine, 1, 1)
		os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its number is kept
		caller = socket.socket(fileno=fds[0])
		caller.sendall(b"{}")
		print(caller.recv(65536).decode())
	P
	grep -qF '"role":"unknown"' "$T/who" || fail "$(cat "$T/who")"
}

test_I6_same_folder_names_get_a_suffix_and_nothing_else() {
	mkdir -p "$T/one/app" "$T/two/app"
	coppice spawn "$T/one/app" --backend script -- coppice inbox --wait=60 >/dev/null
	coppice spawn "$T/two/app" --backend script -- coppice inbox --wait=60 >/dev/null
	same "$(coppice show app --json | json path)" "$T/one/app"
	same "$(coppice show 'app~2' --json | json path)" "$T/two/app"
	coppice notify 'app~2' second >/dev/null
	same "$(coppice asks --json | json asks)" "[]"
	coppice broadcast bye >/dev/null
}

test_I9_a_killed_process_is_offline_at_once_with_its_cause() {
	coppice spawn "$T" --backend script -- coppice inbox --wait=60 >"$T/peer"
	pid=$(coppice ps --json | json peers.0.pid)
	kill -KILL "$pid"
	wait_event peer.offline
	same "$(coppice ps --json | json peers)" "[]"
	coppice log -n 1000 --json | grep -q '"cause":"process_gone"'
}

test_I10_kill_closes_only_a_terminal_that_is_proven_ours() {
	coppice spawn "$T" --backend script -- coppice inbox --wait=60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	coppice kill "$name" --json >"$T/answer"
	same "$(json terminal_closed <"$T/answer")" true
	# One that registered itself, from a terminal that is none of ours: it is unregistered, and its process lives on.
	mkfifo "$T/ready" "$T/end"
	tell="coppice hook session-start --backend script; echo >'$T/ready'; read -r line <'$T/end'"
	sh -c "$tell; $tell" &
	read -r _ <"$T/ready"
	name=$(coppice ps --json | json peers.0.name)
	coppice kill "$name" --json >"$T/answer"
	same "$(json terminal_closed <"$T/answer")" false
	same "$(coppice ps --json | json peers)" "[]"
	kill -0 $!
	# Nor does it come back with the next that its session tells of itself.
	echo again >"$T/end"
	read -r _ <"$T/ready"
	same "$(coppice ps --json | json peers)" "[]"
	echo >"$T/end"
}

test_I7_a_role_given_at_the_start_holds_whoever_tells_of_the_session() {
	coppice status >/dev/null
	mkfifo "$T/ready" "$T/end"
	# As agents run their hooks: in a session of its own, without a terminal, which is nobody's.
	tell="setsid -w coppice hook session-start --backend script; echo >'$T/ready'; read -r line <'$T/end'"
	COPPICE_ROLE=orchestrator COPPICE_CIRCLE=ours sh -c "$tell" &
	read -r _ <"$T/ready"
	same "$(coppice ps --json | json peers.0.role)" orchestrator
	same "$(coppice ps --json | json peers.0.circle)" ours
	echo >"$T/end"
	wait_event peer.offline
	# An agent gives no role to what it starts.
	coppice spawn "$T" --backend script -- sh -c "COPPICE_ROLE=orchestrator sh -c \"$tell\"; read -r line <'$T/end'" >/dev/null
	read -r _ <"$T/ready"
	coppice ps --json >"$T/peers"
	! grep -q '"role":"orchestrator"' "$T/peers"
	echo >"$T/end"
}

test_I2_the_first_command_may_name_the_token_that_the_daemon_is_yet_to_make() {
	export COPPICE_TOKEN_FILE="$T/state/token"
	setsid -w coppice notify human hello >/dev/null
	same "$(setsid -w coppice inbox --json | json messages.0.text)" hello
	COPPICE_TOKEN_FILE="$T/nothing" refuses 5 coppice status
}

run_tests "$@"
