"""Constants of the host back end: many tests of one column become one loop over a table; sets become arrays.

One idea: what a rule file lists (ports, networks, words) is data in the generated C, not code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.arrays import array
from sevenm.compiler.backends.c.guards import Guard
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.graph import Graph

TABLE_MIN = 8
"""As many compares of one column with constants become a loop over a table."""
Test = tuple[str, int, CType]
"""Test (eq, lt, gt, range), the column's node, and the type that is compared in."""
TableKey = tuple[str, int, CType, Guard]
"""A test, and where it is needed."""


def columns_of_tests(graph: Graph, refs: Iterable[int], guards: Mapping[int, Guard]) -> dict[TableKey, list[int]]:
    """Groups compares of one column with constants: same test, same operand, same guard, TABLE_MIN or more."""
    groups: defaultdict[TableKey, list[int]] = defaultdict(list)
    for ref in refs:
        test = _test(graph, ref) if ref < len(graph.nodes) else None
        if test is not None:
            groups[*test, guards[ref]].append(ref)
    return {key: members for key, members in groups.items() if len(members) >= TABLE_MIN}


def _test(graph: Graph, ref: int) -> Test | None:
    node = graph[ref]
    constants = [graph.value(a) for a in node.args]
    if node.op == "member":
        x = node.args[0]
        return ("range", x, type_of(graph[x])) if len(node.attrs) == 2 and not graph[x].is_bool else None
    if node.op not in ("eq", "lt") or (constants[0] is None) == (constants[1] is None):
        return None
    name, x = (node.op, node.args[0]) if constants[0] is None else ("gt" if node.op == "lt" else "eq", node.args[1])
    if graph[x].is_bool:
        return None
    return name, x, type_of(*(graph[a] for a in node.args))


@dataclass(frozen=True, slots=True)
class Constants:
    """Adds arrays to ``tables``, the texts of their definitions, and names them: ``unique`` makes a name of a wish."""

    tables: list[str]
    unique: Callable[[str], str]

    def values(self, wish: str, ctype: CType, numbers: Iterable[int]) -> str:
        return self._array(wish, ctype, numbers)

    def bitmap(self, wish: str, ctype: CType, attrs: Sequence[int]) -> str:
        """One bit per value of a type of at most 16 bits, indexed by its pattern; 64 to a word."""
        bits, modulus = 0, 1 << ctype.bits
        for lo, hi in zip(attrs[0::2], attrs[1::2], strict=True):
            run = (1 << (hi - lo + 1)) - 1
            first = lo % modulus
            bits |= run << first
        bits |= bits >> modulus  # a signed range that crosses zero wraps
        words = [bits >> at & (1 << 64) - 1 for at in range(0, modulus, 64)]
        return self._array(wish, CType(64, False), words)

    def _array(self, wish: str, ctype: CType, numbers: Iterable[int]) -> str:
        name = self.unique(wish)
        self.tables.append(array(ctype, name, numbers, per_line=8))
        return name
