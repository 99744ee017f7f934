"""Every operation of a Plan in C that has no branch.

One idea: a BPF comparison is a branch, and the verifier walks both sides of each; so comparisons are arithmetic here,
and a program of any size is walked about once. ``prefilter.c.j2`` has the functions: ``less`` and ``zero`` of words,
which take the cheapest arithmetic that the operands' intervals allow, and ``wide_…`` of pairs of words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sevenm.compiler.backends.xdp.target import S64, is_wide
from sevenm.compiler.passes.visibility import Access
from sevenm.compiler.plan.ops import Node, complete

Text = Callable[[Node, Sequence[Node], Sequence[str]], str]
SMALL = 1 << 62
"""Values below this, of either sign, can be subtracted and the sign looked at."""


def literal(value: int, wide: bool = False) -> str:
    """A constant of 64 bits (modulo), or a pair of them."""
    if wide:
        return f"PAIR({literal(value >> 64)}, {literal(value)})"
    value &= (1 << 64) - 1
    return f"UINT64_C({value if value < 1024 else hex(value)})"


def expression(node: Node, args: Sequence[Node], texts: Sequence[str]) -> str:
    """C of the node's value; ``texts`` are that of its operands, each a word, or a pair if ``is_wide``."""
    return _CASES[node.op](node, args, texts)


def load(access: Access, inside: str | None, at: str, fixed: int | None, window: int) -> str:
    """C of a load: a word, or a pair. ``inside``: when the value counts, None for always. ``fixed``: its place, if that
    does not depend on the packet."""
    order = "le" if access.little else "be"
    place = (
        f"place(work, {at} + {access.disp})" if fixed is None else f"work->bytes + {fixed + access.disp & window - 1}"
    )
    if access.read == 16:
        value = f"wide_{order}({place}, {access.count})"
        return value if inside is None else f"wide_and({value}, {inside})"
    if access.read == 1:
        value = f"byte({place})"
    else:
        value = f"{order}{8 * access.read}({place})"
        if access.count < access.read:
            spare = 8 * (access.read - access.count)
            value = f"{value} & {literal((1 << 8 * access.count) - 1)}" if access.little else f"{value} >> {spare}"
    return value if inside is None else f"({value}) & mask({inside})"


def _joined(sign: str) -> Text:
    return lambda node, args, x: f" {sign} ".join(x)


def _logic(sign: str) -> Text:
    """A word of a pair is its low one."""

    def text(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
        if is_wide(node):
            return f" {sign} ".join(f"(wide){t}" for t in x)
        return f" {sign} ".join(f"(u64){t}" for t in x)

    return text


def _bits(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    lsb, width = node.attrs
    if is_wide(args[0]):
        shifted = f"({x[0]} >> {lsb})" if lsb < 128 else "PAIR(0, 0)"
        if is_wide(node):
            return shifted if width >= 128 - lsb else f"{shifted} & {literal((1 << width) - 1, True)}"
        return f"(u64){shifted}" + (f" & {literal((1 << width) - 1)}" if width < 64 else "")
    if lsb >= 64:
        return literal(0)
    return f"({x[0]} >> {lsb})" + (f" & {literal((1 << width) - 1)}" if width < 64 - lsb else "")


def _signed(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    sign = literal(1 << (node.attrs[0] - 1))
    return f"({x[0]} ^ {sign}) - {sign}"


def _divided(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    """Floor division by a positive constant, and its remainder; the machine divides what is not negative."""
    divisor = literal(node.attrs[0])
    if args[0].lo >= 0:
        return f"{x[0]} {'/' if node.op == 'div' else '%'} {divisor}"
    quotient = f"floor_of({x[0]}, {divisor})"
    return quotient if node.op == "div" else f"{x[0]} - {quotient} * {divisor}"


def _by_value(sign: str) -> Text:
    return lambda node, args, x: f"({x[0]} {sign} ({x[1]} | zero({x[1]}))) & (zero({x[1]}) - 1)"


def _shr(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    shifted = f"{x[0]} >> ({x[1]} & 63)"
    return shifted if args[1].hi < 64 else f"({shifted}) & mask({x[1]} >> 6 ^ 1)"


def _small(*nodes: Node) -> bool:
    return all(n.lo >= -SMALL and n.hi < SMALL for n in nodes)


def _eq(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    if any(map(is_wide, args)):
        return f"wide_zero((wide){x[0]} ^ (wide){x[1]})"
    return f"zero({x[0]} ^ {x[1]})"


def _less(a: str, b: str, nodes: Sequence[Node]) -> str:
    if any(map(is_wide, nodes)):
        return f"wide_less({a}, {b})"
    if _small(*nodes):
        return f"sign({a} - {b})"
    if any(n.lo < 0 for n in nodes):
        return f"less({a} ^ {literal(S64)}, {b} ^ {literal(S64)})"
    return f"less({a}, {b})"


def _lt(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    return _less(x[0], x[1], args)


def member_terms(node: Node, args: Sequence[Node], x: Sequence[str]) -> tuple[list[str], str, str]:
    """One term for each range; the sign between them, and what makes 1 or 0 of all: ``{}`` stands for it. Of small
    values a range is left where one of two differences is negative."""
    wide = is_wide(args[0])
    ranges = [(literal(lo, wide), literal(hi, wide)) for lo, hi in zip(node.attrs[::2], node.attrs[1::2], strict=True)]
    if _small(args[0]):
        return [f"({x[0]} - {lo} | {hi} - {x[0]})" for lo, hi in ranges], "&", "sign({}) ^ 1"
    both = (args[0], args[0])
    return [f"(({_less(x[0], lo, both)} | {_less(hi, x[0], both)}) ^ 1)" for lo, hi in ranges], "|", "{}"


def _member(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    terms, sign, whole = member_terms(node, args, x)
    return whole.format(f" {sign} ".join(terms))


def _mux(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    if is_wide(node):
        return f"(wide){x[2]} ^ wide_and((wide){x[1]} ^ (wide){x[2]}, {x[0]})"
    return f"{x[2]} ^ (({x[1]} ^ {x[2]}) & mask({x[0]}))"


def _captured(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    return f"least(size, {node.attrs[0]})"


def _elsewhere(node: Node, args: Sequence[Node], x: Sequence[str]) -> str:
    raise ValueError(f"{node.op} is no operation of this target")


_CASES: dict[str, Text] = {
    **dict.fromkeys(("load", "time", "port", "old", "known", "hit", "value"), _elsewhere),
    "const": lambda node, _, __: literal(node.attrs[0], is_wide(node)),
    "captured": _captured,
    "size": lambda _, __, ___: "least(size, SIZE_MAX)",
    "bits": _bits,
    "signed": _signed,
    "add": _joined("+"),
    "sub": _joined("-"),
    "mul": _joined("*"),
    "div": _divided,
    "mod": _divided,
    "quo": _by_value("/"),
    "rem": _by_value("%"),
    "shl": lambda _, __, x: f"{x[0]} << ({x[1]} & 63)",
    "shr": _shr,
    "band": _logic("&"),
    "bor": _logic("|"),
    "bxor": _logic("^"),
    "eq": _eq,
    "lt": _lt,
    "all": _joined("&"),
    "any": _joined("|"),
    "not": lambda _, __, x: f"{x[0]} ^ 1",
    "mux": _mux,
    "member": _member,
}
complete(_CASES, "the XDP back end's C")
