#!/usr/bin/env python3
"""A model that does as it is told: the server behind the agent CLIs in these tests, on loopback, without any network.

    model.py --rules RULES.json [--log FILE|-] [--port N] [--port-file FILE] [--limit SECONDS]

It speaks what the CLIs speak: Anthropic's Messages (POST …/messages, …/messages/count_tokens) and OpenAI's Responses (POST …/responses),
streamed or plain, and GET …/models. What it answers follows from the rules and from the conversation in the request alone, so it keeps
no state, and a CLI may resume, fork or repeat as it likes. It ends with the process that holds its stdin, and after --limit.

RULES.json, read again whenever it has changed, is a list of rules; the first that fits a text is taken:

    {"on": REGEX,           searched in a text that the user or a peer sent
     "api": "messages",     or "responses"; optional, as are:
     "folder": REGEX,       searched in the session's working directory
     "system": REGEX,       searched in the system prompt
     "do": [STEP, …]}

A step is one answer of the model:

    {"say": TEXT}                               ends the turn
    {"call": TOOL, "with": {…}, "take": {…}}    calls a tool, named by its whole name or by what follows its last "__" or "."
    {"shell": COMMAND, "take": {…}}             calls the runtime's own shell tool
    {"all": [STEP, …]}                          several calls at once
    {"error": STATUS, "times": N}               fails the request so, N times (once) for a session

and any may carry "hold": PATH, a FIFO: the answer waits until somebody has opened it for writing, and closed it. So who opens it knows
that the model was asked, and nothing sleeps. A path that is not there holds nothing.

In TEXT, COMMAND and the strings of "with", $name stands for: $0 and $1… what the rule's regex found, and its named groups; $text the whole
text; $id, $kind, $from the attributes of a mesh message; $result what the last call returned; and what a step's "take": {NAME: REGEX}
found in the result of its call (the first group, or all of it). $$ is a dollar; what names nothing stays as it is.

A call of what is not offered is said (NO SUCH TOOL), and tried again in the next answer: the tools of a server may come late.

Each text starts a script of its own. One that comes while another is under way goes first, and the other goes on after it, in the same
turn. Mesh messages (<coppice-message …>) are texts of their own wherever they appear: in a prompt, beside a tool's result, in what a hook
added; one that is seen again starts nothing.

Each request is one line of the log, written before it is answered:

    {"n", "api", "session", "model", "folder", "side", "stream", "text", "new": [{"role", "text"}], "tools", "reply": {"say", "calls"} or
     {"error"}, "hold"}

`new` is all that was added since the session's last request (roles: user, note, result), `text` the last of what the user or a peer sent, `side`
whether the CLI asked on its own account (titles, summaries). A session's first line also has "system", and "headers".
"""

import argparse
import html
import json
import os
import re
import secrets
import signal
import string
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 64 << 20

# What the CLIs ask on their own account: an answer by a rule would run a script twice.
SIDE = re.compile(
    r"^\s*(Generate a concise, single-line task title|Your task is to create a detailed summary|CRITICAL: Respond with TEXT ONLY"
    r"|You are performing a CONTEXT CHECKPOINT COMPACTION)"
)
NOT_OFFERED = "NO SUCH TOOL"
SUMMARY = "<analysis>none</analysis>\n<summary>A conversation of a test.</summary>"

ELEMENT = re.compile(r"<coppice-message\s([^>]*)>.*?</coppice-message>", re.S)
ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
REMINDER = re.compile(r"<system-reminder>(.*?)</system-reminder>", re.S)
# The frames in which the CLIs hand over what arrived while the model was at work.
TYPED_MEANWHILE = re.compile(r"^\s*The user sent a new message while you were working:\s*")
# Codex's own notes come as messages of the user.
NOTE_OF_CODEX = re.compile(r"^\s*(<(?!coppice-message|hook_prompt|cross-session-message)[A-Za-z_]+[ >]|# AGENTS\.md instructions)")
ABORTED = re.compile(r"^\s*(\[Request interrupted by user|<turn_aborted>)")
FOLDER = re.compile(r"(?:<cwd>|[Ww]orking directory: )([^\n<]+)")


class Template(string.Template):
    idpattern = r"[0-9]+|[a-z][a-z0-9_]*"
    flags = re.NOFLAG


def fill(value, names):
    if isinstance(value, str):
        return Template(value).safe_substitute(names)
    if isinstance(value, list):
        return [fill(v, names) for v in value]
    if isinstance(value, dict):
        return {k: fill(v, names) for k, v in value.items()}
    return value


class Part:
    """A piece of a conversation: role is user, note, result or model."""

    def __init__(self, role, text):
        self.role, self.text = role, text


# --- what the two APIs ask, in one form ---


class Asked:
    def __init__(self, api, body, headers):
        self.api, self.body = api, body
        self.model = body.get("model")
        self.stream = bool(body.get("stream"))
        self.parts = []
        self.tools = []  # (name, namespace or None)
        if api == "messages":
            self.session = headers.get("x-claude-code-session-id")
            self._read_messages()
        else:
            self.session = headers.get("session-id") or headers.get("session_id") or body.get("prompt_cache_key")
            self._read_responses()
        texts = [p.text for p in self.parts if p.role == "user"]
        self.text = texts[-1] if texts else ""
        notes = [self.system] + [p.text for p in self.parts if p.role in ("user", "note")]
        found = [m for text in notes for m in FOLDER.findall(text)]
        self.folder = found[-1].strip() if found else None
        try:
            turn = json.loads(headers.get("x-codex-turn-metadata") or "{}")
        except ValueError:
            turn = {}
        of_its_own = turn.get("request_kind", "turn") != "turn" or turn.get("thread_source") == "thread_title"
        self.side = of_its_own or not self.tools or any(SIDE.search(t) for t in self._unanswered())

    def _unanswered(self):
        last = max((i for i, p in enumerate(self.parts) if p.role == "model"), default=-1)
        return [p.text for p in self.parts[last + 1 :] if p.role == "user"]

    def since(self, before):
        """What was added to the conversation since it had the pieces of that digest, and the digest of now. A CLI may ask again with more
        before it was answered, so the model's last answer is not the mark."""
        now = [hash((p.role, p.text)) for p in self.parts]
        same = next((i for i, (a, b) in enumerate(zip(before, now)) if a != b), min(len(before), len(now)))
        return [p for p in self.parts[same:] if p.role != "model"], now

    def _add(self, role, text):
        if text.strip():
            self.parts.append(Part(role, text))

    def _add_prompt(self, text):
        """A prompt of Claude Code, with what the CLI itself has put into it."""
        for i, piece in enumerate(REMINDER.split(text)):
            typed = TYPED_MEANWHILE.sub("", piece)
            self._add("user" if i % 2 == 0 or typed != piece else "note", typed)

    def _read_messages(self):
        self.system = text_of(self.body.get("system") or "")
        self.tools = [(t.get("name", ""), None) for t in self.body.get("tools") or []]
        for message in self.body.get("messages") or []:
            content = message.get("content") or ""
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if message.get("role") == "assistant":
                self._add_model(text_of(blocks))
                continue
            for block in blocks:
                if block.get("type") == "tool_result":
                    self.parts.append(Part("result", text_of(block.get("content") or "")))
                elif block.get("type") == "text" and message.get("role") == "system":
                    self._add("note", block["text"])
                elif block.get("type") == "text":
                    self._add_prompt(block["text"])

    def _add_model(self, text):
        # What stands together is one answer, however many pieces the CLI makes of it.
        if not self.parts or self.parts[-1].role != "model":
            self.parts.append(Part("model", text))

    def _read_responses(self):
        self.system = self.body.get("instructions") or ""
        for tool in self.body.get("tools") or []:
            if tool.get("type") == "namespace":
                self.tools += [(t.get("name", ""), tool["name"]) for t in tool.get("tools") or []]
            else:
                self.tools.append((tool.get("name") or tool.get("type", ""), None))
        items = self.body.get("input") or []
        for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
            kind, role = item.get("type") or "message", item.get("role")
            if kind.endswith("_call_output"):
                self.parts.append(Part("result", text_of(item.get("output") or "")))
            elif kind.endswith("_call") or role == "assistant":
                self._add_model(text_of(item.get("content") or ""))
            elif kind == "message":
                text = text_of(item.get("content") or "")
                self._add("note" if role != "user" or NOTE_OF_CODEX.search(text) else "user", text)


def text_of(content):
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return text_of(content.get("content") or content.get("text") or "")
    return "\n".join(b.get("text") or "" for b in content if isinstance(b, dict) and "text" in b)


# --- what it answers ---


class Script:
    """A rule under way: the steps that one text has started."""

    def __init__(self, rule, names, key):
        self.steps, self.names, self.key = list(rule.get("do") or []), names, key
        self.taking = {}

    def take(self, result):
        self.names["result"] = result
        for name, regex in self.taking.items():
            found = re.search(regex, result, re.S)
            self.names[name] = (found.group(found.re.groups and 1) or "") if found else ""
        self.taking = {}


class Director:
    """Which answer comes next. `failed(key)` counts how often a step of that key has failed before."""

    def __init__(self, rules, asked, failed=lambda key: 0):
        self.rules, self.asked, self.failed = rules, asked, failed
        self.scripts = []  # the first goes first
        self.seen = set()  # ids of mesh messages
        self.last = None  # the script that has called a tool

    def next(self):
        """(steps to answer with, the names that they may use), [] if nothing fits."""
        batch = []
        for part in self.asked.parts:
            if part.role == "model":
                self._begin(batch)
                self._advance(said=part.text)
                batch = []
            elif part.role == "result":
                if self.last:
                    self.last.take(part.text)
            elif ABORTED.search(part.text):
                self.scripts, batch = [], []
            else:
                batch += self._starts(part)
        self._begin(batch)
        return self._advance()

    def _starts(self, part):
        elements = list(ELEMENT.finditer(part.text))
        texts = [(m.group(0), dict(ATTRIBUTE.findall(m.group(1)))) for m in elements]
        if not elements and part.role == "user":
            texts = [(part.text.strip(), {})]
        for text, attributes in texts:
            if attributes.get("id") in self.seen:
                continue
            if "id" in attributes:
                self.seen.add(attributes["id"])
            script = self._fits(text, {k: html.unescape(v) for k, v in attributes.items()})
            if script:
                yield script

    def _fits(self, text, attributes):
        for i, rule in enumerate(self.rules):
            if rule.get("api", self.asked.api) != self.asked.api:
                continue
            if not re.search(rule.get("folder", ""), self.asked.folder or "") or not re.search(rule.get("system", ""), self.asked.system):
                continue
            found = re.search(rule["on"], text, re.S)
            if found:
                names = {str(n): g or "" for n, g in enumerate(found.groups(), 1)}
                names.update({k: v or "" for k, v in found.groupdict().items()}, text=text, result="", **{"0": found.group(0)}, **attributes)
                return Script(rule, names, (self.asked.session, i, text))
        return None

    def _begin(self, batch):
        self.scripts = batch + self.scripts

    def _advance(self, said=None):
        """Takes the steps of one answer: words, and on to the first call, since words alone end the turn. What was said, if it is past."""
        taken = []
        self.last = None
        while self.scripts:
            script = self.scripts[0]
            if not script.steps:
                self.scripts.pop(0)
                continue
            step = script.steps[0]
            if "error" in step:
                if said is None and self.failed(script.key) < step.get("times", 1):
                    return [(step, script)]
                script.steps.pop(0)
                continue
            if "say" not in step and NOT_OFFERED in (said or ""):
                break
            script.steps.pop(0)
            taken.append((step, script))
            if "say" not in step:
                script.taking = step.get("take") or {}
                self.last = script
                break
        return taken


def find_tool(tools, wanted):
    """The offered tool of that name, or of a name that ends with it."""
    for name, space in tools:
        if name == wanted or f"{space}__{name}" == wanted:
            return name, space
    for name, space in tools:
        if re.split(r"__|\.", name)[-1] == wanted:
            return name, space
    return None


SHELLS = {
    "Bash": lambda command: {"command": command, "description": "run it"},
    "exec_command": lambda command: {"cmd": command, "yield_time_ms": 30000},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["sh", "-c", command]},
}


class Reply:
    def __init__(self):
        self.say, self.calls, self.error, self.hold = [], [], None, None

    def add(self, step, script, tools):
        self.hold = self.hold or step.get("hold")
        if "error" in step:
            self.error = step["error"]
        for one in step.get("all", [step]):
            if "say" in one:
                self.say.append(fill(one["say"], script.names))
            elif "shell" in one:
                shell = next((t for t in tools if t[0] in SHELLS), None)
                self._call(shell, "a shell", shell and SHELLS[shell[0]](fill(one["shell"], script.names)))
            elif "call" in one:
                self._call(find_tool(tools, one["call"]), one["call"], fill(one.get("with") or {}, script.names))

    def _call(self, tool, wanted, arguments):
        # Loud, in the log and on the screen: a script that calls what is not offered is a broken test, or a broken product.
        if tool:
            self.calls.append({"name": tool[0], "space": tool[1], "with": arguments})
        else:
            self.say.append(f"{NOT_OFFERED}: {wanted}")

    def log(self):
        if self.error:
            return {"error": self.error}
        calls = [{"name": c["name"], "with": c["with"]} for c in self.calls]
        return {"say": "\n".join(self.say), "calls": calls}


# --- how each API says it ---


def token():
    return secrets.token_hex(12)


def usage(asked, reply):
    size = len(json.dumps(asked.body)) // 4
    return {"input_tokens": size, "output_tokens": 8}


def messages_blocks(reply):
    blocks = [{"type": "text", "text": "\n".join(reply.say)}] if reply.say else []
    return blocks + [{"type": "tool_use", "id": "toolu_" + token(), "name": c["name"], "input": c["with"]} for c in reply.calls]


def messages_answer(asked, reply):
    message = {
        "id": "msg_" + token(),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": messages_blocks(reply),
        "stop_reason": "tool_use" if reply.calls else "end_turn",
        "stop_sequence": None,
        "usage": usage(asked, reply),
    }
    if not asked.stream:
        return message
    events = [("message_start", {"message": {**message, "content": [], "stop_reason": None}})]
    for i, block in enumerate(message["content"]):
        if block["type"] == "text":
            begun, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            begun, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append(("content_block_start", {"index": i, "content_block": begun}))
        events.append(("content_block_delta", {"index": i, "delta": delta}))
        events.append(("content_block_stop", {"index": i}))
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append(("message_delta", {"delta": ending, "usage": message["usage"]}))
    events.append(("message_stop", {}))
    return events


def responses_items(reply):
    items = []
    if reply.say:
        content = [{"type": "output_text", "text": "\n".join(reply.say), "annotations": []}]
        items.append({"type": "message", "id": "msg_" + token(), "role": "assistant", "status": "completed", "content": content})
    for call in reply.calls:
        item = {"type": "function_call", "id": "fc_" + token(), "call_id": "call_" + token(), "status": "completed"}
        item.update(name=call["name"], arguments=json.dumps(call["with"]))
        if call["space"]:
            item["namespace"] = call["space"]
        items.append(item)
    return items


def responses_answer(asked, reply):
    size = usage(asked, reply)
    response = {
        "id": "resp_" + token(),
        "object": "response",
        "created_at": 0,
        "model": asked.model,
        "status": "completed",
        "output": responses_items(reply),
        "usage": {**size, "total_tokens": sum(size.values()), "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    }
    if not asked.stream:
        return response
    events = [("response.created", {"response": {**response, "status": "in_progress", "output": [], "usage": None}})]
    for i, item in enumerate(response["output"]):
        where = {"output_index": i}
        events.append(("response.output_item.added", {**where, "item": {**item, "status": "in_progress", "content": [], "arguments": ""}}))
        if item["type"] == "message":
            at = {**where, "item_id": item["id"], "content_index": 0}
            events.append(("response.content_part.added", {**at, "part": {"type": "output_text", "text": "", "annotations": []}}))
            events.append(("response.output_text.delta", {**at, "delta": item["content"][0]["text"]}))
            events.append(("response.output_text.done", {**at, "text": item["content"][0]["text"]}))
        events.append(("response.output_item.done", {**where, "item": item}))
    events.append(("response.completed", {"response": response}))
    return events


def stream_of(events):
    lines = [f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events]
    return "".join(lines).encode()


# --- the server ---


class Model(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, rules_path, log):
        super().__init__(("127.0.0.1", port), Handler)
        self.rules_path, self.log_file = rules_path, log
        self.lock = threading.Lock()
        self.rules, self.rules_stamp = [], None
        self.count = 0
        self.known = set()  # sessions whose first line is written
        self.digests = {}  # of sessions, as of their last request
        self.folders = {}  # of sessions, as a CLI does not name it in every request
        self.failures = {}

    def handle_error(self, request, client_address):
        """A client that hangs up is a client that was ended; all else would be a bug of this server."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            super().handle_error(request, client_address)

    def current_rules(self):
        try:
            stat = os.stat(self.rules_path)
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp != self.rules_stamp:
                with open(self.rules_path) as f:
                    self.rules, self.rules_stamp = json.load(f), stamp
        except FileNotFoundError:
            self.rules, self.rules_stamp = [], None
        return self.rules

    def answer(self, asked, headers):
        with self.lock:
            reply = Reply()
            asked.folder = asked.folder or self.folders.get(asked.session)
            self.folders[asked.session] = asked.folder
            if asked.side:
                reply.say.append(SUMMARY if "summary" in asked.text or "CHECKPOINT" in asked.text else "A title")
            else:
                steps = Director(self.current_rules(), asked, lambda key: self.failures.get(key, 0)).next()
                for step, script in steps:
                    reply.add(step, script, asked.tools)
                    if "error" in step:
                        self.failures[script.key] = self.failures.get(script.key, 0) + 1
                if not steps:
                    reply.say.append("Nothing to do.")
            self._record(asked, reply, headers)
        return reply

    def _record(self, asked, reply, headers):
        self.count += 1
        new, digest = asked.since(self.digests.get(asked.session, []))
        if not asked.side:
            self.digests[asked.session] = digest
        line = {"n": self.count, "api": asked.api, "session": asked.session, "model": asked.model, "folder": asked.folder}
        line.update(side=asked.side, stream=asked.stream, text=asked.text, new=[vars(p) for p in new])
        line.update(tools=[f"{s}__{n}" if s else n for n, s in asked.tools], reply=reply.log(), hold=reply.hold)
        if asked.session not in self.known:
            self.known.add(asked.session)
            secret = ("authorization", "x-api-key")
            line.update(system=asked.system, headers={k.lower(): v for k, v in headers.items() if k.lower() not in secret})
        self.log_line(line)

    def mark(self, name):
        """A line by which the log's reader knows that it has read all that was asked before."""
        with self.lock:
            self.log_line({"n": 0, "mark": name})

    def log_line(self, line):
        if self.log_file is not None:
            data = (json.dumps(line) + "\n").encode()
            while data:
                data = data[os.write(self.log_file, data) :]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def log_message(self, format, *args):
        pass

    def _send(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self):
        self._send(200, {})

    def do_GET(self):
        if self.path.startswith("/mark/"):
            self.server.mark(self.path.rpartition("/")[2])
            self._send(200, {})
        elif self.path.split("?")[0].endswith("/models"):
            self._send(200, {"object": "list", "data": [], "models": [], "has_more": False})
        else:
            self._send(200 if self.path == "/" else 404, {})

    def do_POST(self):
        path = self.path.split("?")[0].rstrip("/")
        size = int(self.headers.get("Content-Length") or 0)
        if size > BODY_MAX:
            return self._send(413, {"error": {"type": "too_large", "message": "too large"}})
        try:
            body = json.loads(self.rfile.read(size))
        except ValueError:
            return self._send(400, {"error": {"type": "invalid_request_error", "message": "this is no JSON"}})
        if path.endswith("/messages/count_tokens"):
            return self._send(200, {"input_tokens": len(json.dumps(body)) // 4})
        if path.endswith("/messages"):
            return self._answer(Asked("messages", body, self.headers), messages_answer)
        if path.endswith("/responses"):
            return self._answer(Asked("responses", body, self.headers), responses_answer)
        return self._send(404, {"error": {"type": "not_found_error", "message": path}})

    def _answer(self, asked, write):
        reply = self.server.answer(asked, self.headers)
        if reply.hold:
            wait_for(reply.hold)
        if reply.error:
            return self._send(reply.error, {"type": "error", "error": {"type": "api_error", "message": "as the rules say"}})
        answer = write(asked, reply)
        if asked.stream:
            return self._send(200, stream_of(answer), "text/event-stream")
        return self._send(200, answer)


def wait_for(fifo):
    try:
        with open(fifo, "rb") as f:
            f.read()
    except FileNotFoundError:
        pass


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description="A model server that answers by rules.")
    parser.add_argument("--rules", required=True)
    parser.add_argument("--log")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--limit", type=int, default=900)
    args = parser.parse_args()
    log = None
    if args.log:
        log = os.dup(1) if args.log == "-" else os.open(args.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    signal.alarm(args.limit)
    model = Model(args.port, args.rules, log)
    port = model.server_address[1]
    if args.port_file:
        with open(args.port_file + ".new", "w") as f:
            f.write(f"{port}\n")
        os.rename(args.port_file + ".new", args.port_file)
    model.log_line({"n": 0, "port": port})
    threading.Thread(target=end_with_stdin, daemon=True).start()
    model.serve_forever()


if __name__ == "__main__":
    main()
