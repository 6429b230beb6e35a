"""The rules, checked against the journals, the database and the repository. Each check adds what it finds wrong to
`broken[rule]`; a rule without an entry holds."""

import glob
import json
import os
import re

from load import TASKS

RULES = (
    "D2_acknowledged_survives_kill9",
    "D2_repeated_requests_store_nothing_twice",
    "D2_shown_again_only_without_proof_and_said_so",
    "D3_order_of_a_pair_is_kept",
    "A1_closings_survive_kill9",
    "A2_an_ask_ends_once_as_its_asker_was_told",
    "J2_fences_only_grow_and_old_ones_change_nothing",
    "L1_L3_each_task_lands_once_in_dependency_order",
    "J4_each_task_is_done_once",
    "W11_worktrees_and_branches_are_as_acknowledged",
    "W11_nothing_half_made_is_left",
    "W11_no_effect_is_left_open",
    "X1_the_next_command_brings_the_daemon_back",
    "X4_the_daemon_ends_by_being_killed_only",
)


class Rules:
    def __init__(self, home):
        self.home = home
        self.broken = {rule: [] for rule in RULES}
        self.fences = {}
        self.counts = {}

    def wrong(self, rule, text):
        rule = next(r for r in RULES if r.startswith(rule))
        if text not in self.broken[rule]:
            self.broken[rule].append(text)

    def journals(self):
        """Every complete entry, with its writer; a line that is being written is left out."""
        for path in sorted(glob.glob(self.home.path("journal-*"))):
            with open(path, encoding="utf-8") as f:
                for line in f.read().split("\n")[:-1]:
                    yield os.path.basename(path)[8:], json.loads(line)

    def check_database(self):
        """What was acknowledged must be there; only while no daemon runs."""
        db = self.home.database()
        # Read before the database would be wrong: then an answer could be newer than what is compared.
        entries = list(self.journals())
        self.check_messages(db, entries)
        self.check_asks(db, entries)
        self.check_jobs(db, entries)
        self.check_main()
        db.close()

    def check_messages(self, db, entries):
        messages = {i: (text, to) for i, text, to in db.execute("SELECT id, text, to_peer FROM message")}
        for _, e in entries:
            a, p = e["answer"], e["params"]
            if e["op"] == "repeated":
                self.wrong("D2_repeated", f"{p} was answered {a[0]}, then {a[1]}")
            elif e["status"] >= 500:
                self.wrong("D2_acknowledged", f"{e['op']} was answered {e['status']}: {a}")
            elif e["status"] == 200 and e["op"] in ("ask", "notify_peer"):
                i = a.get("correlation_id") or a.get("message_id")
                if messages.get(i) != (p.get("query") or p.get("message"), a["to"]):
                    self.wrong("D2_acknowledged", f"{e['op']} {i} was acknowledged and is {messages.get(i)}")
        for text, n in db.execute("SELECT text, count(*) FROM message WHERE text LIKE 'peer-%>%' GROUP BY text HAVING count(*) > 1"):
            self.wrong("D2_repeated", f"'{text}' is stored {n} times")
        last = {}
        for (text,) in db.execute("SELECT text FROM message WHERE text LIKE 'peer-%>%' ORDER BY seq"):
            pair, n = text.rsplit(" #", 1)
            if int(n) <= last.get(pair, 0):
                self.wrong("D3", f"{text} is stored after #{last[pair]}")
            last[pair] = int(n)
        self.counts["messages"] = len(messages)
        self.check_shown(entries)

    def check_shown(self, entries):
        seen, confirmed = {}, {}
        for who, e in entries:
            if e["status"] != 200:
                continue
            if e["op"] == "inbox_confirm":
                confirmed.setdefault(who, set()).update(e["params"]["ids"])
            for m in e["answer"]["messages"] if e["op"] == "inbox" else []:
                if m["id"] in confirmed.get(who, ()):
                    self.wrong("D2_shown", f"{m['id']} was confirmed and is shown again")
                if m["id"] in seen.setdefault(who, set()) and not m["repeat"]:
                    self.wrong("D2_shown", f"{m['id']} is shown again and does not say so")
                seen[who].add(m["id"])

    def check_asks(self, db, entries):
        asks = dict(db.execute("SELECT id, state FROM question"))
        replies = dict(db.execute("SELECT id, reply FROM question"))
        for who, e in entries:
            i = e["params"].get("correlation_id")
            outcome = e["answer"].get("outcome") if e["status"] == 200 and i else None
            if not outcome:
                continue
            if e["op"] == "wait_on_ack" and (asks.get(i), replies.get(i)) != (outcome, e["answer"].get("reply")):
                self.wrong("A2", f"{who} was told that {i} ended as {outcome}, it is {asks.get(i)}")
            elif asks.get(i) != outcome:
                self.wrong("A1", f"{who} closed {i} as {outcome}, it is {asks.get(i)}")
        closed = "SELECT q.id, q.state, (SELECT count(*) FROM event WHERE kind = 'ask.closed' AND subject = q.id) FROM question q"
        for i, state, n in db.execute(closed):
            if n != (state != "open"):
                self.wrong("A2", f"{i} is {state} and ended {n} times")
        told = "SELECT about, count(*) FROM message WHERE kind = 'reply' GROUP BY about HAVING count(*) > 1"
        for i, n in db.execute(told):
            self.wrong("A2", f"the end of {i} was told {n} times")
        self.counts["asks"] = len(asks)

    def check_jobs(self, db, entries):
        fences = {(job, n): fence for job, n, fence in db.execute("SELECT job_id, n, fence FROM attempt")}
        top = max(self.fences.values(), default=0)
        for attempt, fence in fences.items():
            if attempt in self.fences and self.fences[attempt] != fence:
                self.wrong("J2", f"{attempt} had fence {self.fences[attempt]} and has {fence}")
            elif attempt not in self.fences and fence <= top:
                self.wrong("J2", f"{attempt} got fence {fence} after {top} was given")
        if lost := set(self.fences) - set(fences):
            self.wrong("J2", f"attempts are gone: {lost}")
        self.fences = fences
        titles = dict(db.execute("SELECT job_id, title FROM job"))
        states = dict(db.execute("SELECT job_id, state FROM job"))
        for _, e in entries:
            a, p = e["answer"], e["params"]
            if e["op"] == "job_update" and p.get("summary") == "zombie":
                if e["status"] == 200:
                    self.wrong("J2", f"{p['job_id']} took fence {p['fence']} of an attempt that was over")
            elif e["status"] != 200:
                continue
            elif e["op"] == "job_create" and titles.get(a["job_id"]) != p["title"]:
                self.wrong("D2_acknowledged", f"{a['job_id']} was created and is not there")
            elif e["op"] == "job_claim" and fences.get((a["job_id"], a["attempt"])) != a["fence"]:
                self.wrong("J2", f"{a['job_id']} attempt {a['attempt']} was given fence {a['fence']}")
            elif e["op"] == "job_update" and p["state"] == "completed" and states.get(p["job_id"]) != "completed":
                self.wrong("D2_acknowledged", f"{p['job_id']} was completed and is {states.get(p['job_id'])}")
        for title, n in db.execute("SELECT title, count(*) FROM job WHERE title LIKE 'job %' GROUP BY title HAVING count(*) > 1"):
            self.wrong("D2_repeated", f"'{title}' is stored {n} times")
        self.counts["jobs"] = len(titles)

    def check_main(self):
        """At any instant: a commit per landed task, and none before one that it needs."""
        landed = self.home.git("log", "--reverse", "--format=%s", "main").split("\n")
        tasks = [s[5:] for s in landed if s.startswith("task ")]
        for task in tasks:
            plan, name = task.rsplit("/", 1)
            need = next(need for t, need, _ in TASKS if t == name)
            if tasks.count(task) > 1:
                self.wrong("L1", f"{task} has {tasks.count(task)} commits on main")
            if need and (f"{plan}/{need}" not in tasks or tasks.index(f"{plan}/{need}") > tasks.index(task)):
                self.wrong("L1", f"{task} is on main before {plan}/{need}")
        return tasks

    # --- when all is over ---

    def check_end(self, gardeners, runners):
        self.check_plans([plan for r in runners for plan in r.plans])
        self.check_trees(gardeners, [plan[0] for r in runners for plan in r.plans])
        self.check_left_over()
        db = self.home.database()
        for row in db.execute("SELECT id, kind, subject, state, tries FROM outbox WHERE ended_at IS NULL OR state = 'unknown'"):
            self.wrong("W11_no_effect", f"effect {row}")
        for row in db.execute("SELECT id, kind, subject, tries, result FROM outbox WHERE state = 'failed'"):
            self.wrong("W11_no_effect", f"effect {row} failed")
        for row in db.execute("SELECT worktree_id, branch, state FROM worktree WHERE state NOT IN ('live', 'removed')"):
            self.wrong("W11_no_effect", f"worktree {row}")
        for row in db.execute("SELECT id, from_name, to_peer FROM question WHERE state = 'open'"):
            self.wrong("A2", f"ask {row} never ended")
        self.counts["effects"] = db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        db.close()

    def check_plans(self, plans):
        db = self.home.database()
        tasks = self.check_main()
        for plan, code, last in plans:
            wanted = [f"{plan}/{t}" for t, _, _ in TASKS]
            if code or not last.startswith("{") or sorted(json.loads(last).get("landed", [])) != wanted:
                self.wrong("L1", f"{plan} ended with {code}: {last}")
            for task in wanted:
                if tasks.count(task) != 1:
                    self.wrong("L1", f"{task} has {tasks.count(task)} commits on main")
                self.check_attempts(db, task)
        self.counts["plans"] = len(plans)
        db.close()

    def check_attempts(self, db, task):
        states = [s for (s,) in db.execute("SELECT a.state FROM attempt a JOIN job USING (job_id) WHERE branch = ?", (task,))]
        with open(self.home.path("home", "runs-" + task.replace("/", "-")), encoding="utf-8") as f:
            runs = len(f.readlines())
        if states != ["completed"] or runs != 1:
            self.wrong("J4", f"{task} ran {runs} times, attempts: {states}")

    def check_trees(self, gardeners, plans):
        trees = {branch: state for g in gardeners for branch, state in g.trees.items()}
        for g in gardeners:
            for text in g.wrong:
                self.wrong("W11_worktrees", text)
        live = sorted(b for b, state in trees.items() if state == "live") + ["main"]
        lines = self.home.git("worktree", "list", "--porcelain").split("\n")
        by_git = {p: b for p, b in re.findall(r"worktree (.*)\n(?:HEAD .*\n)?(?:branch refs/heads/(.*))?", "\n".join(lines))}
        if sorted(by_git.values()) != sorted(live):
            self.wrong("W11_worktrees", f"git has {sorted(by_git.values())}, acknowledged are {sorted(live)}")
        status, answer = self.home.call("worktree_list", {"dir": self.home.project})
        listed = {w["path"]: w["branch"] for w in answer.get("worktrees", [])}
        if status != 200 or listed != by_git:
            self.wrong("W11_worktrees", f"git has {by_git}, coppice lists {listed or answer}")
        for marker in ("locked", "prunable"):
            if any(line.startswith(marker) for line in lines):
                self.wrong("W11_nothing", f"a worktree is {marker}")
        for path in by_git:
            if self.home.git("status", "--porcelain", cwd=path):
                self.wrong("W11_nothing", f"{path} is not as it was checked out")
        branches = set(self.home.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split())
        wanted = {"main"} | {b for b, state in trees.items() if state != "gone"} | {f"{p}/{t}" for p in plans for t, _, _ in TASKS}
        if branches != wanted:
            self.wrong("W11_worktrees", f"branches too many {branches - wanted}, missing {wanted - branches}")
        self.counts["worktrees"] = len(trees)

    def check_left_over(self):
        self.home.git("fsck", "--connectivity-only", "--no-dangling")
        git_dir = os.path.join(self.home.project, ".git")
        known = self.home.git("worktree", "list", "--porcelain")
        for path in glob.glob(git_dir + "/**/*.lock", recursive=True) + glob.glob(git_dir + "/coppice.*"):
            if os.path.basename(path) not in ("coppice.lock",):
                self.wrong("W11_nothing", f"left over: {path}")
        for path in glob.glob(self.home.state + "/run/effect-*"):
            self.wrong("W11_nothing", f"left over: {path}")
        for path in glob.glob(self.home.root + "/project-*"):
            if f"worktree {path}\n" not in known:
                self.wrong("W11_nothing", f"left over: {path}: {self.story(path)}")

    def story(self, path):
        """What is known of a folder: it may take thousands of runs to see it a second time."""
        db = self.home.database()
        effects = "SELECT id, kind, subject, state, tries, result, created_at, ended_at FROM outbox WHERE args LIKE ? ORDER BY id"
        rows = db.execute(effects, (f'%"{path}"%',)).fetchall()
        db.close()
        if not os.path.isdir(path):
            return f"is gone by now; effects {rows}"
        return f"holds {sorted(os.listdir(path))}, changed {os.stat(path).st_mtime:.6f}; effects {rows}"
