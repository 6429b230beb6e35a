"""The load: peers that write to each other and do jobs, a gardener of worktrees, runners of plans.

Whatever was answered is in a journal, a line of JSON each, written when the answer was read; so what a journal
says was told to somebody, and must be true for ever. A request whose answer was lost is sent again, with the
same key, until it is answered."""

import json
import os
import random
import threading

from home import Connection, Lost

PEERS = 5


class Caller:
    """Sends each request until it is answered, over as many daemons as it takes. `came_back` blocks until a daemon
    may be there again."""

    def __init__(self, home, name, rng, came_back, on_answer):
        self.home, self.name, self.rng = home, name, rng
        self.came_back, self.on_answer = came_back, on_answer
        self.connection = None
        self.sent = 0
        self.journal = open(home.path(f"journal-{name}"), "a", encoding="utf-8")

    def note(self, **entry):
        self.journal.write(json.dumps(entry) + "\n")
        self.journal.flush()

    def send(self, op, params, key):
        while True:
            try:
                self.connection = self.connection or Connection(self.home)
                return self.connection.call(op, params, key)
            except Lost:
                if self.connection:
                    self.connection.close()
                    self.connection = None
                self.came_back()

    def call(self, op, params):
        self.sent += 1
        key = f"key-{self.name}-{self.sent}"
        status, answer = self.send(op, params, key)
        self.note(op=op, params=params, status=status, answer=answer)
        self.on_answer()
        if status == 200 and self.rng.random() < 0.1:
            again = self.send(op, params, key)
            if again != (status, answer):
                self.note(op="repeated", params={"op": op, "key": key}, status=again[0], answer=[answer, again[1]])
        return status, answer


class Peer:
    """One process that is a peer: asks, acks, notifies, reads its inbox, waits, claims jobs and does them."""

    def __init__(self, caller, n):
        self.caller, self.n = caller, n
        self.rng = caller.rng
        self.to = {}  # how many messages went to whom: their number is in the text, for their order
        self.asked = []
        self.old_fence = None

    def text(self, to):
        self.to[to] = self.to.get(to, 0) + 1
        return f"peer-{self.n}>{to} #{self.to[to]}"

    def other(self):
        return f"peer-{self.rng.choice([i for i in range(PEERS) if i != self.n])}"

    def register(self):
        status, answer = self.caller.call("register_peer", {"backend": "script", "self": True, "name": f"peer-{self.n}"})
        if status != 200 or answer["name"] != f"peer-{self.n}":
            raise RuntimeError(f"peer-{self.n} could not register: {answer}")

    def ask(self):
        to = self.other()
        status, answer = self.caller.call("ask", {"peer_name": to, "query": self.text(to)})
        if status == 200:
            self.asked.append(answer["correlation_id"])

    def notify(self):
        to = self.other()
        self.caller.call("notify_peer", {"peer_name": to, "message": self.text(to)})

    def read(self):
        """Takes the inbox, closes the asks in it in one of three ways, and confirms what was read, mostly."""
        status, answer = self.caller.call("inbox", {"max": 20})
        messages = answer["messages"] if status == 200 else []
        for m in messages:
            if m["kind"] == "ask":
                how = self.rng.choice(["ack", "reply", "decline"])
                params = {"correlation_id": m["id"]}
                if how == "reply":
                    params["message"] = f"reply to {m['id']}"
                if how == "decline":
                    params["reason"] = "not today"
                self.caller.call("decline" if how == "decline" else "ack", params)
        if messages and self.rng.random() < 0.9:
            self.caller.call("inbox_confirm", {"ids": [m["id"] for m in messages]})
        return messages

    def wait(self):
        if not self.asked:
            return
        i = self.rng.randrange(len(self.asked))
        status, answer = self.caller.call("wait_on_ack", {"correlation_id": self.asked[i], "timeout_seconds": 0})
        if status == 200 and answer["outcome"]:
            self.asked.pop(i)

    def job(self):
        """A job that fails once and is then done; the fence of the first attempt must be worth nothing after it."""
        status, job = self.caller.call("job_create", {"title": f"job {self.caller.sent} of peer-{self.n}", "attempts": 3})
        fences = []
        for state in ("failed", "completed"):
            status, job = self.caller.call("job_claim", {"job_id": job["job_id"]})
            if status != 200:
                return
            fences.append(job["fence"])
            if len(fences) > 1:
                self.caller.call("job_update", {"job_id": job["job_id"], "state": "completed", "fence": fences[0], "summary": "zombie"})
            self.caller.call("job_update", {"job_id": job["job_id"], "state": state, "fence": fences[-1], "summary": state})

    def work(self, stopped):
        self.register()
        actions = [self.ask] * 4 + [self.notify] * 3 + [self.read] * 4 + [self.wait] * 3 + [self.job]
        while not stopped():
            self.rng.choice(actions)()

    def finish(self):
        while any(not m["repeat"] for m in self.read()):
            pass


def peer_process(home, n, seed, up, answered, stop, ended, writing):
    """Body of a peer's process. `up` brings a byte after each restart, `stop` is readable when it is to end. It closes
    `writing` when it asks nobody any more, and stays until all have done so, for an ask to one that has left is open for a day."""

    def stopped():
        return bool(os.pread(stop, 1, 0))

    def on_answer():
        os.write(answered, b".")

    def came_back():
        if not os.read(up, 1):
            os._exit(1)  # whoever would bring the daemon back has gone

    caller = Caller(home, f"peer-{n}", random.Random(f"{seed}-{n}"), came_back, on_answer)
    peer = Peer(caller, n)
    peer.work(stopped)
    os.close(writing)
    while os.read(ended, 1):
        pass
    peer.finish()


class Gardener(threading.Thread):
    """Makes worktrees, removes them, with their branches or without, and brings them back. `trees` is what must be
    true when nothing is under way: branch -> "live", "removed" (the branch is kept) or "gone"."""

    def __init__(self, home, name, rng, came_back, on_answer):
        super().__init__(name=name)
        self.home = home
        self.caller = Caller(home, name, rng, came_back, on_answer)
        self.rng = rng
        self.trees = {}
        self.wrong = []
        self.stopping = False

    def change(self, op, branch, params, state):
        status, answer = self.caller.call(op, {"dir": self.home.project, **params})
        if status == 200 and not answer.get("kept"):
            self.trees[branch] = state
        else:
            self.wrong.append(f"{op} {branch}: {answer}")
            self.trees.pop(branch, None)

    def step(self):
        live = [b for b, state in self.trees.items() if state == "live"]
        out = [b for b, state in self.trees.items() if state != "live"]
        what = self.rng.random()
        if what < 0.4 and len(live) < 12 or not live:
            branch = f"{self.name}/{len(self.trees) + len(self.wrong)}"
            self.change("worktree_create", branch, {"branch": branch, "base": "main"}, "live")
        elif what < 0.8 or not out:
            branch = self.rng.choice(live)
            drop = self.rng.random() < 0.5
            params = {"branches": [branch], "delete_branch": drop, "force": ["landed", "reachable"]}
            self.change("worktree_remove", branch, params, "gone" if drop else "removed")
        else:
            branch = self.rng.choice(out)
            self.change("worktree_restore", branch, {"branch": branch}, "live")

    def run(self):
        while not self.stopping:
            self.step()


WORKER = """#!/bin/sh
set -eu
name=$(echo "$COPPICE_BRANCH" | tr / -)
echo run >>"$HOME/runs-$name"
coppice notify peer-0 "$COPPICE_BRANCH starts" >/dev/null || :
echo "$name" >"$name"
git add "$name"
git commit -q -m "task $COPPICE_BRANCH"
echo "$name is done"
"""

# task, what it needs, when it starts
TASKS = (("a", "", "parallel"), ("b", "a", "stacked"), ("c", "a", "after"), ("d", "b", "parallel"))


class Runner(threading.Thread):
    """Runs one plan after another with the command line, as a person would."""

    def __init__(self, home, name, on_answer):
        super().__init__(name=name)
        self.home, self.on_answer = home, on_answer
        self.plans = []  # of those that have ended: (name, exit code, the last line)
        self.stopping = False
        self.worker = home.path("worker.sh")

    def plan_file(self, name):
        tasks = "".join(
            f"  - {{ branch: {name}/{task}, run: [{self.worker}], needs: [{need and name + '/' + need}], start: {start} }}\n"
            for task, need, start in TASKS
        )
        return self.home.write(name + ".yaml", f'repo: {self.home.project}\ninto: main\ngate: ["true"]\ntasks:\n{tasks}')

    def watch(self, file):
        """As long as a command gives up because daemon after daemon was killed under it, the next one takes over."""
        args = ["run", file, "--json"]
        while True:
            run = self.home.coppice(*args)
            if run.returncode != 4:
                return run
            if plan := self.plan_of(file):
                args = ["plan", "watch", plan, "--json"]

    def plan_of(self, file):
        run = self.home.coppice("plan", "status", "--json")
        plans = json.loads(run.stdout)["plans"] if run.returncode == 0 else []
        return next((p["plan"] for p in plans if p["file"] == file), None)

    def run(self):
        while not self.stopping:
            name = f"{self.name}-{len(self.plans)}"
            run = self.watch(self.plan_file(name))
            lines = run.stdout.strip().split("\n")
            self.plans.append((name, run.returncode, lines[-1] or run.stderr.strip()))
            self.on_answer()
