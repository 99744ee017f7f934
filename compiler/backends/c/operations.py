"""Every operation of a Plan in C: a word of 64 condition bits, or what a lane of a column is.

One idea: a table by operation, held against ``sevenm.compiler.plan.ops`` when it is imported. A boolean node is
computed as a word where WORDS has a case for it, all others lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable

from sevenm.compiler.backends.c.forms import LEAVES, Forms, column
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.ops import Node, complete

ELSEWHERE = ("const", "not", "mux", "load", "hit", "value", "old", "known")
"""Operations whose statements are made otherwise than by WORDS and LANES."""
CHAIN_MAX = 32
"""Ranges of a set that are tested one by one; more go to a bitmap (up to 16 bits) or a binary search."""
Condition = Callable[[Forms, Node], str]
Lane = Callable[[Forms, Node, CType], str]


def emit(forms: Forms, ref: int) -> None:
    """The statement that computes a node, whose operands are there."""
    node = forms.nodes[ref]
    if node.op in ("const", "not", "cut") or forms.is_leaf(ref):
        return
    if forms.is_word(ref):
        forms.statement(WORDS[node.op](forms, node), [ref], defines=ref)
        return
    ctype = type_of(node)
    target = column(ref, ctype)
    if node.op == "mux":
        text = _mux(forms, node, ctype, target)
    else:
        text = f"EACH {target}[i] = ({ctype.name})({LANES[node.op](forms, node, ctype)});"
    forms.statement(text, [ref], (target,))


# Words


def _joined(sign: str) -> Condition:
    return lambda forms, node: f" {sign} ".join(map(forms.word, node.args))


def _eq(forms: Forms, node: Node) -> str:
    a, b = node.args
    if all(forms.nodes[x].is_bool for x in node.args):
        return f"~({forms.word(a)} ^ {forms.word(b)})"
    return _compare(forms, "eq", a, b)


def _lt(forms: Forms, node: Node) -> str:
    a, b = node.args
    if all(forms.nodes[x].is_bool for x in node.args):
        return f"~{forms.word(a)} & {forms.word(b)}"
    return _compare(forms, "lt", a, b)


def _compare(forms: Forms, op: str, a: int, b: int) -> str:
    ctype = type_of(forms.nodes[a], forms.nodes[b])
    x, y = forms.graph.value(a), forms.graph.value(b)
    if y is not None:
        return f"{op}k_{ctype.name}({forms.column(a, ctype)}, {ctype.constant(y)})"
    if x is not None:
        return f"{'gt' if op == 'lt' else op}k_{ctype.name}({forms.column(b, ctype)}, {ctype.constant(x)})"
    return f"{op}_{ctype.name}({forms.column(a, ctype)}, {forms.column(b, ctype)})"


def _test_bit(forms: Forms, node: Node) -> str:
    """Bit ``lsb``; past the end of a signed type, its sign."""
    (x,), lsb = node.args, node.attrs[0]
    ctype = type_of(forms.nodes[x])
    mask = ctype.unsigned.literal(1 << min(lsb, ctype.bits - 1))
    return f"testk_{ctype.name}({forms.column(x, ctype)}, {mask})"


def _member(forms: Forms, node: Node) -> str:
    (ref,), attrs = node.args, node.attrs
    ctype = type_of(forms.nodes[ref])
    x, count = forms.column(ref, ctype), len(attrs) // 2
    if count == 1:
        low, span = ctype.constant(attrs[0]), ctype.unsigned.literal(attrs[1] - attrs[0])
        return f"rangek_{ctype.name}({x}, {low}, {span})"
    hint = forms.names.describe(ref) or f"v{ref}"
    if ctype.bits <= 16 and count > CHAIN_MAX:
        return f"in_bitmap_{ctype.name}({x}, {forms.constants.bitmap(f'{hint}_set', ctype, attrs)})"
    low_name = forms.constants.values(f"{hint}_low", ctype, attrs[0::2])
    spans = [hi - lo for lo, hi in zip(attrs[0::2], attrs[1::2], strict=True)]
    span_name = forms.constants.values(f"{hint}_span", ctype.unsigned, spans)
    if count <= CHAIN_MAX:
        return f"in_ranges_{ctype.name}({x}, {low_name}, {span_name}, {count})"
    half = 1 << (count.bit_length() - 1)
    return f"in_sorted_{ctype.name}({x}, {low_name}, {span_name}, {count}, {half})"


WORDS: dict[str, Condition] = {
    "eq": _eq,
    "lt": _lt,
    "all": _joined("&"),
    "any": _joined("|"),
    "band": _joined("&"),
    "bor": _joined("|"),
    "bxor": _joined("^"),
    "bits": _test_bit,
    "member": _member,
}


# Columns


def _mux(forms: Forms, node: Node, ctype: CType, target: str) -> str:
    form, arms = "", []
    for arm in node.args[1:]:
        value = forms.graph.value(arm)
        form += "c" if value is None else "k"
        arms.append(forms.column(arm, ctype) if value is None else ctype.literal(value))
    return f"mux{form}_{ctype.name}({target}, {forms.word(node.args[0])}, {', '.join(arms)});"


def _modular(sign: str) -> Lane:
    """Exact modulo 2**bits, and the result is known to fit."""

    def lane(forms: Forms, node: Node, ctype: CType) -> str:
        a, b = (forms.lane(arg, ctype.modular) for arg in node.args)
        return f"{a} {sign} {b}"

    return lane


def _captured(forms: Forms, node: Node, ctype: CType) -> str:
    most = forms.captured.literal(node.attrs[0])
    return f"c->captured[i] < {most} ? c->captured[i] : {most}"


def _bits(forms: Forms, node: Node, ctype: CType) -> str:
    lsb, width = node.attrs
    source, x = forms.nodes[node.args[0]], type_of(forms.nodes[node.args[0]])
    values = forms.column(node.args[0], x)
    shifted = f"({values}[i] >> {min(lsb, x.bits - 1)})" if lsb else f"{values}[i]"
    if source.lo >= 0 and source.hi >> lsb < 1 << width:
        return shifted
    modular = ctype.modular
    return f"({modular.name}){shifted} & {modular.literal(((1 << width) - 1) & modular.hi)}"


def _signed(forms: Forms, node: Node, ctype: CType) -> str:
    sign = ctype.modular.literal(1 << (node.attrs[0] - 1))
    return f"({forms.lane(node.args[0], ctype.modular)} ^ {sign}) - {sign}"


def _division(forms: Forms, node: Node, ctype: CType) -> str:
    """Floor division by a positive constant, and its remainder."""
    (divisor,) = node.attrs
    source, x = forms.nodes[node.args[0]], type_of(forms.nodes[node.args[0]])
    value, modular = f"{forms.column(node.args[0], x)}[i]", ctype.modular
    divides = node.op == "div"
    if divisor > x.hi:  # the quotient is 0 or -1
        if divides:
            return f"{value} < 0 ? -1 : 0" if source.lo < 0 else "0"
        plus = modular.literal(divisor & modular.hi)
        return f"({modular.name}){value} + ({value} < 0 ? {plus} : 0)" if source.lo < 0 else value
    d = x.literal(divisor)
    if source.lo >= 0:
        return f"{value} {'/' if divides else '%'} {d}"
    if divides:
        return f"{value} / {d} - ({value} % {d} < 0)"
    return f"{value} % {d} + ({value} % {d} < 0 ? {d} : 0)"


def _by_value(forms: Forms, node: Node, ctype: CType) -> str:
    """Quotient or remainder of values that are not negative; 0 by 0."""
    common = type_of(*(forms.nodes[a] for a in node.args)).modular
    a, b = (forms.lane(arg, common) for arg in node.args)
    return f"{b} ? {a} {'/' if node.op == 'quo' else '%'} {b} : 0"


def _shl(forms: Forms, node: Node, ctype: CType) -> str:
    """A result that fits bounds the amount as well, but for a 0 that is shifted; so the amount is masked."""
    modular = ctype.modular
    a, b = forms.lane(node.args[0], modular), forms.lane(node.args[1], CType(32, False))
    return f"{a} << ({b} & {modular.bits - 1}u)"


def _shr(forms: Forms, node: Node, ctype: CType) -> str:
    modular = type_of(forms.nodes[node.args[0]]).modular
    a, b = forms.lane(node.args[0], modular), forms.lane(node.args[1], CType(32, False))
    if forms.nodes[node.args[1]].hi < modular.bits:
        return f"{a} >> {b}"
    return f"{b} < {modular.bits}u ? {a} >> ({b} & {modular.bits - 1}u) : 0"


LANES: dict[str, Lane] = {
    "captured": _captured,
    "bits": _bits,
    "signed": _signed,
    "add": _modular("+"),
    "sub": _modular("-"),
    "mul": _modular("*"),
    "div": _division,
    "mod": _division,
    "quo": _by_value,
    "rem": _by_value,
    "shl": _shl,
    "shr": _shr,
    "band": _modular("&"),
    "bor": _modular("|"),
    "bxor": _modular("^"),
}
complete({*WORDS, *LANES, *LEAVES, *ELSEWHERE}, "the C back end")
