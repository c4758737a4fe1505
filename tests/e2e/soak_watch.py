#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The observer of the soak: has sockets at both ends and knows nothing of the
agent.

soak_watch.py HOST PEER SEED    namespaces

Reads what is done to the world from stdin, a JSON object a line, each with
the time ("t", CLOCK_MONOTONIC) from which it holds:
  {"policies": ["A", "B"]}   one of these is in force
  {"path": 1, "by": "links", "good": false}  packets of this path may be lost
  {"path": 2, "guarded": false}   nothing judges what comes in there
  {"full": true}             tables may refuse new flows
  {"flood": "udp"|"tcp", "count": n}   openings that are allowed
  {"end": true}              be quiet, wait for what is under way, report
Writes {"lost": text, "t": ...} for each broken promise, and {"report": ...}.
"""
import bisect
import json
import os
import random
import resource
import selectors
import sys
import time

import soak_net as net
from soak_flows import Tcp, Udp
from soak_probes import Probes

TICK = 0.04
PROBES_A_TICK = 1
FLOOD_A_TICK = 120
HOLD = 4.0   # seconds that a flood's connections stay


class History:
    """What was so from when on; the first entry is of all times before."""

    def __init__(self, first):
        self.at, self.value = [float("-inf")], [first]

    def add(self, t, value):
        i = bisect.bisect_right(self.at, t)
        self.at.insert(i, t)
        self.value.insert(i, value)

    def between(self, since, until):
        i = bisect.bisect_right(self.at, since) - 1
        j = bisect.bisect_right(self.at, until)
        return self.value[i:j]

    def since(self, value, now):
        """How long it has been so; NOW where it is not."""
        i = bisect.bisect_right(self.at, now) - 1
        if self.value[i] != value:
            return now
        while i and self.value[i - 1] == value:
            i -= 1
        return self.at[i]


class Watch:
    def __init__(self, host, peer, seed):
        self.space = {net.HOST: net.Namespace(host),
                      net.PEER: net.Namespace(peer)}
        self.selector = selectors.DefaultSelector()
        self.policy = History(("A",))
        self.path_good = [{} for _ in net.PATHS]    # by who spoils it
        self.guard = [History(True) for _ in net.PATHS]
        self.fullness = History(False)
        self.rng = random.Random(seed)
        self.flooding = []
        self.held = []
        self.ending = self.failures = 0
        self.most_late = 0.0
        self.probes = Probes(self, self.rng)
        self.flows = []

    now = staticmethod(time.monotonic)

    # ---- sockets ----
    def listen(self, sock, callback, write=False):
        self.selector.register(sock, selectors.EVENT_WRITE if write
                               else selectors.EVENT_READ, callback)

    def forget(self, sock):
        try:
            self.selector.unregister(sock)
        except (KeyError, ValueError):
            pass

    # ---- what is known of the world ----
    def policies(self, since, until):
        return set().union(*self.policy.between(since, until))

    def good(self, path, since, until):
        return all(all(h.between(since, until))
                   for h in self.path_good[path].values())

    def good_since(self, path, now):
        return max((h.since(True, now)
                    for h in self.path_good[path].values()), default=0.0)

    def fine(self, path, since):
        """Was nothing done to it until now? What was is told beforehand, and
        may not have been read yet."""
        self.news()
        return self.good(path, since, self.now())

    def unguarded(self, path, since, until):
        return not all(self.guard[path].between(since, until))

    def full(self, since, until):
        return any(self.fullness.between(since, until))

    def lost(self, text, at, path):
        self.failures += 1
        if self.failures <= 20:
            self.say({"lost": text, "t": at, "path": path})

    @staticmethod
    def say(what):
        print(json.dumps(what), flush=True)

    # ---- news ----
    def news(self):
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            return
        if not data:
            sys.exit(0)
        self.text = getattr(self, "text", b"") + data
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, n):
        if "policies" in n:
            self.policy.add(n["t"], tuple(n["policies"]))
        elif "good" in n:
            self.path_good[n["path"]].setdefault(
                n["by"], History(True)).add(n["t"], n["good"])
        elif "guarded" in n:
            self.guard[n["path"]].add(n["t"], n["guarded"])
        elif "full" in n:
            self.fullness.add(n["t"], n["full"])
        elif "flood" in n:
            self.flooding += [n["flood"]] * n["count"]
        elif "end" in n:
            self.ending = self.now()

    # ---- the flood: openings that are allowed, more than tables hold ----
    def flood(self, now):
        for _ in range(min(FLOOD_A_TICK, len(self.flooding))):
            kind = self.flooding.pop()
            if kind == "udp":
                self.probes.udp(net.STEADY, self.rng.choice((4, 6)), net.HOST,
                                net.OPEN)
            else:
                self.hold(now)
        while self.held and now - self.held[0][0] > HOLD:
            self.held.pop(0)[1].close()

    def hold(self, now):
        _, s = self.probes.new(net.STEADY, 4, net.HOST, net.OPEN, "TCP")
        try:
            s.connect((net.address(net.HOST, net.STEADY, 4), net.OPEN))
        except BlockingIOError:
            pass
        self.held.append((now, s))

    # ---- the loop ----
    def open_flows(self):
        port = net.OPEN + 10
        for path in range(len(net.PATHS)):
            for family in net.FAMILIES:
                for opener in (net.PEER, net.HOST):
                    if path == net.LATE and opener == net.HOST:
                        continue
                    for kind in (Udp, Tcp):
                        flow = kind(self, path, family, opener, port)
                        flow.open()
                        self.flows.append(flow)
                        port += 1
        self.say({"ready": True})

    def tick(self, now):
        for f in self.flows:
            f.tick(now)
        for _ in range(PROBES_A_TICK):
            self.probes.any()
        self.flood(now)

    def check(self, now):
        for f in self.flows:
            f.check(now)
        self.probes.check(now)

    def wait(self, seconds):
        for key, _ in self.selector.select(max(0, seconds)):
            key.data()

    def run(self):
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, self.news)
        self.open_flows()
        due = checked = self.now()
        while True:
            now = self.now()
            if now < due:
                self.wait(due - now)
                continue
            self.most_late = max(self.most_late, now - due)
            due = max(due + TICK, now)
            self.wait(0)
            if not self.ending:
                self.tick(now)
            if now - checked > 0.5:
                checked = now
                self.check(now)
                if self.ending and self.quiet(now):
                    break
        self.report()
        while True:      # the sockets stay until the counters have been read
            self.wait(10)

    def quiet(self, now):
        return (not self.probes.sent and all(f.done() for f in self.flows)) or \
            now - self.ending > 60

    def report(self):
        for f in self.flows:
            if isinstance(f, Tcp) and f.path == net.STEADY and \
                    not f.ended and f.retransmitted():
                self.lost(f"{f}: {f.retransmitted()} segments were lost",
                          self.now(), f.path)
            if not f.done():
                self.lost(f"{f}: sent {f.sent}, received {f.got}", self.now(),
                          f.path)
        kinds = {k: sum(sum(f.got.values()) for f in self.flows
                        if f.kind == k) for k in ("TCP", "UDP")}
        self.say({"report": dict(self.probes.counts, records=kinds,
                                 flows=len(self.flows),
                                 most_late=round(self.most_late, 2),
                                 failures=self.failures)})


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    Watch(*sys.argv[1:4]).run()


if __name__ == "__main__":
    main()
