"""A Codex app server for the tests of links: one session, "t-1", at the socket of the first argument.

It makes itself known to the daemon at the second one. It refuses each message, and counts them in the file that the third argument
names; once a line comes on its standard input it takes them, after a turn of the session's own.
"""

import base64
import hashlib
import json
import os
import selectors
import socket
import struct
import subprocess
import sys

path, daemon, log = sys.argv[1:]
thread = {"id": "t-1", "cwd": os.getcwd(), "status": {"type": "idle"}, "preview": "before"}
takes = False


def send(conn, frame):
    data = json.dumps(frame).encode()
    head = bytes([0x81, len(data)]) if len(data) < 126 else bytes([0x81, 126]) + struct.pack(">H", len(data))
    conn.sendall(head + data)


def receive(stream):
    try:
        head = stream.read(2)
    except ConnectionResetError:
        head = b""
    if len(head) < 2:
        sys.exit(0)
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack(">H", stream.read(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", stream.read(8))[0]
    mask = stream.read(4)
    data = bytes(b ^ mask[i % 4] for i, b in enumerate(stream.read(size)))
    return json.loads(data) if head[0] & 0x0F == 1 else {}


def answer(conn, frame):
    results = {"thread/loaded/list": {"data": ["t-1"]}, "thread/read": {"thread": thread}, "turn/start": {"turn": {"id": "u-1"}}}
    if frame.get("method") == "turn/start":
        with open(log, "a", encoding="utf-8") as out:
            out.write("turn/start\n")
        if not takes:
            send(conn, {"id": frame["id"], "error": {"code": -1, "message": "not now"}})
            return
    if "id" in frame and "method" in frame:
        send(conn, {"id": frame["id"], "result": results.get(frame["method"], {})})


server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
body = json.dumps({"backend": "codex", "pid": os.getpid(), "socket": path})
subprocess.run(["curl", "-sS", "--fail", "--unix-socket", daemon, "-H", "Content-Type: application/json", "-d", body,
                "http://localhost/v1/link_host"], check=True, stdout=subprocess.DEVNULL)
conn = server.accept()[0]
stream = conn.makefile("rb", buffering=0)
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += stream.read(1)
key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
ready = selectors.DefaultSelector()
ready.register(conn, selectors.EVENT_READ)
ready.register(sys.stdin, selectors.EVENT_READ)
while True:
    for event, _ in ready.select():
        if event.fileobj is conn:
            answer(conn, receive(stream))
        elif os.read(0, 100):
            takes = True
            for status in ({"type": "active", "activeFlags": []}, {"type": "idle"}):
                send(conn, {"method": "thread/status/changed", "params": {"threadId": "t-1", "status": status}})
        else:
            ready.unregister(sys.stdin)
