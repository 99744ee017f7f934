"""Which rules fire and what the actions of those add up to, in nets.

One idea: "an earlier rule of the block fired" is an OR over a prefix, so the prefixes are made once, in a tree of
fours: logarithmic in the number of rules, and about two look-up tables a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.compiler.backends.gateware.lower import Lowering
from sevenm.compiler.backends.gateware.netlist import FAN_IN, Netlist
from sevenm.compiler.plan import PORTS, Plan


@dataclass(frozen=True, slots=True)
class Verdict:
    """Net numbers of the verdict's bits, index 0 first."""

    fired: tuple[int, ...]
    channels: tuple[int, ...]
    forward: tuple[int, ...]
    drop: int
    malformed: int
    truncated: int

    @property
    def roots(self) -> tuple[int, ...]:
        return (*self.fired, *self.channels, *self.forward, self.drop, self.malformed, self.truncated)


def lower_verdict(plan: Plan, lowering: Lowering) -> Verdict:
    nets = lowering.nets
    fired: list[int] = []
    for block in plan.blocks:
        rules = plan.rules[block.start : block.stop]
        when = [lowering.boolean(r.when) for r in rules]
        if block.mode == "first":
            fired += first_match(nets, when)
            continue
        if rules and rules[-1].default:
            when[-1] = nets.all((when[-1], nets.invert(nets.any(when[:-1]))))
        fired += when
    drop = nets.any(fired[i] for i, r in enumerate(plan.rules) if r.drop)
    kept = nets.invert(drop)
    return Verdict(
        fired=tuple(fired),
        channels=tuple(
            nets.any(fired[i] for i, r in enumerate(plan.rules) if c in r.deliver) for c in range(len(plan.channels))
        ),
        forward=tuple(
            nets.all((nets.any(fired[i] for i, r in enumerate(plan.rules) if r.forward >> p & 1), kept))
            for p in range(PORTS)
        ),
        drop=drop,
        malformed=lowering.boolean(plan.malformed),
        truncated=lowering.boolean(plan.truncated),
    )


def first_match(nets: Netlist, when: list[int]) -> list[int]:
    """Each condition and none of those before it."""
    before = _prefix_any(nets, when)
    return [nets.all((w, nets.invert(b))) for w, b in zip(when, before, strict=True)]


def _prefix_any(nets: Netlist, terms: list[int]) -> list[int]:
    """For each term the OR of all terms before it."""
    levels = [terms]
    while len(levels[-1]) > FAN_IN:
        below = levels[-1]
        levels.append([nets.any(below[i : i + FAN_IN]) for i in range(0, len(below), FAN_IN)])
    before = [nets.false]
    for level in reversed(levels):
        # `before` has one entry for each group of this level.
        before = [
            nets.any((before[i // FAN_IN], *level[i - i % FAN_IN : i])) for i in range(len(level))
        ]  # fmt: skip
    return before
