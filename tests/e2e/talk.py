# SPDX-License-Identifier: BSD-2-Clause
"""Connections that stay open, and whether they still carry data.

usage: talk.py COUNT ADDRESS PORT     (echo servers)
Opens COUNT connections and says "open". For each line of stdin, "all" or
"even", each of those connections sends a line and awaits it: says how many of
them did not get it back within the seconds that follow the word.
"""
import selectors
import socket
import sys
import time


def lost(socks, seconds, line):
    for sock in socks:
        sock.setblocking(False)
        sock.send(line)
    waiting = {sock: b"" for sock in socks}
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        while waiting and time.monotonic() < end:
            for key, _ in selector.select(0.2):
                sock = key.fileobj
                waiting[sock] += sock.recv(4096)
                if waiting[sock].endswith(line):
                    selector.unregister(sock)
                    del waiting[sock]
    return len(waiting)


def main():
    count, address, port = sys.argv[1:]
    socks = [socket.create_connection((address, int(port)), 20)
             for _ in range(int(count))]
    print("open", flush=True)
    for n, request in enumerate(sys.stdin):
        which, seconds = request.split()
        print(lost(socks[::2] if which == "even" else socks, float(seconds),
                   b"line %d\n" % n), flush=True)


main()
