#!/bin/bash
. "$(dirname "$0")/lib.sh"

test_X1_started_on_demand_one_per_state_folder() {
	pids=""
	for i in $(seq 12); do
		coppice status --json >"$T/status-$i" &
		pids="$pids $!"
	done
	for pid in $pids; do wait "$pid"; done
	same "$(for i in $(seq 12); do json pid <"$T/status-$i"; done | sort -u | wc -l)" 1
	refuses 3 coppice daemon
	grep -q "running already" "$T/err"
}

test_X1_never_started_from_inside_of_a_peer() {
	COPPICE_PEER=peer-000000000000 refuses 4 coppice ps
	grep -q "coppice status" "$T/err"
	[ ! -e "$T/state/daemon.lock" ] || fail "something was started"
}

test_X1_its_environment_is_scrubbed_and_its_session_its_own() {
	SECRET_OF_THE_USER=1 coppice status --json >"$T/status"
	pid=$(json pid <"$T/status")
	! tr '\0' '\n' <"/proc/$pid/environ" | grep -q SECRET_OF_THE_USER
	same "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"
}

test_S1_socket_and_state_are_the_users_alone() {
	socket=$(coppice status --json | json socket)
	same "$(stat -c %a "$socket")" 600
	same "$(stat -c %a "$(dirname "$socket")")" 700
	same "$(stat -c %a "$T/state")" 700
	same "$(find "$T/state" -type f -perm /077 | wc -l)" 0
	chmod 755 "$T/state"
	coppice stop >/dev/null
	refuses 4 coppice status
}

test_X4_bad_input_never_ends_the_daemon() {
	socket=$(coppice status --json | json socket)
	pid=$(coppice status --json | json pid)
	for body in '' '{' '[]' '{"a":1,"a":2}' '{"peer_name":7}' '{"query":"\u0000","peer_name":"x"}' '{"nope":1}' "$(printf '[%.0s' $(seq 5000))"; do
		code=$(printf '%s' "$body" | curl -sS -o "$T/out" -w '%{http_code}' --unix-socket "$socket" -X POST http://localhost/v1/ask --data-binary @-)
		same "$code" 400
		json error.code <"$T/out" >/dev/null
	done
	same "$(head -c 5000000 /dev/zero | curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$socket" -X POST http://localhost/v1/ask --data-binary @-)" 413
	same "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$socket" http://localhost/v1/ask)" 400
	same "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$socket" -X POST http://localhost/v1/nothing)" 404
	same "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$socket" -H 'Coppice-Protocol: 99' -X POST http://localhost/v1/status)" 426
	printf 'GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n' | python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read()); print(s.recv(100).split(b"\r\n")[0].decode())' "$socket" | grep -q 400
	same "$(coppice status --json | json pid)" "$pid"
}

test_S3_over_the_cap_is_a_clear_error() {
	coppice status >/dev/null
	head -c 70000 /dev/zero | tr '\0' x >"$T/big"
	refuses 3 coppice notify human - <"$T/big"
	grep -q "65536" "$T/err"
	refuses 2 coppice notify human "$(printf '\377')"
	same "$(coppice status --json | json queued)" 0
}

test_X4_a_full_disk_is_a_clear_error_and_nothing_changes() {
	mkdir "$T/small"
	if ! mount -t tmpfs -o size=1m tmpfs "$T/small" 2>/dev/null; then
		echo "no tmpfs can be mounted here" && return 0
	fi
	trap 'coppice stop >/dev/null 2>&1; umount -l "$T/small"; end_home' EXIT
	mkdir -m 700 "$T/small/state"
	COPPICE_HOME="$T/small/state"
	export COPPICE_HOME
	coppice notify human "before" >/dev/null
	dd if=/dev/zero of="$T/small/fill" bs=4096 2>/dev/null || :
	text=$(head -c 60000 /dev/zero | tr '\0' x)
	refused=0
	for i in 1 2 3 4 5 6 7 8; do
		coppice notify human "$text" >"$T/out" 2>"$T/err" || { refused=$?; break; }
	done
	same "$refused" 1
	grep -q "room on the disk" "$T/err"
	rm "$T/small/fill"
	coppice notify human "after" >/dev/null
	COPPICE_TOKEN_FILE="$T/small/state/token" coppice inbox | grep -q after
}

test_X4_an_answer_larger_than_a_socket_takes_at_once_comes_whole() {
	coppice status >/dev/null
	text=$(head -c 60000 /dev/zero | tr '\0' x)
	for i in 1 2 3 4 5 6 7 8; do
		coppice notify human "$i$text" >/dev/null
	done
	same "$(COPPICE_TOKEN_FILE="$T/state/token" timeout 20 coppice inbox --json | json messages.7.text | wc -c)" 60002
}

test_events_stream_resumes_where_it_stopped() {
	socket=$(coppice status --json | json socket)
	coppice job create one >/dev/null
	last=$(post events '{"limit":1}' | json events.0.id)
	coppice job create two >/dev/null
	exec 8< <(exec curl -sS -N --max-time 60 --unix-socket "$socket" -H "Last-Event-ID: $last" http://localhost/v1/events)
	while read -r line <&8; do
		case $line in *'"title":"two"'*) break ;; *'"title":"one"'*) fail "an old event came again" ;; esac
	done
	kill $!
}

test_openapi_describes_every_operation() {
	socket=$(coppice status --json | json socket)
	curl -sS --unix-socket "$socket" http://localhost/openapi.json >"$T/openapi"
	same "$(json openapi <"$T/openapi")" 3.1.0
	json paths <"$T/openapi" | grep -q '/v1/plan_run'
}

# The libraries that a program is linked with, but for those of libc, the compiler and the sanitizers.
needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p' |
		grep -v '^libasan$\|^libubsan\|^libm$\|^libdl\|^libpthread\|^librt\|^libresolv\|^libgcc_s$' | sort | tr '\n' ' '
}

test_needed_libraries_are_the_start_up_budget() {
	same "$(needed "$BINARY")" "libc libjansson libsqlite3 libuv "
	case $(needed "$(dirname "$BINARY")/coppice-guard") in
	"" | "libc libjansson ") ;; # linked statically, or where that does not go
	*) fail "coppice-guard needs more: $(needed "$(dirname "$BINARY")/coppice-guard")" ;;
	esac
}

test_stop_leaves_agents_running_and_the_next_start_takes_them_up() {
	coppice spawn "$T" --backend script -- coppice inbox --wait=60 >/dev/null
	id=$(coppice ps --json | json peers.0.peer_id)
	coppice stop >/dev/null
	same "$(coppice ps --json | json peers.0.peer_id)" "$id"
	coppice notify "$id" hello >/dev/null
	wait_event peer.offline
}

test_X3_a_file_that_is_no_database_is_named_with_the_cure() {
	coppice status >/dev/null
	coppice stop >/dev/null
	rm -f "$T/state/coppice.db-wal"
	head -c 8192 /dev/zero | tr '\0' x >"$T/state/coppice.db"
	refuses 4 coppice status
	grep -q "$T/state/coppice.db: .*: put a copy of it back" "$T/err"
}

test_X4_a_client_that_goes_while_a_worker_is_under_way_for_it_leaves_nothing_behind() {
	coppice status >/dev/null
	python3 - <<'END'
import json, os, socket

home = os.environ["COPPICE_HOME"]
where, token = (open(f"{home}/{name}").read().strip() for name in ("socket", "token"))


def call(op, params, stays):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)  # only a hang takes so long
    s.connect(where)
    body = json.dumps(params)
    head = f"POST /v1/{op} HTTP/1.1\r\nHost: coppice\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    s.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    if stays:
        answer = s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer
    s.close()


me = {"backend": "script", "self": True, "path": os.getcwd()}
for i in range(20):
    # Looking at its folder is a worker's.
    call("register_peer", me, stays=False)
    call("register_peer", me, stays=True)
END
}

run_tests "$@"
