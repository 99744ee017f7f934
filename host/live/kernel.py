"""What sockets of several kinds are asked for: a filter that cuts or rejects, and frames for others too.

The filter is a classic BPF program of one instruction. It gives the number of bytes to keep, and 0 keeps nothing, which
is how a socket is told to receive no more while what it holds is still read.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
BPF_RET_K = 0x06


def program(keep: int) -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
    """A ``struct sock_fprog``, and the memory that it points to."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET_K, 0, 0, keep), 8)
    return struct.pack("HxxxxxxP", 1, ctypes.addressof(code)), code


def accept_bytes(receiver: socket.socket, keep: int) -> None:
    """The first ``keep`` bytes of everything. Raises OSError."""
    filter_, code = program(keep)
    receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
    del code


def reject_all(receiver: socket.socket) -> None:
    """Nothing that arrives from now on. Raises OSError."""
    accept_bytes(receiver, 0)


def accept_all(receiver: socket.socket) -> None:
    """No filter any more; there has to be one. Raises OSError."""
    receiver.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def name_of(index: int) -> str | None:
    """What the interface is called now; None: it is gone."""
    with suppress(OSError):
        return socket.if_indextoname(index)
    return None


def make_promiscuous(member: socket.socket, index: int) -> None:
    """The interface of this index receives frames for others too, as long as the packet socket is open. Raises
    OSError."""
    member.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8x", index, PACKET_MR_PROMISC, 0))
