"""Pass: how far the captured bytes of an event have to be counted, so that back ends can count in narrow columns.

One idea: evaluate the graph with a count that stops at ``most``. Each node gets a *floor*: its value is right, or both
the right one and the computed one are at least the floor. So a comparison with what lies below the floor is decided,
the smaller of two values is at worst a floor again (whatever becomes of the comparison that chooses it), and if in the
end every root is right, nothing can tell the saturated count from the whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import Node

NARROW = 0xFFFF
"""What 16 bits hold."""
RIGHT = 1 << 200
"""Floor of a value that is right everywhere: above all values."""


def captured_most(plan: Plan) -> int:
    """NARROW if a count of captured bytes that stops there gives every root its value, else CAPTURE_MAX."""
    floors = _floors(plan.nodes, NARROW)
    return NARROW if all(floors[root] == RIGHT for root in plan.roots) else CAPTURE_MAX


def _floors(nodes: Sequence[Node], most: int) -> list[int]:
    """The floor of every node. Each is at least the node's ``lo``, which says nothing."""
    floors: list[int] = []
    for ref, node in enumerate(nodes):
        if node.op == "captured":
            floors.append(RIGHT if node.attrs[0] <= most else most)
            continue
        right = all(floors[a] == RIGHT for a in node.args)
        if node.op == "load":
            right = right and nodes[node.args[0]].hi + node.attrs[0] + node.attrs[1] <= most
        if right:
            floors.append(RIGHT)
            continue
        case = _CASES.get(node.op)
        floor = node.lo if case is None else case(nodes, floors, ref)
        floors.append(max(node.lo, min(floor, RIGHT)))
    return floors


Case = Callable[[Sequence[Node], Sequence[int], int], int]


def _lt(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    a, b = nodes[ref].args
    decided = (floors[b] == RIGHT and nodes[b].hi <= floors[a]) or (floors[a] == RIGHT and nodes[a].hi < floors[b])
    return RIGHT if decided else 0


def _eq(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    a, b = nodes[ref].args
    decided = (floors[b] == RIGHT and nodes[b].hi < floors[a]) or (floors[a] == RIGHT and nodes[a].hi < floors[b])
    return RIGHT if decided else 0


def _member(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    return RIGHT if nodes[ref].attrs[-1] < floors[nodes[ref].args[0]] else 0


def _mux(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    condition, then, other = nodes[ref].args
    if floors[condition] == RIGHT or _compares(nodes, condition, {then, other}):
        return min(floors[then], floors[other])
    return nodes[ref].lo


def _compares(nodes: Sequence[Node], condition: int, arms: set[int]) -> bool:
    """Whether a mux on this condition is the smaller or the larger one of its arms."""
    while nodes[condition].op == "not":
        condition = nodes[condition].args[0]
    return nodes[condition].op == "lt" and set(nodes[condition].args) == arms


def _add(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    a, b = nodes[ref].args
    return min(floors[a] + nodes[b].lo if floors[a] < RIGHT else RIGHT,
               floors[b] + nodes[a].lo if floors[b] < RIGHT else RIGHT)  # fmt: skip


def _sub(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    a, b = nodes[ref].args
    return floors[a] - nodes[b].hi if floors[b] == RIGHT else nodes[ref].lo


def _mul(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    a, b = nodes[ref].args
    if nodes[a].lo < 0 or nodes[b].lo < 0:
        return nodes[ref].lo
    return min(floors[a] * nodes[b].lo if floors[a] < RIGHT else RIGHT,
               floors[b] * nodes[a].lo if floors[b] < RIGHT else RIGHT)  # fmt: skip


def _div(nodes: Sequence[Node], floors: Sequence[int], ref: int) -> int:
    return floors[nodes[ref].args[0]] // nodes[ref].attrs[0]


_CASES: dict[str, Case] = {
    "lt": _lt, "eq": _eq, "member": _member, "mux": _mux, "add": _add, "sub": _sub, "mul": _mul, "div": _div,
}  # fmt: skip
"""Operations that leave something known of an operand that is not right; all others know nothing."""
