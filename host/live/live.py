"""What live kinds of ingress have in common: one interface for the loop in C and for whoever wants batches.

One idea: the data path is the C struct's operations, and Python calls the same ones that the loop does. Opening may
need privileges and receives nothing yet; ``begin`` starts to receive and needs none, so that a process can drop them
between the two, and make its engine and its rings as who it stays.
"""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from sevenm.boundary import PORTS
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.engine.c_struct import CStruct
from sevenm.host.engine.loop import IngressFault

WAIT_S = 0.1
"""Longest sleep while nothing comes, so that a signal, or a new generation of rules, is seen."""
READY, IDLE, END, FAULT = range(4)
"""SM_INGRESS_… of ``csrc/ingress.h``."""


class LiveIngress(CStruct):
    """An open source of events that have no end: an ``Ingress`` and a ``LoopIngress`` (``pointer``, ``fault``).

    ``kind``: the C struct, which begins with an ``sm_live``. A kind implements ``counters``, and extends ``begin``,
    ``finish``, ``close`` and ``fault`` where it has something to do or to say there."""

    size: int | None = None
    drops_by = "kernel"
    """Who ``dropped`` what there was no room for."""

    def __init__(self, kind: str, name: str, link_type: int) -> None:
        super().__init__(kind)
        self.struct = self.pointer
        self.live = self.ffi.cast("sm_live *", self.struct)
        self.pointer = self.ffi.cast("sm_ingress *", self.struct)
        self.name = name
        self.link_type = link_type
        self.left = 0
        """Events that had arrived when it ended and that nobody decided; whoever reads adds what it did not use, and
        ``finish`` the rest."""
        self._unread = 0

    @abstractmethod
    def counters(self) -> dict[str, int]:
        """``received``: events handed out. ``dropped``: what the kernel had no room for, as far as it tells. Others are
        the kind's own. All since ``begin``."""

    def begin(self, port: int = 0) -> None:
        """Receives from now on, as ingress port ``port``; the second time it does nothing. Raises CaptureError."""
        if not 0 <= port < PORTS:
            raise ValueError(f"port must be an ingress port from 0 to {PORTS - 1}, not {port}")
        self.live.port = port

    def finish(self) -> None:
        """Receives no more, and adds to ``left`` what had arrived and was not handed out."""
        self.leave_unread()
        burst = self.ffi.new("sm_burst *")
        while self._next(burst) == READY:
            self.left += int(burst.n)
            self.pointer.ops.release(self.pointer, burst)

    def leave_unread(self) -> None:
        """What was handed out as a batch and not read to its end is ``left``."""
        self.left, self._unread = self.left + self._unread, 0

    def rules_change(self, digest: str | None) -> None:
        """The rules that count from the next event on are those of this digest, None: of none that is known. What a
        kind does for rules before they see an event, it does for these from here on, or for none."""

    def close(self) -> None:
        """Lets go of everything; no operation may be called after it."""
        self.pointer.ops.close(self.pointer)

    def wait(self, seconds: float = WAIT_S) -> bool:
        """Sleeps until something may be there, at most so long; whether to look."""
        return bool(self.pointer.ops.wait(self.pointer, int(seconds * 1e6)))

    def fault(self) -> str:
        """What is wrong, and what to do."""
        number = int(self.live.fault)
        return f"{self.name}: {os.strerror(number).lower()} ({errno.errorcode.get(number, number)})"

    @property
    def position(self) -> int:
        """Events so far."""
        return int(self.live.received)

    def warnings(self) -> list[str]:
        """What a person should know of how it was received."""
        return []

    def batches(self, max_events: int = 16384, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[EventBatch]:
        """Events as they come, copied, without an end; an empty batch where none came for WAIT_S, so that the reader
        can look at the clock. Raises IngressFault when it cannot go on."""
        self.begin(source)
        burst = self.ffi.new("sm_burst *")
        while True:
            found = self._next(burst)
            if found == READY:
                batch = self._copy(burst, source)
                self.pointer.ops.release(self.pointer, burst)
                for start in range(0, len(batch), max_events):
                    self._unread = max(0, len(batch) - start - max_events)
                    yield batch.slice(start, start + max_events)
            elif found == IDLE:
                if not self.wait():
                    yield EventBatch.trusted(np.zeros(0, np.uint8), np.zeros(0, EVENT), source)
            elif found == END:
                return
            else:
                raise IngressFault(f"the ingress cannot go on: {self.fault()}")

    def _next(self, burst: Any) -> int:
        return int(self.pointer.ops.next(self.pointer, burst))

    def _copy(self, burst: Any, source: int) -> EventBatch:
        table = self.ffi.buffer(burst.events, int(burst.n) * EVENT.itemsize)
        events = np.frombuffer(table, EVENT).copy()
        first = int(events["offset"].min())
        end = int((events["offset"] + events["cap_len"]).max())
        data = np.frombuffer(self.ffi.buffer(burst.buffer + first, end - first), np.uint8).copy()
        events["offset"] -= np.uint64(first)
        return EventBatch.trusted(data, events, source)
