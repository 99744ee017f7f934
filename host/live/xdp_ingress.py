"""A part of an AF_XDP ingress: the sockets of some of an interface's queues, and the memory that their frames lie in.

One idea: the kernel writes a frame where it stays until it was matched; there is no copy of ours, and no system call
while frames come. A queue has one socket with memory of its own, so parts share nothing; what there is once for all of
them is the ``XdpInterface``. A single reader is the only part.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence

import numpy as np

from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.xdp_bpf import checked
from sevenm.host.live.xdp_interface import COMMON, XdpInterface

BUSY_S = 1.0
"""The kernel lets go of a closed socket's queue a while later."""


class XdpIngress(LiveIngress):
    """Part ``number`` of ``interface``: what comes by these ``queues``. ``frames``: of each queue that can wait.
    ``burst``: handed out at a time, at most. ``begun``: whether frames are redirected. It has to be bound, and then
    closed, before it is of use to anybody (``sevenm.host.live.xdp`` opens it)."""

    def __init__(self, interface: XdpInterface, number: int, queues: Sequence[int], frames: int, burst: int) -> None:
        super().__init__("sm_xdp_ingress", interface.name, LINK_ETHERNET)
        if frames < 64 or frames & (frames - 1):
            raise ValueError(f"frames must be a power of two, at least 64, not {frames}")
        self.interface, self.queues = interface, tuple(queues)
        self.begun = False
        self._number, self._frames, self._burst = number, frames, burst
        self._table = self.array("sm_event", np.zeros(burst, EVENT))
        self._bound = False

    def bind(self, flags: int) -> None:
        """Opens the sockets. ``flags``: XDP_COPY or XDP_ZEROCOPY, and XDP_USE_SG. Raises BpfError."""
        step = self.ffi.new("char **")
        queues = self.ffi.new("uint32_t[]", self.queues)
        end = time.monotonic() + BUSY_S
        while True:
            done = self.lib.sm_xdp_ingress_open(
                self.struct, self.interface.index, queues, len(self.queues), flags, self._frames, self.interface.chunk,
                self._table, self._burst, step,
            )  # fmt: skip
            if done != -errno.EBUSY or time.monotonic() > end:
                break
            time.sleep(BUSY_S / 50)
        checked(done, self.ffi.string(step[0]).decode())
        self._bound = True

    def unbind(self) -> None:
        """Closes the sockets; their counts stay."""
        if self._bound:
            self._bound = False
            super().close()

    def begin(self, port: int = 0) -> None:
        """The program is there from the start; with its sockets in the map it redirects."""
        super().begin(port)
        if self.begun:
            return
        for at, queue in enumerate(self.queues):
            self.interface.redirect(queue, self.struct.queues[at].fd)
        self.begun = True

    def finish(self) -> None:
        """What comes from now on is the kernel's again, by the queues of all parts: the first that ends ends it for
        all, and each hands out what it has."""
        self.interface.detach()
        super().finish()

    def close(self) -> None:
        """The first part that is closed gives the interface back, the last one lets go of everything."""
        if not self._bound:
            return
        try:
            self.finish()
        finally:
            self.unbind()
            self.interface.leave()

    def __enter__(self) -> XdpIngress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def counters(self) -> dict[str, int]:
        """Also ``damaged``: frames with a descriptor that cannot be. ``dropped`` is for want of free chunks, or because
        a frame needs several where that cannot be had. What the interface counts for all parts (``XdpInterface``) the
        first one tells, so that sums over the parts are right. The sum of received, dropped, damaged and prefiltered is
        what came since ``begin``."""
        if self._bound:
            self.lib.sm_xdp_count(self.struct)
        return {
            "received": int(self.live.received),
            "dropped": int(self.struct.dropped),
            "damaged": int(self.live.damaged),
            **(dict.fromkeys(COMMON, 0) if self._number else self.interface.counts()),
        }

    def warnings(self) -> list[str]:
        """Those of the interface: first of all the mode that was had."""
        return self.interface.warnings()

    def fault(self) -> str:
        number = int(self.live.fault)
        interface = self.interface.interface
        if number in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            return f"{interface}: the interface went down or is gone; bring it up and start again"
        if number == errno.EPROTO:
            return f"{interface}: a ring that is shared with the kernel holds what cannot be"
        return super().fault()

    def rules_change(self, digest: str | None) -> None:
        """As ``XdpInterface`` has it, of this part."""
        self.interface.rules_change(digest, self._number)
