# SPDX-License-Identifier: BSD-2-Clause
"""One DHCP packet (RFC 2131) as a raw frame: dhcp.py discover|offer IFACE."""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    kind, name = sys.argv[1:]
    offer = kind == "offer"
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((name, 0))
    own = sock.getsockname()[4]
    source = socket.inet_aton("10.9.0.2" if offer else "0.0.0.0")
    body = struct.pack("!BBBBIHH16s16s192sIBBBB", 2 if offer else 1, 1, 6, 0,
                       1, 0, 0x8000, b"", own, b"", 0x63825363, 53, 1,
                       2 if offer else 1, 255)
    ports = (67, 68) if offer else (68, 67)
    udp = struct.pack("!HHHH", *ports, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17,
                       0, source, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    sock.send(b"\xff" * 6 + own + b"\x08\0" + head + udp)


main()
