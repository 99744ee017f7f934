"""Typed values to nodes: every occurrence of a value is a node that says whether it is there, and its parts.

One idea: the typed tree has settled names, types and scales; what remains is one operation of the graph per node.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from sevenm.compiler.check import typed
from sevenm.compiler.plan.graph import LOAD_MAX, Graph
from sevenm.compiler.protocols.fields import Field, Value


class Values:
    """Lowers values over the fields of one source, bound to the graph."""

    def __init__(self, graph: Graph, fields: Mapping[str, Field]) -> None:
        self.g, self.fields = graph, fields

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
            case _:
                raise AssertionError(f"no lowering of {type(value).__name__}")

    def chunks(self, data: bytes) -> tuple[int, ...]:
        """Constants for a byte string, in the parts that its fields have."""
        parts = (data[at : at + LOAD_MAX] for at in range(0, len(data), LOAD_MAX))
        return tuple(self.g.const(int.from_bytes(part, "big")) for part in parts)

    def _field(self, value: typed.FieldValue) -> tuple[Value, ...]:
        field = self.fields[value.path]
        values = field.values() if field.values is not None else ()
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
