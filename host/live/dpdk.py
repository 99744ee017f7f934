"""DPDK: the frames of a device that a driver in this process polls: a card, or one that software makes.

One idea: the driver fills its buffers, and a frame is matched in the buffer that it was received into, which goes back
when the frame was decided. Nothing is copied that lies in one piece, and nothing of it is the kernel's. A device is
named as DPDK names it, ``net_memif0,role=client`` or ``0000:01:00.0``, its arguments behind commas; one of them,
``rxq``, is ours.

The device is started when it is opened, because some drivers need privileges for that: what comes before ``begin``
waits in its queues, or is counted as dropped.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass
from typing import Any

import numpy as np

from sevenm.boundary import CAPTURE_MAX
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.engine.toolchain import NoCompiler
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.dpdk_library import DpdkError, Library, library, missing
from sevenm.host.live.kernel import make_promiscuous
from sevenm.host.live.live import READY, LiveIngress

NAME = re.compile(r"(?:(?P<pci>(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])|(?:net|eth)_[a-z0-9_]{1,50})")
RXQ = re.compile(r",rxq=([^,]*)")
SPEC_MAX = 1024
QUEUES_BY_ARGUMENT = ("net_af_xdp", "net_pcap")
"""Drivers whose queues are those that the device's arguments make, all of which get frames; of others one does."""
EXAMPLES = "net_memif0,role=client or 0000:01:00.0"


@dataclass(frozen=True, slots=True)
class Device:
    """``text``: as DPDK wants it. ``pci``: whether it is a PCI address. ``queues``: to receive by, None: by default."""

    text: str
    pci: bool
    queues: int | None


def parse(text: str) -> Device:
    """``DEVICE[,KEY=VALUE…]``, one of which may be ``rxq=N``. Raises CaptureError."""
    if len(text) > SPEC_MAX or not text.isprintable():
        raise CaptureError(f"dpdk: a device is described by at most {SPEC_MAX} printable characters")
    found = NAME.fullmatch(text.partition(",")[0])
    if found is None:
        raise CaptureError(f"dpdk:{text}: expected a device as DPDK names it, for example {EXAMPLES}")
    given = RXQ.findall(text)
    if len(given) > 1 or any(not word.isdecimal() or not 0 < int(word) <= 0xFFFF for word in given):
        raise CaptureError(f"dpdk:{text}: rxq is how many queues to receive by, at least 1, and is given once")
    return Device(RXQ.sub("", text), found["pci"] is not None, int(given[0]) if given else None)


class DpdkIngress(LiveIngress):
    """Frames that ``device`` receives, by all the queues that it is asked for; with ``promiscuous`` also those for
    others. ``snap``: bytes of a frame that are kept. Raises CaptureError where it cannot be had."""

    drops_by = "device"

    def __init__(self, device: str, promiscuous: bool = False, snap: int = CAPTURE_MAX) -> None:
        super().__init__("sm_dpdk_ingress", f"dpdk:{device}", LINK_ETHERNET)
        wanted = parse(device)
        self._member: socket.socket | None = None
        self._dpdk = self._started(wanted)
        burst = int(self.lib.SM_DPDK_BURST)
        self.struct.table = self.array("sm_event", np.zeros(burst, EVENT))
        self.struct.room = self.array("uint8_t", np.zeros(burst * self.lib.SM_LIVE_SLOT, np.uint8))
        self.struct.snap = snap
        self._handle = self._dpdk.ffi.cast("void *", int(self.ffi.cast("uintptr_t", self.struct)))
        with self._dpdk.hushed():
            done = self._dpdk.lib.sm_dpdk_probe(self._handle, wanted.text.encode())
        if done:
            raise CaptureError(f"{self.name}: {self._unfound(wanted, done)}")
        try:
            self.driver: str = self.ffi.string(self.struct.driver).decode(errors="replace")
            self.queues = self._queues(wanted.queues)
            self._open(promiscuous)
        except BaseException:
            self.close()
            raise

    def finish(self) -> None:
        """Each queue is emptied once: a device that has no end is not waited for."""
        self.leave_unread()
        most = self.left + int(self.struct.descriptors) * self.queues
        burst = self.ffi.new("sm_burst *")
        while self.left < most and self._next(burst) == READY:
            self.left += int(burst.n)
            self.pointer.ops.release(self.pointer, burst)

    def close(self) -> None:
        with self._dpdk.hushed():
            super().close()
        if self._member is not None:
            self._member.close()
            self._member = None

    def __enter__(self) -> DpdkIngress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def counters(self) -> dict[str, int]:
        """Since it was opened. ``dropped``: the device had no buffer for it, as far as its driver tells. ``errors``: it
        was damaged when the device got it. ``damaged``: its pieces do not fit its length. ``too_long``: longer than
        65,600 bytes. The sum of received and these is what came. Among what was received: ``joined`` out of several
        pieces, ``tagged`` with a VLAN tag that was put back."""
        self._dpdk.lib.sm_dpdk_count(self._handle)
        names = ("dropped", "errors", "too_long", "joined", "tagged")
        counts = {name: int(getattr(self.struct, name)) for name in names}
        return {"received": int(self.live.received), "damaged": int(self.live.damaged), **counts}

    def warnings(self) -> list[str]:
        """First of all the driver, and by how many queues frames come."""
        said = [f"{self.driver}, {self.queues} queue{'s' if self.queues > 1 else ''}"]
        if not self._dpdk.huge:
            said.append(
                "less than 128 MiB of huge pages are free, so DPDK does without (--no-huge): it is slower, and most "
                "cards cannot be used; to have some: sysctl vm.nr_hugepages=256"
            )
        return said

    def fault(self) -> str:
        if int(self.live.fault) == errno.ENODEV:
            return f"{self.name}: the device was removed; plug it in and start again"
        return super().fault()

    def _copy(self, burst: Any, source: int) -> EventBatch:
        """Frames lie in buffers far from each other: each is copied alone."""
        table = self.ffi.buffer(burst.events, int(burst.n) * EVENT.itemsize)
        events = np.frombuffer(table, EVENT).copy()
        places = zip(events["offset"].tolist(), events["cap_len"].tolist(), strict=True)
        data = b"".join(self.ffi.buffer(burst.buffer + start, size)[:] for start, size in places)
        events["offset"] = np.cumsum(events["cap_len"], dtype=np.uint64) - events["cap_len"]
        return EventBatch.trusted(np.frombuffer(data, np.uint8), events, source)

    # Opening

    def _started(self, wanted: Device) -> Library:
        try:
            dpdk = library()
            dpdk.start(wanted.text if wanted.pci else None)
        except (DpdkError, NoCompiler) as error:
            raise CaptureError(f"{self.name}: {error}") from error
        return dpdk

    def _unfound(self, wanted: Device, done: int) -> str:
        if done == -errno.EBUSY:
            return "this process has that device open already"
        why = f"DPDK does not take this device: {self._dpdk.why(done)}"
        if wanted.pci:
            return f"{why}; `dpdk-devbind.py --status` lists the devices and which driver each has"
        return f"{why}; it is named by a driver and a number, and its arguments are that driver's, as in {EXAMPLES}"

    def _queues(self, given: int | None) -> int:
        there, most = int(self.struct.queues_max), int(self.lib.SM_DPDK_QUEUES_MAX)
        if given is None:
            given = there if self.driver in QUEUES_BY_ARGUMENT else 1
        if not 1 <= given <= min(there, most):
            raise CaptureError(f"{self.name}: it has {there} queues, of which at most {most} are read, not {given}")
        return given

    def _open(self, promiscuous: bool) -> None:
        ffi, index = self._dpdk.ffi, int(self.struct.ifindex)
        self._dpdk.said()  # what went well
        step = ffi.new("char **")
        # An interface of the kernel's is promiscuous as long as a socket says so, however this process ends.
        with self._dpdk.hushed():
            done = self._dpdk.lib.sm_dpdk_open(self._handle, self.queues, promiscuous and not index, step)
        if done:
            why = self._dpdk.why(done) + _hint(-done)
            raise CaptureError(f"{self.name}: {ffi.string(step[0]).decode()}: {why}")
        if promiscuous and index:
            try:
                self._member = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                make_promiscuous(self._member, index)
            except OSError as error:
                raise CaptureError(f"{self.name}: receiving frames for others too: {error.strerror}") from error


def _hint(number: int) -> str:
    """What to do about the error of that number. Drivers give 1, EPERM, for whatever they please."""
    if number == errno.ENOMEM:
        return "; give it fewer queues (rxq=N), or more huge pages (sysctl vm.nr_hugepages=N)"
    if number in (errno.EPERM, errno.EACCES) and os.geteuid() != 0:
        return "; start as root, or give this user what the driver needs"
    return ""


def _opened(text: str, wanted: Wanted) -> DpdkIngress:
    if wanted.record_size is not None:
        raise CaptureError(f"dpdk:{text}: gives Ethernet frames, but the rules are on records")
    if wanted.live.hardware_time:
        raise CaptureError(
            f"dpdk:{text}: what a device's time counts in is known to its driver only; leave --hardware-time out"
        )
    return DpdkIngress(text, wanted.live.promiscuous, wanted.live.snap)


DPDK = IngressKind("the frames of a DPDK device: NAME or PCI address, and its arguments", _opened, missing, live=True)
