"""The verdict that a Plan's program gives, bit by bit, as the gateware's interface tells it (``hdl/verdict``).

One idea: rules, blocks and actions say which bits there are and what each of them means; they are written here a second
time, one bit after the other, without the tournaments and words that the hardware makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sevenm.boundary import PORTS
from sevenm.compiler.plan import Plan, Rule
from sevenm.hdl.verdict import WORD, WORDS_MAX, BlockShape

from . import arithmetic as bits_of
from .arithmetic import Bits, constant
from .gates import FALSE, Gates
from .plan_bits import PlanBits


@dataclass(frozen=True, slots=True)
class VerdictBit:
    """One bit of the verdict: its name for people, and what it is."""

    name: str
    literal: int


def verdict_of(plan: Plan, values: PlanBits, gates: Gates) -> list[VerdictBit]:
    """All bits of the verdict, lowest first."""
    program = _Program(plan, values, gates)
    punt = program.punt
    decided = punt ^ 1
    return [*(VerdictBit(bit.name, gates.both(bit.literal, decided)) for bit in program.bits()),
            VerdictBit("punt", punt)]  # fmt: skip


class _Program:
    def __init__(self, plan: Plan, values: PlanBits, gates: Gates) -> None:
        self.plan, self.values, self.gates = plan, values, gates
        self.fired: list[int] = []
        told: list[list[VerdictBit]] = []
        punt = [values.flag(plan.punt)]
        for block in plan.blocks:
            rules = plan.rules[block.start : block.stop]
            when = [values.flag(rule.when) for rule in rules]
            fired = _fired(gates, block.mode, when, bool(rules) and rules[-1].default)
            self.fired += fired
            bits, more = _told(gates, BlockShape(block.name, block.mode, len(rules)), fired)
            told.append([VerdictBit(f"block {block.name}, {name}", bit) for name, bit in bits])
            punt.append(more)
        self.blocks = [bit for block in told for bit in block] or [VerdictBit("blocks", FALSE)]
        self.punt = gates.any(punt)

    def bits(self) -> Iterator[VerdictBit]:
        """All but ``punt``."""
        plan, gates = self.plan, self.gates
        yield from self.blocks
        for number, name in enumerate(plan.channels):
            does = [fired for fired, rule in self._each() if number in rule.deliver]
            yield VerdictBit(f"channel {name}", gates.any(does))
        if not plan.channels:
            yield VerdictBit("channels", FALSE)
        drop = gates.any(fired for fired, rule in self._each() if rule.drop)
        for port in range(PORTS):
            yield VerdictBit(f"forward to port {port}", gates.both(gates.any(self._sends(port)), drop ^ 1))
        yield VerdictBit("drop", drop)
        yield VerdictBit("malformed", self.values.flag(plan.malformed))
        yield VerdictBit("truncated", self.values.flag(plan.truncated))

    def _each(self) -> Iterator[tuple[int, Rule]]:
        return zip(self.fired, self.plan.rules, strict=True)

    def _sends(self, port: int) -> Iterator[int]:
        """Whether a rule that fired sends the packet to the port, by its number or by a value."""
        gates = self.gates
        for fired, rule in self._each():
            if rule.forward >> port & 1:
                yield fired
            for node in rule.operands:
                bits = self.values.values[node]
                if port < 1 << (len(bits) - 1):
                    yield gates.both(fired, bits_of.is_value(gates, bits, port))


def _fired(gates: Gates, mode: str, when: Sequence[int], default: bool) -> list[int]:
    """For each rule whether it fires."""
    if mode == "all":
        return [*when[:-1], gates.both(when[-1], gates.any(when[:-1]) ^ 1)] if default else list(when)
    out, free = [], 1
    for holds in when:
        out.append(gates.both(free, holds))
        free = gates.both(free, holds ^ 1)
    return out


def _told(gates: Gates, shape: BlockShape, fired: Sequence[int]) -> tuple[list[tuple[str, int]], int]:
    """What the verdict says of a block, and whether that is not all there is to say."""
    if shape.mode == "first":
        # At most one fires, so the bits of its number are those of all that fired together.
        return [
            (f"index bit {b}", gates.any(f for i, f in enumerate(fired, 1) if i >> b & 1)) for b in range(shape.width)
        ], FALSE
    if shape.rules <= WORD:
        return [(f"rule {i}", bit) for i, bit in enumerate(fired)], FALSE
    return _words(gates, shape, fired)


def _words(gates: Gates, shape: BlockShape, fired: Sequence[int]) -> tuple[list[tuple[str, int]], int]:
    """The first words that are not zero, and whether there is one more."""
    digits = (shape.words - 1).bit_length()
    padded = [*fired, *[FALSE] * (-len(fired) % WORD)]
    words = [tuple(padded[i : i + WORD]) for i in range(0, len(padded), WORD)]
    there = [gates.any(word) for word in words]
    out: list[tuple[str, int]] = []
    for place in range(WORDS_MAX):
        number: Bits = constant(0, digits)
        bits: Bits = constant(0, WORD)
        for i in range(len(words) - 1, -1, -1):
            number = bits_of.choose(gates, there[i], constant(i, digits), number)
            bits = bits_of.choose(gates, there[i], words[i], bits)
        valid = gates.any(there)
        names = ("valid", *(f"number bit {b}" for b in range(digits)), *(f"bit {b}" for b in range(WORD)))
        masked = (gates.both(valid, bit) for bit in (*number, *bits))
        out += [(f"word {place}, {name}", bit) for name, bit in zip(names, (valid, *masked), strict=True)]
        there = _rest(gates, there)
    return out, gates.any(there)


def _rest(gates: Gates, there: Sequence[int]) -> list[int]:
    """Without the first that is there."""
    out, earlier = [], FALSE
    for one in there:
        out.append(gates.both(one, earlier))
        earlier = gates.either(earlier, one)
    return out
