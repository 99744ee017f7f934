"""What lowering adds to a Plan beside the graph: tables, state, and the names of nodes.

One idea: a table is in the Plan once however often it is asked, a named set once for each type that asks it, and two
equal ``prev`` are one state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.check import typed
from sevenm.compiler.check.states import WAYS
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.plan import Cell, Column, Key, Name, Names, Row, State, Table
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.names import name as named
from sevenm.compiler.protocols.fields import Value
from sevenm.tables import ordered


@dataclass(frozen=True, slots=True)
class Entry:
    """A state as rules read it: its number, and the bounds of its one cell."""

    number: int
    lo: int
    hi: int


class Parts:
    """Collected over all rules of a file. ``tables`` and ``states`` are in the order in which rules ask them."""

    def __init__(self, graph: Graph) -> None:
        self.g = graph
        self.tables: list[Table] = []
        self.states: list[State] = []
        self._numbers: dict[object, int] = {}
        self._entries: dict[object, Entry] = {}
        self._names: dict[tuple[int, str, str], Name] = {}

    # Names

    def call(self, node: int, kind: str, text: str, span: Span | None = None) -> None:
        """The node is known by that name, first used at ``span``; a constant says itself what it is."""
        if self.g.value(node) is not None:
            return
        line, column = (span.line, span.column) if span is not None else (0, 0)
        self._names.setdefault((node, kind, text), named(kind, text, line, column))

    def names(self) -> Names:
        return Names.collect((node, name) for (node, _, _), name in self._names.items())

    # Tables

    def table(self, table: typed.Table) -> int:
        """The number of a declared table."""
        if table.name not in self._numbers:
            keys = tuple(Key(key.kind, key.type.bits) for key in table.keys)
            columns = tuple(Column(c.name, 0, (1 << c.type.bits) - 1) for c in table.columns)
            rows = ordered(keys, (Row(row.keys, row.values) for row in table.rows))
            self._numbers[table.name] = self._add(Table(table.name, keys, columns, table.most, rows))
        return self._numbers[table.name]

    def named_set(self, asked: typed.NamedSet) -> int:
        """The number of the table that holds a set as values of its type see it."""
        of = asked.type
        key = (asked.name, of.kind, of.bits, of.signed, of.scale)
        if key not in self._numbers:
            rows = ordered((), (Row((pair,)) for pair in twos_complement(asked.ranges, of.bits)))
            others = sum(isinstance(k, tuple) and k[0] == asked.name for k in self._numbers)
            name = f"{asked.name}_{others + 1}" if others else asked.name
            self._numbers[key] = self._add(Table(name, (Key("range", of.bits),), (), asked.most, rows))
        return self._numbers[key]

    def _add(self, table: Table) -> int:
        self.tables.append(table)
        return len(self.tables) - 1

    # State

    def prev(self, asked: typed.Prev, of: Value, keys: Sequence[Value], nodes: tuple[int, ...]) -> Entry:
        """The state that keeps ``of`` per key; ``nodes`` are the keys as unsigned numbers."""
        g = self.g
        when = g.all(of.valid, *(key.valid for key in keys))
        widths = tuple(key.type.bits for key in asked.keys)
        identity = (of.node, when, nodes, widths, asked.most, asked.ttl_ns)
        if identity not in self._entries:
            lo, hi = min(g[of.node].lo, 0), max(g[of.node].hi, 0)
            ways = min(WAYS, asked.most)
            sets = 1 << (-(-asked.most // ways) - 1).bit_length()
            cell = Cell(asked.of.name, lo, hi)
            self._entries[identity] = Entry(len(self.states), lo, hi)
            self.states.append(
                State(asked.name, sets, ways, asked.ttl_ns, (cell,), widths, nodes, nodes, when, (of.node,))
            )
        return self._entries[identity]


def twos_complement(ranges: Sequence[tuple[int, int]], bits: int) -> list[tuple[int, int]]:
    """Ranges of raw values as ranges of unsigned keys of that width."""
    out = []
    for lo, hi in ranges:
        if lo < 0:
            out.append((lo + (1 << bits), min(hi, -1) + (1 << bits)))
        if hi >= 0:
            out.append((max(lo, 0), hi))
    return sorted(out)
