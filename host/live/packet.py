"""Frames of an interface: an AF_PACKET socket with a ring that the kernel fills (TPACKET_V3), as tcpdump has it.

One idea: Python asks the kernel for everything once (packet(7)), C takes the frames (``csrc/ingress_packet.c``). The
kernel counts what found no room in the ring. Several sockets share the frames as a fanout group, which takes a frame's
flow, both directions of it, to one of them.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from sevenm.boundary import CAPTURE_MAX
from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.ingress import IngressKind, LiveOptions, Wanted
from sevenm.host.live.kernel import SOL_PACKET, accept_bytes, make_promiscuous, name_of, reject_all
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.split import Split, check_parts

BLOCK_SIZE = 1 << 19
"""Room for one frame of CAPTURE_MAX bytes."""
BLOCKS = 32
RETIRE_MS = 1
"""The kernel hands over a block that is not full after this."""
SETTLE_S = 0.02
BURST = 1024
TAG = 4

ETH_P_ALL = 3
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 5, 6, 10
PACKET_RESERVE, PACKET_TIMESTAMP, PACKET_IGNORE_OUTGOING = 12, 17, 23
PACKET_FANOUT, FANOUT_HASH, FANOUT_UNIQUE_ID = 18, 0, 0x2000
TPACKET_V3 = 2
SIOCGIFHWADDR, SIOCSHWTSTAMP = 0x8927, 0x89B0
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
RAW_HARDWARE, FILTER_ALL = 1 << 6, 1
NAME_MAX = 15
DEFAULTS = LiveOptions()


class PacketIngress(LiveIngress):
    """The frames that the interface receives and sends, as a capture on it has them, VLAN tags included.

    Raises CaptureError if there is no such interface, it is not Ethernet, or the process may not."""

    def __init__(self, name: str, options: LiveOptions = DEFAULTS) -> None:
        super().__init__("sm_packet_ingress", name, LINK_ETHERNET)
        if not 1 <= options.snap <= CAPTURE_MAX:
            raise ValueError(f"snap must be from 1 to {CAPTURE_MAX} bytes, not {options.snap}")
        self._options = options
        self._warnings: list[str] = []
        self._kernel = [0, 0, 0]
        self._begun = False
        self._socket = _socket(name)
        try:
            self._index = _index(name)
            loopback = self._type() == ARPHRD_LOOPBACK
            self._set(PACKET_VERSION, TPACKET_V3, "a ring of version 3")
            self._set(PACKET_RESERVE, TAG, "room for VLAN tags")
            if loopback:
                # Every packet passes twice there; once is enough, as tcpdump has it.
                self._set(PACKET_IGNORE_OUTGOING, 1, "each packet once")
            accept_bytes(self._socket, options.snap)
            if options.hardware_time:
                self._hardware_time()
            self._map()
        except BaseException:
            self._socket.close()
            raise

    def begin(self, port: int = 0) -> None:
        if self._begun:
            super().begin(port)
            return
        self.bind(port)

    def bind(self, port: int) -> None:
        """Receives what the socket's filter accepts. Raises CaptureError."""
        super().begin(port)
        try:
            self._socket.bind((self.name, ETH_P_ALL))
            down = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if down:
                raise OSError(down, os.strerror(down))
            if self._options.promiscuous:
                make_promiscuous(self._socket, self._index)
        except OSError as error:
            raise CaptureError(self._why(error.errno or 0)) from error
        self._begun = True

    def join(self, group: int | None, port: int) -> int:
        """Becomes a member of the fanout group, None: of a new one, and accepts nothing yet: the kernel takes only who
        receives already, and until then it would get what others get. Returns the group. Raises CaptureError."""
        reject_all(self._socket)
        self.bind(port)
        asked = (FANOUT_HASH | FANOUT_UNIQUE_ID) << 16 if group is None else group
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, asked)
            return self._socket.getsockopt(SOL_PACKET, PACKET_FANOUT) if group is None else group
        except OSError as error:
            raise CaptureError(f"{self.name}: this kernel does not share frames out: {error.strerror}") from error

    def accept(self) -> None:
        """Every frame from now on."""
        accept_bytes(self._socket, self._options.snap)

    def finish(self) -> None:
        reject_all(self._socket)
        time.sleep(SETTLE_S)  # until the kernel has handed over the block that it is filling
        super().finish()

    def close(self) -> None:
        super().close()
        self.ffi.release(self._ring)
        self._memory.close()
        self._socket.close()

    def counters(self) -> dict[str, int]:
        """Also ``freezes``: how often the ring was full. ``damaged``: frames whose header in the ring cannot be.
        ``tagged``: VLAN tags that were put back. ``hardware_stamped``: frames with the interface's own time."""
        if self._begun:
            with suppress(OSError):
                # Reading sets it to 0 there.
                now = struct.unpack("III", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
                self._kernel = [old + new for old, new in zip(self._kernel, now, strict=True)]
        _, dropped, freezes = self._kernel
        return {
            "received": int(self.live.received),
            "dropped": dropped,
            "freezes": freezes,
            "damaged": int(self.live.damaged),
            "tagged": int(self.struct.tagged),
            "hardware_stamped": int(self.struct.hardware),
        }

    def warnings(self) -> list[str]:
        return list(self._warnings)

    def fault(self) -> str:
        return self._why(int(self.live.fault))

    def _why(self, number: int) -> str:
        if number in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            name = name_of(self._index)
            if name is not None:
                renamed = "" if name == self.name else f", which is called {name} now,"
                return f"{self.name}: the interface{renamed} is down; bring it up: ip link set {name} up"
            return f"{self.name}: the interface is gone"
        return f"{self.name}: {os.strerror(number).lower()} ({errno.errorcode.get(number, number)})"

    def _type(self) -> int:
        facts = fcntl.ioctl(self._socket, SIOCGIFHWADDR, struct.pack("16s24x", self.name.encode()))
        kind: int = struct.unpack_from("H", facts, 16)[0]
        if kind not in (ARPHRD_ETHER, ARPHRD_LOOPBACK):
            raise CaptureError(
                f"{self.name}: an interface of hardware type {kind} (ARPHRD_… of linux/if_arp.h), expected Ethernet, 1"
            )
        return kind

    def _set(self, option: int, value: int, what: str) -> None:
        try:
            self._socket.setsockopt(SOL_PACKET, option, value)
        except OSError as error:
            raise CaptureError(f"{self.name}: this kernel does not give {what}: {error.strerror}") from error

    def _hardware_time(self) -> None:
        # struct ifreq with a pointer to struct hwtstamp_config: flags, tx_type off, rx_filter all.
        config = np.array([0, 0, FILTER_ALL], np.int32)
        try:
            fcntl.ioctl(self._socket, SIOCSHWTSTAMP, struct.pack("16sP16x", self.name.encode(), config.ctypes.data))
            self._socket.setsockopt(SOL_PACKET, PACKET_TIMESTAMP, RAW_HARDWARE)
        except OSError as error:
            reason = "needs the capability cap_net_admin" if error.errno == errno.EPERM else str(error.strerror).lower()
            self._warnings.append(f"no timestamps from the hardware ({reason}); the kernel's are used")

    def _map(self) -> None:
        size = BLOCK_SIZE * BLOCKS
        request = struct.pack("7I", BLOCK_SIZE, BLOCKS, BLOCK_SIZE, BLOCKS, RETIRE_MS, 0, 0)
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            self._memory = mmap.mmap(self._socket.fileno(), size)
        except OSError as error:
            raise CaptureError(
                f"{self.name}: the kernel does not give a ring of {size >> 20} MiB: {error.strerror}"
            ) from error
        self._ring = self.ffi.from_buffer("uint8_t[]", self._memory, require_writable=True)
        table = self.array("sm_event", np.zeros(BURST, EVENT))
        self.lib.sm_packet_ingress_open(
            self.struct, self._socket.fileno(), self._ring, BLOCK_SIZE, BLOCKS, table, BURST, self._options.snap, 0
        )


class Fanout(Split):
    """Sockets of one interface, each with a ring of its own, that share its frames (packet(7), PACKET_FANOUT_HASH).

    The kernel hashes addresses, protocol and ports, inner ones of tunnels that it knows, the same for both directions.
    Fragments have no ports for it, the first one neither: all of a datagram go by addresses and protocol to one
    socket, but not where unfragmented packets of that flow go. What is no IP goes to one socket by its protocol."""

    def __init__(self, parts: Sequence[PacketIngress]) -> None:
        super().__init__(parts, "a hash of addresses, protocol and ports")
        self._sockets = tuple(parts)
        self._begun = False

    def begin(self, port: int = 0) -> None:
        if self._begun:
            return
        group: int | None = None
        for part in self._sockets:
            group = part.join(group, port)
        for part in self._sockets:
            part.accept()
        self._begun = True


def _socket(name: str) -> socket.socket:
    """Bound to nothing, so that it receives nothing yet."""
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        raise CaptureError(
            f"{name}: receiving from an interface needs the capability cap_net_raw, which this process does not have; "
            f"give it to the interpreter (setcap cap_net_raw+ep {Path(sys.executable).resolve()}), or start as root "
            "with --user NAME"
        ) from error


def _index(name: str) -> int:
    try:
        if len(name.encode()) > NAME_MAX:
            raise OSError
        return socket.if_nametoindex(name)
    except OSError as error:
        there = ", ".join(interface for _, interface in socket.if_nameindex())
        raise CaptureError(f"{name}: there is no such interface; there are: {there or 'none'}") from error


def _open(name: str, wanted: Wanted) -> PacketIngress:
    return PacketIngress(name, wanted.live)


def _split(name: str, wanted: Wanted, parts: int) -> Fanout:
    check_parts(name, parts)
    with ExitStack() as stack:
        opened = []
        for _ in range(parts):
            opened.append(PacketIngress(name, wanted.live))
            stack.callback(opened[-1].close)
        stack.pop_all()
    return Fanout(opened)


def _missing() -> str | None:
    return None if sys.platform == "linux" else "AF_PACKET is Linux's"


PACKET = IngressKind("frames of a network interface, live (AF_PACKET)", _open, _missing, True, _split)
