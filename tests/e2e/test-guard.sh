#!/usr/bin/env bash
# W9: within a peer, git itself refuses an update of a branch that is another's. Peers are shells that do what they are told.
. "$(dirname "$0")/lib.sh"

# peer NAME FOLDER: a shell in a terminal of Coppice's.
peer() {
	mkfifo "$T/$1.in" "$T/$1.done"
	cat >"$T/$1.loop" <<-P
		while read -r _ <"$T/$1.in"; do
			code=0
			bash "$T/$1.run" >"$T/out" 2>"$T/err" || code=\$?
			echo "\$code" >"$T/$1.done"
		done
	P
	coppice spawn "$2" --backend script -- bash "$T/$1.loop" >/dev/null
}

# in_peer NAME COMMAND…: runs it there; its exit code, its output in $T/out and $T/err.
in_peer() {
	name=$1
	shift
	printf '%q ' "$@" >"$T/$name.run"
	echo >"$T/$name.in"
	read -r code <"$T/$name.done"
	return "$code"
}

# works NAME COMMAND…
works() {
	in_peer "$@" || fail "exit $code: $* ($(cat "$T/out" "$T/err"))"
}

everything() {
	git -C "$T/project" for-each-ref
	cat "$T/project/.git/logs/refs/heads/feat"/*
	cat "$T/project/.git/HEAD" "$T/project/.git/worktrees"/*/HEAD
}

# stopped NAME COMMAND…: the guard refuses it, and nothing is changed.
stopped() {
	everything >"$T/before"
	! in_peer "$@" || fail "not refused: $*"
	grep -q "^coppice: refs/heads/" "$T/err" || fail "it does not say why: $* ($(cat "$T/out" "$T/err"))"
	everything >"$T/after"
	cmp "$T/before" "$T/after" || fail "changed by $*: $(diff "$T/before" "$T/after")"
}

# Two peers on feat/a and feat/b, each with a commit of its own; $A and $B are their worktrees.
two_peers() {
	make_repo
	coppice new feat/a >/dev/null
	coppice new feat/b >/dev/null
	A=$(coppice path feat/a)
	B=$(coppice path feat/b)
	peer a "$A"
	peer b "$B"
	works a git commit -q --allow-empty -m "of a"
	works b git commit -q --allow-empty -m "of b"
}

test_W9_git_refuses_a_peer_every_change_of_anothers_branch() {
	two_peers
	stopped a git update-ref refs/heads/feat/b HEAD
	grep -q "refs/heads/feat/b is feat/b's (peer-.*coppice ask default:feat/b" "$T/err"
	stopped a git update-ref -d refs/heads/feat/b
	stopped a git update-ref -d refs/heads/feat/b "$(git rev-parse feat/b)"
	stopped a git update-ref --no-deref refs/heads/feat/b HEAD "$(git rev-parse feat/b)"
	stopped a git push -q . HEAD:feat/b --force
	stopped a git push -q "$T/project" :feat/b
	stopped a git push -q "file://$T/project/.git" +HEAD:feat/b
	stopped a git fetch -q . +HEAD:refs/heads/feat/b --update-head-ok
	stopped a git checkout -q --ignore-other-worktrees -B feat/b
	# Where git itself sees nobody in the way: the other's worktree has left its branch for a moment.
	works b git checkout -q --detach
	works a git merge -q -m merge feat/b
	stopped a git branch -f feat/b HEAD
	stopped a git branch -d feat/b
	stopped a git branch -D feat/b
	stopped a git branch -m feat/b feat/c
	stopped a git branch -M feat/a feat/b
	stopped a git branch -M feat/b
	works a git branch extra
	stopped a git branch -M extra feat/b
	stopped a git fetch -q . +HEAD:feat/b
	works b git checkout -q feat/b
	works b git commit -q --allow-empty -m "still its own"
}

test_W9_a_packed_branch_is_guarded_like_any_other() {
	two_peers
	works b git checkout -q --detach
	git pack-refs --all
	stopped a git branch -D feat/b
	stopped a git update-ref -d refs/heads/feat/b "$(git rev-parse feat/b)"
	stopped a git update-ref refs/heads/feat/b HEAD
	# Packed, and loose with the same value.
	git update-ref refs/heads/feat/b HEAD
	git pack-refs --all --no-prune
	stopped a git update-ref -d refs/heads/feat/b "$(git rev-parse feat/b)"
	stopped a git branch -D feat/b
}

test_W9_a_rebase_with_update_refs_leaves_anothers_branch() {
	two_peers
	works a git checkout -q -b mine
	works a git -c user.name=Other commit -q --allow-empty -m one
	works b git checkout -q --detach
	# As another's that lies within a's own history.
	git branch -f feat/b mine
	works a git commit -q --allow-empty -m two
	everything >"$T/before"
	in_peer a git -c user.name=Again rebase -q --update-refs --force-rebase --keep-empty feat/a~1 || :
	grep -q "^coppice: refs/heads/feat/b" "$T/err" || fail "$(cat "$T/out" "$T/err")"
	same "$(git rev-parse feat/b)" "$(grep refs/heads/feat/b "$T/before" | cut -d' ' -f1)"
}

test_W9_target_and_main_branch_are_no_agents() {
	two_peers
	git branch release
	git branch other
	stopped a git update-ref refs/heads/main HEAD
	grep -q "main worktree's branch.*coppice land" "$T/err"
	stopped a git -C "$T/project" commit -q --allow-empty -m sneaked
	stopped a git push -q . HEAD:main
	# The main worktree's is the one that it has now.
	git -C "$T/project" checkout -q other
	stopped a git update-ref refs/heads/other HEAD
	works a git update-ref refs/heads/release HEAD
	# A target, of a plan that runs.
	mkfifo "$T/up"
	cat >"$T/plan.yaml" <<-P
		into: release
		tasks:
		  - { branch: feat/c, run: [sh, -c, "echo >'$T/up'; sleep 600"] }
	P
	coppice run "$T/plan.yaml" --detach >/dev/null
	read -r _ <"$T/up"
	stopped a git update-ref refs/heads/release HEAD~1
	grep -q "where changes land" "$T/err"
	# The user's own git is as ever.
	git commit -q --allow-empty -m mine
	git branch -f feat/b HEAD 2>/dev/null || git update-ref refs/heads/feat/b HEAD
}

test_W9_a_session_in_the_main_worktree_commits_there() {
	make_repo
	coppice new feat/a >/dev/null
	peer m "$T/project"
	peer a "$(coppice path feat/a)"
	works m git commit -q --allow-empty -m "as the user told it"
	works a git commit -q --allow-empty -m "of a"
	stopped a git update-ref refs/heads/main HEAD
	stopped m git update-ref refs/heads/feat/a HEAD
}

test_W9_a_peers_own_work_passes() {
	two_peers
	git init -q --bare "$T/remote"
	git push -q "$T/remote" main feat/b main:elsewhere
	works a git remote add origin "$T/remote"
	works a git fetch -q origin
	works a git push -q origin feat/a
	works a git push -q origin feat/a:shared
	works a git commit -q --allow-empty --amend -m again
	works a git commit -q --allow-empty -m more
	works a git rebase -q --force-rebase main
	works a git reset -q --hard HEAD~1
	works a git tag -f v1
	works a git tag -d v1
	echo two >"$A/file"
	works a git stash -q
	works a git stash pop -q
	works a git checkout -q -f
	works a git branch extra
	works a git branch -f extra main
	works a git branch -m extra mine
	works a git branch -D mine
	works a git notes add -m note HEAD
	works a git worktree add -q "$T/third" -b third
	works a git merge -q -m merge feat/b
	works a git pack-refs --all
	[ ! -e "$T/project/.git/refs/heads/feat/b" ] || fail "not packed"
	works a git update-ref refs/heads/feat/b "$(git rev-parse feat/b)"
	works a git pack-refs --all
	[ ! -e "$T/project/.git/refs/heads/feat/b" ] || fail "not pruned"
	works a git gc -q --prune=now
	works a git -C "$T/project" status
	git init -q "$T/elsewhere"
	works a git -C "$T/elsewhere" commit -q --allow-empty -m "none of Coppice's"
	works b git commit -q --allow-empty -m "of b again"
}

# Hooks that note how they were run.
note_hooks() {
	mkdir -p "$1"
	for hook in pre-commit prepare-commit-msg commit-msg post-commit post-checkout pre-push reference-transaction post-rewrite; do
		cat >"$1/$hook" <<-'H'
			#!/bin/sh
			{
				echo "${0##*/} $*"
				case ${0##*/} in reference-transaction | pre-push | post-rewrite) cat ;; esac
			} >>"$HOOK_LOG"
		H
		chmod +x "$1/$hook"
	done
	rm -f "$1"/*.sample
}

# What a's git does by the hooks' log, with the guard and, in the same state, without it.
same_hooks() {
	git init -q --bare "$T/remote"
	start=$(git rev-parse feat/a)
	for way in guarded plain; do
		cat >"$T/steps" <<-S
			set -e
			cd '$A'
			export HOOK_LOG=/dev/null GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
			git reset -q --hard $start
			git reset -q --hard $start
			HOOK_LOG='$T/log.$way'
			echo 'changed $start' >file
			git commit -q -a -m changed
			git commit -q --amend -m amended
			git checkout -q -b side
			git checkout -q feat/a
			git branch -D side >/dev/null
			git push -q '$T/remote' feat/a
			git tag -f v1 >/dev/null
		S
		if [ "$way" = guarded ]; then works a bash "$T/steps"; else bash "$T/steps"; fi
		git push -q "$T/remote" :feat/a
		git tag -d v1 >/dev/null
	done
	[ -s "$T/log.plain" ] || fail "no hook ran at all"
	for hook in "$@"; do grep -q "^$hook" "$T/log.plain" || fail "no $hook"; done
	diff "$T/log.plain" "$T/log.guarded" || fail "the hooks saw something else"
}

test_W9_the_repositorys_hooks_run_once_with_all_that_git_gives_them() {
	two_peers
	export HOOK_LOG="$T/log.setup"
	note_hooks "$T/project/.git/hooks"
	same_hooks pre-commit prepare-commit-msg commit-msg post-commit post-checkout pre-push reference-transaction post-rewrite
}

test_W9_hooks_of_a_core_hooksPath_run_in_place_of_the_repositorys() {
	two_peers
	export HOOK_LOG="$T/log.setup"
	# As husky does: relative to the worktree, and with an own file that the hooks read beside themselves.
	git config core.hooksPath .husky/_
	note_hooks "$A/.husky/_"
	echo 'echo "beside $0" >>"$HOOK_LOG"' >"$A/.husky/_/h"
	printf '#!/bin/sh\n. "$(dirname "$0")/h"\n' >"$A/.husky/_/pre-commit"
	same_hooks beside commit-msg pre-push reference-transaction
	grep -q "^beside .husky/_/pre-commit" "$T/log.guarded"
	# And the user's own, by an included file of the global configuration.
	git config --unset core.hooksPath
	rm -rf "$T/remote" "$T"/log.*
	note_hooks "$T/hooks"
	git config --file "$T/more" core.hooksPath "$T/hooks"
	git config --file "$T/gitconfig" include.path "$T/more"
	same_hooks pre-commit commit-msg
}

test_W9_a_hook_that_says_no_is_heard() {
	two_peers
	printf '#!/bin/sh\nexit 7\n' >"$T/project/.git/hooks/commit-msg"
	chmod +x "$T/project/.git/hooks/commit-msg"
	! in_peer a git commit -q --allow-empty -m no || fail "the hook was not heard"
	printf 'echo "no line for the kernel" >&2; exit 1\n' >"$T/project/.git/hooks/commit-msg"
	! in_peer a git commit -q --allow-empty -m no || fail "the hook was not heard"
	grep -q "no line" "$T/err"
	chmod -x "$T/project/.git/hooks/commit-msg"
	works a git commit -q --allow-empty -m yes
}

test_W9_it_holds_without_the_daemon_and_refuses_without_its_file() {
	two_peers
	coppice stop >/dev/null
	stopped a git update-ref refs/heads/feat/b HEAD
	works a git commit -q --allow-empty -m "no daemon needed"
	echo "not what it was" >"$COPPICE_HOME/guard/owners.json"
	! in_peer a git commit -q --allow-empty -m blind || fail "not refused"
	grep -q "^coppice: nobody knows whose.*coppice status" "$T/err"
	rm "$COPPICE_HOME/guard/owners.json"
	! in_peer a git update-ref refs/heads/mine HEAD || fail "not refused"
	grep -q "^coppice: nobody knows whose.*coppice status" "$T/err"
	coppice status >/dev/null
	works a git commit -q --allow-empty -m "as it says"
	stopped a git update-ref refs/heads/feat/b HEAD
}

test_W9_what_the_environment_configures_of_git_stays() {
	make_repo
	coppice new feat/a >/dev/null
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0="From Outside" \
		coppice spawn "$(coppice path feat/a)" --backend script -- sh -c "git config user.name >'$T/name'; git commit --allow-empty -m x" >/dev/null
	wait_event spawn.ended
	same "$(git log -1 --format=%s feat/a)" x
}

test_W9_the_next_peer_of_the_worktree_owns_when_the_first_is_gone() {
	two_peers
	peer c "$B"
	stopped c git commit -q --allow-empty -m "not yet"
	coppice kill feat/b
	works c git commit -q --allow-empty -m "now"
	stopped a git update-ref refs/heads/feat/b HEAD
}

test_W9_what_goes_around_it_is_told_to_owner_and_orchestrator_with_what_restores_it() {
	two_peers
	mkdir "$T/lead"
	coppice spawn "$T/lead" --backend script --role orchestrator -- sleep 600 >/dev/null
	# In its own worktree a peer moves its branch as it likes, and nobody hears of it.
	works b git commit -q --allow-empty -m one
	works b git update-ref refs/heads/feat/b HEAD~1
	works b git rebase -q --force-rebase main
	works b git pack-refs --all
	was=$(git rev-parse feat/b)
	works a git -c core.hooksPath=/dev/null update-ref refs/heads/feat/b HEAD
	works b coppice inbox --wait=60 --json
	json messages.0.text <"$T/out" >"$T/told"
	grep -q "refs/heads/feat/b, your branch, was moved" "$T/told" || fail "$(cat "$T/out")"
	works b sh -c "$(sed 's/.*: git/git/' "$T/told")"
	same "$(git rev-parse feat/b)" "$was"
	was=$(git rev-parse feat/a)
	works b git -c core.hooksPath=/dev/null update-ref -d refs/heads/feat/a
	works a coppice inbox --wait=60 --json
	json messages.0.text <"$T/out" >"$T/told"
	grep -q "refs/heads/feat/a, your branch, was deleted" "$T/told" || fail "$(cat "$T/out")"
	works a sh -c "$(sed 's/.*: git/git/' "$T/told")"
	same "$(git rev-parse feat/a)" "$was"
	coppice log -n 1000 --json >"$T/log"
	same "$(grep -c '"event":"branch.moved"' "$T/log")" 2
	lead=$(coppice show lead --json | json peer_id)
	same "$(grep -c "\"event\":\"message.stored\".*$lead" "$T/log")" 2
}

test_W9_without_the_small_program_the_command_itself_is_the_guard() {
	mkdir "$T/alone"
	cp "$BINARY" "$T/alone/coppice"
	PATH=$T/alone:$PATH
	two_peers
	same "$(cat "$COPPICE_HOME/guard/dispatch")" "#!$T/alone/coppice guard"
	stopped b git update-ref refs/heads/feat/a HEAD
	works b env COPPICE_HOME="$COPPICE_HOME" coppice guard post-commit
}

test_X7_the_guard_leaves_the_repositorys_configuration_alone() {
	make_repo
	cp .git/config "$T/config.before"
	ls .git/hooks >"$T/hooks.before"
	coppice new feat/a >/dev/null
	peer a "$(coppice path feat/a)"
	works a git commit -q --allow-empty -m one
	works a git config core.hooksPath
	same "$(cat "$T/out")" "$COPPICE_HOME/guard/hooks"
	! git config core.hooksPath || fail "the user's git has it"
	cmp .git/config "$T/config.before"
	ls .git/hooks | cmp - "$T/hooks.before"
}

run_tests "$@"
