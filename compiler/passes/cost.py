"""Which way a block's rules are looked up: a choice by cost that every back end makes in the same form.

One idea: a back end builds what it could emit and says what each way costs in its own unit, measured on what was
built, or why the way is closed (tables over its cap, say). The cheapest open way is taken, a wish overrides it, and
``describe`` says both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.passes.rows import Rows

AUTO = "auto"
REASONS_SHOWN = 4
"""Reasons for a residue that are listed."""


class ChoiceError(ValueError):
    """The wish names no way, or one that is closed; the message says which are open."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to look rules up. ``cost`` is in the target's unit, ``size`` in bytes of tables. ``closed``: why it
    cannot be taken; empty if it can."""

    name: str
    cost: float
    size: int
    detail: str
    closed: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one block, and what there was to choose from. ``wished`` is AUTO or the way asked for."""

    block: str
    mode: str
    rules: int
    rows: Rows
    unit: str
    ways: tuple[Way, ...]
    chosen: Way
    wished: str = AUTO


def choose(block: str, mode: str, rules: int, rows: Rows, unit: str, ways: Sequence[Way], wish: str = AUTO) -> Choice:
    """The cheapest open way, the first of equals; or the one wished for. Raises ChoiceError."""
    open_ways = [way for way in ways if not way.closed]
    if wish == AUTO:
        chosen = min(open_ways, key=lambda way: way.cost)
    else:
        found = next((way for way in ways if way.name == wish), None)
        if found is None:
            raise ChoiceError(f"a classifier is one of {AUTO}, {', '.join(w.name for w in ways)}, not {wish!r}")
        if found.closed:
            named = ", ".join(way.name for way in open_ways)
            raise ChoiceError(f"block {block}: {wish} cannot be used: {found.closed}; open: {named}")
        chosen = found
    return Choice(block, mode, rules, rows, unit, tuple(ways), chosen, wish)


def describe(choice: Choice) -> str:
    """The choice as lines of text; no line ends in a blank."""
    rows = choice.rows
    lines = [
        f"block {choice.block} ({choice.mode}): {_count(choice.rules, 'rule')}, {_count(len(rows.rows), 'row')} over "
        f"{_count(len(rows.keys), 'key')} and {_count(len(rows.features), 'condition')}"
    ]
    if rows.residue:
        lines.append(f"  {_count(len(rows.residue), 'rule')} outside of the rows:")
        shown = list(dict.fromkeys(rows.reasons))[:REASONS_SHOWN]
        lines += [f"    {rows.reasons.count(reason)}: {reason}" for reason in shown]
    for way in choice.ways:
        mark = "*" if way is choice.chosen else " "
        if way.closed:
            lines.append(f"  {mark} {way.name}: closed: {way.closed}")
        else:
            size = f", {-(-way.size // 1024)} KB of tables" if way.size else ""
            lines.append(f"  {mark} {way.name}: {way.cost:.1f} {choice.unit}{size}: {way.detail}")
    if choice.wished != AUTO:
        lines.append(f"  as asked for: {choice.wished}")
    return "\n".join(lines)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
