# SPDX-License-Identifier: BSD-2-Clause
"""The world of the soak that all lanes of events share: the time line, what is
wrong with the machine just now, news for the observer, broken promises."""
import json
import os
import threading
import time


class World:
    def __init__(self, seed, tell):
        self.seed, self._tell = seed, tell
        self.began = time.monotonic()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.lines = []      # (t, text)
        self.failures = []   # (t, text)
        self.troubles = {}   # name: list of [since, until or None]
        self.counts = {}
        self.memory = None

    # ---- time line ----
    def log(self, lane, text, at=None):
        at = at or time.monotonic()
        with self.lock:
            self.lines.append((at, f"{lane}: {text}"))

    def broken(self, text, at=None):
        at = at or time.monotonic()
        self.log("BROKEN", text, at)
        with self.lock:
            self.failures.append((at, text))

    def count(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1

    def tell(self, at=None, **news):
        """News for the observer; they hold from AT on."""
        line = json.dumps(dict(news, t=at or time.monotonic())) + "\n"
        with self.lock:
            self._tell(line)

    # ---- what excuses a refusal ----
    def trouble(self, name, on):
        with self.lock:
            spans = self.troubles.setdefault(name, [])
            if on:
                spans.append([time.monotonic(), None])
            elif spans:
                spans[-1][1] = time.monotonic()

    def troubled(self, name, since, until):
        with self.lock:
            return any(s <= until and (e is None or e >= since)
                       for s, e in self.troubles.get(name, []))

    def sleep(self, seconds):
        return self.stop.wait(seconds)

    def time_line(self, last, about=None):
        with self.lock:
            lines = sorted(self.lines)
        if about:
            lines = [x for x in lines if x[0] <= about + 5]
        return [f"{at - self.began:9.3f}  {text}" for at, text in lines[-last:]]


class Memory:
    """A memory cgroup of the agent's own, of either version."""
    V1, V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"

    def __init__(self):
        self.path, self.v2 = None, False
        name = f"moat-soak-{os.getpid()}"
        try:
            if os.path.exists(f"{self.V1}/memory.limit_in_bytes"):
                os.mkdir(f"{self.V1}/{name}")
                self.path = f"{self.V1}/{name}"
            elif "memory" in self._read(f"{self.V2}/cgroup.subtree_control"):
                os.mkdir(f"{self.V2}/{name}")
                self.path, self.v2 = f"{self.V2}/{name}", True
        except OSError:
            self.path = None

    @staticmethod
    def _read(path):
        with open(path, encoding="ascii") as f:
            return f.read()

    def _write(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(text)

    def enter(self):
        """Called in the child that becomes the agent."""
        if self.path:
            self._write("cgroup.procs", str(os.getpid()))

    def usage(self):
        return int(self._read(self.path + ("/memory.current" if self.v2 else
                                           "/memory.usage_in_bytes")))

    def kernel(self):
        """Bytes of the kernel's own: maps, programs, links."""
        if not self.v2:
            return int(self._read(f"{self.path}/memory.kmem.usage_in_bytes"))
        stat = dict(x.split() for x in
                    self._read(f"{self.path}/memory.stat").splitlines())
        return int(stat.get("kernel") or 0)

    def limit(self, bytes_more):
        """So much more than there is; None: no limit."""
        name = "memory.max" if self.v2 else "memory.limit_in_bytes"
        if bytes_more is None:
            self._write(name, "max" if self.v2 else "-1")
        else:
            self._write(name, str(self.usage() + bytes_more))

    def close(self):
        end = time.monotonic() + 10
        while self.path and time.monotonic() < end:
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)
