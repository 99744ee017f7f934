"""Rows of a table with one key, cut into ranges: what an engine searches instead of row after row.

One idea: the rows that match a key are intervals, of which the first in the table's order counts; so the keys fall
into ranges of one row each. What rows mean is said in ``sevenm.tables``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sevenm.tables import Match, Row, Shape


def is_ranges(shape: Shape) -> bool:
    """Whether the engine gets the table's keys cut into ranges."""
    return len(shape.keys) == 1 and shape.keys[0].kind != "ternary"


def spans(shape: Shape, rows: Sequence[Row]) -> list[Match]:
    """First and last key of each row of such a table."""
    found = (shape.keys[0].span(row.keys[0]) for row in rows)
    return [span for span in found if span is not None]


def hits(cuts: Sequence[Match], width: int) -> list[Match]:
    """First and last keys of the ranges in which any row counts: ascending, disjoint, with keys between them."""
    out: list[Match] = []
    for number, (first, row) in enumerate(cuts):
        if not row or first >> width:
            continue
        last = cuts[number + 1][0] - 1 if number + 1 < len(cuts) else (1 << width) - 1
        if out and out[-1][1] + 1 == first:
            out[-1] = out[-1][0], last
        else:
            out.append((first, last))
    return out
