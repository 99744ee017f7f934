"""What the C loop takes its events from: one class for each kind of ``csrc/ingress.h``.

One idea: an ingress is a C struct that begins with a table of functions; these classes fill such structs and keep the
memory that they look at. Another kind brings its own ``pointer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sevenm.boundary import PORTS
from sevenm.host.engine.c_struct import CStruct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sevenm.host.batch import EventBatch

BURST = 1024
"""Events that an ingress hands out at a time, by default."""
BURST_MAX = 1 << 20


class LoopIngress(Protocol):
    """``pointer``: an ``sm_ingress *`` that is good as long as this object lives."""

    @property
    def pointer(self) -> Any: ...
    def fault(self) -> str:
        """What is wrong, after the loop ended with a fault."""
        ...


class _Ingress(CStruct):
    """The struct ``kind``; ``struct`` is its own type, ``pointer`` that of every ingress."""

    def __init__(self, kind: str, burst: int, port: int) -> None:
        super().__init__(kind)
        if not 1 <= burst <= BURST_MAX:
            raise ValueError(f"burst must be from 1 to {BURST_MAX} events, not {burst}")
        if not 0 <= port < PORTS:
            raise ValueError(f"port must be an ingress port from 0 to {PORTS - 1}, not {port}")
        self.struct = self.pointer
        self.pointer = self.ffi.cast("sm_ingress *", self.struct)

    def fault(self) -> str:
        """These kinds have none."""
        return "no fault"


class MemoryIngress(_Ingress):
    """The events of a batch, ``passes`` times over."""

    def __init__(self, batch: EventBatch, burst: int = BURST, passes: int = 1) -> None:
        super().__init__("sm_memory_ingress", burst, batch.source)
        if not 1 <= passes < 1 << 63:
            raise ValueError(f"passes must be at least 1, not {passes}")
        buffer, events = self.array("uint8_t", batch.buffer), self.array("sm_event", batch.events)
        self.lib.sm_memory_ingress_open(self.struct, buffer, events, len(batch), burst, passes, batch.source)


class RecordsIngress(_Ingress):
    """Records of ``record`` bytes that lie one after the other in (bytes,) uint8."""

    def __init__(self, buffer: NDArray[np.uint8], record: int, burst: int = BURST, port: int = 0) -> None:
        super().__init__("sm_records_ingress", burst, port)
        if record < 1:
            raise ValueError(f"record must be at least 1 byte, not {record}")
        table = self.keep(self.ffi.new("sm_event[]", burst))
        data = self.array("uint8_t", buffer)
        self.lib.sm_records_ingress_open(self.struct, data, len(buffer), record, table, burst, port)


class CaptureIngress(_Ingress):
    """Pieces of a capture, one after the other: ``describe`` the capture, ``load`` a piece, run the loop to its end,
    look at ``struct.step``, whose position, need, found and status are those of the indexer, and ``struct.events``."""

    def __init__(self, burst: int = BURST, port: int = 0) -> None:
        super().__init__("sm_capture_ingress", burst, port)
        self._table = self.keep(self.ffi.new("sm_event[]", burst))
        self._burst, self._port = burst, port
        self._piece: Any = None
        self._interfaces: Any = None

    def load(self, buffer: NDArray[np.uint8] | memoryview, start: int, end: int) -> None:
        """Bytes [start, end), from the start of a record."""
        self._piece = self.ffi.from_buffer("uint8_t[]", buffer)
        self.lib.sm_capture_ingress_open(self.struct, self._piece, start, end, self._table, self._burst, self._port)

    def describe(self, big: bool, nano: bool = False, link: int = 0, interfaces: Any = None, count: int = 0) -> None:
        """What the capture's headers said; ``interfaces``: None for a pcap, or ``sm_interface[]`` of a pcapng."""
        self._interfaces = interfaces
        to = self.struct
        to.big, to.nano, to.link, to.n_interfaces = big, nano, link, count
        to.interfaces = self.ffi.NULL if interfaces is None else interfaces
