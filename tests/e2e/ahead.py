#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Somebody attaches ahead of us while datagrams leave, for
test_agent_ahead.sh.

ahead.py DEVICE HOOK ADDRESS    until we are ahead again, and one second more

Prints the programs on the hook, first to last, and the id of the foreign one.
"""
import socket
import sys
import threading
import time

import soak_foreign

DATAGRAMS, PAUSE = 4, 0.001
done = threading.Event()


def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        while not done.is_set():
            for _ in range(DATAGRAMS):
                s.sendto(b"x", (address, 5000))
            time.sleep(PAUSE)


def main():
    index, hook = socket.if_nametoindex(sys.argv[1]), sys.argv[2]
    sender = threading.Thread(target=send, args=(sys.argv[3],))
    sender.start()
    theirs = soak_foreign.Foreign(index, hook, ahead=True)
    mine = soak_foreign.prog_id(theirs.prog)
    end = time.monotonic() + 60
    while time.monotonic() < end and \
            soak_foreign.programs(index, hook)[0] == mine:
        time.sleep(0.01)
    time.sleep(1)
    print(*soak_foreign.programs(index, hook), mine)
    done.set()
    sender.join()
    theirs.close()


main()
