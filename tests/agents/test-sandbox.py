#!/usr/bin/env python3
"""The real CLIs, confined (S5): without questions, and with a worktree of their own to write."""

import json
import os

from lib import call, check, run, same, say, shell

PROFILES = "spawn: { profiles: { %s: { boxed: { permissions: auto, sandbox: worktree } } } }\n"
TRY = (
    "echo mine >mine && git add mine && git commit -q -m mine && git log -1 --format=committed:%s; "
    "touch {project}/stolen; touch {other}/stolen; touch ~/stolen; coppice whoami; echo over"
)


def boxed(lab, backend):
    lab.mesh()
    settings = json.loads(lab.read(f"{lab.home}/.claude/settings.json"))
    del settings["env"]["CLAUDE_CODE_TMPDIR"]  # the sandbox has one of its own, and this would count more
    lab.write(f"{lab.home}/.claude/settings.json", json.dumps(settings, indent=2) + "\n")
    lab.write(f"{lab.home}/.config/coppice/config.yaml", PROFILES % backend)
    lab.coppice("stop")


def tried(lab, backend, api, way):
    """It registers, gets its prompt, commits, is kept from writing elsewhere, and answers an ask."""
    boxed(lab, backend)
    lab.model.on("try it", shell(TRY.format(project=lab.project, other=lab.b)), say("I tried."), api=api)
    lab.model.on("try once more", shell(f"touch {lab.home}/stolen"), say("I could not."), api=api)
    lab.model.on_ask("are you well", reply="very well", api=api)
    lab.json("new", "feat/c", "--backend", backend, "--profile", "boxed", "-m", "try it")
    result = lab.model.wait("committed:mine.*over", role="result", api=api)
    said = "\n".join(p["text"] for p in result["new"] if p["role"] == "result")
    same(said.count("Read-only file system"), 3, "what it was kept from")
    check("feat/c (agent" in said, f"it is known: {said}")
    same(lab.git("log", "-1", "--format=%s", "feat/c"), "mine", "its own commit")
    for folder in (lab.project, lab.b, lab.home):
        check(not os.path.exists(f"{folder}/stolen"), f"it wrote in {folder}")
    told = lab.model.wait(f"the sandbox keeps .* from being written", role="note", api=api)
    check("no setting opens it" in json.dumps(told["new"]), "the first that it was kept from is another's checkout")
    lab.idle("feat/c")
    lab.json("notify", "feat/c", "try once more")
    lab.model.wait(f"the sandbox keeps {lab.home}/stolen from being written: add it to sandbox.write", role="note", api=api)
    peer = lab.json("show", "feat/c")
    same(peer["sandbox"], "worktree")
    same(peer["transport"], way, "its own way in")
    lab.idle("feat/c")
    answer = lab.json("ask", "feat/c", "are you well", "--wait=50")
    same(answer["reply"], "very well")


def test_S5_a_confined_claude_works_and_writes_nothing_else(lab):
    tried(lab, "claude-code", "messages", "claude-inbox")


def test_S5_a_confined_codex_works_and_writes_nothing_else(lab):
    tried(lab, "codex", "responses", "codex-link")


run()
