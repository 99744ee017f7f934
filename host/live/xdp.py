"""AF_XDP: the frames of an interface, redirected by an XDP program into memory of this process.

One idea: the kernel writes a frame where it stays until it was matched; there is no copy of ours, and no system call
while frames come. What is redirected here does not reach the kernel's network stack; other queues and interfaces are
not touched. The best way that interface and driver have is taken, and ``mode`` says which it was:

=================  =====================================================================================
native zero-copy   the driver runs the program, and the card writes into our memory
native copy        the driver runs the program, the kernel copies the frame
generic            the kernel's stack runs the program and copies the frame; every interface has it
=================  =====================================================================================
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
from typing import Any

import numpy as np

from sevenm.boundary import CAPTURE_MAX
from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.engine.ingress import BURST
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.kernel import make_promiscuous, name_of
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.xdp_bpf import BpfError, Code, Link, Map, Program, checked
from sevenm.host.live.xdp_program import AF_XDP, COUNTS, COUNTS_BYTES, REDIRECT, SCRATCH_BYTES, SOCKETS
from sevenm.host.native import available

PREFILTERS_MAX = 8
"""Prefilters that are kept ready."""
FRAMES = 8192
"""Frames of each queue that can wait to be matched."""
MODES = (
    ("native zero-copy", "XDP_FLAGS_DRV_MODE", "XDP_ZEROCOPY"),
    ("native copy", "XDP_FLAGS_DRV_MODE", "XDP_COPY"),
    ("generic", "XDP_FLAGS_SKB_MODE", "XDP_COPY"),
)
"""Name, how the program is attached, how the sockets are bound; the best first."""
HEADERS = 14 + 2 * 4
"""Bytes of an Ethernet header with two VLAN tags, which the MTU does not count."""
CHUNKS = (2048, 4096)
"""Bytes of a frame's place: the smallest that holds the MTU."""
BUSY_S = 1.0
"""The kernel lets go of a closed socket's queue a while later."""
FINAL = {
    errno.EPERM,
    errno.EACCES,
    errno.EBUSY,
    errno.EEXIST,
    errno.ENODEV,
    errno.ENETDOWN,
    errno.ENOMEM,
    errno.ENOBUFS,
}
"""What no other mode makes good."""


class XdpIngress(LiveIngress):
    """Frames that ``interface`` receives: by one ``queue``, or by all that it has; with ``promiscuous`` also those for
    others. ``frames``: of each queue that can wait. ``burst``: handed out at a time, at most. Raises CaptureError where
    it cannot be had."""

    def __init__(
        self,
        interface: str,
        queue: int | None = None,
        promiscuous: bool = False,
        frames: int = FRAMES,
        burst: int = BURST,
    ) -> None:
        super().__init__("sm_xdp_ingress", f"xdp:{interface}", LINK_ETHERNET)
        if frames < 64 or frames & (frames - 1):
            raise ValueError(f"frames must be a power of two, at least 64, not {frames}")
        self.interface, self.mode = interface, ""
        self._frames, self._burst = frames, burst
        self._table = self.array("sm_event", np.zeros(burst, EVENT))
        self._warnings: list[str] = []
        self._maps: list[Map] = []
        self._plain: Program | None = None
        self._prefilters: dict[str, Program] = {}
        """Ready to be used, by the digest of their rules; the one used last is the last one."""
        self.several = False
        """Whether frames are received that need several buffers."""
        self._link: Link | None = None
        self.begun = False
        """Whether frames are redirected."""
        self.filtered: str | None = None
        """The digest of the rules whose prefilter stands before them, None: there is none."""
        self._exchanging = threading.Lock()
        self._prefiltered = (0, 0)
        self._all, self._unread_queues = queue is None, 0
        self.queues = self._queues(queue)
        mtu = self._asked(self.lib.sm_xdp_mtu)
        room = {chunk - self.lib.SM_XDP_HEADROOM: chunk for chunk in CHUNKS}
        self._chunk = next((chunk for most, chunk in room.items() if mtu + HEADERS <= most), CHUNKS[-1])
        if self._asked(self.lib.sm_xdp_strips_tags):
            self._warnings.append(
                f"{interface} takes VLAN tags out of frames, and they are lost to AF_XDP; to see them: "
                f"ethtool -K {interface} rxvlan off"
            )
        self._member: socket.socket | None = None
        try:
            self._open(jumbo=mtu + HEADERS > max(room))
            if not self.several and mtu + HEADERS > max(room):
                self._warnings.append(
                    f"its MTU is {mtu}, and frames of more than {max(room)} bytes are not received; the kernel "
                    f"counts them as dropped"
                )
            if promiscuous:
                self._member = self._joined()
        except BaseException:
            self.close()
            raise

    def begin(self, port: int = 0) -> None:
        """The program is there from the start; with its sockets in the map it redirects."""
        super().begin(port)
        if self.begun:
            return
        try:
            for at, queue in enumerate(self.queues):
                self._maps[SOCKETS].put(queue, struct.pack("<i", self.struct.queues[at].fd))
        except BpfError as error:
            raise CaptureError(f"{self.name}: {_why(error)}") from error
        self.begun = True

    def finish(self) -> None:
        """What comes from now on is the kernel's again."""
        if self._link is not None:
            self._link.close()
            self._link = None
        super().finish()

    def close(self) -> None:
        if self._maps and self.mode:
            self.finish()
            self.counters()
            super().close()
        for one in (*self._maps, *self._prefilters.values(), self._plain, self._member):
            if one is not None:
                one.close()
        self._maps, self._plain, self._member = [], None, None
        self._prefilters.clear()

    def __enter__(self) -> XdpIngress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def counters(self) -> dict[str, int]:
        """Also ``damaged``: frames with a descriptor that cannot be. ``prefiltered`` packets (and their bytes) were
        dropped in the kernel, because no rule wants them. ``dropped`` is for want of free chunks, or because a frame
        needs several where that cannot be had. The sum of received, dropped, damaged and prefiltered is what came since
        ``begin``. ``unread_queues``: the interface has got so many more, where all that it had are read; what comes by
        these is the kernel's."""
        if self._maps:
            self.lib.sm_xdp_count(self.struct)
            values = memoryview(self._maps[COUNTS].get(0)).cast("Q")
            self._prefiltered = sum(values[0::2]), sum(values[1::2])
            if self._all:
                self._unread_queues = max(self._unread_queues, self._queues_now() - len(self.queues))
        packets, octets = self._prefiltered
        return {
            "received": int(self.live.received),
            "dropped": int(self.struct.dropped),
            "damaged": int(self.live.damaged),
            "prefiltered": packets,
            "prefiltered_bytes": octets,
            "unread_queues": self._unread_queues,
        }

    def warnings(self) -> list[str]:
        """First of all the mode that was had."""
        which = f"{len(self.queues)} queues" if len(self.queues) > 1 else f"queue {self.queues[0]}"
        return [f"{self.mode}, {which}", *self._warnings]

    def fault(self) -> str:
        number = int(self.live.fault)
        if number in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            return f"{self.interface}: the interface went down or is gone; bring it up and start again"
        if number == errno.EPROTO:
            return f"{self.interface}: a ring that is shared with the kernel holds what cannot be"
        return super().fault()

    def rules_change(self, digest: str | None) -> None:
        """From the next packet on, what the prefilter of these rules drops is dropped in the kernel and counted. Where
        there is none, everything is received. No privilege is needed. Raises BpfError."""
        assert self._link is not None and self._plain is not None, "the ingress is finished"
        with self._exchanging:
            found = None if digest is None else self._prefilters.get(digest)
            if found is None:
                digest = None
            if digest != self.filtered:
                self._link.replace(found or self._plain)
            self.filtered = digest
            if digest is not None:
                self._prefilters[digest] = self._prefilters.pop(digest)

    def add_prefilter(self, digest: str, code: Code) -> None:
        """Makes a prefilter ready for the rules of this digest; ``rules_change`` uses it. At most PREFILTERS_MAX are
        kept, and the longest unused goes. Another thread may do this while frames come. Raises BpfError if the kernel
        refuses it."""
        # Room of its own: what it finds there was left by itself.
        scratch = Map("BPF_MAP_TYPE_PERCPU_ARRAY", SCRATCH_BYTES)
        try:
            program = Program(code, [*self._maps, scratch], self.several)
        finally:
            scratch.close()
        with self._exchanging:
            if digest in self._prefilters:
                self._prefilters.pop(digest).close()  # the kernel keeps the one that it runs
            for unused in [one for one in self._prefilters if one != self.filtered]:
                if len(self._prefilters) >= PREFILTERS_MAX:
                    self._prefilters.pop(unused).close()
            self._prefilters[digest] = program

    # Opening

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
        name = name_of(self._index)
        return 0 if name is None else max(0, int(self.lib.sm_xdp_queues(name.encode())))

    def _asked(self, question: Any) -> int:
        done = int(question(self.interface.encode()))
        if done < 0:
            raise CaptureError(f"{self.name}: {_why(OSError(-done, os.strerror(-done).lower()))}")
        return done

    def _open(self, jumbo: bool) -> None:
        """In the first mode that works, with frames of several buffers where it has them; with ``jumbo`` a mode that
        has them before a better one that has not. Raises CaptureError with what each one said."""
        ways = [(*way, several) for way in MODES for several in (True, False)]
        if jumbo:
            ways.sort(key=lambda way: not way[-1])
        refused = []
        try:
            index = self._index = socket.if_nametoindex(self.interface)
            for kind, size, entries in (
                ("BPF_MAP_TYPE_XSKMAP", 4, self.queues[-1] + 1),
                ("BPF_MAP_TYPE_PERCPU_ARRAY", COUNTS_BYTES, 1),
            ):
                self._maps.append(Map(kind, size, entries))
            for mode, attach, bind, several in ways:
                try:
                    self._try(index, getattr(self.lib, attach), getattr(self.lib, bind), several)
                except BpfError as error:
                    if error.errno in FINAL:
                        raise
                    if not several:
                        refused.append(f"{mode}: {error.strerror}")
                else:
                    self.mode, self.several = mode, several
                    return
        except OSError as error:
            raise CaptureError(f"{self.name}: {_why(error)}") from error
        raise CaptureError(f"{self.name}: AF_XDP cannot be had: {'; '.join(refused)}")

    def _try(self, index: int, attach: int, bind: int, several: bool) -> None:
        """The program, which redirects nothing yet, and sockets. A socket that takes frames of one buffer gets a
        program for these: what cannot be redirected is counted nowhere."""
        program = Program(REDIRECT, self._maps, several)
        try:
            self._bound(index, bind | (self.lib.XDP_USE_SG if several else 0))
            try:
                self._link = Link(program, index, attach)
            except BpfError:
                super().close()
                raise
        except BpfError:
            program.close()
            raise
        self._plain = program

    def _bound(self, index: int, flags: int) -> None:
        step = self.ffi.new("char **")
        queues = self.ffi.new("uint32_t[]", self.queues)
        end = time.monotonic() + BUSY_S
        while True:
            done = self.lib.sm_xdp_ingress_open(
                self.struct, index, queues, len(self.queues), flags, self._frames, self._chunk, self._table,
                self._burst, step,
            )  # fmt: skip
            if done != -errno.EBUSY or time.monotonic() > end:
                break
            time.sleep(BUSY_S / 50)
        checked(done, self.ffi.string(step[0]).decode())

    def _joined(self) -> socket.socket:
        """Makes the interface promiscuous for as long as the socket is open, which receives nothing itself."""
        member = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        make_promiscuous(member, socket.if_nametoindex(self.interface))
        return member


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


def _why(error: OSError) -> str:
    """What was refused, and what to do."""
    said = error.strerror or str(error)
    return f"{said}; {HINTS[error.errno]}" if error.errno in HINTS else said


def parse(text: str) -> tuple[str, int | None]:
    """``IFACE[:QUEUE]``. Raises CaptureError."""
    interface, colon, queue = text.partition(":")
    if not interface or (colon and not queue.isdecimal()):
        raise CaptureError(f"{text!r} is no interface; expected IFACE or IFACE:QUEUE, as in eth0 or eth0:3")
    return interface, int(queue) if colon else None


def _opened(text: str, wanted: Wanted) -> XdpIngress:
    if wanted.record_size is not None:
        raise CaptureError(f"xdp:{text}: gives Ethernet frames, but the rules are on records")
    if wanted.live.snap < CAPTURE_MAX:
        raise CaptureError(f"xdp:{text}: frames are received whole; leave -s out")
    if wanted.live.hardware_time:
        raise CaptureError(f"xdp:{text}: gives no timestamps of the hardware; leave --hardware-time out")
    return XdpIngress(*parse(text), promiscuous=wanted.live.promiscuous)


def _missing() -> str | None:
    if not available():
        return "the C runtime"
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError as error:
        return "a kernel with AF_XDP (CONFIG_XDP_SOCKETS)" if error.errno == errno.EAFNOSUPPORT else None
    return None


XDP = IngressKind("the frames of an interface by AF_XDP: IFACE or IFACE:QUEUE", _opened, _missing, live=True)
