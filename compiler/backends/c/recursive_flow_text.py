"""The C of one block's recursive flow classification: its tables, and the function that gives 64 events their first
rules.

One idea: a step at a time for all 64 events, so that the loads of one step wait for each other's caches together. The
text has of each grid what changes from line to line, and of each leaf its rules; the tables are filled from that when
the engine is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sevenm.compiler.backends.c.arrays import array
from sevenm.compiler.backends.c.bit_vectors import MaskAxis
from sevenm.compiler.backends.c.classifier import Classifier, Parts
from sevenm.compiler.backends.c.classify_front import U16, U32
from sevenm.compiler.backends.c.recursive_flow import LIST_MAX, Group, Index, Pair, RecursiveFlow
from sevenm.compiler.backends.c.types import CType
from sevenm.compiler.plan.ops import Node

U8 = CType(8, False)
HOLDS = 32
"""Bytes of a class of predicates: a bit for each predicate of a group, and the last bit always."""


def classifier(
    name: str, prefix: str, nodes: Sequence[Node], keys: Sequence[int], flow: RecursiveFlow, rules: int
) -> Classifier:
    """``keys`` are those of the rows that the tables were built from; ``prefix`` starts every C name."""
    return _Text(Parts(name, "first", prefix, nodes, flow.gate), keys, flow).classifier(rules)


def changes(starts: Sequence[int], classes: Index | None) -> tuple[Sequence[int], Sequence[int] | None]:
    """Where the class changes and to what; all that starts, without classes."""
    if classes is None:
        return starts, None
    at = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist()]
    return [starts[k] for k in at], classes[at].tolist()


class _Text:
    def __init__(self, parts: Parts, keys: Sequence[int], flow: RecursiveFlow) -> None:
        self.parts, self.keys, self.flow = parts, keys, flow
        self.n = parts.named

    def classifier(self, rules: int) -> Classifier:
        predicates = self.flow.predicates
        for at, axis in enumerate(predicates.axes):
            if isinstance(axis, MaskAxis):
                self.parts.mask(at, axis)
            else:
                self.parts.key(at, self.keys[axis.key], axis.starts, axis.classes)
        for at, pair in enumerate(predicates.pairs, len(predicates.axes)):
            self._pair(at, pair)
        columns = len(predicates.axes) + len(predicates.pairs)
        if not columns:
            self.parts.body.append("static const u16 c0[LANES] ALIGNED;")
        sides = max(columns, 1), max(columns, 1) + 1
        alone = self.flow.groups[0].classes if len(self.flow.groups) == 1 else (None, None)
        spare = [
            self.parts.key(side, self.keys[key], *changes(starts, classes))
            for side, key, starts, classes in zip(sides, self.flow.keys, self.flow.starts, alone, strict=True)
        ]
        columns_of_groups = "leaf[LANES] ALIGNED" + (", other[LANES] ALIGNED" if len(self.flow.groups) > 1 else "")
        self.parts.body.append(f"u16 {columns_of_groups};")
        for number, group in enumerate(self.flow.groups):
            self._group(number, group, sides, spare, max(columns, 1) - 1)
        groups = len(self.flow.groups)
        about = f"{rules} rules, by recursive flow classification in {groups} group{'s' * (groups > 1)}"
        return self.parts.classifier(about, rules)

    def _pair(self, at: int, pair: Pair) -> None:
        self._array(U16, f"pair{at}", pair.table)
        index = f"(u32)c{pair.a}[i] * {pair.n_b}u + c{pair.b}[i]"
        self.parts.body += [f"u16 c{at}[LANES] ALIGNED;", f"LOOK_UP(c{at}, {self.n(f'pair{at}')}, {index}, LANES);"]

    def _group(self, number: int, group: Group, sides: Sequence[int], spare: Sequence[int], predicate: int) -> None:
        lines, columns = group.grid.shape
        called = ("base", "column", "grid", "leaf", "holds", "won")
        base, column, grid, leaf, holds, won = (self.n(f"{name}{number}") for name in called)
        cells = f"{lines} by {columns} cells, {len(group.leaves)} leaves, {len(group.predicates)} predicates"
        self.parts.arrays += ["", f"/* group {number}: {cells} */"]
        if len(self.flow.groups) == 1:
            index = f"(u32)c{sides[0]}[i] * {columns}u + c{sides[1]}[i]"
        else:
            first, second = (np.pad(of, (0, more), "edge") for of, more in zip(group.classes, spare, strict=True))
            self._array(U32, f"base{number}", (first * columns).tolist())
            self._array(U16, f"column{number}", second.tolist())
            index = f"{base}[c{sides[0]}[i]] + {column}[c{sides[1]}[i]]"
        self._runs(number, group)
        self._leaves(number, group)
        self.parts.body.append(f"LOOK_UP(leaf, {grid}, {index}, LANES);")
        rule = "other" if number else "rule"
        if group.direct:
            index = f"leaf[i] * {len(self.flow.predicates.holds)}u + c{predicate}[i]"
            self.parts.body.append(f"LOOK_UP({rule}, {won}, {index}, LANES);")
        else:
            of = "first_of_chain" if group.chained else "first_of"
            self.parts.body.append(f"EACH {rule}[i] = {of}({leaf}, leaf[i], {holds} + c{predicate}[i]);")
        if number:
            self.parts.body.append("EACH keep_first(rule + i, other[i]);")

    def _runs(self, number: int, group: Group) -> None:
        """The grid, as runs of cells that are not what they are in the line before; the first line, as if after 0."""
        lines, columns = group.grid.shape
        before = np.vstack([np.zeros((1, columns), np.uint16), group.grid[:-1]]).reshape(-1)
        cells = group.grid.reshape(-1)
        changed = np.flatnonzero(cells != before)
        ends_run = (np.diff(changed) != 1) | (np.diff(cells[changed]) != 0) | (changed[1:] % columns == 0)
        first = np.concatenate([[0], np.flatnonzero(ends_run) + 1]) if len(changed) else np.zeros(0, np.intp)
        start = changed[first]
        length = np.diff(np.append(first, len(changed)))
        self._array(U32, f"run{number}", start.tolist())
        self._array(U16, f"length{number}", length.tolist())
        self._array(U16, f"value{number}", cells[start].tolist())
        names = ", ".join(self.n(f"{name}{number}") for name in ("run", "length", "value"))
        grid = self.n(f"grid{number}")
        self.parts.arrays.append(f"static u16 {grid}[{lines * columns}] ALIGNED;")
        self.parts.fill.append(f"fill_grid({grid}, {lines}, {columns}, {names}, {len(start)});")

    def _leaves(self, number: int, group: Group) -> None:
        """What holds in each class of predicates, and each leaf's rules."""
        classes, count = len(self.flow.predicates.holds), len(group.leaves)
        table = np.zeros((classes, 8 * HOLDS), np.uint8)
        for at, predicate in enumerate(group.predicates):
            table[:, at] = [vector >> predicate & 1 for vector in self.flow.predicates.holds]
        table[:, -1] = 1
        self._array(U8, f"class{number}", np.packbits(table, axis=1, bitorder="little").reshape(-1).tolist())
        self._array(U32, f"end{number}", np.cumsum([len(leaf) for leaf in group.leaves]).tolist())
        self._array(U8, f"predicate{number}", [predicate for leaf in group.leaves for predicate, _ in leaf])
        self._array(U16, f"rule{number}", [rule for leaf in group.leaves for _, rule in leaf])
        holds, given = (self.n(f"{name}{number}") for name in ("holds", "class"))
        lists = ", ".join(self.n(f"{name}{number}") for name in ("end", "predicate", "rule"))
        self.parts.arrays.append(f"static predicates {holds}[{classes}] ALIGNED;")
        self.parts.fill.append(f"memcpy({holds}, {given}, sizeof {holds});")
        if group.direct:
            won = self.n(f"won{number}")
            self.parts.arrays.append(f"static u16 {won}[{count * classes}] ALIGNED;")
            self.parts.fill.append(f"fill_won({won}, {count}, {holds}, {classes}, {lists});")
        else:
            leaves = self.n(f"leaf{number}")
            self.parts.arrays.append(f"static leaf_line {leaves}[{group.lines}];")
            self.parts.fill.append(f"fill_leaves({leaves}, {count}, {lists});")

    def _array(self, ctype: CType, name: str, values: Sequence[int]) -> None:
        self.parts.arrays.append(array(ctype, self.n(name), values))


assert LIST_MAX < 16  # the last entry of a leaf_line says that nothing won
