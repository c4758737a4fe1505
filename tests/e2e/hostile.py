#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Clients of ill will, for test_hostile.sh.

hostile.py unix PATH ATTACK     an attack on a control socket
hostile.py tcp ADDR:PORT ATTACK     one on the metrics endpoint

An attack ends by itself. It fails only where it could not be made.
"""
import array
import os
import random
import resource
import socket
import sys
import time

SECONDS = 2  # of those that go on for a while


def dial():
    if sys.argv[1] == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(sys.argv[2])
        return s
    host, port = sys.argv[2].rsplit(":", 1)
    return socket.create_connection((host, int(port)), 30)


def say(s, data):
    """Sends; being hung up is an answer."""
    try:
        s.sendall(data)
        return True
    except OSError:
        return False


def drain(s):
    try:
        while s.recv(65536):
            pass
    except OSError:
        pass
    s.close()


def request(path="/metrics"):
    if sys.argv[1] == "unix":
        return b'{"cmd":"version"}\n'
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()


def thousands():
    """Two thousand connections, most of them kept open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    kept = []
    for _ in range(2000):
        try:
            kept.append(dial())
        except OSError:
            time.sleep(0.001)  # a full backlog refuses: that is fine
    time.sleep(1)
    for s in kept:
        s.close()


def drip():
    """A byte at a time on forty connections."""
    live = [dial() for _ in range(40)]
    text = request()[:-1] * 100
    end = time.monotonic() + SECONDS
    at = 0
    while time.monotonic() < end:
        live = [s for s in live if say(s, text[at:at + 1])]
        at = (at + 1) % len(text)
        while len(live) < 40:
            live.append(dial())
        time.sleep(0.02)


def half_open():
    """Says that no more will come, and stays; or goes with a reset."""
    live = []
    for i in range(300):
        try:
            s = dial()
        except OSError:
            continue
        say(s, request()[:i % 20])
        if i % 2:
            s.shutdown(socket.SHUT_WR)
            live.append(s)
        else:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         b"\1\0\0\0\0\0\0\0")
            s.close()
    time.sleep(1)


def huge():
    """Forty megabytes without an end of line; many at a time."""
    live = [dial() for _ in range(8)]
    block = b"x" * (1 << 20)
    for _ in range(40):
        live = [s for s in live if say(s, block)]
    for s in live:
        drain(s)


def unread():
    """Asks again and again, and never reads."""
    live = []
    for _ in range(40):
        s = dial()
        s.setblocking(False)
        live.append(s)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for s in live:
            try:
                s.send(request() * 100)
            except OSError:
                pass
        time.sleep(0.05)


def noise():
    """Random bytes, and valid requests with some of them changed."""
    rng = random.Random(4)
    for i in range(400):
        text = bytearray(request() * 3 if i % 2 else rng.randbytes(3000))
        for _ in range(rng.randrange(6)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        try:
            s = dial()
        except OSError:
            continue
        s.settimeout(0.05)
        if say(s, bytes(text)):
            s.shutdown(socket.SHUT_WR)
            drain(s)


def descriptors():
    """Descriptors in the ancillary data of every send."""
    for _ in range(50):
        s = dial()
        fds = array.array("i", [0] * 100)
        s.sendmsg([request()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        s.settimeout(30)
        s.recv(65536)
        s.close()


def paths():
    """Every command with paths where none belong."""
    words = ["../../etc/shadow", "/etc/shadow", "..%2f..%2fetc/shadow",
             "\x00/etc/shadow", "a" * 100000, "/proc/self/mem", "-", "~root",
             "$(reboot)", "'; reboot; '", "\u202e"]
    import json
    for cmd in ("push", "show", "history", "explain", "flows", "kill",
                "rules", "status", "rollback", "confirm", "metrics",
                "doctor", "reload", "nonsense"):
        for word in words:
            s = dial()
            say(s, json.dumps({
                "cmd": cmd, "document": word, "path": word, "file": word,
                "message": word, "generation": word, "group": word,
                "rule": word, "peer": word, "engine": word, "probes": [word],
                "table": word, "dry_run": True}).encode() + b"\n")
            s.settimeout(30)
            answer = b""
            while not answer.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    break
                answer += more
            assert b"root:" not in answer, (cmd, word)
            s.close()


def nested():
    """JSON that is deep, wide, or both."""
    for text in (b"[" * 1000000, b'{"a":' * 1000000,
                 b'{"cmd":"version","x":[' + b"0," * 2000000 + b"0]}",
                 b'{"cmd":"explain","probes":[' + b"{}," * 200000 + b"{}]}",
                 b'{"cmd":"version","cmd":"push"}',
                 b'{"cmd":"version","x":"\\ud800"}',
                 b'{"cmd":"version","x":1e99999}',
                 b'{"cmd":"pending","generation":' + b"9" * 100000 + b"}"):
        s = dial()
        if say(s, text + b"\n"):
            s.settimeout(30)
            s.recv(65536)
        s.close()


os.nice(5)
globals()[sys.argv[3]]()
