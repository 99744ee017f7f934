"""Latencies as HdrHistograms: recorded in C, read as NumPy counts, percentiles as the library of that name gives them.

One idea: the memory is one array of counts in HdrHistogram's layout (``csrc/histogram.h``), so that recording costs
two nanoseconds or so, nothing is allocated while events pass, and any tool that knows the format reads what ``encoded``
gives (http://hdrhistogram.org, encoding V2, compressed).

What is measured: *decided*, of every event, from its arrival until its rules are known; *in ring*, from then until what
it is due is in the rings or counted; and on the other side of a ring *read*, from arrival until the reader has it. The
clock is read once for the up to 1,024 events that are decided together and once for those that are read together,
which is when they are; every event counts, because the oldest and the newest of a batch alone would tell of batches.
"""

from __future__ import annotations

import base64
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.native import native

DIGITS = 2
HIGHEST = 3_600_000_000_000
"""Nanoseconds: an hour. What took longer is counted as an hour, and in ``over``."""
SUB_BUCKETS_LOG2 = 8
HALF_LOG2 = SUB_BUCKETS_LOG2 - 1
COOKIE, COOKIE_COMPRESSED = 0x1C849303 | 0x10, 0x1C849304 | 0x10
COUNT_MAX = 1 << 51
"""More than anybody counts, and few enough that 64 bits hold the sum of all."""
_HEAD = 4
"""Words before the counts: max, over, early, unknown."""


@dataclass(frozen=True, slots=True)
class Summary:
    """In nanoseconds, percentiles at most 1 % too high and none above ``max``. ``over``: took more than an hour;
    ``early``: arrived after the clock that measured it; ``unknown``: had no time of arrival. ``count`` is of the others
    and of ``over``."""

    count: int
    p50: int
    p90: int
    p99: int
    p999: int
    max: int
    over: int
    early: int
    unknown: int


class Histogram:
    """Nanoseconds. One thread records; others may look at any time."""

    def __init__(self, pointer: Any = None) -> None:
        """``pointer``: an ``sm_histogram *`` to look into, which lives as long as this; by default one of its own.
        ``RingReader.measure`` and ``RingWriter.measure`` give those that lie in a ring."""
        self._ffi, self._lib = native()
        self.pointer = self._ffi.new("sm_histogram *") if pointer is None else pointer
        size = 8 * (_HEAD + self._lib.SM_HISTOGRAM_COUNTS)
        self._words: NDArray[np.uint64] = np.frombuffer(self._ffi.buffer(self.pointer, size), np.uint64)

    @property
    def counts(self) -> NDArray[np.uint64]:
        """A copy of the counts, by index."""
        return self._words[_HEAD:].copy()

    def add(self, other: Histogram) -> None:
        """Adds what another one has, which may be recorded into meanwhile."""
        words = other._words.copy()
        most = max(self._words[0], words[0])
        self._words += words
        self._words[0] = most

    def record(self, values: NDArray[np.uint64]) -> None:
        """(n,) nanoseconds."""
        data = np.ascontiguousarray(values, np.uint64)
        self._lib.sm_histogram_values(self.pointer, self._ffi.from_buffer("uint64_t[]", data), len(data))

    def record_ages(self, times: NDArray[np.uint64], now: int | None = None) -> None:
        """How long ago (n,) times of arrival are (nanoseconds since 1970, 0 for unknown); a strided column will do."""
        if times.dtype != np.uint64 or times.ndim != 1:
            raise TypeError(f"times must be 1-D of uint64, not {times.ndim}-D of {times.dtype}")
        if len(times):
            first = self._ffi.cast("uint8_t *", times.ctypes.data)
            moment = time.time_ns() if now is None else now
            self._lib.sm_histogram_ages(self.pointer, moment, first, times.strides[0], len(times))

    def summary(self) -> Summary:
        """Percentiles of what was recorded so far; all 0 if that is nothing."""
        counts = self.counts
        high, over, early, unknown = (int(word) for word in self._words[:_HEAD])
        p50, p90, p99, p999 = (min(percentile(counts, part), high) for part in (50, 90, 99, 99.9))
        return Summary(int(counts.sum()), p50, p90, p99, p999, high, over, early, unknown)

    @property
    def sound(self) -> bool:
        """Whether the counts can be. Another process may have written nonsense there, whose sums have no meaning."""
        return bool(self._words[_HEAD:].max() < COUNT_MAX)

    def encoded(self) -> str:
        """The counts in HdrHistogram's encoding V2, compressed, in base64: what its libraries and plotters read."""
        payload = _counts_v2(self.counts)
        head = struct.pack(">IIIIqqd", COOKIE, len(payload), 0, DIGITS, 1, HIGHEST, 1.0)
        data = zlib.compress(head + payload)
        return base64.b64encode(struct.pack(">II", COOKIE_COMPRESSED, len(data)) + data).decode("ascii")


class Latency:
    """The two stages that a session measures, by name; ``pointer`` is the ``sm_latency *`` of a loop."""

    def __init__(self) -> None:
        self._ffi, self._lib = native()
        self.pointer = self._ffi.new("sm_latency *")
        self.stages = {name: Histogram(self._ffi.addressof(self.pointer, name)) for name in ("decided", "in_ring")}

    def decide(self, batch: EventBatch) -> None:
        """The rules of these events are known now."""
        times = batch.events["ts_ns"]
        first = self._ffi.cast("uint8_t *", times.ctypes.data)
        self._lib.sm_latency_decided(self.pointer, first, times.strides[0], len(times))

    def deliver(self, events: int) -> None:
        """What they are due is in the rings now, or counted."""
        self._lib.sm_latency_delivered(self.pointer, events)

    def summaries(self) -> dict[str, Summary]:
        """By stage."""
        return {name: histogram.summary() for name, histogram in self.stages.items()}


def percentile(counts: NDArray[np.uint64], part: float) -> int:
    """The largest value that is not told apart from the one that ``part`` percent are at most; 0 of nothing. For 0
    percent the smallest such value."""
    if not 0 <= part <= 100:
        raise ValueError(f"a percentile is from 0 to 100, not {part}")
    ends = np.cumsum(counts, dtype=np.uint64)
    if not len(ends) or not ends[-1]:
        return 0
    wanted = max(int(part / 100 * int(ends[-1]) + 0.5), 1)
    index = int(np.searchsorted(ends, wanted))
    return upper(index) if part else upper(index - 1) + 1


def upper(index: int) -> int:
    """The largest value that is counted at this index."""
    bucket = max((index >> HALF_LOG2) - 1, 0)
    return ((index - (bucket << HALF_LOG2) + 1) << bucket) - 1


def _counts_v2(counts: NDArray[np.uint64]) -> bytes:
    """Zigzag LEB128 numbers up to the last count that is not 0; a run of zeros is its length, negative."""
    out = bytearray()
    used = np.flatnonzero(counts)
    before = -1
    for index in used.tolist():
        if index - before > 1:
            out += _leb128(before + 1 - index)
        out += _leb128(int(counts[index]))
        before = index
    return bytes(out)


def _leb128(value: int) -> bytes:
    """Seven bits a byte, the sign in the lowest bit; the ninth byte has eight."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left >= 0x80 and len(out) < 8:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)
