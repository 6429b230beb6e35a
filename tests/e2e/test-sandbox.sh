#!/usr/bin/env bash
# S5: a confined peer writes its worktree, what a commit needs, and nothing else. The peer is a shell that does what it is told, as a
# task of a plan; what it is told, and what it prints, lies in $T/box, which the configuration lets it write.
. "$(dirname "$0")/lib.sh"

# Where the machine cannot confine there is nothing to test; `coppice doctor` says so then.
if [ $# = 0 ]; then
	probe=$(mktemp)
	echo '{}' >"$probe"
	why=$(coppice confine "$probe" -- true 2>&1) || why=${why:-it cannot}
	rm -f "$probe"
	if [ -n "$why" ]; then
		echo "1..0 # SKIP $why"
		exit 0
	fi
fi

# confined BRANCH: a confined shell on that branch; $A is its worktree.
confined() {
	mkdir -p "$T/box"
	mkfifo "$T/box/in" "$T/box/done"
	cat >"$T/box/loop" <<-P
		while read -r word <"$T/box/in" && [ "\$word" = run ]; do
			code=0
			bash "$T/box/run" >"$T/box/out" 2>"$T/box/err" || code=\$?
			echo "\$code" >"$T/box/done"
		done
	P
	export COPPICE_SANDBOX__WRITE="[$T/box, ~/nothing-there]"
	coppice stop >/dev/null 2>&1 || :
	cat >"$T/plan.yaml" <<-P
		repo: $T/project
		into: main
		gate: none
		defaults: { sandbox: worktree }
		tasks:
		  - { branch: $1, run: [bash, $T/box/loop] }
	P
	coppice run --detach "$T/plan.yaml" >/dev/null
	works true
	A=$(coppice path "$1")
}

# inside COMMAND…: runs it there; its exit code, its output in $T/box/out and $T/box/err.
inside() {
	printf '%q ' "$@" >"$T/box/run"
	echo run >"$T/box/in"
	read -r code <"$T/box/done"
	return "$code"
}

works() {
	inside "$@" || fail "exit $code: $* ($(cat "$T/box/out" "$T/box/err"))"
}

# kept COMMAND…: it fails there for want of the right to write.
kept() {
	! inside "$@" || fail "not refused: $*"
	grep -qE 'Read-only file system|[Pp]ermission denied|Operation not permitted|Device or resource busy|Invalid cross-device link|must be superuser|could not lock config' "$T/box/err" ||
		fail "it fails for another reason: $* ($(cat "$T/box/out" "$T/box/err"))"
}

# An orphan with a terminal of its own would be a user by all that the kernel says of processes; and the token would make it one.
test_S5_S7_what_breaks_out_of_its_terminal_is_nobody() {
	make_repo
	confined feat/a
	mkfifo "$T/box/ended"
	cat >"$T/box/orphan" <<-P
		coppice whoami --json >"$T/box/who" 2>&1
		coppice spawn "$T/project" --backend script -- touch "$T/project/free" >"$T/box/spawned" 2>&1
		echo \$? >"$T/box/ended"
	P
	works env -u COPPICE_PEER -u COPPICE_JOB -u COPPICE_FENCE setsid -f script -qec "sh $T/box/orphan" /dev/null
	read -r code <"$T/box/ended"
	same "$(json role <"$T/box/who")" unknown
	same "$code" 3
	test ! -e "$T/project/free" || fail "it started something that is free"
	works test ! -s "$T/state/token"
	test -s "$T/state/token" || fail "there is no token"
}

# Whatever it can see of other daemons: it is not the user to them either, nor to its own once that has a new token.
test_S5_I2_no_token_makes_a_confined_process_the_user() {
	make_repo
	confined feat/a
	mkfifo "$T/box/ended"
	coppice stop >/dev/null
	rm "$T/state/token"
	coppice status >/dev/null
	COPPICE_HOME=$T/second coppice status >/dev/null
	cat >"$T/box/orphan" <<-P
		for home in state second; do
			COPPICE_HOME=$T/\$home COPPICE_TOKEN_FILE=$T/\$home/token coppice whoami --json >"$T/box/who-\$home" 2>&1
		done
		COPPICE_ROLE=orchestrator python3 -c "
		import http.client, os, socket
		c = http.client.HTTPConnection('x')
		c.sock = socket.socket(socket.AF_UNIX)
		c.sock.connect(os.environ['SOCKET'])
		c.request('POST', '/v1/register_peer', '{\"self\":true,\"backend\":\"script\",\"path\":\"/\"}', {'Content-Type': 'application/json', 'Idempotency-Key': 'k'})
		print(c.getresponse().read().decode())" >"$T/box/registered" 2>&1
		echo >"$T/box/ended"
	P
	sed -i 's/^\t\t//' "$T/box/orphan"
	works env -u COPPICE_PEER -u COPPICE_JOB -u COPPICE_FENCE "SOCKET=$(coppice status --json | json socket)" setsid -f \
		script -qec "sh $T/box/orphan" /dev/null
	read -r _ <"$T/box/ended"
	COPPICE_HOME=$T/second coppice stop >/dev/null
	grep -qF '"role":"unknown"' "$T/box/who-state" || fail "$(cat "$T/box/who-state")"
	grep -qF '"role":"unknown"' "$T/box/who-second" || fail "$(cat "$T/box/who-second")"
	grep -qF "no peer of its own" "$T/box/registered" || fail "$(cat "$T/box/registered")"
}

# In git's own folders others' git would follow it to anywhere, or stand still.
test_S5_W3_what_others_git_reads_and_writes_is_plain() {
	make_repo
	confined feat/a
	G=$(git -C "$A" rev-parse --absolute-git-dir)
	works git commit -q --allow-empty -m one
	for place in "$T/project/.git/logs/HEAD" "$T/project/.git/refs/heads/link" "$G/COMMIT_EDITMSG"; do
		kept ln -sf "$T/project/file" "$place"
		works ln -sf "$T/project/file" "$A/link"
		kept mv "$A/link" "$place"
	done
	kept mkfifo "$T/project/.git/refs/heads/pipe"
	git config extensions.worktreeConfig true
	kept git config --worktree core.fsmonitor "touch $T/stolen"
	kept rm "$A/.git"
	kept sh -c "echo gitdir: $T/box >'$A/.git'"
	same "$(git -C "$A" status --short)" "?? link"
	works git commit -q --allow-empty -m two
}

test_S5_git_works_in_it() {
	make_repo
	git init -q --bare "$T/far.git"
	git push -q "$T/far.git" main
	git remote add far "$T/far.git"
	git switch -q -c side
	echo side >side
	git add side
	git commit -q -m "of the side"
	git switch -q main
	confined feat/a
	works sh -c 'echo a >a && git add a && git commit -q -m "of a"'
	same "$(git log -1 --format=%s feat/a)" "of a"
	works git fetch -q far
	git rev-parse -q --verify refs/remotes/far/main >/dev/null || fail "nothing fetched"
	works sh -c 'echo b >>a && git stash -q && test "$(cat a)" = a && git stash pop -q && git checkout -q a'
	git commit -q --allow-empty -m "main goes on"
	works git rebase -q main
	works git cherry-pick side
	works sh -c 'test ! -e "$(git rev-parse --git-dir)/CHERRY_PICK_HEAD" && git commit -q --allow-empty -m two && git reset -q --hard HEAD~1 && git log --oneline && git status --porcelain'
	works sh -c 'test "$(git config gc.auto)$(git config maintenance.auto)" = 0false'
	works sh -c 'echo x >"$TMPDIR/x" && mktemp && git tag a-tag && git switch -q -c feat/a2 && git switch -q feat/a'
	same "$(git status --porcelain)" ""
}

test_S5_it_writes_nothing_else() {
	make_repo
	coppice new feat/b >/dev/null
	git pack-refs --all
	B=$(coppice path feat/b)
	confined feat/a
	kept touch "$T/project/x"
	kept sh -c "echo x >>'$T/project/file'"
	kept rm "$T/project/file"
	kept mv "$T/project/file" "$A/file"
	kept ln "$T/project/file" "$A/linked"
	kept ln "$A/file" "$T/project/linked"
	kept chmod 777 "$T/project/file"
	kept truncate -s 0 "$T/project/file"
	kept touch "$B/x"
	kept git config user.name Somebody
	kept touch "$T/project/.git/config"
	kept touch "$T/project/.git/hooks/pre-commit"
	kept touch "$T/project/.git/packed-refs"
	kept git pack-refs --all
	kept touch "$T/project/.git/worktrees/project-feat-b/HEAD"
	kept sh -c 'echo /elsewhere >"$(git rev-parse --git-dir)/commondir"'
	kept sh -c 'echo /elsewhere >"$(git rev-parse --git-dir)/gitdir"'
	kept sh -c 'rm "$(git rev-parse --git-dir)/gitdir"'
	kept touch "$T/state/x"
	kept sh -c "echo x >>'$T/state/coppice.db'"
	kept touch "$T/config/x"
	kept touch "$HOME/.bashrc"
	kept touch /etc/x
	kept sh -c "ln -s '$T/project' way && touch way/x"
	kept bash -c "bash -c 'touch $T/project/x'"
	kept umount "$A"
	kept mount -o remount,rw /
	kept sh -c "kill -TERM $$"
	same "$(git status --porcelain)" ""
	test ! -e "$T/project/x"
}

test_S5_it_sees_no_foreign_socket() {
	make_repo
	tmux -L test new-session -d -s foreign sleep 600
	python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.mkfifo(sys.argv[2])
open(sys.argv[2]).read()' "$T/agent.sock" "$T/hold" &
	until [ -p "$T/hold" ]; do sleep 0.05; done # the fifo is made once it listens
	confined feat/a
	! inside tmux -L test list-sessions || fail "it reaches the terminals"
	! inside curl -sS --unix-socket "$T/agent.sock" http://x/ || fail "it reaches a foreign socket"
	grep -qE "refused|Couldn't connect|Could not connect" "$T/box/err" || fail "$(cat "$T/box/err")"
	works sh -c 'test -z "$SSH_AUTH_SOCK$DBUS_SESSION_BUS_ADDRESS$DOCKER_HOST$DISPLAY"'
	works sh -c "test ! -e '$T/run/tmux-$(id -u)'"
	: >"$T/hold"
}

test_I2_it_is_known_and_may_talk() {
	make_repo
	confined feat/a
	works coppice whoami --json
	same "$(json name <"$T/box/out")" feat/a
	same "$(json sandbox <"$T/box/out")" worktree
	same "$(json writable.0 <"$T/box/out")" "$A"
	coppice show feat/a | grep -q "^may write *$A" || fail "show does not say what it may write"
	works coppice notify human "it is done"
	# A daemon that is started anew has another socket, in the same folder.
	coppice stop >/dev/null
	coppice status >/dev/null
	works coppice whoami --json
	same "$(json name <"$T/box/out")" feat/a
}

test_W9_the_guard_holds_in_it() {
	make_repo
	coppice new feat/b >/dev/null
	coppice spawn "$(coppice path feat/b)" --backend script -- sleep 600 >/dev/null
	confined feat/a
	works git commit -q --allow-empty -m mine
	! inside git update-ref refs/heads/feat/b HEAD || fail "not refused"
	! inside git branch -D feat/b || fail "not refused"
	grep -q "^coppice: refs/heads/feat/b" "$T/box/err" || grep -q "checked out" "$T/box/err" || fail "$(cat "$T/box/err")"
}

test_S5_a_denial_names_the_path_and_the_key() {
	make_repo
	cat >"$T/plan.yaml" <<-P
		repo: $T/project
		into: main
		gate: none
		defaults: { sandbox: worktree }
		tasks:
		  - { branch: feat/a, run: [touch, $T/elsewhere] }
		  - { branch: feat/b, run: [touch, $T/project/x] }
	P
	refuses 1 coppice run "$T/plan.yaml" --json
	coppice job list --json >"$T/jobs"
	grep -q "the sandbox keeps $T/elsewhere from being written: add it to sandbox.write" "$T/jobs" || fail "$(cat "$T/jobs")"
	grep -q "the sandbox keeps $T/project/x from being written: no setting opens it" "$T/jobs" || fail "$(cat "$T/jobs")"
}

test_S5_a_setting_that_would_open_a_protected_place_is_refused() {
	make_repo
	cat >"$T/plan.yaml" <<-P
		repo: $T/project
		into: main
		gate: none
		tasks:
		  - { branch: feat/a, run: [touch, a], sandbox: worktree }
	P
	for place in / "$T" "$T/state" "$T/project" "$T/project/.git/hooks" "$T/config"; do
		export COPPICE_SANDBOX__WRITE="[\"$place\"]"
		coppice stop >/dev/null 2>&1 || :
		refuses 1 coppice run "$T/plan.yaml" --json
		coppice job list --json >"$T/jobs"
		grep -q "sandbox.write has $place, which would open" "$T/jobs" || fail "$place: $(cat "$T/jobs")"
		rm -rf "$T/project-feat-a"
		coppice rm feat/a --delete-branch -f >/dev/null 2>&1 || :
		git worktree prune
		git branch -D feat/a >/dev/null 2>&1 || :
	done
}

test_S7_what_a_confined_peer_starts_is_confined() {
	make_repo
	export COPPICE_SPAWN__ALLOWED_PATHS="[$T]"
	coppice new feat/b >/dev/null
	B=$(coppice path feat/b)
	confined feat/a
	coppice role feat/a orchestrator >/dev/null
	works coppice spawn "$B" --backend script -- sh -c "touch $T/project/x; touch $B/tried; exec sleep 600"
	same "$(coppice show feat/b --json | json sandbox)" worktree
	until [ -e "$B/tried" ]; do sleep 0.05; done # no event tells of a file
	test ! -e "$T/project/x" || fail "it writes where its parent may not"
	# A folder that is no worktree cannot be confined to, so nothing is started there.
	! inside coppice spawn "$T/project" --backend script -- sleep 600 || fail "not refused"
	grep -q "the sandbox is for a worktree" "$T/box/err" || fail "$(cat "$T/box/err")"
}

# What a confined agent wrote is run by the gate, and may be on any branch of the repository: it gets no further there.
test_S7_gates_are_confined_where_a_confined_peer_has_worked() {
	make_repo
	cat >"$T/plan.yaml" <<-P
		repo: $T/project
		into: main
		gate: ["sh check.sh"]
		tasks:
		  - branch: feat/boxed
		    sandbox: worktree
		    run: [sh, $T/work, boxed]
		  - branch: feat/free
		    needs: [feat/boxed]
		    start: after
		    run: [sh, $T/work, free]
	P
	cat >"$T/gate" <<-P
		touch $T/by-NAME
		cat $T/state/token
		tmux -L test list-sessions
		touch built "\${TMPDIR:-.}/built" && git status --short && git rev-parse HEAD
	P
	printf 'sed "s/NAME/$1/" %s >check.sh\ngit add check.sh\ngit commit -q -m "work of $1"\n' "$T/gate" >"$T/work"
	coppice run "$T/plan.yaml" >"$T/run.out" 2>&1 || fail "$(cat "$T/run.out")"
	same "$(git log --format=%s -2 | tr '\n' ,)" "work of free,work of boxed,"
	test ! -e "$T/by-boxed" || fail "the gate of a confined branch wrote elsewhere"
	test ! -e "$T/by-free" || fail "the gate of another branch wrote elsewhere"
	log=$(grep -l by-boxed "$T"/state/log/*.log)
	grep -qF "Read-only file system" "$log" || fail "$(cat "$log")"
	! grep -qF "$(cat "$T/state/token")" "$log" || fail "it read the token"
	same "$(git worktree list | wc -l)" 1
	sed -i "s/^touch.*by-NAME/touch by-NAME/" "$T/gate"
	cat >"$T/more.yaml" <<-P
		repo: $T/project
		into: main
		gate: ["touch $T/by-gate"]
		tasks: [{ branch: feat/more, sandbox: worktree, run: [sh, $T/work, more] }]
	P
	refuses 1 coppice run "$T/more.yaml"
	grep -qF sandbox.write "$T/out" "$T/err" || fail "$(cat "$T/out" "$T/err")"
}

test_S5_it_leaves_nothing_behind() {
	make_repo
	confined feat/a
	works sh -c 'mkdir -p "$TMPDIR/d" && echo x >"$TMPDIR/d/x"'
	test -n "$(ls "$T/state/tmp")" || fail "no temporary folder"
	echo stop >"$T/box/in"
	wait_event spawn.ended
	same "$(ls "$T/state/tmp")" ""
}

run_tests "$@"
