#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service manager with a descriptor store, as systemd has one.

manager.py DIR COMMAND...   runs the command again whenever it ends, until
                            DIR/stop is there. Keeps the descriptors that it
                            sends with FDSTORE (sd_notify(3)) and hands them
                            to the next one. DIR/store: their names, sorted;
                            DIR/pid: of the command.
"""
import array
import os
import select
import signal
import socket
import sys
import time

folder, command = sys.argv[1], sys.argv[2:]
store = []  # (name, descriptor)


def write(name, text):
    with open(f"{folder}/{name}.new", "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


def handle(sock):
    text, extra, _, _ = sock.recvmsg(8192, 8192)
    fds = array.array("i")
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data)
    fields = dict(line.split("=", 1) for line in text.decode().split("\n")
                  if "=" in line)
    name = fields.get("FDNAME", "stored")
    if fields.get("FDSTOREREMOVE") == "1":
        for entry in [e for e in store if e[0] == name]:
            os.close(entry[1])
            store.remove(entry)
    elif fields.get("FDSTORE") == "1":
        store.extend((name, fd) for fd in fds)
    write("store", "".join(n + "\n" for n, _ in sorted(store)))


def start():
    pid = os.fork()
    if pid:
        return pid
    # Out of the way of 3 and up first.
    high = [os.dup2(fd, 400 + i) for i, (_, fd) in enumerate(store)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
    os.closerange(3 + len(high), 1000)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)),
                      LISTEN_FDNAMES=":".join(n for n, _ in store))
    os.execvp(command[0], command)


def main():
    path = f"{folder}/notify"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    os.environ["NOTIFY_SOCKET"] = path
    pid = start()
    write("pid", str(pid))

    def end(*_):
        os.kill(pid, signal.SIGKILL)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    while True:
        if select.select([sock], [], [], 0.05)[0]:
            handle(sock)
            continue
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            continue
        if os.path.exists(f"{folder}/stop"):
            return
        while os.path.exists(f"{folder}/hold"):
            time.sleep(0.05)
        pid = start()
        write("pid", str(pid))


main()
