"""One net as an Amaranth expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sevenm.compiler.backends.gateware.netlist import INLINE, VECTORS, Netlist

_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "band": "&", "bor": "|", "bxor": "^", "eq": "==",
    "lt": "<", "shl": "<<", "shr": ">>",
}  # fmt: skip


_FOLDED = frozenset({"all", "any", "table", "eq", "lt"})
LINE = 112
FOLDED_MAX = 64
"""Characters of the longest expression that is written within another one."""


class NetText:
    """Names, shapes and expressions of nets. A name is the operation and the net's number."""

    def __init__(self, nets: Netlist, single: frozenset[int] = frozenset()) -> None:
        self._nets = nets
        self._single = single
        self._folded: dict[int, str] = {}

    def name(self, ref: int) -> str:
        op = self._nets[ref].op
        return op if op in VECTORS or op == "size" else f"{op}{ref}"

    def shape(self, ref: int) -> str:
        net = self._nets[ref]
        return f"signed({net.width})" if net.is_signed else str(net.width)

    def unit(self, vector: int) -> int:
        """Bits of one unit of an input vector."""
        return 8 if self._nets[vector].op == "window" else 1

    def use(self, ref: int, bit: bool = False) -> str:
        """A net as an operand; ``bit`` asks for a value of one bit where it is a constant."""
        net = self._nets[ref]
        if ref in self._folded:
            return self._folded[ref]
        if net.op not in INLINE:
            return self.name(ref)
        if net.op == "const":
            value = net.attrs[0]
            if bit:
                return f"C({value}, 1)"
            return f"{value:#x}" if value > 9999 else f"({value})" if value < 0 else str(value)
        args = [self.use(a) for a in net.args]
        if net.op == "slice":
            lsb, width = net.attrs
            return f"{args[0]}[{lsb}]" if width == 1 else f"{args[0]}[{lsb}:{lsb + width}]"
        if net.op == "signed":
            return f"{args[0]}.as_signed()"
        if net.op == "pair":
            return f"Cat({args[0]}, {args[1]})"
        return f"~{args[0]}"

    def fold(self, ref: int, origin: Mapping[int, int]) -> bool:
        """Whether the net is written where it is used, because it is a condition that is used once, and short."""
        if ref not in self._single or self._nets[ref].op not in _FOLDED:
            return False
        text = self.expression(ref, origin)
        if len(text) > FOLDED_MAX:
            return False
        self._folded[ref] = f"({text})"
        return True

    def expression(self, ref: int, origin: Mapping[int, int]) -> str:
        """What a net is assigned; ``origin`` is the first unit of each input vector that this stage still has."""
        net = self._nets[ref]
        args = [self.use(a) for a in net.args]
        first = origin.get(net.args[0], 0) if net.args else 0
        match net.op:
            case "bytes":
                start, count, little = net.attrs
                order = "little_endian" if little or count == 1 else "big_endian"
                return f"{order}({args[0]}, {start - first}, {count})"
            case "flag":
                return f"{args[0]}[{net.attrs[0] - first}]"
            case "align":
                unit, length, *offsets = net.attrs
                places = ", ".join(str(o - first) for o in offsets)
                return f"aligned({args[0]}, {args[1]}, ({places}), {length}{'' if unit == 8 else f', {unit}'})"
            case "mask":
                return f"Mux({args[0]}, {args[1]}, 0)"
            case "mux":
                return f"Mux({args[0]}, {args[1]}, {args[2]})"
            case "table":
                return _table(args[0], self._nets[net.args[0]].width, net.attrs[0])
            case "all":
                return " & ".join(args)
            case "any":
                return " | ".join(args)
            case "concat":
                return f"Cat({', '.join(self.use(a, bit=True) for a in net.args)})"
            case "extend":
                return args[0]
            case "shl" | "shr":
                return f"{args[0]} {_OPERATORS[net.op]} {net.attrs[0]:#x}"
            case op:
                return f"{args[0]} {_OPERATORS[op]} {args[1]}"


def _table(x: str, width: int, bits: int) -> str:
    """Bit x of ``bits`` in the plainest words."""
    size = 1 << width
    ones = [i for i in range(size) if bits >> i & 1]
    zeros = [i for i in range(size) if not bits >> i & 1]
    if len(ones) == 1:
        return f"{x} == {ones[0]}"
    if len(zeros) == 1:
        return f"{x} != {zeros[0]}"
    if ones[-1] - ones[0] + 1 == len(ones):
        if ones[-1] == size - 1:
            return f"{x} >= {ones[0]}"
        if ones[0] == 0:
            return f"{x} <= {ones[-1]}"
    return f"C({bits:#x}, {size}).bit_select({x}, 1)"


def wrapped(before: str, items: Sequence[str], after: str) -> Iterator[str]:
    """``before``, the items with commas, and ``after``, in lines of at most LINE characters."""
    whole = f"{before}{', '.join(items)}{after}"
    if len(whole) <= LINE:
        yield whole
        return
    yield before
    line = ""
    for item in items:
        if line and len(line) + len(item) + 2 > LINE - 4:
            yield f"    {line}"
            line = ""
        line += f"{' ' if line else ''}{item},"
    yield f"    {line}"
    yield after
