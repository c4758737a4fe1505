# SPDX-License-Identifier: BSD-2-Clause
"""Openings of the soak, each of a tuple never used before: what no policy
allowed at the time may never arrive, what every policy allowed has to."""
import errno
import socket
import struct

import soak_net as net
from soak_flows import OVERDUE, new_socket

PROBE = struct.Struct("!Q")
CONNECT = 30.0      # seconds for a connection that is allowed
DENIED = 3.0        # and after which one that is not is given up
LISTENED = [net.OPEN] + net.CLOSABLE


class Probe:
    def __init__(self, number, path, family, to, port, kind):
        self.number, self.path, self.family = number, path, family
        self.to, self.port, self.kind = to, port, kind
        self.since = self.until = 0.0
        self.arrived = None
        self.sock = None

    def __str__(self):
        return (f"{self.kind} opening {self.number} to the {self.to}, "
                f"{net.address(self.to, self.path, self.family)} port {self.port}"
                f" ({net.PATHS[self.path][0]})")


class Probes:
    def __init__(self, watch, rng):
        self.watch, self.rng = watch, rng
        self.number = 0
        self.sport = dict.fromkeys((net.HOST, net.PEER), 10000)
        self.sent = {}          # not judged yet
        self.counts = {"sent": 0, "arrived": 0, "denied": 0, "connected": 0,
                       "refused": 0, "in": 0, "in_arrived": 0}
        for side in (net.HOST, net.PEER):
            for family in net.FAMILIES:
                for port in LISTENED:
                    self.trap(side, family, port)

    def trap(self, side, family, port):
        """Listens where the policies have something to say, and where not."""
        any_address = "0.0.0.0" if family == 4 else "::"
        s = new_socket(self.watch.space[side], family, socket.SOCK_DGRAM)
        s.bind((any_address, port))
        self.watch.listen(s, lambda: self.datagrams(s))
        t = new_socket(self.watch.space[side], family, socket.SOCK_STREAM)
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        t.bind((any_address, port))
        t.listen(4096)
        self.watch.listen(t, lambda: self.accept(t))

    # ---- sending ----
    def new(self, path, family, to, port, kind):
        self.number += 1
        p = Probe(self.number, path, family, to, port, kind)
        side = net.HOST if to == net.PEER else net.PEER
        sock = new_socket(self.watch.space[side], family,
                          socket.SOCK_DGRAM if kind == "UDP"
                          else socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind_next(sock, side, net.address(side, path, family))
        p.since = self.watch.now()
        return p, sock

    # Long-lived flows hold some of them.
    def bind_next(self, sock, side, address):
        while True:
            self.sport[side] = max(self.sport[side] % 60000 + 1, 10000)
            try:
                sock.bind((address, self.sport[side]))
                return
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise

    def udp(self, path, family, to, port):
        p, sock = self.new(path, family, to, port, "UDP")
        counted = path == net.STEADY and to == net.HOST
        try:
            sock.sendto(PROBE.pack(p.number),
                        (net.address(to, path, family), port))
        except OSError as e:
            if self.watch.fine(path, p.since - 1):
                self.watch.lost(f"{p}: {e}", p.since, path)
        else:
            p.until = self.watch.now()
            self.sent[p.number] = p
            self.counts["sent"] += 1
            self.counts["in"] += counted
        sock.close()

    def tcp(self, path, family, to, port):
        p, sock = self.new(path, family, to, port, "TCP")
        try:
            sock.connect((net.address(to, path, family), port))
        except BlockingIOError:
            pass
        except OSError as e:
            sock.close()
            if self.watch.fine(path, p.since - 1):
                self.watch.lost(f"{p}: {e}", p.since, path)
            return
        p.until = self.watch.now()
        p.sock = sock
        self.sent[p.number] = p
        self.counts["sent"] += 1
        self.watch.listen(sock, lambda: self.connected(p), write=True)

    def any(self):
        path = self.rng.choice((net.STEADY, net.STEADY, net.FLAPPED,
                                net.RECREATED, net.LATE))
        family = self.rng.choice((4, 6))
        to = net.HOST if path == net.LATE else \
            self.rng.choice((net.HOST, net.HOST, net.PEER))
        port = self.rng.choice(LISTENED)
        # Copies of an opening can't be told apart: on the path whose counters
        # are compared there are none.
        if path != net.STEADY and self.rng.random() < 0.3:
            self.tcp(path, family, to, port)
        elif path == net.STEADY and self.rng.random() < 0.15:
            self.tcp(path, family, to, net.OPEN)
        else:
            self.udp(path, family, to, port)

    # ---- arriving ----
    def datagrams(self, sock):
        while True:
            try:
                data = sock.recv(64)
            except OSError:
                return
            if len(data) == PROBE.size:
                self.arrive(PROBE.unpack(data)[0])

    def arrive(self, number):
        p = self.sent.get(number)
        if p and not p.arrived:
            p.arrived = self.watch.now()
            self.counts["arrived"] += 1
            self.counts["in_arrived"] += (p.path == net.STEADY and
                                          p.to == net.HOST and p.kind == "UDP")

    def accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            conn.setblocking(False)
            self.watch.listen(conn, lambda c=conn: self.serve(c))

    def serve(self, conn):
        try:
            data = conn.recv(64)
            if len(data) == PROBE.size:
                self.arrive(PROBE.unpack(data)[0])
                conn.send(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.watch.forget(conn)
        conn.close()

    def connected(self, p):
        """Our end of a connection: opened, refused, or answered."""
        e = p.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if e:
            if e == errno.ECONNREFUSED:
                self.watch.lost(f"{p}: refused by the other end", p.since, p.path)
            self.drop_socket(p)
            return
        if not p.arrived:
            self.watch.forget(p.sock)
            self.watch.listen(p.sock, lambda: self.answered(p))
            try:
                p.sock.send(PROBE.pack(p.number))
            except OSError:
                self.drop_socket(p)

    def answered(self, p):
        try:
            p.sock.recv(64)
        except OSError:
            pass
        else:
            self.counts["connected"] += 1
            p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", self.number % 4 == 0, 0))
        self.drop_socket(p)

    def drop_socket(self, p):
        if p.sock:
            self.watch.forget(p.sock)
            p.sock.close()
            p.sock = None

    # ---- judging, when all news of that time have come ----
    def check(self, now):
        for p in list(self.sent.values()):
            age = now - p.since
            if p.sock and age > DENIED and self.denied(p, p.since, now):
                self.drop_socket(p)
            if age > OVERDUE and (p.arrived or not p.sock or age > CONNECT):
                self.judge(p)
                self.drop_socket(p)
                del self.sent[p.number]

    def denied(self, p, since, until):
        return not any(net.allows(policy, p.to, p.port)
                       for policy in self.watch.policies(since, until))

    def judge(self, p):
        if p.arrived:
            if self.denied(p, p.since, p.arrived) and \
                    not self.watch.unguarded(p.path, p.since, p.arrived):
                self.watch.lost(f"{p} arrived, and no policy allows it",
                                p.since, p.path)
            return
        until = p.until + (1 if p.kind == "UDP" else CONNECT)
        if all(net.allows(policy, p.to, p.port)
               for policy in self.watch.policies(p.since, until)):
            if self.watch.good(p.path, p.since - 0.1, until) and \
                    not self.watch.full(p.since, until):
                self.watch.lost(f"{p}: every policy allows it, and it did not "
                                "arrive", p.since, p.path)
            else:
                self.counts["refused"] += 1
        else:
            self.counts["denied"] += 1
