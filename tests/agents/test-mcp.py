#!/usr/bin/env python3
"""`coppice mcp`, spoken to by MCP's own client libraries, of both eras of the protocol."""

import json
import subprocess

from lib import BINARY, HERE, Stream, check, run, same

WORKER = {"ask", "ack", "wait_on_ack", "notify_peer", "list_peers", "whoami", "set_description", "job_status", "job_update", "branch_peek", "conflicts", "schedule_self"}


def command(which, name, calls, *args):
    return "node", f"{HERE}/mcp-client.mjs", which, name, json.dumps(calls), BINARY, "mcp", *args


def talk(lab, which, calls=(), *args):
    done = lab.exec(*command(which, "coppice-test", calls, *args), cwd=lab.project)
    return json.loads(done.stdout)


def both_ways(lab, which, version):
    lab.make_project()
    lab.coppice("spawn", lab.project, "--backend", "script", "--", "sleep", "600")
    (peer,) = [p for p in lab.peers() if p not in ("human", "service")]
    calls = [["list_peers", {}], ["notify_peer", {"peer_name": peer, "message": "hello"}], ["ask", {"peer_name": "nobody", "query": "well?"}], ["ask", {"query": 7}]]
    got = talk(lab, which, calls)
    same(got["server"]["name"], "coppice")
    same(got["version"], version)
    listed, sent, nobody, wrong = got["results"]
    check(peer in [p["name"] for p in listed["structuredContent"]["peers"]], f"the peers are listed: {listed}")
    check(not sent.get("isError") and sent["structuredContent"]["message_id"].startswith("msg-"), f"it was sent: {sent}")
    same(lab.steps(sent["structuredContent"]["message_id"])[0], "stored")
    check(nobody.get("isError") and "nobody" in nobody["content"][0]["text"], f"an unknown peer is an error that says so: {nobody}")
    check(wrong.get("isError") or "thrown" in wrong, f"arguments are checked: {wrong}")


def test_the_library_of_the_older_era_lists_and_calls(lab):
    both_ways(lab, "sdk", None)


def test_the_library_of_both_eras_finds_the_newer_one(lab):
    both_ways(lab, "client", "2026-07-28")


def test_the_newer_era_alone_will_do(lab):
    both_ways(lab, "client-2026", "2026-07-28")


def told_of_a_new_role(lab, which):
    """A session whose client names itself as one of an agent: a peer, that is given roles while it runs."""
    lab.make_project()
    lab.coppice("status")
    argv = command(which, "claude-code", [["whoami", {}]])
    client = subprocess.Popen(argv, env=lab.env, cwd=lab.project, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said = Stream(client.stdout)

    def tools(n):
        return {t["name"] for t in said.wait(lambda line: said.items.index(line) == n, f"line {n}")["tools"]}

    check("spawn_peer" not in tools(0), "it is a worker")
    peer = said.items[0]["results"][0]["structuredContent"]["name"]
    lab.coppice("role", peer, "orchestrator")
    check({"spawn_peer", "land", "ask"} <= tools(1), f"it may lead: {tools(1)}")
    lab.coppice("role", peer, "reviewer")
    same(tools(2), tools(0))
    client.stdin.close()
    same(client.wait(), 0)
    same(len(said.items), 3)


def test_S8_the_library_of_the_older_era_is_told_of_a_new_role(lab):
    told_of_a_new_role(lab, "sdk")


def test_S8_the_library_of_both_eras_is_told_of_a_new_role_by_its_subscription(lab):
    told_of_a_new_role(lab, "client")


def test_S8_the_newer_era_alone_is_told_of_a_new_role(lab):
    told_of_a_new_role(lab, "client-2026")


def test_the_tools_of_a_worker_are_few_and_cost_little(lab):
    lab.make_project()
    for which in ("sdk", "client"):
        tools = talk(lab, which, (), "--tools", "worker")["tools"]
        check({t["name"] for t in tools} <= WORKER and len(tools) >= 9, f"{[t['name'] for t in tools]}")
        sent = [{k: t[k] for k in ("name", "description", "inputSchema")} for t in tools]
        size = len(json.dumps(sent, separators=(",", ":")))
        check(size / 4 <= 2000, f"{size} bytes")
    orchestrator = {t["name"] for t in talk(lab, "client", (), "--tools", "orchestrator")["tools"]}
    check({"spawn_peer", "land", "job_create", "ask"} <= orchestrator, f"{orchestrator}")


run()
