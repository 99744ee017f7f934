"""Which values a node can have: a short list, or the bits that all of them share.

One idea: the start of a header takes few values (14, 18 or 22; then a multiple of 4 more), and hardware that moves
bytes gets much smaller where they are known. Operands are taken as independent, so the result may hold values that
never occur, and never misses one that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .nodes import Node

VALUES_MAX = 256
"""Values in the longest list; past it only a stride is kept."""


@dataclass(frozen=True, slots=True)
class Values:
    """``items`` ascending, or None; every value is ``rest`` modulo ``stride`` (a power of two)."""

    items: tuple[int, ...] | None
    stride: int
    rest: int

    def below(self, node: Node, limit: int) -> list[int]:
        """Values in [0, limit) that the node can have, ascending."""
        if self.items is not None:
            return [v for v in self.items if 0 <= v < limit]
        first = node.lo + (self.rest - node.lo) % self.stride
        return [v for v in range(first, min(node.hi + 1, limit), self.stride) if v >= 0]


def _of_items(items: set[int]) -> Values:
    stride = 0
    low = min(items)
    for item in items:
        stride |= item - low
    # The lowest set bit of any difference is the largest power of two that divides all of them.
    step = stride & -stride if stride else 1 << 128
    return Values(tuple(sorted(items)) if len(items) <= VALUES_MAX else None, step, low % step)


def _stride(stride: int, rest: int) -> Values:
    return Values(None, stride, rest % stride)


def possible_values(nodes: Sequence[Node]) -> list[Values]:
    """For every node, what it can be."""
    out: list[Values] = []
    for node in nodes:
        value = _node(node, [nodes[a] for a in node.args], [out[a] for a in node.args])
        if value.items is None and node.hi - node.lo < VALUES_MAX:
            step = min(value.stride, VALUES_MAX)
            first = node.lo + (value.rest - node.lo) % step
            value = _of_items(set(range(first, node.hi + 1, step)) or {node.lo})
        elif value.items is not None:
            value = _of_items({v for v in value.items if node.lo <= v <= node.hi} or {node.lo})
        out.append(value)
    return out


def _node(node: Node, args: list[Node], values: list[Values]) -> Values:
    lists = [v.items for v in values]
    match node.op:
        case "const":
            return _of_items({node.attrs[0]})
        case "mux":
            then, other = lists[1:]
            if then is not None and other is not None:
                return _of_items({*then, *other})
            return _join(values[1], values[2])
        case "add" | "sub":
            a, b = lists
            sign = 1 if node.op == "add" else -1
            if a is not None and b is not None and len(a) * len(b) <= VALUES_MAX**2:
                sums = {x + sign * y for x in a for y in b}
                if len(sums) <= VALUES_MAX:
                    return _of_items(sums)
            stride = min(values[0].stride, values[1].stride)
            return _stride(stride, values[0].rest + sign * values[1].rest)
        case "mul":
            for constant, other_values in ((lists[0], values[1]), (lists[1], values[0])):
                if constant is not None and len(constant) == 1 and constant[0]:
                    factor = constant[0]
                    if other_values.items is not None:
                        return _of_items({factor * v for v in other_values.items})
                    return _stride(other_values.stride * (factor & -factor), other_values.rest * factor)
        case "band":
            for mask_list, other in ((lists[0], lists[1]), (lists[1], lists[0])):
                if mask_list is None or len(mask_list) != 1 or mask_list[0] < 0:
                    continue
                mask = mask_list[0]
                if other is not None:
                    return _of_items({v & mask for v in other})
                if mask.bit_count() <= 8:
                    return _of_items(_submasks(mask))
        case "bits":
            if lists[0] is not None:
                lsb, width = node.attrs
                return _of_items({(v >> lsb) & ((1 << width) - 1) for v in lists[0]})
    return Values(None, 1, 0)


def _join(a: Values, b: Values) -> Values:
    stride = min(a.stride, b.stride)
    while (a.rest - b.rest) % stride:
        stride //= 2
    return _stride(stride, a.rest)


def _submasks(mask: int) -> set[int]:
    out, sub = {0}, mask
    while sub:
        out.add(sub)
        sub = (sub - 1) & mask
    return out
