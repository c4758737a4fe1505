# SPDX-License-Identifier: BSD-2-Clause
"""Sends every attack of attacks.py from one namespace to another and looks at
the other's counters, its raw sockets and what comes back.

usage: attack_run.py TARGET_NETNS SENDER_NETNS TARGET_MAC OWN_MAC
For each shape: exactly the named verdicts and reasons are counted inward, and
of what is dropped no raw socket of the target sees anything (each sees every
packet of its protocol that the target takes for its own), nor is it answered.
Exits 1 if anything was otherwise, and says what.
"""
import ctypes
import http.client
import os
import re
import select
import socket
import sys
import time
from collections import Counter

import attacks

LIBC = ctypes.CDLL(None, use_errno=True)
LINE = re.compile(r'^moat_packets_total\{(.*)\} (\d+)$', re.M)
LABEL = re.compile(r'(\w+)="([^"]*)"')
PATIENCE = 20
RAW4 = (1, 2, 4, 6, 17, 41, 47, 50, 51, 89, 132)
RAW6 = (4, 6, 17, 41, 47, 50, 51, 89, 132)


def enter(name):
    fd = os.open(name, os.O_RDONLY)
    if LIBC.setns(fd, 0x40000000):  # CLONE_NEWNET
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def counters(conn):
    """Packets inward by "verdict reason", summed over interfaces."""
    conn.request("GET", "/metrics")
    out = Counter()
    for labels, value in LINE.findall(conn.getresponse().read().decode()):
        had = dict(LABEL.findall(labels))
        if had["direction"] == "ingress":
            out[f'{had["verdict"]} {had["reason"]}'] += int(value)
    return out


def drain(socks):
    got = []
    while True:
        ready = select.select(socks, [], [], 0)[0]
        if not ready:
            return got
        for sock in ready:
            data, source = sock.recvfrom(2048)
            if source[0] != "eth0" or source[2] != socket.PACKET_OUTGOING:
                got.append((sock, data))


def settled(conn, before, want):
    """What was counted since, as soon as it is as much as is wanted: XDP and
    NAPI finish on their own time."""
    end = time.monotonic() + PATIENCE
    while True:
        now = counters(conn)
        delta = now - before
        if delta.total() >= sum(want.values()) or time.monotonic() > end:
            return now, delta


def is_mld_report(frame):
    """IPv6, hop-by-hop header with router alert, ICMPv6 143."""
    return (frame[12:14] == b"\x86\xdd" and frame[20] == 0 and
            frame[54] == 58 and frame[62] == 143)


def try_shape(lines, conn, before, shape):
    wire, raw, to, own = lines
    frames, want = shape
    for kind, payload, *mac in frames:
        wire.send((mac[0] if mac else to) + own + kind.to_bytes(2, "big") +
                  payload)
    now, delta = settled(conn, before, want)
    passes = "allow sg-allow" in want
    whole = not any("fragment" in reason for reason in want)
    if passes and whole:  # the counter runs ahead of the sockets
        select.select(raw, [], [], PATIENCE)
    seen, back = drain(raw), drain([wire])
    bad = []
    if delta != Counter(want):
        bad.append(f"counted {dict(delta)}, not {want}")
    if not passes:
        if seen:
            bad.append(f"{len(seen)} delivered: {seen[0][1][:60].hex()}")
        # A solicitation may be answered, all else is silence. The stack joins
        # groups with reports of its own, at random times (RFC 3810 6.1).
        back = [d for _, d in back
                if "allow ipv6-nd" not in want and not is_mld_report(d)]
        if back:
            bad.append(f"answered: {back[0].hex()}")
    elif whole and not seen:
        bad.append("not delivered")
    return now, bad


def meet(words, protocols):
    """What both ends have, from the command line: the sender's eth0, the
    target's raw sockets of these protocols (IPv4's, IPv6's), both addresses;
    and the way to the target's metrics. We end in the target's namespace."""
    target, sender, to, own = words
    enter(sender)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(3))  # ETH_P_ALL
    wire.bind(("eth0", 3))
    enter(target)
    raw = [socket.socket(family, socket.SOCK_RAW, p)
           for family, numbers in zip((socket.AF_INET, socket.AF_INET6),
                                      protocols)
           for p in numbers]
    for sock in raw:  # the scrapes are on lo
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    lines = wire, raw, *(bytes.fromhex(m.replace(":", "")) for m in (to, own))
    return lines, http.client.HTTPConnection("127.0.0.1", 9849)


def main():
    lines, conn = meet(sys.argv[1:], (RAW4, RAW6))
    shapes = attacks.table()
    before = counters(conn)
    drain(lines[1] + [lines[0]])
    complaints = 0
    for name, shape in shapes.items():
        before, bad = try_shape(lines, conn, before, shape)
        complaints += len(bad)
        for text in bad:
            print(f"{name}: {text}")
    print(f"{len(shapes)} attacks")
    return complaints > 0


if __name__ == "__main__":
    sys.exit(main())
