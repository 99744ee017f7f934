"""Rows in segments: what an edit makes anew and what it shares, how large they get, and where there is no C runtime."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from sevenm.boundary import SEGMENT_ROWS
from sevenm.host.engine import segment as one_segment
from sevenm.host.engine import segments as all_segments
from sevenm.host.engine.segment import BLOCK_BYTES_MAX
from sevenm.host.engine.segments import Segments
from sevenm.host.engine.table_rows import SegmentedRows, table_rows
from sevenm.tables import Change, Column, Key, Row, Shape, TableError

PAIR = Shape("acl", (Key("range", 32), Key("range", 16)), (Column("n", 0, 1 << 30),), 1 << 20)
HEAD = np.dtype(one_segment._HEAD)

pytestmark = pytest.mark.usefixtures("need_native")


def rows(count: int, first: int = 0) -> list[Row]:
    return [Row(((x, x + 7), (x % 65536, 65535)), (x,)) for x in range(first, first + count)]


def heads(segments: Segments) -> list[Any]:
    return [one.block[: HEAD.itemsize].view(HEAD)[0] for one in segments.segments]


def test_an_edit_shares_every_segment_that_it_does_not_touch() -> None:
    before = Segments.of(PAIR, rows(10_000))
    lengths = [len(one.rows) for one in before.segments]
    assert len(lengths) == 3 and sum(lengths) == 10_000 and max(lengths) - min(lengths) <= 1
    new = rows(1, 20_000)
    after = before.changed(Change([rows(1)[0].keys], new, before=before.segments[2].rows.rows[5].keys))
    assert [a.block is b.block for a, b in zip(before.segments, after.segments, strict=True)] == [False, True, False]
    assert list(after.rows()) == [*rows(10_000)[1 : sum(lengths[:2]) + 5], *new, *rows(10_000)[sum(lengths[:2]) + 5 :]]
    assert list(before.rows()) == rows(10_000), "what others may be reading is as it was"


def test_segments_are_divided_when_full_joined_when_short_and_dropped_when_empty() -> None:
    full = Segments.of(PAIR, rows(SEGMENT_ROWS))
    assert len(full.segments) == 1
    two = full.changed(Change(insert=rows(1, SEGMENT_ROWS)))
    assert [len(one.rows) for one in two.segments] == [SEGMENT_ROWS // 2, SEGMENT_ROWS // 2 + 1]
    listed = list(two.rows())
    short = two.changed(Change([row.keys for row in listed[100 : SEGMENT_ROWS - 100]]))
    assert [len(one.rows) for one in short.segments] == [201]
    assert list(short.rows()) == listed[:100] + listed[SEGMENT_ROWS - 100 :]
    none = short.changed(Change([row.keys for row in short.rows()]))
    assert none.segments == () and len(none) == 0
    assert list(none.changed(Change(insert=rows(40))).rows()) == rows(40)
    for one in (full, two, short):
        assert [int(head["rows"]) for head in heads(one)] == [len(part.rows) for part in one.segments]


@pytest.mark.parametrize(("count", "searched"), [(1, 0), (128, 0), (129, 1)])
def test_few_rows_are_compared(count: int, searched: int) -> None:
    (head,) = heads(Segments.of(PAIR, rows(count)))
    assert (int(head["searched"]), int(head["rows"])) == (searched, count)


def test_without_the_c_runtime_all_rows_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_segment, "available", lambda: False)
    made = Segments.of(PAIR, rows(5_000))
    assert [int(head["searched"]) for head in heads(made)] == [0, 0]
    assert list(made.changed(Change([rows(1)[0].keys])).rows()) == rows(5_000)[1:]


def test_a_table_of_the_most_rows_is_made_and_edited() -> None:
    """1,048,576 rows: the edit makes two segments anew, of 256."""
    made = Segments.of(PAIR, rows(1 << 20))
    assert (len(made), len(made.segments)) == (1 << 20, (1 << 20) // SEGMENT_ROWS)
    assert sum(len(one.block) for one in made.segments) < 400 << 20
    after = made.changed(Change([rows(1, 5)[0].keys], rows(1, 1 << 21), rows(1, 700_000)[0].keys))
    shared = {id(one.block) for one in made.segments} & {id(one.block) for one in after.segments}
    assert len(shared) == len(made.segments) - 2
    with pytest.raises(TableError, match=r"^table acl holds at most 1048576 rows \(.*\), not 1048577$"):
        after.changed(Change(insert=rows(1, 1 << 22)))


def different(rng: random.Random, kind: str, keys: int, width: int, count: int) -> list[Row]:
    """Rows with other ends, or other masks, in every key."""
    top = (1 << width) - 1

    def match() -> tuple[int, int]:
        a, b = rng.randrange(top), rng.randrange(top)
        return (min(a, b), max(a, b)) if kind == "range" else (a & b, b)

    return [Row(tuple(match() for _ in range(keys)), (n,)) for n in range(count)]


@pytest.mark.parametrize("kind", ["range", "ternary"])
def test_the_worst_rows_get_shorter_segments_not_larger_ones(kind: str) -> None:
    """Eight keys of 128 bits, every vector another one."""
    shape = Shape("t", (Key(kind, 128),) * 8, (Column("n", 0, 1 << 30),), 1 << 20)
    made = Segments.of(shape, different(random.Random(1), kind, 8, 128, SEGMENT_ROWS))
    assert 4 <= len(made.segments) <= 16
    assert max(len(one.block) for one in made.segments) <= BLOCK_BYTES_MAX
    assert all(head["searched"] for head in heads(made))
    assert [row.values[0] for row in made.rows()] == list(range(SEGMENT_ROWS))


def test_a_table_that_would_take_too_much_memory_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_segments, "TABLE_BYTES_MAX", 6 << 20)
    shape = Shape("t", (Key("ternary", 128),) * 8, (Column("n", 0, 1 << 30),), 1 << 20)
    listed = different(random.Random(2), "ternary", 8, 128, 2_000)
    with pytest.raises(TableError) as error:
        table_rows(shape, listed)
    assert str(error.value).startswith("table t: 2000 rows would be searched in ")
    assert str(error.value).endswith(
        " MiB, and no table has more than 6; give it fewer rows, or fewer different keys and masks"
    )
    made = table_rows(shape, listed[:500])
    with pytest.raises(TableError, match=r"^table t: 2000 rows would be searched in "):
        made.changed(Change(insert=listed[500:]))
    assert isinstance(made, SegmentedRows)
    assert len(made.changed(Change([listed[0].keys])).rows) == 499, "the refused change left nothing behind"
