"""Look-ups as nets: one memory for each table and keys, which takes its cycles like any part of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.lookup import lookup_latency
from .netlist import Netlist
from .nodes import Node
from .tables import Table


class Lookups:
    """The nets of look-ups in these tables."""

    def __init__(self, nets: Netlist, tables: Sequence[Table]) -> None:
        self._nets = nets
        self._tables = tables

    def net(self, node: Node, keys: Sequence[int]) -> int:
        """A hit, or the value of a column, signed where it can be negative."""
        nets, found = self._nets, self._found(node.attrs[0], keys)
        if node.op == "hit":
            return nets.slice(found, 0, 1)
        shape, column = self._tables[node.attrs[0]], node.attrs[1]
        width = shape.widths[column]
        value = nets.slice(found, 1 + sum(shape.widths[:column]), width)
        return nets.make("signed", (value,), (), width, True) if shape.values[column][0] < 0 else value

    def _found(self, table: int, keys: Sequence[int]) -> int:
        """The hit, and above it the values. The bank comes with the packet, so one packet sees one generation."""
        nets, shape = self._nets, self._tables[table].memory.shape
        bank = nets.make("bank")
        cost = 1 if shape.value_bits else 0
        width = 1 + shape.value_bits
        return nets.make("lookup", (*keys, bank), (table,), width, cost=cost, cycles=lookup_latency(shape))
