"""What an engine says of a batch: one row of bits per rule, and what follows from the rules' actions.

One idea: engines return bits, 64 events to a word, because that is what they compute and what the delivery loop
reads; the per-event arrays that people and tests want are derived on demand, with the meaning that
``sevenm.compiler.plan`` states.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]


class Actions(Protocol):
    """What a fired rule does. ``sevenm.host.bundle.BundleRule`` and the compiler's ``Rule`` both are one."""

    @property
    def deliver(self) -> tuple[int, ...]: ...
    @property
    def count(self) -> tuple[int, ...]: ...
    @property
    def forward(self) -> int: ...
    @property
    def drop(self) -> bool: ...


def words(n: int) -> int:
    """64-bit words in a row of n events."""
    return (n + 63) // 64


def pack(flags: NDArray[np.bool_]) -> Bits:
    """(rows, n) bool to (rows, words(n)) uint64: event i is bit i % 64 of word i // 64; bits past n are 0."""
    rows, n = flags.shape
    padded = np.zeros((rows, words(n) * 64), np.bool_)
    padded[:, :n] = flags
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(rows: Bits, n: int) -> NDArray[np.bool_]:
    """Inverse of ``pack``: (rows, words) uint64 to (rows, n) bool."""
    data = np.ascontiguousarray(rows, "<u8").view(np.uint8)
    return np.unpackbits(data, axis=1, bitorder="little")[:, :n].astype(np.bool_)


class Decisions:
    """``rows``: (len(rules) + 2, words(n)) uint64, C-contiguous; the last two rows are malformed and truncated.

    Has the attributes of the reference model's decisions, computed when asked for. Raises ValueError if the shape
    does not fit or a bit past n is set."""

    def __init__(self, rows: Bits, n: int, rules: Sequence[Actions]) -> None:
        if rows.dtype != np.uint64 or rows.shape != (len(rules) + 2, words(n)) or not rows.flags.c_contiguous:
            raise ValueError(
                f"rows must be contiguous ({len(rules) + 2}, {words(n)}) uint64, not {rows.shape} {rows.dtype}"
            )
        if n % 64 and (rows[:, -1] >> np.uint64(n % 64)).any():
            raise ValueError(f"a bit past the last of {n} events is set")
        self.rows = rows
        self.n = n
        self.rules = rules

    @classmethod
    def from_flags(
        cls,
        fired: NDArray[np.bool_],
        malformed: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        rules: Sequence[Actions],
    ) -> Decisions:
        """From (rules, n), (n,) and (n,) bool."""
        n = len(malformed)
        flags = np.concatenate((fired.reshape(len(rules), n), malformed[None], truncated[None]))
        return cls(pack(flags), n, rules)

    def __len__(self) -> int:
        return self.n

    @cached_property
    def fired(self) -> NDArray[np.bool_]:
        """(rules, n) bool: which rules fired."""
        return unpack(self.rows[:-2], self.n)

    @cached_property
    def malformed(self) -> NDArray[np.bool_]:
        """(n,) bool: the event contradicts itself."""
        return self._flags(self.rows[-2])

    @cached_property
    def truncated(self) -> NDArray[np.bool_]:
        """(n,) bool: an announced header could not be seen."""
        return self._flags(self.rows[-1])

    @cached_property
    def drop_row(self) -> Bits:
        """(words,) uint64: events that a fired rule drops."""
        return self.union([row for row, rule in enumerate(self.rules) if rule.drop])

    @cached_property
    def drop(self) -> NDArray[np.bool_]:
        """(n,) bool: verdict drop."""
        return self._flags(self.drop_row)

    @cached_property
    def forward(self) -> NDArray[np.uint16]:
        """(n,) uint16: mask of the ports forwarded to, 0 where dropped."""
        out = np.zeros(self.n, np.uint16)
        for row, rule in enumerate(self.rules):
            if rule.forward:
                out[self.fired[row]] |= np.uint16(rule.forward)
        out[self.drop] = 0
        return out

    @cached_property
    def channels(self) -> NDArray[np.uint64]:
        """(n,) uint64: mask of the channels the event is delivered to."""
        out = np.zeros(self.n, np.uint64)
        for row, rule in enumerate(self.rules):
            for channel in rule.deliver:
                out[self.fired[row]] |= np.uint64(1 << channel)
        return out

    def union(self, rules: Sequence[int]) -> Bits:
        """(words,) uint64: events on which any of these rules fired."""
        if not rules:
            return np.zeros(self.rows.shape[1], np.uint64)
        out: Bits = np.bitwise_or.reduce(self.rows[list(rules)], axis=0)
        return out

    def _flags(self, row: Bits) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = unpack(row[None], self.n)[0]
        return out
