"""What the actions of all rules that fired add up to: the verdict's bits.

One idea: an action is a question to each block ("did a rule fire that drops?"), and the answers are ORed; channels and
ports are unions, and a dropped packet is forwarded nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sevenm.boundary import PORTS

from .description import Action, Program
from .lower import Lowering
from .resolve import Resolved, resolve


@dataclass(frozen=True, slots=True)
class Verdict:
    """Net numbers of the verdict's bits, index 0 first."""

    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    forward: tuple[int, ...]
    drop: int
    malformed: int
    truncated: int
    punt: int

    @property
    def roots(self) -> tuple[int, ...]:
        return (*self.blocks, *self.channels, *self.forward, self.drop, self.malformed, self.truncated, self.punt)


def lower_verdict(program: Program, lowering: Lowering) -> Verdict:
    """The nets of the verdict, for a lowering that ran."""
    nets = lowering.nets
    resolved: list[Resolved] = []
    for block in program.blocks:
        nets.owner = block.name
        resolved.append(resolve(nets, block, [lowering.net(when) for when in block.when]))
    nets.owner = "drop"
    drop = nets.any(r.chosen(lambda action: action.drop) for r in resolved)
    channels = []
    for number in range(len(program.channels)):
        nets.owner = f"channel{number}"
        channels.append(nets.any(r.chosen(_delivers(number)) for r in resolved))
    nets.owner = "forward"
    targets = sorted({node for b in program.blocks for a in b.actions for node in a.forward_to})
    asked = {t: nets.any(r.chosen(_forwards_by(t)) for r in resolved) for t in targets}
    forward = []
    for port in range(PORTS):
        terms = [r.chosen(_forwards(port)) for r in resolved]
        terms += [nets.all((asked[t], lowering.equals(t, port))) for t in targets]
        forward.append(nets.all((nets.any(terms), nets.invert(drop))))
    nets.owner = "punt"
    punt = nets.any((lowering.net(program.punt), *(r.punt for r in resolved)))
    decided = nets.invert(punt)

    def said(bits: Iterable[int]) -> tuple[int, ...]:
        """Nothing is said of a packet that is not the core's to decide."""
        return tuple(nets.all((bit, decided)) for bit in bits)

    return Verdict(
        blocks=said(bit for r in resolved for bit in r.bits),
        channels=said(channels),
        forward=said(forward),
        drop=said((drop,))[0],
        malformed=said((lowering.net(program.malformed),))[0],
        truncated=said((lowering.net(program.truncated),))[0],
        punt=punt,
    )


def _delivers(channel: int) -> Callable[[Action], bool]:
    return lambda action: channel in action.deliver


def _forwards(port: int) -> Callable[[Action], bool]:
    return lambda action: bool(action.forward >> port & 1)


def _forwards_by(node: int) -> Callable[[Action], bool]:
    return lambda action: node in action.forward_to
