# SPDX-License-Identifier: BSD-2-Clause
"""Two packets a flow: flood.py IFACE DST_MAC FLOWS. For each flow a SYN and
its copy to port 80, and two UDP packets to port 5000, from changing sources in
10.9.0.0/24 and changing ports."""
import socket
import struct
import sys

DST = socket.inet_aton("10.9.0.1")


def ip4(src, proto, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64,
                       proto, 0, src, DST)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return (head[:10] + struct.pack("!H", ~((total >> 16) + total) & 0xFFFF) +
            head[12:] + payload)


def main():
    name, to, flows = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((name, 0))
    ether = (bytes(int(b, 16) for b in to.split(":")) + sock.getsockname()[4] +
             b"\x08\0")
    for n in range(flows):
        src = bytes([10, 9, 0, 3 + n % 250])
        sport = 1024 + n // 250
        syn = struct.pack("!HHIIBBHHH", sport, 80, n, 0, 0x50, 2, 8192, 0, 0)
        udp = struct.pack("!HHHH", sport, 5000, 8, 0)
        for payload, proto in ((syn, 6), (udp, 17)):
            frame = ether + ip4(src, proto, payload)
            sock.send(frame)
            sock.send(frame)


main()
