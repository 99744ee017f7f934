"""Recursive flow classification: rows as a few tables, so that an event's first rule takes a fixed number of loads.

One idea (Gupta and McKeown, SIGCOMM 1999): values are brought to classes of values that rows cannot tell apart, and
pairs of classes to classes of pairs, until the class says which row is first. The two keys with the most different
sets, in practice two addresses, make a *grid*. All that is left of a row, ports, protocol and conditions, is its
*predicate*; few are different, so which of them hold is one class, too, made of pairs.

Here the reduction stops one step early, since the last table would be the largest: a cell of the grid leads to a
*leaf*, the predicates and rules that can still win, in order. A list of LIST_MAX is tested as a whole, in one vector
operation; where many leaves are longer, a table says for each leaf and class of predicates what wins.

A grid grows with the product of its sides, so rows that leave a key almost open would fill it: they go into grids of
their own (*groups*), each with classes of its own, and the first rule among the groups' wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.backends.c.bit_vectors import KeyAxis, MaskAxis, TooLarge, key_axis, mask_axes
from sevenm.compiler.passes.interval_sets import Intervals
from sevenm.compiler.passes.rows import Condition, Rows
from sevenm.compiler.plan.ops import Node

ROWS_MAX = 65_535
INTERVALS_MAX = 65_535
CELLS_MAX = 1 << 22
"""Cells of all grids (8 MB)."""
RECTANGLES_MAX = 1 << 18
"""Pairs of an interval of one key and one of the other, over all rows."""
PREDICATES_MAX = 1024
GROUP_PREDICATES = 255
"""Predicates of one group: they are numbered in a byte, and one number is for what always holds."""
LIST_MAX = 15
"""Rules of a leaf that are tested as a whole; longer ones are several such lists."""
CHAINED_PER_LEAVES = 64
"""Of as many leaves one may be longer, or else a table says what wins: a jump that is seldom taken costs nothing."""
NEAR_MAX = 1 << 16
"""Entries of such a table (128 KB) that stays near the processor: it takes a load where a leaf takes a comparison."""
CELL_CLASSES_MAX = LEAVES_MAX = 65_535
"""Different cells, leaves, and lists of one group: their numbers are 16 bits wide."""
TABLE_MAX = 1 << 19
"""Entries of a table of pairs, and of one that says what wins."""
NARROW = (None, 8, 12, 16, 20, 24)
"""Ways to group: all rows together; or by which keys they leave open, at most 2**-n of all values being narrow."""
SEED = 1999

Leaf = tuple[tuple[int, int], ...]
"""(predicate, rule) in order of priority."""
Index = NDArray[np.intp]
Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two columns of classes as one: class ``table[a * n_b + b]``. Columns count from 0: first the axes, then pairs."""

    a: int
    b: int
    n_b: int
    table: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Predicates:
    """``axes`` and ``pairs`` lead to a class; bit p of ``holds[class]`` says that predicate p holds there."""

    axes: tuple[KeyAxis | MaskAxis, ...]
    pairs: tuple[Pair, ...]
    holds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``classes`` of each interval of either key. ``grid`` (of their numbers of classes) has numbers of leaves.
    ``predicates``: those that the leaves' numbers stand for. ``direct``: a table of leaf by class of predicates has
    what wins, in place of the leaves."""

    classes: tuple[Index, Index]
    grid: NDArray[np.uint16]
    leaves: tuple[Leaf, ...]
    predicates: tuple[int, ...]
    direct: bool

    @property
    def lines(self) -> int:
        """Lists of LIST_MAX that hold the leaves."""
        return sum(max(1, -(-len(leaf) // LIST_MAX)) for leaf in self.leaves)

    @property
    def chained(self) -> bool:
        """Some leaf is longer than a list."""
        return self.lines > len(self.leaves)


@dataclass(frozen=True, slots=True)
class RecursiveFlow:
    """``keys``: the two of the grid, as places among the rows' keys, and where their intervals start. ``gate``: the
    condition that all rows share, if there is but one. ``narrow``: how rows were grouped."""

    keys: tuple[int, int]
    starts: tuple[tuple[int, ...], tuple[int, ...]]
    predicates: Predicates
    groups: tuple[Group, ...]
    gate: Condition
    narrow: int | None

    @property
    def table_bytes(self) -> int:
        """What the tables take when the engine is loaded."""
        classes = len(self.predicates.holds)
        total = sum(2 * len(pair.table) for pair in self.predicates.pairs) + 6 * sum(map(len, self.starts))
        for group in self.groups:
            total += 2 * group.grid.size + 32 * classes
            total += 2 * classes * len(group.leaves) if group.direct else 64 * group.lines
        return total


def build(
    nodes: Sequence[Node], rows: Rows, narrow: Sequence[int | None] = NARROW, near: int = NEAR_MAX
) -> RecursiveFlow:
    """The tables that give a block's first rule; ``narrow``: ways to group that are tried, ``near``: entries of a table
    that always stands in place of leaves. Raises TooLarge."""
    if len(rows.rows) > ROWS_MAX:
        raise TooLarge(f"{len(rows.rows)} rows, and at most {ROWS_MAX} are numbered")
    order = sorted(range(len(rows.keys)), key=lambda k: -len({row.sets[k] for row in rows.rows}))
    if len(order) < 2 or len({row.sets[order[1]] for row in rows.rows}) < 2:
        raise TooLarge("its rows differ in fewer than two keys")
    keys = order[0], order[1]
    predicates, of = _predicates(nodes, rows, keys)
    sides = tuple(_Side(nodes[rows.keys[key]], [row.sets[key] for row in rows.rows]) for key in keys)
    sheet = _Sheet((sides[0], sides[1]), [row.rule for row in rows.rows], of)
    starts = tuple(sides[0].starts), tuple(sides[1].starts)
    gate = rows.features[0] if len(rows.features) == 1 else ()
    closed = TooLarge("it has no rows")
    for chosen, grids in _groupings(sheet, narrow):
        try:
            groups = tuple(_group(sheet, grid, predicates, near) for grid in grids)
        except TooLarge as error:
            closed = error
        else:
            return RecursiveFlow(keys, starts, predicates, groups, gate, chosen)
    raise closed


# predicates


def _predicates(nodes: Sequence[Node], rows: Rows, keys: tuple[int, int]) -> tuple[Predicates, Index]:
    """The predicates of rows, and of each row its predicate."""
    others = [key for key in range(len(rows.keys)) if key not in keys]
    number: dict[tuple[tuple[Intervals, ...], Condition], int] = {}
    of = [number.setdefault((tuple(row.sets[k] for k in others), row.features), len(number)) for row in rows.rows]
    if len(number) > PREDICATES_MAX:
        raise TooLarge(f"{len(number)} predicates beside its addresses, and at most {PREDICATES_MAX} are numbered")
    axes: list[KeyAxis | MaskAxis] = []
    for at, key in enumerate(others):
        axis = key_axis(key, nodes[rows.keys[key]], [sets[at] for sets, _ in number])
        if len(axis.vectors) > 1:
            axes.append(axis)
    if len(rows.features) > 1:
        axes += mask_axes([features for _, features in number])
    columns = [axis.vectors if isinstance(axis, KeyAxis) else _possible(axis) for axis in axes]
    return Predicates(tuple(axes), *_paired(columns, (1 << len(number)) - 1)), np.array(of)


def _possible(axis: MaskAxis) -> tuple[int, ...]:
    """The vectors of a mask's classes. One that cannot be, since one condition says more than another or the opposite,
    may have any: it has that of class 0."""
    conditions = [frozenset(condition) for condition in axis.conditions]
    below = [sum(1 << j for j, y in enumerate(conditions) if y < x) for x in conditions]
    against = [
        sum(1 << j for j, y in enumerate(conditions) if any((c[0] ^ 1,) in y for c in x if len(c) == 1))
        for x in conditions
    ]
    out = list(axis.vectors)
    for mask in range(len(out)):
        held = [k for k in range(len(conditions)) if mask >> k & 1]
        if any(below[k] & ~mask or against[k] & mask for k in held):
            out[mask] = out[0]
    return tuple(out)


def _paired(columns: Sequence[Sequence[int]], every: int) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """Pairs of columns until one is left, those with the fewest classes first."""
    vectors = [list(column) for column in columns] or [[every]]
    heap = [(len(column), at) for at, column in enumerate(vectors)]
    heapify(heap)
    pairs: list[Pair] = []
    while len(heap) > 1:
        (n_a, a), (n_b, b) = heappop(heap), heappop(heap)
        if n_a * n_b > TABLE_MAX:
            raise TooLarge(
                f"a table of {n_a} by {n_b} classes of predicates, and at most {TABLE_MAX} entries are filled"
            )
        known: dict[int, int] = {}
        table = tuple(known.setdefault(x & y, len(known)) for x in vectors[a] for y in vectors[b])
        pairs.append(Pair(a, b, n_b, table))
        vectors.append(list(known))
        heappush(heap, (len(known), len(vectors) - 1))
    return tuple(pairs), tuple(vectors[-1])


# grids


class _Side:
    """One key of the grid: where its intervals start, and the rows' sets as (row, first interval, interval after)."""

    def __init__(self, node: Node, sets: Sequence[Intervals]) -> None:
        ends = {end for part in set(sets) for lo, hi in part for end in (lo, hi + 1)}
        self.starts = sorted({node.lo, *(end for end in ends if end <= node.hi)})
        if len(self.starts) > INTERVALS_MAX:
            raise TooLarge(f"a key has {len(self.starts)} intervals, and at most {INTERVALS_MAX} are numbered")
        place = {start: at for at, start in enumerate(self.starts)} | {node.hi + 1: len(self.starts)}
        flat = [(row, place[lo], place[hi + 1]) for row, part in enumerate(sets) for lo, hi in part]
        self.row, self.lo, self.hi = np.array(flat, np.intp).T
        spans = [part[-1][1] - part[0][0] for part in sets]
        whole = node.hi - node.lo
        self.narrowness = np.array([min(63, (whole // max(1, span)).bit_length() - 1) for span in spans])
        """Of each row: it spans at most 2**-this of all values."""

    def classes(self, chosen: NDArray[np.bool_], hashes: Keys) -> tuple[Index, Index]:
        """Of the chosen rows: the class of each interval, and for each class its first interval."""
        inside = chosen[self.row]
        changes = np.zeros((len(self.starts) + 1, 2), np.uint64)
        for end in (self.lo, self.hi):
            np.bitwise_xor.at(changes, end[inside], hashes[self.row[inside]])
        found = np.bitwise_xor.accumulate(changes, axis=0)[:-1]
        _, first, inverse = np.unique(found, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return rank[inverse.reshape(-1)], first[order]


class _Sheet:
    """All rows, as rectangles over both keys' intervals: ``row``, and ``lo`` and ``hi`` for each side."""

    def __init__(self, sides: tuple[_Side, _Side], rules: Sequence[int], predicate: Index) -> None:
        self.sides, self.rules, self.predicate = sides, np.array(rules), predicate
        self.hashes: Keys = np.random.default_rng(SEED).integers(0, 1 << 64, (len(rules), 2), np.uint64)
        """Zobrist keys: a set of rows is known by the XOR of its members'."""
        a, b = sides
        parts = np.bincount(b.row, minlength=len(rules))[a.row]
        if parts.sum() > RECTANGLES_MAX:
            raise TooLarge(f"{parts.sum()} rectangles of two keys, and at most {RECTANGLES_MAX} are drawn")
        left = np.repeat(np.arange(len(a.row)), parts)
        first = np.searchsorted(b.row, a.row)
        right = np.arange(len(left)) - np.repeat(np.cumsum(parts) - parts, parts) + np.repeat(first, parts)
        self.row = a.row[left]
        self.lo, self.hi = (a.lo[left], b.lo[right]), (a.hi[left], b.hi[right])


@dataclass(frozen=True, slots=True)
class _Grid:
    """Rows of a group (a flag each), and each side's classes and their first intervals."""

    chosen: NDArray[np.bool_]
    classes: tuple[Index, Index]
    first: tuple[Index, Index]

    @property
    def cells(self) -> int:
        return len(self.first[0]) * len(self.first[1])


def _groupings(sheet: _Sheet, ways: Sequence[int | None]) -> list[tuple[int | None, list[_Grid]]]:
    """The ways to group whose grids can be filled, the one with the fewest groups, and of those cells, first."""
    found: dict[tuple[int, int], tuple[int | None, list[_Grid]]] = {}
    least = 0
    for narrow in ways:
        number = np.zeros(len(sheet.rules), np.intp)
        for at, side in enumerate(sheet.sides if narrow is not None else ()):
            number |= (side.narrowness >= narrow).astype(np.intp) << at
        grids = []
        for which in np.unique(number):
            chosen = number == which
            (a, first_a), (b, first_b) = (side.classes(chosen, sheet.hashes) for side in sheet.sides)
            grids.append(_Grid(chosen, (a, b), (first_a, first_b)))
        cells = sum(grid.cells for grid in grids)
        least = min(least or cells, cells)
        if cells <= CELLS_MAX:
            found.setdefault((len(grids), cells), (narrow, grids))
    if not found:
        raise TooLarge(f"grids of {least} cells, and at most {CELLS_MAX} are filled")
    return [found[order] for order in sorted(found)]


def _group(sheet: _Sheet, grid: _Grid, predicates: Predicates, near: int) -> Group:
    inside = grid.chosen[sheet.row]
    row = sheet.row[inside]
    (a0, b0), (a1, b1) = (
        [np.searchsorted(first, ends[inside]) for first, ends in zip(grid.first, bound, strict=True)]
        for bound in (sheet.lo, sheet.hi)
    )
    size = len(grid.first[0]), len(grid.first[1])
    found, cell = _different([_sums(size, (a0, a1), (b0, b1), sheet.hashes[row, lane]) for lane in (0, 1)])
    used, local = np.unique(sheet.predicate[grid.chosen], return_inverse=True)
    if len(used) > GROUP_PREDICATES:
        raise TooLarge(f"{len(used)} predicates in one group, and at most {GROUP_PREDICATES} are numbered")
    number = dict(zip(np.flatnonzero(grid.chosen).tolist(), local.tolist(), strict=True))
    wider = _wider([[v >> p & 1 for p in used.tolist()] for v in predicates.holds])
    leaves: dict[Leaf, int] = {}
    leaf_of = np.zeros(len(cell), np.uint16)
    s, d = np.divmod(cell, size[1])
    order = np.argsort(s, kind="stable")
    for line in np.split(order, np.flatnonzero(np.diff(s[order])) + 1):
        here = np.flatnonzero((a0 <= s[line[0]]) & (s[line[0]] < a1))
        for at in line.tolist():
            rows = row[here[(b0[here] <= d[at]) & (d[at] < b1[here])]].tolist()
            leaf = _leaf(((number[r], int(sheet.rules[r])) for r in rows), wider)
            leaf_of[at] = leaves.setdefault(leaf, len(leaves))
    entries, long = len(leaves) * len(predicates.holds), sum(len(leaf) > LIST_MAX for leaf in leaves)
    direct = entries <= near or CHAINED_PER_LEAVES * long > len(leaves)
    group = Group(grid.classes, leaf_of[found].reshape(size), tuple(leaves), tuple(used.tolist()), direct)
    if direct and entries > TABLE_MAX:
        raise TooLarge(
            f"leaves of more than {LIST_MAX} rules, and a table of {len(leaves)} by {len(predicates.holds)} classes of "
            f"predicates, and at most {TABLE_MAX} entries are filled"
        )
    if group.lines > LEAVES_MAX:
        raise TooLarge(f"{group.lines} lists of rules in one group, and at most {LEAVES_MAX} are numbered")
    return group


def _sums(size: tuple[int, int], a: Sequence[Index], b: Sequence[Index], hashes: Keys) -> Keys:
    """Of each cell the XOR of the hashes of the rectangles that cover it."""
    out = np.zeros((size[0] + 1, size[1] + 1), np.uint64)
    for edge in a:
        for other in b:
            np.bitwise_xor.at(out, (edge, other), hashes)
    np.bitwise_xor.accumulate(out, axis=0, out=out)
    np.bitwise_xor.accumulate(out, axis=1, out=out)
    return out[:-1, :-1].reshape(-1)


def _different(lanes: Sequence[Keys]) -> tuple[Index, Index]:
    """Of each cell the number of its sum, and of each sum the first cell. Sums differ in the first lane, or else the
    second would tell that two sets of rows were taken for one."""
    _, cell, found = np.unique(lanes[0], return_index=True, return_inverse=True)
    found = found.reshape(-1)
    if len(cell) > CELL_CLASSES_MAX:
        raise TooLarge(f"{len(cell)} different cells in one group, and at most {CELL_CLASSES_MAX} are listed")
    if not np.array_equal(lanes[1][cell][found], lanes[1]):
        raise TooLarge("two sets of rows have the same hash")
    return found, cell


def _wider(holds: Sequence[Sequence[int]]) -> list[int]:
    """For each predicate a word of those that hold wherever it does, itself among them."""
    table = np.array(holds, np.bool_).reshape(len(holds), -1)
    out = []
    for p in range(table.shape[1]):
        always = table[table[:, p]].all(axis=0)
        out.append(sum(1 << int(q) for q in np.flatnonzero(always)))
    return out


def _leaf(rules: Iterable[tuple[int, int]], wider: Sequence[int]) -> Leaf:
    """Without what never wins, since the predicate of an earlier rule holds wherever its own does."""
    out = []
    taken = 0
    for predicate, rule in rules:
        if not wider[predicate] & taken:
            taken |= 1 << predicate
            out.append((predicate, rule))
    return tuple(out)
