"""The rows of a table that is searched in segments, and small edits of them.

One idea: an edit makes anew the segments that it touches, and takes the others as they are; it divides one that is too
long and joins short ones, so nothing is ever left over from earlier edits. Where a row is, a dictionary knows that goes
from one edit to the next; who edits older rows once more makes another one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np

from sevenm.boundary import SEGMENT_ROWS
from sevenm.host.engine.aligned import Bytes
from sevenm.host.engine.segment import SegmentRows, blocks
from sevenm.tables import Change, Keys, Row, Shape, TableError, rank

JOINED_ROWS = SEGMENT_ROWS // 2
"""Neighbours of together so many rows become one, once one of them is edited."""
TABLE_BYTES_MAX = 1 << 30
"""Of all segments of a table."""

Place = tuple[int, int]
"""Number of a segment in the table's order, and of a row in it."""


class Segment(NamedTuple):
    """``name`` stays the same when rows of it change."""

    name: int
    rows: SegmentRows
    block: Bytes


class _Edited(NamedTuple):
    """What becomes of a segment. ``fresh``: the rows that are not known under its name."""

    name: int
    rows: SegmentRows
    fresh: Iterable[Row]


class _Whereabouts:
    """Keys of every row to the name of its segment."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segment: dict[Keys, int] = {}
        last = -1
        for segment in segments:
            self.segment.update((row.keys, segment.name) for row in segment.rows.rows)
            last = max(last, segment.name)
        self.names = count(last + 1)


@dataclass(eq=False)
class Segments:
    """Of one generation. ``addresses`` of the blocks, which it keeps alive."""

    shape: Shape
    segments: tuple[Segment, ...]
    where: _Whereabouts | None = None

    def __post_init__(self) -> None:
        self.addresses = np.array([segment.block.ctypes.data for segment in self.segments], np.uint64)
        self.addresses.flags.writeable = False
        used = sum(len(segment.block) for segment in self.segments)
        if used > TABLE_BYTES_MAX:
            raise TableError(
                f"table {self.shape.name}: {len(self)} rows would be searched in {used >> 20} MiB, and no table has "
                f"more than {TABLE_BYTES_MAX >> 20}; give it fewer rows, or fewer different keys and masks"
            )

    def __len__(self) -> int:
        return sum(len(segment.rows) for segment in self.segments)

    @classmethod
    def of(cls, shape: Shape, rows: Sequence[Row]) -> Segments:
        """Rows in the order that counts. Raises TableError where they would take too much memory."""
        made = blocks(shape, SegmentRows.of(shape, rows)) if rows else ()
        return cls(shape, tuple(Segment(name, *one) for name, one in enumerate(made)))

    def rows(self) -> Iterator[Row]:
        return chain.from_iterable(segment.rows.rows for segment in self.segments)

    def changed(self, change: Change) -> Segments:
        """As ``Shape.changed``. Raises TableError where it does not fit, and then nothing is different."""
        where, self.where = self.where or _Whereabouts(self.segments), None
        try:
            change = self.shape.read_change(change, where.segment, len(self))
            numbers = {segment.name: at for at, segment in enumerate(self.segments)}
            edited = self._spliced(change, numbers, where)
            after, fresh = self._built(edited, where)
            made = Segments(self.shape, after)
        except BaseException:
            self.where = where
            raise
        for keys in change.remove:
            del where.segment[keys]
        for name, rows in fresh:
            where.segment.update((row.keys, name) for row in rows)
        made.where = where
        return made

    def _spliced(self, change: Change, numbers: dict[int, int], where: _Whereabouts) -> list[Segment | _Edited]:
        """The segments, those that the change touches without and with its rows."""

        def place(keys: Keys) -> Place:
            at = numbers[where.segment[keys]]
            return at, self.segments[at].rows.place(keys)

        removed: defaultdict[int, list[int]] = defaultdict(list)
        for keys in change.remove:
            at, row = place(keys)
            removed[at].append(row)
        inserted: defaultdict[int, list[tuple[int, Row]]] = defaultdict(list)
        end = (len(self.segments) - 1, len(self.segments[-1].rows)) if self.segments else (0, 0)
        before = end if change.before is None else place(change.before)
        for (at, row), new in self._places(change.insert, before):
            inserted[at].append((row, new))
        out: list[Segment | _Edited] = list(self.segments)
        for at in sorted({*removed, *inserted}):
            coming = [row for _, row in inserted[at]]
            fresh = SegmentRows.of(self.shape, coming)
            if not self.segments:
                return [_Edited(next(where.names), fresh, coming)]
            old = self.segments[at]
            spliced = old.rows.without_and_with(removed[at], [row for row, _ in inserted[at]], fresh)
            out[at] = _Edited(old.name, spliced, coming)
        return out

    def _places(self, rows: Sequence[Row], before: Place) -> Iterator[tuple[Place, Row]]:
        """Where each row comes in, in the order in which they do."""
        key = rank(self.shape.keys)
        if key is None or not self.segments:
            yield from ((before, row) for row in (rows if key is None else sorted(rows, key=key)))
            return
        heads = [segment.rows.rows[0] for segment in self.segments]
        for row in sorted(rows, key=key):
            ends = []
            for bisect in (bisect_left, bisect_right):
                at = max(0, bisect(heads, key(row), key=key) - 1)
                within: Any = self.segments[at].rows.rows  # an array of rows is a sequence of them
                ends.append((at, bisect(within, key(row), key=key)))
            yield min(max(before, ends[0]), ends[1]), row

    def _built(
        self, edited: Sequence[Segment | _Edited], where: _Whereabouts
    ) -> tuple[tuple[Segment, ...], list[tuple[int, Iterable[Row]]]]:
        """The segments with their blocks, and which rows have come under which name."""
        out: list[Segment] = []
        fresh: list[tuple[int, Iterable[Row]]] = []
        for one in _joined(edited):
            if isinstance(one, Segment):
                out.append(one)
                continue
            made = list(blocks(self.shape, one.rows))
            if len(made) == 1:
                fresh.append((one.name, one.fresh))
                out.append(Segment(one.name, *made[0]))
                continue
            for rows, block in made:
                name = next(where.names)
                fresh.append((name, rows.rows))
                out.append(Segment(name, rows, block))
        return tuple(out), fresh


def _joined(segments: Sequence[Segment | _Edited]) -> list[Segment | _Edited]:
    """Without those that have no rows, and short ones in one with the neighbour that is shorter."""
    out = [one for one in segments if len(one.rows)]
    at = 0
    while at < len(out):
        one = out[at]
        beside = [k for k in (at - 1, at + 1) if 0 <= k < len(out)]
        best = min(beside, key=lambda k: len(out[k].rows), default=None)
        if isinstance(one, Segment) or best is None or len(one.rows) + len(out[best].rows) > JOINED_ROWS:
            at += 1
            continue
        first = min(at, best)
        low, high = out[first : first + 2]
        name, other = (low.name, high) if len(low.rows) >= len(high.rows) else (high.name, low)
        fresh = [row for side in (low, high) if isinstance(side, _Edited) for row in side.fresh]
        out[first : first + 2] = [_Edited(name, low.rows.then(high.rows), [*fresh, *other.rows.rows])]
        at = first
    return out
