#!/bin/bash
. "$(dirname "$0")/lib.sh"

# A peer that passes every ball on to another, and writes down what else it reads.
start_player() {
	mkdir -p "$T/$1"
	# shellcheck disable=SC2016
	coppice spawn "$T/$1" --backend script -- sh -c '
		while coppice inbox --wait=100 --json >box; do
			case $(cat box) in
			*"\"text\":\"ball\""*) coppice notify "$0" ball --json >>sent ;;
			*) cat box >>read ;;
			esac
		done' "$2" >/dev/null
}

# The orchestrator: writes each notice to a FIFO of its own and lets go what it is told to.
start_lead() {
	mkdir -p "$T/lead"
	mkfifo "$T/lead/notices" "$T/lead/orders"
	# shellcheck disable=SC2016
	coppice spawn "$T/lead" --backend script --role orchestrator -- sh -c '
		exec 3<>orders
		while coppice inbox --wait=100 --json >box; do
			cat box >notices
			read -r order <&3 && coppice dead $order >done
		done' >/dev/null
}

act_as_human() {
	coppice status >/dev/null
	COPPICE_TOKEN_FILE="$T/state/token"
	export COPPICE_TOKEN_FILE
}

test_D11_two_that_set_each_other_off_are_stopped_and_told_once() {
	start_lead
	start_player a b
	start_player b a
	act_as_human
	coppice notify a ball >/dev/null
	cat "$T/lead/notices" >"$T/notice"
	# a and b have sent four each; the fifth of a is too far from the person's word.
	same "$(cat "$T/a/sent" "$T/b/sent" | grep -c '"step":"stored"')" 9
	same "$(grep -c '"held":"hops"' "$T/a/sent")" 1
	! grep -q held "$T/b/sent" || fail "b was held"
	id=$(tail -1 "$T/a/sent" | json message_id)
	grep -q "coppice dead retry $id" "$T/notice"
	same "$(grep -o '"id":' "$T/notice" | wc -l)" 1
	coppice inbox --dead --json >"$T/dead"
	same "$(json messages.0.id <"$T/dead")" "$id"
	same "$(json messages.0.held <"$T/dead")" hops
	coppice inbox --dead | grep -q "held: it is 9 messages from a person's word"
	coppice trace "$id" | grep -q '^held'

	# Let go, it begins anew: b to a is the first, and the ninth is b's again.
	echo "retry $id" >"$T/lead/orders"
	cat "$T/lead/notices" >"$T/notice"
	same "$(cat "$T/a/sent" "$T/b/sent" | grep -c '"step":"stored"')" 18
	same "$(grep -c '"held":"hops"' "$T/b/sent")" 1
	same "$(coppice inbox --dead --json | json messages.0.held)" hops

	# Each was told once by its own line: b of what a said, a of what b said.
	id=$(tail -1 "$T/b/sent" | json message_id)
	grep -q "coppice dead retry $id" "$T/notice"
	coppice dead drop "$id" >/dev/null
	same "$(coppice inbox --dead --json | json messages)" "[]"
	same "$(coppice inbox --peek --json | json messages)" "[]"
	same "$(coppice log -n 1000 --json | grep -c '"event":"governor.held"')" 2
}

test_D11_a_peer_that_sends_too_fast_waits_and_a_person_may_let_it_go() {
	export COPPICE_GOVERNOR__PAIR_PER_MINUTE=2
	mkdir -p "$T/fast" "$T/slow"
	coppice spawn "$T/slow" --backend script -- sleep 100 >/dev/null
	# shellcheck disable=SC2016
	coppice spawn "$T/fast" --backend script -- sh -c \
		'for i in 1 2 3 4; do coppice notify slow "$i" --json; done >sent; coppice ask slow "well?" >asked; coppice dead retry "$(sed -n "4s/.*\(msg-[0-9a-z]*\).*/\1/p" sent)" 2>refused' >/dev/null
	wait_event peer.offline
	same "$(grep -c '"held":"pair_per_minute"' "$T/fast/sent")" 2
	grep -q "^ask-.* held, not lost: fast has sent slow 2 messages within a minute" "$T/fast/asked"
	grep -q "not yours to let go" "$T/fast/refused"
	same "$(coppice status --json | json queued)" 4 # with the lines that say so
	act_as_human
	id=$(sed -n 3p "$T/fast/sent" | json message_id)
	coppice dead retry "$id" | grep -q "back in the queue"
	same "$(coppice status --json | json queued)" 5
	same "$(coppice inbox --dead --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["messages"]))')" 2
	# What people say is not counted and never held.
	for i in 1 2 3 4 5; do coppice notify slow "$i" --json | json step; done >"$T/steps"
	same "$(sort -u "$T/steps")" stored
	# There is no orchestrator, so the person was told.
	coppice inbox | grep -q "It and what comes behind it go by themselves"
}

run_tests "$@"
