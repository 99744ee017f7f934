"""The C that brings a key to its interval or class: the first step of every classifier.

One idea: the values of a key fall into intervals that rows cannot tell apart. A key of at most 16 bits indexes a table;
of a wider one the upper bits do. Of up to 32 bits, such as an address, they lead to a node of a tree of vector
comparisons (``nodes``); of more, to the intervals that start there, and a search finishes. All are filled when the
engine is loaded, from where intervals start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c import nodes
from sevenm.compiler.backends.c.arrays import array
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.ops import Node

TOP_BITS = 12
"""Upper bits of a wide key that index a table."""
U8, U16, U32 = CType(8, False), CType(16, False), CType(32, False)


@dataclass(frozen=True, slots=True)
class Front:
    """Definitions, statements that fill them, and the statements that make column ``out`` (of u16) of ``LANES``.
    ``spare``: how far past the last interval's number a search can get; all of these mean the last interval."""

    arrays: tuple[str, ...]
    fill: tuple[str, ...]
    lines: tuple[str, ...]
    spare: int


def front(
    node: Node, x: str, out: str, starts: Sequence[int], classes: Sequence[int] | None, prefix: str, live: str
) -> Front:
    """``x`` is the column of the key, ``starts`` where its intervals start. ``out`` has the interval's class, or its
    number, or a spare one, without ``classes``. ``prefix`` starts the names of the tables; ``live``: a word of the
    lanes that are looked up, others may be."""
    ctype = type_of(node)
    plain, flip = ctype.unsigned, 1 << (ctype.bits - 1) if ctype.signed else 0
    at = [start + flip for start in starts]
    declared = f"u16 {out}[LANES] ALIGNED;"
    if ctype.bits <= 16:
        values = values_of(at, classes)
        narrow, size = 8 if max(values) < 256 else 16, node.hi + flip + 1
        arrays = [
            array(U16, f"{prefix}_class", values),
            array(U32, f"{prefix}_start", at),
            f"static u{narrow} {prefix}_table[{1 << ctype.bits}] ALIGNED;",
        ]
        fill = f"fill_direct{narrow}({prefix}_table, {size}, {prefix}_start, {prefix}_class, {len(at)});"
        line = f"direct{narrow}_{ctype.name}({out}, {x}, {prefix}_table, {plain.literal(flip)});"
        return Front(tuple(arrays), (fill,), (declared, line), 0)
    if ctype == U32:
        return _by_nodes(node.width, x, out, at, values_of(at, classes), prefix, live)
    bits = ctype.bits if ctype.signed else node.width
    top = min(bits, TOP_BITS)
    half = _half(at, bits - top)
    arrays = [array(plain, f"{prefix}_start", [*at, *[plain.hi] * (2 * half)])]
    if classes is not None:
        arrays.append(array(U16, f"{prefix}_class", [*classes, *[classes[-1]] * (2 * half)]))
    arrays.append(f"static u16 {prefix}_top[{1 << top}] ALIGNED;")
    fill = f"fill_top_{plain.name}({prefix}_top, {1 << top}, {bits - top}, {prefix}_start, {len(at)});"
    given = f"{prefix}_top, {bits - top}, {prefix}_start, {'0' if classes is None else prefix + '_class'}, {half}"
    line = f"search_{ctype.name}({out}, {x}, {given}, {plain.literal(flip)}, lanes_of({live}));"
    return Front(tuple(arrays), (fill,), (declared, line), 2 * half)


def values_of(starts: Sequence[int], classes: Sequence[int] | None) -> list[int]:
    """What is said of each interval."""
    return list(range(len(starts))) if classes is None else list(classes)


def _by_nodes(
    width: int, x: str, out: str, starts: Sequence[int], values: Sequence[int], prefix: str, live: str
) -> Front:
    tree = nodes.build(width, TOP_BITS, starts, values)
    top, node = f"{prefix}_top", f"{prefix}_node"
    arrays = [
        array(U32, f"{prefix}_part", [part for part, _ in tree.top]),
        array(U16, f"{prefix}_root", [number for _, number in tree.top]),
        f"static u16 {top}[{1 << tree.top_bits}] ALIGNED;",
        array(U8, f"{prefix}_used", [len(one.starts) for one in tree.nodes]),
        array(U32, f"{prefix}_start", [start for one in tree.nodes for start in one.starts]),
        array(U16, f"{prefix}_to", [to for one in tree.nodes for to in one.to]),
        f"static axis_node {node}[{len(tree.nodes)}];",
    ]
    fill = (
        f"fill_direct16({top}, {1 << tree.top_bits}, {prefix}_part, {prefix}_root, {len(tree.top)});",
        f"fill_nodes({node}, {len(tree.nodes)}, {prefix}_used, {prefix}_start, {prefix}_to);",
    )
    call = f"nodes_u32({out}, {x}, {width - tree.top_bits}, {top}, {node}, {tree.depth}, {live});"
    return Front(tuple(arrays), fill, (f"u16 {out}[LANES] ALIGNED;", call), 0)


def _half(starts: Sequence[int], shift: int) -> int:
    """First step of a search: twice it is more than the intervals that start inside of one value of the upper bits."""
    inside: dict[int, int] = {}
    for start in starts:
        if start & ((1 << shift) - 1):
            inside[start >> shift] = inside.get(start >> shift, 0) + 1
    most = max(inside.values(), default=0)
    return 1 << (most.bit_length() - 1) if most else 0
