"""Records that come in UDP datagrams, to this host or to a multicast group.

One idea: the payload is the event, one record or several of them; Python opens and joins, C receives as many datagrams
at a time as have arrived (``csrc/ingress_udp.c``). The kernel counts what found no room in the socket's buffer. Several
sockets of one port share the datagrams by sender, so that one sender's keep their order.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_USER0, CaptureError
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.kernel import accept_all, reject_all
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.split import Split, check_parts

SLOTS = 64
"""Datagrams that are received at a time."""
BUFFER = 16 << 20
"""Bytes of the socket's buffer that are asked for."""
SIZE_MAX = 65507
PORT_MAX = 65535

SO_RCVBUFFORCE, SO_TIMESTAMPNS, SO_MEMINFO = 33, 35, 55
MEMINFO_DROPS, MEMINFO = 8, 9
IP_MULTICAST_ALL = 49
SPEC = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:@]*)):(?P<port>\d{1,5})(?:@(?P<interface>.+))?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(NamedTuple):
    """Where datagrams are sent to; ``interface`` is the one they come in by, None: any."""

    address: Address
    port: int
    interface: str | None


def parse(text: str) -> Place:
    """``ADDRESS:PORT`` or ``[ADDRESS]:PORT``, then ``@INTERFACE`` if need be. Raises CaptureError."""
    found = SPEC.fullmatch(text)
    if found is None:
        raise CaptureError(
            f"udp:{text}: expected udp:ADDRESS:PORT or udp:ADDRESS:PORT@INTERFACE, for example udp:239.1.1.1:5000@eth0 "
            "or udp:[::1]:5000"
        )
    try:
        address = ipaddress.ip_address(found["six"] if found["four"] is None else found["four"])
    except ValueError as error:
        raise CaptureError(f"udp:{text}: {error}; an IPv6 address is written in brackets") from None
    port = int(found["port"])
    if not 1 <= port <= PORT_MAX:
        raise CaptureError(f"udp:{text}: a port is from 1 to {PORT_MAX}, not {port}")
    return Place(address, port, found["interface"])


class UdpIngress(LiveIngress):
    """Records of ``record`` bytes from the datagrams that are sent to ``place``. ``shared``: with other sockets of this
    process, and accepting nothing before ``accept``. Raises CaptureError."""

    def __init__(self, text: str, record: int, shared: bool = False) -> None:
        place = parse(text)
        super().__init__("sm_udp_ingress", f"udp:{text}", LINK_USER0)
        if not 1 <= record <= SIZE_MAX:
            raise ValueError(f"record must be from 1 to {SIZE_MAX} bytes, not {record}")
        self._dropped = 0
        self._seen = 0
        self._finished = False
        six = place.address.version == 6
        self._socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self._interface_name = place.interface
        try:
            index = self._interface(place)
            if shared:
                reject_all(self._socket)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._bind(place, index)
        except OSError as error:
            self._socket.close()
            raise CaptureError(f"{self.name}: {_reason(error, place)}") from error
        except BaseException:
            self._socket.close()
            raise
        buffer = self.array("uint8_t", np.zeros(SLOTS * self.lib.SM_LIVE_SLOT, np.uint8))
        table = self.array("sm_event", np.zeros(SLOTS * (self.lib.SM_LIVE_SLOT // record), EVENT))
        vector = self.array("uint64_t", np.zeros(self.lib.sm_udp_vector(SLOTS) // 8 + 1, np.uint64))
        self.lib.sm_udp_ingress_open(
            self.struct, self._socket.fileno(), buffer, table, vector, SLOTS, record, index, 0
        )  # fmt: skip

    def finish(self) -> None:
        self._look()
        self._finished = True  # what is rejected from now on counts as dropped there, and is not ours
        reject_all(self._socket)
        super().finish()

    def accept(self) -> None:
        """Of several sockets that share a port: every datagram from now on."""
        self._look()
        self._dropped = 0  # what was rejected so far is none
        accept_all(self._socket)

    def close(self) -> None:
        super().close()
        self._socket.close()

    def counters(self) -> dict[str, int]:
        """``received`` are records, ``dropped`` datagrams. Also ``datagrams``, and those of the ``wrong_size``: no
        whole number of records, which nothing else is done with."""
        self._look()
        return {
            "received": int(self.live.received),
            "dropped": self._dropped,
            "datagrams": int(self.struct.datagrams),
            "wrong_size": int(self.struct.wrong_size),
        }

    def fault(self) -> str:
        if int(self.live.fault) in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            return (
                f"{self.name}: the interface {self._interface_name} went down or is gone; bring it up and start again"
            )
        return super().fault()

    def _look(self) -> None:
        """The kernel counts in 32 bits, since the socket was made."""
        if self._finished:
            return
        facts = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * MEMINFO)
        now = struct.unpack(f"{MEMINFO}I", facts)[MEMINFO_DROPS]
        self._dropped += (now - self._seen) & 0xFFFFFFFF
        self._seen = now

    def _interface(self, place: Place) -> int:
        if place.interface is None:
            return 0
        try:
            return socket.if_nametoindex(place.interface)
        except OSError:
            there = ", ".join(name for _, name in socket.if_nameindex())
            raise CaptureError(f"{self.name}: there is no interface {place.interface}; there are: {there}") from None

    def _bind(self, place: Place, index: int) -> None:
        receiver, address = self._socket, place.address
        try:
            receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # at most net.core.rmem_max
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if address.is_multicast:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif place.interface is not None:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, place.interface.encode())
        if address.version == 6:
            receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            receiver.bind((str(address), place.port, 0, index))
            if address.is_multicast:
                member = address.packed + struct.pack("i", index)
                receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
            return
        receiver.bind((str(address), place.port))
        if address.is_multicast:
            receiver.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
            member = address.packed + struct.pack("4xi", index)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)


class SharedPort(Split):
    """Sockets of one port (socket(7), SO_REUSEPORT): the kernel hashes the datagram's two addresses and ports."""

    def __init__(self, parts: Sequence[UdpIngress]) -> None:
        super().__init__(parts, "a hash of the sender's address and port")
        for part in parts:  # only now, so that no sender begins at one socket and goes on at another
            part.accept()


def _reason(error: OSError, place: Place) -> str:
    text = (error.strerror or str(error)).lower()
    if error.errno == errno.EACCES:
        return f"port {place.port} needs the capability cap_net_bind_service; take one from 1024 on"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text}; give an address of this host, 0.0.0.0 or [::] for all, or a multicast group"
    if error.errno in (errno.ENODEV, errno.EINVAL) and place.address.is_multicast and place.interface is None:
        return f"{text}; say which interface the group is joined on: @INTERFACE"
    return text


def _open(text: str, wanted: Wanted) -> UdpIngress:
    if wanted.record_size is None:
        raise CaptureError(
            f"udp:{text}: gives the payload of datagrams, but the rules are on packets; receive the packets "
            f"themselves (-i eth0) and match udp.dstport == {parse(text).port}"
        )
    return UdpIngress(text, wanted.record_size)


def _split(text: str, wanted: Wanted, parts: int) -> SharedPort:
    check_parts(f"udp:{text}", parts)
    if parse(text).address.is_multicast:
        raise CaptureError(
            f"udp:{text}: a group's datagrams go to every socket that joins it, and so cannot be split among workers; "
            "leave --workers out, or have them sent to an address of this host"
        )
    _open(text, wanted).close()  # where somebody else has the port, the kernel would share the datagrams with them, too
    assert wanted.record_size is not None
    with ExitStack() as stack:
        opened = []
        for _ in range(parts):
            opened.append(UdpIngress(text, wanted.record_size, shared=True))
            stack.callback(opened[-1].close)
        stack.pop_all()
    return SharedPort(opened)


def _missing() -> str | None:
    return None if sys.platform == "linux" else "recvmmsg and the counters of a socket are Linux's"


UDP = IngressKind("records in UDP datagrams, live: ADDRESS:PORT[@INTERFACE]", _open, _missing, True, _split)
