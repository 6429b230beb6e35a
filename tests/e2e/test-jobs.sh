#!/bin/bash
. "$(dirname "$0")/lib.sh"

new_job() {
	coppice job create "$@" --json | json job_id
}

state_of() {
	coppice job show "$1" --json | json state
}

test_J1_ready_follows_from_the_dependencies() {
	a=$(new_job a)
	b=$(new_job b --needs "$a")
	same "$(state_of "$a")" ready
	same "$(state_of "$b")" queued
	coppice job claim "$a" >/dev/null
	coppice job update "$a" completed --summary done >/dev/null
	same "$(state_of "$b")" ready
	refuses 3 coppice job update "$a" running
	refuses 3 coppice job update "$b" ready
}

test_J2_an_old_fence_changes_nothing() {
	a=$(new_job a --attempts 2)
	fence=$(coppice job claim "$a" --json | json fence)
	coppice job update "$a" failed --fence "$fence" --reason "first try" >/dev/null
	same "$(state_of "$a")" ready
	coppice job claim "$a" >/dev/null
	refuses 3 coppice job update "$a" completed --fence "$fence"
	grep -q "fence" "$T/err"
	same "$(state_of "$a")" running
}

test_J3_a_cycle_is_refused_and_printed_and_failure_blocks() {
	a=$(new_job a)
	b=$(new_job b --needs "$a")
	c=$(new_job c --needs "$b")
	refuses 3 coppice job create d --needs "$c" --needed-by "$b"
	grep -q "$b -> \|-> $b" "$T/err"
	same "$(coppice job list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["jobs"]))')" 3
	coppice job claim "$a" >/dev/null
	coppice job update "$a" failed --reason "no disk" >/dev/null
	same "$(state_of "$c")" blocked
	coppice job show "$b" --json | grep -q "no disk"
}

test_J5_final_states_win_over_late_requests_and_every_request_is_kept() {
	a=$(new_job a)
	coppice job claim "$a" >/dev/null
	coppice job cancel "$a" --reason "no longer needed" >/dev/null
	same "$(state_of "$a")" running
	coppice job update "$a" completed --summary "was nearly done" >/dev/null
	same "$(state_of "$a")" completed
	coppice job cancel "$a" --reason "too late" >/dev/null
	same "$(state_of "$a")" completed
	same "$(coppice job show "$a" --json | python3 -c 'import json,sys; print([r["text"] for r in json.load(sys.stdin)["requests"]])')" \
		"['no longer needed', 'too late']"
	b=$(new_job b)
	coppice job cancel "$b" >/dev/null
	same "$(state_of "$b")" cancelled
}

test_J6_results_are_kept_and_bounded() {
	a=$(new_job a)
	coppice job claim "$a" >/dev/null
	refuses 3 coppice job update "$a" completed --summary "$(printf '%05000d' 0)"
	coppice job update "$a" completed --summary fine --data '{"lines": 7}' >/dev/null
	same "$(coppice job result "$a" --json | json result.data.lines)" 7
}

run_tests "$@"
