"""Rows of tables: read from outside, put in order, and cut into ranges that give the same row for every key."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any

import pytest

from sevenm.compiler.plan import Row, Table
from sevenm.host.engine.rows import hits, spans
from sevenm.sim.random_tables import random_table
from sevenm.tables import Column, Key, Shape, TableError, cut


def edges_of(table: Table) -> list[int]:
    """Keys around every end of the rows of a table with one key."""
    (key,) = table.keys
    top = (1 << key.width) - 1
    near = {0, top, *(x + d for span in spans(table, table.rows) for x in span for d in (-1, 0, 1))}
    return sorted(x for x in near if 0 <= x <= top)


@pytest.mark.parametrize("seed", range(60))
def test_cuts_give_the_row_that_counts(seed: int) -> None:
    rng = random.Random(seed)
    kind, width = rng.choice(["exact", "lpm", "range"]), rng.choice([1, 3, 8, 12, 16, 31, 32, 48, 64, 65, 128])
    table = random_table(rng, [(kind, width)], rng.choice([0, 1, 2, 5, 40]))
    cuts = cut(spans(table, table.rows))
    ranges = hits(cuts, width)
    for x in edges_of(table):
        row = table.find([x])
        counts = [number for first, number in cuts if first <= x][-1]
        assert (counts == 0) == (row is None)
        assert row is None or table.rows[counts - 1] == row
        assert any(lo <= x <= hi for lo, hi in ranges) == (row is not None)
    assert all(a[1] != b[1] and a[0] < b[0] for a, b in pairwise(cuts))
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))


@pytest.mark.parametrize("seed", range(40))
def test_rows_come_in_the_order_of_the_plan(seed: int) -> None:
    rng = random.Random(seed)
    kinds = rng.choice([["lpm"], ["exact"], ["lpm", "exact"], ["ternary", "lpm"], ["range"], ["range", "ternary"]])
    table = random_table(rng, [(kind, rng.choice([4, 9, 32])) for kind in kinds], 20)
    read = table.read(table.content())
    assert [(r.keys, r.values) for r in read] == [(r.keys, r.values) for r in table.rows]
    if "range" not in kinds and "ternary" not in kinds:
        shuffled = rng.sample(table.content(), len(table.rows))
        assert table.read(shuffled) == read


ROW = [[[5, 5], [0, 16]], [7]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([[[[5, 6], [0, 16]], [7]]], "table t, row 0: (5, 6) is no match of an exact key of 16 bits"),
        ([ROW, [[[65536, 65536], [0, 16]], [7]]],
         "table t, row 1: (65536, 65536) is no match of an exact key of 16 bits"),
        ([[[[5, 5], [1, 16]], [7]]], "table t, row 0: (1, 16) is no match of an lpm key of 32 bits"),
        ([[[[5, 5], [0, 33]], [7]]], "table t, row 0: (0, 33) is no match of an lpm key of 32 bits"),
        ([[[[5, 5], [0, 16]], [11]]], "table t, row 0: port is 0 to 10, not 11"),
        ([ROW, ROW], "table t, row 1: an earlier row has the same keys"),
        ([ROW] * 4, "table t holds at most 3 rows (no table more than 1048576), not 4"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_fit_is_refused_in_the_words_of_the_plan(content: Any, message: str) -> None:
    keys = (Key("exact", 16), Key("lpm", 32))
    table = Table("t", keys, (Column("port", 0, 10),), 3)
    with pytest.raises(TableError, match=f"^{re.escape(message)}$"):
        table.read(content)
    with pytest.raises(TableError, match=f"^{re.escape(message)}$"):
        table.with_rows(Row(tuple((a, b) for a, b in keys), tuple(values)) for keys, values in content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "table t holds at most 3 rows (no table more than 1048576), not NoneType"),
        ([[[[5, 5]], [7]]], "table t, row 0: expected 2 keys and 1 values"),
        ([5], "table t, row 0: expected 2 keys and 1 values"),
        ([[[[5, 5], [0]], [7]]], "table t, row 0: expected 2 keys and 1 values"),
        ([[[[5, 5], [0, 16.0]], [7]]], "table t, row 0: expected 2 keys and 1 values"),
        ([[[[5, True], [0, 16]], [7]]], "table t, row 0: expected 2 keys and 1 values"),
        ([[[[5, 5], [0, 16]], [7], 1]], "table t, row 0: expected 2 keys and 1 values"),
        ([{"keys": 1}], "table t, row 0: expected 2 keys and 1 values"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(content: Any, message: str) -> None:
    shape = Shape("t", (Key("exact", 16), Key("lpm", 32)), (Column("port", 0, 10),), 3)
    with pytest.raises(TableError, match=f"^{re.escape(message)}$"):
        shape.read(content)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape("t", ()), "table t: 1 to 8 keys and at most 8 values, not 0 and 0"),
        (Shape("t", (Key("exact", 129),)), "table t: no key is exact of 129 bits"),
        (Shape("t", (Key("hash", 8),)), "table t: no key is hash of 8 bits"),
        (Shape("t", (Key("lpm", 8),) * 2), "table t: at most one key is matched by its longest prefix"),
        (Shape("t", (Key("exact", 8),), (Column("v", 1, 2),)), "table t: v must hold 0 and fit 64 bits"),
        (Shape("t", (Key("exact", 8),), (), 0), "table t cannot have 0 rows, no table has more than 1048576"),
    ],
)
def test_a_shape_out_of_bounds_is_refused(shape: Shape, message: str) -> None:
    with pytest.raises(TableError, match=f"^{re.escape(message)}$"):
        shape.check()
