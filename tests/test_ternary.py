"""Entries of a ternary memory find what the table itself finds."""

from __future__ import annotations

import random

import pytest

from sevenm.sim.random_tables import near_keys, random_table
from sevenm.tables import Match
from sevenm.ternary import column_width, entries, packed_values, prefixes

KINDS = [
    [("exact", 16)], [("lpm", 32)], [("range", 16)], [("ternary", 24)],
    [("lpm", 32), ("range", 8), ("ternary", 5)], [("range", 9), ("range", 3), ("exact", 128)],
]  # fmt: skip


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_the_first_entry_that_matches_is_of_the_row_that_counts(kinds: list[tuple[str, int]], seed: int) -> None:
    choose = random.Random(seed)
    table = random_table(choose, kinds, 40, columns=seed * 2)
    made = entries(table, table.rows)
    hits = 0
    for keys in near_keys(choose, table, 300):
        word = at = 0
        for key, one in zip(table.keys, keys, strict=True):
            word, at = word | one << at, at + key.width
        found = next((entry for entry in made if word & entry.mask == entry.value), None)
        row = table.find(keys)
        assert (found is None) == (row is None)
        if row is not None and found is not None:
            hits += 1
            assert found.values == packed_values(table.values, row.values)
    assert hits > 50
    assert len({(entry.value, entry.mask) for entry in made}) == len(made)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_every_range_is_its_prefixes(width: int) -> None:
    for lo in range(1 << width):
        for hi in range(lo, 1 << width):
            made: list[Match] = prefixes(lo, hi, width)
            for key in range(1 << width):
                assert sum(key & mask == value for value, mask in made) == (lo <= key <= hi)
            assert len(made) <= max(1, 2 * width - 2)


def test_columns_are_as_wide_as_their_bounds() -> None:
    assert [column_width(*pair) for pair in ((0, 0), (0, 1), (0, 15), (-1, 0), (-8, 7), (-9, 0))] == [1, 1, 4, 1, 4, 5]
