# shellcheck shell=bash
# End-to-end tests: the real binary, real git and real tmux, on private sockets and in a temporary home. A test file sources this,
# defines functions called test_…, and ends with `run_tests`; each runs in a subshell of its own, in a home of its own.
#
# Style: every command is checked (set -e); an expected failure goes through `refuses CODE command…`, so that a crash is not taken
# for a refusal; nothing waits for time: wait on an event (`coppice inbox --wait`, `coppice ask --wait`, a FIFO, `eventually` on a file).

BINARY=${COPPICE_BINARY:?set COPPICE_BINARY to the coppice to test}
PATH=$(dirname "$BINARY"):$PATH
export PATH
unset TMUX TMUX_PANE COPPICE_PEER COPPICE_JOB COPPICE_FENCE COPPICE_CIRCLE COPPICE_TOKEN_FILE COPPICE

# A home of the test's own; the user's daemon, tmux server, git configuration and home are never touched (X5).
begin_home() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/coppice-e2e-XXXXXX")
	export T HOME="$T/home" XDG_RUNTIME_DIR="$T/run" XDG_CONFIG_HOME="$T/config" XDG_STATE_HOME="$T/xdg-state"
	export COPPICE_HOME="$T/state" TMUX_TMPDIR="$T/run" COPPICE_TERMINAL__SOCKET=test
	export GIT_CONFIG_GLOBAL="$T/gitconfig" GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES="$T" LC_ALL=C.UTF-8 NO_COLOR=1
	mkdir -m 700 "$T/home" "$T/run" "$T/config" "$T/state"
	git config --file "$T/gitconfig" user.name "Test User"
	git config --file "$T/gitconfig" user.email "test@example.org"
	git config --file "$T/gitconfig" init.defaultBranch main
	cd "$T"
}

# Everything that the test started lives in terminals of its own server, or is its child.
end_home() {
	[ $? = 0 ] || tail -20 "$T/state/daemon.log" 2>/dev/null || :
	cd /
	tmux -L test kill-server >/dev/null 2>&1 || :
	coppice stop >/dev/null 2>&1 || :
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || :; done
	rm -rf "$T" 2>/dev/null || rm -rf "$T" # a process on its way out may still have written
}

# A repository with one commit at $T/project.
make_repo() {
	git init -q "$T/project"
	cd "$T/project"
	echo one >file
	git add file
	git commit -q -m first
}

fail() {
	echo "failed: $*" >&2
	exit 1
}

same() {
	[ "$1" = "$2" ] || fail "expected '$2', got '$1'"
}

# refuses CODE COMMAND…: the command must end with exactly this exit code.
refuses() {
	want=$1
	shift
	got=0
	"$@" >"$T/out" 2>"$T/err" || got=$?
	[ "$got" = "$want" ] || fail "exit $got, not $want: $* ($(cat "$T/err"))"
}

# json KEY: a field of the JSON object on stdin, by python's indexing ("peers.0.name"); "null" for null.
json() {
	python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[int(key)] if isinstance(value, list) else value[key]
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

# post OPERATION JSON: the HTTP interface, past the command line.
post() {
	curl -sS --unix-socket "$(coppice status --json | json socket)" -H 'Content-Type: application/json' \
		-X POST "http://localhost/v1/$1" -d "$2"
}

# wait_event KIND: until the log has an event of that kind, however it came to be first.
wait_event() {
	exec 9< <(exec coppice log -f -n 1000 --json)
	while read -r line <&9; do
		case $line in *"\"event\":\"$1\""*) break ;; esac
	done
	kill $!
	exec 9<&-
}

# With a name: that test, in this very process. Without: all, each in a process of its own with a limit that only a hang reaches.
run_tests() {
	if [ $# -gt 0 ]; then
		set -eu
		begin_home
		trap end_home EXIT
		"$1"
		return
	fi
	tests=$(sed -n 's/^\(test_[A-Za-z0-9_]*\)() *{.*/\1/p' "$0")
	n=0
	bad=0
	echo "1..$(echo "$tests" | wc -l)"
	log=$(mktemp)
	for t in $tests; do
		n=$((n + 1))
		if timeout "${TEST_LIMIT:-120}" bash "$0" "$t" >"$log" 2>&1; then
			echo "ok $n - $t"
		else
			bad=1
			echo "not ok $n - $t"
			sed 's/^/# /' "$log"
		fi
	done
	rm -f "$log"
	exit $bad
}
