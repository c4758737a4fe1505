# SPDX-License-Identifier: BSD-2-Clause
"""What attackers send, as frames, and what must become of each.

table(): name -> (frames, {"verdict reason": packets}); a frame is
(EtherType, what follows it[, destination MAC]). Nobody has the source
addresses, so nothing but the target's own answer follows a frame. Ports 80
(TCP), 5000 (UDP) and pings are open, all else is closed.
"""
import itertools
import socket
import struct

from frames import SYN, ACK, checksum, fragments4, ip4, ip6, tagged, with_sum

A4, A6 = socket.inet_aton("10.9.0.1"), socket.inet_pton(10, "fd00:9::1")
S4, S6 = socket.inet_aton("10.9.0.66"), socket.inet_pton(10, "fd00:9::66")
OTHER_MAC = b"\x02\0\0\0\0\x99"
VALID_OPENING, VALID_MID = (0x02, 0x22), (0x10, 0x30)
VALID_ANSWER = (0x12, 0x04, 0x14, 0x11, 0x31)
PORTS = itertools.count(20000)
IDENTS = itertools.count(100)


def address(text):
    return socket.inet_pton(10 if ":" in text else 2, text)


def tcp(port, flags=SYN, v6=False, **kw):
    """kw: sport, src, dst, body, offset (in words)."""
    src = kw.get("src", S6 if v6 else S4)
    dst = kw.get("dst", A6 if v6 else A4)
    seg = struct.pack("!HHIIBBHHH", kw.get("sport", next(PORTS)), port, 1000,
                      0, kw.get("offset", 5) << 4, flags, 8192, 0, 0)
    return with_sum(6, seg + kw.get("body", b""), 16, src, dst)


def udp(port, v6=False, size=8, **kw):
    seg = struct.pack("!HHHH", kw.get("sport", next(PORTS)), port,
                      kw.get("length", 8 + size), 0) + b"x" * size
    return with_sum(17, seg, 6, *((S6, A6) if v6 else (S4, A4)))


def v4(proto, payload, **kw):
    """kw: those of ip4(), options, ihl, version, raw total, ttl, bad_sum."""
    kw.setdefault("src", S4)
    options = kw.pop("options", b"")
    ihl = kw.pop("ihl", 5 + len(options) // 4)
    version, ttl = kw.pop("version", 4), kw.pop("ttl", 64)
    bad = kw.pop("bad_sum", 0)
    p = bytearray(ip4(proto, options + payload, **kw))
    p[0], p[8] = version << 4 | ihl, ttl
    p[10:12] = b"\0\0"
    head = bytes(p[:20 + len(options)])
    p[10:12] = struct.pack("!H", checksum(head) ^ bad)
    return [(0x0800, bytes(p))]


def v6(proto, payload, **kw):
    kw.setdefault("src", S6)
    return [(0x86DD, ip6(proto, payload, **kw))]


def chain(*headers):
    """(protocol, bytes without their first) ... ends with what follows:
    the packet's IPv6 frames."""
    out = headers[-1][1]
    after = headers[-1][0]
    for proto, rest in reversed(headers[:-1]):
        out, after = bytes([after]) + rest + out, proto
    return v6(after, out)


def pad(units=0):
    """An options header of 8 * (units + 1) bytes, PadN over all of it."""
    size, out = 8 * (units + 1) - 2, b""
    while size > 1:
        n = min(size, 257)
        n -= size - n == 1
        out += bytes([1, n - 2]) + b"\0" * (n - 2)
        size -= n
    return bytes([units]) + out + b"\0" * size


def frag(offset, more, ident):
    return struct.pack("!BHI", 0, offset << 3 | more, ident)


def icmp(kind, code=0, rest=b"\0" * 4, body=b"q" * 8, **kw):
    seg = struct.pack("!BBH", kind, code, 0) + rest + body
    return v4(1, seg[:2] + struct.pack("!H", checksum(seg)) + seg[4:], **kw)


def icmp6(kind, code=0, rest=b"\0" * 4, body=b"q" * 8, **kw):
    seg = struct.pack("!BBH", kind, code, 0) + rest + body
    src, dst = kw.get("src", S6), kw.get("dst", A6)
    return v6(58, with_sum(58, seg, 2, src, dst), **kw)


def options():
    """Options whose bytes look like ports 80, in front of a closed port."""
    fake = struct.pack("!HH", 40000, 80)
    for name, option in {
            "nop": b"\1" * 8, "rr": b"\7\7\4" + fake + b"\0",
            "ts": b"\x44\x08\5\0" + fake, "ra": b"\x94\4\0\0",
            "sec": b"\x82\x0b" + fake + b"\0" * 5 + b"\0"}.items():
        yield f"option {name}", v4(6, tcp(81), options=option), NO_MATCH
        yield (f"option {name}, open", v4(6, tcp(80), options=option), ALLOW)
    for name, kind in {"lsrr": 0x83, "ssrr": 0x89}.items():
        yield name, v4(6, tcp(80), options=bytes([kind, 7, 4]) + A4 + b"\0"), \
            drop("source-route")
    for length in 0, 1, 9:
        yield f"option of length {length}", \
            v4(6, tcp(80), options=bytes([7, length, 4, 0])), drop("bad-header")


def drop(reason, packets=1):
    return {f"drop {reason}": packets}


NO_MATCH, ALLOW = drop("sg-no-match"), {"allow sg-allow": 1}
TRUNCATED, BAD_LENGTH = drop("truncated"), drop("bad-length")


def shapes4():
    yield from options()
    closed, opened = tcp(81), tcp(80)
    yield "ihl 4", v4(6, opened, ihl=4), drop("bad-header")
    yield "ihl 15, short", v4(6, opened, ihl=15), BAD_LENGTH
    yield "version 5", v4(6, opened, version=5), drop("bad-header")
    yield "total below header", v4(6, opened, total=19), BAD_LENGTH
    yield "total 0", v4(6, opened, total=0), BAD_LENGTH
    yield "total above frame", v4(6, opened, total=2000), TRUNCATED
    yield "bad header checksum", v4(6, closed, bad_sum=1), NO_MATCH
    yield "TTL 0", v4(6, closed, ttl=0), NO_MATCH
    yield "evil bit", v4(6, closed, flags=0x8000), NO_MATCH
    yield "bytes behind the packet", [(0x0800, v4(6, closed)[0][1] + opened)], \
        NO_MATCH
    for name, src, reason in (
            ("land", A4, "own-source"), ("0/8", "0.0.0.1", "bad-source"),
            ("127/8", "127.0.0.1", "bad-source"),
            ("multicast", "224.0.0.9", "bad-source"),
            ("broadcast", "255.255.255.255", "bad-source"),
            ("subnet broadcast", "10.9.0.255", "bad-source"),
            ("240/4", "240.0.0.1", "sg-no-match"),
            ("link-local", "169.254.9.9", "sg-no-match")):
        src = src if isinstance(src, bytes) else address(src)
        port = 81 if reason == "sg-no-match" else 80
        yield f"source {name}", v4(6, tcp(port, src=src), src=src), drop(reason)
    lo = address("127.0.0.1")
    yield "to loopback", v4(6, tcp(80, dst=lo), dst=lo), \
        drop("bad-destination")
    yield "ICMPv6 in IPv4", v4(58, b"\x80\0\0\0" + b"\0" * 8), \
        drop("icmp-family")
    yield "timestamp request", icmp(13, body=b"\0" * 12), NO_MATCH
    yield "echo reply of no request", icmp(0), drop("no-flow")
    yield "timestamp reply", icmp(14, body=b"\0" * 12), drop("no-flow")
    yield "redirect", icmp(5, 1, S4, v4(6, opened)[0][1]), drop("redirect")
    quote = ip4(6, tcp(4321, ACK), src=A4, dst=S4)
    for kind, code in (3, 4), (4, 0), (11, 0), (12, 0):
        yield f"error {kind} of no flow", icmp(kind, code, body=quote), \
            drop("not-related")


def fragments():
    """IPv4: first ones that lie, later ones that look like an open port."""
    def piece(proto, data, offset=0, more=0, ident=0):
        return v4(proto, data, flags=offset | more << 13, ident=ident)

    yield "reversed", reversed_pair(), \
        {"drop fragment-no-first": 1, "allow sg-allow": 1}
    i = next(IDENTS)
    yield "later one that looks like SYN", piece(6, tcp(80), 4, 0, i), \
        drop("fragment-no-first")
    yield "tiny", piece(6, tcp(80)[:8], 0, 1, i + 1000), drop("tiny-fragment")
    yield "offset 1", piece(6, tcp(80)[8:], 1, 0, i + 1000), \
        drop("bad-fragment")
    first, again = udp(5000, size=24), udp(5001, size=24)
    yield "first one twice, other port", piece(17, first, 0, 1, i + 2000) + \
        piece(17, again, 0, 1, i + 2000), \
        {"allow sg-allow": 1, "drop bad-fragment": 1}
    yield "ping of death", piece(1, b"\0" * 64, 8188, 0, i + 3000), \
        drop("bad-fragment")
    yield "MF without payload", piece(17, b"", 0, 1, i + 4000), \
        drop("bad-fragment")
    yield "not a multiple of 8", piece(17, udp(5000, size=13), 0, 1, i + 5000), \
        drop("bad-fragment")
    yield "MF and DF", v4(17, udp(5001, size=8), flags=0x6000,
                          ident=i + 6000), NO_MATCH


def reversed_pair():
    return [(t, p[:12] + S4 + p[16:]) for t, p in
            (resum(f) for f in fragments4(5000, True))]


def resum(frame):
    """Its source becomes S4: header checksum anew."""
    p = bytearray(frame[1])
    p[10:16] = b"\0\0" + S4
    p[10:12] = struct.pack("!H", checksum(bytes(p[:20])))
    return frame[0], bytes(p)


def shapes6():
    closed, opened = tcp(81, v6=True), tcp(80, v6=True)
    yield "HBH", chain((0, pad()), (6, closed)), NO_MATCH
    yield "HBH, open", chain((0, pad()), (6, opened)), ALLOW
    for n in 1, 4, 7:
        yield f"{n} DST", chain(*[(60, pad())] * n, (6, closed)), NO_MATCH
    for n in 9, 40:
        yield f"{n} DST", chain(*[(60, pad())] * n, (6, opened)), \
            drop("ext-header")
    yield "DST of 256", chain((60, pad(31)), (6, closed)), NO_MATCH
    yield "DST of 1200", chain((60, pad(149)), (6, closed)), NO_MATCH
    yield "DST beyond the end", chain((60, b"\x40" + pad()[1:]), (6, opened)), \
        TRUNCATED
    yield "unknown option", chain((60, b"\0\x1e\4\0\0\0\0"), (6, closed)), \
        NO_MATCH
    yield "HBH not first", chain((60, pad()), (0, pad()), (6, opened)), \
        drop("ext-header")
    for kind, left in (0, 0), (0, 1), (2, 1), (4, 1):
        yield f"routing {kind}, {left} left", chain(
            (43, bytes([2, kind, left]) + b"\0" * 4 + A6), (6, opened)), \
            drop("routing-header")
    yield "routing 4, 0 left", chain((43, b"\2\4\0" + b"\0" * 4 + A6),
                                     (6, closed)), NO_MATCH
    yield "AH", chain((51, b"\4" + b"\0" * 22), (6, closed)), NO_MATCH
    yield "AH, open", chain((51, b"\4" + b"\0" * 22), (6, opened)), ALLOW
    for proto in 59, 135, 139, 140, 253, 254:
        yield f"header {proto}", chain((proto, pad()), (6, opened)), \
            drop("ext-header")
    i = next(IDENTS)
    yield "atomic", chain((44, frag(0, 0, i)), (6, closed)), NO_MATCH
    yield "atomic, open", chain((44, frag(0, 0, i)), (6, opened)), ALLOW
    yield "two atomic", chain(*[(44, frag(0, 0, i))] * 2, (6, opened)), \
        drop("bad-fragment")
    i += 1000
    yield "first without transport", chain((44, frag(0, 1, i)),
                                             (60, b"\6" + pad())), \
        drop("tiny-fragment")
    yield "first of 8 bytes", chain((44, frag(0, 1, i)), (6, opened[:8])), \
        drop("tiny-fragment")
    yield "not a multiple of 8", chain((44, frag(0, 1, i)), (6, opened)), \
        drop("bad-fragment")
    yield "later like SYN", chain((44, frag(4, 0, i)), (6, opened)), \
        drop("fragment-no-first")
    yield "offset 1", chain((44, frag(1, 0, i)), (6, opened)), \
        drop("bad-fragment")
    yield "above 65,535", chain((44, frag(8190, 0, i)), (17, b"\0" * 64)), \
        drop("bad-fragment")
    i += 1000
    yield "first twice, other port, other chain", chain(
        (44, frag(0, 1, i)), (17, udp(5000, True, 24))) + chain(
        (60, pad()), (44, frag(0, 1, i)), (17, udp(5001, True, 24))), \
        {"allow sg-allow": 1, "drop bad-fragment": 1}
    for n, reason in (0, "bad-length"), (2000, "truncated"), (12, "truncated"):
        yield f"payload length {n}", v6(6, opened, total=n), drop(reason)
    yield "jumbo option", v6(0, b"\6\0\xc2\4\0\1\0\0" + opened, total=0), \
        drop("bad-length")
    for name, src, reason in (
            ("land", "fd00:9::1", "own-source"), ("::1", "::1", "bad-source"),
            ("multicast", "ff02::1", "bad-source"), ("::", "::", "bad-source"),
            ("mapped", "::ffff:10.9.0.2", "bad-source")):
        src = address(src)
        yield f"source {name}", v6(6, tcp(80, v6=True, src=src), src=src), \
            drop(reason)
    lo = address("::1")
    yield "to loopback", v6(6, tcp(80, v6=True, dst=lo), dst=lo), \
        drop("bad-destination")
    yield from discovery()


def discovery():
    """Hop limit 64, code, fragmented (RFC 6980); echoes beside it."""
    for kind in 133, 134, 135, 136:
        yield f"ND {kind}, hop limit 64", icmp6(kind, body=A6), \
            drop("nd-invalid")
        yield f"ND {kind}, code 1", icmp6(kind, 1, body=A6, hops=255), \
            drop("nd-invalid")
        whole = icmp6(kind, body=A6)[0][1][40:]
        yield f"ND {kind} in a fragment", v6(
            44, bytes([58]) + frag(0, 0, 7) + whole, hops=255), \
            drop("nd-invalid")
    yield "redirect", icmp6(137, hops=255, body=S6 + A6), drop("redirect")
    # CVE-2024-6640: what discovery leaves behind answers for no echo
    yield "solicitation, then echo reply 0", icmp6(
        135, body=A6 + b"\1\1\2\0\0\0\0\x66", hops=255) + icmp6(129), \
        {"allow ipv6-nd": 1, "drop no-flow": 1}
    yield "ICMP in IPv6", v6(1, b"\10\0\0\0" + b"\0" * 8), drop("icmp-family")
    quote = ip6(6, tcp(4321, ACK, True), src=A6, dst=S6)
    for kind in 1, 2, 3, 4:
        yield f"error {kind} of no flow", icmp6(kind, body=quote), \
            drop("not-related")


def transport(make, proto6):
    """Both families: make(proto, payload) is v4 or v6."""
    def both(port, flags=SYN, **kw):
        return make(6, tcp(port, flags, proto6, **kw))

    every = [both(81, f & 7 | (f & 0x18) << 1) for f in range(32)]
    yield "all 32 sets of flags", sum(every, []), {
        "drop tcp-flags": 23, "drop sg-no-match": 4, "drop no-flow": 5}
    every = [both(80, f) for f in VALID_ANSWER]
    yield "answers to nothing", sum(every, []), drop("no-flow", 5)
    yield "SYN, ECE, CWR, PSH", both(81, 0xCA), NO_MATCH
    yield "SYN with data", both(81, body=b"GET"), NO_MATCH
    yield "SYN with data, open", both(80, body=b"GET"), ALLOW
    yield "offset 4", both(80, offset=4), drop("tcp-offset")
    yield "offset 15", both(80, offset=15), drop("tcp-offset")
    for n in 4, 13, 19:
        yield f"{n} bytes of TCP", make(6, tcp(80, v6=proto6)[:n]), TRUNCATED
    yield "from port 0", both(81, sport=0), NO_MATCH
    yield "to port 0", both(0), NO_MATCH
    yield "from port 443", both(40000, sport=443), NO_MATCH
    yield "from port 443, ACK", both(40000, ACK, sport=443), NO_MATCH
    yield "UDP length 4", make(17, udp(5000, proto6, length=4)), BAD_LENGTH
    yield "UDP length 400", make(17, udp(5000, proto6, length=400)), BAD_LENGTH
    yield "UDP to port 0", make(17, udp(0, proto6)), NO_MATCH
    yield "reflected DNS", make(17, udp(40000, proto6, sport=53)), NO_MATCH
    inner = v6(6, tcp(80, v6=True))[0][1], v4(6, tcp(80))[0][1]
    yield "in tunnels", make(4, inner[1]) + make(41, inner[0]) + make(
        47, b"\0\0\x08\0" + inner[1]) + make(47, b"\0\0\x86\xdd" + inner[0]), \
        drop("sg-no-match", 4)
    yield "in VXLAN", make(17, with_body(4789, proto6, inner[1])), NO_MATCH
    # Protocol 0 first (CVE-2023-1668): no number means any
    special = {1, 6, 17, 58} | ({0, 43, 44, 51, 59, 60, 135, 139, 140, 253,
                                 254} if proto6 else set())
    rest = [n for n in range(256) if n not in special]
    every = [make(n, tcp(80, v6=proto6, body=b"d" * 20)) for n in rest]
    yield "every protocol with ports of TCP", sum(every, []), \
        drop("sg-no-match", len(rest))


def with_body(port, proto6, inner):
    head = struct.pack("!HHHH", next(PORTS), port, 16 + len(inner), 0)
    seg = head + b"\x08\0\0\0\0\0\1\0" + inner
    return with_sum(17, seg, 6, *((S6, A6) if proto6 else (S4, A4)))


def links():
    """Tags, EtherTypes, foreign MACs around a closed port."""
    types = {"": (0x0800, v4(6, tcp(81))[0][1]),
             " v6": (0x86DD, v6(6, tcp(81, v6=True))[0][1])}
    stacks = {"priority tag": [(0x8100, 0)], "two of them": [(0x8100, 0)] * 2,
              "802.1ad 0": [(0x88A8, 0)], "VLAN 5": [(0x8100, 5)],
              "802.1ad and VLAN": [(0x88A8, 5), (0x8100, 6)]}
    for suffix, (kind, packet) in types.items():
        for name, tags in stacks.items():
            yield name + suffix, tagged(tags, kind, packet), NO_MATCH
        for n in 3, 8:
            yield f"{n} tags{suffix}", tagged([(0x8100, 0)] * n, kind, packet), \
                drop("vlan-depth")
        yield f"MPLS, PPPoE, LLC, unknown{suffix}", [
            (0x8847, b"\0\1\1\x40" + packet),
            (0x8864, b"\x11\0\0\1\0\x40\0\x21" + packet),
            (len(packet) + 3, b"\xaa\xaa\3\0\0\0\x08\0" + packet),
            (0x88B5, packet)], {"allow non-ip": 4}
        for name, mac in ("broadcast", b"\xff" * 6), ("multicast", b"\1" * 6):
            yield f"{name} MAC{suffix}", [(kind, packet, mac)], NO_MATCH
        yield f"foreign MAC{suffix}", [(kind, packet, OTHER_MAC)], \
            {"allow other-host": 1}
        # F19: XDP too leaves what is another host's, however bad, to tc
        bad = tcp(81, v6=kind == 0x86DD, flags=3)
        bad = (v6 if kind == 0x86DD else v4)(6, bad)[0][1]
        yield f"foreign MAC, malformed{suffix}", [
            (kind, bad, OTHER_MAC), (kind, packet[:30], OTHER_MAC)], \
            {"allow other-host": 2}
    for name, kind, packet in ("IPv4 as IPv6", *types[""]), \
            ("IPv6 as IPv4", *types[" v6"]):
        yield name, [(kind ^ 0x0800 ^ 0x86DD, packet)], drop("bad-header")
    # CVE-2020-8558 and AWS PR 584: no state from a frame for somebody else
    yield "foreign MAC, open port", [(0x0800, v4(6, tcp(80))[0][1],
                                      OTHER_MAC)], {"allow other-host": 1}


def cuts():
    """Every closed packet cut at every byte (CVE-2016-10377)."""
    for name, (kind, packet) in {
            "TCP": v4(6, tcp(81))[0], "TCP v6": v6(6, tcp(81, v6=True))[0],
            "UDP": v4(17, udp(5001))[0],
            "UDP v6": v6(17, udp(5001, True))[0],
            "options": v4(6, tcp(81), options=b"\1" * 12)[0],
            "chain": chain((0, pad()), (60, pad(2)), (44, frag(0, 0, 9)),
                           (6, tcp(81, v6=True)))[0]}.items():
        every = [(kind, packet[:n]) for n in range(1, len(packet))]
        yield f"{name} cut anywhere", every, drop("truncated", len(every))
        # The kernel itself wants two bytes behind a tag (skb_vlan_untag())
        tag = [f for k, p in every[1:] for f in tagged([(0x8100, 5)], k, p)]
        yield f"{name} in a VLAN, cut anywhere", tag, \
            drop("truncated", len(tag))


def table():
    groups = {"IPv4": shapes4(), "fragment": fragments(), "IPv6": shapes6(),
              "transport": transport(v4, False),
              "transport v6": transport(v6, True), "link": links(),
              "cuts": cuts()}
    return {f"{group}: {name}": (frames, want)
            for group, shapes in groups.items()
            for name, frames, want in shapes}
