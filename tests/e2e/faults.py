#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""System calls of the agent that fail, one after the other.

faults.py SANDBOX NETNS_A NETNS_B MOATD [--go-on] [OPERATION...]

strace counts the calls that an operation makes, then makes them fail one by
one, once (`when=N`) or from one on (`when=N+`). After each of them, whatever
the agent answered: frames meet one whole policy, the one it says; the disk
holds that one or, where it said so, the one before; the agent lives, with as
many descriptors and pins as before; and the operation, tried again, succeeds.

MOAT_FAULTS=all: every call and error, else a sample (MOAT_FAULTS=SEED: another
one; MOAT_FAULTS_TIMES=N: one N times as large). Prints what was done, and exits
1 with the first broken promise; with --go-on at the end.
"""
import os
import random
import signal
import socket
import subprocess
import sys
import time

import fault_world as world
from fault_world import (B2, HOME, MOATD, MORE, NS_A, NS_B, Broken, Fault,
                         Trace, World, ctl, document, run, until)

# What each call may fail with (its manual page), that is within reach.
ERRORS = {
    "bpf": ["ENOMEM", "EPERM", "EAGAIN", "EBUSY"],
    "openat": ["EMFILE", "EIO", "ENOMEM"], "read": ["EIO", "EINTR"],
    "write": ["ENOSPC", "EIO", "EINTR"], "pwrite64": ["ENOSPC", "EIO"],
    "fsync": ["EIO", "ENOSPC"], "fdatasync": ["EIO", "ENOSPC"],
    "renameat": ["EIO", "ENOSPC"], "rename": ["EIO"], "unlinkat": ["EIO"],
    "unlink": ["EIO"], "ftruncate": ["EIO"], "mkdirat": ["ENOSPC"],
    "mmap": ["ENOMEM"], "socket": ["EMFILE", "ENOMEM"], "bind": ["ENOMEM"],
    "sendto": ["ENOBUFS", "EINTR"], "sendmsg": ["ENOBUFS"],
    "recvfrom": ["ENOMEM", "EINTR"], "recvmsg": ["ENOBUFS", "EINTR"],
    "accept4": ["EMFILE", "ECONNABORTED"], "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "epoll_wait": ["EINTR"], "epoll_create1": ["EMFILE"],
    "signalfd4": ["EMFILE"], "fcntl": ["EMFILE"], "getdents64": ["EIO"],
    "membarrier": ["EPERM"], "fstatfs": ["EIO"], "flock": ["ENOMEM"],
    "newfstatat": ["EIO"], "getsockname": ["ENOBUFS"],
    "timerfd_create": ["EMFILE"], "eventfd2": ["EMFILE"], "clone": ["EAGAIN"],
}


# ---- operations --------------------------------------------------------------

class Operation:
    """One that changes the policy by one request."""
    changes = True
    without = ()  # calls whose failure means nothing here
    found = ()    # call, error, lasting or not, what its line holds

    def __init__(self, world):
        self.w = world

    def prepare(self):
        """Before the faults begin."""

    def act(self):
        raise NotImplementedError

    def done(self):
        """It was: what is in force now?"""

    def again(self):
        return self.act()

    def check(self, reply):
        """After a fault, which is gone."""
        w = self.w
        unwritten = reply and any("not written" in t for t in
                                  reply.get("warnings", []))
        if reply is None:
            w.find()
        elif reply["ok"]:
            self.done()
        elif not reply.get("error") or reply["code"] != 4:
            raise Broken(f"refused without a reason: {reply}")
        if self.changes:
            w.agrees(written=not unwritten and not self.pending())
        if not self.w.must("status"):
            raise Broken("no status")

    def pending(self):
        return ctl("status")["pending"]

    def repeat(self):
        reply = self.again()
        if not reply or not reply["ok"]:
            raise Broken(f"with the fault gone: {reply}")
        self.done()
        if self.changes:
            self.w.agrees(written=True)

    def fault(self, f):
        """Was it met, and did the operation succeed all the same?"""
        self.prepare()
        with Trace(self.w.agent, f):
            reply = self.act()
        if self.w.agent.process.poll() is not None:
            raise Broken("the agent has ended")
        self.check(reply)
        met, ok = Trace.injected(), bool(reply and reply.get("ok"))
        self.repeat()
        self.w.calm()
        return met, ok

    def count(self):
        self.prepare()
        with Trace(self.w.agent):
            self.act()
        self.done()
        return Trace.calls()


class Push(Operation):
    found = (("renameat", "ENOSPC", "", '"committed.json"'),
             ("renameat", "EIO", "+", '"committed.json"'),
             ("unlinkat", "EIO", "", "pending.json"))

    def prepare(self):
        self.to = 1 - self.w.way

    def act(self):
        return ctl("push", document=document(self.to), now=True)

    def done(self):
        if self.w.way != self.to:
            self.w.member = False
        self.w.way = self.to


class Reload(Push):
    found = ()

    def prepare(self):
        super().prepare()
        with open(f"{HOME}/policy.yaml", "w", encoding="utf-8") as f:
            f.write(document(self.to))

    def act(self):
        return ctl("reload")


class Tried(Push):
    """Pushed, and waits for its confirmation."""
    found = ()

    def prepare(self):
        super().prepare()
        self.w.must("push", document=document(self.to), confirm_seconds=600)
        super().done()


class Confirm(Tried):
    found = (("renameat", "EIO", "", '"committed.json"'),)

    def act(self):
        return ctl("confirm")

    def again(self):
        if self.pending():
            return self.act()
        return ctl("push", document=document(self.to), now=True)

    def done(self):
        pass


class Undo(Tried):
    def act(self):
        return ctl("rollback")

    def again(self):
        return self.act() if self.pending() else {"ok": True}

    def prepare(self):
        self.before = self.w.way, self.w.member
        super().prepare()

    def done(self):
        self.w.way, self.w.member = self.before


class Rollback(Operation):
    def prepare(self):
        self.generation = ctl("status")["generation"]
        self.before = self.w.way, self.w.member
        self.w.way, self.w.member = 1 - self.w.way, False
        self.w.must("push", document=document(self.w.way), now=True)

    def act(self):
        return ctl("rollback", generation=self.generation)

    def done(self):
        self.w.way, self.w.member = self.before


class Member(Operation):
    def prepare(self):
        self.to = not self.w.member

    def act(self):
        return ctl("member", op="add" if self.to else "remove",
                   group="peers", addresses=[B2])

    def done(self):
        self.w.member = self.to


class Look(Operation):
    changes = False
    commands = ("status", "rules", "drops", "flows", "history", "doctor")

    def act(self):
        for self.cmd in self.commands:
            reply = ctl(self.cmd)
            if not reply or not reply["ok"]:
                return reply
        return reply

    def check(self, reply):
        if reply and not reply["ok"] and not reply.get("error"):
            raise Broken(f"{self.cmd}: no reason: {reply}")
        self.w.frames()


class Scrape(Operation):
    changes = False
    # Failing to take a descriptor out of the set, which nothing but strace
    # can do, makes libmicrohttpd end the process.
    without = ("epoll_ctl",)

    def act(self):
        return {"ok": self.w.page(), "error": "no page"}

    def check(self, reply):
        self.w.frames()


class Address(Operation):
    """One comes or goes: the agent looks at everything anew."""
    changes = False
    found = (("bpf", "ENOMEM", "+", "BPF_OBJ_GET_INFO_BY_FD"),
             ("bpf", "EPERM", "+", "BPF_PROG_QUERY"))

    def prepare(self):
        self.has = not getattr(self, "has", False)

    def there(self):
        s = ctl("status") or {}
        return self.has == any(a["address"] == MORE for a in
                               s.get("addresses", []))

    def act(self):
        run("ip", "-n", NS_A, "addr", "add" if self.has else "del",
            f"{MORE}/32", "dev", "eth0")
        # What it takes, and a bit more, while the fault is there.
        time.sleep(0.15)
        return {"ok": True}

    def check(self, reply):
        self.w.frames()

    def repeat(self):
        until(f"{MORE} is seen", self.there)
        self.w.frames()
        if any("not enforced" in t for t in ctl("status")["degraded"]):
            until("enforced", lambda: not any(
                "not enforced" in t for t in ctl("status")["degraded"]))


class Device(Address):
    """One comes or goes, with links of its own."""
    found = ()
    # The pin of a link that is gone goes with the next start.
    without = ("unlink",)

    def there(self):
        s = ctl("status") or {}
        found = [i for i in s.get("interfaces", []) if i["name"] == "eth1"]
        return [i["enforcing"] for i in found] == [True] * self.has

    def act(self):
        if self.has:
            run("ip", "-n", NS_A, "link", "add", "eth1", "type", "veth",
                "peer", "name", "p1", "netns", NS_B)
            run("ip", "-n", NS_A, "link", "set", "eth1", "up")
        else:
            run("ip", "-n", NS_A, "link", "del", "eth1")
        time.sleep(0.2)
        return {"ok": True}

    def repeat(self):
        until(f"eth1 is {'' if self.has else 'not '}enforced", self.there)
        self.w.frames()
        if self.has:
            self.prepare()
            self.act()
            until("eth1 is gone", self.there)


class Restart(Operation):
    """Of an agent whose programs, maps and policy live on."""
    found = (("openat", "EMFILE", "", "machine-id"),
             ("openat", "EIO", "", '"committed.json"'),
             ("openat", "EIO", "+", '"committed.json"'),
             ("openat", "EIO", "", '"pending.json"'),
             ("openat", "ENOMEM", "", '.members"'),
             ("openat", "EIO", "+", '"xdp.json"'))

    def count(self):
        w = self.w
        if not w.member:
            w.must("member", op="add", group="peers", addresses=[B2])
            w.member = True
        w.agent.stop()
        Trace(w.agent).over_start()
        return Trace.calls()

    def fault(self, f):
        w = self.w
        w.agent.stop()
        up = Trace(w.agent, f).over_start()
        self.judge(up)
        met = Trace.injected()
        if up:
            w.agent.stop()
        if not w.agent.start():
            raise Broken("it does not start with the fault gone")
        w.agrees(written=True)
        w.calm()
        return met, up

    def judge(self, up):
        w = self.w
        if not up and (w.agent.process.returncode <= 0 or
                       "moatd: " not in w.agent.said() and
                       not w.agent.said().strip()):
            raise Broken(f"ended by {w.agent.process.returncode}, saying "
                         f"{w.agent.said()!r}")
        w.frames()
        if up:
            w.agrees(written=False)


class First(Restart):
    """Nothing of it is there yet; the configured file is its policy."""
    found = (("openat", "ENOSPC", "+", '"xdp.json.tmp"'),
             ("renameat", "EIO", "", '"xdp.json"'))

    def clear(self):
        w = self.w
        w.agent.stop()
        run("nsenter", f"--net=/run/netns/{NS_A}", MOATD, "--detach-all",
            "--config", f"{HOME}/moatd.yaml")
        run("rm", "-rf", f"{HOME}/state")
        w.way, w.member = 0, False
        with open(f"{HOME}/policy.yaml", "w", encoding="utf-8") as f:
            f.write(document(0))

    def count(self):
        self.clear()
        Trace(self.w.agent).over_start()
        return Trace.calls()

    def fault(self, f):
        w = self.w
        self.clear()
        up = Trace(w.agent, f).over_start()
        met = Trace.injected()
        if up:
            reply = ctl("status")
            if not reply or (reply["state"] not in (
                    "enforcing", "degraded", "before-first-policy")):
                raise Broken(f"up, and {reply}")
            w.recorded()
            w.agent.stop()
        elif w.agent.process.returncode <= 0 or not w.agent.said().strip():
            raise Broken(f"ended by {w.agent.process.returncode}, silent")
        if not w.agent.start():
            raise Broken("it does not start with the fault gone")
        if ctl("status")["policy"] is None:
            w.must("reload")
        w.agrees(written=True)
        w.recorded()
        w.calm()
        return met, up


class Killed:
    """The agent is killed at a call of another operation, and started."""

    def __init__(self, operation):
        self.op, self.w = operation, operation.w
        self.without = operation.without
        self.found = ()

    def count(self):
        return self.op.count()

    def fault(self, f):
        w = self.w
        self.op.prepare()
        with Trace(w.agent, f):
            reply = self.op.act()
        if w.agent.process.poll() is None:
            until("end or answer", lambda: w.agent.process.poll()
                  is not None or ctl("version"))
        dead = w.agent.process.poll() is not None
        if reply and reply["ok"]:
            self.op.done()
        else:
            w.find()
        w.frames()
        if dead and not w.agent.start():
            raise Broken("it does not start again")
        w.agrees(written=not self.op.pending())
        if self.op.pending():
            w.must("confirm")
        w.agrees(written=True)
        w.calm()
        return dead, bool(reply)


def no_descriptors(w):
    """With none left for a client that waits, the loop must not run hot."""
    with Trace(w.agent, Fault("accept4", "EMFILE", 1, "+")):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(world.PATIENCE)
        s.connect(f"{HOME}/run/control.sock")
        until("accept4", Trace.injected)
        time.sleep(0.5)
    tries = len(Trace.calls()["accept4"])
    if tries > 5:
        raise Broken(f"{tries} times accept4 in half a second")
    s.sendall(b'{"cmd": "version"}\n')
    if b'"ok":true' not in s.recv(4096):
        raise Broken("who has waited is not served")
    s.close()
    w.calm()


# ---- which faults ------------------------------------------------------------

LASTING = ("bpf", "openat", "write", "fsync", "renameat", "mmap", "socket",
           "unlinkat", "membarrier")


def faults_of(operation, calls):
    kill = isinstance(operation, Killed)
    for call, lines in sorted(calls.items()):
        if call not in ERRORS or call in operation.without:
            continue
        for number, line in enumerate(lines, 1):
            if line is None:
                continue
            if kill:
                yield Fault(call, "", number)
                continue
            for error in ERRORS[call]:
                yield Fault(call, error, number)
                if call in LASTING and error not in ("EINTR", "EAGAIN"):
                    yield Fault(call, error, number, "+")


def certain(operation, calls):
    """Faults that have found something, in whatever sample."""
    for call, error, on, pattern in operation.found:
        numbers = [n for n, line in enumerate(calls.get(call, ()), 1)
                   if line and pattern in line]
        if not numbers:
            raise Broken(f"no {call} of {pattern}")
        yield Fault(call, error, numbers[-1], on)


def sample(faults, rng, most):
    """Some of every call."""
    by_call = {}
    for f in faults:
        by_call.setdefault(f.call, []).append(f)
    chosen = []
    for some in by_call.values():
        rng.shuffle(some)
    while by_call and len(chosen) < most:
        for call in sorted(by_call, key=lambda c: rng.random()):
            chosen.append(by_call[call].pop())
            if not by_call[call]:
                del by_call[call]
    return chosen[:most]


def main():
    how = os.environ.get("MOAT_FAULTS", "1")
    rng = random.Random(0 if how == "all" else int(how))
    w = World()
    w.agent.start()
    w.must("push", document=document(0), now=True)
    w.frames()
    w.remember()
    # Name, operation, how many of its faults are a sample.
    table = [
        ("push", Push(w), 40), ("confirm", Confirm(w), 14),
        ("undo", Undo(w), 10), ("rollback", Rollback(w), 14),
        ("member", Member(w), 24), ("reload", Reload(w), 10),
        ("look", Look(w), 14), ("scrape", Scrape(w), 12),
        ("address", Address(w), 6), ("device", Device(w), 5),
        ("restart", Restart(w), 2), ("first", First(w), 2),
        ("push killed", Killed(Push(w)), 3),
        ("confirm killed", Killed(Confirm(w)), 2),
        ("member killed", Killed(Member(w)), 2),
    ]
    broken, go_on = 0, "--go-on" in sys.argv[5:]
    larger = int(os.environ.get("MOAT_FAULTS_TIMES", "1"))
    wanted = [a for a in sys.argv[5:] if a != "--go-on"]
    for name, operation, most in table:
        if wanted and name not in wanted:
            continue
        calls = operation.count()
        faults = list(faults_of(operation, calls))
        if how != "all":
            faults = [*certain(operation, calls), *sample(faults, rng, most * larger)]
        met = failed = 0
        begin = time.monotonic()
        for f in faults:
            try:
                one, ok = operation.fault(f)
            except Broken as e:
                print(f"BROKEN {name}: {f}: {e}", flush=True)
                broken += 1
                if not go_on:
                    sys.exit(1)
                recover(w)
                continue
            met += one
            failed += one and not ok
        print(f"{name}: {sum(len(c) for c in calls.values())} calls, {len(faults)} faults, "
              f"{met} met, {failed} failed it, "
              f"{time.monotonic() - begin:.0f} s", flush=True)
    if not wanted:
        no_descriptors(w)
    w.agent.stop()
    sys.exit(broken > 0)


def recover(w):
    """For --go-on: everything anew."""
    w.agent.stop(signal.SIGKILL)
    run("nsenter", f"--net=/run/netns/{NS_A}", MOATD, "--detach-all",
        "--config", f"{HOME}/moatd.yaml")
    run("rm", "-rf", f"{HOME}/state", f"{HOME}/policy.yaml")
    for what in ("link del eth1", f"addr del {MORE}/32 dev eth0"):
        subprocess.run(["ip", "-n", NS_A, *what.split()], check=False,
                       stderr=subprocess.DEVNULL)
    w.agent.start()
    w.way, w.member = 0, False
    w.must("push", document=document(0), now=True)
    w.remember()


if sys.argv[5:] == ["serve"]:
    world.serve()
main()
