# SPDX-License-Identifier: BSD-2-Clause
"""Long-lived flows of the soak: numbered records both ways, so that whatever
is lost is known by its number."""
import errno
import socket
import struct

import soak_net as net

RECORD = struct.Struct("!QQ")
OVERDUE = 5.0       # seconds after which a datagram has been lost
STALLED = 30.0      # seconds without progress on a path that is good
WHILE_AWAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL,
              errno.ENETDOWN, errno.EINVAL, errno.ENODEV, errno.EAGAIN,
              errno.ENOBUFS, errno.ECONNREFUSED, errno.EACCES}


def new_socket(space, family, kind):
    with space:
        s = socket.socket(net.FAMILIES[family], kind)
    s.setblocking(False)
    if family == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Addresses come and go.
    level, free = ((socket.IPPROTO_IP, 15) if family == 4 else
                   (socket.IPPROTO_IPV6, 78))
    s.setsockopt(level, free, 1)
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    return s


class Flow:
    def __init__(self, watch, path, family, opener, port):
        self.watch, self.path, self.family = watch, path, family
        self.opener, self.port = opener, port
        self.other = net.PEER if opener == net.HOST else net.HOST
        self.sock = {}
        self.sent = dict.fromkeys((net.HOST, net.PEER), 0)
        self.got = dict.fromkeys((net.HOST, net.PEER), 0)

    def __str__(self):
        return (f"{self.kind} {net.address(self.opener, self.path, self.family)}"
                f" to {net.address(self.other, self.path, self.family)}"
                f" port {self.port} ({net.PATHS[self.path][0]})")

    def new(self, side, kind):
        return new_socket(self.watch.space[side], self.family, kind)

    def local(self, side):
        return net.address(side, self.path, self.family)

    def keep(self, side, sock):
        self.sock[side] = sock
        self.watch.listen(sock, lambda: self.receive(side))

    def close(self):
        for s in self.sock.values():
            self.watch.forget(s)
            s.close()


class Udp(Flow):
    """Each datagram has to arrive, unless its path was away."""
    kind = "UDP"

    def open(self):
        for side in (self.other, self.opener):
            s = self.new(side, socket.SOCK_DGRAM)
            s.bind((self.local(side), self.port))
            self.keep(side, s)
        self.sock[self.opener].connect((self.local(self.other), self.port))
        self.sock[self.other].connect((self.local(self.opener), self.port))
        self.missing = {net.HOST: {}, net.PEER: {}}  # by receiver

    def tick(self, now):
        for side in (self.opener, self.other):
            to = net.PEER if side == net.HOST else net.HOST
            self.sent[side] += 1
            try:
                self.sock[side].send(RECORD.pack(self.port, self.sent[side]))
            except OSError as e:
                self.failed(e, now)
                continue
            self.missing[to][self.sent[side]] = now

    def failed(self, e, now):
        if e.errno not in WHILE_AWAY or self.watch.fine(self.path, now - 1):
            self.watch.lost(f"{self}: sending failed: {e}", now, self.path)

    def receive(self, side):
        try:
            data = self.sock[side].recv(64)
        except OSError:
            return
        self.got[side] += 1
        self.missing[side].pop(RECORD.unpack(data)[1], None)

    def check(self, now):
        for side, missing in self.missing.items():
            for number, at in list(missing.items()):
                if now - at < OVERDUE:
                    break
                del missing[number]
                if self.watch.good(self.path, at - 0.1, at + 1):
                    self.watch.lost(f"{self}: datagram {number} to the {side} "
                                    "was lost", at, self.path)

    def done(self):
        return not any(self.missing.values())


class Tcp(Flow):
    """Stays open, in order and moving; retransmits nothing on a path that is
    left in peace."""
    kind = "TCP"

    def open(self):
        server = self.new(self.other, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((self.local(self.other), self.port))
        server.listen(1)
        client = self.new(self.opener, socket.SOCK_STREAM)
        client.bind((self.local(self.opener), 0))
        client.settimeout(20)
        client.connect((self.local(self.other), self.port))
        server.settimeout(20)
        conn, _ = server.accept()
        server.close()
        for side, s in ((self.opener, client), (self.other, conn)):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.keep(side, s)
        self.rest = {net.HOST: b"", net.PEER: b""}     # received, no record yet
        self.tail = {net.HOST: b"", net.PEER: b""}     # not taken by the kernel
        now = self.watch.now()
        self.moved = {net.HOST: now, net.PEER: now}
        self.ended = False

    def tick(self, now):
        if self.ended:
            return
        for side, s in self.sock.items():
            if not self.tail[side]:
                self.sent[side] += 1
                self.tail[side] = RECORD.pack(self.port, self.sent[side])
            try:
                n = s.send(self.tail[side])
                self.tail[side] = self.tail[side][n:]
            except BlockingIOError:
                pass
            except OSError as e:
                self.end(side, e)
                return

    def end(self, side, why):
        if not self.ended:
            self.watch.lost(f"{self}: ended at the {side}: {why}",
                            self.watch.now(), self.path)
        self.ended = True

    def receive(self, side):
        if self.ended:
            return
        try:
            data = self.sock[side].recv(65536)
        except BlockingIOError:
            return
        except OSError as e:
            self.end(side, e)
            self.watch.forget(self.sock[side])
            return
        if not data:
            self.end(side, "closed by the other end")
            self.watch.forget(self.sock[side])
            return
        data = self.rest[side] + data
        whole = len(data) // RECORD.size * RECORD.size
        self.rest[side] = data[whole:]
        for port, number in RECORD.iter_unpack(data[:whole]):
            self.got[side] += 1
            if (port, number) != (self.port, self.got[side]):
                self.end(side, f"record {number} where {self.got[side]} was due")
        self.moved[side] = self.watch.now()

    def check(self, now):
        for side, at in self.moved.items():
            other = net.PEER if side == net.HOST else net.HOST
            since = max(at, self.watch.good_since(self.path, now))
            # The sender tries again after at most as long as it was in vain.
            if not self.ended and now - since > STALLED + since - at and \
                    self.sent[other] > self.got[side]:
                self.watch.lost(f"{self}: nothing came to the {side} for "
                                f"{now - at:.1f} s", at, self.path)
                self.moved[side] = now

    def retransmitted(self):
        """Segments sent twice because the first was lost: those that the
        other end had already (RFC 2883) were only late."""
        lost = 0
        for s in self.sock.values():
            info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            total, = struct.unpack_from("I", info, 100)
            twice, = struct.unpack_from("I", info, 216)
            lost += max(0, total - twice)
        return lost

    def done(self):
        return self.ended or all(
            self.got[to] == self.sent[of] - bool(self.tail[of])
            for of, to in ((net.HOST, net.PEER), (net.PEER, net.HOST)))
