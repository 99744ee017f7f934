"""Typed values to nodes: every occurrence of a value is a node that says whether it is there, and its parts.

One idea: the typed tree has settled names, types and scales; what remains is one operation of the graph per node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from sevenm.compiler.check import typed
from sevenm.compiler.lower.parts import Parts
from sevenm.compiler.plan.ops import LOAD_MAX
from sevenm.compiler.protocols.fields import Field, Value


class Values:
    """Lowers values over the fields of one source, bound to the graph of ``parts``."""

    def __init__(self, parts: Parts, fields: Mapping[str, Field]) -> None:
        self.parts, self.g, self.fields = parts, parts.g, fields

    def of(self, value: typed.Value) -> tuple[Value, ...]:
        """The occurrences of a value. Raises RangeError past 128 bits."""
        g = self.g
        match value:
            case typed.FieldValue():
                return self._field(value)
            case typed.Bytes():
                return (self._bytes(value),)
            case typed.Extract():
                bits = value.type.bits
                return tuple(Value(v.valid, (g.bits(v.node, value.lsb, bits),)) for v in self._field(value.of))
            case typed.Constant():
                return (Value(g.true, self._constant(value)),)
            case typed.Scaled():
                return tuple(Value(v.valid, (g.mul(v.node, g.const(value.factor)),)) for v in self.of(value.of))
            case typed.Arithmetic():
                return self._arithmetic(value)
            case typed.Divided():
                return tuple(self._divided(value, v) for v in self.of(value.of))
            case typed.Limited():
                return tuple(Value(v.valid, (self._limited(value, v.node),)) for v in self.of(value.of))
            case typed.Lookup():
                return tuple(self._lookup(value, keys) for keys in self.keys(value.table, value.keys))
            case typed.Prev():
                return (self._prev(value),)
            case _:
                raise AssertionError(f"no lowering of {type(value).__name__}")

    def chunks(self, data: bytes) -> tuple[int, ...]:
        """Constants for a byte string, in the parts that its fields have."""
        parts = (data[at : at + LOAD_MAX] for at in range(0, len(data), LOAD_MAX))
        return tuple(self.g.const(int.from_bytes(part, "big")) for part in parts)

    def _field(self, value: typed.FieldValue) -> tuple[Value, ...]:
        field = self.fields[value.path]
        values = field.values() if field.values is not None else ()
        for number, one in enumerate(values, 1):
            label = field.name if len(values) == 1 else f"{field.name}#{number}"
            self.parts.call(one.node, "field", label, value.span)
        return values if value.tag is None else values[value.tag - 1 : value.tag]

    def _bytes(self, value: typed.Bytes) -> Value:
        g, field = self.g, self.fields[value.path]
        assert field.region is not None  # checked: the field is a run of bytes
        region = field.region()
        start = region.disp + value.start
        valid = g.all(region.valid, g.le(g.add(region.base, g.const(start + value.length)), region.end))
        parts = range(0, value.length, LOAD_MAX)
        return Value(valid, tuple(g.load(region.base, start + p, min(LOAD_MAX, value.length - p)) for p in parts))

    def _constant(self, value: typed.Constant) -> tuple[int, ...]:
        if value.is_text:
            return self.chunks(value.lo.to_bytes(value.type.bits // 8, "big"))
        return (self.g.const(value.lo),)

    def _arithmetic(self, value: typed.Arithmetic) -> tuple[Value, ...]:
        g = self.g
        operation = {"+": g.add, "-": g.sub, "*": g.mul, "&": g.band, "|": g.bor, "^": g.bxor}[value.op]
        pairs = product(self.of(value.left), self.of(value.right))
        return tuple(Value(g.all(a.valid, b.valid), (operation(a.node, b.node),)) for a, b in pairs)

    def _divided(self, value: typed.Divided, one: Value) -> Value:
        if value.divisor == 0:
            return Value(self.g.false, one.parts)
        operation = self.g.div if value.op == "/" else self.g.mod
        return Value(one.valid, (operation(one.node, value.divisor),))

    def _limited(self, value: typed.Limited, node: int) -> int:
        g = self.g
        if value.function == "wrap":
            return g.bits(node, 0, value.bits)
        top = g.const((1 << value.bits) - 1)
        low = g.mux(g.lt(node, g.const(0)), g.const(0), node)
        return g.mux(g.lt(top, low), top, low)

    # Tables and state

    def keys(self, table: typed.Table, keys: Sequence[typed.Value]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """For every combination of the keys' values: whether all are there, and the nodes to look up by."""
        widths = [key.type.bits for key in table.keys]
        for one in product(*(self.of(key) for key in keys)):
            nodes = tuple(self.g.bits(v.node, 0, width) for v, width in zip(one, widths, strict=True))
            yield self.g.all(*(v.valid for v in one)), nodes

    def hit(self, table: typed.Table, nodes: Sequence[int]) -> int:
        found = self.g.hit(self.parts.table(table), nodes)
        self.parts.call(found, "table", table.name, table.span)
        return found

    def _lookup(self, value: typed.Lookup, keys: tuple[int, tuple[int, ...]]) -> Value:
        valid, nodes = keys
        valid = self.g.all(valid, self.hit(value.table, nodes))
        found = self.g.value_of(self.parts.table(value.table), value.column, nodes, value.lo, value.hi)
        columns = value.table.columns
        name = value.table.name if len(columns) == 1 else f"{value.table.name}.{columns[value.column].name}"
        self.parts.call(found, "table", name, value.table.span)
        return Value(valid, (found,))

    def _prev(self, value: typed.Prev) -> Value:
        g = self.g
        (of,), keys = self.of(value.of), [self.of(key)[0] for key in value.keys]
        nodes = tuple(g.bits(v.node, 0, key.type.bits) for v, key in zip(keys, value.keys, strict=True))
        entry = self.parts.prev(value, of, keys, nodes)
        known, old = g.known(entry.number), g.old(entry.number, 0, entry.lo, entry.hi)
        for node in (known, old):
            self.parts.call(node, "state", value.name, value.span)
        return Value(g.all(known, *(v.valid for v in keys)), (old,))
