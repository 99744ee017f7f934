"""One table's rows as an engine reads them, and what an edit makes of them.

One idea: the shape says how a table is searched. One key that is not ternary is cut into ranges (``rows.py``), all of
them together; rows of other shapes are kept in segments (``segments.py``), so that a small edit is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import TABLE_CHAIN
from sevenm.host.engine.aligned import bits_of, keys
from sevenm.host.engine.rows import hits, is_ranges, spans
from sevenm.host.engine.segments import Segments
from sevenm.tables import Change, Match, Row, Shape, cut

BITS_WIDTH_MAX = 16
"""Keys of at most so many bits are looked up in one bit for each."""


@dataclass(frozen=True, eq=False)
class RangeRows:
    """``arrays`` are the fields of sm_table."""

    shape: Shape
    rows: tuple[Row, ...]
    arrays: dict[str, Any]

    @classmethod
    def of(cls, shape: Shape, rows: tuple[Row, ...]) -> Self:
        values = np.zeros((len(shape.values), 1 + len(rows)), np.int64)
        for column in range(len(shape.values)):
            values[column, 1:] = [row.values[column] for row in rows]
        return cls(shape, rows, {**_ranges(shape, rows), "values": values, "rows": len(rows)})

    def changed(self, change: Change) -> RangeRows:
        """Cut anew, all of them. Raises TableError where the change does not fit."""
        return RangeRows.of(self.shape, self.shape.changed(self.rows, change))


@dataclass(frozen=True, eq=False)
class SegmentedRows:
    """``arrays`` are the fields of sm_table."""

    shape: Shape
    segments: Segments

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self.segments.rows())

    @property
    def arrays(self) -> dict[str, Any]:
        segments = self.segments
        return {"segment": segments.addresses, "n": len(segments.segments), "rows": len(segments)}

    def changed(self, change: Change) -> SegmentedRows:
        """Only what the change touches is made anew. Raises TableError where it does not fit."""
        return SegmentedRows(self.shape, self.segments.changed(change))


TableRows = RangeRows | SegmentedRows


def table_rows(shape: Shape, content: Any) -> TableRows:
    """Raises TableError where the rows do not fit the shape."""
    rows = shape.read(content)
    return RangeRows.of(shape, rows) if is_ranges(shape) else SegmentedRows(shape, Segments.of(shape, rows))


def _ranges(shape: Shape, rows: Sequence[Row]) -> dict[str, Any]:
    (key,) = shape.keys
    bits = bits_of(key.width)
    cuts = [one for one in cut(spans(shape, rows)) if not one[0] >> key.width]
    found = hits(cuts, key.width)
    edges, counts = [first for first, _ in cuts[1:]], [row for _, row in cuts]
    steps = len(edges).bit_length()
    edges += [(1 << bits) - 1] * ((1 << steps) - 1 - len(edges))
    counts += counts[-1:] * ((1 << steps) - len(counts))
    return {
        "a": keys([lo for lo, _ in found], bits),
        "b": keys([hi - lo for lo, hi in found], bits),
        "n": len(found),
        "edge": keys(edges, bits),
        "row": np.array(counts, np.uint32),
        "steps": steps,
        "bits": _bitmap(found, key.width) if len(found) > TABLE_CHAIN and key.width <= BITS_WIDTH_MAX else None,
    }


def _bitmap(ranges: Sequence[Match], width: int) -> NDArray[np.uint64]:
    flags = np.zeros(max(64, 1 << width), np.bool_)
    for lo, hi in ranges:
        flags[lo : hi + 1] = True
    return np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64, copy=False)
