#!/usr/bin/env python3
"""`coppice setup` and `uninstall` with the real agents: they take what is written without a question, and nothing is left behind."""

import json

from lib import call, check, run, same, say

FILES = (".claude/settings.json", ".claude.json", ".codex/config.toml", ".codex/hooks.json")


def texts(lab):
    found = {}
    for name in FILES:
        try:
            found[name] = lab.read(f"{lab.home}/{name}")
        except FileNotFoundError:
            found[name] = None
    return found


def doctor(lab):
    return {c["name"]: c for c in json.loads(lab.coppice("doctor", "--json", ok=False).stdout)["checks"]}


def our_tools(request):
    return [t for t in request["tools"] if "coppice" in t]


def begin(lab):
    lab.prepare_claude(allow=())
    lab.prepare_codex(approval="on-request")
    lab.make_project()
    lab.model.on("who are you", call("whoami"), say("That is me."))


def test_X7_claude_takes_what_is_written_and_uninstall_leaves_no_trace(lab):
    begin(lab)
    before = texts(lab)
    lab.coppice("setup", "claude-code", "--allow=tools")
    same(doctor(lab)["claude-code hooks"]["result"], "ok")
    claude = lab.claude(lab.project)  # no dialog is between the user and the prompt
    peer = lab.online("project")
    claude.type("who are you")  # and none between the model and our tools
    lab.model.wait(peer["peer_id"], role="result")
    check(our_tools(lab.model.wait("who are you", api="messages")), "our tools are there")
    claude.wait("That is me")
    lab.coppice("uninstall")
    claude.close()
    after = texts(lab)
    same(after[".claude/settings.json"], before[".claude/settings.json"])
    check("coppice" not in after[".claude.json"], after[".claude.json"])
    check(json.loads(after[".claude.json"])["hasCompletedOnboarding"], "its own state is whole")
    again = lab.claude(lab.project, name="again")
    again.type("hello")
    check(not our_tools(lab.model.wait("hello", api="messages")), "no tools of ours are left")


def test_X7_codex_asks_its_user_about_the_hooks_and_uninstall_leaves_no_trace(lab):
    begin(lab)
    before = texts(lab)
    lab.coppice("setup", "codex", "--yes")
    same(doctor(lab)["codex trust"]["result"], "warn")
    codex = lab.codex(lab.project, ready="Hooks need review")
    codex.answer("Hooks need review", "Enter", choice="2")
    codex.wait("Ask Codex to do anything")
    same(doctor(lab)["codex trust"]["result"], "ok")
    codex.type("who are you")
    lab.model.wait(lab.online("project")["peer_id"], role="result")
    codex.wait("That is me")
    codex.close()
    lab.coppice("uninstall")
    after = texts(lab)
    same(after[".codex/hooks.json"], before[".codex/hooks.json"])
    # What Codex itself has written down in the meantime stays.
    check(after[".codex/config.toml"].startswith(before[".codex/config.toml"]), after[".codex/config.toml"])
    check("mcp_servers" not in after[".codex/config.toml"], after[".codex/config.toml"])
    again = lab.codex(lab.project, name="again")
    again.type("hello")
    lab.model.wait("hello", api="responses")


if __name__ == "__main__":
    run()
