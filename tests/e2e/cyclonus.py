# SPDX-License-Identifier: BSD-2-Clause
"""A sample of the cyclonus cases by real packets.

usage: cyclonus.py FOLDER CASES NAMESPACE=SOCKET...

Each namespace is a pod, in the order of the data, and holds its addresses of
both families and an agent that listens at SOCKET. Every step of a case: one
policy to all agents, then every pair of pods tries every expected port. What
arrived must be what the case says of both ends together; what each end dropped
must be what it says of that end.
"""
import ctypes
import errno
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time

WAIT = 0.4  # seconds until silence is a drop; below TCP's first repetition
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    fd = os.open("/run/netns/" + namespace, os.O_RDONLY)
    if LIBC.setns(fd, 0x40000000):
        sys.exit("no namespace " + namespace)
    os.close(fd)


class Pod:
    def __init__(self, spec):
        self.namespace, self.control = spec.split("=", 1)
        self.servers = {}

    def socket(self, *kind):
        enter(self.namespace)
        sock = socket.socket(*kind)
        sock.setblocking(False)
        return sock

    def ask(self, request):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.control)
        sock.sendall(json.dumps(request).encode() + b"\n")
        answer = sock.makefile().readline()
        sock.close()
        return json.loads(answer)

    def serve(self, family):
        """Listens as the pods of cyclonus do: 80 and 81 of each protocol."""
        for sock in self.servers.values():
            sock.close()
        self.servers = {}
        for port in 80, 81:
            tcp = self.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("", port))
            tcp.listen(64)
            udp = self.socket(family, socket.SOCK_DGRAM)
            udp.bind(("", port))
            self.servers["TCP", port] = tcp
            self.servers["UDP", port] = udp
        self.servers["SCTP", 0] = self.socket(family, socket.SOCK_RAW, 132)

    def dropped(self):
        """(egress, ingress) by the groups, from the agent's own counters."""
        text = self.ask({"cmd": "metrics"})["text"]
        total = {"egress": 0, "ingress": 0}
        for line in text.splitlines():
            if not line.startswith("moat_packets_total{"):
                continue
            if 'verdict="drop"' in line and 'reason="sg-no-match"' in line:
                way = "egress" if 'direction="egress"' in line else "ingress"
                total[way] += int(float(line.rsplit(" ", 1)[1]))
        return total["egress"], total["ingress"]


# ---- the policy of a step ---------------------------------------------------

def without(cidr, holes):
    left = [ipaddress.ip_network(cidr)]
    for hole in map(ipaddress.ip_network, holes):
        cut = []
        for net in left:
            if net.version != hole.version or not net.overlaps(hole):
                cut.append(net)
            elif hole != net and hole.subnet_of(net):
                cut += net.address_exclude(hole)
        left = cut
    return [str(n) for n in left]


def rules(items, isolated, word):
    if not isolated:
        return [{"name": "everything", word: ["any"]}]
    made = []
    for n, item in enumerate(items):
        peers = without(item["cidr"], item.get("except", []))
        if not peers:
            continue
        rule = {"name": "rule%d" % n, word: peers}
        if item["protocol"] != "any":
            rule["protocol"] = item["protocol"].lower()
            rule["ports"] = ["%d-%d" % (item["port_lo"], item["port_hi"])
                             if item["port_lo"] != item["port_hi"]
                             else item["port_lo"]]
        made.append(rule)
    return made


def policy(step):
    """JSON is YAML. on_tighten as a NetworkPolicy knows it: at once."""
    address = {p["namespace"] + "/" + p["name"]: p["ip"]
               for p in step["pods"]}
    groups = {}
    for n, host in enumerate(step["resolved_host_policies"]):
        groups["pod%d" % n] = {
            "members": [address[host["pod"]]],
            "ingress": rules(host["ingress"], host["ingress_isolated"],
                             "from"),
            "egress": rules(host["egress"], host["egress_isolated"], "to"),
        }
    return json.dumps({"version": 1, "name": "cyclonus", "mode": "enforce",
                       "on_tighten": "reevaluate",
                       "security_groups": groups})


# ---- probing ----------------------------------------------------------------

class Step:
    def __init__(self, pods, step):
        self.pods, self.step = pods, step
        self.address = [p["ip"] for p in step["pods"]]
        self.family = (socket.AF_INET6 if ":" in self.address[0]
                       else socket.AF_INET)
        self.arrived = set()  # (protocol, port, from, to)
        self.open = []

    def begin(self, proto, port, src, dst):
        here, name = self.pods[src], (proto, port, src, dst)
        to = (self.address[dst], port)
        if proto == "TCP":
            sock = here.socket(self.family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
            sock.connect_ex(to)
        elif proto == "UDP":
            sock = here.socket(self.family, socket.SOCK_DGRAM)
            sock.connect(to)
            self.send(sock, b"question")
        else:
            sock = here.socket(self.family, socket.SOCK_RAW, 132)
            sock.connect((to[0], 0))
            # An INIT chunk; the name goes where its initiate tag stands.
            self.send(sock, struct.pack("!HHIIBBHBBHHHI", 40000 + src, port, 0,
                                        0, 1, 0, 20, src, dst, port, 1, 1, 1))
        self.open.append((sock, name))

    @staticmethod
    def send(sock, data):
        try:
            sock.send(data)
        except OSError as e:
            # Our own program drops it on its way out.
            if e.errno not in (errno.EPERM, errno.ENOBUFS):
                raise

    def answer(self):
        """Servers: echo datagrams, take connections, note raw packets."""
        for to, pod in enumerate(self.pods):
            for (proto, port), sock in pod.servers.items():
                try:
                    while True:
                        self.serve(proto, to, sock)
                except (BlockingIOError, PermissionError):
                    pass

    def serve(self, proto, to, sock):
        if proto == "TCP":
            sock.accept()[0].close()
            return
        data, peer = sock.recvfrom(2048)
        if proto == "UDP":
            sock.sendto(data, peer)
            return
        if self.family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        src, dst, port = struct.unpack("!BBH", data[16:20])
        if dst == to:
            self.arrived.add(("SCTP", port, src, dst))

    def settle(self):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            self.answer()
            poll = select.poll()
            for sock, name in self.open:
                if name not in self.arrived and name[0] != "SCTP":
                    poll.register(sock, select.POLLOUT if name[0] == "TCP"
                                  else select.POLLIN)
            names = {sock.fileno(): (sock, name) for sock, name in self.open}
            for fd, events in poll.poll(5):
                sock, name = names[fd]
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    self.arrived.add(name)
                else:
                    self.open.remove((sock, name))
        for sock, name in self.open:
            sock.close()

    def run(self):
        """Returns (expectations, errors)."""
        count, errors, before = 0, [], [p.dropped() for p in self.pods]
        out, back = [0] * len(self.pods), [0] * len(self.pods)
        pairs = [(a, b) for a in range(len(self.pods))
                 for b in range(len(self.pods)) if a != b]
        for item in self.step["expected"]:
            for src, dst in pairs:
                self.begin(item["protocol"], item["port"], src, dst)
            self.answer()
        self.settle()
        for item in self.step["expected"]:
            for src, dst in pairs:
                name = (item["protocol"], item["port"], src, dst)
                count += 1
                if (name in self.arrived) != (item["combined"][src][dst] == "."):
                    errors.append("%s/%d pod %d to %d: %s" % (name + (
                        "arrived" if name in self.arrived else "lost",)))
                if item["egress"][src][dst] == "X":
                    out[src] += 1
                elif item["ingress"][src][dst] == "X":
                    back[dst] += 1
        for n, pod in enumerate(self.pods):
            after = pod.dropped()
            got = (after[0] - before[n][0], after[1] - before[n][1])
            if got != (out[n], back[n]):
                errors.append("pod %d dropped %s, expected %s" % (
                    n, got, (out[n], back[n])))
        return count, errors


def sample(folder, count, pods):
    """The same cases each time, spread over all of them and both families."""
    for shift, name in enumerate(("cases-v4.jsonl", "cases-v6.jsonl")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            cases = [json.loads(line) for line in file]
        cases = [c for c in cases
                 if all(len(s["pods"]) == pods for s in c["steps"])]
        half = (count + 1 - shift) // 2
        for n in range(half):
            yield name, cases[(2 * n + shift) * len(cases) // (2 * half)]


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    pods = [Pod(a) for a in sys.argv[3:]]
    cases = steps = total = wrong = 0
    family = None
    for name, case in sample(folder, count, len(pods)):
        cases += 1
        for step in case["steps"]:
            run = Step(pods, step)
            for pod in pods:
                if family != run.family:
                    pod.serve(run.family)
                reply = pod.ask({"cmd": "push", "document": policy(step),
                                 "now": True, "allow_unassigned": True})
                if not reply["ok"]:
                    sys.exit("%s %d: %s" % (name, case["n"], reply))
            family = run.family
            expectations, errors = run.run()
            steps += 1
            total += expectations
            wrong += len(errors)
            for error in errors[:10]:
                print("%s case %d: %s" % (name, case["n"], error))
    print("%d cases, %d steps, %d expectations, %d wrong" % (
        cases, steps, total, wrong))
    return 1 if wrong or cases != count or total < count * 400 else 0


sys.exit(main())
