# SPDX-License-Identifier: BSD-2-Clause
"""Somebody else's programs on our hooks, and who is on them: bpf(2) by hand,
so that nothing of moat's own code is believed."""
import ctypes
import os
import platform
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
PROG_LOAD, OBJ_INFO, PROG_QUERY, LINK_CREATE = 5, 15, 16, 28
SCHED_CLS, XDP = 3, 6
HOOKS = {"ingress": 46, "egress": 47, "xdp": 37}
BEFORE, AFTER, GENERIC = 1 << 3, 1 << 4, 1 << 1
NEXT, PASS, XDP_PASS = -1, 0, 2
MANY = 16

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attr):
    buf = ctypes.create_string_buffer(attr.ljust(144, b"\0"), 144)
    r = _libc.syscall(SYS_BPF, command, buf, 144)
    if r < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return r, buf.raw


def load(kind, verdict):
    """A program that says VERDICT to everything."""
    code = struct.pack("<BBhi", 0xb7, 0, 0, verdict) + \
        struct.pack("<BBhi", 0x95, 0, 0, 0)
    insns = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    return _bpf(PROG_LOAD, struct.pack(
        "=IIQQIIQII16s", kind, 2, ctypes.addressof(insns),
        ctypes.addressof(licence), 0, 0, 0, 0, 0, b"foreign"))[0]


def prog_id(fd):
    info = ctypes.create_string_buffer(232)
    _bpf(OBJ_INFO, struct.pack("=IIQ", fd, 232, ctypes.addressof(info)))
    return struct.unpack_from("=II", info.raw)[1]


def programs(ifindex, hook):
    """Ids of those on a tcx hook, first to last."""
    ids = (ctypes.c_uint32 * MANY)()
    _, attr = _bpf(PROG_QUERY, struct.pack(
        "=IIIIQIIQQQQ", ifindex, HOOKS[hook], 0, 0, ctypes.addressof(ids),
        MANY, 0, 0, 0, 0, 0))
    return list(ids[:struct.unpack_from("=I", attr, 24)[0]])


class Foreign:
    """One attached program; closing it takes it away."""

    def __init__(self, ifindex, hook, ahead):
        self.ifindex, self.hook = ifindex, hook
        kind = XDP if hook == "xdp" else SCHED_CLS
        verdict = XDP_PASS if hook == "xdp" else NEXT if ahead else PASS
        flags = GENERIC if hook == "xdp" else BEFORE if ahead else AFTER
        self.prog = load(kind, verdict)
        try:
            self.link = _bpf(LINK_CREATE, struct.pack(
                "=IIII", self.prog, ifindex, HOOKS[hook], flags))[0]
        except OSError:
            os.close(self.prog)
            raise

    def still_there(self):
        return self.hook == "xdp" or \
            prog_id(self.prog) in programs(self.ifindex, self.hook)

    def close(self):
        os.close(self.link)
        os.close(self.prog)
