#!/usr/bin/env python3
"""In the sessions of the real CLIs, git refuses what would change another's branch (W9)."""

from lib import run, same, say, shell

TRY = "git commit -q --allow-empty -m mine && git rev-parse --short HEAD; git update-ref refs/heads/feat/b HEAD"


def another(lab):
    """Somebody else works on feat/b; the commit that it is at."""
    lab.coppice("spawn", lab.b, "--backend", "script", "--", "sleep", "600")
    return lab.git("rev-parse", "feat/b")


def tried(lab, before, branch, api):
    """What the session's command said: its own commit was made, the other's branch is as it was."""
    result = lab.model.wait("is feat/b's", role="result", api=api)
    same(lab.git("rev-parse", "feat/b"), before, "the other's branch")
    same(lab.git("log", "-1", "--format=%s", branch), "mine", "its own commit")
    return result


def test_W9_a_claude_that_was_opened_by_hand_is_refused_anothers_branch(lab):
    lab.mesh()
    before = another(lab)
    lab.model.on("try it", shell(TRY), say("I tried."))
    claude = lab.claude(lab.a)
    lab.online("feat/a")
    claude.type("try it")
    tried(lab, before, "feat/a", "messages")
    claude.wait("I tried")

    lab.idle("feat/a")
    claude.type("/clear")
    lab.model.on("once more", shell("git branch -D feat/b; git update-ref -d refs/heads/feat/b; echo \"it said $?\""), say("Again."))
    claude.type("once more")
    lab.model.wait("it said 1|it said 128", role="result")
    same(lab.git("rev-parse", "feat/b"), before, "after a clear")


def test_X7_a_claude_with_COPPICE_0_has_no_guard(lab):
    lab.mesh()
    lab.model.on("try it", shell("git config core.hooksPath; echo \"none: $GIT_CONFIG_COUNT.\""), say("I tried."))
    claude = lab.claude(lab.a, env={"COPPICE": "0"})
    claude.type("try it")
    lab.model.wait("none: [.]", role="result")


def started(lab, backend, api, *more):
    before = another(lab)
    lab.model.on("try it", shell(TRY), say("I tried."), api=api)
    lab.coppice("new", "feat/c", "--backend", backend, *more, "-m", "try it")
    tried(lab, before, "feat/c", api)


def test_W9_a_claude_that_was_started_is_refused_anothers_branch(lab):
    lab.mesh()
    started(lab, "claude-code", "messages")


def test_W9_a_codex_that_was_started_is_refused_anothers_branch(lab):
    lab.mesh()
    started(lab, "codex", "responses")


def test_W9_a_codex_in_its_sandbox_is_refused_anothers_branch(lab):
    lab.mesh()
    lab.write(f"{lab.home}/.config/coppice/config.yaml", "spawn: { profiles: { codex: { boxed: { permissions: edits } } } }\n")
    lab.coppice("stop")
    started(lab, "codex", "responses", "--profile", "boxed")


run()
