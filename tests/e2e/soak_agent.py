# SPDX-License-Identifier: BSD-2-Clause
"""The agent of the soak, as its user has it: started, asked, killed; and what
it holds of the machine."""
import collections
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

GRACE = 60.0   # seconds to answer after a start


class Agent:
    def __init__(self, world, namespace, moatd, folder, bpffs):
        self.world, self.namespace, self.moatd = world, namespace, moatd
        self.folder, self.bpffs = folder, bpffs
        self.proc = None
        self.up_since = None     # answers since
        self.down_since = time.monotonic()
        self.env = dict(os.environ, LD_PRELOAD=f"{folder}/clock.so",
                        SOAK_CLOCK=f"{folder}/clock")
        self.starts = self.deaths = 0
        self.changing = threading.Lock()

    # ---- talking ----
    def ask(self, request, timeout=60):
        """The reply; None where it died, or is not there."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(timeout)
                s.connect(f"{self.folder}/run/control.sock")
                s.sendall(json.dumps(request).encode() + b"\n")
                text = b""
                while not text.endswith(b"\n"):
                    more = s.recv(1 << 20)
                    if not more:
                        return None
                    text += more
        except socket.timeout:
            self.world.broken(f"no answer within {timeout} s to "
                              f"{request['cmd']}")
            return None
        except OSError:
            return None
        return json.loads(text.split(b"\n")[0])    # streams: the first of many

    def wait_up(self, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.world.stop.is_set():
            if self.up_since:
                return True
            time.sleep(0.02)
        return bool(self.up_since)

    # ---- life ----
    def _spawn(self):
        with open(f"{self.folder}/moatd.log", "ab") as log:
            self.proc = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace}", self.moatd,
                 "--config", f"{self.folder}/moatd.yaml"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=self.world.memory.enter)

    def start(self):
        """Until it answers. Without memory it may fail, and is tried again."""
        with self.changing:
            while True:
                began = time.monotonic()
                self._spawn()
                self.starts += 1
                while self.proc.poll() is None and \
                        time.monotonic() - began < GRACE:
                    reply = self.ask({"cmd": "version"}, 20)
                    if reply and reply.get("pid") == self.proc.pid:
                        self.up_since = time.monotonic()
                        self.down_since = None
                        return
                    time.sleep(0.02)
                now = time.monotonic()
                if self.proc.poll() is None:
                    self.world.broken(f"does not answer {GRACE:.0f} s after its"
                                      " start")
                    return
                self.world.log("agent", f"start failed ({self.proc.returncode})")
                if not self.world.troubled("memory", began - 1, now):
                    self.world.broken("the agent does not start: exit "
                                      f"{self.proc.returncode}")
                    return
                time.sleep(0.5)

    def end(self, sig):
        with self.changing:
            self.down_since = time.monotonic()
            self.up_since = None
            self.world.trouble("agent", True)
            self.proc.send_signal(sig)
            try:
                rc = self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.world.broken(f"still there 30 s after signal {sig}")
                self.proc.kill()
                rc = self.proc.wait()
            self.deaths += 1
        if rc != (0 if sig == signal.SIGTERM else -sig) and \
                not self.world.troubled("memory", self.down_since - 1,
                                        time.monotonic()):
            self.world.broken(f"exit status {rc} after signal {sig}")

    def again(self):
        self.start()
        self.world.trouble("agent", False)

    def died(self):
        """Ended by itself: only a lack of memory may do that."""
        if self.changing.locked() or self.proc.poll() is None:
            return False
        now = time.monotonic()
        self.up_since, self.down_since = None, now
        self.world.trouble("agent", True)
        self.world.log("agent", f"gone ({self.proc.returncode})")
        if self.proc.returncode != -signal.SIGKILL or \
                not self.world.troubled("memory", now - 2, now):
            self.world.broken("the agent died by itself: exit "
                              f"{self.proc.returncode}")
        return True

    # ---- what it holds ----
    def waited(self):
        """Seconds that it was ready to run and had no CPU."""
        try:
            with open(f"/proc/{self.proc.pid}/schedstat",
                      encoding="ascii") as f:
                return int(f.read().split()[1]) / 1e9
        except OSError:
            return 0.0

    def descriptors(self):
        kinds = collections.Counter()
        folder = f"/proc/{self.proc.pid}/fd"
        for fd in os.listdir(folder):
            try:
                target = os.readlink(f"{folder}/{fd}")
            except OSError:
                continue
            # One name of a link is that of its maker, one of a pin's opener.
            kinds[re.sub(r"\d+", "N", target).replace(
                self.folder, "").replace("bpf_", "bpf-")] += 1
        return kinds

    def pins(self):
        names = collections.Counter()
        for folder, _, files in os.walk(self.bpffs):
            for name in files:
                path = f"{folder[len(self.bpffs):]}/{name}"
                names[re.sub(r"\d+", "N", path)] += 1
        return names

    def resident(self):
        """KiB of its own."""
        with open(f"/proc/{self.proc.pid}/status", encoding="ascii") as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))
