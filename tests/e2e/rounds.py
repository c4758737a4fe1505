#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rounds of pushes that are taken, refused and taken back, for test_rounds.sh
(R-48).

rounds.py SOCKET FIRST LAST     rounds FIRST to LAST, over one connection

A round: a push in force at once; one that is refused, each time for another
reason; every fourth, one to be confirmed and what becomes of it. Fails where an
answer is not the one that is due.
"""
import json
import socket
import sys

from soak_policy import BROKEN, document

REFUSED = sorted(BROKEN) + ["unassigned", "type", "command", "json"]


class Client:
    def __init__(self, path):
        self.path, self.sock = path, None

    def connect(self):
        if self.sock:
            self.sock.close()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)
        self.file = self.sock.makefile("rb")

    def raw(self, line):
        self.sock.sendall(line + b"\n")
        return json.loads(self.file.readline())

    def ask(self, **request):
        return self.raw(json.dumps(request).encode())

    def yes(self, **request):
        reply = self.ask(**request)
        assert reply["ok"], (request, reply)
        return reply

    def no(self, code, **request):
        reply = self.ask(**request)
        assert not reply["ok"] and reply["code"] == code, (request, reply)

    # ---- a round ----
    def refused(self, number):
        what = REFUSED[number % len(REFUSED)]
        if what == "unassigned":
            self.no(4, cmd="push", now=True, document=document(
                "A", number, members="10.66.0.1"))
        elif what == "type":
            self.no(2, cmd="push", now="yes", document=document("A", number))
        elif what == "command":
            self.no(2, cmd="nonsense", number=number)
        elif what == "json":
            reply = self.raw(b'{"cmd": "push", "document": [')
            assert not reply["ok"], reply
            self.connect()
        else:
            text = BROKEN[what]
            if what != "syntax":
                text = document("A", number, text=text)
            self.no(4, cmd="push", now=True, document=text)

    def waiting(self, number):
        """Taken back, confirmed, or joined by members."""
        self.yes(cmd="push", confirm_seconds=60,
                 document=document("B", f"{number}-waiting"))
        self.no(4, cmd="push", now=True, document=document("A", "second"))
        self.yes(cmd="rollback" if number % 8 else "confirm")
        addresses = [f"10.66.{number % 250}.1"]
        for op in ("add", "remove"):
            self.yes(cmd="member", op=op, group="late", addresses=addresses)

    def round(self, number):
        self.yes(cmd="push", now=True, document=document(
            "AB"[number % 2], number, more=300 * (number % 3 == 0)))
        self.refused(number)
        if number % 4 == 0:
            self.waiting(number)


def main():
    path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = Client(path)
    client.connect()
    for number in range(first, last + 1):
        client.round(number)


main()
