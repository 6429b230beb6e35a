#!/usr/bin/env python3
"""Nothing is lost when the daemon or an agent is killed."""

import glob
import os
import signal

from lib import call, check, run, same, say


def kill_daemon(lab):
    os.kill(lab.json("status")["pid"], signal.SIGKILL)


def test_A1_D2_an_ask_survives_a_killed_daemon(lab):
    lab.mesh()
    claude, codex = lab.claude(lab.a), lab.codex(lab.b)
    a, b = lab.online("feat/a"), lab.online("feat/b")
    hold = lab.model.hold()
    lab.model.on("^ask it", call("ask", peer_name="feat/b", query="well?"), say("Asked."), api="messages")
    ack = call("ack", correlation_id="$id", message="all is well", hold=hold)
    lab.model.on('kind="ask"', ack, say("Acked."), api="responses")
    claude.type("ask it")
    hold.reached()
    kill_daemon(lab)
    # The next command starts another; the sessions and their servers go on.
    now = lab.online("feat/a"), lab.online("feat/b")
    same([p["peer_id"] for p in now], [a["peer_id"], b["peer_id"]])
    hold.release()
    lab.model.wait("all is well", api="messages")
    asks = lab.model.messages(api="responses")
    same(len({m["id"] for m in asks}), 1)
    check(all(m.get("repeat") == "true" for m in asks[1:]), f"what is shown again says so: {asks}")
    replies = lab.model.messages(api="messages")
    same([m["text"] for m in replies if "repeat" not in m], ["all is well"])
    same(lab.json("status")["open_asks"], 0)


def test_D2_messages_sent_while_the_daemon_is_killed_arrive_once_in_order(lab):
    lab.mesh()
    lab.claude(lab.a)
    lab.online("feat/a")
    for i in range(6):
        last = lab.notify("feat/a", f"number {i}")
        if i in (1, 3):
            kill_daemon(lab)
    lab.model.wait(last)
    lab.until_step(last, "consumed")
    shown = {}
    for m in lab.model.messages():
        shown.setdefault(m["id"], []).append(m)
    same([m[0]["text"] for m in shown.values()], [f"number {i}" for i in range(6)])
    # What the killed daemon had given to the session may be shown again, and says so. (Claude tells its model a Stop hook's text twice.)
    for m in shown.values():
        check(len({one["n"] for one in m if "repeat" not in one}) <= 1, f"only once as new: {m}")


def killed_in_delivery(lab, name, api, transcripts, start, again):
    """The agent dies when it has a message but its model has not. The message comes back, and waits; or it was kept by the runtime, and the
    session that is taken up again reads it."""
    hold = lab.model.hold()
    lab.model.on("^work", say("I have worked.", hold=hold.path))
    terminal = start("first")
    peer = lab.online(name)
    terminal.type("hello")
    terminal.wait("Nothing to do")
    kept = f"{lab.home}/{transcripts}"
    lab.until(lambda: any("Nothing to do" in lab.read(f) for f in glob.glob(kept, recursive=True)), "the session can be taken up again")
    terminal.type("work")
    hold.reached()
    message = lab.notify(name, "remember this")
    lab.until_step(message, "offered")
    os.kill(lab.peers()[name]["pid"], signal.SIGKILL)
    lab.wait_event("peer.offline", subject=peer["peer_id"])
    hold.release()
    same(lab.model.messages(api=api), [])
    check("consumed" not in lab.steps(message), "nobody has read it")
    lab.until_step(message, "returned")
    same(lab.json("status")["queued"], 1)
    again("second")
    resumed = lab.online(name)
    if resumed["peer_id"] == peer["peer_id"] or api == "responses":
        lab.model.wait("remember this", api=api)
    same([m["id"] for m in lab.model.messages(api=api)], [message] if lab.model.messages(api=api) else [])


def test_D2_a_message_in_delivery_survives_a_killed_claude(lab):
    lab.mesh()
    killed_in_delivery(lab, "feat/a", "messages", ".claude/projects/*/*.jsonl", lambda n: lab.claude(lab.a, name=n), lambda n: lab.claude(lab.a, "--continue", name=n))


def test_D2_a_message_in_delivery_survives_a_killed_codex(lab):
    lab.mesh()
    start = lambda n: lab.codex(lab.b, "--no-daemon", name=n)
    killed_in_delivery(lab, "feat/b", "responses", ".codex/sessions/**/*.jsonl", start, lambda n: lab.codex(lab.b, "--no-daemon", "resume", "--last", name=n, ready="gpt-5"))


run()
