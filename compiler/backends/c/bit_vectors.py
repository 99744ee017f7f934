"""Bit vectors: rows as a few tables, so that the rows an event matches are the AND of one bit vector per axis.

One idea: along a key, the rows' sets cut its values into intervals; intervals in the same rows are one *class*, and a
class has a vector with a bit per row. The features are an axis as well: a class there is the mask of conditions that
hold. Axes of few classes are folded into one, whose classes are the different vectors that their combinations give.

Short vectors have the rows in order, so that the lowest set bit wins. Long ones have a summary, a bit for each word
that is not 0, and rows that are alike side by side: then few words are left to look at, and the lowest rule in them
wins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from sevenm.compiler.passes.rows import Condition, Row, Rows
from sevenm.compiler.plan.ops import Node

ROWS_MAX = 65_535
CLASSES_MAX = 65_535
"""Classes, and intervals, along one axis: their numbers are 16 bits wide."""
VECTOR_BYTES_MAX = 64 << 20
"""Vectors of one axis, before those that are equal are one."""
FOLD_ENTRIES_MAX = 32_768
"""Combinations of classes in a folded table (64 KB)."""
FOLD_BYTES_MAX = 512 * 1024
"""Vectors of a folded axis; with more, memory costs what the fold spares."""
MASK_CONDITIONS = 8
"""Conditions of one mask: a byte, 256 vectors."""
NARROW_BITS = 10
"""A set is narrow if it spans less than this power of two of all that its key can be."""
SCAN_WORDS_MAX = 16
"""Vectors up to this many words are read whole; longer ones have a summary, a bit for each word."""


class TooLarge(ValueError):
    """The tables would not fit; the message says which and how large."""


@dataclass(frozen=True, slots=True)
class KeyAxis:
    """Interval i of the key is [starts[i], starts[i + 1]) and has class classes[i]; vectors are per class."""

    key: int
    starts: tuple[int, ...]
    classes: tuple[int, ...]
    vectors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskAxis:
    """Class m: of the conditions exactly those hold that are bits of m. ``members``: the rows of each condition."""

    conditions: tuple[Condition, ...]
    members: tuple[int, ...]
    rest: int
    """Rows that have another axis's conditions."""

    @property
    def vectors(self) -> tuple[int, ...]:
        out = [self.rest]
        for mask in range(1, 1 << len(self.conditions)):
            out.append(out[mask & (mask - 1)] | self.members[(mask & -mask).bit_length() - 1])
        return tuple(out)


Axis = KeyAxis | MaskAxis


@dataclass(frozen=True, slots=True)
class Fold:
    """The axes with these numbers as one: class table[(a * n_b + b) * n_c + c …]. ``examples``: for each class the
    first combination of classes that has it."""

    parts: tuple[int, ...]
    sizes: tuple[int, ...]
    table: tuple[int, ...]
    examples: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class BitVectors:
    """``axes`` in order; those in ``fold`` are ANDed through it. ``rules``: of each bit, from the start of the block.
    ``gate``: the condition that all rows share, if there is but one."""

    axes: tuple[Axis, ...]
    fold: Fold | None
    rules: tuple[int, ...]
    gate: Condition

    @property
    def words(self) -> int:
        """Words of a vector: 1, 2, or whole lines of 64 bytes."""
        words = -(-len(self.rules) // 64)
        return words if words <= 2 else -(-words // 8) * 8

    @property
    def summary_words(self) -> int:
        return -(-self.words // 64) if self.words > SCAN_WORDS_MAX else 0

    @property
    def ands(self) -> int:
        """Vectors that one event combines."""
        return len(self.axes) - (len(self.fold.parts) - 1 if self.fold else 0)

    @property
    def table_bytes(self) -> int:
        """What the tables take when the engine is loaded."""
        total = 2 * (len(self.rules) + 1)
        vector = 8 * (self.words + self.summary_words)
        for axis in self.axes:
            total += len(axis.vectors) * vector
        return total + (2 * len(self.fold.table) + len(self.fold.examples) * vector if self.fold else 0)


def build(nodes: Sequence[Node], rows: Rows, fold: bool = True) -> BitVectors:
    """The tables of a block's rows. Raises TooLarge."""
    if len(rows.rows) > ROWS_MAX:
        raise TooLarge(f"{len(rows.rows)} rows, and at most {ROWS_MAX} are numbered")
    if len(rows.rows) > 64 * SCAN_WORDS_MAX:
        rows = replace(rows, rows=_alike(nodes, rows))
    axes: list[Axis] = []
    for at, key in enumerate(rows.keys):
        axis = key_axis(at, nodes[key], [row.sets[at] for row in rows.rows])
        if len(axis.vectors) > 1:
            axes.append(axis)
    conditions = rows.features
    if len(conditions) > 1:
        axes += mask_axes([row.features for row in rows.rows])
    rules = tuple(row.rule for row in rows.rows)
    folded = _fold(axes, -(-len(rules) // 64)) if fold else None
    return BitVectors(tuple(axes), folded, rules, conditions[0] if len(conditions) == 1 else ())


def _alike(nodes: Sequence[Node], rows: Rows) -> tuple[Row, ...]:
    """The rows so that those which one value can match stand together: by the key with the most different sets, those
    that say little about it by the next key, and so on."""
    keys = sorted(range(len(rows.keys)), key=lambda k: -len({row.sets[k] for row in rows.rows}))
    spans = [(nodes[rows.keys[k]].hi - nodes[rows.keys[k]].lo) >> NARROW_BITS for k in keys]

    def place(row: Row) -> tuple[int, int, int]:
        for rank, (key, wide) in enumerate(zip(keys, spans, strict=True)):
            lo, hi = row.sets[key][0][0], row.sets[key][-1][1]
            if hi - lo <= wide:
                return rank, lo, row.rule
        return len(keys), 0, row.rule

    return tuple(sorted(rows.rows, key=place))


def key_axis(at: int, node: Node, sets: Sequence[tuple[tuple[int, int], ...]]) -> KeyAxis:
    """The intervals and classes of a key, whose place is ``at``, under the rows' sets of it. Raises TooLarge."""
    ends = {end for part in set(sets) for lo, hi in part for end in (lo, hi + 1)}
    if len(ends) > CLASSES_MAX:
        raise TooLarge(f"a key has {len(ends)} intervals, and at most {CLASSES_MAX} are numbered")
    if len(ends) * len(sets) > 8 * VECTOR_BYTES_MAX:
        size = len(ends) * len(sets) >> 23
        raise TooLarge(
            f"a key has {len(ends)} intervals in {len(sets)} rows, {size} MB of vectors, and at most "
            f"{VECTOR_BYTES_MAX >> 20} are built"
        )
    changes: defaultdict[int, int] = defaultdict(int)
    changes[node.lo] = 0
    for row, intervals in enumerate(sets):
        for lo, hi in intervals:
            changes[lo] ^= 1 << row
            if hi < node.hi:
                changes[hi + 1] ^= 1 << row
    known: dict[int, int] = {}
    starts: list[int] = []
    classes: list[int] = []
    vector = 0
    for start in sorted(changes):
        vector ^= changes[start]
        number = known.setdefault(vector, len(known))
        if not classes or classes[-1] != number:
            starts.append(start)
            classes.append(number)
    return KeyAxis(at, tuple(starts), tuple(classes), tuple(known))


def mask_axes(features: Sequence[Condition]) -> list[MaskAxis]:
    """The feature conditions of rows, in as few masks as hold them, those of most rows first."""
    members: defaultdict[Condition, int] = defaultdict(int)
    count: defaultdict[Condition, int] = defaultdict(int)
    for at, condition in enumerate(features):
        members[condition] |= 1 << at
        count[condition] += 1
    order = sorted(members, key=lambda condition: -count[condition])
    every = (1 << len(features)) - 1
    out = []
    for first in range(0, len(order), MASK_CONDITIONS):
        here = tuple(order[first : first + MASK_CONDITIONS])
        inside = tuple(members[condition] for condition in here)
        rest = every
        for bits in inside:
            rest &= ~bits
        out.append(MaskAxis(here, inside, rest))
    return out


def _fold(axes: Sequence[Axis], words: int) -> Fold | None:
    """The axes of fewest classes, as many as the bounds allow; None if not two fit."""
    order = sorted(range(len(axes)), key=lambda at: len(axes[at].vectors))
    best: Fold | None = None
    for count in range(2, len(order) + 1):
        parts = tuple(sorted(order[:count]))
        sizes = tuple(len(axes[at].vectors) for at in parts)
        if prod(sizes) > FOLD_ENTRIES_MAX:
            break
        tried = _combined([axes[at].vectors for at in parts], parts, sizes)
        if len(tried.examples) * words * 8 > FOLD_BYTES_MAX:
            break
        best = tried
    return best


def _combined(vectors: Sequence[Sequence[int]], parts: tuple[int, ...], sizes: tuple[int, ...]) -> Fold:
    known: dict[int, int] = {}
    table: list[int] = []
    examples: list[tuple[int, ...]] = []
    for combination in product(*map(range, sizes)):
        bits = -1
        for axis, number in zip(vectors, combination, strict=True):
            bits &= axis[number]
        number = known.setdefault(bits, len(known))
        if number == len(examples):
            examples.append(combination)
        table.append(number)
    return Fold(parts, sizes, tuple(table), tuple(examples))
