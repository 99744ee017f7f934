"""Fields of events as columns: what ``tcp.dstport`` is in each of n events, and in which of them it is there.

One idea: a field means here what it means in a rule, because it is the same nodes of the same graph, evaluated by the
reference model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.diagnostics import nearest
from sevenm.compiler.plan import Plan, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Field, Type, Value
from sevenm.compiler.protocols.packet_fields import packet_fields
from sevenm.compiler.protocols.record_fields import record_fields
from sevenm.compiler.reference import Column, Events, columns_of

TAG = re.compile(r"(?P<path>.+)#(?P<tag>[0-9]+)")
ELEMENT = re.compile(r"(.+)\[([0-9]+)\]")


class FieldError(ValueError):
    """There is no such field, or it has no value; the message says what there is."""


class FieldColumn(NamedTuple):
    """``values`` (n,) in the dtype of ``dtype_of``; ``valid`` (n,) bool: the field is there. Where it is not, the value
    is 0 or empty."""

    values: NDArray[Any]
    valid: NDArray[np.bool_]


def dtype_of(of: Type | None) -> np.dtype[Any]:
    """How a field's values are held: a flag, and the presence of a protocol, as bool; whole numbers, IPv4 addresses
    and MAC addresses as the smallest integer that holds them; scaled numbers as float64; texts as bytes without the
    NULs at their end; IPv6 addresses and byte strings as raw bytes (void)."""
    if of is None or of.is_flag:
        return np.dtype(np.bool_)
    if of.kind == "float":
        return np.dtype(f"<f{of.bits // 8}")
    if of.kind in ("char", "bytes", "ip6"):
        return np.dtype(f"{'S' if of.kind == 'char' else 'V'}{of.bits // 8}")
    if of.scale != 1:
        return np.dtype(np.float64)
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= of.bits)
    return np.dtype(f"<{'i' if of.signed else 'u'}{size}")


class FieldReader:
    """Reads these fields out of batch after batch: of packets, or of bare records of ``layout``. Of a field that occurs
    several times the first occurrence that is there counts; ``vlan.id#2`` is the second one.

    ``types``: by name, None for a protocol. Raises FieldError for a name that is not known or has no value."""

    def __init__(self, names: Sequence[str], layout: Layout | None) -> None:
        g = Graph()
        if layout is None:
            known = packet_fields(g)
        else:
            known = record_fields(g, layout, g.le(g.const(layout.size), g.captured()), g.const(0), 0)
        self._wanted = {name: _occurrences(name, known) for name in names}
        self.types: dict[str, Type | None] = {name: field.type for name, (field, _) in self._wanted.items()}
        found = [value for _, values in self._wanted.values() for value in values]
        roots = [node for value in found for node in (value.valid, *value.parts)]
        nodes, self._new = prune(g.nodes, [*roots, g.false])
        never = self._new[g.false]
        self._plan = Plan("fields", "packet", nodes, (), (), never, never, never)

    def columns(self, events: Events) -> dict[str, FieldColumn]:
        """A column of n values for each field."""
        columns = columns_of(self._plan, events)

        def column(node: int) -> Column:
            found = columns[self._new[node]]
            assert found is not None  # no field depends on state
            return found

        out = {}
        for name, (field, values) in self._wanted.items():
            dtype = dtype_of(field.type)
            held, valid = np.zeros(len(events), dtype), np.zeros(len(events), np.bool_)
            for value in reversed(values):
                there = column(value.valid).astype(np.bool_)
                held[there] = _held([column(part)[there] for part in value.parts], field, dtype)
                valid |= there
            out[name] = FieldColumn(held, np.ones(len(events), np.bool_) if field.type is None else valid)
        return out


def field_columns(names: Sequence[str], layout: Layout | None, events: Events) -> dict[str, FieldColumn]:
    """The columns of these fields in one batch, as a FieldReader gives them. Raises FieldError."""
    return FieldReader(names, layout).columns(events)


def _occurrences(name: str, known: dict[str, Field]) -> tuple[Field, Sequence[Value]]:
    tagged = TAG.fullmatch(name)
    path = tagged["path"] if tagged else ELEMENT.sub(r"\1.\2", name)
    field = known.get(path)
    if field is None:
        close = nearest(path, list(known), 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `sevenm layout packet` lists those of packets"
        raise FieldError(f"there is no field {path}{hint}")
    if field.values is None:
        if field.present is None or tagged:
            raise FieldError(f"{path} has no value; take a field of it")
        present = field.present()
        return field, [Value(present, (present,))]
    values = field.values()
    if not tagged:
        return field, values
    number = int(tagged["tag"])
    if not 1 <= number <= len(values):
        raise FieldError(f"{path} occurs at most {len(values)} times, so there is no {name}")
    return field, values[number - 1 : number]


def _held(parts: list[Column], field: Field, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The raw values, (k,) for each part, as they are held."""
    of = field.type
    if of is None or of.kind in ("int", "time", "ip4", "mac"):
        (raw,) = parts
        if of is not None and of.scale != 1:
            return np.array([float(int(value) * of.scale) for value in raw], dtype)
        return raw.astype(dtype)
    if of.kind == "float":
        sign = 1 << (of.bits - 1)
        # The graph orders floats by their magnitude, negated under a sign.
        parts = [np.array([sign - int(v) if v < 0 else int(v) for v in part], object) for part in parts]
    size = of.bits // 8
    pieces = [[int(v).to_bytes(min(16, size - 16 * at), "big") for v in part] for at, part in enumerate(parts)]
    data = b"".join(piece for row in zip(*pieces, strict=True) for piece in row)
    return np.frombuffer(data, dtype.newbyteorder(">")).astype(dtype)
