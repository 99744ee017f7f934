"""Slots of entries: ascending, free or kept, and as few writes as there can be."""

from __future__ import annotations

import itertools
import random

import pytest

from sevenm.host.card.placement import place
from sevenm.ternary import Entry


def fewest(entries: list[Entry], present: dict[Entry, int], slots: int) -> int | None:
    """By trying all ways."""
    taken = set(present.values())
    best = None
    for chosen in itertools.combinations(range(slots), len(entries)):
        pairs = list(zip(entries, chosen, strict=True))
        if all(slot not in taken or present.get(entry) == slot for entry, slot in pairs):
            writes = sum(present.get(entry) != slot for entry, slot in pairs)
            best = writes if best is None else min(best, writes)
    return best


@pytest.mark.parametrize("seed", range(150))
def test_no_other_way_writes_less(seed: int) -> None:
    choose = random.Random(seed)
    slots, kinds = 8, [Entry(value, 255, 0) for value in range(7)]
    there = choose.sample(kinds, choose.randrange(6))
    present = dict(zip(there, sorted(choose.sample(range(slots), len(there))), strict=True))
    wanted = choose.sample(kinds, choose.randrange(6))
    if choose.random() < 0.5:
        wanted.sort(key=lambda entry: present.get(entry, choose.randrange(slots)))
    found = place(wanted, present, slots, ordered=True)
    assert (found is None) == ((least := fewest(wanted, present, slots)) is None)
    if found is not None:
        assert found == sorted(set(found))
        assert all(
            slot not in present.values() or present.get(e) == slot for e, slot in zip(wanted, found, strict=True)
        )
        assert sum(present.get(e) != slot for e, slot in zip(wanted, found, strict=True)) == least


def test_any_rows_replace_any_others_where_there_are_slots_for_both() -> None:
    choose = random.Random(1)
    present: dict[Entry, int] = {}
    for generation in range(20):
        wanted = [Entry(choose.randrange(1000), 1023, generation % 3) for _ in range(choose.randrange(1, 33))]
        wanted = list(dict.fromkeys(wanted))
        found = place(wanted, present, 64, ordered=True)
        assert found is not None
        present = dict(zip(wanted, found, strict=True))


def test_where_order_does_not_matter_what_is_there_stays() -> None:
    a, b, c = (Entry(value, 255, 0) for value in range(3))
    assert place([c, b, a], {a: 5, b: 1}, 8, ordered=False) == [0, 1, 5]
    assert place([c, b, a], {a: 5, b: 1}, 8, ordered=True) == [0, 1, 5]
    assert place([a, c, b], {a: 5, b: 1}, 8, ordered=True) == [5, 6, 7]
    assert place([a, b, c], {Entry(9, 9, 9): 0, Entry(8, 8, 8): 1}, 4, ordered=False) is None
