"""What AF_XDP has once for an interface, however many parts read its queues: program, map of sockets, prefilters.

One idea: one program stands at the interface, and its link is one descriptor. Parts begin with an entry each in one
map, a prefilter takes its place for all of them with one call, and the first part that ends gives the interface back
for all. So what the program counts has one beginning and one end.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from typing import Any

from sevenm.host.capture.format import CaptureError
from sevenm.host.live.kernel import make_promiscuous, name_of
from sevenm.host.live.xdp_bpf import BpfError, Code, Link, Map, Program
from sevenm.host.live.xdp_program import COUNTS, COUNTS_BYTES, SCRATCH_BYTES, SOCKETS
from sevenm.host.native import native

PREFILTERS_MAX = 8
"""Prefilters that are kept ready."""
HEADERS = 14 + 2 * 4
"""Bytes of an Ethernet header with two VLAN tags, which the MTU does not count."""
CHUNKS = (2048, 4096)
"""Bytes of a frame's place: the smallest that holds the MTU."""
COMMON = ("prefiltered", "prefiltered_bytes", "unread_queues")
"""What is counted once for all parts."""


class XdpInterface:
    """Of ``interface`` one ``queue`` is read, or all that it has, in so many ``parts``. Nothing is attached yet. Raises
    CaptureError where it cannot be had.

    ``queues``: that are read. ``chunk``: bytes of a frame's place. ``jumbo``: whether its MTU lets frames be longer
    than that. ``maps``: of its programs, by their numbers there. ``mode`` and ``several``, whether frames are received
    that need several buffers: as attached. ``filtered``: the digest of the rules whose prefilter stands before them,
    None: there is none."""

    def __init__(self, interface: str, queue: int | None = None, parts: int = 1) -> None:
        _, self.lib = native()
        self.interface, self.name = interface, f"xdp:{interface}"
        self.mode, self.several = "", False
        self.filtered: str | None = None
        self._warnings: list[str] = []
        self._all = queue is None
        self.queues = self._queues(queue)
        mtu = self._asked(self.lib.sm_xdp_mtu)
        room = {chunk - self.lib.SM_XDP_HEADROOM: chunk for chunk in CHUNKS}
        self.chunk = next((chunk for most, chunk in room.items() if mtu + HEADERS <= most), CHUNKS[-1])
        self.jumbo = mtu + HEADERS > max(room)
        self._too_long = (
            f"its MTU is {mtu}, and frames of more than {max(room)} bytes are not received; the kernel "
            f"counts them as dropped"
        )
        if self._asked(self.lib.sm_xdp_strips_tags):
            self._warnings.append(
                f"{interface} takes VLAN tags out of frames, and they are lost to AF_XDP; to see them: "
                f"ethtool -K {interface} rxvlan off"
            )
        self._lock = threading.Lock()
        self._rules: list[str | None] = [None] * parts
        """The digests of the rules that each part's events are decided by."""
        self._left = parts
        self._plain: Program | None = None
        self._prefilters: dict[str, Program] = {}
        """Ready to be used, by the digest of their rules; the one used last is the last one."""
        self._link: Link | None = None
        self._member: socket.socket | None = None
        self._prefiltered, self._unread_queues = (0, 0), 0
        self.maps: list[Map] = []
        try:
            self.index = socket.if_nametoindex(interface)
            for kind, size, entries in (
                ("BPF_MAP_TYPE_XSKMAP", 4, self.queues[-1] + 1),
                ("BPF_MAP_TYPE_PERCPU_ARRAY", COUNTS_BYTES, 1),
            ):
                self.maps.append(Map(kind, size, entries))
        except OSError as error:
            self.close()
            raise CaptureError(f"{self.name}: {why(error)}") from error

    def attach(self, plain: Program, flags: int, mode: str, several: bool) -> None:
        """The program is the interface's, and redirects nothing yet. Raises BpfError."""
        self._link = Link(plain, self.index, flags)
        self._plain, self.mode, self.several = plain, mode, several
        if self.jumbo and not several:
            self._warnings.append(self._too_long)

    def make_promiscuous(self) -> None:
        """For as long as this socket is open, which receives nothing itself. Raises OSError."""
        self._member = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        make_promiscuous(self._member, self.index)

    def redirect(self, queue: int, receiver: int) -> None:
        """The queue's frames go to this socket from now on. Raises CaptureError."""
        try:
            self.maps[SOCKETS].put(queue, struct.pack("<i", receiver))
        except BpfError as error:
            raise CaptureError(f"{self.name}: {why(error)}") from error

    def detach(self) -> None:
        """What comes from now on is the kernel's again, by every queue."""
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None

    def leave(self) -> None:
        """A part is closed; with the last one everything is let go of."""
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self.close()

    def close(self) -> None:
        self.detach()
        self.counts()
        with self._lock:
            for one in (*self.maps, *self._prefilters.values(), self._plain, self._member):
                if one is not None:
                    one.close()
            self.maps, self._plain, self._member = [], None, None
            self._prefilters.clear()

    def counts(self) -> dict[str, int]:
        """Of all parts: ``prefiltered`` packets (and their bytes) that were dropped in the kernel because no rule wants
        them. ``unread_queues``: the interface has got so many more, where all that it had are read; what comes by these
        is the kernel's."""
        with self._lock:
            if len(self.maps) > COUNTS:
                values = memoryview(self.maps[COUNTS].get(0)).cast("Q")
                self._prefiltered = sum(values[0::2]), sum(values[1::2])
                if self._all:
                    self._unread_queues = max(self._unread_queues, self._queues_now() - len(self.queues))
            return dict(zip(COMMON, (*self._prefiltered, self._unread_queues), strict=True))

    def warnings(self) -> list[str]:
        """First of all the mode that was had."""
        which = f"{len(self.queues)} queues" if len(self.queues) > 1 else f"queue {self.queues[0]}"
        return [f"{self.mode}, {which}", *self._warnings]

    def rules_change(self, digest: str | None, part: int | None = None) -> None:
        """The rules that decide the events of this part, None: of all parts, from the next one on are those of this
        digest. What their prefilter drops is dropped in the kernel and counted, as long as all parts have these rules.
        Where they have not, or there is none, everything is received. No privilege is needed; once detached it does
        nothing. Raises BpfError."""
        with self._lock:
            if self._link is None or self._plain is None:
                return
            for number in range(len(self._rules)) if part is None else (part,):
                self._rules[number] = digest
            agreed = self._rules[0] if len(set(self._rules)) == 1 else None
            found = None if agreed is None else self._prefilters.get(agreed)
            wanted = None if found is None else agreed
            if wanted != self.filtered:
                self._link.replace(found or self._plain)
            self.filtered = wanted
            if wanted is not None:
                self._prefilters[wanted] = self._prefilters.pop(wanted)

    def add_prefilter(self, digest: str, code: Code) -> None:
        """Makes a prefilter ready for the rules of this digest; ``rules_change`` uses it. At most PREFILTERS_MAX are
        kept, and the longest unused goes. Another thread may do this while frames come. Raises BpfError if the kernel
        refuses it."""
        # Room of its own: what it finds there was left by itself.
        scratch = Map("BPF_MAP_TYPE_PERCPU_ARRAY", SCRATCH_BYTES)
        try:
            program = Program(code, [*self.maps, scratch], self.several)
        finally:
            scratch.close()
        with self._lock:
            if digest in self._prefilters:
                self._prefilters.pop(digest).close()  # the kernel keeps the one that it runs
            for unused in [one for one in self._prefilters if one != self.filtered]:
                if len(self._prefilters) >= PREFILTERS_MAX:
                    self._prefilters.pop(unused).close()
            self._prefilters[digest] = program

    def _queues(self, queue: int | None) -> tuple[int, ...]:
        there = self._asked(self.lib.sm_xdp_queues)
        if queue is None:
            if there > self.lib.SM_XDP_QUEUES_MAX:
                raise CaptureError(
                    f"{self.interface} has {there} queues, and at most {self.lib.SM_XDP_QUEUES_MAX} are read together; "
                    f"name one (xdp:{self.interface}:0) or give it fewer (ethtool -L {self.interface} combined N)"
                )
            return tuple(range(there))
        if not 0 <= queue < there:
            raise CaptureError(f"{self.interface} has the queues 0 to {there - 1}, not {queue}")
        if there > 1:
            self._warnings.append(f"only queue {queue} is read; the other {there - 1} are left to the kernel")
        return (queue,)

    def _queues_now(self) -> int:
        """Of an interface that may have another name now; 0 where it is gone."""
        name = name_of(self.index)
        return 0 if name is None else max(0, int(self.lib.sm_xdp_queues(name.encode())))

    def _asked(self, question: Any) -> int:
        done = int(question(self.interface.encode()))
        if done < 0:
            raise CaptureError(f"{self.name}: {why(OSError(-done, os.strerror(-done).lower()))}")
        return done


HINTS = {
    **dict.fromkeys(
        (errno.EPERM, errno.EACCES), "needs the capabilities cap_net_raw, cap_net_admin and cap_bpf; start as root"
    ),
    errno.ENODEV: "there is no such interface; `ip link` lists them",
    errno.ENETDOWN: "bring the interface up: ip link set NAME up",
    **dict.fromkeys(
        (errno.EBUSY, errno.EEXIST), "another program has the interface or its queue; `ip link show` names it"
    ),
    errno.ENOBUFS: "its frames do not fit into the memory that may be locked; raise that with `ulimit -l`",
}


def why(error: OSError) -> str:
    """What was refused, and what to do."""
    said = error.strerror or str(error)
    return f"{said}; {HINTS[error.errno]}" if error.errno in HINTS else said
