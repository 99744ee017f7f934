"""Program to nets: every node becomes pieces that fit between two registers.

One idea: a load that did not come in whole is 0. So a loaded value is carried as (raw bytes, flag) for as long as
possible: a comparison needs the flag as one more input of an AND, not a gate on every bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..axis import BEAT_BYTES
from .description import Program
from .divide import add_cost, offset, quotient, remainder
from .fields import Fields
from .lookups import Lookups
from .members import MemberBuilder, Ranges, unsigned_ranges
from .netlist import Netlist
from .nodes import PORT_MAX, Node
from .reach import window_beats
from .resolve import lowest
from .values import possible_values

EQ_BITS = 8
"""Bits of two variables compared in one piece."""
LT_BITS = 16
"""The same for their order."""


@dataclass(frozen=True, slots=True)
class Value:
    """``net`` where ``flag`` is 1 or None, else 0."""

    net: int
    flag: int | None = None


class Lowering:
    """The nets of a program's nodes: ``net(ref)`` gives that of a node, after ``run``."""

    def __init__(self, program: Program, levels: int, beat_bytes: int = BEAT_BYTES) -> None:
        self.nodes = program.nodes
        self._names = program.names
        self._labels = _labels(program)
        self.nets = Netlist(levels)
        self.beats = window_beats(program, beat_bytes)
        self._members = MemberBuilder(self.nets)
        self._lookups = Lookups(self.nets, program.tables)
        possible = possible_values(program.nodes)
        self._fields = Fields(self.nets, self._members, program, possible, self.beats, beat_bytes, self.net)
        self.window_bytes = self._fields.window_bytes
        self._sight = self._fields.sight
        self._values: list[Value | None] = []
        self._captured: int | None = None

    def run(self) -> None:
        for ref, node in enumerate(self.nodes):
            self.nets.owner = self._labels[ref]
            self._values.append(None if node.op == "captured" else self._lower(ref, node))
            value = self._values[ref]
            if value is not None and ref in self._names:
                self.nets.names.setdefault(value.net, self._names[ref])

    def net(self, ref: int) -> int:
        """The net of a node's value."""
        value = self._values[ref]
        if value is None:
            if self._captured is None:
                self._captured = self._sight.captured()
            return self._captured
        return self._whole(value)

    def _whole(self, value: Value) -> int:
        return value.net if value.flag is None else self.nets.mask(value.flag, value.net)

    def equals(self, ref: int, value: int) -> int:
        """Whether a node has this value."""
        return self._whole(self._test(ref, ((value, value),)))

    # values

    def _load(self, node: Node) -> Value:
        net, flag = self._fields.load(node)
        return Value(net, None if flag == self.nets.true else flag)

    def _value(self, ref: int) -> Value:
        value = self._values[ref]
        return Value(self.net(ref)) if value is None else value

    def _captured_member(self, ranges: Ranges) -> int:
        nets = self.nets
        terms = []
        for lo, hi in ranges:
            at_least = nets.true if lo <= 0 else self._sight.shown(lo - 1)
            above = nets.false if hi < 0 else self._sight.shown(hi)
            terms.append(nets.all((at_least, nets.invert(above))))
        return nets.any(terms)

    def _member(self, value: Value, ranges: Ranges) -> tuple[int, ...]:
        """Conditions that hold together exactly if the value lies in the ranges."""
        nets = self.nets
        net = nets[value.net]
        x = value.net
        wanted = ranges
        if net.is_signed:
            half = 1 << (net.width - 1)
            wanted = unsigned_ranges([(max(lo, -half), min(hi, half - 1)) for lo, hi in ranges], net.width)
            x = nets.slice(value.net, 0, net.width)
        wanted = tuple((max(lo, 0), hi) for lo, hi in wanted if hi >= 0)
        terms = self._members.terms(x, wanted)
        if value.flag is None:
            return terms
        if any(lo <= 0 <= hi for lo, hi in ranges):
            return (nets.any((nets.all(terms), nets.invert(value.flag))),)
        return (*terms, value.flag)

    def _test(self, ref: int, ranges: Ranges) -> Value:
        """Membership of a node's value in ranges, which may go past its interval."""
        node = self.nodes[ref]
        cut = tuple((max(lo, node.lo), min(hi, node.hi)) for lo, hi in ranges if lo <= node.hi and hi >= node.lo)
        if node.op == "captured":
            return Value(self._captured_member(cut))
        return Value(self.nets.all(self._member(self._value(ref), cut)))

    # operations

    def _lower(self, ref: int, node: Node) -> Value:
        if node.lo == node.hi:
            return Value(self.nets.const(node.lo))
        match node.op:
            case "size" | "time":
                return Value(self.nets.make(node.op, width=node.width))
            case "port":
                return Value(lowest(self.nets, self.nets.make("source", width=PORT_MAX + 1)))
            case "load":
                return self._load(node)
            case "hit" | "value":
                return Value(self._lookups.net(node, [self.net(a) for a in node.args]))
            case "bits":
                value = self._value(node.args[0])
                return Value(self.nets.slice(value.net, *node.attrs), value.flag)
            case "signed":
                return self._signed(node)
            case "all":
                return Value(self._conjunction(node))
            case "any":
                return Value(self.nets.any(self.net(a) for a in node.args))
            case "not":
                return Value(self.nets.invert(self.net(node.args[0])))
            case "mux":
                nets = [self.net(a) for a in node.args]
                return Value(self.nets.mux(nets[0], nets[1], nets[2], node.width, node.is_signed))
            case "member":
                return self._test(node.args[0], tuple(zip(node.attrs[0::2], node.attrs[1::2], strict=True)))
            case "eq":
                return self._eq(node)
            case "lt":
                return self._lt(ref, node)
            case "div" | "mod":
                return self._divide(node)
            case "shl" | "shr":
                return self._shift(node)
            case _:
                return self._arithmetic(node)

    def _conjunction(self, node: Node) -> int:
        terms = []
        for arg in node.args:
            value = self._value(arg)
            terms.append(value.net)
            if value.flag is not None:
                terms.append(value.flag)
        return self.nets.all(terms)

    def _signed(self, node: Node) -> Value:
        value = self._value(node.args[0])
        if self.nodes[node.args[0]].hi < 1 << (node.attrs[0] - 1):
            return value
        net = self.nets[value.net]
        if net.width < node.attrs[0]:
            # A value that is known to be narrower than its node says has no sign bit.
            return value
        return Value(self.nets.make("signed", (value.net,), (), node.attrs[0], True), value.flag)

    def _eq(self, node: Node) -> Value:
        nets = self.nets
        for one, two in (node.args, node.args[::-1]):
            if self.nodes[two].op == "const":
                value = self.nodes[two].attrs[0]
                return self._test(one, ((value, value),))
        a, b = (self.net(r) for r in node.args)
        if nets[a].is_signed or nets[b].is_signed:
            return Value(nets.make("eq", (a, b), cost=3))
        terms = []
        for lsb in range(0, max(nets[a].width, nets[b].width), EQ_BITS):
            parts = [nets.slice(x, lsb, EQ_BITS) for x in (a, b)]
            terms.append(self._equal(parts[0], parts[1]))
        return Value(nets.all(terms))

    def _equal(self, a: int, b: int) -> int:
        nets = self.nets
        for one, two in ((a, b), (b, a)):
            value = nets.value(two)
            if value is not None:
                return nets.all(self._members.terms(one, ((value, value),)))
        return nets.make("eq", sorted((a, b)), cost=2)

    def _lt(self, ref: int, node: Node) -> Value:
        nets, nodes = self.nets, self.nodes
        a, b = (nodes[r] for r in node.args)
        if b.op == "const":
            return self._test(node.args[0], ((a.lo, b.attrs[0] - 1),))
        if a.op == "const":
            return self._test(node.args[1], ((a.attrs[0] + 1, b.hi),))
        shown = self._fields.compared(ref)
        if shown is not None:
            return Value(nets.invert(shown) if a.op == "captured" else shown)
        x, y = (self.net(r) for r in node.args)
        width = max(nets[x].width, nets[y].width)
        if width <= LT_BITS or nets[x].is_signed or nets[y].is_signed:
            return Value(nets.make("lt", (x, y), cost=2 if width <= LT_BITS else nets.levels))
        # From the lowest piece up: less if a piece is, or if it is equal and the rest below is less.
        less = nets.false
        for lsb in range(0, width, LT_BITS):
            p, q = nets.slice(x, lsb, LT_BITS), nets.slice(y, lsb, LT_BITS)
            here = self._less(p, q)
            same = nets.all(
                self._equal(nets.slice(p, i, EQ_BITS), nets.slice(q, i, EQ_BITS)) for i in range(0, LT_BITS, EQ_BITS)
            )
            less = nets.any((here, nets.all((same, less))))
        return Value(less)

    def _less(self, a: int, b: int) -> int:
        """Whether a < b, of two pieces."""
        nets = self.nets
        x, y = nets.value(a), nets.value(b)
        if y is not None:
            return nets.all(self._members.terms(a, ((0, y - 1),))) if y else nets.false
        if x is not None:
            return nets.all(self._members.terms(b, ((x + 1, (1 << LT_BITS) - 1),)))
        return nets.make("lt", (a, b), cost=2)

    def _divide(self, node: Node) -> Value:
        nets, divisor, x = self.nets, node.attrs[0], self.net(node.args[0])
        shift = divisor.bit_length() - 1
        if divisor != 1 << shift:
            y, count = offset(nets, x, self.nodes[node.args[0]].lo, divisor)
            if node.op == "mod":
                return Value(remainder(nets, self._members, y, divisor))
            if not count:
                return Value(quotient(nets, y, divisor, node.width))
            high = quotient(nets, y, divisor, max(1, (node.hi + count).bit_length()))
            minus = nets.const(-count)
            return Value(nets.make("add", (high, minus), (), node.width, node.is_signed, add_cost(node.width)))
        if node.op == "mod":
            return Value(nets.slice(x, 0, shift))
        if nets[x].is_signed:
            return Value(nets.make("shr", (x,), (shift,), node.width, node.is_signed))
        return Value(nets.slice(x, shift, max(1, nets[x].width - shift)))

    def _shift(self, node: Node) -> Value:
        """By a constant it is wiring; by a value, one multiplexer a bit of it, highest first for the narrowest ones."""
        nets, count = self.nets, self.nodes[node.args[1]]
        x, by = (self.net(r) for r in node.args)
        if nets.value(by) is None:
            for bit in range(count.width):
                x = self._shifted(node.op, x, 1 << bit, node.width, nets.slice(by, bit, 1))
            return Value(x)
        return Value(self._shifted(node.op, x, count.lo, node.width, nets.true))

    def _shifted(self, op: str, x: int, by: int, width: int, when: int) -> int:
        nets = self.nets
        if op == "shr":
            moved = nets.slice(x, by, nets[x].width - by) if by < nets[x].width else nets.false
            return nets.mux(when, moved, x, nets[x].width, False)
        if by >= width:
            return nets.mux(when, nets.false, x, width, False)
        moved = nets.make("shl", (x,), (by,), min(width, nets[x].width + by), False)
        return nets.mux(when, moved, x, nets[moved].width, False)

    def _arithmetic(self, node: Node) -> Value:
        nets = self.nets
        a, b = (self.net(r) for r in node.args)
        x, y = nets.value(a), nets.value(b)
        if node.op == "mul":
            for factor, other in ((x, b), (y, a)):
                if factor is not None and factor > 0 and factor & (factor - 1) == 0:
                    shift = factor.bit_length() - 1
                    return Value(nets.make("shl", (other,), (shift,), node.width, node.is_signed))
            cost = nets.levels
        elif node.op in ("add", "sub"):
            cost = add_cost(node.width)
        else:
            cost = 0 if x is not None or y is not None else 1
        return Value(nets.make(node.op, (a, b), (), node.width, node.is_signed, cost))


def _labels(program: Program) -> list[str]:
    """For each node the name of what it belongs to: its own one, or that of the first named node that uses it."""
    labels = [program.names.get(ref, "") for ref in range(len(program.nodes))]
    for ref in range(len(program.nodes) - 1, -1, -1):
        for arg in program.nodes[ref].args:
            labels[arg] = program.names.get(arg) or labels[ref] or labels[arg]
    return labels
