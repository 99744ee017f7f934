"""Random tables for tests: rows that overlap, touch, nest and end where their keys do, and keys around their ends.

One idea: errors of a look-up sit at the ends of ranges and between rows that overlap, so that is where the rows and the
keys are. Everything follows from the random generator that is given.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sevenm.compiler.plan import Column, Key, Row, Table
from sevenm.tables import VALUE_MAX, VALUE_MIN, Match

VALUE_BOUNDS = ((VALUE_MIN, VALUE_MAX), (0, 200), (-3, 40), (0, 1), (-70000, 0), (0, 1 << 40), (0, 65535), (-128, 127))
"""Of the value columns, in order: every type of C, signed and not."""


def random_key(rng: random.Random, width: int) -> int:
    top = (1 << width) - 1
    return min(top, rng.choice([rng.randrange(12), rng.randrange(top + 1), top - rng.randrange(min(top + 1, 4))]))


def random_match(rng: random.Random, key: Key) -> Match:
    """A match of the column, often of few keys, at the low or the high end."""
    top, value = (1 << key.width) - 1, random_key(rng, key.width)
    match key.kind:
        case "exact":
            return value, value
        case "lpm":
            length = rng.randrange(key.width + 1)
            return value & ~(top >> length), length
        case "ternary":
            mask = rng.choice([rng.randrange(top + 1), top, 0, 1])
            return value & mask, mask
        case _:
            return value, min(top, value + rng.choice([0, 1, 5, rng.randrange(top + 1)]))


def random_table(
    rng: random.Random, keys: Sequence[tuple[str, int]], count: int, columns: int = 1, name: str = "t"
) -> Table:
    """A table of at most ``count`` rows, with keys of these kinds and widths."""
    shape = tuple(Key(kind, width) for kind, width in keys)
    values = tuple(Column(f"v{at}", *VALUE_BOUNDS[at]) for at in range(columns))
    return with_random_rows(rng, Table(name, shape, values, max(1, count)), count)


def with_random_rows(rng: random.Random, table: Table, count: int) -> Table:
    """Other rows of the same shape."""
    found = sorted({tuple(random_match(rng, key) for key in table.keys) for _ in range(count)})
    rng.shuffle(found)
    picks = [tuple(rng.choice([c.lo, c.hi, rng.randint(c.lo, c.hi)]) for c in table.values) for _ in found]
    return table.with_rows(Row(keys, values) for keys, values in zip(found, picks, strict=True))


def near_keys(rng: random.Random, table: Table, count: int) -> list[tuple[int, ...]]:
    """Keys that rows match, keys beside them, and others."""
    out = []
    for _ in range(count):
        row = rng.choice(table.rows) if table.rows and rng.random() < 0.8 else None
        keys = []
        for at, key in enumerate(table.keys):
            top = (1 << key.width) - 1
            if row is None or rng.random() < 0.1:
                keys.append(random_key(rng, key.width))
                continue
            a, b = row.keys[at]
            span = key.span((a, b))
            if span is None:
                keys.append(a | rng.randrange(top + 1) & ~b)
            else:
                near = rng.choice([*span, *span, span[0] - 1, span[1] + 1, rng.randint(*span)])
                keys.append(max(0, min(top, near)))
        out.append(tuple(keys))
    return out
