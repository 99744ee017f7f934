"""What a Plan does with events: blocks of rules in order, and actions, with operands that are constants or nodes.

One idea: in a ``first`` block a rule *fires* if its ``when`` is true and no earlier rule of the block fired; in an
``all`` block a rule fires if its ``when`` is true. A ``default`` rule stands last in its block, and fires if its
``when`` (the block's own guard) is true and no other rule of the block fired. Blocks are independent. The actions of
all rules that fired add up: channels and counters are unions, forward ports are a union, and the event is dropped if
any fired rule drops it (then its forward ports are empty).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

KINDS = ("deliver", "count", "forward", "drop")
"""What a rule can do. ``deliver`` and ``count`` name a channel or counter, ``forward`` a port, ``drop`` nothing."""
MODES = ("first", "all")


@dataclass(frozen=True, slots=True)
class Action:
    """``target`` is the index of the channel or counter, or the constant port; ``operand`` is instead the node that
    says the port of each event."""

    kind: str
    target: int | None = None
    operand: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """``when`` is a boolean node. ``name`` and ``line``, the line of the rule in its source, are for people; no digest
    covers them."""

    name: str
    block: int
    when: int
    actions: tuple[Action, ...] = ()
    default: bool = False
    line: int = 0

    def _targets(self, kind: str) -> tuple[int, ...]:
        return tuple(a.target for a in self.actions if a.kind == kind and a.target is not None)

    @property
    def deliver(self) -> tuple[int, ...]:
        """Indices of channels."""
        return self._targets("deliver")

    @property
    def count(self) -> tuple[int, ...]:
        """Indices of counters."""
        return self._targets("count")

    @property
    def forward(self) -> int:
        """Mask of the constant ports."""
        mask = 0
        for port in self._targets("forward"):
            mask |= 1 << port
        return mask

    @property
    def drop(self) -> bool:
        return any(a.kind == "drop" for a in self.actions)

    @property
    def operands(self) -> tuple[int, ...]:
        """Nodes that say ports to forward to."""
        return tuple(a.operand for a in self.actions if a.operand is not None)

    def renumbered(self, new: Sequence[int]) -> Rule:
        """With the nodes that stand at its nodes' numbers in ``new``."""
        moved = tuple(a if a.operand is None else replace(a, operand=new[a.operand]) for a in self.actions)
        return replace(self, when=new[self.when], actions=moved)

    def shape(self) -> list[Any]:
        """What belongs to the structure."""
        return [self.block, self.when, [[a.kind, a.target, a.operand] for a in self.actions], self.default]

    @classmethod
    def from_json(cls, shape: Any, names: Any) -> Rule:
        block, when, actions, default = shape
        return cls(
            str(names["name"]), int(block), int(when),
            tuple(Action(str(kind), _number(target), _number(operand)) for kind, target, operand in actions),
            bool(default), int(names["line"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """``mode`` is one of MODES; its rules are ``plan.rules[start:stop]``. ``layout`` indexes plan.layouts, or is None
    for rules on packets."""

    name: str
    mode: str
    start: int
    stop: int
    layout: int | None = None

    def shape(self) -> list[Any]:
        return [self.mode, self.start, self.stop, self.layout]

    @classmethod
    def from_json(cls, shape: Any, name: Any) -> Block:
        mode, start, stop, layout = shape
        return cls(str(name), str(mode), int(start), int(stop), _number(layout))


def actions(
    deliver: Iterable[int] = (), count: Iterable[int] = (), forward: Iterable[int] = (), drop: bool = False
) -> tuple[Action, ...]:
    """Actions on these channels and counters, to these constant ports."""
    named = [Action(kind, t) for kind, ts in zip(KINDS, (deliver, count, forward), strict=False) for t in ts]
    return (*named, *([Action("drop")] if drop else []))


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
