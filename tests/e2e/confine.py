#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command under the seccomp rules of a systemd unit, without systemd.

confine.py UNIT COMMAND...   SystemCallFilter, RestrictAddressFamilies,
                             MemoryDenyWriteExecute, RestrictSUIDSGID,
                             RestrictNamespaces; a breach kills the process
confine.py UNIT --list       the system calls that the unit allows
"""
import ctypes
import os
import re
import struct
import subprocess
import sys

FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
ALLOW, KILL = 0x7FFF0000, 0x80000000
LOAD, JEQ, JSET, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, ARGUMENTS = 0, 16  # offsets in struct seccomp_data
PROT_WRITE, PROT_EXEC = 2, 4
SETIDS = 0o6000


def unit_values(unit, key):
    with open(unit, encoding="utf-8") as lines:
        return [l.split("=", 1)[1].split() for l in lines
                if l.startswith(key + "=")]


def known_sets():
    """Name of a set: its words."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"],
                          check=True, capture_output=True, text=True).stdout
    sets, words = {}, []
    for line in text.splitlines():
        if line.startswith("@"):
            words = sets.setdefault(line.strip(), [])
        elif re.fullmatch(r"    [@a-z0-9_][\w-]*", line):
            words.append(line.strip())
        elif line and not line.startswith(" "):
            words = []  # what the kernel has and no set
    return sets


def members(name, sets):
    """The system calls of a set, sets inside sets included."""
    if not name.startswith("@"):
        return {name}
    return set().union(*(members(word, sets) for word in sets[name]))


def allowed(unit):
    # systemd.exec(5): @default and what starts the program are always in.
    sets = known_sets()
    calls = members("@default", sets) | {"execve"}
    for words in unit_values(unit, "SystemCallFilter"):
        deny = words[0].startswith("~")
        for word in words:
            more = members(word.lstrip("~"), sets)
            calls = calls - more if deny else calls | more
    return calls


def numbers():
    text = subprocess.run(["gcc", "-E", "-dM", "-include", "asm/unistd.h",
                           "-x", "c", "/dev/null"],
                          check=True, capture_output=True, text=True).stdout
    raw = dict(re.findall(r"^#define (__NR\w+) (\w+)$", text, re.M))
    table = {}
    for name, value in raw.items():
        value = raw.get(value, value)
        if name.startswith("__NR_") and value.isdigit():
            table[name[5:]] = int(value)
    return table


def op(code, k, yes=0, no=0):
    return struct.pack("=HBBI", code, yes, no, k)


def load_argument(n):
    return op(LOAD, ARGUMENTS + 8 * n)  # the lower half, little endian


def on_call(number, checks):
    """Runs checks, which end in a verdict, for one system call."""
    return [op(JEQ, number, 0, len(checks))] + checks


def forbid_bits(argument, bits):
    """Kills where any of these bits is set."""
    return [load_argument(argument), op(JSET, bits, 0, 1), op(RETURN, KILL),
            op(RETURN, ALLOW)]


def program(unit):
    number = numbers()
    calls = allowed(unit) - {"unshare", "setns"}
    out = [op(LOAD, NUMBER)]
    families = [FAMILIES[f] for words in
                unit_values(unit, "RestrictAddressFamilies") for f in words]
    checks = [load_argument(0)]
    for family in families:
        checks += [op(JEQ, family, 0, 1), op(RETURN, ALLOW)]
    out += on_call(number["socket"], checks + [op(RETURN, KILL)])
    # Both bits at once: one after the other.
    out += on_call(number["mmap"], [
        load_argument(2), op(JSET, PROT_WRITE, 0, 2),
        op(JSET, PROT_EXEC, 0, 1), op(RETURN, KILL), op(RETURN, ALLOW)])
    out += on_call(number["mprotect"], forbid_bits(2, PROT_EXEC))
    for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2),
                           ("mkdir", 1), ("mkdirat", 2)):
        if name in number:
            out += on_call(number[name], forbid_bits(argument, SETIDS))
    for name in sorted(calls):
        if name in number:
            out += [op(JEQ, number[name], 0, 1), op(RETURN, ALLOW)]
    return out + [op(RETURN, KILL)]


def install(code):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
    libc = ctypes.CDLL(None, use_errno=True)
    text = b"".join(code)
    filters = Program(len(code), text)
    if libc.prctl(38, 1, 0, 0, 0) or \
            libc.prctl(22, 2, ctypes.byref(filters), 0, 0):
        sys.exit("confine.py: " + os.strerror(ctypes.get_errno()))


def main():
    unit, command = sys.argv[1], sys.argv[2:]
    if command == ["--list"]:
        print("\n".join(sorted(allowed(unit))))
        return
    code = program(unit)
    install(code)
    os.execvp(command[0], command)


main()
