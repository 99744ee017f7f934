"""Which rules of a block fire, told in few bits, and what their actions come to.

One idea: a tournament. Four neighbours send the first of them that holds on to the next round, as the bits that tell it
apart and nothing else; so neither a signal nor a register is ever as wide as the rules, and the depth is the logarithm
of their number. Where every rule of a block counts, words of rules play instead of rules, and the first two win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..verdict import WORD, WORDS_MAX
from .description import Action, BlockOf
from .netlist import FAN_IN, Netlist


@dataclass(frozen=True, slots=True)
class Resolved:
    """Nets. ``bits``: what the verdict says of the block, lowest first; ``punt``: more than it can say. ``chosen``
    gives, for a condition on actions, whether a rule whose action meets it fired."""

    bits: tuple[int, ...]
    punt: int
    chosen: Callable[[Callable[[Action], bool]], int]


@dataclass(slots=True)
class Winner:
    """The first of some conditions that holds: ``hit``, whether any does, and for a number of each its bits."""

    nets: Netlist
    hit: int
    rounds: list[tuple[int, list[int]]] = field(default_factory=list)
    """From the leaves on: places in the round, and which of its four neighbours wins each group, as two bits."""

    def pick(self, values: Sequence[int]) -> int:
        """The net of the winner's value; which one it is where none holds, is open."""
        nets = self.nets
        for places, selects in self.rounds:
            padded = [*values, *[values[-1]] * (-places % FAN_IN)]
            values = [nets.select(select, padded[FAN_IN * i : FAN_IN * (i + 1)]) for i, select in enumerate(selects)]
        return values[0]


def first(nets: Netlist, conditions: Sequence[int]) -> Winner:
    """Who wins among conditions, of which an earlier one comes before a later one."""
    winner = Winner(nets, nets.false)
    holds = list(conditions) or [nets.false]
    while len(holds) > 1:
        groups = [holds[i : i + FAN_IN] for i in range(0, len(holds), FAN_IN)]
        winner.rounds.append((len(holds), [_first_of_four(nets, group) for group in groups]))
        holds = [nets.any(group) for group in groups]
    winner.hit = holds[0]
    return winner


def _first_of_four(nets: Netlist, group: Sequence[int]) -> int:
    """Number of the first that holds, as two bits, or of the last one."""
    padded = [*group, *[nets.true] * (FAN_IN - len(group))]
    # Bits 7 to 0: what is said where the first three are 111 to 000.
    odd, high = (nets.lookup(padded[:3], truth) for truth in (0b01000101, 0b00010001))
    if nets.value(odd) is not None and nets.value(high) is not None:
        return nets.const(2 * nets.nets[high].attrs[0] + nets.nets[odd].attrs[0])
    return nets.make("pair", (odd, high), (), 2)


def lowest(nets: Netlist, x: int) -> int:
    """Number of the lowest bit of x that is 1, or 0."""
    width = nets[x].width
    winner = first(nets, [nets.slice(x, i, 1) for i in range(width)])
    digits = (width - 1).bit_length()
    bits = [winner.pick([nets.const(i >> b & 1) for i in range(width)]) for b in range(digits)]
    return nets.make("concat", [nets.all((bit, winner.hit)) for bit in bits], (), digits)


def resolve(nets: Netlist, block: BlockOf, when: Sequence[int]) -> Resolved:
    """The nets of a block; ``when`` are those of its rules' conditions."""
    if block.mode == "first":
        return _first_wins(nets, block, when)
    fired = list(when)
    if block.default:
        fired[-1] = nets.all((fired[-1], nets.invert(nets.any(fired[:-1]))))

    def chosen(wanted: Callable[[Action], bool]) -> int:
        return nets.any(f for f, action in zip(fired, block.actions, strict=True) if wanted(action))

    if len(fired) <= WORD:
        return Resolved(tuple(fired), nets.false, chosen)
    words = [fired[i : i + WORD] for i in range(0, len(fired), WORD)]
    bits, punt = _first_words(nets, words)
    return Resolved(tuple(bits), punt, chosen)


def _first_wins(nets: Netlist, block: BlockOf, when: Sequence[int]) -> Resolved:
    # A place that nobody holds stands before the rules, so that the number of a place is the index to be told.
    winner = first(nets, [nets.false, *when])
    width = block.shape.width
    bits = [[nets.const(i >> b & 1) for i in range(len(when) + 1)] for b in range(width)]
    index = [nets.all((winner.hit, winner.pick(column))) for column in bits]

    def chosen(wanted: Callable[[Action], bool]) -> int:
        does = [wanted(action) for action in block.actions]
        if not any(does):
            return nets.false
        # The empty place does what its neighbour does: it never wins, and equal neighbours need no logic.
        return nets.all((winner.hit, winner.pick([nets.const(int(d)) for d in (does[0], *does)])))

    return Resolved(tuple(index), nets.false, chosen)


@dataclass(slots=True)
class _Words:
    """The first words of a group that are not zero: for each whether it is there, its number and its bits; ``over``:
    there are more."""

    there: list[int]
    numbers: list[list[int]]
    bits: list[list[int]]
    over: int


def _first_words(nets: Netlist, words: Sequence[Sequence[int]]) -> tuple[list[int], int]:
    """(bits of the words that are told, whether there are more)."""
    digits = (len(words) - 1).bit_length()
    groups = [_leaf(nets, number, word, digits) for number, word in enumerate(words)]
    while len(groups) > 1:
        pairs = [_join(nets, a, b) for a, b in zip(groups[0::2], groups[1::2], strict=False)]
        groups = pairs + groups[2 * len(pairs) :]
    (won,) = groups
    out: list[int] = []
    for i in range(WORDS_MAX):
        out += [nets.all((won.there[i], x)) for x in (nets.true, *won.numbers[i], *won.bits[i])]
    return out, won.over


def _leaf(nets: Netlist, number: int, word: Sequence[int], digits: int) -> _Words:
    padded = [*word, *[nets.false] * (WORD - len(word))]
    digit_nets = [nets.const(number >> b & 1) for b in range(digits)]
    return _Words([nets.any(word), nets.false], [digit_nets] * WORDS_MAX, [padded] * WORDS_MAX, nets.false)


def _join(nets: Netlist, a: _Words, b: _Words) -> _Words:
    """Two groups, the words of a before those of b."""

    def pick(condition: int, then: Iterable[int], other: Iterable[int]) -> list[int]:
        return [nets.mux(condition, x, y, 1, False) for x, y in zip(then, other, strict=True)]

    (a1, a2), (b1, b2) = a.there, b.there
    there = [nets.any((a1, b1)), nets.any((a2, nets.all((a1, b1)), b2))]
    over = nets.any((a.over, b.over, nets.all((a2, b1)), nets.all((a1, b2))))
    numbers, bits = (
        [pick(a1, mine[0], other[0]), pick(a2, mine[1], pick(a1, other[0], other[1]))]
        for mine, other in ((a.numbers, b.numbers), (a.bits, b.bits))
    )
    return _Words(there, numbers, bits, over)
