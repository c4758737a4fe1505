# SPDX-License-Identifier: BSD-2-Clause
"""Raw frames on an interface, for shapes that no socket makes.

usage: frames.py IFACE DST_MAC SHAPE... - sends each shape once; exits 0.
       frames.py --list prints the shapes.
       frames.py --tun NAME SHAPE... sends the shapes' IP packets through a tun
       device of that name, which it makes and keeps until stdin ends.
       frames.py --linear N IFACE DST_MAC PORT sends one TCP SYN to PORT in a
       frame of 4,300 bytes of which N are linear (PACKET_VNET_HDR).
Addresses: 10.9.0.2 and fd00:9::2 send to 10.9.0.1 and fd00:9::1.
"""
import errno
import fcntl
import socket
import struct
import sys

SRC4, DST4 = socket.inet_aton("10.9.0.2"), socket.inet_aton("10.9.0.1")
SRC6 = socket.inet_pton(socket.AF_INET6, "fd00:9::2")
DST6 = socket.inet_pton(socket.AF_INET6, "fd00:9::1")
SYN, RST, ACK = 2, 4, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(proto, payload, **kw):
    """kw: src, flags (3 bits and offset), ident, total."""
    total = kw.get("total", 20 + len(payload))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, kw.get("ident", 1),
                       kw.get("flags", 0), 64, proto, 0,
                       kw.get("src", SRC4), kw.get("dst", DST4))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(proto, payload, **kw):
    return struct.pack("!IHBB16s16s", 6 << 28, kw.get("total", len(payload)),
                       proto, kw.get("hops", 64), kw.get("src", SRC6),
                       kw.get("dst", DST6)) + payload


def with_sum(proto, segment, at, src, dst):
    pseudo = src + dst + struct.pack("!HH" if len(src) == 4 else "!II",
                                     proto, len(segment))
    value = checksum(pseudo + segment)
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def tcp(port, flags=SYN, sport=40000, src=SRC4, dst=DST4, body=b""):
    seg = struct.pack("!HHIIBBHHH", sport, port, 1000, 0, 0x50, flags, 8192,
                      0, 0) + body
    return with_sum(6, seg, 16, src, dst)


def udp(port, size=8, sport=40000, src=SRC4, dst=DST4):
    seg = struct.pack("!HHHH", sport, port, 8 + size, 0) + b"x" * size
    return with_sum(17, seg, 6, src, dst)


def tcp6(port, flags=SYN):
    return tcp(port, flags, src=SRC6, dst=DST6)


def fragments4(port, reverse=False):
    """A UDP datagram of 64 bytes in two fragments."""
    whole = udp(port, 56)
    out = [(0x0800, ip4(17, whole[:32], flags=0x2000, ident=port)),
           (0x0800, ip4(17, whole[32:], flags=4, ident=port))]
    return out[::-1] if reverse else out


def fragments6(port):
    whole = udp(port, 56, src=SRC6, dst=DST6)

    def piece(data, offset, more):
        head = struct.pack("!BBHI", 17, 0, offset << 3 | more, port)
        return 0x86DD, ip6(44, head + data)
    return [piece(whole[:32], 0, 1), piece(whole[32:], 4, 0)]


def tagged(tags, ethertype, payload):
    """EtherType of the frame and what follows it."""
    for tpid, vid in reversed(tags):
        payload = struct.pack("!HH", vid, ethertype) + payload
        ethertype = tpid
    return [(ethertype, payload)]


ALLOWED = ip4(6, tcp(80))
DENIED = ip4(6, tcp(81))
DENIED6 = ip6(6, tcp6(81))
# The other way: from 10.9.0.1.
OUT = ip4(6, tcp(81, src=DST4, dst=SRC4), src=DST4, dst=SRC4)
OUT6 = ip6(6, tcp(81, src=DST6, dst=SRC6), src=DST6, dst=SRC6)
SHAPES = {
    "out-81": [(0x0800, OUT)],
    "out-vlan5-81": tagged([(0x8100, 5)], 0x0800, OUT),
    "out-vlan5-81-v6": tagged([(0x8100, 5)], 0x86DD, OUT6),
    "out-qinq-81": tagged([(0x88A8, 5), (0x8100, 6)], 0x0800, OUT),
    "syn80": [(0x0800, ALLOWED)],
    "syn81": [(0x0800, DENIED)],
    "syn80-v6": [(0x86DD, ip6(6, tcp6(80)))],
    "syn81-v6": [(0x86DD, DENIED6)],
    "frags-open": fragments4(5000),
    "frags-closed": fragments4(5001),
    "frags-reversed": fragments4(5000, True),
    "frags-open-v6": fragments6(5000),
    "frags-closed-v6": fragments6(5001),
    "vlan5-81": tagged([(0x8100, 5)], 0x0800, DENIED),
    "vlan0-81": tagged([(0x8100, 0)], 0x0800, DENIED),
    "qinq-81": tagged([(0x88A8, 5), (0x8100, 6)], 0x0800, DENIED),
    "vlan5-81-v6": tagged([(0x8100, 5)], 0x86DD, DENIED6),
    "three-tags": tagged([(0x8100, 1), (0x8100, 2), (0x8100, 3)], 0x0800,
                         ALLOWED),
    "short-ip": [(0x0800, ALLOWED[:10])],
    "short-ip6": [(0x86DD, ip6(6, tcp6(80))[:30])],
    "short-tcp": [(0x0800, ALLOWED[:33])],
    "null": [(0x0800, ip4(6, tcp(80, 0)))],
    "xmas": [(0x0800, ip4(6, tcp(80, 0x29)))],
    "source-own": [(0x0800, ip4(6, tcp(80, src=DST4), src=DST4))],
    "source-loopback": [(0x0800, ip4(6, tcp(80), src=b"\x7f\0\0\1"))],
    "rst": [(0x0800, ip4(6, tcp(80, RST, 40001)))],
    "synack": [(0x0800, ip4(6, tcp(80, SYN | ACK, 40001)))],
}


def mac(text):
    return bytes(int(b, 16) for b in text.split(":"))


def packet_socket(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((name, 0))
    return sock, sock.getsockname()[4]


def send(name, to, shapes):
    sock, own = packet_socket(name)
    for shape in shapes:
        for ethertype, payload in SHAPES[shape]:
            try:
                sock.send(mac(to) + own + struct.pack("!H", ethertype) + payload)
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # dropped at egress
                    raise


def send_linear(linear, name, to, port):
    """struct virtio_net_hdr: hdr_len says how much becomes linear."""
    sock, own = packet_socket(name)
    sock.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
    frame = mac(to) + own + b"\x08\0" + ip4(6, tcp(port, body=b"d" * 4246))
    sock.send(struct.pack("=BBHHHH", 0, 0, linear, 0, 0, 0) + frame)


def send_tun(name, shapes):
    dev = open("/dev/net/tun", "r+b", buffering=0)
    # TUNSETIFF; IFF_TUN | IFF_NO_PI
    fcntl.ioctl(dev, 0x400454CA, struct.pack("16sH", name.encode(), 0x1001))
    print("ready", flush=True)
    for line in sys.stdin:
        for shape in line.split() or shapes:
            for _, payload in SHAPES[shape]:
                dev.write(payload)
        print("sent", flush=True)


def main():
    args = sys.argv[1:]
    if args[0] == "--list":
        print("\n".join(SHAPES))
    elif args[0] == "--tun":
        send_tun(args[1], args[2:])
    elif args[0] == "--linear":
        send_linear(int(args[1]), args[2], args[3], int(args[4]))
    else:
        send(args[0], args[1], args[2:])


if __name__ == "__main__":
    main()
