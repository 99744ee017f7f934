"""Tables: which row counts, in which order, and what is refused."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sevenm.compiler.plan import Column, Key, Row, Table, TableError
from sevenm.compiler.reference import find_rows
from sevenm.tables import Match, merged

PORT = (Column("port", 0, 15),)


def row(*keys: Match, value: int = 0) -> Row:
    return Row(keys, (value,))


def test_the_longest_prefix_counts() -> None:
    table = Table("routes", (Key("lpm", 32),), PORT, 16).with_rows(
        [row((0x0A000000, 8), value=1), row((0x0A010000, 16), value=2), row((0, 0), value=3)]
    )
    assert [r.keys[0][1] for r in table.rows] == [16, 8, 0]
    for key, port in ((0x0A010203, 2), (0x0A020203, 1), (0x0B000000, 3)):
        found = table.find([key])
        assert found is not None
        assert found.values == (port,)


def test_of_overlapping_ranges_the_first_one_counts() -> None:
    table = Table("ports", (Key("range", 16),), PORT).with_rows([row((80, 90), value=1), row((85, 100), value=2)])
    values = [None if (found := table.find([key])) is None else found.values[0] for key in (79, 80, 85, 91, 101)]
    assert values == [None, 1, 1, 2, None]


def test_rows_that_cannot_overlap_are_the_same_content_in_any_order() -> None:
    table = Table("exact", (Key("exact", 8), Key("lpm", 8)), PORT)
    rows = [row((n, n), (m << 4, 4), value=n) for n in range(3) for m in range(3)]
    assert table.with_rows(rows) == table.with_rows(reversed(rows))


@pytest.mark.parametrize(
    "kinds", [("exact",), ("range",), ("ternary",), ("lpm",), ("lpm", "range"), ("ternary", "exact")]
)
def test_columns_find_what_the_definition_finds(kinds: tuple[str, ...]) -> None:
    r = random.Random("".join(kinds))

    def match(kind: str) -> Match:
        a, b = sorted((r.randrange(64), r.randrange(64)))
        length = r.randint(0, 6)
        mask = r.randrange(64)
        return {
            "exact": (a, a),
            "range": (a, b),
            "lpm": (a >> 6 - length << 6 - length, length),
            "ternary": (a & mask, mask),
        }[kind]

    rows = {tuple(match(kind) for kind in kinds): number % 16 for number in range(40)}
    table = Table("t", tuple(Key(kind, 6) for kind in kinds), PORT, 64).with_rows(
        Row(keys, (value,)) for keys, value in rows.items()
    )
    keys = np.array([[r.randrange(64) for _ in kinds] for _ in range(500)])
    found = find_rows(table, [keys[:, at] for at in range(len(kinds))])
    expected = [table.find(list(map(int, one))) for one in keys]
    assert [None if at < 0 else table.rows[at] for at in found.tolist()] == expected
    assert any(one is not None for one in expected)


@pytest.mark.parametrize(
    ("keys", "rows", "message"),
    [
        ((Key("exact", 8),), [row((256, 256))], "table t, row 0: (256, 256) is no match of an exact key of 8 bits"),
        ((Key("lpm", 8),), [row((0x81, 4))], "table t, row 0: (129, 4) is no match of an lpm key of 8 bits"),
        ((Key("ternary", 8),), [row((3, 1))], "table t, row 0: (3, 1) is no match of an ternary key of 8 bits"),
        ((Key("exact", 8),), [row((1, 1)), row((1, 1))], "table t, row 1: an earlier row has the same keys"),
        ((Key("exact", 8),), [row((1, 1), value=16)], "table t, row 0: port is 0 to 15, not 16"),
        ((Key("exact", 8),), [Row(((1, 1),))], "table t, row 0: expected 1 keys and 1 values"),
        ((Key("lpm", 8), Key("lpm", 8)), [], "table t: at most one key is matched by its longest prefix"),
        ((Key("hash", 8),), [], "table t: no key is hash of 8 bits"),
        ((), [], "table t: 1 to 8 keys and at most 8 values, not 0 and 1"),
        (
            (Key("exact", 8),), [row((n, n)) for n in range(5)],
            "table t holds at most 4 rows (no table more than 1048576), not 5",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(keys: tuple[Key, ...], rows: list[Row], message: str) -> None:
    with pytest.raises(TableError) as caught:
        Table("t", keys, PORT, 4).with_rows(rows)
    assert str(caught.value) == message


def test_ranges_are_merged() -> None:
    assert list(merged([(5, 9), (1, 2), (3, 3), (20, 30), (25, 26)])) == [(1, 3), (5, 9), (20, 30)]
