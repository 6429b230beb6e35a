#!/bin/bash
. "$(dirname "$0")/lib.sh"

# A worker that adds a file named like its branch, and commits.
commit_file='f=$(basename "$COPPICE_BRANCH"); echo "$f" >"$f"; git add "$f"; git commit -q -m "add $f"; echo "added $f"'

plan() {
	cat >"$T/plan.yaml"
}

worker() {
	printf '%s\n' '#!/bin/sh' "set -eu" "$1" >"$T/$2"
	chmod +x "$T/$2"
}

test_L1_a_plan_lands_in_dependency_order() {
	make_repo
	worker "$commit_file" add
	plan <<-P
		gate: ["test -f file"]
		tasks:
		  - { branch: feat/c, run: [$T/add], needs: [feat/b] }
		  - { branch: feat/b, run: [$T/add], needs: [feat/a] }
		  - { branch: feat/a, run: [$T/add] }
	P
	coppice run "$T/plan.yaml" --json >"$T/out.json"
	tail -1 "$T/out.json" >"$T/done"
	same "$(json event <"$T/done")" "done"
	same "$(json commit <"$T/done")" "$(git rev-parse main)"
	same "$(git log --reverse --format=%s main | tr '\n' ' ')" "first add a add b add c "
	same "$(ls "$T/project" | tr '\n' ' ')" "a b c file "
	same "$(git worktree list | wc -l)" 1
	same "$(git status --porcelain)" ""
	same "$(coppice job list --json | json jobs.0.state)" completed
}

test_L1_an_ejected_change_takes_its_dependants_along() {
	make_repo
	worker "$commit_file" add
	plan <<-P
		gate: ["test ! -f bad"]
		tasks:
		  - { branch: bad, run: [$T/add] }
		  - { branch: feat/b, run: [$T/add], needs: [bad] }
		  - { branch: good, run: [$T/add] }
	P
	refuses 1 coppice run "$T/plan.yaml" --json
	tail -1 "$T/out" >"$T/done"
	same "$(json landed <"$T/done")" '["good"]'
	same "$(json ejected <"$T/done")" '["bad", "feat/b"]'
	# Whether its change was in the train by then or not, it says which need is lost.
	coppice plan status "$(json plan <"$T/done")" --json | grep -q "needs bad, which"
	same "$(ls "$T/project" | tr '\n' ' ')" "file good "
}

test_L4_no_gate_stops_at_ready_and_says_how_to_land() {
	make_repo
	worker "$commit_file" add
	plan <<-P
		tasks:
		  - { branch: feat/a, run: [$T/add] }
	P
	refuses 1 coppice run "$T/plan.yaml"
	grep -q "coppice land feat/a --into main" "$T/out"
	same "$(git log --format=%s main)" first
	coppice land feat/a --into main >"$T/landed"
	grep -q landed "$T/landed"
	same "$(git log --format=%s main | head -1)" "add a"
}

test_L4_gate_none_lands_and_says_so() {
	make_repo
	worker "$commit_file" add
	plan <<-P
		gate: none
		tasks:
		  - { branch: feat/a, run: [$T/add] }
	P
	coppice run "$T/plan.yaml" >"$T/out"
	grep -q "landed without a gate" "$T/out"
}

test_L3_local_changes_in_the_targets_checkout_are_never_touched() {
	make_repo
	worker 'echo two >file; git commit -q -a -m "change file"' change
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [$T/change] }
	P
	echo mine >file
	refuses 1 coppice run "$T/plan.yaml"
	grep -q "file" "$T/out"
	same "$(cat file)" mine
	same "$(git log --format=%s main)" first
}

test_nothing_to_land_is_said() {
	make_repo
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: ["true"] }
	P
	coppice run "$T/plan.yaml" >"$T/out"
	grep -q "nothing to land" "$T/out"
}

test_J3_J1_a_failed_worker_fails_its_job_with_its_last_words() {
	make_repo
	worker 'echo "the disk is on fire"; exit 3' burn
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [$T/burn] }
	P
	refuses 1 coppice run "$T/plan.yaml"
	grep -q "exit 3: the disk is on fire" "$T/out"
	same "$(coppice job list --json | json jobs.0.state)" failed
}

test_retry_goes_on_where_the_attempt_stopped_and_fresh_starts_anew() {
	make_repo
	worker "if [ -f \$HOME/tried-\$(basename \$COPPICE_BRANCH) ]; then ls >\$HOME/saw-\$(basename \$COPPICE_BRANCH); $commit_file; else echo half >half; touch \$HOME/tried-\$(basename \$COPPICE_BRANCH); exit 1; fi" flaky
	for how in resume fresh; do
		plan <<-P
			gate: ["true"]
			retry: { attempts: 2, state: $how }
			tasks:
			  - { branch: feat/$how, run: [$T/flaky] }
		P
		coppice run "$T/plan.yaml" >/dev/null
	done
	grep -q half "$HOME/saw-resume"
	! grep -q half "$HOME/saw-fresh"
}

test_stacked_and_after_start_when_they_may() {
	make_repo
	worker "ls | tr '\n' ' ' >\$HOME/saw-\$(basename \$COPPICE_BRANCH); $commit_file" add
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [$T/add] }
		  - { branch: feat/b, run: [$T/add], needs: [feat/a], start: stacked }
		  - { branch: feat/c, run: [$T/add], needs: [feat/b], start: after }
	P
	coppice run "$T/plan.yaml" >/dev/null
	same "$(cat "$HOME/saw-b")" "a file "
	same "$(cat "$HOME/saw-c")" "a b file "
	same "$(git log --reverse --format=%s main | tr '\n' ' ')" "first add a add b add c "
}

test_a_bad_plan_creates_nothing() {
	make_repo
	plan <<-P
		tsks: []
		tasks:
		  - { branch: feat/a, run: ["true"], needs: [feat/b] }
		  - { branch: feat/b, run: ["true"], needs: [feat/a] }
	P
	refuses 2 coppice run "$T/plan.yaml"
	grep -q "plan.yaml:1: tsks" "$T/err"
	grep -q "feat/a -> feat/b -> feat/a" "$T/err"
	same "$(git branch | wc -l)" 1
	same "$(coppice job list --json | json jobs)" "[]"
}

test_dry_run_shows_the_order_and_creates_nothing() {
	make_repo
	plan <<-P
		tasks:
		  - { branch: b, run: ["true"], needs: [a] }
		  - { branch: a, run: ["true"] }
	P
	coppice run "$T/plan.yaml" --dry-run --json >"$T/out"
	same "$(json order <"$T/out")" '["a", "b"]'
	same "$(git branch | wc -l)" 1
}

test_a_running_plan_can_be_cancelled() {
	make_repo
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [sleep, "100"] }
		  - { branch: feat/b, run: ["true"], needs: [feat/a], start: after }
	P
	id=$(coppice run "$T/plan.yaml" --detach --json | json plan)
	wait_event task.running
	coppice plan cancel "$id" >/dev/null
	wait_event plan.cancelled
	same "$(coppice plan status "$id" --json | json cancelled)" '["feat/a", "feat/b"]'
	same "$(coppice ps --json | json peers)" "[]"
}

# J2, W11: the daemon is killed while workers run; each task is still done once, each change landed once.
test_W11_J2_kill9_of_the_daemon_and_the_plan_goes_on_to_the_same_end() {
	make_repo
	mkfifo "$T/go-a" "$T/go-b"
	worker "echo run >>\$HOME/runs; read -r x <$T/go-\$(basename \$COPPICE_BRANCH); $commit_file" add
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [$T/add] }
		  - { branch: feat/b, run: [$T/add], needs: [feat/a] }
	P
	coppice run "$T/plan.yaml" --json >"$T/out" &
	watcher=$!
	echo go >"$T/go-a"
	kill -KILL "$(coppice status --json | json pid)"
	echo go >"$T/go-b"
	coppice status >/dev/null
	wait $watcher
	same "$(tail -1 "$T/out" | json landed)" '["feat/a", "feat/b"]'
	same "$(git log --reverse --format=%s main | tr '\n' ' ')" "first add a add b "
	same "$(wc -l <"$HOME/runs")" 2
}

test_twelve_tasks_at_once_in_a_new_circle() {
	make_repo
	worker "$commit_file" add
	{
		printf 'circle: crowd\nparallel: 12\ngate: none\ntasks:\n'
		for i in $(seq 12); do echo "  - { branch: t/$i, run: [$T/add] }"; done
	} | plan
	coppice run "$T/plan.yaml" --json | tail -1 >"$T/done"
	same "$(python3 -c 'import json,sys; print(len(json.load(sys.stdin)["landed"]))' <"$T/done")" 12
	same "$(git rev-list --count main)" 13
}

test_hooks_of_the_users_configuration_run_once_each() {
	make_repo
	mkdir -p "$T/config/coppice"
	cat >"$T/config/coppice/config.yaml" <<-C
		hooks:
		  post-create: ["pwd >>$T/created"]
		  post-land: ["git log --format=%s -1 >>$T/landed"]
	C
	worker "$commit_file" add
	plan <<-P
		gate: ["true"]
		tasks:
		  - { branch: feat/a, run: [$T/add] }
	P
	coppice run "$T/plan.yaml" >/dev/null
	wait_event hook.done
	same "$(cat "$T/created")" "$T/project-feat-a"
	post events '{"limit":1000}' | grep -q hook.failed && fail "a hook failed"
	until [ -s "$T/landed" ]; do coppice status >/dev/null; done
	same "$(cat "$T/landed")" "add a"
}

test_without_tmux_spawning_fails_clearly_and_the_rest_works() {
	make_repo
	mkdir "$T/bin"
	for p in git sh cat ls mkdir rm env sed tr python3 basename dirname mktemp; do ln -s "$(command -v $p)" "$T/bin/"; done
	PATH="$(dirname "$BINARY"):$T/bin" coppice status >/dev/null
	refuses 1 coppice spawn . --backend script -- true
	grep -q "tmux" "$T/err"
	coppice new feat/x >/dev/null
	coppice list >/dev/null
}

test_watching_a_plan_that_does_not_exist_ends() {
	refuses 5 coppice plan watch plan-nope
}

test_L3_a_change_lands_in_one_way() {
	make_repo
	refuses 2 coppice land feat/x --squash --merge
}

run_tests "$@"
