"""What a Plan's program says of a packet, as gates: the meaning that the Verilog is proved to have.

One idea: each operation of the graph is written down once more, in bits, from its description in ``plan/ops`` and from
nothing of what makes gateware. A value is as wide as its interval needs, in two's complement, so nothing wraps. A field
at a variable place is chosen by the bits of that place, of which it is proved first which values it can have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sevenm.compiler.backends.gateware.refuse import LACKS
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import Node, complete
from sevenm.hdl.pipeline.values import possible_values

from . import arithmetic as bits_of
from .arithmetic import Bits, constant, extend
from .errors import NotProvable
from .gates import FALSE, TRUE
from .judge import Fact, Judge
from .packet_bits import PacketBits

NEAR = 320
"""Places of a field that are told apart; what lies further away may be anything, each time it is read."""
VALUES_MAX = 256
"""Values in the longest list that a start is proved to be one of."""

REMAINDERS_MAX = 256
"""Remainders of which it is stated beside every question that there are no more."""


def width_of(node: Node) -> int:
    """Bits of the two's complement number that holds every value of a node."""
    return max(node.hi.bit_length(), (-node.lo - 1).bit_length() if node.lo < 0 else 0) + 1


def length_bits(plan: Plan) -> int:
    """Bits of a length that counts past everything that the Plan compares lengths with."""
    most = max([node.attrs[0] for node in plan.nodes if node.op == "captured"], default=0)
    return max(9, (most + 1).bit_length())


class PlanBits:
    """The values of a Plan's nodes: ``values[ref]``, in two's complement."""

    def __init__(self, plan: Plan, packet: PacketBits, judge: Judge) -> None:
        self.plan, self._packet, self._gates, self._judge = plan, packet, packet.gates, judge
        self._nodes = list[Any](plan.nodes)  # of the same form as those of a description
        self._hints = possible_values(self._nodes)
        self._starts = _starts(plan)
        self._chosen: dict[tuple[int, int, bool], Bits] = {}
        self._proved: set[int] = set()
        """Starts of which the values that they can have are proved."""
        self.values: list[Bits] = []

    def build(self, say: Callable[[int], None]) -> None:
        """``say`` is told how many nodes are done. Raises NotProvable, OutOfTime."""
        for ref, node in enumerate(self.plan.nodes):
            if node.op not in CASES:
                raise NotProvable(f"rows of table {self.plan.tables[node.attrs[0]].name} are in memories of the core")
            value = CASES[node.op](self, node)
            self.values.append(extend(value, width_of(node), True))
            if ref in self._starts:
                self._state(ref, node)
            say(ref + 1)

    def flag(self, ref: int) -> int:
        """A boolean node as one literal."""
        return self.values[ref][0]

    # leaves

    def _const(self, node: Node) -> Bits:
        return constant(node.attrs[0], width_of(node))

    def _captured(self, node: Node) -> Bits:
        length, most = self._packet.length, node.attrs[0]
        if most >= self._packet.length_max:
            raise NotProvable(f"a length is compared with {most}")
        bound = constant(most, len(length))
        above = bits_of.less(self._gates, bound, length, False)
        return (*bits_of.choose(self._gates, above, bound, length), FALSE)

    def _size(self, node: Node) -> Bits:
        return (*self._packet.size, FALSE)

    def _time(self, node: Node) -> Bits:
        return (*self._packet.time, FALSE)

    def _port(self, node: Node) -> Bits:
        return (*bits_of.lowest(self._gates, self._packet.source), FALSE)

    def _load(self, node: Node) -> Bits:
        (base,), (disp, count, little) = node.args, node.attrs
        order = range(count) if little else range(count - 1, -1, -1)
        data = [bit for i in order for bit in self._at(base, disp + i, False)]
        (inside,) = self._at(base, disp + count - 1, True)
        return (*(self._gates.both(inside, bit) for bit in data), FALSE)

    # fields at variable places

    def _at(self, base: int, offset: int, is_flag: bool) -> Bits:
        """The byte ``offset`` bytes after a place, or whether it is there."""
        key = (base, offset, is_flag)
        if key not in self._chosen:
            node = self.plan.nodes[base]
            if node.lo < 0:
                raise NotProvable(f"a field may begin {-node.lo} bytes before the packet")
            places = self._hints[base].below(self._nodes[base], min(node.hi, NEAR) + 1)
            if base not in self._proved:
                places = list(range(node.lo, min(node.hi, NEAR) + 1))
            leaves = {place: self._there(place + offset, is_flag) for place in places}
            bits = self.values[base]
            near = self._choice(bits, places, leaves) if places else ()
            if node.hi > NEAR:
                far = tuple(self._gates.unknown() for _ in range(1 if is_flag else 8))
                is_near = bits_of.less(self._gates, bits, constant(NEAR + 1, len(bits)), True)
                near = bits_of.choose(self._gates, is_near, near, far) if places else far
            self._chosen[key] = near
        return self._chosen[key]

    def _there(self, at: int, is_flag: bool) -> Bits:
        return (self._packet.visible(at),) if is_flag else self._packet.byte(at)

    def _choice(self, bits: Bits, places: Sequence[int], leaves: Mapping[int, Bits]) -> Bits:
        """What belongs to the place that the bits are, by the highest bit in which the places differ."""
        if len(places) == 1:
            return leaves[places[0]]
        bit = (places[0] ^ places[-1]).bit_length() - 1
        low = [place for place in places if not place >> bit & 1]
        high = [place for place in places if place >> bit & 1]
        return bits_of.choose(self._gates, bits[bit], self._choice(bits, high, leaves), self._choice(bits, low, leaves))

    def _state(self, ref: int, node: Node) -> None:
        """Proves which values a start, or what it is made of, can have; that is known then beside every question."""
        hint, bits = self._hints[ref], self.values[ref]
        if hint.items is not None and len(hint.items) <= min(VALUES_MAX, node.hi - node.lo):
            fact = Fact(bits, hint.items)
        elif 1 < hint.stride <= VALUES_MAX and hint.items is None:
            fact = Fact(bits[: hint.stride.bit_length() - 1], (hint.rest,))
        else:
            self._proved.add(ref)
            return
        gates = self._gates
        claim = gates.any(bits_of.is_value(gates, fact.bits, value) for value in fact.values)
        if claim == TRUE or self._judge(gates, claim, TRUE) is True:
            self._judge.state(fact)
            self._proved.add(ref)

    # operations

    def _args(self, node: Node, width: int) -> list[Bits]:
        return [extend(self.values[arg], width, True) for arg in node.args]

    def _bits(self, node: Node) -> Bits:
        lsb, width = node.attrs
        return (*extend(self.values[node.args[0]], lsb + width, True)[lsb:], FALSE)

    def _signed(self, node: Node) -> Bits:
        return extend(self.values[node.args[0]], node.attrs[0], True)

    def _sum(self, node: Node) -> Bits:
        a, b = self._args(node, width_of(node))
        return (bits_of.add if node.op == "add" else bits_of.subtract)(self._gates, a, b)

    def _product(self, node: Node) -> Bits:
        """Of the magnitudes where nothing is negative, so that no sign has to be carried through."""
        nodes = [self.plan.nodes[arg] for arg in node.args]
        width = width_of(node)
        if all(n.lo >= 0 for n in nodes):
            a, b = (self.values[arg][:-1] for arg in node.args)
            return (*bits_of.multiply(self._gates, a, b, width - 1), FALSE)
        a, b = self._args(node, width)
        return bits_of.multiply(self._gates, a, b, width)

    def _quotient(self, node: Node) -> Bits:
        """Floor division: of what was made positive by a multiple of the divisor, which is taken off again."""
        x, (divisor,) = self.plan.nodes[node.args[0]], node.attrs
        turns = -(x.lo // divisor) if x.lo < 0 else 0
        wide = width_of(x) + (turns * divisor).bit_length() + 1
        moved = bits_of.add(
            self._gates, extend(self.values[node.args[0]], wide, True), constant(turns * divisor, wide)
        )[: max(1, (x.hi + turns * divisor).bit_length())]  # fmt: skip
        shift = divisor.bit_length() - 1
        if node.op == "mod":
            is_power = divisor == 1 << shift
            return (*(moved[:shift] if is_power else self._remainder(moved, divisor)), FALSE)
        quotient = moved[shift:] if divisor == 1 << shift else bits_of.quotient(self._gates, moved, divisor)
        return bits_of.subtract(self._gates, extend((*quotient, FALSE), wide, True), constant(turns, wide))

    def _remainder(self, x: Bits, divisor: int) -> Bits:
        def below(bits: Bits, most: int) -> None:
            if most <= REMAINDERS_MAX:
                self._judge.state(Fact(bits, tuple(range(most))))

        return bits_of.remainder(self._gates, x, divisor, below)

    def _shift(self, node: Node) -> Bits:
        by = self.values[node.args[1]][:-1]
        left = node.op == "shl"
        x = self.values[node.args[0]]
        return bits_of.shift(self._gates, extend(x, max(len(x), width_of(node)), True), by, left)

    def _bitwise(self, node: Node) -> Bits:
        gates = self._gates
        how = {"band": gates.both, "bor": gates.either, "bxor": gates.differ}[node.op]
        width = max(width_of(node), *(len(self.values[arg]) for arg in node.args))
        return tuple(how(x, y) for x, y in zip(*self._args(node, width), strict=True))

    def _compare(self, node: Node) -> Bits:
        width = max(len(self.values[arg]) for arg in node.args)
        a, b = self._args(node, width)
        if node.op == "eq":
            return bits_of.equal(self._gates, a, b), FALSE
        return bits_of.less(self._gates, a, b, True), FALSE

    def _junction(self, node: Node) -> Bits:
        flags = [self.flag(arg) for arg in node.args]
        return (self._gates.all if node.op == "all" else self._gates.any)(flags), FALSE

    def _not(self, node: Node) -> Bits:
        return self.flag(node.args[0]) ^ 1, FALSE

    def _mux(self, node: Node) -> Bits:
        condition, *others = node.args
        then, other = (extend(self.values[arg], width_of(node), True) for arg in others)
        return bits_of.choose(self._gates, self.flag(condition), then, other)

    def _member(self, node: Node) -> Bits:
        bits = self.values[node.args[0]]
        half = 1 << (len(bits) - 1)
        ranges = [
            (max(lo, -half) + half, min(hi, half - 1) + half)
            for lo, hi in zip(node.attrs[0::2], node.attrs[1::2], strict=True) if lo < half and hi >= -half
        ]  # fmt: skip
        # With its sign inverted a number is that much more, and not negative.
        return bits_of.within(self._gates, (*bits[:-1], bits[-1] ^ 1), ranges), FALSE


def _starts(plan: Plan) -> set[int]:
    """Where fields begin, and the numbers that those are made of."""
    found = {node.args[0] for node in plan.nodes if node.op == "load"}
    for ref in range(len(plan.nodes) - 1, -1, -1):
        node = plan.nodes[ref]
        if ref in found and node.op != "load":
            found.update(arg for arg in node.args if not plan.nodes[arg].is_bool)
    return {ref for ref in found if plan.nodes[ref].op != "const"}


CASES: Mapping[str, Callable[[PlanBits, Node], Bits]] = {
    "const": PlanBits._const, "captured": PlanBits._captured, "size": PlanBits._size, "time": PlanBits._time,
    "port": PlanBits._port, "load": PlanBits._load, "bits": PlanBits._bits, "signed": PlanBits._signed,
    "add": PlanBits._sum, "sub": PlanBits._sum, "mul": PlanBits._product, "div": PlanBits._quotient,
    "mod": PlanBits._quotient, "shl": PlanBits._shift, "shr": PlanBits._shift, "band": PlanBits._bitwise,
    "bor": PlanBits._bitwise, "bxor": PlanBits._bitwise, "eq": PlanBits._compare, "lt": PlanBits._compare,
    "all": PlanBits._junction, "any": PlanBits._junction, "not": PlanBits._not, "mux": PlanBits._mux,
    "member": PlanBits._member,
}  # fmt: skip
complete(CASES, "the proof", refuses=(*LACKS, "hit", "value"))
