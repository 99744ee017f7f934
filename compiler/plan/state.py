"""State: what earlier events left behind, in bounded, set-associative memories.

One idea: state is synchronous, as in hardware. For each event every ``old`` and ``known`` shows what events *before* it
left; then, all at once, each state whose ``when`` holds takes its ``next`` values. Read and write stand in one place.

Everything here is part of the meaning, bit for bit:

- The clock is the largest ``time`` so far: an event that goes back in time counts at the clock, and is counted.
- A key is its columns, each big endian in as many whole bytes as its width needs, one after the other. Its set is
  the low bits of the CRC-32 (IEEE 802.3, as in zlib) of those bytes.
- An entry is *young* if clock - written <= ``ttl_ns``, or if ``ttl_ns`` is 0. Reading does not touch it.
- ``known`` is 1 if the set of the read key holds a young entry of that key; ``old`` are its cells, else the initial
  ones.
- A write goes to the entry of the write key if the set has one (young or not), else to the lowest free way, else to
  the expired entry written longest ago, else to the entry written longest ago, which is then *evicted* and counted.
  Ties go to the lowest way. The whole entry takes the new values, and the clock as its time.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sevenm.boundary import KEYS_MAX

SETS_MAX = 1 << 20
WAYS_MAX = 16
CELLS_MAX = 16
TTL_MAX_NS = (1 << 62) - 1
CELL_MIN, CELL_MAX = -(1 << 127), (1 << 127) - 1


class StateError(ValueError):
    """A state's shape is out of bounds; the message says how."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value kept for each key, within [lo, hi]."""

    name: str
    lo: int
    hi: int
    initial: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """``sets`` (a power of two) times ``ways`` entries. ``widths`` are the bits of the key's columns; ``read`` and
    ``write`` the nodes that look up and that are written, equal unless said otherwise. ``when`` is a condition,
    ``next`` a node for each cell."""

    name: str
    sets: int
    ways: int
    ttl_ns: int
    cells: tuple[Cell, ...]
    widths: tuple[int, ...]
    read: tuple[int, ...]
    write: tuple[int, ...]
    when: int
    next: tuple[int, ...]

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes that the state asks for."""
        return (*self.read, *self.write, self.when, *self.next)

    def renumbered(self, new: Sequence[int] | Mapping[int, int]) -> State:
        """With the nodes that stand at its nodes' numbers in ``new``."""
        return State(
            self.name, self.sets, self.ways, self.ttl_ns, self.cells, self.widths, tuple(new[r] for r in self.read),
            tuple(new[r] for r in self.write), new[self.when], tuple(new[r] for r in self.next),
        )  # fmt: skip

    def check(self) -> None:
        """Raises StateError where the shape is out of bounds. Nodes are the Plan's affair."""
        if self.sets < 1 or self.sets > SETS_MAX or self.sets & (self.sets - 1):
            raise StateError(f"state {self.name}: sets are a power of two up to {SETS_MAX}, not {self.sets}")
        if not 1 <= self.ways <= WAYS_MAX:
            raise StateError(f"state {self.name}: ways are 1 to {WAYS_MAX}, not {self.ways}")
        if not 0 <= self.ttl_ns <= TTL_MAX_NS:
            raise StateError(f"state {self.name}: ttl is 0 to {TTL_MAX_NS} ns, not {self.ttl_ns}")
        if not 1 <= len(self.cells) <= CELLS_MAX or len(self.next) != len(self.cells):
            raise StateError(f"state {self.name}: 1 to {CELLS_MAX} cells, each with a next value")
        if not len(self.widths) == len(self.read) == len(self.write) <= KEYS_MAX:
            raise StateError(f"state {self.name}: read and write keys have the same columns, at most {KEYS_MAX}")
        for cell in self.cells:
            if not CELL_MIN <= cell.lo <= cell.initial <= cell.hi <= CELL_MAX:
                raise StateError(f"state {self.name}: {cell.name} starts at {cell.initial}, outside of its bounds")

    def shape(self) -> dict[str, Any]:
        """What belongs to the structure: everything but names."""
        return {
            "sets": self.sets, "ways": self.ways, "ttl_ns": self.ttl_ns,
            "cells": [[c.lo, c.hi, c.initial] for c in self.cells], "widths": list(self.widths),
            "read": list(self.read), "write": list(self.write), "when": self.when, "next": list(self.next),
        }  # fmt: skip

    @classmethod
    def from_json(cls, shape: Any, names: Any) -> State:
        cells = zip(names["cells"], shape["cells"], strict=True)
        widths, read, write, following = (tuple(map(int, shape[p])) for p in ("widths", "read", "write", "next"))
        state = cls(
            str(names["name"]), int(shape["sets"]), int(shape["ways"]), int(shape["ttl_ns"]),
            tuple(Cell(str(name), int(lo), int(hi), int(initial)) for name, (lo, hi, initial) in cells),
            widths, read, write, int(shape["when"]), following,
        )  # fmt: skip
        state.check()
        return state


def key_bytes(widths: Sequence[int], keys: Sequence[int]) -> bytes:
    """The key as the hash sees it."""
    return b"".join(key.to_bytes((width + 7) // 8, "big") for width, key in zip(widths, keys, strict=True))


@dataclass(slots=True)
class Entry:
    key: bytes
    written_ns: int
    cells: tuple[int, ...]


@dataclass(slots=True)
class Memory:
    """A state's entries, in plain Python: the definition. ``ways`` of a set that were never written are None."""

    state: State
    evicted: int = 0
    sets: dict[int, list[Entry | None]] = field(default_factory=dict)

    def _ways(self, key: bytes) -> list[Entry | None]:
        at = zlib.crc32(key) & (self.state.sets - 1)
        return self.sets.setdefault(at, [None] * self.state.ways)

    def _young(self, entry: Entry, clock_ns: int) -> bool:
        return not self.state.ttl_ns or clock_ns - entry.written_ns <= self.state.ttl_ns

    def read(self, keys: Sequence[int], clock_ns: int) -> tuple[int, ...] | None:
        """The cells of a young entry, None if there is none."""
        key = key_bytes(self.state.widths, keys)
        for entry in self._ways(key):
            if entry is not None and entry.key == key and self._young(entry, clock_ns):
                return entry.cells
        return None

    def write(self, keys: Sequence[int], cells: tuple[int, ...], clock_ns: int) -> None:
        key = key_bytes(self.state.widths, keys)
        ways = self._ways(key)
        ways[self._place(ways, key, clock_ns)] = Entry(key, clock_ns, cells)

    def _place(self, ways: Sequence[Entry | None], key: bytes, clock_ns: int) -> int:
        entries = [(way, entry) for way, entry in enumerate(ways) if entry is not None]
        for way, entry in entries:
            if entry.key == key:
                return way
        if len(entries) < len(ways):
            return next(way for way, entry in enumerate(ways) if entry is None)
        expired = [(way, entry) for way, entry in entries if not self._young(entry, clock_ns)]
        self.evicted += not expired
        return min(expired or entries, key=lambda item: (item[1].written_ns, item[0]))[0]
