"""Which slot each entry of a table gets, so that few are written and none that is searched.

One idea: the lowest slot that matches counts, so entries have to stand in slots that ascend. An entry that is in a slot
already may stay there; any other needs a slot that is free, which means: not the table's at present. Of all ways to do
that the one with the fewest writes is found by looking, entry after entry and for each number of writes, for the lowest
last slot that can be had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sevenm.ternary import Entry

WRITES_FIRST = 16
"""Writes that are tried first; then twice as many, up to all free slots."""


def place(entries: Sequence[Entry], present: Mapping[Entry, int], slots: int, ordered: bool) -> list[int] | None:
    """The slot of every entry; None where there is no way. ``present``: the entries that are searched, and where.
    Without ``ordered`` no two entries match the same key, and any slots will do."""
    taken = set(present.values())
    free = [slot for slot in range(slots) if slot not in taken]
    coming = sum(entry not in present for entry in entries)
    if coming > len(free):
        return None
    if not ordered:
        rest = iter(free)
        return [present[entry] if entry in present else next(rest) for entry in entries]
    most = max(coming, WRITES_FIRST)
    while True:
        most = min(most, len(free))
        found = _with_writes(entries, present, slots, free, most)
        if found is not None or most == len(free):
            return found
        most *= 2


def _with_writes(
    entries: Sequence[Entry], present: Mapping[Entry, int], slots: int, free: Sequence[int], most: int
) -> list[int] | None:
    """The slots with the fewest writes, at most ``most``."""
    # next_free[s]: the first free slot from s on; `slots` stands for none, and stays so.
    next_free = np.full(slots + 2, slots, np.int32)
    next_free[list(free)] = list(free)
    next_free = np.minimum.accumulate(next_free[::-1])[::-1]
    last: NDArray[np.int32] = np.full(most + 1, slots, np.int32)
    last[0] = -1
    steps = []
    for entry in entries:
        written = np.full(most + 1, slots, np.int32)
        written[1:] = next_free[last[:-1] + 1]
        slot = present.get(entry, slots)
        kept = np.where(last < slot, np.int32(slot), np.int32(slots))
        steps.append((kept, written))
        last = np.minimum(kept, written)
    ways = np.flatnonzero(last < slots)
    if not len(ways):
        return None
    writes, out = int(ways[0]), []
    for kept, written in reversed(steps):
        if kept[writes] <= written[writes]:
            out.append(int(kept[writes]))
        else:
            out.append(int(written[writes]))
            writes -= 1
    return out[::-1]
