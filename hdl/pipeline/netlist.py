"""Nets: what the gateware computes, in pieces that fit between two registers, each with its place in the pipeline.

One idea: a net is placed as soon as it is made. Its operands are placed already, so the earliest stage with enough
logic levels left is known at once; registers between stages follow from where a net is made and where it is used.
Equal nets are made once.

A level is one 6-input look-up table, or a 4:1 multiplexer, or about 16 bits of carry chain.

=========  ===================  ==============================  ===================================================
op         args                 attrs                           value
=========  ===================  ==============================  ===================================================
const                           value                           the value
window                                                          bytes at the start, byte i at bits [8 i + 7 : 8 i]
keep                                                            tkeep of the last beat that counts
place                                                           its number, one more if the packet goes on after it
beat                                                            a beat as it comes, one cycle before its window
origin                                                          the row of the packet's first beat
size                                                            bytes on the wire
bank                                                            which bank of the tables the packet is decided by
slice      x                    lsb, width                      bits of x, two's complement; no net of its own
pair       bit bit                                              two bits as one value, the first one is bit 0
join       x...                                                 values side by side, the first one lowest; no net
concat     bit...                                               bits as one value, the first one is bit 0
extend     x                                                    x, wider
shl shr    x                    bits                            x * 2**bits, floor(x / 2**bits)
signed     x                                                    bits of x read as two's complement
not        bool                                                 no net of its own
bytes      vector               start, count, little            integer of these bytes
flag       vector               index                           one bit of ``keep``
fetch      beat row...          depth, slack, group...          lane i of a memory of ``depth`` beats, in row
                                                                row[group[i]], 0 where the group is -1; the beats are
                                                                written at most ``slack`` stages before
align      vector select...     unit, length, offset...         units [offset[select], + length) of the vector
mask       bool x                                               x if the condition is 1, else 0
table      x                    bits                            bit x of ``bits``; x has at most 4 bits
all any    bool...                                              at most 4 operands
lookup     key... bank          table                           1 if a row matches, and above it the values; it takes
                                                                cycles of its own
add ... mux                                                     as in ``nodes``
=========  ===================  ==============================  ===================================================
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FAN_IN = 4
"""Operands of one ``all`` or ``any``."""
TABLE_BITS = 4
"""Bits of a ``table``'s operand."""
INLINE = frozenset({"const", "slice", "signed", "pair", "join", "not"})
"""Operations without a register or name of their own: they are written where they are used."""
VECTORS = frozenset({"window", "keep", "beat"})
INPUTS = VECTORS | {"place", "origin", "bank", "size", "time", "source"}
"""What comes into the pipeline."""


@dataclass(frozen=True, slots=True)
class Net:
    """``stage`` is the first cycle it can be computed in, counted from the window's; ``depth`` the levels used up to
    here, ``cost`` of them by the net itself. Its operands are used ``cycles`` stages before its own."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[int, ...]
    width: int
    is_signed: bool
    stage: int
    depth: int
    cost: int
    cycles: int = 0


class Netlist:
    """Builds nets. Methods take and return net numbers; operands have smaller numbers than what uses them.

    ``levels`` is the logic levels between two registers.
    """

    def __init__(self, levels: int) -> None:
        if levels < 1:
            raise ValueError(f"levels between registers must be at least 1, not {levels}")
        self.levels = levels
        self.nets: list[Net] = []
        self.owner = ""
        """What is being made: nets get its name, with their operation and number."""
        self.owners: list[str] = []
        self.names: dict[int, str] = {}
        """Nets that are the value of a named expression."""
        self._index: dict[tuple[str, tuple[int, ...], tuple[int, ...], int, bool], int] = {}
        self.false = self.const(0)
        self.true = self.const(1)

    @property
    def rows(self) -> int:
        """Rows of the memories of beats; 0 if nothing is fetched from them."""
        return next((net.attrs[0] for net in self.nets if net.op == "fetch"), 0)

    def __getitem__(self, ref: int) -> Net:
        return self.nets[ref]

    def make(
        self, op: str, args: Sequence[int] = (), attrs: Sequence[int] = (), width: int = 1, is_signed: bool = False,
        cost: int = 0, cycles: int = 0,
    ) -> int:  # fmt: skip
        """The net, placed in the first stage where it fits; ``cost`` is in levels after ``cycles`` registers."""
        key = (op, tuple(args), tuple(attrs), width, is_signed)
        found = self._index.get(key)
        if found is not None:
            return found
        stage = max((self.nets[a].stage for a in args), default=0)
        depth = max((self.nets[a].depth for a in args if self.nets[a].stage == stage), default=0)
        cost = min(cost, self.levels)
        if cycles:
            stage, depth = stage + cycles, 0
        if depth + cost > self.levels:
            stage, depth = stage + 1, 0
        ref = len(self.nets)
        self.nets.append(Net(op, key[1], key[2], width, is_signed, stage, depth + cost, cost, cycles))
        self.owners.append(self.owner)
        self._index[key] = ref
        return ref

    def const(self, value: int) -> int:
        width = max(1, value.bit_length()) if value >= 0 else (-value - 1).bit_length() + 1
        return self.make("const", (), (value,), width, value < 0)

    def value(self, ref: int) -> int | None:
        """The value of a constant, else None."""
        net = self.nets[ref]
        return net.attrs[0] if net.op == "const" else None

    def slice(self, x: int, lsb: int, width: int) -> int:
        """Bits [lsb, lsb + width) of x, which must lie within x if it is unsigned (else the sign goes on)."""
        net = self.nets[x]
        value = self.value(x)
        if value is not None:
            return self.const((value >> lsb) & ((1 << width) - 1))
        if lsb + width > net.width:
            if net.is_signed:
                x = self.make("extend", (x,), (), lsb + width, True)
            elif lsb >= net.width:
                return self.false
            else:
                width = net.width - lsb
        if lsb == 0 and width == net.width and not net.is_signed:
            return x
        if net.op == "slice":
            return self.slice(net.args[0], net.attrs[0] + lsb, width)
        return self.make("slice", (x,), (lsb, width), width)

    # logic

    def invert(self, x: int) -> int:
        net = self.nets[x]
        if net.op == "not":
            return net.args[0]
        value = self.value(x)
        return self.make("not", (x,)) if value is None else self.const(1 - value)

    def all(self, operands: Iterable[int]) -> int:
        return self._junction("all", operands, self.true, self.false)

    def any(self, operands: Iterable[int]) -> int:
        return self._junction("any", operands, self.false, self.true)

    def _junction(self, op: str, operands: Iterable[int], unit: int, zero: int) -> int:
        """A tree of nets of at most FAN_IN operands each; what is there first is combined first."""
        present = set(operands) - {unit}
        if zero in present or any(self.nets[r].op == "not" and self.nets[r].args[0] in present for r in present):
            return zero
        heap = [(self.nets[r].stage, self.nets[r].depth, r) for r in present]
        if not heap:
            return unit
        heapq.heapify(heap)
        # The first group is the one that may be smaller, so that the last one, at the root, is full.
        group = (len(heap) - 2) % (FAN_IN - 1) + 2
        while len(heap) > 1:
            args = sorted(heapq.heappop(heap)[2] for _ in range(group))
            ref = self.make(op, args, cost=1)
            heapq.heappush(heap, (self.nets[ref].stage, self.nets[ref].depth, ref))
            group = FAN_IN
        return heap[0][2]

    def table(self, x: int, bits: int) -> int:
        """Bit x of ``bits``, where x has at most TABLE_BITS bits."""
        net = self.nets[x]
        full = (1 << (1 << net.width)) - 1
        if net.width > TABLE_BITS:
            raise ValueError(f"a table takes at most {TABLE_BITS} bits, not {net.width}")
        bits &= full
        value = self.value(x)
        if value is not None:
            return self.true if bits >> value & 1 else self.false
        if bits in (0, full):
            return self.true if bits else self.false
        if net.width == 1:
            return x if bits == 2 else self.invert(x)
        return self.make("table", (x,), (bits,), cost=1)

    def lookup(self, bits: Sequence[int], truth: int) -> int:
        """Bit v of ``truth``, where v is what at most TABLE_BITS conditions make, the first one lowest."""
        for i, bit in enumerate(bits):
            fixed = self.value(bit)
            if fixed is not None:
                rest = [v for v in range(1 << len(bits)) if v >> i & 1 == fixed]
                left = sum((truth >> v & 1) << number for number, v in enumerate(rest))
                return self.lookup([*bits[:i], *bits[i + 1 :]], left)
        if not bits:
            return self.true if truth & 1 else self.false
        if len(bits) == 1:
            return self.table(bits[0], truth)
        return self.table(self.make("concat", bits, (), len(bits)), truth)

    def mux(self, cond: int, then: int, other: int, width: int, is_signed: bool) -> int:
        c = self.value(cond)
        if c is not None or then == other:
            return then if c or then == other else other
        net = self.nets[cond]
        if net.op == "not":
            return self.make("mux", (net.args[0], other, then), (), width, is_signed, 1)
        return self.make("mux", (cond, then, other), (), width, is_signed, 1)

    def select(self, bits: int, choices: Sequence[int]) -> int:
        """One of four conditions, by a value of two bits."""
        number = self.value(bits)
        if number is not None:
            return choices[number]
        if len(set(choices)) == 1:
            return choices[0]
        if all(self.value(c) is not None for c in choices):
            return self.table(bits, sum(self.nets[c].attrs[0] << i for i, c in enumerate(choices)))
        return self.make("select", (bits, *choices), cost=1)

    def mask(self, cond: int, x: int) -> int:
        """x, unsigned, if the condition holds, else 0."""
        if cond == self.true or self.value(x) == 0:
            return x
        if self.nets[x].is_signed:
            return self.make("mask", (cond, x), (), self.nets[x].width, True, 1)
        if cond == self.false:
            return self.false
        if self.nets[x].width == 1:
            return self.all((cond, x))
        return self.make("mask", (cond, x), (), self.nets[x].width, False, 1)
