"""Writes events as a nanosecond pcap, to a file or to standard output.

One idea: a batch becomes one block of bytes and one write. Timestamps past the year 2106, which pcap cannot hold,
become its last one.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CAP_MAX, LINK_ETHERNET
from sevenm.host.capture.pcap_file import PcapFile
from sevenm.host.engine.actions import pack
from sevenm.host.native import available, native

RECORD = struct.Struct("<IIII")
SECONDS_MAX = 0xFFFFFFFF


class CaptureWriter(PcapFile):
    """A ``PcapFile`` that takes batches. ``use_native``: in C (True), in Python (False), or in C where the C runtime
    was built (None)."""

    def __init__(self, path: str | Path, link_type: int = LINK_ETHERNET, use_native: bool | None = None) -> None:
        self._use_native = available() if use_native is None else use_native
        super().__init__(path, link_type)

    def write(self, batch: EventBatch, mask: NDArray[np.bool_] | None = None) -> int:
        """Writes the events where ``mask`` ((n,) bool) is set, or all; returns how many."""
        if mask is None:
            mask = np.ones(len(batch), np.bool_)
        if mask.shape != (len(batch),) or mask.dtype != np.bool_:
            raise ValueError(f"mask must be ({len(batch)},) bool, not {mask.shape} {mask.dtype}")
        count = int(np.count_nonzero(mask))
        if count:
            self.put(self._native(batch, mask) if self._use_native else self._python(batch, mask), count)
        return count

    def _native(self, batch: EventBatch, mask: NDArray[np.bool_]) -> memoryview:
        ffi, lib = native()
        select = pack(mask[None])
        sizes = np.minimum(batch.events["cap_len"][mask], CAP_MAX)
        out = np.empty(int(sizes.sum(dtype=np.uint64)) + RECORD.size * len(sizes), np.uint8)
        lib.sm_pcap_write(
            ffi.from_buffer("uint8_t[]", batch.buffer),
            ffi.from_buffer("sm_event[]", batch.events),
            len(batch),
            ffi.from_buffer("uint64_t[]", select),
            CAP_MAX,
            ffi.from_buffer("uint8_t[]", out),
        )
        return out.data

    def _python(self, batch: EventBatch, mask: NDArray[np.bool_]) -> memoryview:
        data = batch.buffer.data
        out = bytearray()
        for offset, ts_ns, cap_len, wire_len in batch.events[mask].tolist():
            seconds, fraction = divmod(ts_ns, 10**9)
            if seconds > SECONDS_MAX:
                seconds, fraction = SECONDS_MAX, 10**9 - 1
            held = min(cap_len, CAP_MAX)
            out += RECORD.pack(seconds, fraction, held, max(wire_len, held))
            out += data[offset : offset + held]
        return memoryview(out)
