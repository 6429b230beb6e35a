#!/usr/bin/env python3
"""How long a message takes to an idle session of the real agent CLIs, by Coppice and by the runtime's own way in, in turns.

    native.py COPPICE RUNS      prints {"claude-code": {…}, "codex": {…}}, or {"skipped": why}

Both are timed from before the first byte is sent (Coppice: from the start of `coppice notify`, a process of its own) until the scripted
model is asked with the text. Both are the same text in the same frame, for the same session; Coppice's hooks run for both."""

import base64
import datetime
import json
import os
import socket
import struct
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agents"))

import lib  # noqa: E402

SETTLE = 0.5
ELEMENT = '<coppice-message id="{id}" kind="notify" from="native" says="user">\n{text}\n</coppice-message>'


class ClaudeInbox:
    """The inbox of a session: a line of JSON on a connection of its own. It looks where an answer would go."""

    def __init__(self, lab):
        (record,) = [f for f in os.listdir(f"{lab.home}/.claude/sessions") if f.endswith(".json")]
        self.path = json.loads(lab.read(f"{lab.home}/.claude/sessions/{record}"))["messagingSocketPath"]
        self.ours = f"{os.path.dirname(self.path)}/native-{os.getpid()}.sock"
        self.replies = socket.socket(socket.AF_UNIX)
        self.replies.bind(self.ours)
        self.replies.listen()

    def send(self, text):
        content = f'<cross-session-message from-name="native">\n{text}\n</cross-session-message>'
        frame = {"type": "user", "msgV": 1, "msg_id": str(uuid.uuid4()), "priority": "next", "from": f"uds:{self.ours}"}
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(json.dumps({**frame, "message": {"role": "user", "content": content}}).encode() + b"\n")

    def close(self):
        self.replies.close()
        os.unlink(self.ours)


class CodexThread:
    """The control socket of Codex' shared daemon: a WebSocket, of which this is as much as is needed."""

    def __init__(self, lab):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{lab.home}/.codex/app-server-control/app-server-control.sock")
        key = base64.b64encode(os.urandom(16)).decode()
        head = ["GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        self.socket.sendall("".join(f"{line}\r\n" for line in head + [""]).encode())
        self.input = self.socket.makefile("rb")
        lib.check(b" 101 " in self.input.readline(), "Codex takes a WebSocket")
        while self.input.readline().strip():
            pass
        self.number = 0
        self.call("initialize", clientInfo={"name": "native", "title": None, "version": "0"}, capabilities={"experimentalApi": True})
        self.write({"method": "initialized"})
        threads = [self.call("thread/read", threadId=t)["thread"] for t in self.call("thread/loaded/list")["data"]]
        (self.thread,) = [t["id"] for t in threads if not t.get("ephemeral")]

    def write(self, message):
        text, mask = json.dumps(message).encode(), os.urandom(4)
        n = len(text)
        head = struct.pack("!BB", 0x81, 0x80 | n) if n < 126 else struct.pack("!BBH", 0x81, 0xFE, n)
        self.socket.sendall(head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(text)))

    def read(self):
        first, n = self.input.read(2)
        if n >= 126:
            n = int.from_bytes(self.input.read(2 if n == 126 else 8), "big")
        data = self.input.read(n)
        return json.loads(data) if first & 15 == 1 else {}

    def call(self, method, **params):
        self.number += 1
        self.write({"id": self.number, "method": method, "params": params})
        while (answer := self.read()).get("id") != self.number or "method" in answer:
            pass
        lib.check("result" in answer, f"{method}: {answer}")
        return answer["result"]

    def send(self, text):
        self.call("turn/start", threadId=self.thread, clientUserMessageId=str(uuid.uuid4()), input=[{"type": "text", "text": text}])

    def close(self):
        self.socket.close()


def idle(lab, name):
    lab.until(lambda: lab.peers()[name]["turn_state"] == "idle", f"{name} is idle")
    time.sleep(SETTLE)  # the hook of a turn's end runs before the CLI itself is done with the turn


def timed(lab, api, send, text):
    after = max((r["n"] for r in lab.model.requests()), default=0)
    began = time.perf_counter()
    send(text)
    lab.model.wait(text, api=api, after=after)
    return (time.perf_counter() - began) * 1000


def at(step):
    return datetime.datetime.fromisoformat(step["at"].replace("Z", "+00:00")).timestamp()


def measure(lab, name, api, way, runs):
    """In turns, so that both meet the same machine; the first of each is not counted: the session's first turn is longer."""
    ours, native, consumed, steps = [], [], [], {}

    def by_coppice(text):
        sent.append(lab.notify(name, text))

    def by_itself(text):
        way.send(ELEMENT.format(id=f"msg-{uuid.uuid4().hex[:12]}", text=text))

    for i in range(runs + 1):
        sent = []
        for what in (0, 1) if i % 2 else (1, 0):
            idle(lab, name)
            if what:
                ours.append(timed(lab, api, by_coppice, f"this is number {i} of ours"))
                lab.until_step(sent[0], "consumed")
            else:
                native.append(timed(lab, api, by_itself, f"this is number {i} of the others"))
        steps = {s["step"]: s for s in lab.json("trace", sent[0])["steps"]}
        consumed.append((at(steps["consumed"]) - at(steps["stored"])) * 1000)
    return {"coppice": ours[1:], "native": native[1:], "consumed": consumed[1:], "transport": steps["submitted"]["transport"]}


def main():
    lib.BINARY = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2])
    if missing := lib.why_not():
        print(json.dumps({"skipped": missing}))
        return
    lib.seal_network()
    lib.adopt_orphans()
    lab = None
    try:
        lab = lib.Lab()
        lab.mesh()
        lab.claude(lab.a)
        lab.codex(lab.b)
        found = {}
        for backend, name, api, way in (("claude-code", "feat/a", "messages", ClaudeInbox), ("codex", "feat/b", "responses", CodexThread)):
            lab.online(name)
            way = way(lab)
            found[backend] = measure(lab, name, api, way, runs)
            way.close()
        print(json.dumps(found))
    except BaseException:
        if lab:
            sys.stdout, out = sys.stderr, sys.stdout
            lab.report()
            sys.stdout = out
        raise
    finally:
        if lab:
            lab.close()
        else:
            lib.end_descendants()


if __name__ == "__main__":
    main()
