"""The C that brings a key to its interval or class: the first step of every classifier.

One idea: the values of a key fall into intervals that rows cannot tell apart. A key of at most 16 bits indexes a table;
of a wider one the upper bits do, which leads to the intervals that start there, and a search finishes. Both are filled
when the engine is loaded, from where intervals start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.arrays import array
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.ops import Node

TOP_BITS = 12
"""Upper bits of a wide key that index a table."""
U16, U32 = CType(16, False), CType(32, False)


@dataclass(frozen=True, slots=True)
class Front:
    """Definitions, statements that fill them, and the statements that make column ``out`` (of u16) of ``LANES``.
    ``spare``: how far past the last interval's number a search can get; all of these mean the last interval."""

    arrays: tuple[str, ...]
    fill: tuple[str, ...]
    lines: tuple[str, ...]
    spare: int


def front(
    node: Node, x: str, out: str, starts: Sequence[int], classes: Sequence[int] | None, prefix: str, lanes: str
) -> Front:
    """``x`` is the column of the key, ``starts`` where its intervals start. ``out`` has the interval's class, or its
    number, or a spare one, without ``classes``. ``prefix`` starts the names of the tables; ``lanes`` bounds how many
    are looked up."""
    ctype = type_of(node)
    plain, flip = ctype.unsigned, 1 << (ctype.bits - 1) if ctype.signed else 0
    at = [start + flip for start in starts]
    declared = f"u16 {out}[LANES] ALIGNED;"
    if ctype.bits <= 16:
        values = list(range(len(at))) if classes is None else list(classes)
        narrow, size = 8 if max(values) < 256 else 16, node.hi + flip + 1
        arrays = [
            array(U16, f"{prefix}_class", values),
            array(U32, f"{prefix}_start", at),
            f"static u{narrow} {prefix}_table[{1 << ctype.bits}] ALIGNED;",
        ]
        fill = f"fill_direct{narrow}({prefix}_table, {size}, {prefix}_start, {prefix}_class, {len(at)});"
        line = f"direct{narrow}_{ctype.name}({out}, {x}, {prefix}_table, {plain.literal(flip)});"
        return Front(tuple(arrays), (fill,), (declared, line), 0)
    bits = ctype.bits if ctype.signed else node.width
    top = min(bits, TOP_BITS)
    half = _half(at, bits - top)
    arrays = [array(plain, f"{prefix}_start", [*at, *[plain.hi] * (2 * half)])]
    if classes is not None:
        arrays.append(array(U16, f"{prefix}_class", [*classes, *[classes[-1]] * (2 * half)]))
    arrays.append(f"static u16 {prefix}_top[{1 << top}] ALIGNED;")
    fill = f"fill_top_{plain.name}({prefix}_top, {1 << top}, {bits - top}, {prefix}_start, {len(at)});"
    given = f"{prefix}_top, {bits - top}, {prefix}_start, {'0' if classes is None else prefix + '_class'}, {half}"
    line = f"search_{ctype.name}({out}, {x}, {given}, {plain.literal(flip)}, {lanes});"
    return Front(tuple(arrays), (fill,), (declared, line), 2 * half)


def _half(starts: Sequence[int], shift: int) -> int:
    """First step of a search: twice it is more than the intervals that start inside of one value of the upper bits."""
    inside: dict[int, int] = {}
    for start in starts:
        if start & ((1 << shift) - 1):
            inside[start >> shift] = inside.get(start >> shift, 0) + 1
    most = max(inside.values(), default=0)
    return 1 << (most.bit_length() - 1) if most else 0
