#!/bin/bash
. "$(dirname "$0")/lib.sh"

# A peer that answers one ask with a text and ends.
start_answering() {
	mkdir -p "$T/$1"
	# shellcheck disable=SC2016
	coppice spawn "$T/$1" --backend script -- sh -c \
		'coppice ack "$(coppice inbox --wait=60 --json | sed -n "s/.*\"id\":\"\(ask-[0-9a-z]*\)\".*/\1/p")" "$0"' "$2" >/dev/null
}

test_A1_A2_an_ask_is_answered_by_name() {
	start_answering b "it is forty-two"
	coppice ask b "what is it?" --wait=60 --json >"$T/answer"
	same "$(json outcome <"$T/answer")" replied
	same "$(json reply <"$T/answer")" "it is forty-two"
}

test_D12_the_trace_names_each_step() {
	start_answering b fine
	id=$(coppice ask b "well?" --json | json correlation_id)
	wait_event ask.closed
	coppice trace "$id" --json >"$T/trace"
	steps=$(python3 -c 'import json,sys; print(" ".join(s["step"] for s in json.load(sys.stdin)["steps"]))' <"$T/trace")
	same "$steps" "stored submitted consumed answered"
}

test_D1_stored_is_all_that_is_said_of_a_message_nobody_took() {
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	same "$(coppice notify "$name" hello --json | json step)" stored
	same "$(coppice status --json | json queued)" 1
}

test_D2_stored_messages_survive_kill9_of_the_daemon() {
	mkfifo "$T/go"
	coppice spawn "$T" --backend script -- sh -c "read -r x <'$T/go'; coppice inbox >'$T/got'" >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	for i in 1 2 3 4 5 6 7 8 9 10; do coppice notify "$name" "message $i" >/dev/null; done
	kill -KILL "$(coppice status --json | json pid)"
	same "$(coppice status --json | json queued)" 10
	echo go >"$T/go"
	wait_event peer.offline
	same "$(sed -n 's/^  message //p' "$T/got" | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 10 "
}

test_D2_a_repeated_request_stores_nothing_twice() {
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	socket=$(coppice status --json | json socket)
	for i in 1 2 3; do
		curl -sS --unix-socket "$socket" -H 'Idempotency-Key: once' -X POST http://localhost/v1/notify_peer \
			-d "{\"peer_name\":\"$name\",\"message\":\"only once\"}" | json message_id
	done >"$T/ids"
	same "$(sort -u "$T/ids" | wc -l)" 1
	same "$(coppice status --json | json queued)" 1
	# The same key for something else is refused, not answered with the wrong thing.
	curl -sS --unix-socket "$socket" -H 'Idempotency-Key: once' -X POST http://localhost/v1/notify_peer \
		-d "{\"peer_name\":\"$name\",\"message\":\"another\"}" | grep -q '"code":"invalid"'
}

test_D2_a_message_shown_but_not_confirmed_is_shown_again_as_a_repeat() {
	coppice status >/dev/null
	coppice notify human "look" >/dev/null
	COPPICE_TOKEN_FILE="$T/state/token"
	export COPPICE_TOKEN_FILE
	token=$(cat "$T/state/token")
	curl -sS --unix-socket "$(coppice status --json | json socket)" -H "Authorization: Bearer $token" -X POST \
		http://localhost/v1/inbox -d '{}' >"$T/first"
	same "$(json messages.0.repeat <"$T/first")" false
	coppice inbox --json >"$T/second"
	same "$(json messages.0.repeat <"$T/second")" true
	same "$(json messages.0.id <"$T/second")" "$(json messages.0.id <"$T/first")"
	same "$(coppice inbox --json | json messages)" "[]"
}

test_R1_names_are_never_guessed() {
	mkdir -p "$T/app" "$T/more/app"
	coppice spawn "$T/app" --backend script --circle one -- sleep 60 >/dev/null
	coppice spawn "$T/more/app" --backend script --circle two -- sleep 60 >/dev/null
	refuses 5 coppice notify app hello
	grep -q "one:app" "$T/err"
	coppice notify two:app hello >/dev/null
	refuses 5 coppice notify apq hello
	grep -q "app" "$T/err"
}

test_R4_a_peer_that_is_gone_for_good_takes_nothing() {
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	id=$(coppice ps --json | json peers.0.peer_id)
	coppice kill "$id" >/dev/null
	refuses 3 coppice notify "$id" hello
	same "$(coppice status --json | json queued)" 0
}

test_A2_the_asker_learns_that_the_recipient_is_gone() {
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	id=$(coppice ask "$name" "well?" --json | json correlation_id)
	coppice kill "$name" >/dev/null
	post wait_on_ack "{\"correlation_id\":\"$id\"}" >"$T/end"
	same "$(json outcome <"$T/end")" undeliverable
}

test_A4_late_and_unknown_acks() {
	start_answering b fine
	id=$(coppice ask b "well?" --wait=60 --json | json correlation_id)
	refuses 5 coppice ack ask-000000000000
	COPPICE_TOKEN_FILE="$T/state/token"
	export COPPICE_TOKEN_FILE
	coppice ack "$id" >/dev/null
	refuses 3 coppice ack "$id" "one more thing"
}

test_A5_waiting_past_its_time_records_nothing() {
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	refuses 6 coppice ask "$name" "well?" --wait=1
	coppice asks --json >"$T/asks"
	same "$(json asks.0.state <"$T/asks")" open
}

test_A1_asks_and_waits_survive_a_restart_of_the_daemon() {
	mkfifo "$T/go"
	# shellcheck disable=SC2016
	coppice spawn "$T" --backend script -- sh -c \
		"read -r x <'$T/go'; coppice ack \"\$(coppice inbox --wait=60 --json | sed -n 's/.*\"id\":\"\(ask-[0-9a-z]*\)\".*/\1/p')\" back" >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	coppice ask "$name" "still there?" --wait=100 >"$T/reply" &
	asker=$!
	wait_event ask.opened
	kill -KILL "$(coppice status --json | json pid)"
	echo go >"$T/go"
	wait $asker
	same "$(cat "$T/reply")" back
}

test_asks_are_listed_with_both_names() {
	coppice spawn "$T" --backend script -- coppice notify human never >/dev/null
	name=$(coppice ps --all --json | python3 -c 'import json,sys; print([p["name"] for p in json.load(sys.stdin)["peers"] if p["backend"] == "script"][0])')
	coppice kill "$name" >/dev/null
	coppice kill "$name" --json | json note | grep -q "offline already"
	coppice spawn "$T" --backend script -- sleep 60 >/dev/null
	name=$(coppice ps --json | json peers.0.name)
	coppice ask "$name" "are you there?" >/dev/null
	coppice asks | grep -q "  $name  "
	coppice kill "$name" >/dev/null
}

run_tests "$@"
