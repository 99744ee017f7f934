"""The fields of a user's schema, read from wherever a record starts."""

from __future__ import annotations

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.layout import Field as LayoutField
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Field, Region, Type, Value

FLOAT_EXPONENT_BITS = {32: 8, 64: 11}
ELEMENTS_MAX = 64
"""Elements of an array that rules can tell apart."""


def record_fields(graph: Graph, layout: Layout, valid: int, base: int, disp: int) -> dict[str, Field]:
    """Fields of a record that starts at ``base + disp`` and is wholly there where ``valid``.

    An array of numbers is a field of several values; ``name[2]`` picks one (``name.2`` in this mapping).
    """
    reader = _Reader(graph, layout, valid, base, disp)
    fields: dict[str, Field] = {}
    for field in layout.fields:
        fields[field.name] = reader.field(field)
        if field.count > 1 and field.kind not in ("char", "bytes"):
            for element in range(min(field.count, ELEMENTS_MAX)):
                fields[f"{field.name}.{element}"] = reader.field(field, element)
    return fields


def float_key(raw: int, bits: int) -> int:
    """The integer that orders a finite IEEE 754 value: its magnitude bits, negated under a sign; both zeros are 0."""
    magnitude = raw & ((1 << (bits - 1)) - 1)
    return -magnitude if raw >> (bits - 1) else magnitude


class _Reader:
    def __init__(self, graph: Graph, layout: Layout, valid: int, base: int, disp: int) -> None:
        self.g, self.layout, self.valid, self.base, self.disp = graph, layout, valid, base, disp

    def field(self, field: LayoutField, element: int | None = None) -> Field:
        about = " ".join(filter(None, (f"schema {self.layout.name}", field.unit and f"in {field.unit}")))
        start = self.disp + field.offset
        if field.kind in ("char", "bytes"):
            end = self.g.add(self.base, self.g.const(start + field.count))
            region = Region(self.valid, self.base, start, end)
            parts = tuple(
                self.g.load(self.base, start + at, min(16, field.count - at)) for at in range(0, field.count, 16)
            )
            value = Value(self.valid, parts)
            return Field(field.name, about, Type(field.kind, 8 * field.count), lambda: (value,), lambda: region)
        elements = range(field.count) if element is None else (element,)
        values = tuple(self._element(field, start + i * field.size) for i in elements)
        name = field.name if element is None else f"{field.name}[{element}]"
        return Field(name, about, _type(field), lambda: values)

    def _element(self, field: LayoutField, start: int) -> Value:
        g, valid = self.g, self.valid
        bits = 8 * field.size
        node = g.load(self.base, start, field.size, self.layout.little and field.kind not in ("mac", "ip4", "ip6"))
        if field.bits is not None:
            first, width = field.bits
            node, bits = g.bits(node, bits - first - width, width), width
        if field.null is not None:
            valid = g.all(valid, g.ne(node, g.const(field.null)))
        if field.kind in ("int", "fixed"):
            node = g.signed(node, bits)
        elif field.kind == "float":
            sign, magnitude = g.bits(node, bits - 1, 1), g.bits(node, 0, bits - 1)
            infinity = ((1 << FLOAT_EXPONENT_BITS[bits]) - 1) << (bits - 1 - FLOAT_EXPONENT_BITS[bits])
            valid = g.all(valid, g.le(magnitude, g.const(infinity)))
            node = g.mux(sign, g.sub(g.const(0), magnitude), magnitude)
        return Value(valid, (node,))


def _type(field: LayoutField) -> Type:
    bits = field.bits[1] if field.bits else 8 * field.size
    kind = "int" if field.kind in ("uint", "int", "fixed") else field.kind
    return Type(kind, bits, field.kind in ("int", "fixed"), field.scale, field.enum)
