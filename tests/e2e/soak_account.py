# SPDX-License-Identifier: BSD-2-Clause
"""The books of the soak: frames in are packets passed and dropped by reason
(R-43), and whatever the agent took for its work it has given back (R-48)."""
import json
import subprocess
import time

from prometheus_client.parser import text_string_to_metric_families

import soak_foreign
import soak_net as net
from soak_events import if_index

DEVICE = "eth0"     # there from the first frame to the last
SETTLE = 40.0       # seconds to give back what is freed late
KIB_MORE = 768      # of resident memory: a fresh process differs by as much


class Account:
    def __init__(self, world, agent):
        self.world, self.agent = world, agent
        self.first = self.before = None

    # ---- counters ----
    def reading(self):
        """(moat's counters by direction, verdict and reason; the device's)"""
        reply = self.agent.ask({"cmd": "metrics"})
        ours = {}
        for family in text_string_to_metric_families(reply["text"]):
            for s in family.samples:
                if s.name == "moat_packets_total" and \
                        s.labels["interface"] == DEVICE:
                    key = (s.labels["direction"], s.labels["verdict"],
                           s.labels["reason"])
                    ours[key] = int(s.value)
        out = subprocess.run(["ip", "-n", self.world.host, "-s", "-j", "link",
                              "show", DEVICE], check=True, capture_output=True)
        stats = json.loads(out.stdout)[0]["stats64"]
        return ours, (stats["rx"]["packets"], stats["tx"]["packets"],
                      stats["tx"]["dropped"])

    def quiet_reading(self):
        """Two that are equal: nothing was under way."""
        last = self.reading()
        for _ in range(200):
            time.sleep(0.1)
            now = self.reading()
            if now == last:
                return now
            last = now
        self.world.broken("the counters do not come to rest")
        return last

    def open(self):
        time.sleep(1)
        self.first = self.quiet_reading()
        self.before = self.holdings()
        self.memory = self.resident()

    def balance(self, report):
        ours, device = self.quiet_reading()
        grown = {k: v - self.first[0].get(k, 0) for k, v in ours.items()}

        def total(way, verdict=None, reason=None):
            return sum(v for (w, d, r), v in grown.items()
                       if w == way and verdict in (None, d) and
                       reason in (None, r))
        rx, tx, lost = (b - a for a, b in zip(self.first[1], device))
        said = {f"{w} {d} {r}": v for (w, d, r), v in sorted(grown.items()) if v}
        self.world.log("books", f"{DEVICE}: rx {rx}, tx {tx}, "
                       f"{lost} passed and then lost by the device; {said}")
        if total("ingress") != rx:
            self.world.broken(f"{DEVICE} took in {rx} frames, the counters say "
                              f"{total('ingress')}: {said}")
        if total("egress") - total("egress", "drop") != tx + lost:
            self.world.broken(
                f"{DEVICE} sent {tx} frames and lost {lost}, the counters say "
                f"{total('egress') - total('egress', 'drop')}: {said}")
        # Datagrams to the host on this path, by who sent and received them.
        missing = report["in"] - report["in_arrived"]
        no_match = total("ingress", "drop", "sg-no-match")
        full = total("ingress", "drop", "table-full")
        if not no_match <= missing <= no_match + full:
            self.world.broken(f"{missing} datagrams did not arrive; counted: "
                              f"{no_match} denied, {full} for want of room")
        for reason in ("no-policy", "unassigned", "spoofed-source"):
            if total("ingress", None, reason) + total("egress", None, reason):
                self.world.broken(f"packets on {DEVICE} counted as {reason}")

    # ---- what is held ----
    def holdings(self):
        with net.Namespace(self.world.host):
            hooks = {f"{dev} {hook}": len(soak_foreign.programs(
                if_index(dev), hook)) for dev in ("eth0", "eth1", "eth2")
                for hook in ("ingress", "egress")}
        return {"descriptors": dict(self.agent.descriptors()),
                "pins": dict(self.agent.pins()), "programs": hooks}

    def resident(self):
        kernel = self.world.memory.kernel() if self.world.memory.path else 0
        return self.agent.resident(), kernel >> 10

    def close(self):
        end = time.monotonic() + SETTLE
        while True:
            now, memory = self.holdings(), self.resident()
            same = now == self.before
            less = memory[0] <= self.memory[0] + KIB_MORE and \
                memory[1] <= self.memory[1] * 1.01 + KIB_MORE
            if (same and less) or time.monotonic() > end:
                break
            time.sleep(0.5)
        self.world.log("books", f"resident {self.memory[0]}, now {memory[0]} KiB;"
                       f" kernel {self.memory[1]}, now {memory[1]} KiB")
        for kind, was in self.before.items():
            if now[kind] != was:
                gone = {k: v for k, v in was.items() if now[kind].get(k) != v}
                come = {k: v for k, v in now[kind].items() if was.get(k) != v}
                self.world.broken(f"{kind}: were {gone}, are {come}")
        if not less:
            self.world.broken(f"memory in KiB (own, the kernel's for it): was "
                              f"{self.memory}, is {memory}")
