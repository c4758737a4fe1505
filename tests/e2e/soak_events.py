# SPDX-License-Identifier: BSD-2-Clause
"""What is done to the machine during a soak, lane by lane. Each lane makes
its plan from the seed beforehand and carries it out by itself, so that all
happens at once; what it does to a path the observer is told first."""
import errno
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import soak_foreign
import soak_net as net

SETTLE = 2.5        # seconds after a link is up until nothing may be lost
PROMISED = 1.0      # seconds from a device's appearance to our programs
REPAIRED = 10.0     # seconds for what failed at first
LAST_OF_FLOOD = 20.0    # seconds until its flows have expired and are gone
AGENT_DEAD = 11.5   # seconds until new addresses are judged without it (F36)


class Lane(threading.Thread):
    """plan(): yields (pause, name of a method, arguments)."""
    name = "?"

    def __init__(self, world, agent, seconds):
        super().__init__(name=self.name, daemon=True)
        self.world, self.agent, self.seconds = world, agent, seconds
        self.rng = random.Random(f"{world.seed}-{self.name}")
        self.events = list(self.plan())

    def pick(self, weights):
        return self.rng.choices(list(weights), weights=weights.values())[0]

    def run(self):
        try:
            self.setup()
            end = self.world.began + self.seconds
            for pause, method, arguments in self.events:
                if self.idle(pause) or time.monotonic() > end:
                    break
                self.log(f"{method} {' '.join(str(a) for a in arguments)}")
                self.world.count(f"{self.name} {method}")
                getattr(self, method)(*arguments)
        except Exception as e:      # a lane that is gone tests nothing
            said = getattr(e, "stderr", b"") or b""
            self.world.broken(f"lane {self.name}: {type(e).__name__}: {e} "
                              f"{said.decode()}")

    def setup(self):
        pass

    def spoil(self, *paths):
        for path in paths:
            self.world.tell(path=path, by=self.name, good=False)

    def mend(self, *paths):
        """They are good again, when all has settled."""
        at = time.monotonic() + SETTLE
        for path in paths:
            self.world.tell(at, path=path, by=self.name, good=True)
        self.world.sleep(SETTLE)

    def idle(self, seconds):
        return self.world.sleep(seconds)

    def log(self, text):
        self.world.log(self.name, text)


# ---- the agent's life ----
class Lives(Lane):
    name = "agent"

    def plan(self):
        while True:
            how = self.pick({"kill": 5, "stop": 3})
            dead = self.rng.choice((0, 0, 0.2, 1, 3, AGENT_DEAD + 2))
            yield self.rng.uniform(2, 12), how, (dead,)
            if len_guard(self):
                return

    def idle(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.agent.died():
                self.agent.again()
            if self.world.sleep(0.05):
                return True
        return False

    def kill(self, dead):
        self.end(signal.SIGKILL, dead)

    def stop(self, dead):
        self.end(signal.SIGTERM, dead)

    def end(self, sig, dead):
        self.agent.end(sig)
        self.world.sleep(dead)
        self.agent.again()
        self.log("answers again")


def len_guard(lane):
    """More events than there is time for are planned, not endlessly many."""
    lane.planned = getattr(lane, "planned", 0) + 1
    return lane.planned > lane.seconds


# ---- links and addresses ----
class Links(Lane):
    name = "links"

    def plan(self):
        while True:
            how = self.pick({"flap": 4, "recreate": 3, "readdress": 3})
            args = (self.rng.choice((0.05, 0.5, 1, 3)),)
            if how == "flap":
                args += (self.rng.choice(("host", "peer", "both")),)
            yield self.rng.uniform(0.5, 6), how, args
            if len_guard(self):
                return

    def setup(self):
        self.space = {net.HOST: net.Namespace(self.world.host),
                      net.PEER: net.Namespace(self.world.peer)}

    def ip(self, side, *args):
        subprocess.run(("ip", "-n", self.space[side].name) + args, check=True,
                       capture_output=True)

    def set_link(self, sides, dev, state):
        for side in sides:
            self.ip(side, "link", "set", dev, state)

    def flap(self, seconds, where):
        sides = (net.HOST, net.PEER) if where == "both" else (where,)
        self.spoil(net.FLAPPED, net.LATE)
        self.set_link(sides, "eth1", "down")
        self.world.sleep(seconds)
        self.set_link(sides, "eth1", "up")
        self.mend(net.FLAPPED, net.LATE)

    def wait_for(self, what, done, since):
        """Polls until DONE, which gives the seconds that asking the kernel took
        us; says so if it takes longer than is promised. Not counted is what
        the machine keeps from everybody: CPUs and locks."""
        a = self.agent
        alive, waited, asking, told = a.up_since, a.waited(), 0.0, False
        while not self.world.stop.is_set():
            now = time.monotonic()
            yes, took = done()
            if yes:
                break
            if a.up_since != alive:
                alive, waited, asking = a.up_since, a.waited(), 0.0
            elif alive and not told:
                late = now - max(since, alive) - asking - (a.waited() - waited)
                bound = self.bound(since, now)
                if late > bound:
                    told = True
                    self.world.broken(f"{what}: not within {bound:.0f} s")
            asking += took
            if now - since > 120:
                self.world.broken(f"{what}: not within 120 s")
                return
            time.sleep(0.005)
        self.log(f"{what} after {time.monotonic() - since:.3f} s")

    # While memory is short, and while the agent has a program verified to go
    # ahead of another, it comes to a new device later.
    def bound(self, since, now):
        if self.world.troubled("memory", now - REPAIRED, now):
            return float("inf")
        late = self.world.troubled("memory", since - 1, now) or \
            self.world.troubled("ahead", since - REPAIRED, now)
        return REPAIRED if late else PROMISED

    # A device made anew carries no program until the agent has seen it, and
    # what comes to its addresses is another host's until the agent knows them
    # or has been dead for a while (F36): then nothing is judged.
    def recreate(self, seconds):
        self.spoil(net.RECREATED)
        self.ip(self.rng.choice((net.HOST, net.PEER)), "link", "del", "eth2")
        self.world.sleep(seconds)
        since = time.monotonic()
        self.world.tell(since, path=net.RECREATED, guarded=False)
        self.ip(net.HOST, "link", "add", "eth2", "type", "veth", "peer", "name",
                "eth2", "netns", self.space[net.PEER].name)
        shown = time.monotonic()
        for side in (net.PEER, net.HOST):
            for family, length in ((4, "24"), (6, "64")):
                self.ip(side, "addr", "add", net.address(
                    side, net.RECREATED, family) + "/" + length, "dev", "eth2",
                    *(["nodad"] if family == 6 else []))
            self.ip(side, "link", "set", "eth2", "up")
        self.wait_for("eth2 has our programs", self.attached, shown)
        self.wait_until_known(net.RECREATED, time.monotonic())
        self.mend(net.RECREATED)

    def attached(self):
        since = time.monotonic()
        with self.space[net.HOST]:
            index = if_index("eth2")
            have = all(soak_foreign.programs(index, hook)
                       for hook in ("ingress", "egress"))
        return have, time.monotonic() - since

    def readdress(self, seconds):
        self.spoil(net.LATE)
        both = [net.address(net.HOST, net.LATE, f) + ("/24" if f == 4 else "/64")
                for f in (4, 6)]
        for a in both:
            self.ip(net.HOST, "addr", "del", a, "dev", "eth1")
        self.world.sleep(seconds)
        since = time.monotonic()
        self.world.tell(since, path=net.LATE, guarded=False)
        for a in both:
            self.ip(net.HOST, "addr", "add", a, "dev", "eth1",
                    *(["nodad"] if ":" in a else []))
        self.wait_until_known(net.LATE, time.monotonic())
        self.mend(net.LATE)

    def wait_until_known(self, path, since):
        told = threading.Event()
        self.wait_for(f"the address of {net.PATHS[path][0]} is known",
                      lambda: (self.known(path, told), 0.0), since)
        if not told.is_set():
            self.world.tell(path=path, guarded=True)

    def known(self, path, told):
        a, judges = self.agent, self.judges(path)
        down = a.down_since
        if down and time.monotonic() - down > AGENT_DEAD and judges and \
                not told.is_set():
            told.set()
            self.world.tell(path=path, guarded=True)
        reply = a.ask({"cmd": "status"}) if a.up_since else None
        have = {x["address"] for x in (reply or {}).get("addresses", [])}
        return judges and \
            {net.address(net.HOST, path, f) for f in (4, 6)} <= have

    # A device that was there has its programs.
    def judges(self, path):
        return path != net.RECREATED or self.attached()[0]


def if_index(name):
    return socket.if_nametoindex(name)


# ---- the machine: disk, memory, clock, tables ----
class Machine(Lane):
    name = "machine"
    FULL_UDP, FULL_TCP = 4000, 1300

    def plan(self):
        while True:
            how = self.pick({"fill_disk": 3, "take_memory": 3, "set_clock": 3,
                             "fill_tables": 2})
            args = {"fill_disk": (self.rng.uniform(1, 8),),
                    "take_memory": (self.rng.choice((0, 64, 512, 4096)),
                                    self.rng.uniform(1, 6)),
                    "set_clock": (self.rng.choice((-1, 1)) * self.rng.choice(
                        (3, 3600, 86400 * 400, 86400 * 365 * 15)),),
                    "fill_tables": (self.rng.choice(("udp", "tcp")),)}[how]
            yield self.rng.uniform(1, 6), how, args
            if len_guard(self):
                return

    def setup(self):
        self.disk = f"{self.agent.folder}/state/filler"

    def fill_disk(self, seconds):
        self.world.trouble("disk", True)
        with open(self.disk, "wb", buffering=0) as f:
            for size in (65536, 4096, 512):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError as e:
                    if e.errno != errno.ENOSPC:
                        raise
        self.world.sleep(seconds)
        os.unlink(self.disk)
        self.world.trouble("disk", False)

    def take_memory(self, kib, seconds):
        memory = self.world.memory
        if not memory.path:
            self.log("no memory cgroup here")
            return
        self.world.trouble("memory", True)
        try:
            memory.limit(kib << 10)
        except OSError as e:    # it grew meanwhile
            self.log(str(e))
        self.world.sleep(seconds)
        memory.limit(None)
        self.world.trouble("memory", False)

    def set_clock(self, seconds):
        with open(f"{self.agent.folder}/clock", "r+b", buffering=0) as f:
            f.write(struct.pack("=q", seconds))

    def fill_tables(self, kind):
        self.world.tell(full=True)
        count = self.FULL_UDP if kind == "udp" else self.FULL_TCP
        self.world.tell(flood=kind, count=count)
        name = "udp" if kind == "udp" else "flows"
        before, since = self.refused(), time.monotonic()
        self.world.sleep(LAST_OF_FLOOD)
        while time.monotonic() - since < 90 and not self.world.sleep(0.3):
            table = self.table(name)
            if table and table["entries"] < table["limit"] * 0.8:
                break
        full = before is None or (self.refused() or before) > before
        self.log(f"{name} {'was' if full else 'was not'} full")
        self.world.count(f"{name} full" if full else f"{name} not full")
        self.world.tell(time.monotonic() + 1, full=False)

    def refused(self):
        """New flows that found no room, ever."""
        reply = self.agent.ask({"cmd": "metrics"}) if self.agent.up_since \
            else None
        return reply and sum(int(float(line.split()[-1]))
                             for line in reply["text"].splitlines()
                             if line.startswith("moat_flow_refused_total"))

    def table(self, name):
        """None also where an agent just started has not counted yet."""
        reply = self.agent.ask({"cmd": "status"}) if self.agent.up_since else None
        for t in (reply or {}).get("tables", []):
            if t["table"] == name and t["entries"] is not None:
                return t
        return None


# ---- other people's programs ----
class Strangers(Lane):
    name = "foreign"

    def plan(self):
        while True:
            how = self.pick({"attach": 5, "qdisc": 2})
            args = ()
            if how == "attach":
                dev = self.rng.choice(("eth0", "eth1"))
                # Where the books are balanced nobody comes ahead of us: what
                # meets both of our programs in the change is counted twice.
                args = (dev, self.rng.choice(("ingress", "egress", "xdp")),
                        dev == "eth1" and self.rng.random() < 0.7)
            yield self.rng.uniform(0.5, 8), how, args + (
                self.rng.uniform(0.5, 8),)
            if len_guard(self):
                return

    def setup(self):
        self.space = net.Namespace(self.world.host)

    def attach(self, dev, hook, ahead, seconds):
        with self.space:
            try:
                theirs = soak_foreign.Foreign(if_index(dev), hook, ahead)
            except OSError as e:
                # One XDP program is all that a device takes.
                if hook != "xdp" or e.errno not in (errno.EBUSY, errno.EEXIST):
                    raise
                self.log("the hook is taken")
                return
        if ahead:
            self.world.trouble("ahead", True)
        self.world.sleep(seconds)
        with self.space:
            if not theirs.still_there():
                self.world.broken(f"a foreign program on {dev} {hook} was taken "
                                  "away")
        theirs.close()
        if ahead:
            self.world.trouble("ahead", False)

    def tc(self, *args):
        subprocess.run(("tc", "-n", self.space.name) + args, check=True,
                       capture_output=True)

    # The kernel silences a device for a moment when a qdisc for ingress comes
    # or goes (qdisc_graft() deactivates it): what is sent just then is lost.
    def qdisc(self, seconds):
        dev, paths = "eth1", (net.FLAPPED, net.LATE)
        self.spoil(*paths)
        self.tc("qdisc", "add", "dev", dev, "clsact")
        for way in ("ingress", "egress"):
            self.tc("filter", "add", "dev", dev, way, "bpf", "bytecode",
                    "1,6 0 0 4294967295", "classid", "1:1")
        self.mend(*paths)
        self.world.sleep(seconds)
        there = subprocess.run(("tc", "-n", self.space.name, "filter", "show",
                                "dev", dev, "ingress"), check=True,
                               capture_output=True, text=True).stdout
        if "1:1" not in there:
            self.world.broken(f"the foreign filter on {dev} was taken away")
        self.spoil(*paths)
        self.tc("qdisc", "del", "dev", dev, "clsact")
        self.mend(*paths)
