"""The numbers of a core by name: its shape, where each block's bits lie, which number a rule or channel has.

One idea: they are worked out once, and the Verilog header, the template and the manifest show the same list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.gateware.words import unique
from sevenm.compiler.plan import Plan
from sevenm.hdl.verdict import WORD, BlockShape
from sevenm.manifest import Bits


@dataclass(frozen=True, slots=True)
class Constant:
    """``width`` in bits, None for a plain number; ``meaning`` is said beside it."""

    name: str
    value: int
    width: int | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of ``m_verdict_blocks``: ``signal`` for a wire of it, ``constant`` where names are capital."""

    signal: str
    constant: str
    bits: Bits


@dataclass(frozen=True, slots=True)
class Numbers:
    """``parts`` of the blocks' bits, ``rules`` and ``channels`` with the names that a header gives them; ``signals``
    names a wire for each channel."""

    parts: tuple[Part, ...]
    rules: tuple[Constant, ...]
    channels: tuple[Constant, ...]
    signals: tuple[str, ...]


def numbers_of(plan: Plan) -> Numbers:
    """What a Plan's core says, in numbers."""
    taken: set[str] = set()
    constants: set[str] = set()
    blocks = [unique(block.name, taken) for block in plan.blocks]
    shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
    parts, at = [], 0
    for name, shape in zip(blocks, shapes, strict=True):
        for part, width in shape.parts:
            if width:
                capital = _capital(f"BLOCK_{name}_{part}", constants)
                parts.append(Part(f"verdict_{name}_{part}", capital, Bits(shape.name, part, at, width)))
            at += width
    rules = tuple(_rules(plan, blocks, shapes, constants))
    channels = tuple(
        Constant(_capital(f"CHANNEL_{channel}", constants), number, None, f"bit of channel {channel}")
        for number, channel in enumerate(plan.channels)
    )
    wires: set[str] = set()
    return Numbers(tuple(parts), rules, channels, tuple(unique(f"channel_{name}", wires) for name in plan.channels))


def _rules(plan: Plan, blocks: Sequence[str], shapes: Sequence[BlockShape], taken: set[str]) -> Iterator[Constant]:
    """For each rule what its block says when it fires: the index, the bit, or the word and the bit in it."""
    for block, name, shape in zip(plan.blocks, blocks, shapes, strict=True):
        for number, rule in enumerate(plan.rules[block.start : block.stop]):
            said = f"rule {block.start + number} of the Plan, {block.name}.{rule.name}"
            own = _capital(f"RULE_{name}_{rule.name}", taken)
            if shape.mode == "first":
                yield Constant(own, number + 1, shape.width, f"index of {said}")
            elif shape.rules <= WORD:
                yield Constant(own, number, None, f"bit of {said}")
            else:
                yield Constant(own, number, None, f"word {number // WORD}, bit {number % WORD} of {said}")


def _capital(name: str, taken: set[str]) -> str:
    return unique(unique(name, set()).upper(), taken)
