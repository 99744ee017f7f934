"""One segment of a table: rows that follow each other, as arrays, and the block of memory in which engines search them.

One idea: nothing of a segment is ever changed. Generations share it, an edit makes another one out of its arrays, and C
builds the block (``csrc/segment.c``); few rows, and all of them where there is no C runtime, are compared one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import SEGMENT_ROWS
from sevenm.host.engine.aligned import ALIGNMENT, Bytes, bits_of, column, memory, zeros
from sevenm.host.native import available, native
from sevenm.tables import Keys, Row, Shape

SCANNED_ROWS = 128
"""So few rows are compared one after the other."""
BLOCK_BYTES_MAX = 4 << 20
"""A segment that would be larger is divided. Rows of eight keys whose vectors are all different fit if they are 256."""

_HEAD = boundary.dtype("sm_segment")


@dataclass(frozen=True, eq=False)
class SegmentRows:
    """``rows``: (n,) Row. ``hashes``: (n,) of their keys. ``a`` and ``b``: for each key (n,), as ``sm_segment`` has
    them. ``values``: (columns, n)."""

    rows: NDArray[np.object_]
    hashes: NDArray[np.int64]
    a: tuple[NDArray[Any], ...]
    b: tuple[NDArray[Any], ...]
    values: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, shape: Shape, rows: Sequence[Row]) -> SegmentRows:
        a, b = [], []
        for at, key in enumerate(shape.keys):
            pairs = [row.keys[at] for row in rows]
            if key.kind != "ternary":
                pairs = [(span[0], span[1] - span[0]) for pair in pairs if (span := key.span(pair)) is not None]
            a.append(column([pair[0] for pair in pairs], bits_of(key.width)))
            b.append(column([pair[1] for pair in pairs], bits_of(key.width)))
        values = np.array([row.values for row in rows], np.int64).reshape(len(rows), len(shape.values)).T
        hashes = np.fromiter((hash(row.keys) for row in rows), np.int64, len(rows))
        return cls(np.fromiter(rows, np.object_, len(rows)), hashes, tuple(a), tuple(b), values)

    def place(self, keys: Keys) -> int:
        """Of the row with these keys, which is there."""
        alike = np.flatnonzero(self.hashes == hash(keys)).tolist()
        return next(at for at in alike if self.rows[at].keys == keys)

    def then(self, other: SegmentRows) -> SegmentRows:
        """These rows and those after them."""
        a, b = (
            tuple(np.concatenate(pair) for pair in zip(*two, strict=True))
            for two in ((self.a, other.a), (self.b, other.b))
        )
        rows, hashes = np.concatenate((self.rows, other.rows)), np.concatenate((self.hashes, other.hashes))
        return SegmentRows(rows, hashes, a, b, np.concatenate((self.values, other.values), axis=1))

    def at(self, places: slice | NDArray[np.intp]) -> SegmentRows:
        """The rows at these places, in their order."""
        a, b = (tuple(one[places] for one in columns) for columns in (self.a, self.b))
        return SegmentRows(self.rows[places], self.hashes[places], a, b, self.values[:, places])

    def without_and_with(self, removed: Sequence[int], places: Sequence[int], new: SegmentRows) -> SegmentRows:
        """Without the rows at ``removed``, and with each new row before the one at its place, of the old ones."""
        order = np.insert(np.arange(len(self)), np.array(places, np.intp), np.arange(len(self), len(self) + len(new)))
        stays = np.ones(len(self) + len(new), np.bool_)
        stays[list(removed)] = False
        return self.then(new).at(order[stays[order]])

    def divided(self, most: int) -> Iterator[SegmentRows]:
        """In as few equal parts as have at most so many rows."""
        parts = -(-len(self) // most)
        for first, end in pairwise(len(self) * part // parts for part in range(parts + 1)):
            yield self.at(slice(first, end))


def blocks(shape: Shape, rows: SegmentRows) -> Iterator[tuple[SegmentRows, Bytes]]:
    """The rows in segments with their blocks: one, or several where one would be too large. Raises ContextError."""
    for part in rows.divided(SEGMENT_ROWS):
        if len(part) <= SCANNED_ROWS or not available():
            yield part, _scanned(shape, part)
            continue
        block = _searched(shape, part)
        if block is None:
            for half in part.divided(-(-len(part) // 2)):
                yield from blocks(shape, half)
        else:
            yield part, block


def _scanned(shape: Shape, rows: SegmentRows) -> Bytes:
    head = np.zeros(1, _HEAD)
    parts, at = [], _HEAD.itemsize
    for name, columns in (("a", rows.a), ("b", rows.b), ("values", (rows.values,))):
        for number, one in enumerate(columns):
            at = -(-at // ALIGNMENT) * ALIGNMENT
            if name == "values":
                head[name] = at
            else:
                head[name][0, number] = at
            parts.append((at, np.ascontiguousarray(one).ravel().view(np.uint8)))
            at += one.nbytes
    head["bytes"], head["rows"] = at, len(rows)
    out = zeros(at, f"{len(rows)} rows of table {shape.name}")
    out[: _HEAD.itemsize] = head.view(np.uint8)
    for start, data in parts:
        out[start : start + len(data)] = data
    return out


class _Room(threading.local):
    """What C works in and writes to, of each thread that edits; the block is copied out of it."""

    def __init__(self) -> None:
        self.work = memory(native().lib.sm_segment_work_bytes(), "building a table")
        self.out = memory(BLOCK_BYTES_MAX, "building a table")


@cache
def _rooms() -> _Room:
    return _Room()


def _searched(shape: Shape, rows: SegmentRows) -> Bytes | None:
    """None if it would be too large."""
    (ffi, lib), room = native(), _rooms()
    given: Any = ffi.new("sm_segment_rows *", {"rows": len(rows), "keys": len(shape.keys), "columns": len(rows.values)})
    alive = []
    for k, key in enumerate(shape.keys):
        given.width[k], given.ternary[k] = key.width, key.kind == "ternary"
        for to, one in ((given.a, rows.a[k]), (given.b, rows.b[k])):
            alive.append(np.ascontiguousarray(one))
            to[k] = ffi.cast("void *", alive[-1].ctypes.data)
    values = np.ascontiguousarray(rows.values)
    given.values = ffi.cast("int64_t *", values.ctypes.data)
    work, out = (ffi.cast("void *", part.ctypes.data) for part in (room.work, room.out))
    used = int(lib.sm_segment_build(given, work, out, len(room.out)))
    if not used:
        return None
    block = memory(used, f"{len(rows)} rows of table {shape.name}")
    block[:] = room.out[:used]
    return block
