#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The soak: everything that can happen to a host, at once, for a while.

soak.py SECONDS SEED HOST PEER FOLDER BPFFS MOATD   see test_soak.sh

Exits 0 when every promise was kept and all was given back afterwards.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

from soak_account import Account
from soak_agent import Agent
from soak_events import Lives, Links, Machine, Strangers
from soak_policy import Pushes, document
from soak_world import Memory, World

LAST = 60      # lines of the time line that a failure shows
EVERY = 300    # seconds between words about how it goes
LANES = (Pushes, Lives, Links, Machine, Strangers)


class Observer:
    """soak_watch.py, and what it says."""

    def __init__(self, host, peer, seed):
        self.arguments = [host, peer, seed]
        self.proc = self.world = self.report = None
        self.ready, self.reported = threading.Event(), threading.Event()

    def start(self):
        folder = os.path.dirname(os.path.abspath(__file__))
        self.proc = subprocess.Popen(
            ["/usr/bin/python3", "-B", f"{folder}/soak_watch.py"] + self.arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self.follow, daemon=True).start()
        self.ready.wait(60)

    def tell(self, line):
        try:
            self.proc.stdin.write(line)
        except OSError:
            pass

    def follow(self):
        for line in self.proc.stdout:
            said = json.loads(line)
            if "ready" in said:
                self.ready.set()
            elif "lost" in said:
                self.world.broken(f"observer: {said['lost']}", said["t"])
            elif "report" in said:
                self.report = said["report"]
                self.reported.set()
        if not self.reported.is_set() and not self.world.stop.is_set():
            self.world.broken("the observer has ended")
        self.ready.set()
        self.reported.set()


class Soak:
    def __init__(self, argv):
        seconds, self.seed, host, peer, folder, bpffs, moatd = argv
        self.seconds = float(seconds)
        self.observer = Observer(host, peer, self.seed)
        self.world = World(self.seed, self.observer.tell)
        self.world.host, self.world.peer = host, peer
        self.world.memory = Memory()
        self.agent = Agent(self.world, host, moatd, folder, bpffs)
        self.account = Account(self.world, self.agent)
        self.observer.world = self.world

    def push(self, *documents):
        for d in documents:
            reply = self.agent.ask({"cmd": "push", "now": True, "document": d})
            if not reply or not reply["ok"]:
                self.world.broken(f"push: {reply}")

    def prepare(self):
        self.agent.start()
        self.push(*(document(label, f"first-{n}", more=4000 * (n % 2))
                    for n, label in enumerate("ABABA")))
        self.agent.ask({"cmd": "metrics"})
        self.account.open()
        self.observer.start()

    def run(self):
        self.world.began = time.monotonic()
        lanes = [lane(self.world, self.agent, self.seconds) for lane in LANES]
        for lane in lanes:
            lane.start()
        end = self.world.began + self.seconds
        said = self.world.began
        while time.monotonic() < end and not self.world.failures:
            time.sleep(0.2)
            if time.monotonic() - said > EVERY:
                said = time.monotonic()
                print(f"{said - self.world.began:.0f} s: "
                      f"{sum(self.world.counts.values())} events", flush=True)
        if self.world.failures:
            time.sleep(3)   # what else comes of it
            self.world.stop.set()
        for lane in lanes:
            lane.join(150)
            if lane.is_alive():
                self.world.broken(f"lane {lane.name} does not end")

    def finish(self):
        """Quiet, then the books are balanced and the baseline compared."""
        if self.agent.proc.poll() is not None:
            self.agent.again()
        self.world.tell(end=True)
        if not self.observer.reported.wait(120):
            self.world.broken("the observer does not come to an end")
            return
        self.account.balance(self.observer.report)
        self.push(document("A", "last"))
        self.account.close()

    def tell(self):
        w = self.world
        if w.failures:
            first = min(at for at, _ in w.failures)
            print("time line:")
            print("\n".join(w.time_line(LAST, first)), flush=True)
            print("broken promises:")
            for at, text in sorted(w.failures):
                print(f"{at - w.began:9.3f}  {text}")
        print("events: " + ", ".join(f"{n} {k}" for k, n in
                                     sorted(w.counts.items())))
        print(f"agent: {self.agent.starts} starts; observer: "
              f"{json.dumps(self.observer.report)}", flush=True)
        if os.environ.get("SOAK_LOG"):
            with open(os.environ["SOAK_LOG"], "w", encoding="utf-8") as f:
                f.write("\n".join(w.time_line(1000000)) + "\n")

    def main(self):
        self.prepare()
        if not self.world.failures:
            self.run()
        if not self.world.failures:
            self.finish()
        self.tell()
        return 1 if self.world.failures else 0

    def clean(self):
        self.world.stop.set()
        for p in (self.observer.proc, self.agent.proc):
            if p and p.poll() is None:
                p.kill()
                p.wait()
        self.world.memory.close()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    soak = Soak(sys.argv[1:])
    try:
        return soak.main()
    finally:
        soak.clean()


if __name__ == "__main__":
    sys.exit(main())
