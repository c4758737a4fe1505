# SPDX-License-Identifier: BSD-2-Clause
"""Pushes of the soak: good ones, refused ones, ones that nobody confirms. What
may be in force is told to the observer before, what is afterwards."""
import time

import soak_net as net
from soak_events import Lane, len_guard

TEXT = """version: 1
name: {name}
revision: "{revision}"
mode: enforce
security_groups:
  host:
    members: [{members}]
    ingress:
      - {{name: open, from: [any], protocol: [tcp, udp], ports: [5000-5099]}}
      - {{name: variant, from: [any], protocol: [tcp, udp], ports: [{port}]}}
      - {{name: ping, from: [any], service: ping}}
    egress:
      - {{name: open, to: [any], protocol: [tcp, udp], ports: [5000-5099]}}
      - {{name: variant, to: [any], protocol: [tcp, udp], ports: [{port}]}}
  late:
    members: []
    ingress:
      - {{name: late, from: [any], protocol: [tcp, udp], ports: [6003]}}
    egress: []
{more}"""
ALL = '10.9.0.0/16, "fd00:9::/32"'
BROKEN = {
    "syntax": "version: 1\nname: [\n",
    "key": TEXT.replace("late:\n", "late:\n    colour: red\n"),
    "port": TEXT.replace("5000-5099", "5000-70000"),
    "name": TEXT.replace("from: [any], service", "from: [nobody], service"),
}
PENDING = "unconfirmed push pending"


def document(name, revision, members=ALL, more=0, text=TEXT):
    """MORE: a list of so many networks, for a push of some weight."""
    lists = ""
    if more:
        lists = "prefix_lists:\n  many: [" + ", ".join(
            f"10.{100 + i // 250}.{i % 250}.0/25" for i in range(more)) + "]\n"
    return text.format(name=name, revision=revision, members=members, more=lists,
                       port={"A": net.ONLY_A, "B": net.ONLY_B}[name])


class Pushes(Lane):
    name = "policy"

    def plan(self):
        number = 0
        while True:
            how = self.pick({"good": 6, "bad": 3, "unassigned": 1, "left": 3,
                             "confirmed": 2, "taken_back": 1, "rollback": 1,
                             "member": 3, "look": 3})
            number += 1
            label = self.rng.choice("AB")
            size = self.rng.choice((0, 0, 0, 200, 4000))
            args = {"good": (label, number, size),
                    "bad": (self.rng.choice(sorted(BROKEN)), number),
                    "unassigned": (label, number),
                    "left": (label, number, self.rng.randint(3, 6)),
                    "confirmed": (label, number, self.rng.randint(8, 20)),
                    "taken_back": (label, number, self.rng.randint(8, 20)),
                    "rollback": (), "member": (),
                    "look": (self.rng.choice(("metrics", "flows", "drops",
                                              "rules", "history", "doctor")),),
                    }[how]
            yield self.rng.expovariate(1 / 0.8), how, args
            if len_guard(self):
                return

    def setup(self):
        self.now = "A"

    # ---- what is in force ----
    def possible(self, *labels, at=None):
        self.world.tell(at, policies=sorted(set(labels)))

    def settle(self, *labels):
        """Asks which of them it is, however long the agent is away."""
        while not self.world.sleep(0.05):
            reply = self.agent.ask({"cmd": "status"}) if self.agent.up_since \
                else None
            if not reply or not reply.get("policy"):
                continue
            p = reply["policy"]
            # A removal stays on the list, with nothing left that was added.
            added = any(change[0] == "add" for change in p["members"])
            self.now = p["name"] + ("+m" if added else "")
            if self.now not in labels:
                self.world.broken(f"policy {self.now} is in force; known are "
                                  f"{' and '.join(labels)}")
            return reply

    def finish(self, *labels):
        """Where a push may still be waiting: until it waits no longer."""
        while True:
            reply = self.settle(*labels)
            if not reply or not reply.get("pending"):
                break
            self.world.sleep(0.2)
        self.possible(self.now)
        return reply

    def request(self, what, request, label):
        """True: in force now. False: refused, nothing changed. None: nobody
        knows, and it has been found out."""
        old, since = self.now, time.monotonic()
        self.possible(old, label)
        reply = self.agent.ask(request)
        if reply is None:
            self.log(f"{what}: no answer")
            self.finish(old, label)
            return None
        if reply["ok"]:
            self.now = label
        self.possible(self.now)
        self.log(f"{what}: " + (f"generation {reply.get('generation')}"
                                if reply["ok"] else reply["error"]))
        if not reply["ok"] and not self.excused(since):
            self.world.broken(f"{what} was refused: {reply['error']}")
        return reply["ok"]

    def excused(self, since):
        until = time.monotonic()
        return any(self.world.troubled(t, since, until)
                   for t in ("disk", "memory", "agent"))

    def refused(self, what, request, word):
        """A request that may never be taken."""
        reply = self.agent.ask(request)
        if reply is None:
            return
        if reply["ok"]:
            self.world.broken(f"{what}: taken, {word} was due")
        elif word not in reply["error"]:
            if not self.excused(time.monotonic() - 60):
                self.world.broken(f"{what}: {reply['error']}, {word} was due")

    # ---- events ----
    def good(self, label, number, size):
        self.request("push", {"cmd": "push", "now": True, "document":
                              document(label, number, more=size)}, label)

    def bad(self, which, number):
        text = BROKEN[which]
        text = text if which == "syntax" else document("A", number, text=text)
        self.refused(f"push with a bad {which}", {
            "cmd": "push", "now": True, "document": text}, "refused")

    def unassigned(self, label, number):
        self.refused("push without our addresses", {
            "cmd": "push", "now": True,
            "document": document(label, number, members="10.66.0.1")},
            "no group has this host's address")

    def waiting(self, label, number, seconds):
        old, since = self.now, time.monotonic()
        taken = self.request("push, to be confirmed", {
            "cmd": "push", "confirm_seconds": seconds,
            "document": document(label, number)}, label)
        return old, since, taken

    def fall_back(self, old, label, since, until):
        """Nobody confirms: the programs themselves go back, agent or not."""
        self.possible(old, label, at=since - 1.5)
        self.possible(old, at=until + 2)
        self.world.sleep(max(0, until + 2 - time.monotonic()))
        self.now = old
        self.finish(old)

    def left(self, label, number, seconds):
        old, since, taken = self.waiting(label, number, seconds)
        if not taken:
            return
        after = time.monotonic()
        if seconds > 3:
            self.refused("push while one waits", {
                "cmd": "push", "now": True,
                "document": document(label, f"{number}-second")}, PENDING)
        self.fall_back(old, label, since + seconds, after + seconds)

    def confirmed(self, label, number, seconds):
        old, since, taken = self.waiting(label, number, seconds)
        if not taken:
            return
        after = time.monotonic()
        self.world.sleep(1)
        reply = self.agent.ask({"cmd": "confirm"})
        if reply and reply["ok"]:
            self.log("confirmed")
            return
        self.log(f"not confirmed: {reply and reply['error']}")
        if reply and not self.excused(since):
            self.world.broken(f"confirming: {reply['error']}")
        if reply is None:     # killed before or after it
            self.possible(old, label)
            self.finish(old, label)
            return
        self.fall_back(old, label, since + seconds, after + seconds)

    def taken_back(self, label, number, seconds):
        old, since, taken = self.waiting(label, number, seconds)
        if not taken:
            return
        after = time.monotonic()
        self.possible(old, label)
        reply = self.agent.ask({"cmd": "rollback"})
        if reply and reply["ok"]:
            self.now = old
            self.possible(old)
            return
        self.fall_back(old, label, since + seconds, after + seconds)

    def rollback(self):
        every = ("A", "B", "A+m", "B+m")
        self.possible(*every)
        self.agent.ask({"cmd": "rollback"})
        self.finish(*every)

    def member(self):
        label = self.now[0] + ("" if self.now.endswith("+m") else "+m")
        op = "add" if label.endswith("+m") else "remove"
        self.request(f"member {op}", {
            "cmd": "member", "op": op, "group": "late",
            "addresses": ["10.9.0.0/16", "fd00:9::/32"]}, label)

    def look(self, cmd):
        since = time.monotonic()
        reply = self.agent.ask({"cmd": cmd})
        if reply is None and not self.world.troubled("agent", since - 1,
                                                     time.monotonic()):
            self.world.sleep(1)
            if not self.world.troubled("agent", since - 1, time.monotonic()) \
                    and not self.world.troubled("memory", since - 1,
                                                time.monotonic()):
                self.world.broken(f"no answer to {cmd}")
