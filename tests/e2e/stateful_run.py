# SPDX-License-Identifier: BSD-2-Clause
"""Attacks on flows that are (attacks.md 2.2), as real frames: the target's own
sockets talk to a peer that is nothing but this program, so that every packet
inward is one of ours and the counters are exact.

usage: stateful_run.py TARGET_NETNS SENDER_NETNS TARGET_MAC OWN_MAC CONTROL
For each step: verdicts and reasons counted inward; what is allowed reaches the
target's raw sockets, what is dropped doesn't; where a connection must survive,
data still goes both ways through its socket; CONTROL, the agent's socket, says
what became of the flow. Exits 1 if anything was otherwise, and says what.

The policy: in TCP 80 and 81 and UDP 5000, out TCP 443, UDP 5300 and pings.
"""
import errno
import itertools
import json
import random
import select
import socket
import struct
import sys
import time
from collections import Counter

from attack_run import PATIENCE, counters, drain, meet, settled
from attacks import A4, A6, S4, S6, icmp, icmp6
from frames import ACK, RST, SYN, ip4, ip6, with_sum

FIN, PSH, URG = 1, 8, 32
# Not those of the run before: what it closed is in TIME_WAIT.
SPORTS = itertools.count(random.randrange(10000, 60000, 100))
ROUTER4, ROUTER6 = socket.inet_aton("10.9.0.77"), \
    socket.inet_pton(10, "fd00:9::77")
OTHER4, OTHER6 = socket.inet_aton("10.9.0.67"), \
    socket.inet_pton(10, "fd00:9::67")
MALFORMED = {"null": 0, "FIN alone": FIN, "SYN and FIN": SYN | FIN,
             "SYN and RST": SYN | RST, "Christmas tree": FIN | PSH | URG,
             "all": 0x3F, "URG": URG, "FIN and RST": FIN | RST,
             "SYN, FIN, ACK": SYN | FIN | ACK}
FAR = 0x40000000  # out of any window


class Wrong(Exception):
    pass


def allowed(reason, packets=1):
    return {f"allow {reason}": packets}


def drop(reason, packets=1):
    return {f"drop {reason}": packets}


ESTABLISHED, RELATED = allowed("established"), allowed("related")
SG_ALLOW, NO_MATCH = allowed("sg-allow"), drop("sg-no-match")
NO_FLOW, FLAGS, UNRELATED = drop("no-flow"), drop("tcp-flags"), \
    drop("not-related")


class World:
    """One family, between the target's stack and us."""
    def __init__(self, v6, lines, conn, control):
        self.v6, self.conn, self.control = v6, conn, control
        self.wire, self.raw, self.to, self.own = lines
        self.a, self.s, self.router, self.other = \
            (A6, S6, ROUTER6, OTHER6) if v6 else (A4, S4, ROUTER4, OTHER4)
        self.family = socket.AF_INET6 if v6 else socket.AF_INET
        self.before = counters(conn)
        self.steps = 0
        self.socks = []
        self.listener = self.bound(socket.SOCK_STREAM, 80)
        self.listener.listen()
        self.socks.clear()  # it stays

    def text(self, addr):
        return socket.inet_ntop(self.family, addr)

    def packet(self, proto, payload, **kw):
        kw.setdefault("src", self.s)
        kw.setdefault("dst", self.a)
        return (ip6 if self.v6 else ip4)(proto, payload, **kw)

    def send(self, *packets):
        kind = b"\x86\xdd" if self.v6 else b"\x08\0"
        for p in packets:
            self.wire.send(self.to + self.own + kind + p)

    def expect(self, what, packets, want):
        """Sends packets; exactly want is counted, and only what is allowed
        is delivered."""
        packets = packets if isinstance(packets, list) else [packets]
        drain(self.raw)
        self.send(*packets)
        self.before, delta = settled(self.conn, self.before, want)
        self.steps += 1
        if delta != Counter(want):
            raise Wrong(f"{what}: counted {dict(delta)}, not {want}")
        passed = sum(n for k, n in want.items() if k.startswith("allow"))
        seen = len(self.delivered(passed))
        if seen != passed:
            raise Wrong(f"{what}: {seen} delivered, not {passed}")

    def delivered(self, wanted):
        """What the target's raw sockets got; a counter runs ahead of them."""
        got, end = drain(self.raw), time.monotonic() + PATIENCE
        while len(got) < wanted and time.monotonic() < end:
            select.select(self.raw, [], [], 0.1)
            got += drain(self.raw)
        return got

    def error(self, kind, code, quote, **kw):
        """An ICMP error that quotes a packet of the target's."""
        kw.setdefault("src", self.router)
        make = icmp6 if self.v6 else icmp
        return make(kind, code, body=quote, **kw)[0][1]

    def flows(self, lport, rport):
        """(table, state) of each flow between the two."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.control)
            sock.sendall(b'{"cmd":"flows"}\n')
            sock.shutdown(socket.SHUT_WR)
            parts = [json.loads(p) for p in sock.makefile()]
        want = self.text(self.a), self.text(self.s), lport, rport
        return [(f["table"], f["state"]) for p in parts
                for f in p.get("flows", [])
                if (f["local"], f["remote"], f["local_port"],
                    f["remote_port"]) == want and f["table"] != "denied"]

    def is_flow(self, what, lport, rport, *states):
        got = self.flows(lport, rport)
        if sorted(got) != sorted(states):
            raise Wrong(f"{what}: flows are {got}, not {list(states)}")

    def keep(self, sock):
        sock.settimeout(PATIENCE)
        self.socks.append(sock)
        return sock

    def forget(self):
        """Nothing of a case is left to talk."""
        for sock in self.socks:
            if sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                sock.close()
        self.socks.clear()

    def bound(self, kind, port=0):
        sock = socket.socket(self.family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.text(self.a), port))
        return self.keep(sock)


class Peer:
    """Our end of a TCP connection: what a host would send, and other things.
    seq is the next of ours, ack the next of the target's."""
    def __init__(self, world, lport, rport):
        self.w, self.lport, self.rport = world, lport, rport
        self.seq, self.ack = random.randrange(1 << 31), 0
        self.sock = None

    def segment(self, flags, seq=0, ack=0, body=b"", **kw):
        """seq and ack are distances from what is right; kw: src, dst, sport,
        dport."""
        src, dst = kw.get("src", self.w.s), kw.get("dst", self.w.a)
        seg = struct.pack(
            "!HHIIBBHHH", kw.get("sport", self.rport),
            kw.get("dport", self.lport), (self.seq + seq) % (1 << 32),
            (self.ack + ack) % (1 << 32) if flags & ACK else 0, 5 << 4, flags,
            8192, 0, 0) + body
        return self.w.packet(6, with_sum(6, seg, 16, src, dst), src=src,
                             dst=dst)

    def inject(self, what, want, flags, *args, **kw):
        self.w.expect(what, self.segment(flags, *args, **kw), want)

    def heard(self, mask, flags, data=False):
        """Waits for a segment of the target's with these flags (or with data):
        (its sequence number, its data)."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([self.w.wire], [], [], 0.5)[0]:
                continue
            tcp = self.ours(self.w.wire.recvfrom(4096))
            if tcp and tcp[13] & mask == flags:
                body = tcp[(tcp[12] >> 4) * 4:]
                if body or not data:
                    return struct.unpack("!I", tcp[4:8])[0], body
        raise Wrong(f"nothing with flags {flags:#x} came from the target")

    def ours(self, got):
        """The TCP segment, if it is one of the target's to us."""
        frame, source = got
        if source[2] == socket.PACKET_OUTGOING:
            return None
        v6 = frame[12:14] == b"\x86\xdd"
        if v6 != self.w.v6 or frame[20 if v6 else 23] != 6:
            return None
        at = 54 if v6 else 34
        total = at + struct.unpack_from("!H", frame, 18)[0] if v6 else \
            14 + struct.unpack_from("!H", frame, 16)[0]
        tcp = frame[at:total]
        ports = struct.unpack_from("!HH", tcp)
        return tcp if ports == (self.lport, self.rport) else None

    def is_flow(self, what, *states):
        self.w.is_flow(what, self.lport, self.rport, *states)

    # ---- a connection's life ----
    def dialled(self):
        """The target's SYN is on its way."""
        self.sock = self.w.bound(socket.SOCK_STREAM, self.lport)
        self.sock.setblocking(False)
        drain([self.w.wire])
        err = self.sock.connect_ex((self.w.text(self.w.s), self.rport))
        if err != errno.EINPROGRESS:
            raise Wrong(f"connect: {errno.errorcode.get(err, err)}")
        self.lport = self.sock.getsockname()[1]
        self.ack = self.heard(SYN | ACK, SYN)[0] + 1
        return self

    def answered(self):
        """The SYN-ACK, and the connection stands."""
        self.inject("SYN-ACK", ESTABLISHED, SYN | ACK)
        self.seq += 1
        self.heard(SYN | ACK | RST, ACK)
        if not select.select([], [self.sock], [], PATIENCE)[1] or \
                self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Wrong("connect did not succeed")
        self.sock.settimeout(PATIENCE)
        return self

    def dial(self):
        return self.dialled().answered()

    def call(self, listener):
        """We connect to the target."""
        drain([self.w.wire])
        self.inject("SYN", SG_ALLOW, SYN)
        self.ack = self.heard(SYN | ACK, SYN | ACK)[0] + 1
        self.seq += 1
        self.inject("ACK", ESTABLISHED, ACK)
        self.sock = self.w.keep(listener.accept()[0])
        return self

    def works(self, what="after it"):
        """Data goes both ways."""
        self.inject(f"data, {what}", ESTABLISHED, ACK | PSH, body=b"ping")
        self.seq += 4
        if self.sock.recv(100) != b"ping":
            raise Wrong(f"{what}: other data")
        drain([self.w.wire])
        self.sock.sendall(b"pong")
        seq, data = self.heard(ACK, ACK, data=True)
        if (seq, data) != (self.ack % (1 << 32), b"pong"):
            raise Wrong(f"{what}: the target sent {data} at {seq}")
        self.ack += 4
        self.inject(f"ACK, {what}", ESTABLISHED, ACK)
        return self

    def close_first(self):
        """The target closes, then we: it is left in TIME_WAIT."""
        drain([self.w.wire])
        self.sock.close()
        self.heard(FIN, FIN)
        self.ack += 1
        self.inject("FIN-ACK", ESTABLISHED, FIN | ACK)
        self.seq += 1
        self.heard(FIN | ACK | SYN | RST, ACK)


    def close_second(self):
        """We close, then the target."""
        self.inject("FIN-ACK", ESTABLISHED, FIN | ACK)
        self.seq += 1
        if self.sock.recv(100):
            raise Wrong("data instead of an end")
        drain([self.w.wire])
        self.sock.close()
        self.heard(FIN, FIN)
        self.ack += 1
        self.inject("last ACK", ESTABLISHED, ACK)


def dial(w):
    return Peer(w, 0, 443).dial()


def call(w):
    return Peer(w, 80, next(SPORTS)).call(w.listener)


# ---- the cases: name, what it does -------------------------------------------
def segments_out(w):
    """Injections into a connection that the target opened."""
    p = dial(w).works("at first")
    for name, flags in MALFORMED.items():
        p.inject(name, FLAGS, flags)
    p.works("after malformed ones")
    p.inject("SYN", NO_MATCH, SYN)
    p.inject("SYN with data", NO_MATCH, SYN, body=b"GET")
    p.inject("SYN, ECE, CWR", NO_MATCH, SYN | 0xC0)
    p.inject("SYN out of window", NO_MATCH, SYN, seq=FAR)
    p.works("after SYNs")
    lax(p)
    p.is_flow("in the end", ("flows", "half-closed"))


def segments_in(w):
    """The same into one that was opened to it: its SYN is allowed, changes
    nothing and is answered by the stack (RFC 5961)."""
    p = call(w).works("at first")
    for name, flags in MALFORMED.items():
        p.inject(name, FLAGS, flags)
    p.works("after malformed ones")
    for name, far in ("SYN", 0), ("SYN out of window", FAR):
        p.inject(name, SG_ALLOW, SYN, seq=far)
        p.is_flow(name, ("flows", "established"))
        p.works(f"after {name}")
    lax(p)


def lax(p):
    """No window is tracked: these pass, the stack throws them away, and the
    connection goes on."""
    for name, flags, seq, ack in (
            ("SYN-ACK", SYN | ACK, 0, 0),
            ("data far above the window", ACK | PSH, FAR, 0),
            ("data far below", ACK | PSH, -FAR, 0),
            ("ACK of data not sent", ACK, 0, FAR),
            ("RST out of window", RST, FAR, 0),
            ("RST-ACK out of window", RST | ACK, -FAR, 0),
            ("FIN out of window", FIN | ACK, FAR, 0)):
        p.inject(name, ESTABLISHED, flags, seq, ack,
                 b"evil" if flags & PSH else b"")
        p.works(f"after {name}")


def reset_in_window(w):
    """Inexact: a challenge, and data revives the flow. Exact: it ends."""
    p = dial(w)
    p.inject("RST in window, inexact", ESTABLISHED, RST, 100)
    p.works("after RST in window")
    p.is_flow("data after RST", ("flows", "established"))
    p.inject("exact RST", ESTABLISHED, RST)
    p.is_flow("exact RST", ("flows", "reset"))
    try:
        p.sock.recv(100)
        raise Wrong("exact RST: the connection lives")
    except ConnectionResetError:
        pass
    # What the peer had on its way still belongs to the flow; nothing is
    # there to take it.
    p.inject("data after its RST", ESTABLISHED, ACK | PSH, body=b"late")
    p.inject("SYN after its RST", NO_MATCH, SYN, seq=FAR)


def strangers(w):
    """The ports of a flow, from somebody else, by another protocol, the other
    way round."""
    for p in dial(w), call(w):
        out = p.rport == 443
        # To an open port it is the middle of a connection of its own.
        p.inject("ACK of another host", NO_MATCH if out else SG_ALLOW, ACK,
                 src=w.other)
        p.inject("data of another host", NO_MATCH if out else ESTABLISHED,
                 ACK | PSH, src=w.other, body=b"evil")
        for name, flags in ("RST", RST), ("RST-ACK", RST | ACK), \
                ("FIN-ACK", FIN | ACK), ("SYN-ACK", SYN | ACK):
            p.inject(f"{name} of another port", NO_FLOW, flags,
                     sport=9)
            if out:
                p.inject(f"{name} of another host", NO_FLOW, flags,
                         src=w.other)
        p.inject("its own packet sent back", drop("own-source"), ACK,
                 src=w.a, dst=w.a, sport=p.lport, dport=p.rport)
        p.inject("ports exchanged", NO_MATCH, ACK, sport=p.lport,
                 dport=p.rport)
        w.expect("UDP on the tuple", udp(w, p.rport, p.lport), NO_MATCH)
        p.works("after strangers")
        p.is_flow("after strangers", ("flows", "established"))


def udp(w, sport, dport, **kw):
    src = kw.get("src", w.s)
    seg = struct.pack("!HHHH", sport, dport, 12, 0) + b"data"
    return w.packet(17, with_sum(17, seg, 6, src, w.a), src=src)


def udp_replies(w):
    sock = w.bound(socket.SOCK_DGRAM)
    port = sock.getsockname()[1]
    sock.sendto(b"query", (w.text(w.s), 5300))
    for name, packet, want in (
            ("exact", udp(w, 5300, port), ESTABLISHED),
            ("again", udp(w, 5300, port), ESTABLISHED),
            ("from another port", udp(w, 5301, port), NO_MATCH),
            ("to another port", udp(w, 5300, port + 1), NO_MATCH),
            ("from another host", udp(w, 5300, port, src=w.other), NO_MATCH)):
        w.expect(f"reply {name}", packet, want)
    for name, flags, want in ("SYN", SYN, NO_MATCH), ("ACK", ACK, NO_MATCH), \
            ("SYN-ACK", SYN | ACK, NO_FLOW), ("RST", RST, NO_FLOW):
        w.expect(f"TCP {name} on the tuple",
                 Peer(w, port, 5300).segment(flags), want)
    w.is_flow("in the end", port, 5300, ("udp", "answered"))
    if sock.recv(100) != b"data":
        raise Wrong("other data")


def quoted(w, lport, rport, proto=17, **kw):
    """What the target sent, as an error quotes it."""
    head = struct.pack("!HH", lport, rport) + b"\0\x0c" + b"\0" * 14
    return w.packet(proto, head, src=kw.pop("src", w.a),
                    dst=kw.pop("dst", w.s), **kw)


def errors(w):
    """Of the destination and of a router beside it, about UDP and TCP."""
    kinds = ((1, 0), (1, 4), (2, 0), (3, 0), (4, 1)) if w.v6 else \
        ((3, 0), (3, 1), (3, 4), (3, 13), (4, 0), (11, 0), (12, 0))
    sock = w.bound(socket.SOCK_DGRAM)
    port = sock.getsockname()[1]
    sock.sendto(b"query", (w.text(w.s), 5300))
    p = dial(w)
    for kind, code in kinds:
        for src in w.s, w.router:
            for quote in quoted(w, port, 5300), quoted(w, p.lport, 443, 6):
                rest = struct.pack("!HH", 0, 1400) if not w.v6 else \
                    struct.pack("!I", 1400)
                w.expect(f"error {kind}.{code}", w.error(
                    kind, code, quote, src=src, rest=rest), RELATED)
    head = 40 if w.v6 else 20
    for n in 4, 8:
        w.expect(f"{n} bytes of transport", w.error(
            *kinds[0], quoted(w, p.lport, 443, 6)[:head + n]), RELATED)
    p.works("after errors")
    p.is_flow("after errors", ("flows", "established"))
    w.is_flow("after errors", port, 5300, ("udp", "new"))


def false_errors(w):
    """Quotes that are not of a flow, or not of this direction."""
    p = dial(w)
    kind, code = (1, 0) if w.v6 else (3, 1)
    good = quoted(w, p.lport, 443, 6)
    head = 40 if w.v6 else 20
    nested = w.error(kind, code, good, src=w.a, dst=w.s)
    for name, quote in {
            "of no flow": quoted(w, p.lport + 1, 443, 6),
            "of another port": quoted(w, p.lport, 444, 6),
            "the other way round": quoted(w, 443, p.lport, 6, src=w.s,
                                          dst=w.a),
            "of another protocol": quoted(w, p.lport, 443, 17),
            "without transport": good[:head],
            "with half the ports": good[:head + 3],
            "of an error": nested,
            "of a host that is not asked": quoted(w, p.lport, 443, 6,
                                                  dst=w.other),
            "of another source": quoted(w, p.lport, 443, 6, src=w.other),
            "of the wrong version": bytes([good[0] ^ 0x20]) + good[1:],
            "of a later fragment": later_fragment(w, good)}.items():
        w.expect(f"quote {name}", w.error(kind, code, quote), UNRELATED)
    if not w.v6:
        for ihl in 4, 15:
            w.expect(f"quote with IHL {ihl}", w.error(
                kind, code, bytes([0x40 | ihl]) + good[1:]), UNRELATED)
    other = ip4(6, good[40:], src=A4, dst=S4) if w.v6 else \
        ip6(6, good[20:], src=A6, dst=S6)
    w.expect("quote of the other family", w.error(kind, code, other),
             UNRELATED)
    redirects(w, good)
    p.works("after false errors")


def later_fragment(w, good):
    if w.v6:
        return w.packet(44, b"\x06\0" + struct.pack("!HI", 8 << 3, 7) +
                        good[40:], src=w.a, dst=w.s)
    return good[:6] + b"\0\x08" + good[8:]


def redirects(w, good):
    """Never, however true."""
    if w.v6:
        for hops in 64, 255:
            w.expect("redirect", icmp6(137, body=w.other + w.s, hops=hops,
                                       src=w.router)[0][1], drop("redirect"))
        return
    for code in range(4):
        w.expect("redirect", icmp(5, code, w.other, good, src=w.router)[0][1],
                 drop("redirect"))


def echoes(w):
    """A ping of the target's, and what pretends to answer it."""
    make, ask, answer = (icmp6, 128, 129) if w.v6 else (icmp, 8, 0)
    raw = socket.socket(w.family, socket.SOCK_RAW, 58 if w.v6 else 1)
    ident = random.randrange(1, 0xfff0)

    def echo(kind, ident, seq, code=0):
        return make(kind, code, struct.pack("!HH", ident, seq))[0][1]
    body = echo(ask, ident, 1)[40 if w.v6 else 20:]
    raw.sendto(body, (w.text(w.s), 0))
    for name, packet, want in (
            ("reply", echo(answer, ident, 1), ESTABLISHED),
            ("reply of another identifier", echo(answer, ident + 1, 1),
             NO_FLOW),
            ("second copy", echo(answer, ident, 1), ESTABLISHED),
            ("another number", echo(answer, ident, 9), ESTABLISHED),
            # GHSA-c66w-hq56-4q97
            ("request of the same identifier", echo(ask, ident, 1), NO_MATCH),
            ("reply after it", echo(answer, ident, 2), ESTABLISHED)):
        w.expect(name, packet, want)
    w.expect("reply of another host", make(
        answer, 0, struct.pack("!HH", ident, 1), src=w.other)[0][1], NO_FLOW)
    if not w.v6:
        for kind in 14, 16, 18:
            w.expect(f"reply of type {kind}", icmp(kind, 0, struct.pack(
                "!HH", ident, 1), b"\0" * 12)[0][1], NO_FLOW)
    raw.close()


def not_established(p, what):
    got = p.w.flows(p.lport, p.rport)
    if "flows" in dict(got):
        raise Wrong(f"{what}: flows are {got}")


def half_open(w):
    """Before the answer: nothing but the answer makes a connection."""
    p = Peer(w, 0, 443).dialled()
    for name, flags in MALFORMED.items():
        p.inject(name, FLAGS, flags)
    p.inject("SYN of the other side", NO_MATCH, SYN)
    p.inject("data", ESTABLISHED, ACK | PSH, body=b"evil", ack=FAR)
    p.inject("RST of another number", ESTABLISHED, RST | ACK, ack=FAR)
    p.inject("SYN-ACK of another number", ESTABLISHED, SYN | ACK, ack=FAR)
    not_established(p, "half-open")
    p.answered().works("after all of it")
    p.is_flow("answered", ("flows", "established"))
    q = Peer(w, 0, 443).dialled()
    q.inject("exact RST", ESTABLISHED, RST | ACK)
    if not select.select([], [q.sock], [], PATIENCE)[1] or \
            q.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != \
            errno.ECONNREFUSED:
        raise Wrong("exact RST: not refused")


def split_handshake(w):
    """ACK, then SYN instead of SYN-ACK (TCP split handshake): the SYN is an
    opening of theirs, and no rule lets it in."""
    p = Peer(w, 0, 443).dialled()
    p.inject("ACK alone", ESTABLISHED, ACK)
    p.inject("SYN alone", NO_MATCH, SYN)
    p.inject("SYN alone, again", NO_MATCH, SYN)
    p.answered().works("after a split handshake")


def simultaneous_open(w):
    """Both SYNs cross: where the rules of both directions allow it, a
    connection; where they don't, none (half_open())."""
    p = Peer(w, 81, 443).dialled()
    drain([w.wire])
    p.inject("SYN", SG_ALLOW, SYN)
    p.heard(SYN | ACK, SYN | ACK)
    p.seq += 1
    p.inject("SYN-ACK of theirs", ESTABLISHED, SYN | ACK, seq=-1)
    if not select.select([], [p.sock], [], PATIENCE)[1] or \
            p.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise Wrong("no connection")
    p.sock.settimeout(PATIENCE)
    p.works("simultaneously opened")
    p.is_flow("simultaneously opened", ("flows", "established"))


def blind(w):
    """Without seeing what the target answers: no established flow, whatever
    is sent (F9)."""
    p = Peer(w, 80, next(SPORTS))
    p.inject("SYN", SG_ALLOW, SYN)
    true_ack = p.heard(SYN | ACK, SYN | ACK)[0] + 1
    p.seq += 1
    for name, flags, ack in (("ACK", ACK, FAR), ("data", ACK | PSH, -FAR),
                             ("FIN", FIN | ACK, FAR)):
        p.ack = true_ack + ack
        p.inject(f"blind {name}", ESTABLISHED, flags,
                 body=b"GET" if flags & PSH else b"")
        not_established(p, f"blind {name}")
    p.inject("SYN-ACK to its SYN-ACK", NO_FLOW, SYN | ACK)
    p.inject("RST", ESTABLISHED, RST)


def not_closing(p):
    """Anew: what closed ends by its own time, and keeps its place in the
    table of flows until then (F6)."""
    got = [f for f in p.w.flows(p.lport, p.rport) if f[0] != "closing"]
    if [state for _, state in got] != ["established"]:
        raise Wrong(f"reused: flows are {got}")


def closing(w):
    """TIME_WAIT, and what may follow it on the same tuple."""
    p = call(w).works("at first")
    p.close_first()
    p.is_flow("closed", ("closing", "closing"))
    for name, flags in ("ACK", ACK), ("FIN-ACK", FIN | ACK):
        p.inject(f"late {name}", ESTABLISHED, flags, seq=-1)
    p.inject("late null", FLAGS, 0)
    p.inject("RST out of window", ESTABLISHED, RST, FAR)
    # F32: a SYN above what was (RFC 6191) is a connection of its own
    p.seq += 100000
    p.call(w.listener).works("of the same tuple")
    not_closing(p)
    q = dial(w).works("at first")
    q.close_first()
    q.inject("SYN of the other side on a closed tuple", NO_MATCH, SYN,
             seq=100000)
    q.inject("SYN-ACK late", ESTABLISHED, SYN | ACK)
    # We close, so that nothing keeps the target from the same tuple
    r = dial(w).works("at first")
    r.close_second()
    r.is_flow("closed", ("closing", "closing"))
    r.seq += 100000
    r.dial().works("of the same tuple, ours")
    not_closing(r)


CASES = (segments_out, segments_in, reset_in_window, strangers, udp_replies,
         errors, false_errors, echoes, half_open, split_handshake,
         simultaneous_open, blind, closing)


def main():
    lines, conn = meet(sys.argv[1:5], ((1, 6, 17), (6, 17, 58)))
    control = sys.argv[5]
    complaints = steps = 0
    for v6 in False, True:
        world = World(v6, lines, conn, control)
        for case in CASES:
            world.before = counters(conn)
            try:
                case(world)
            except (Wrong, OSError) as error:
                complaints += 1
                print(f"{case.__name__}, IPv{6 if v6 else 4}: {error}")
            world.forget()
        steps += world.steps
    print(f"{steps} steps")
    return complaints > 0


if __name__ == "__main__":
    sys.exit(main())
