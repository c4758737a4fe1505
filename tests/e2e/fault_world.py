#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What faults.py needs: both ends of traffic, the disk, the agent, strace."""
import ctypes
import glob
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

SANDBOX, NS_A, NS_B, MOATD = sys.argv[1:5]
HOME = f"{SANDBOX}/a"
PATIENCE = 120
A, B, B2 = "10.1.0.1", "10.1.0.2", "10.1.0.3"
MORE = "10.1.0.9"       # an address that comes and goes
KEPT, MEMBERS = 82, 83  # open in both policies; to group `peers` alone
WAYS = (80, 81)         # what one policy opens, the other closes


class Broken(Exception):
    """A promise that was not kept."""


def enter(netns):
    fd = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Broken(f"{what}: never came")
        time.sleep(0.02)


# ---- both ends of the traffic ------------------------------------------------

def serve():
    """In a: every port answers what it hears."""
    enter(NS_A)
    poll = []
    for port in (*WAYS, KEPT, MEMBERS):
        s = socket.create_server(("", port), backlog=64)
        if os.fork() == 0:
            poll = s
            break
    else:
        signal.pause()
    while True:
        c = poll.accept()[0]
        if os.fork() == 0:
            poll.close()
            while data := c.recv(4096):
                c.sendall(data)
            os._exit(0)
        c.close()


def opening(port, source):
    s = socket.socket()
    s.bind((source, 0))
    s.setblocking(False)
    try:
        s.connect((A, port))
    except BlockingIOError:
        pass
    return s


def connected(s):
    try:
        s.getpeername()
        return True
    except OSError:
        return False


def probe():
    """In b: asked for what must be open and shut, says what is not so. One CPU
    for all, so that an opening comes to its end before the next one: what was
    shut when the open one answers stays shut."""
    enter(NS_B)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kept = None
    for line in sys.stdin:
        asked = json.loads(line)
        if kept is None:
            kept = socket.create_connection((A, KEPT), PATIENCE)
        wrong = []
        if "which" in asked:
            tried = [opening(p, s) for p, s in asked["which"]]
            socket.create_connection((A, KEPT), PATIENCE).close()
            print(json.dumps([connected(s) for s in tried]), flush=True)
            for s in tried:
                s.close()
            continue
        shut = [(p, s, opening(p, s)) for p, s in asked["shut"]]
        for port, source in asked["open"]:
            try:
                s = socket.create_connection((A, port), PATIENCE, (source, 0))
                s.close()
            except OSError as e:
                wrong.append(f"{port} from {source} is shut: {e}")
        for port, source, s in shut:
            if connected(s):
                wrong.append(f"{port} from {source} is open")
            s.close()
        try:
            kept.sendall(b"lives")
            if kept.recv(64) != b"lives":
                wrong.append("the connection ended")
        except OSError as e:
            wrong.append(f"the connection hangs: {e}")
        print(json.dumps(wrong), flush=True)


def fetch():
    """In a: one page of metrics a line."""
    enter(NS_A)
    for _ in sys.stdin:
        text = b""
        try:
            s = socket.create_connection(("127.0.0.1", 9849), PATIENCE)
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            while more := s.recv(65536):
                text += more
            s.close()
        except OSError:
            pass
        print(json.dumps(text.startswith(b"HTTP/1.1 200") and
                         b"moat_build_info" in text), flush=True)


class Helper:
    def __init__(self, fn):
        ask, self.out = os.pipe()
        self.answer, say = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(ask, 0)
            os.dup2(say, 1)
            os.closerange(3, 100)
            fn()
            os._exit(0)
        os.close(ask)
        os.close(say)
        self.answer = os.fdopen(self.answer)

    def __call__(self, question=None):
        os.write(self.out, json.dumps(question).encode() + b"\n")
        return json.loads(self.answer.readline())


# ---- what is on the disk -----------------------------------------------------

def sha(data):
    return hashlib.sha256(data).hexdigest()


def stored(path):
    """The JSON of a state file, every checksum checked."""
    with open(path, "rb") as f:
        head, _, body = f.read().partition(b"\n")
    word, version, total = head.split()
    document = None
    if version == b"2":
        body, _, document = body.partition(b"\n")
    if word != b"moat-state" or sha(body) != total.decode():
        raise Broken(f"{path}: checksum")
    value = json.loads(body)
    if document is not None and sha(document) != value["sha256"]:
        raise Broken(f"{path}: checksum of the document")
    return value


def committed():
    """The committed policy; everything else that is stored is checked."""
    for path in glob.glob(f"{HOME}/state/**/*.json", recursive=True):
        stored(path)
    path = f"{HOME}/state/committed.json"
    return stored(path) if os.path.exists(path) else {"policy": None}


def xdp_record():
    """What is stored of the last attach of XDP; {}: nothing."""
    path = f"{HOME}/state/xdp.json"
    return stored(path) if os.path.exists(path) else {}


# ---- the agent ---------------------------------------------------------------

def ctl(cmd, **request):
    """The last value of the reply; None: there was none."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    text = b""
    try:
        s.connect(f"{HOME}/run/control.sock")
        s.sendall(json.dumps({"cmd": cmd, **request}).encode() + b"\n")
        s.shutdown(socket.SHUT_WR)
        while more := s.recv(65536):
            text += more
    except OSError:
        pass
    finally:
        s.close()
    last = json.loads(text.splitlines()[-1]) if text.endswith(b"\n") else {}
    return last if "ok" in last else None


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Agent:
    def __init__(self):
        self.process = None
        self.log = open(f"{HOME}/moatd.log", "a+b")

    def start(self, tracer=()):
        """True: it answers; False: it has ended."""
        self.log.seek(0, os.SEEK_END)
        self.begin = self.log.tell()
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{NS_A}", *tracer, MOATD,
             "--config", f"{HOME}/moatd.yaml"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until("answer or end", lambda: self.process.poll() is not None or
              (ctl("version") or {}).get("ok"))
        return self.process.poll() is None

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(PATIENCE)

    def said(self):
        """Since it was started."""
        self.log.seek(self.begin)
        return self.log.read().decode()

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def tracer(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            return int(re.search(r"TracerPid:\s*(\d+)", f.read())[1])


class Trace:
    """strace over the living agent, or over one to be started."""
    LOG = f"{SANDBOX}/trace"

    def __init__(self, agent, fault=None):
        self.agent, self.strace = agent, None
        self.options = ["strace", "-f", "-qq", "-o", self.LOG]
        if fault:
            how = f"error={fault.error}" if fault.error else "signal=KILL"
            self.options += [
                "-e", f"trace={fault.call}", "-e",
                f"inject={fault.call}:{how}:when={fault.number}{fault.on}"]
        if os.path.exists(self.LOG):
            os.unlink(self.LOG)

    def __enter__(self):
        self.strace = subprocess.Popen(
            [*self.options, "-p", str(self.agent.process.pid)],
            stderr=subprocess.DEVNULL)
        # It may be killed at the call that it is found in.
        until("strace", lambda: self.agent.process.poll() is not None or
              self.agent.tracer())
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(PATIENCE)

    def over_start(self):
        """-D: the agent stays our child."""
        up = self.agent.start([*self.options, "-D", "-I", "1"])
        if up and (tracer := self.agent.tracer()):
            os.kill(tracer, signal.SIGINT)
            until("strace is gone", lambda: not self.agent.tracer())
        return up

    @classmethod
    def calls(cls):
        """The lines of each system call; those of the dynamic loader, which
        come before the agent reads its configuration, count as None."""
        lines, agents = {}, False
        with open(cls.LOG, encoding="utf-8", errors="replace") as f:
            text = f.readlines()
        starts = any("moatd.yaml" in t for t in text if "openat(" in t)
        for line in text:
            agents |= not starts or "openat(" in line and "moatd.yaml" in line
            if call := re.match(r"(?:\d+ +)?(\w+)\(", line):
                lines.setdefault(call[1], []).append(line if agents else None)
        return lines

    @classmethod
    def injected(cls):
        with open(cls.LOG, encoding="utf-8", errors="replace") as f:
            return "INJECTED" in (text := f.read()) or "KILL" in text


class Fault:
    def __init__(self, call, error, number, on=""):
        self.call, self.error, self.number, self.on = call, error, number, on

    def __str__(self):
        return f"{self.call} {self.error or 'KILL'} {self.number}{self.on}"


# ---- the world as it should be -----------------------------------------------

def document(way):
    return f"""version: 1
name: way{way}
mode: enforce
security_groups:
  base:
    members: [{A}/32, {MORE}/32, "fd00:1::1"]
    ingress:
      - {{name: one, from: [any], protocol: tcp, ports: [{WAYS[way]}, {KEPT}]}}
      - {{name: more, from: [peers], protocol: tcp, ports: [{MEMBERS}]}}
  peers: {{members: [10.1.0.250]}}
"""


def count_pins():
    return sum(len(files) for _, _, files in os.walk(f"{SANDBOX}/bpf"))


class World:
    """What is in force, by what the agent has said."""

    def __init__(self):
        self.agent = Agent()
        self.traffic = Helper(probe)
        self.page = Helper(fetch)
        self.way = 0         # which policy
        self.member = False  # is B2 in group `peers`
        self.fds = self.pins = 0

    def wrong(self, way, member):
        peers = [[MEMBERS, B2]]
        return self.traffic({
            "open": [[WAYS[way], B]] + (peers if member else []),
            "shut": [[WAYS[1 - way], B]] + ([] if member else peers)})

    def frames(self):
        if wrong := self.wrong(self.way, self.member):
            raise Broken("; ".join(wrong))

    def find(self):
        """Nobody has told: by frames."""
        one, other, self.member = self.traffic(
            {"which": [[WAYS[0], B], [WAYS[1], B], [MEMBERS, B2]]})
        if one == other:
            raise Broken("frames meet no policy that there was")
        self.way = int(other)

    def agrees(self, written):
        """Status, frames and disk say the same."""
        s = ctl("status")
        if not s or (s["policy"] or {}).get("name") != f"way{self.way}":
            raise Broken(f"status is not of way{self.way}: {s}")
        self.frames()
        disk = committed()["policy"]
        if disk not in ("way0", "way1") or (
                written and disk != f"way{self.way}"):
            raise Broken(f"{disk} is stored, way{self.way} in force")

    def recorded(self):
        """XDP that is there has a record of this boot, which says that the
        host has not outlived it; XDP that is not, a reason."""
        s = ctl("status")
        eth0 = [i for i in s["interfaces"] if i["name"] == "eth0"][0]
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            boot = f.read().strip()
        if eth0["xdp"]["attach"] == "none":
            if not eth0["xdp_why"]:
                raise Broken("no XDP, and no reason")
        elif (r := xdp_record()).get("boot") != boot or r["end"] != "open":
            raise Broken(f"XDP is attached, its record: {r}")

    def calm(self):
        until(f"descriptors: {self.agent.fds()}, {self.fds} before",
              lambda: self.agent.fds() <= self.fds)
        if count_pins() != self.pins:
            raise Broken(f"{count_pins()} pins, {self.pins} before")

    def remember(self):
        ctl("status")
        self.page()
        time.sleep(0.3)
        self.fds = self.agent.fds()
        self.pins = count_pins()

    def must(self, cmd, **request):
        reply = ctl(cmd, **request)
        if not reply or not reply["ok"]:
            raise Broken(f"{cmd}, with no fault: {reply}")
        return reply
