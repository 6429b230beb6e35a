#!/usr/bin/env python3
"""The model server, asked as the agent CLIs ask it."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from lib import HERE, call, check, run, same, say, shell

NEEDS_AGENTS = False

ASK = '<coppice-message id="ask-1" kind="ask" from="feat/a" says="peer">{}</coppice-message>'


class Client:
    """A conversation with the server, in one of the two APIs."""

    def __init__(self, lab, api, session="s-1"):
        self.lab, self.api, self.session = lab, api, session
        self.history = []
        self.tools = [{"name": "Bash"}, {"name": "mcp__coppice__ask"}, {"name": "mcp__coppice__ack"}]

    def post(self, path, body):
        url = f"http://127.0.0.1:{self.lab.model.port}/v1/{path}"
        headers = {"Content-Type": "application/json", "x-claude-code-session-id": self.session, "session-id": self.session}
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
            return answer.read().decode()

    def ask(self, text=None, result=None, note=None, stream=True):
        """The words and the calls of the answer."""
        return getattr(self, "_" + self.api)(text, result, note, stream)

    def _messages(self, text, result, note, stream):
        blocks = []
        if result is not None:
            blocks.append({"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": result}]})
        if note is not None:
            blocks.append({"type": "text", "text": f"<system-reminder>{note}</system-reminder>"})
        if text is not None:
            blocks.append({"type": "text", "text": text})
        self.history.append({"role": "user", "content": blocks})
        system = [{"type": "text", "text": "Primary working directory: /w/feat-a\nmore"}]
        body = {"model": "m", "system": system, "messages": self.history, "tools": self.tools, "stream": stream}
        answer = self.post("messages?beta=true", body)
        content = json.loads(answer)["content"] if not stream else self._of_events(answer)
        self.history.append({"role": "assistant", "content": content})
        words = [b["text"] for b in content if b["type"] == "text"]
        return "\n".join(words), [(b["name"], b["input"]) for b in content if b["type"] == "tool_use"]

    def _of_events(self, answer):
        blocks = []
        for event in events(answer):
            if event["type"] == "content_block_start":
                blocks.append(event["content_block"])
            elif event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
                blocks[event["index"]]["text"] += event["delta"]["text"]
            elif event["type"] == "content_block_delta":
                blocks[event["index"]]["input"] = json.loads(event["delta"]["partial_json"])
        check(events(answer)[-1]["type"] == "message_stop", "the stream is whole")
        return blocks

    def _responses(self, text, result, note, stream):
        def message(role, text):
            return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}

        if not self.history:
            self.history.append(message("user", "<environment_context>\n<cwd>/w/feat-b</cwd>\n</environment_context>"))
        if result is not None:
            self.history.append({"type": "function_call_output", "call_id": "x", "output": result})
        if note is not None:
            self.history.append(message("developer", note))
        if text is not None:
            self.history.append(message("user", text))
        tools = [{"type": "function", "name": "exec_command"}]
        tools.append({"type": "namespace", "name": "mcp__coppice", "tools": [{"name": "ask"}, {"name": "ack"}]})
        answer = self.post("responses", {"model": "m", "instructions": "", "input": self.history, "tools": tools, "stream": stream})
        response = json.loads(answer) if not stream else events(answer)[-1]["response"]
        self.history += response["output"]
        words = [i["content"][0]["text"] for i in response["output"] if i["type"] == "message"]
        calls = [i for i in response["output"] if i["type"] == "function_call"]
        check(all(c.get("namespace") == "mcp__coppice" for c in calls if c["name"] != "exec_command"), "the namespace is named")
        return "\n".join(words), [(c["name"], json.loads(c["arguments"])) for c in calls]


def events(answer):
    return [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]


def both(lab):
    return [Client(lab, "messages"), Client(lab, "responses")]


def test_a_rule_answers_step_by_step_with_what_was_found(lab):
    lab.model.on("ask (?P<peer>[a-z/]+) what (.*)", call("ask", peer_name="$peer", query="what $2?", take={"cid": "ask-[0-9]+"}), say("Asked: $cid, $$ $HOME $none"))
    for client, tool in zip(both(lab), ("mcp__coppice__ask", "ask")):
        same(client.ask("Please ask feat/b what it is"), ("", [(tool, {"peer_name": "feat/b", "query": "what it is?"})]))
        same(client.ask(result='{"correlation_id":"ask-77"}'), ("Asked: ask-77, $ $HOME $none", []))
        same(client.ask("thanks"), ("Nothing to do.", []))


def test_an_answer_may_be_plain(lab):
    lab.model.on("go", shell("true"), say("done"))
    for client, tool in zip(both(lab), ("Bash", "exec_command")):
        words, calls = client.ask("go", stream=False)
        same((words, calls[0][0]), ("", tool))
        same(client.ask(result="", stream=False), ("done", []))


def test_a_message_that_comes_meanwhile_goes_first_and_the_rest_follows_in_the_same_turn(lab):
    lab.model.on("work", shell("one"), shell("two"), say("worked"))
    lab.model.on_ask("well", reply="fine")
    for client in both(lab):
        ask = ASK.format("well?")
        client.ask("work")
        words, calls = client.ask(ask, result="1")
        same(calls[0][1], {"correlation_id": "ask-1", "message": "fine"})
        words, calls = client.ask(result="acked")
        same((words, calls[0][0] in ("Bash", "exec_command")), ("I have acked it.", True))
        same(client.ask(result="2"), ("worked", []))


def test_a_message_in_a_note_is_seen_and_one_that_is_repeated_starts_nothing(lab):
    lab.model.on_ask("well", reply="fine")
    for client in both(lab):
        same(len(client.ask("hello", note="brief " + ASK.format("well?"))[1]), 1)
        same(client.ask(result="acked"), ("I have acked it.", []))
        same(client.ask(ASK.format("well?")), ("Nothing to do.", []))


def test_several_messages_in_one_prompt_are_taken_in_order(lab):
    lab.model.on(">number (.)<", shell("echo $1"))
    message = '<coppice-message id="msg-{0}" kind="notify" from="x" says="peer">number {0}</coppice-message>'
    client = Client(lab, "messages")
    commands = [client.ask("".join(message.format(i) for i in (1, 2, 3)))[1]] + [client.ask(result="")[1] for _ in (2, 3)]
    same([c[0][1]["command"] for c in commands], ["echo 1", "echo 2", "echo 3"])
    same(client.ask(result=""), ("Nothing to do.", []))


def test_an_interrupted_turn_is_over(lab):
    lab.model.on("work", shell("one"), shell("two"))
    client = Client(lab, "messages")
    client.ask("work")
    same(client.ask("[Request interrupted by user for tool use]", result="no"), ("Nothing to do.", []))


def test_rules_choose_by_api_and_folder_and_are_read_again(lab):
    lab.model.on("hello", say("any"))
    lab.model.on("hello", say("codex"), api="responses")
    messages, responses = both(lab)
    same((messages.ask("hello")[0], responses.ask("hello")[0]), ("any", "codex"))
    lab.model.on("hello", say("a"), folder="/feat-a$")
    same((messages.ask("hello")[0], responses.ask("hello")[0]), ("a", "codex"))


def test_an_error_is_given_as_often_as_it_says(lab):
    lab.model.on("hello", {"error": 529, "times": 2}, say("at last"))
    client = Client(lab, "messages")
    for _ in range(2):
        try:
            client.ask("hello")
            check(False, "it answered")
        except urllib.error.HTTPError as e:
            same(e.code, 529)
            client.history.pop()
    same(client.ask("hello"), ("at last", []))


def test_several_calls_at_once(lab):
    lab.model.on("both", {"all": [say("Two."), shell("a"), call("ask", query="$0")]}, say("done"))
    for client in both(lab):
        words, calls = client.ask("both")
        same((words, len(calls), calls[1][1]), ("Two.", 2, {"query": "both"}))
        client.history.append({"type": "function_call_output", "call_id": "y", "output": "1"} if client.api == "responses" else {"role": "user", "content": ""})
        same(client.ask(result="2"), ("done", []))


def test_what_is_not_offered_is_said_and_tried_again(lab):
    lab.model.on("go", shell("one"), call("late"), say("done"))
    client = Client(lab, "messages")
    client.ask("go")
    same(client.ask(result=""), ("NO SUCH TOOL: late", []))
    client.tools.append({"name": "mcp__coppice__late"})
    same(client.ask("and now?")[1], [("mcp__coppice__late", {})])
    same(client.ask(result=""), ("done", []))


def test_an_answer_is_held_until_the_test_lets_go(lab):
    hold = lab.model.hold()
    lab.model.on("slow", say("now", hold=hold.path))
    got = []
    asking = threading.Thread(target=lambda: got.append(Client(lab, "messages").ask("slow")))
    asking.start()
    hold.reached()
    lab.model.wait("slow")
    same((got, lab.model.requests()[-1]["hold"]), ([], hold.path))
    hold.release()
    asking.join()
    same(got, [("now", [])])
    same(Client(lab, "messages").ask("slow"), ("now", []))


def test_what_a_cli_asks_on_its_own_account_starts_no_script(lab):
    lab.model.on(".*", say("by a rule"))
    client = Client(lab, "responses")
    same(client.ask("Generate a concise, single-line task title for: work")[0], "A title")
    same([r["side"] for r in lab.model.log()], [True])
    same(lab.model.requests(), [])


def test_the_log_tells_what_was_new(lab):
    lab.model.on("work", shell("one"), say("done"))
    client = Client(lab, "messages")
    client.ask("work", note="a note")
    client.ask(result="1")
    first, second = lab.model.requests()
    same((first["session"], first["folder"], first["api"], first["side"]), ("s-1", "/w/feat-a", "messages", False))
    same(first["new"], [{"role": "note", "text": "a note"}, {"role": "user", "text": "work"}])
    same(first["reply"]["calls"], [{"name": "Bash", "with": {"command": "one", "description": "run it"}}])
    same(second["new"], [{"role": "result", "text": "1"}])
    same((second["text"], "system" in first, "system" in second), ("work", True, False))


def test_what_else_is_asked(lab):
    client = Client(lab, "messages")
    check(json.loads(client.post("messages/count_tokens", {"messages": []}))["input_tokens"] > 0, "tokens are counted")
    base = f"http://127.0.0.1:{lab.model.port}"
    with urllib.request.urlopen(base + "/v1/models") as answer:
        same(json.load(answer)["data"], [])
    with urllib.request.urlopen(urllib.request.Request(base + "/", method="HEAD")) as answer:
        same(answer.status, 200)
    for path, body, status in (("messages", b"no json", 400), ("nothing", b"{}", 404)):
        try:
            urllib.request.urlopen(urllib.request.Request(f"{base}/v1/{path}", body))
            check(False, "it answered")
        except urllib.error.HTTPError as e:
            same(e.code, status)


def test_it_ends_with_the_one_who_started_it_and_after_its_limit(lab):
    argv = [sys.executable, f"{HERE}/model.py", "--rules", lab.model.rules_path, "--log", f"{lab.top}/log", "--port-file", f"{lab.top}/port"]
    one = subprocess.Popen(argv, stdin=subprocess.PIPE)
    one.stdin.close()
    same(one.wait(60), 0)
    check(int(lab.read(f"{lab.top}/port")) > 0 and json.loads(lab.read(f"{lab.top}/log"))["port"] > 0, "the port is told")
    reader, writer = os.pipe()
    same(subprocess.Popen([*argv, "--limit", "1"], stdin=reader).wait(60), -signal.SIGALRM)
    os.close(reader)
    os.close(writer)


run()
