# SPDX-License-Identifier: BSD-2-Clause
"""What the observer and the events of the soak agree on: namespaces, the
paths between host and peer, ports and what a policy says of them."""
import ctypes
import os
import socket

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# (interface, last part of the host's and of the peer's addresses). Path 0 is
# left in peace, 1 is flapped, 2 is deleted and made anew; 3 is an address of
# the host that comes and goes.
PATHS = [("eth0", 0, 1, 2), ("eth1", 1, 1, 2), ("eth2", 2, 1, 2),
         ("eth1", 1, 77, 2)]
STEADY, FLAPPED, RECREATED, LATE = range(4)
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

OPEN = 5000           # allowed by every policy, and so is up to 5099
ONLY_A, ONLY_B = 6001, 6002
ONLY_MEMBER = 6003    # inwards, while the host is a member of `late`
NEVER = 6009
CLOSABLE = [ONLY_A, ONLY_B, ONLY_MEMBER, NEVER]

HOST, PEER = "host", "peer"


def address(side, path, family):
    _, subnet, host, peer = PATHS[path]
    last = host if side == HOST else peer
    return f"10.9.{subnet}.{last}" if family == 4 else f"fd00:9:{subnet}::{last}"


def allows(policy, to, port):
    """Whether POLICY ("A", "B+m", ...) lets an opening to SIDE's PORT pass."""
    if port < ONLY_A:
        return True
    if port == ONLY_MEMBER:
        return policy.endswith("+m") and to == HOST
    return port == {"A": ONLY_A, "B": ONLY_B}[policy[0]]


class Namespace:
    """A network namespace that this thread can step into."""

    def __init__(self, name):
        self.name = name
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY)

    def __enter__(self):
        self.back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._set(self.fd)
        return self

    def __exit__(self, *_):
        self._set(self.back)
        os.close(self.back)

    @staticmethod
    def _set(fd):
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def __copy__(self):
        return Namespace(self.name)
