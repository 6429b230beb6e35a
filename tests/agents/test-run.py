#!/usr/bin/env python3
"""The main job with real agents: a plan that runs by itself, and an agent that leads others."""

import json

from lib import call, check, run, same, say, shell


def commits(lab, ref="main"):
    return lab.git("log", "--format=%s", ref).splitlines()


def pushed(lab):
    """The feature branches that the bare remote has."""
    return sorted(lab.git("for-each-ref", "--format=%(refname:short)", "refs/heads/feat", cwd=f"{lab.top}/remote.git").split())


def test_L1_W1_a_plan_whose_tasks_are_real_agents_lands_in_dependency_order(lab):
    lab.mesh()
    for task in ("x", "y"):
        work = shell(f"echo {task} >file-{task} && git add . && git commit -q -m 'Add {task}' && git push -q origin HEAD", take={"none": "$^"})
        done = call("job_update", job_id="$about", state="completed", summary=f"{task} is there")
        lab.model.on(f'kind="prompt".*implement {task}', work, done, say("All done."))
    plan = """
circle: features
push: branches
gate: ["test -e README"]
tasks:
  - branch: feat/y
    prompt: implement y
    backend: codex
    needs: [feat/x]
  - branch: feat/x
    prompt: implement x
    backend: claude-code
"""
    lab.write(f"{lab.top}/plan.yaml", plan)
    out = lab.coppice("run", f"{lab.top}/plan.yaml", "--json", limit=120).stdout
    events = [json.loads(line) for line in out.splitlines()]
    last = events[-1]
    same((last["event"], sorted(last["landed"]), last["failed"], last["ejected"]), ("done", ["feat/x", "feat/y"], [], []), out)
    same(commits(lab)[:2][::-1], ["Add x", "Add y"])
    same(pushed(lab), ["feat/x", "feat/y"])
    same({r["api"] for r in lab.model.requests() if "implement" in r["text"]}, {"messages", "responses"})
    check(not [w for w in lab.json("list")["worktrees"] if w["branch"] in ("feat/x", "feat/y")], "the worktrees are gone")
    check(not [p for p in lab.peers() if p in ("feat/x", "feat/y")], "so are the peers")


PEER_WORK = "echo {0} >file-{0} && git add . && git commit -q -m 'Add {0}' && git push -q origin HEAD"


def test_S8_L1_an_agent_leads_others_from_the_split_to_the_clean_up(lab):
    lab.mesh()
    allowed = f"spawn:\n  allowed_paths: [{lab.top}]\n  backends: {{ claude-code: {{ command: [claude] }}, codex: {{ command: [codex] }} }}\n"
    lab.write(f"{lab.home}/.config/coppice/config.yaml", allowed + "hooks: { pre-land: ['test -e README'] }\n")
    lab.coppice("stop")

    # What the three others do.
    for task in ("x", "y"):
        done = call("job_update", job_id="$about", state="completed", summary=f"{task} is there")
        lab.model.on(f'kind="notify".*implement {task}', shell(PEER_WORK.format(task), take={"none": "$^"}), done, say("Done."))
    lab.model.on_ask("how far are you", reply="it is pushed")
    lab.model.on_ask(r"review feat/(?P<branch>.)", shell("git log -1 --format=%s feat/$branch"), reply="feat/$branch is fine: $result")

    # What the one who leads does, step by step.
    cid = {"cid": "ask-[a-z0-9]+"}

    def asks(peer, query, hold=None):
        return [call("ask", peer_name=peer, query=query, take=cid, hold=hold), call("wait_on_ack", correlation_id="$cid", timeout_seconds=25)]

    # A scripted model that is asked at work forgets the work: each is asked when its job is done.
    holds = {"x": lab.model.hold(), "y": lab.model.hold()}
    lead = [
        call("spawn_peer", path=lab.project, backend="claude-code", branch="feat/x", message="wait for work"),
        call("spawn_peer", path=lab.project, backend="codex", branch="feat/y", message="wait for work"),
        call("spawn_peer", path=lab.project, backend="codex", branch="review/all", role="reviewer", message="wait for work"),
        call("job_create", title="implement x", branch="feat/x", peer_name="feat/x", take={"x": "job-[a-z0-9]+"}),
        *asks("feat/x", "how far are you?", hold=holds["x"]),
        call("job_create", title="implement y", branch="feat/y", peer_name="feat/y", needs=["$x"], take={"y": "job-[a-z0-9]+"}),
        *asks("feat/y", "how far are you?", hold=holds["y"]),
        call("job_result", job_id="$x"),
        call("job_result", job_id="$y"),
        *asks("review/all", "review feat/x"),
        *asks("review/all", "review feat/y"),
        call("land", branches=["feat/x", "feat/y"], into="main"),
        call("kill_peer", peer_identifier="feat/x"),
        call("kill_peer", peer_identifier="feat/y"),
        call("kill_peer", peer_identifier="review/all"),
        call("worktree_remove", branches=["feat/x", "feat/y"]),
        say("Everything has landed."),
    ]
    lab.model.on("^lead the work", *lead)
    claude = lab.claude(lab.project, name="lead", env={"COPPICE_ROLE": "orchestrator"})
    same(lab.online("project")["role"], "orchestrator")
    claude.type("lead the work")
    for task, hold in holds.items():
        hold.reached()
        lab.until(lambda: "completed" in [j["state"] for j in lab.json("job", "list")["jobs"] if j["title"] == f"implement {task}"], f"{task} is done")
        hold.release()
    claude.wait("Everything has landed", limit=120)
    same(commits(lab)[:2][::-1], ["Add x", "Add y"])
    same(pushed(lab), ["feat/x", "feat/y"])
    results = lab.model.received(r"(?s)feat/. is fine:.*Add .", folder=lab.project)
    check(len(results) >= 2, f"both were reviewed: {results}")
    same([(j["title"], j["state"]) for j in lab.json("job", "list")["jobs"]], [("implement y", "completed"), ("implement x", "completed")])
    check(not [w for w in lab.json("list")["worktrees"] if w["branch"] in ("feat/x", "feat/y")], "the worktrees are gone")
    same([p for p in lab.peers() if p in ("feat/x", "feat/y", "review/all")], [])


run()
