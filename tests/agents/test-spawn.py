#!/usr/bin/env python3
"""Agents that Coppice starts: with their first prompt, confirmed, or with the reason why not."""

import json

from lib import call, check, run, same, say


def spawned(lab, backend, api):
    lab.mesh()
    lab.model.on("say hello to (.*)", say("Hello, $1!"))
    done = lab.json("new", "feat/c", "--backend", backend, "-m", "say hello to me")
    peer = lab.online("feat/c")
    same((peer["peer_id"], peer["backend"], peer["branch"], peer["path"]), (done["peer"], backend, "feat/c", done["path"]))
    first = lab.model.wait("say hello to me", api=api)
    check(api == "responses" or any(t.endswith("__ack") for t in first["tools"]), f"its first turn has our tools: {first['tools']}")
    same(first["folder"], done["path"])
    lab.model.on_ask("well", reply="well indeed", api=api)
    answer = lab.json("ask", "feat/c", "well?", "--wait=25")
    same((answer["outcome"], answer["reply"]), ("replied", "well indeed"))
    lab.coppice("kill", "feat/c")
    lab.wait_event("peer.offline", subject=peer["peer_id"])


def test_D8_a_claude_is_started_with_its_first_prompt(lab):
    spawned(lab, "claude-code", "messages")


def test_D8_a_codex_is_started_with_its_first_prompt(lab):
    spawned(lab, "codex", "responses")


def test_S8_a_codex_that_is_started_to_lead_is_offered_the_tools(lab):
    lab.mesh()
    lab.model.on("say who leads", call("whoami"), say("It is $result"))
    lab.coppice("new", "feat/c", "--backend", "codex", "--role", "orchestrator", "-m", "say who leads")
    asked = lab.model.wait("say who leads", api="responses")
    check(any(t.endswith("worktree_create") for t in asked["tools"]), f"it may lead: {asked['tools']}")


def mesh(lab, seconds):
    """As usual, but an agent that was started has only so long to come."""
    lab.env["COPPICE_DELIVERY__FIRST_PROMPT"] = f"{seconds}s"
    lab.mesh()


def fails(lab, backend, code):
    """Starting fails with the code, and names the terminal where one is left."""
    done = lab.coppice("new", "feat/c", "--backend", backend, "-m", "hello", "--json", ok=False)
    check(done.returncode != 0, f"it failed: {done.stdout}")
    error = json.loads(done.stderr)["error"]
    same(error["code"], code, done.stderr)
    if code != "exited":
        check("coppice attach" in (error.get("hint") or ""), f"it says how to look: {error}")
    return error


def configure(lab, text):
    lab.write(f"{lab.home}/.config/coppice/config.yaml", text)
    lab.coppice("stop")


def test_D8_a_claude_without_an_account_fails_as_login(lab):
    mesh(lab, 8)
    settings = json.loads(lab.read(f"{lab.home}/.claude/settings.json"))
    del settings["env"]["ANTHROPIC_API_KEY"]
    lab.write(f"{lab.home}/.claude/settings.json", json.dumps(settings))
    fails(lab, "claude-code", "login")


def test_D8_a_claude_whose_login_is_refused_fails_as_login(lab):
    mesh(lab, 20)
    lab.model.on("hello", {"error": 403, "times": 9})
    fails(lab, "claude-code", "login")


def test_D8_a_codex_without_an_account_fails_as_login(lab):
    mesh(lab, 8)
    config = lab.read(f"{lab.home}/.codex/config.toml")
    lab.write(f"{lab.home}/.codex/config.toml", config.replace('model_provider = "here"\n', ""))
    fails(lab, "codex", "login")


def test_D8_a_claude_in_a_folder_that_is_not_trusted_fails_as_trust_dialog(lab):
    mesh(lab, 8)
    state = json.loads(lab.read(f"{lab.home}/.claude.json"))
    del state["projects"]
    lab.write(f"{lab.home}/.claude.json", json.dumps(state))
    fails(lab, "claude-code", "trust_dialog")


def test_D8_an_agent_that_ends_at_once_fails_as_exited(lab):
    mesh(lab, 20)
    configure(lab, "spawn: { backends: { claude-code: { command: [claude, --no-such-flag] } } }\n")
    fails(lab, "claude-code", "exited")


def test_D8_an_agent_that_says_nothing_fails_as_not_registered(lab):
    mesh(lab, 1)
    lab.write(f"{lab.top}/silent", "sleep 600\n")
    configure(lab, f"spawn: {{ backends: {{ claude-code: {{ command: [sh, {lab.top}/silent] }} }} }}\n")
    fails(lab, "claude-code", "not_registered")


def test_D8_a_claude_that_asks_about_a_server_of_the_project_fails_as_permission_dialog(lab):
    mesh(lab, 8)
    lab.write(f"{lab.project}/.mcp.json", json.dumps({"mcpServers": {"other": {"command": "cat"}}}))
    lab.git("add", ".")
    lab.git("commit", "-q", "-m", "A server of the project")
    fails(lab, "claude-code", "permission_dialog")


def test_D8_a_codex_whose_hooks_are_to_be_reviewed_fails_as_trust_dialog(lab):
    mesh(lab, 8)
    config = lab.read(f"{lab.home}/.codex/config.toml")
    lab.write(f"{lab.home}/.codex/config.toml", config[: config.index("[hooks.state")])
    fails(lab, "codex", "trust_dialog")


run()
