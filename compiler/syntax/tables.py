"""The grammar as tables: what a LALR parser does in each state, and which words it looks for there.

One idea: working the tables out of ``grammar.lark`` takes longer than reading a thousand rules, and they change only
with it; so they lie beside it, in ``tables.json``, which a test compares with the grammar. They are worked out anew
where the grammar was edited since.

    python -c "from sevenm.compiler.syntax.tables import write; write()"     makes the file anew
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("grammar.lark")
FILE = Path(__file__).with_name("tables.json")
STARTS = ("expression", "file")


@dataclass(frozen=True, slots=True)
class Terminal:
    """A kind of word. ``instead``: other terminals that a text has, by the text, where the state takes them."""

    name: str
    pattern: str
    instead: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of ``size`` values: those at ``spread`` are lists that are taken apart. ``builds`` names what is
    built of them, None for a list; where ``unwraps`` is set, one value alone stays what it is. ``passes``: there is
    never another."""

    origin: str
    builds: str | None
    size: int
    spread: tuple[int, ...]
    unwraps: bool
    passes: bool


@dataclass(frozen=True, slots=True)
class State:
    """``actions``, by terminal: the state after taking it, or the complement of the rule to apply first. ``goto``: the
    state after a rule of that origin was applied."""

    actions: Mapping[str, int]
    goto: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tables:
    """``terminals`` in the order in which they are tried. ``starts``: the first and the last state of each start."""

    terminals: tuple[Terminal, ...]
    ignored: frozenset[str]
    rules: tuple[Rule, ...]
    states: tuple[State, ...]
    starts: Mapping[str, tuple[int, int]]


def load() -> Tables:
    """The tables of the grammar."""
    data = json.loads(FILE.read_text())
    return _read(data if data["grammar"] == _digest() else compute())


def compute() -> dict[str, Any]:
    """The tables as JSON values, worked out of the grammar. The same grammar gives the same."""
    from sevenm.compiler.syntax import lark_parser  # sound sources are read without Lark

    table = lark_parser.parse_table()
    order = _ordered(table)
    number = {state: at for at, state in enumerate(order)}
    used = {arg for state in order for _, arg in table.states[state].values() if not isinstance(arg, int)}
    rules = sorted(used, key=lambda rule: (rule.origin.name, rule.order))
    place = {rule: at for at, rule in enumerate(rules)}
    states: list[Any] = []
    for state in order:
        actions: dict[str, int] = {}
        goto: dict[str, int] = {}
        for name, (_, arg) in sorted(table.states[state].items()):
            (actions if _is_terminal(name) else goto)[name] = number[arg] if isinstance(arg, int) else ~place[arg]
        states.append([actions, goto])
    return {
        "grammar": _digest(),
        "starts": {name: [number[table.start_states[name]], number[table.end_states[name]]] for name in STARTS},
        "ignored": sorted(lark_parser.lark_parser().ignore_tokens),
        "terminals": lark_parser.terminals(),
        "rules": [_rule(rule) for rule in rules],
        "states": states,
    }


def _ordered(table: Any) -> list[int]:
    """The states in an order that depends on nothing but the grammar."""
    order = [table.start_states[name] for name in STARTS]
    seen = set(order)
    for state in order:
        for _, (_, arg) in sorted(table.states[state].items()):
            if isinstance(arg, int) and arg not in seen:
                seen.add(arg)
                order.append(arg)
    return order


def _is_terminal(name: str) -> bool:
    return name.lstrip("_$").isupper()


def _rule(rule: Any) -> list[Any]:
    spread = [at for at, symbol in enumerate(rule.expansion) if not symbol.is_term and symbol.name.startswith("_")]
    builds = rule.alias or rule.origin.name
    unwraps = rule.options.expand1 and not rule.alias
    return [rule.origin.name, None if builds.startswith("_") else builds, len(rule.expansion), spread, unwraps]


def text(data: Mapping[str, Any]) -> str:
    """The JSON values as the file has them: an entry a line."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(one, separators=(",", ":")) for one in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write() -> None:
    """Makes the file anew, after the grammar was changed."""
    FILE.write_text(text(compute()))


def _digest() -> str:
    return hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()


def _read(data: Mapping[str, Any]) -> Tables:
    return Tables(
        tuple(Terminal(*one) for one in data["terminals"]),
        frozenset(data["ignored"]),
        tuple(
            Rule(origin, builds, size, tuple(spread), unwraps, unwraps and size == 1 and not spread)
            for origin, builds, size, spread, unwraps in data["rules"]
        ),
        tuple(State(actions, goto) for actions, goto in data["states"]),
        {name: (first, last) for name, (first, last) in data["starts"].items()},
    )
