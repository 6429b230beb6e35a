"""A home of the test's own (X5): the real binary, git and tmux on private sockets below one temporary folder."""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile

STATUS_LIMIT = 60  # seconds that only a hang reaches


class Lost(Exception):
    """The connection ended before the answer was complete: nobody knows whether the request was carried out."""


class Home:
    def __init__(self, binary):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="coppice-crash-"))
        os.mkdir(self.path("bin"), 0o700)
        self.binary = shutil.copy2(os.path.realpath(binary), self.path("bin", "coppice"))  # a build may replace it meanwhile
        guard = os.path.join(os.path.dirname(os.path.realpath(binary)), "coppice-guard")
        if os.path.exists(guard):
            shutil.copy2(guard, self.path("bin"))
        self.state = self.path("state")
        self.project = self.path("project")
        for name in ("home", "run", "config", "state"):
            os.mkdir(self.path(name), 0o700)
        keep = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        self.env = {k: os.environ[k] for k in keep if k in os.environ}
        self.env |= {
            "PATH": os.path.dirname(self.binary) + ":" + os.environ["PATH"],
            "HOME": self.path("home"),
            "XDG_RUNTIME_DIR": self.path("run"),
            "XDG_CONFIG_HOME": self.path("config"),
            "TMUX_TMPDIR": self.path("run"),
            "COPPICE_HOME": self.state,
            "COPPICE_TERMINAL__SOCKET": "test",
            "COPPICE_DELIVERY__QUEUE_LENGTH": "100000",
            "COPPICE_GOVERNOR__HOPS": "1000",
            "COPPICE_GOVERNOR__PAIR_PER_MINUTE": "10000",
            "COPPICE_GOVERNOR__CIRCLE_PER_HOUR": "0",
            "GIT_CONFIG_GLOBAL": self.path("gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": self.root,
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
        }
        self.write("gitconfig", "[user]\n\tname = Test User\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n")

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def git(self, *args, cwd=None):
        run = subprocess.run(["git", *args], cwd=cwd or self.project, env=self.env, text=True, capture_output=True, check=False)
        if run.returncode:
            raise RuntimeError(f"git {' '.join(args)}: {run.stderr.strip()}")
        return run.stdout

    def coppice(self, *args, **options):
        return subprocess.run([self.binary, *args], cwd=self.root, env=self.env, text=True, capture_output=True, check=False, **options)

    def coppice_begin(self, *args, **options):
        return subprocess.Popen([self.binary, *args], cwd=self.root, env=self.env, text=True, **options)

    def status(self):
        """The next command: it starts the daemon if none runs."""
        run = self.coppice("status", "--json", timeout=STATUS_LIMIT)
        if run.returncode:
            raise RuntimeError(f"status ended with {run.returncode}: {run.stderr.strip()}")
        return json.loads(run.stdout)

    def call(self, op, params, key=None):
        """One operation over a connection of its own: (status, answer). Raises Lost."""
        with Connection(self) as c:
            return c.call(op, params, key)

    def start_lock(self):
        """While it is held, no command starts a daemon."""
        f = open(os.path.join(self.state, "start.lock"), "a", encoding="utf-8")
        fcntl.flock(f, fcntl.LOCK_EX)
        return f

    def processes(self):
        """(pid, argv, parent) of each process of this home."""
        mark = b"COPPICE_HOME=" + self.state.encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark not in f.read().split(b"\0"):
                        continue
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    argv = f.read().decode(errors="replace").split("\0")[:-1]
                with open(f"/proc/{pid}/stat", "rb") as f:
                    parent = int(f.read().rsplit(b")", 1)[1].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            found.append((int(pid), argv, parent))
        return found

    def daemons(self):
        return [pid for pid, argv, _ in self.processes() if argv[1:2] == ["daemon"]]

    def workers(self):
        """Worker processes and what they started."""
        processes = self.processes()
        pids = {pid for pid, argv, _ in processes if argv[1:2] == ["worker"]}
        while more := {pid for pid, _, parent in processes if parent in pids} - pids:
            pids |= more
        return pids

    def log(self):
        """The last line that the daemon logged."""
        try:
            with open(self.path("state", "daemon.log"), encoding="utf-8", errors="replace") as f:
                return (f.read().strip().split("\n") or [""])[-1]
        except FileNotFoundError:  # whatever went wrong was before any daemon: that is to be told, not this
            return "there is no log"

    def database(self):
        """A copy of the database as the disk has it; only while no daemon runs."""
        folder = tempfile.mkdtemp(dir=self.root)
        for suffix in ("", "-wal"):
            if os.path.exists(self.path("state", "coppice.db" + suffix)):
                shutil.copy(self.path("state", "coppice.db" + suffix), folder)
        db = sqlite3.connect(os.path.join(folder, "coppice.db"))
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        shutil.rmtree(folder)  # open, and so readable to the end
        return db

    def end(self, keep):
        subprocess.run(["tmux", "-L", "test", "kill-server"], env=self.env, capture_output=True, check=False)
        for pid in self.daemons():
            kill(pid)
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)


def kill(pid):
    """SIGKILL, and returns when the process is over."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [])
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


class Connection:
    """A keep-alive HTTP connection to the daemon."""

    def __init__(self, home):
        self.token = ""
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            with open(os.path.join(home.state, "socket"), encoding="utf-8") as f:
                where = f.read()
            with open(os.path.join(home.state, "token"), encoding="utf-8") as f:
                self.token = f.read().strip()
            self.socket.connect(where)
        except OSError as e:
            self.socket.close()
            raise Lost from e

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def call(self, op, params, key=None):
        body = json.dumps(params).encode()
        head = f"POST /v1/{op} HTTP/1.1\r\nHost: coppice\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n" + (f"Idempotency-Key: {key}\r\n" if key else "") + "\r\n"
        try:
            self.socket.sendall(head.encode() + body)
            return self.answer()
        except OSError as e:
            raise Lost from e

    def answer(self):
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        while len(self.buffer) < length:
            self.more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(lines[0].split()[1]), json.loads(body)

    def more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise Lost
        self.buffer += chunk
