"""Tests with the real agent CLIs: each in a home, a network and terminals of its own, with a model that does as it is told (model.py).

A test file defines functions test_…(lab), and ends with run(). Each test runs in a process of its own, with a limit that only a hang
reaches; all that it starts is its descendant, and is ended with it. Asserts are on what the models received, on hooks and on Coppice's
own records; the screen is looked at only to wait until a CLI takes input, or to answer its dialogs.

Nothing waits for time: everything that is waited for is a line of a stream (the model's log, `coppice log -f`, what a terminal prints), and
conditions are looked at again whenever such a line comes."""

import ctypes
import errno
import fcntl
import hashlib
import html
import itertools
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(HERE, "node_modules")
BINARY = os.path.abspath(os.environ.get("COPPICE_BINARY", os.path.join(HERE, "../../build/coppice")))
LIMIT = int(os.environ.get("LAB_LIMIT", "60"))  # seconds for one thing to happen; only a hang takes so long
TEST_LIMIT = 150
ELEMENT = re.compile(r"<coppice-message\s([^>]*)>\n?(.*?)\n?</coppice-message>", re.S)
ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
libc = ctypes.CDLL(None, use_errno=True)


class Failed(AssertionError):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def same(got, wanted, what=""):
    check(got == wanted, f"{what}: expected {wanted!r}, got {got!r}")


# --- steps of the model, see model.py ---


def say(text, **more):
    return {"say": text, **more}


def call(tool, take=None, hold=None, **arguments):
    step = {"call": tool, "with": arguments}
    step.update({"take": take} if take else {}, **({"hold": hold.path} if hold else {}))
    return step


def shell(command, take=None, hold=None):
    step = {"shell": command}
    step.update({"take": take} if take else {}, **({"hold": hold.path} if hold else {}))
    return step


# --- streams of lines ---


class Stream:
    """The JSON lines of a pipe, kept, and waited for."""

    def __init__(self, pipe, copy=None):
        self.items, self.ended = [], False
        self.more = threading.Condition()
        threading.Thread(target=self._read, args=(pipe, copy), daemon=True).start()

    def _read(self, pipe, copy):
        with pipe:
            for line in pipe:
                if copy:
                    copy.write(line)
                    copy.flush()
                if not line.endswith(b"\n"):
                    break  # it was ended in the middle
                with self.more:
                    self.items.append(json.loads(line))
                    self.more.notify_all()
        with self.more:
            self.ended = True
            self.more.notify_all()

    def wait(self, fits, what, limit=LIMIT):
        """The first item that fits, however early it came."""
        end = time.monotonic() + limit
        seen = 0
        with self.more:
            while True:
                while seen < len(self.items):
                    seen += 1
                    if fits(self.items[seen - 1]):
                        return self.items[seen - 1]
                check(not self.ended, f"the stream ended before: {what}")
                check(self.more.wait(end - time.monotonic()), f"not within {limit} s: {what}")


class Hold:
    """Holds an answer of the model: hold.reached() returns once the model is asked, hold.release() lets it answer."""

    def __init__(self, path):
        self.path, self.fd = path, None
        os.mkfifo(path)

    def reached(self):
        if self.fd is None:
            self.fd = os.open(self.path, os.O_WRONLY)

    def release(self):
        self.reached()
        os.unlink(self.path)
        os.close(self.fd)
        self.fd = None


class ModelServer:
    def __init__(self, lab):
        self.lab, self.rules, self.holds, self.marks = lab, [], 0, itertools.count(1)
        self.rules_path = f"{lab.top}/rules.json"
        self._write()
        argv = [sys.executable, f"{HERE}/model.py", "--rules", self.rules_path, "--log", "-"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stream = Stream(self.process.stdout, open(f"{lab.top}/model.jsonl", "wb"))
        self.port = self.stream.wait(lambda line: "port" in line, "the model server")["port"]

    def _write(self):
        with open(self.rules_path + ".new", "w") as f:
            json.dump(self.rules, f)
        os.rename(self.rules_path + ".new", self.rules_path)

    def on(self, regex, *steps, **more):
        """What the models do upon a text (model.py): the rule of the latest call is looked at first."""
        self.rules.insert(0, {"on": regex, "do": list(steps), **more})
        self._write()

    def on_ask(self, regex, *first, reply=None, **more):
        """What the models do upon an ask of a peer: `first`, then ack it."""
        message = {"message": reply} if reply is not None else {}
        self.on(f'kind="ask"[^>]*>[^<]*(?:{regex})', *first, call("ack", correlation_id="$id", **message), say("I have acked it."), **more)

    def hold(self):
        self.holds += 1
        return Hold(f"{self.lab.top}/hold-{self.holds}")

    def log(self):
        """The lines of all that the models were asked before this call. (They are written before the answers, but read by a thread.)"""
        mark = str(next(self.marks))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/mark/{mark}", timeout=LIMIT):
            self.stream.wait(lambda line: line.get("mark") == mark, "the model's log")
        with self.stream.more:
            return [r for r in self.stream.items if r["n"]]

    def requests(self, **fields):
        return [r for r in self.log() if not r["side"] and all(r[k] == v for k, v in fields.items())]

    def wait(self, regex, after=0, role=None, limit=LIMIT, **fields):
        """The first request (after number `after`) that brings a model something new in which the regex is found."""

        def fits(r):
            if r["n"] <= after or r["side"] or any(r[k] != v for k, v in fields.items()):
                return False
            return any(re.search(regex, p["text"], re.S) for p in r["new"] if role in (None, p["role"]))

        return self.stream.wait(fits, f"a model is told /{regex}/ {fields or ''}", limit)

    def messages(self, **fields):
        """The mesh messages that models got, in order: attributes, and "text" as it was before it was escaped."""
        found = []
        for r in self.requests(**fields):
            for part in (p for p in r["new"] if p["role"] != "result"):
                for attributes, text in ELEMENT.findall(part["text"]):
                    found.append({**dict(ATTRIBUTE.findall(attributes)), "text": html.unescape(text), "n": r["n"], "folder": r["folder"]})
        return found

    def received(self, regex, **fields):
        """All the pieces of text in which the regex is found, in the order in which models got them."""
        return [p["text"] for r in self.requests(**fields) for p in r["new"] if re.search(regex, p["text"], re.S)]


class Terminal:
    """A program in a terminal of the user's own tmux server."""

    def __init__(self, lab, name, folder, argv, env, in_tmux):
        self.lab, self.name = lab, name
        self.fifo = f"{lab.top}/screen-{name}"
        os.mkfifo(self.fifo)
        self.output = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # To a program in a plain terminal, this is one.
        clean = ["env", "-i"] + [f"{k}={v}" for k, v in env.items()]
        if in_tmux:
            clean = ["sh", "-c", 'exec env -i "TMUX=$TMUX" "TMUX_PANE=$TMUX_PANE" "$@"', "sh"] + [f"{k}={v}" for k, v in env.items()]
        self._tmux("new-session", "-d", "-s", name, "-x", "160", "-y", "50", "-c", folder, "--", *clean, *argv)
        self._tmux("pipe-pane", "-O", "-t", name, f"exec cat >{shlex.quote(self.fifo)}")
        self.pane = self._tmux("display-message", "-p", "-t", name, "#{pane_id}").strip()

    def _tmux(self, *args):
        return self.lab.tmux("user", *args)

    @property
    def pid(self):
        """The program's process, also where a wrapper has started it."""
        return int(self._tmux("display-message", "-p", "-t", self.name, "#{pane_pid}"))

    def screen(self):
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p", "-J", "-t", self.name).splitlines())

    def wait(self, regex, limit=LIMIT):
        return self._until(lambda screen: re.search(regex, screen), f"does not show /{regex}/", limit)

    def _until(self, fits, what, limit=LIMIT):
        """Looks again whenever the program has drawn something."""
        end = time.monotonic() + limit
        while not fits(screen := self.screen()):
            left = end - time.monotonic()
            check(left > 0 and select.select([self.output], [], [], left)[0], f"{self.name} {what} but:\n{screen}")
            self._drain()
        return screen

    def _drain(self):
        try:
            os.read(self.output, 65536)
        except BlockingIOError:
            pass

    def type(self, text, enter=True):
        """What a user does: the Enter follows when the text is there to be seen. (Codex takes an Enter right behind it for part of a paste.)"""
        end = re.sub(r"\s", "", text)[-40:]
        times = self._times(end)
        self._tmux("send-keys", "-t", self.name, "-l", "--", text)
        self._until(lambda screen: self._times(end) > times, f"does not show {text!r}")
        if enter:
            self.press("Enter")

    def _times(self, text):
        return re.sub(r"\s", "", self.screen()).count(text)

    def answer(self, dialog, key, choice=None):
        """Answers a dialog: presses the key of the choice until its mark is shown, and `key` until the dialog goes. One that comes too early
        is dropped, by Claude Code on purpose."""
        self.wait(dialog)
        if choice:
            self._press(choice, lambda screen: re.search(rf"[❯›>] {choice}\.", screen), f"does not choose {choice}")
        self._press(key, lambda screen: not re.search(dialog, screen), f"keeps showing /{dialog}/")

    def _press(self, key, fits, what):
        """Presses the key again only when nothing has come of it for a second: what is drawn meanwhile may be its own echo."""
        end = time.monotonic() + LIMIT
        while not fits(screen := self.screen()):
            check(time.monotonic() < end, f"{self.name} {what}:\n{screen}")
            self.press(key)
            again = time.monotonic() + 1
            while not fits(self.screen()) and (left := again - time.monotonic()) > 0:
                select.select([self.output], [], [], left)
                self._drain()

    def press(self, *keys):
        self._tmux("send-keys", "-t", self.name, *keys)

    def close(self):
        self._tmux("kill-session", "-t", self.name)


# --- the laboratory ---


class Lab:
    def __init__(self):
        # Short, for the path of a socket holds 108 bytes.
        self.top = tempfile.mkdtemp(prefix="cl-", dir="/tmp")
        self.home, self.run_dir = f"{self.top}/home", f"{self.top}/run"
        for folder in (self.home, self.run_dir, f"{self.top}/tmp", f"{self.top}/bin"):
            os.mkdir(folder, 0o700)
        self.terminals = {}
        self.env = {
            "HOME": self.home,
            "PATH": ":".join([f"{self.top}/bin", os.path.dirname(BINARY), f"{MODULES}/.bin", f"{HERE}/.node/bin"] + ["/usr/local/bin", "/usr/bin", "/bin"]),
            "SHELL": "/bin/bash",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "TMPDIR": f"{self.top}/tmp",
            "XDG_RUNTIME_DIR": self.run_dir,
            "COPPICE_HOME": f"{self.top}/state",
            "COPPICE_TERMINAL__SOCKET": "test",
            "TMUX_TMPDIR": self.run_dir,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.write(f"{self.home}/.gitconfig", "[user]\n\tname = Test User\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n")
        # Codex gives its commands to a login shell, which sets PATH anew.
        self.write(f"{self.home}/.profile", f"PATH={self.env['PATH']}\n")
        # The server stays when its last session has gone: a session that is made at that very moment would be lost with it.
        self.write(f"{self.top}/tmux.conf", "set -g remain-on-exit on\nset -s exit-empty off\n")
        self.project = f"{self.top}/project"
        self.model = ModelServer(self)

    # -- files and programs --

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def read(self, path):
        with open(path) as f:
            return f.read()

    def exec(self, *argv, cwd=None, ok=True, limit=LIMIT, env=None, **more):
        """A program of the user's, outside of any terminal."""
        more.setdefault("stdin", subprocess.DEVNULL) if "input" not in more else None
        cwd = cwd or (self.project if os.path.isdir(self.project) else self.top)
        done = subprocess.run(argv, cwd=cwd, env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=limit, **more)
        check(not ok or done.returncode == 0, f"{shlex.join(argv)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def git(self, *args, cwd=None):
        return self.exec("git", *args, cwd=cwd).stdout.strip()

    def tmux(self, socket_name, *args):
        return self.exec("tmux", "-f", f"{self.top}/tmux.conf", "-L", socket_name, *args, cwd=self.top).stdout

    def make_project(self):
        """A repository with one commit, and a bare remote of it."""
        self.git("init", "-q", "--bare", f"{self.top}/remote.git", cwd=self.top)
        self.git("clone", "-q", f"{self.top}/remote.git", self.project, cwd=self.top)
        self.write(f"{self.project}/README", "A project.\n")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")
        self.git("push", "-q", "origin", "HEAD:main")

    # -- the agents --

    def prepare_claude(self, mode="default", allow=("Bash",)):
        """The user has set up Claude Code: is through its onboarding, trusts the folders, and has chosen the model's address."""
        key = "sk-ant-api03-a-key-of-no-worth-0000"
        settings = {
            "env": {
                "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.model.port}",
                "ANTHROPIC_API_KEY": key,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_TELEMETRY": "1",
                "DISABLE_ERROR_REPORTING": "1",
                "CLAUDE_CODE_TMPDIR": f"{self.top}/tmp",
            },
            "permissions": {"defaultMode": mode, "allow": list(allow)},
            "includeCoAuthoredBy": False,
            "skipDangerousModePermissionPrompt": True,
        }
        state = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
            "hasSeenAutoDefaultNotice": True,
            "hasSeenAutoDefaultNudge": True,
            "projects": {self.project: {"hasTrustDialogAccepted": True}},
        }
        self.write(f"{self.home}/.claude/settings.json", json.dumps(settings, indent=2) + "\n")
        self.write(f"{self.home}/.claude.json", json.dumps(state, indent=2) + "\n")

    def prepare_codex(self, daemon=True, approval="never", sandbox="danger-full-access"):
        """The user has set up Codex, with a provider that needs no account."""
        lines = [
            'model = "gpt-5.4"',
            'model_provider = "here"',
            f'approval_policy = "{approval}"',
            f'sandbox_mode = "{sandbox}"',
            "check_for_update_on_startup = false",
            "[model_providers.here]",
            'name = "here"',
            f'base_url = "http://127.0.0.1:{self.model.port}/v1"',
            'wire_api = "responses"',
            "supports_websockets = false",
            "request_max_retries = 0",
            "stream_max_retries = 0",
            "[analytics]",
            "enabled = false",
            f'[projects."{self.project}"]',
            'trust_level = "trusted"',
            "[tui]",
            "screen_reader_detection_done = true",
        ]
        lines += [] if daemon else ["[features]", "daemon_auto_start = false"]
        self.write(f"{self.home}/.codex/config.toml", "\n".join(lines) + "\n")

    def terminal(self, name, folder, *argv, in_tmux=True, env=None):
        self.terminals[name] = Terminal(self, name, folder, argv, {**self.env, **(env or {})}, in_tmux)
        return self.terminals[name]

    def claude(self, folder, *args, name="claude", ready=r"(?m)^❯", **more):
        """Claude Code in a terminal, ready for input."""
        terminal = self.terminal(name, folder, "claude", *args, **more)
        terminal.wait(ready)
        return terminal

    def codex(self, folder, *args, name="codex", ready=r"(?s)Ask Codex to do anything.*gpt-5", **more):
        terminal = self.terminal(name, folder, "codex", *args, **more)
        terminal.wait(ready)
        return terminal

    def trust_codex_hooks(self):
        """What Codex writes down when its user says "Trust all" in its review of new hooks: a hash of each, in its own form."""
        path = f"{self.home}/.codex/hooks.json"
        lines = []
        for event, groups in json.loads(self.read(path))["hooks"].items():
            event = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
            for g, group in enumerate(groups):
                for h, hook in enumerate(group["hooks"]):
                    timeout = hook.get("timeout", 600)
                    timeout = min(timeout, 3) if event in ("session_end", "interrupt") else timeout
                    what = {"async": hook.get("async", False), "command": hook["command"], "timeout": timeout, "type": "command"}
                    form = {"event_name": event, "hooks": [what]}
                    form.update({"matcher": group["matcher"]} if "matcher" in group else {})
                    digest = hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
                    lines.append(f'[hooks.state."{path}:{event}:{g}:{h}"]\ntrusted_hash = "sha256:{digest}"\n')
        with open(f"{self.home}/.codex/config.toml", "a") as f:
            f.write("\n" + "\n".join(lines))

    def mesh(self, **claude):
        """Where most tests begin: the user has both CLIs and a project with a worktree for each, and has run `coppice setup`."""
        self.prepare_claude(**claude)
        self.prepare_codex()
        self.make_project()
        self.a, self.b = self.worktree("feat/a"), self.worktree("feat/b")
        self.setup()

    def setup(self):
        self.coppice("setup", "--yes")
        self.trust_codex_hooks()
        self.coppice("status")  # starts the daemon; an agent's hooks never do

    def worktree(self, branch):
        """By hand, as a user of git does it."""
        path = f"{self.project}-{branch.replace('/', '-')}"
        self.git("worktree", "add", "-q", path, "-b", branch)
        return path

    # -- Coppice --

    def coppice(self, *args, ok=True, **more):
        return self.exec(BINARY, *args, ok=ok, **more)

    def json(self, *args, **more):
        return json.loads(self.coppice(*args, "--json", **more).stdout)

    def peers(self, *args):
        return {p["name"]: p for p in self.json("ps", *args)["peers"]}

    def online(self, name, deaf=False):
        """The peer of that name, once it is there and can be told something: by then its model has our tools. With `deaf`, once it is
        shown as one that was opened before `coppice setup`; a Codex without its daemon is taken for one until its first turn."""

        def there():
            peer = self.peers().get(name)
            ways = {"claude-code": ("claude-inbox",), "codex": ("codex-link", "codex-queue")}
            if peer and (deaf or peer["backend"] == "codex") and peer.get("note"):
                return peer
            ready = peer and not deaf and peer["transport"] in ways.get(peer["backend"], (peer["transport"],))
            return peer if ready and peer["status"] != "offline" else None

        return self.until(there, f"{name} is online")

    def idle(self, name):
        """Until its turn is over, its hooks included."""
        self.until(lambda: self.peers()[name]["turn_state"] == "idle", f"{name} is idle")

    def ask(self, to, text):
        return self.json("ask", to, "-", input=text)["correlation_id"]

    def notify(self, to, text):
        return self.json("notify", to, "-", input=text)["message_id"]

    def until_step(self, message_id, step, limit=LIMIT):
        self.until(lambda: step in self.steps(message_id), f"{message_id} is {step}", limit)

    def until(self, fits, what, limit=LIMIT):
        """What `fits` returns once it is something; asked again at every event of the daemon."""
        end = time.monotonic() + limit
        while True:
            log = subprocess.Popen([BINARY, "log", "-f", "--json"], env=self.env, cwd=self.top, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            try:
                events = Stream(log.stdout)
                at = 0
                while True:
                    if found := fits():
                        return found
                    with events.more:
                        if len(events.items) == at and not events.ended:
                            # Some steps of a message make no event: they are seen at the next look.
                            events.more.wait(0.5)
                            check(time.monotonic() < end, f"not within {limit} s: {what}")
                        if events.ended and len(events.items) == at:
                            break  # the daemon has ended: the next `coppice log` starts another
                        at = len(events.items)
            finally:
                log.kill()
                log.wait()

    def wait_event(self, kind, limit=LIMIT, **fields):
        """The first event of that kind, however it came to be first."""
        log = subprocess.Popen([BINARY, "log", "-f", "-n", "1000", "--json"], env=self.env, cwd=self.top, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            return Stream(log.stdout).wait(
                lambda e: e["event"] == kind and all(e.get(k) == v or (e.get("data") or {}).get(k) == v for k, v in fields.items()),
                f"event {kind} {fields or ''}",
                limit,
            )
        finally:
            log.kill()
            log.wait()

    def steps(self, message_id):
        return [s["step"] for s in self.json("trace", message_id)["steps"]]

    # -- the end --

    def report(self):
        """What helps to see why a test failed."""
        for terminal in self.terminals.values():
            try:
                print(f"--- screen of {terminal.name}\n" + "\n".join(line for line in terminal.screen().splitlines() if line))
            except (Failed, OSError, subprocess.SubprocessError) as e:
                print(f"--- no screen of {terminal.name}: {e}")
        print("--- last requests to the model")
        try:
            for r in self.model.requests()[-8:]:
                new = [f"{p['role']}: {p['text'][-600:]}" for p in r["new"]]
                print(f"{r['n']} {r['api']} {r['folder']} {json.dumps(new)} -> {json.dumps(r['reply'])}")
        except OSError as e:
            print(f"the model server has ended: {e}")
        try:
            print("--- end of daemon.log\n" + "".join(self.read(f"{self.top}/state/daemon.log").splitlines(True)[-20:]))
        except OSError:
            pass

    def close(self):
        end_descendants()
        try:
            # Codex keeps its control socket beside those of others, in a folder of the user's.
            control = os.path.realpath(f"{self.home}/.codex/app-server-control/app-server-control.sock")
            for path in (control, control + ".lock"):
                os.unlink(path)
        except OSError:
            pass
        shutil.rmtree(self.top, ignore_errors=True)


def descendants():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parents[int(entry)] = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def end_descendants():
    """All that the test has started, also what has made itself independent: orphans are handed to us (see adopt_orphans)."""
    while pids := descendants():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def adopt_orphans():
    PR_SET_CHILD_SUBREAPER = 36
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "prctl")


# --- the network: nothing but loopback, where the machine allows it ---


def seal_network():
    """None, or why it could not be done. Must come before the first thread."""
    CLONE_NEWUSER, CLONE_NEWNET, IFF_UP, SIOCSIFFLAGS = 0x10000000, 0x40000000, 1, 0x8914
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if uid else 0)) != 0:
        return os.strerror(ctypes.get_errno())
    try:
        if uid:
            for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                with open(f"/proc/self/{name}", "w") as f:
                    f.write(text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
    except OSError as e:
        # Half of a seal is a machine without loopback, on which nothing would work.
        if e.errno in (errno.EPERM, errno.EACCES):
            raise SystemExit(f"Bail out! the network was closed, but loopback could not be opened: {e}") from e
        raise
    return None


# --- running ---


def why_not():
    """None if the agent CLIs are installed as pinned, else what is missing."""
    try:
        with open(f"{MODULES}/.installed-from.json") as a, open(f"{HERE}/package-lock.json") as b:
            if a.read() == b.read():
                return None
    except OSError:
        return "the agent CLIs are not installed: make deps-agents"
    return "the agent CLIs are of other versions: make deps-agents"


class Hang(Failed):
    pass


def on_alarm(number, frame):
    raise Hang(f"the test took more than {TEST_LIMIT} s")


def run_one(test):
    adopt_orphans()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_alarm)
    signal.alarm(TEST_LIMIT)
    lab = None
    try:
        lab = Lab()
        test(lab)
        return 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        if lab:
            lab.report()
        return 1
    finally:
        signal.alarm(0)
        if lab and os.environ.get("LAB_KEEP"):
            print(f"kept: {lab.top}")
            end_descendants()
        elif lab:
            lab.close()
        else:
            end_descendants()


def run():
    """With a name: that test, in this very process. Without: all, each in a process of its own."""
    module = sys.modules["__main__"]
    tests = [n for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    missing = why_not() if getattr(module, "NEEDS_AGENTS", True) else None
    if len(sys.argv) > 1 and sys.argv[1] == "--list":
        print("\n".join(tests))
        return
    if not missing and not os.environ.get("LAB_SEALED"):
        open_network = seal_network()
        os.environ["LAB_SEALED"] = "1"
        if open_network:
            print(f"# the network is not sealed off: {open_network}")
    if len(sys.argv) > 1:
        if missing:
            raise SystemExit(missing)
        sys.exit(max(run_one(getattr(module, name)) for name in sys.argv[1:]))
    print(f"1..{len(tests)}", flush=True)
    status = 0
    for n, name in enumerate(tests, 1):
        if missing:
            print(f"ok {n} - {name} # SKIP {missing}")
            continue
        begun = time.monotonic()
        done = subprocess.run([sys.executable, module.__file__, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        took = f"# {name}: {time.monotonic() - begun:.1f} s"
        if done.returncode == 0:
            print(f"ok {n} - {name}\n{took}", flush=True)
        else:
            status = 1
            print(f"not ok {n} - {name}\n{took}\n" + "".join(f"# {line}\n" for line in done.stdout.splitlines()), flush=True)
    sys.exit(status)
