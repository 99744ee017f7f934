"""Records of a ring as events: what another process publishes (`sevenm publish`, NumPy, C) or another run delivers.

One idea: the ring's slots are the burst. Nothing is copied on the way to the engine; the slots go back to the producer
when their events are decided. So its lane has to be one that is read in place, and its policy says what becomes of
records while this side is slow. Bare slots are events as they are, and arrive when they are seen.
"""

from __future__ import annotations

import numpy as np

from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET, LINK_USER0, CaptureError
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.live import LiveIngress
from sevenm.host.native import NativeMissing, native
from sevenm.host.ring import Ring, RingReader

BURST = 1024


class RingIngress(LiveIngress):
    """The events in the lane of ``subscriber``, "" for the default one; ``layout_hash``: what the ring must carry, 0
    for frames. It ends when its producer closes the ring, or dies, and all was read.

    What the loop took and did not decide is ``left``; what it did not take stays in the ring, for the next reader.
    Raises what ``RingReader.attach`` does, CaptureError for a lane that is not read in place."""

    def __init__(self, name: str, subscriber: str = "", layout_hash: int = 0) -> None:
        header = Ring.stats(name).header
        reader = RingReader.attach(name, layout_hash=layout_hash, subscriber=subscriber, header=header)
        try:
            frames = header and not reader.handle.layout_hash
            super().__init__("sm_ring_ingress", f"ring {name}", LINK_ETHERNET if frames else LINK_USER0)
            if reader.policy == "drop_oldest":
                raise CaptureError(
                    f"ring {name}: records of a drop_oldest lane may be written over while they are matched; choose "
                    "drop_newest or block"
                )
        except BaseException:
            reader.close()
            raise
        self._reader = reader
        table = self.array("sm_event", np.zeros(BURST, EVENT))
        self.lib.sm_ring_ingress_open(self.struct, reader.handle, table, BURST, 0)
        self._before = self._undelivered()

    def counters(self) -> dict[str, int]:
        """``dropped``: 0, no kernel is on the way. ``undelivered``: by the producer, into this lane. ``cut``: records
        that said they were longer than their slot."""
        lost = self._undelivered() - self._before
        return {"received": self.position, "dropped": 0, "undelivered": lost, "cut": int(self.live.damaged)}

    def finish(self) -> None:
        self.leave_unread()

    def close(self) -> None:
        super().close()
        self._reader.close()

    def fault(self) -> str:
        return (
            f"{self.name} is corrupt: its producer's index does not fit its {self._reader.slots} slots; close both "
            "sides and remove it: sevenm ring rm"
        )

    def warnings(self) -> list[str]:
        if self.struct.over == self.lib.SM_WAIT_GONE:
            return ["the producer died without closing the ring; everything it committed was read"]
        return []

    def _undelivered(self) -> int:
        return int(self.lib.sm_ring_ingress_undelivered(self.struct))


def _open(source: str, wanted: Wanted) -> RingIngress:
    name, _, subscriber = source.partition("@")
    try:
        return RingIngress(name, subscriber, wanted.layout_hash)
    except ValueError as error:
        raise CaptureError(f"ring:{source}: {error}") from error


def _missing() -> str | None:
    try:
        native()
    except NativeMissing as error:
        return str(error)
    return None


RING = IngressKind("records that a process puts into a ring, NAME or NAME@SUBSCRIBER", _open, _missing, live=True)
