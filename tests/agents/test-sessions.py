#!/usr/bin/env python3
"""Sessions become peers: opened by hand, in terminals of any kind, before and after `coppice setup`; and go."""

import os
import re
import signal

from lib import call, check, run, same, say, shell


def owner(lab, branch):
    return next((w["peer"] for w in lab.json("list")["worktrees"] if w["branch"] == branch), None)


def register_by_hand(lab, in_tmux):
    lab.mesh()
    lab.claude(lab.a, in_tmux=in_tmux)
    lab.codex(lab.b, in_tmux=in_tmux)
    a, b = lab.online("feat/a"), lab.online("feat/b")
    same((a["backend"], a["branch"], a["path"], a["role"]), ("claude-code", "feat/a", lab.a, "agent"))
    same((b["backend"], b["branch"], b["path"], b["role"]), ("codex", "feat/b", lab.b, "agent"))
    same(a["circle"], b["circle"])
    same((owner(lab, "feat/a"), owner(lab, "feat/b")), (a["peer_id"], b["peer_id"]))
    same(len([p for p in lab.peers() if p.startswith("feat/")]), 2)


def test_I3_I6_W9_sessions_opened_by_hand_in_tmux_are_peers_and_own_their_branches(lab):
    register_by_hand(lab, True)


def test_I3_I6_W9_sessions_opened_by_hand_in_plain_terminals_are_peers_and_own_their_branches(lab):
    register_by_hand(lab, False)


def test_I2_I3_the_shell_and_the_tools_of_a_session_are_the_same_peer(lab):
    lab.mesh()
    who = shell("coppice whoami --json"), {"call": "whoami"}, say("That is me.")
    lab.model.on("who are you", *who)
    for terminal, api, name in ((lab.claude(lab.a), "messages", "feat/a"), (lab.codex(lab.b), "responses", "feat/b")):
        peer_id = lab.online(name)["peer_id"]
        terminal.type("who are you")
        lab.model.wait("That is me|" + peer_id, api=api)
        terminal.wait("That is me")
        results = [p["text"] for r in lab.model.requests(api=api) for p in r["new"] if p["role"] == "result"]
        same(len(results), 2)
        check(all(peer_id in text for text in results), f"{peer_id} in {results}")


def test_I6_two_sessions_in_one_folder_have_names_of_their_own(lab):
    lab.mesh()
    lab.claude(lab.a, name="one")
    first = lab.online("feat/a")
    lab.claude(lab.a, name="two")
    second = lab.online("feat/a~2")
    check(first["peer_id"] != second["peer_id"], "they are two")
    same(owner(lab, "feat/a"), first["peer_id"])
    lab.notify("feat/a~2", "for the second")
    session = lab.model.wait("for the second")["session"]
    lab.notify("feat/a", "for the first")
    check(lab.model.wait("for the first")["session"] != session, "each has got its own")


def test_sessions_older_than_the_daemon_are_there_at_the_first_command(lab):
    lab.mesh()
    lab.coppice("stop")
    claude = lab.claude(lab.a)
    lab.codex(lab.b)
    lab.model.on_ask("which endpoints", reply="GET /items")
    same(lab.coppice("ask", "feat/a", "which endpoints?", "--wait=20").stdout, "GET /items\n")
    lab.online("feat/b")
    # Nobody could brief it at its start.
    lab.idle("feat/a")
    claude.type("and now")
    lab.model.wait("^and now", role="user")
    briefs = [p["text"] for r in lab.model.requests(api="messages") for p in r["new"] if "You are the peer feat/a" in p["text"]]
    same(len(briefs), 1)


def test_I3_clear_compact_and_resume_keep_the_peer_of_claude(lab):
    lab.mesh()
    claude = lab.claude(lab.a)
    peer_id = lab.online("feat/a")["peer_id"]
    claude.type("hello")
    first = lab.model.wait("^hello", role="user")["session"]
    claude.wait("Nothing to do")

    lab.idle("feat/a")
    claude.type("/clear")
    claude.type("hello again")
    second = lab.model.wait("^hello again", role="user")
    check(second["session"] != first, "it is another session to the runtime")
    claude.wait("hello again(?s:.*)Nothing to do")
    same(lab.online("feat/a")["peer_id"], peer_id)
    lab.notify("feat/a", "after the clear")
    lab.model.wait("after the clear", session=second["session"])

    lab.idle("feat/a")
    claude.type("/compact")
    claude.wait("(?i)compacted")
    same(lab.online("feat/a")["peer_id"], peer_id)
    lab.notify("feat/a", "after the compaction")
    lab.model.wait("after the compaction", session=second["session"])
    same(set(lab.peers()) & {"feat/a", "feat/a~2"}, {"feat/a"})


def test_I3_clear_compact_and_resume_keep_the_peer_of_codex(lab):
    lab.mesh()
    codex = lab.codex(lab.b)
    peer_id = lab.online("feat/b")["peer_id"]
    codex.type("hello")
    lab.model.wait("^hello", role="user")
    codex.wait("Nothing to do")
    lab.idle("feat/b")
    codex.type("/compact")
    codex.wait("(?i)compacted")
    same(lab.online("feat/b")["peer_id"], peer_id)
    lab.notify("feat/b", "after the compaction")
    lab.model.wait("after the compaction", api="responses")
    same(set(lab.peers()) & {"feat/b", "feat/b~2"}, {"feat/b"})


def test_I4_codex_exec_inside_a_claude_session_takes_nothing_over(lab):
    lab.mesh()
    lab.model.on("have it done", shell("codex exec 'the inner task' </dev/null"), say("It was done."))
    lab.model.on("the inner task", say("Inner done."), api="responses")
    claude = lab.claude(lab.a)
    peer = lab.online("feat/a")
    claude.type("have it done")
    lab.model.wait("the inner task", api="responses")
    lab.model.wait("Inner done", role="result", api="messages")
    now = lab.online("feat/a")
    for field in ("peer_id", "name", "backend", "branch", "pid"):
        same(now[field], peer[field], field)
    same(owner(lab, "feat/a"), peer["peer_id"])
    claude.wait("It was done")
    lab.notify("feat/a", "still for you")
    lab.model.wait("still for you", api="messages")
    same([m["folder"] for m in lab.model.messages(api="responses")], [])


def test_I9_a_session_that_is_killed_goes_offline_by_itself(lab):
    lab.mesh()
    claude, codex = lab.claude(lab.a), lab.codex(lab.b, "--no-daemon")
    for name, terminal in (("feat/a", claude), ("feat/b", codex)):
        peer = lab.online(name)
        os.kill(peer["pid"], signal.SIGKILL)
        event = lab.wait_event("peer.offline", subject=peer["peer_id"])
        check("gone" in str(event["data"]), f"the cause is recorded: {event}")
        check(name not in lab.peers(), f"{name} is gone")


def test_I9_a_session_whose_terminal_is_closed_goes_offline(lab):
    # Not with Codex's own daemon: that keeps a session for a minute after its last window has gone.
    lab.mesh()
    claude, codex = lab.claude(lab.a), lab.codex(lab.b, "--no-daemon")
    for name, terminal in (("feat/a", claude), ("feat/b", codex)):
        peer = lab.online(name)
        terminal.close()
        lab.wait_event("peer.offline", subject=peer["peer_id"])


def test_a_session_opened_before_setup_is_shown_as_one_to_restart(lab):
    lab.prepare_claude()
    lab.prepare_codex()
    lab.make_project()
    lab.a = lab.worktree("feat/a")
    claude = lab.claude(lab.a)
    lab.setup()
    lab.online("feat/a", deaf=True)
    check("restart" in lab.coppice("ps").stdout, "it is shown as one to restart")
    claude.type("/exit")
    claude = lab.claude(lab.a, name="again")
    peer = lab.online("feat/a")
    lab.notify("feat/a", "now you can hear")
    lab.model.wait("now you can hear")
    check(peer["pid"] == claude.pid, "it is the new one")


def turns_until(lab, terminal, name, fits, what):
    """Takes turns, for as long as the session may need to heed what its server has told it; the request that fits."""
    for turn in range(40):
        lab.idle(name)
        terminal.type(f"turn {turn} until {what}")
        request = lab.model.wait(f"^turn {turn} until {what}", role="user")
        if fits(request):
            return request
    check(False, f"no turn has {what}")


def offers(request, tool):
    return any(t.endswith(f"__{tool}") for t in request["tools"])


def test_S8_a_claude_that_is_given_a_role_is_offered_its_tools_at_once(lab):
    lab.mesh()
    claude = lab.claude(lab.a)
    lab.online("feat/a")
    claude.type("hello")
    check(not offers(lab.model.wait("^hello", role="user"), "job_create"), "it is a worker")
    lab.coppice("role", "feat/a", "orchestrator")
    turns_until(lab, claude, "feat/a", lambda r: offers(r, "job_create"), "more tools")
    lab.model.on("make a job", call("job_create", title="a job of feat/a", text="do it"), say("It is made."))
    lab.idle("feat/a")
    claude.type("make a job")
    claude.wait("It is made")
    same([j["title"] for j in lab.json("job", "list")["jobs"]], ["a job of feat/a"])
    lab.coppice("role", "feat/a", "agent")
    gone = r"no longer available.*__job_create"
    turns_until(lab, claude, "feat/a", lambda r: any(re.search(gone, p["text"], re.S) for p in r["new"]), "fewer tools")


def test_I3_S8_a_claude_that_is_continued_keeps_its_role_and_its_tools(lab):
    lab.mesh()
    claude = lab.claude(lab.a)
    peer_id = lab.online("feat/a")["peer_id"]
    claude.type("hello")
    lab.model.wait("^hello", role="user")
    claude.wait("Nothing to do")
    lab.idle("feat/a")
    lab.coppice("role", "feat/a", "orchestrator")
    claude.type("/exit")
    lab.wait_event("peer.offline", subject=peer_id)
    again = lab.claude(lab.a, "--continue", name="again")
    again.type("hello again")
    lab.model.wait("^hello again", role="user")
    now = lab.online("feat/a")
    same((now["peer_id"], now["role"]), (peer_id, "orchestrator"))
    turns_until(lab, again, "feat/a", lambda r: offers(r, "job_create"), "the tools of its role")


def brief_of(requests, word="coppice"):
    return [p["text"] for r in requests for p in r["new"] if p["role"] == "note" and f"[{word}]" in p["text"]]


def test_A3_the_brief_is_short_and_comes_at_the_start_and_after_a_compaction(lab):
    lab.mesh()
    claude, codex = lab.claude(lab.a), lab.codex(lab.b)
    lab.online("feat/a")
    lab.online("feat/b")
    for terminal, api, name in ((claude, "messages", "feat/a"), (codex, "responses", "feat/b")):
        terminal.type("hello")
        lab.model.wait("^hello", role="user", api=api)
        terminal.wait("Nothing to do")
        lab.idle(name)
        terminal.type("/compact")
        terminal.wait("(?i)compacted")
        terminal.type("and now")
        lab.model.wait("^and now", role="user", api=api)
        briefs = brief_of(lab.model.requests(api=api))
        check(len(briefs) >= 2, f"the brief comes twice: {briefs}")
        for text in briefs:
            text = text[text.index("[coppice]") :].split("\n\n")[0]
            check(name in text and re.search("own", text), f"it says who it is: {text}")
            check(len(text) / 4 < 400, f"it is short: {len(text)} bytes")


run()
