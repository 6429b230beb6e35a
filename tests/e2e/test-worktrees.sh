#!/bin/bash
. "$(dirname "$0")/lib.sh"

test_W1_thirty_two_at_once() {
	make_repo
	pids=""
	for i in $(seq 32); do
		coppice new "feat/$i" --json >"$T/new-$i" &
		pids="$pids $!"
	done
	for pid in $pids; do wait "$pid"; done
	same "$(git worktree list | wc -l)" 33
	same "$(git branch --list 'feat/*' | wc -l)" 32
	same "$(coppice list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["worktrees"]))')" 33
}

test_W2_new_list_path_rm_restore() {
	make_repo
	coppice new feat/x --json >"$T/new"
	path=$(json path <"$T/new")
	same "$(json base_commit <"$T/new")" "$(git rev-parse HEAD)"
	same "$path" "$T/project-feat-x"
	same "$(coppice path feat/x)" "$path"
	echo more >"$path/more"
	refuses 3 coppice rm feat/x --json
	same "$(json kept.0.facts.untracked <"$T/out")" no
	[ -f "$path/more" ]
	coppice rm feat/x --force=untracked --json >"$T/rm"
	same "$(json removed.0.branch <"$T/rm")" feat/x
	[ ! -e "$path" ]
	coppice restore feat/x >/dev/null
	same "$(cat "$path/more")" more
}

test_W2_a_worktree_in_use_is_locked_by_whom() {
	make_repo
	coppice new feat/x --backend script -- coppice inbox --wait=60 >/dev/null
	pid=$(coppice ps --json | json peers.0.pid)
	until git worktree list --porcelain | grep -q "^locked coppice boot=.* pid=$pid start="; do coppice status >/dev/null; done
	refuses 3 coppice rm feat/x --json
	same "$(json kept.0.facts.lock <"$T/out")" no
	coppice notify feat/x bye >/dev/null
	wait_event peer.offline
	coppice rm feat/x >/dev/null
}

test_W10_the_repositorys_own_configuration_is_read_from_its_main_worktree() {
	make_repo
	printf 'worktrees:\n  path: "../trees/{branch}"\n  disposable: [out]\n' >.coppice.yaml
	printf 'out/\n' >.gitignore
	git add .coppice.yaml .gitignore
	git commit -q -m "configuration"
	coppice new feat/x >/dev/null
	same "$(coppice path feat/x)" "$T/trees/feat-x"
	mkdir "$T/trees/feat-x/out" && echo o >"$T/trees/feat-x/out/o"
	# What an agent writes on its branch counts for nothing.
	printf 'worktrees:\n  path: "../evil/{branch}"\n' >"$T/trees/feat-x/.coppice.yaml"
	git -C "$T/trees/feat-x" commit -q -a -m evil
	coppice new feat/y -C "$T/trees/feat-x" >/dev/null
	same "$(coppice path feat/y)" "$T/trees/feat-y"
	coppice rm feat/x >/dev/null
	printf 'worktrees:\n  paht: "x"\n' >.coppice.yaml
	git commit -q -a -m "a slip"
	refuses 2 coppice new feat/z
	grep -q ".coppice.yaml:2" "$T/err"
}

test_W4_a_worktree_made_by_hand_is_listed_and_removed_by_facts() {
	make_repo
	git worktree add -q "$T/by-hand" -b mine
	coppice list --json | grep -q '"branch":"mine"'
	coppice rm mine >/dev/null
	[ ! -e "$T/by-hand" ]
	git show-ref -q refs/heads/mine
	coppice restore mine >/dev/null
	[ -f "$T/by-hand/file" ]
}

test_W8_the_branch_stays_unless_it_is_named_and_has_landed() {
	make_repo
	coppice new feat/x >/dev/null
	coppice new feat/y >/dev/null
	(cd "$T/project-feat-y" && git commit -q --allow-empty -m empty && echo y >y && git add y && git commit -q -m y)
	coppice rm feat/x -D >/dev/null
	! git show-ref -q refs/heads/feat/x
	refuses 3 coppice rm feat/y -D
	git show-ref -q refs/heads/feat/y
}

test_W7_list_knows_what_has_landed_squashed() {
	make_repo
	coppice new feat/x >/dev/null
	(cd "$T/project-feat-x" && echo x >x && git add x && git commit -q -m x && echo y >>x && git commit -q -a -m more)
	same "$(coppice list --json | python3 -c 'import json,sys; print([w["landed"] for w in json.load(sys.stdin)["worktrees"] if w["branch"]=="feat/x"][0])')" no
	coppice land feat/x --no-gate >/dev/null
	same "$(coppice list --json | python3 -c 'import json,sys; print([w["landed"] for w in json.load(sys.stdin)["worktrees"] if w["branch"]=="feat/x"][0])')" yes
}

test_bad_repositories_and_names_are_refused_clearly() {
	make_repo
	refuses 2 coppice new -- "-x"
	refuses 2 coppice new "a b"
	refuses 2 coppice new "a..b"
	refuses 5 coppice -C "$T" new x
	refuses 2 coppice new
	git init -q "$T/empty"
	refuses 3 coppice new x -C "$T/empty"
	grep -qi "commit" "$T/err"
	git clone -q --bare "$T/project" "$T/bare.git"
	coppice new from-bare -C "$T/bare.git" --base main --path "$T/from-bare" >/dev/null || grep -q . "$T/err"
	git checkout -q --detach
	coppice new from-detached --json | json base_commit >"$T/base"
	same "$(cat "$T/base")" "$(git rev-parse HEAD)"
	same "$(git worktree list --porcelain | grep -c '^detached')" 1
}

test_W4_what_kept_a_worktree_comes_with_the_command_that_removes_it() {
	make_repo
	coppice new feat/x >/dev/null
	echo new >"$T/project-feat-x/new"
	echo other >"$T/project-feat-x/file"
	refuses 3 coppice rm feat/x
	grep -qxF "kept feat/x: clean: changed: file; untracked: new" "$T/out"
	grep -qF "coppice rm feat/x --force=clean,untracked" "$T/out"
	# An empty variable of a script names no fact; it must not mean all.
	refuses 2 coppice rm feat/x --force=
	[ -f "$T/project-feat-x/new" ]
	coppice rm feat/x feat/x --force=clean,untracked >/dev/null
	[ ! -e "$T/project-feat-x" ]
}

test_W4_a_worktree_that_was_deleted_by_hand_is_forgotten_with_its_registration() {
	make_repo
	coppice new feat/x >/dev/null
	rm -rf "$T/project-feat-x"
	coppice list | grep -q "^feat/x  gone "
	refuses 3 coppice rm feat/x
	grep -q "git worktree prune" "$T/out"
	refuses 3 coppice new feat/x
	grep -q "git worktree prune" "$T/err"
	git worktree prune
	refuses 5 coppice rm feat/x
	coppice new feat/x >/dev/null
	[ -f "$T/project-feat-x/file" ]
}

test_names_that_are_not_utf8_are_refused_and_never_changed() {
	make_repo
	refuses 2 coppice new "$(printf '\377')" --json
	grep -q 'not valid UTF-8' "$T/err"
	mkdir "$T/$(printf '\377')"
	cd "$T/$(printf '\377')" || exit
	refuses 2 coppice list
	grep -q 'not valid UTF-8' "$T/err"
	cd "$T/project" || exit
	same "$(git branch | wc -l)" 1
	refuses 5 coppice list --target nope
}

# A worker that comes late, after a daemon that was started since has had the work done and gone on.
test_W11_a_worker_whose_daemon_is_gone_changes_nothing() {
	make_repo
	order='{"repo": {"common_dir": "'$T'/project/.git", "main": "'$T'/project"}, "id": "wt-000000000001", "branch": "feat/a",
		"path": "'$T'/project-feat-a", "path_fixed": true}'
	mkdir -m 700 "$T/state/run"
	exec 8>"$T/state/run/effect-7.lock"
	flock 8
	mkfifo "$T/answer"
	coppice worker worktree.create 7 <<<"$order" >"$T/answer" 8>&- &
	worker=$!
	exec 9<"$T/answer" # both ends are there now; this one goes while the worker waits for the lock
	exec 9<&- 8>&-
	code=0
	wait $worker || code=$?
	[ $code -ne 0 ] || fail "it did its work"
	[ ! -e "$T/project-feat-a" ] || fail "it made the worktree"
	coppice worker worktree.create 7 <<<"$order" >"$T/out"
	same "$(json ok.branch <"$T/out")" feat/a
}

test_W5_the_same_name_can_be_made_and_removed_again_and_again() {
	make_repo
	for i in 1 2 3; do
		coppice new feat/x >/dev/null
		echo "$i" >"$T/project-feat-x/n"
		coppice rm feat/x -f -D >/dev/null
	done
	coppice restore feat/x >/dev/null
	same "$(cat "$T/project-feat-x/n")" 3
	coppice rm feat/x -f >/dev/null
	same "$(coppice trash list --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["trash"]))')" 3
}

run_tests "$@"
