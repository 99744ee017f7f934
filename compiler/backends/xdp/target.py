"""What the prefilter's target can compute: 64-bit words, wider values as they are compared, and nothing that lasts.

One idea: one predicate over a node and its operands. What it refuses becomes unknown, which makes the prefilter let
more through; it is never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sevenm.compiler.plan.ops import Node, complete
from sevenm.compiler.refusal import Refused

WINDOWS = (64, 128, 256)
"""Bytes at the start of a packet that the program looks at: the fewest that the rules need."""
RANGES_MAX = 64
"""Ranges of one set that are compared; a larger set is let through with the gaps between its nearest ranges."""
ROWS_MAX = 64
"""Rows that are compared one by one, of a table with several keys or a mask."""
RANGE_ROWS_MAX = 4096
"""Rows of a table with one key that are cut into ranges."""
U64, S64 = 1 << 64, 1 << 63


class NoPrefilter(Refused):
    """Nothing could be dropped; the message says which rule wants everything, or why."""


def is_word(node: Node) -> bool:
    """Whether 64 bits hold its values, as they are or in two's complement."""
    return (node.lo >= 0 and node.hi < U64) or (node.lo >= -S64 and node.hi < S64)


def is_wide(node: Node) -> bool:
    """Whether it is a pair of words."""
    return node.lo >= 0 and node.hi >= U64


def _never(node: Node, args: Sequence[Node]) -> bool:
    return False


def _any(node: Node, args: Sequence[Node]) -> bool:
    return all(is_word(n) or is_wide(n) for n in (node, *args))


def _words(node: Node, args: Sequence[Node]) -> bool:
    return all(map(is_word, (node, *args)))


def _natural(node: Node, args: Sequence[Node]) -> bool:
    return _words(node, args) and all(n.lo >= 0 for n in (node, *args))


def _divides(node: Node, args: Sequence[Node]) -> bool:
    """By a divisor of a word, less than its half where values are negative."""
    return _words(node, args) and node.attrs[0] < (U64 if args[0].lo >= 0 else S64)


def _comparable(node: Node, args: Sequence[Node]) -> bool:
    """All not negative, or all in two's complement."""
    return _any(node, args) and (all(a.lo >= 0 for a in args) or all(a.lo >= -S64 and a.hi < S64 for a in args))


def _bits(node: Node, args: Sequence[Node]) -> bool:
    lsb, width = node.attrs
    return _any(node, args) and (args[0].lo >= 0 or lsb + width <= 64)


def _logic(node: Node, args: Sequence[Node]) -> bool:
    return _any(node, args) and (is_word(node) or all(a.lo >= 0 for a in args))


_CASES: dict[str, Callable[[Node, Sequence[Node]], bool]] = {
    **dict.fromkeys(("time", "port", "old", "known"), _never),
    **dict.fromkeys(("const", "captured", "size", "mux", "all", "any", "not", "hit", "value"), _any),
    "load": lambda node, args: _any(node, ()) and all(is_word(a) and a.hi < S64 for a in args),
    **dict.fromkeys(("add", "sub", "mul", "signed"), _words),
    **dict.fromkeys(("div", "mod"), _divides),
    **dict.fromkeys(("quo", "rem", "shl", "shr"), _natural),
    **dict.fromkeys(("eq", "lt", "member"), _comparable),
    **dict.fromkeys(("band", "bor", "bxor"), _logic),
    "bits": _bits,
}
complete(_CASES, "the XDP back end")


def computes(node: Node, args: Sequence[Node]) -> bool:
    """Whether the program can compute the node from its operands."""
    return _CASES[node.op](node, args)
