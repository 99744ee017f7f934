"""The Plan: what a rule file means, in a form every back end reads and none may add to.

One idea: a Plan describes a synchronous machine, as data. Events come in order; for each one every node of the graph
has its value (from the event, the rows of the tables, and the state that earlier events left), each block says which
of its rules fire, the actions of those add up, and each state whose ``when`` holds takes its next values, all at once.

Two digests name it. ``structure`` covers the graph, the shapes of tables and state and the program: a bitstream or an
engine belongs to one. ``content`` covers the rows of the tables, which change while it runs. Names are in neither.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sevenm.boundary import CAPTURE_MAX, CHANNELS_MAX, COUNTERS_MAX, KEYS_MAX, PORTS

from .graph import live
from .layout import Layout
from .names import NO_NAMES, Names
from .ops import OPS, Node, RangeError, interval
from .program import KINDS, MODES, Block, Rule
from .state import State
from .table import Table

FORMAT = 2
"""Version of the JSON form; another one is refused."""
RULES_MAX = 65536
BLOCK_RULES_MAX = RULES_MAX - 1
"""Rules of one block: look-ups number them in 16 bits, and one of the numbers says that there is none."""
TABLES_MAX = 1024
STATES_MAX = 256
NODES_MAX = 1_000_000


class PlanError(ValueError):
    """What was read is not a Plan of this version; the message says where."""


@dataclass(frozen=True)
class Plan:
    """``source`` is "packet" (events are Ethernet frames) or "record" (events are bare records of layouts[0]).

    ``malformed`` and ``truncated`` are boolean nodes: the event contradicts itself; a header was announced that was
    not captured. ``punt`` is a boolean node as well: not mine to decide. It is constant 0 in a Plan as its author
    wrote it, and set by a target that cannot see or do everything. ``nodes`` holds only what the roots need."""

    name: str
    source: str
    nodes: tuple[Node, ...]
    rules: tuple[Rule, ...]
    blocks: tuple[Block, ...]
    malformed: int
    truncated: int
    punt: int
    channels: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    tables: tuple[Table, ...] = ()
    states: tuple[State, ...] = ()
    names: Names = field(default=NO_NAMES, compare=False)

    @property
    def conditions(self) -> tuple[int, ...]:
        """Every rule's ``when``, then ``malformed``, ``truncated`` and ``punt``."""
        return (*(r.when for r in self.rules), self.malformed, self.truncated, self.punt)

    @property
    def operands(self) -> tuple[int, ...]:
        """The nodes that say ports, each once, in the order of the rules."""
        return tuple(dict.fromkeys(node for rule in self.rules for node in rule.operands))

    @property
    def roots(self) -> tuple[int, ...]:
        """All nodes that are asked for: ``conditions``, ``operands``, and those of each state."""
        return (*self.conditions, *self.operands, *(node for state in self.states for node in state.roots))

    @cached_property
    def reach(self) -> int:
        """Bytes at the start of an event that loads can touch: at most CAPTURE_MAX, at least 1."""
        last = 1
        for node in self.nodes:
            if node.op == "load":
                base = self.nodes[node.args[0]]
                last = max(last, min(base.hi + node.attrs[0] + node.attrs[1], CAPTURE_MAX))
        return last

    @cached_property
    def structure(self) -> str:
        """SHA-256 of everything but names and rows, in hex."""
        return _digest(self._structure())

    @cached_property
    def content(self) -> str:
        """SHA-256 of the rows of all tables, in hex."""
        return _digest([table.content() for table in self.tables])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over both."""
        return _digest([self.structure, self.content])

    def with_rows(self, tables: Sequence[Table]) -> Plan:
        """The same structure with other rows. Raises PlanError if a table has another shape."""
        if [t.shape() for t in tables] != [t.shape() for t in self.tables]:
            raise PlanError("only rows can be changed: the tables given have other shapes than the Plan's")
        plan = replace(self, tables=tuple(tables))
        plan.check()
        return plan

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "structure": self._structure(),
            "content": [table.content() for table in self.tables],
            "names": {
                "plan": self.name,
                "rules": [{"name": r.name, "line": r.line} for r in self.rules],
                "blocks": [b.name for b in self.blocks],
                "channels": list(self.channels),
                "counters": list(self.counters),
                "tables": [{"name": t.name, "values": [c.name for c in t.values]} for t in self.tables],
                "states": [{"name": s.name, "cells": [c.name for c in s.cells]} for s in self.states],
                "nodes": self.names.to_json(),
                "layouts": [layout.to_json() for layout in self.layouts],
            },
        }

    def _structure(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "sizes": [layout.size for layout in self.layouts],
            "nodes": [[n.op, list(n.args), list(n.attrs)] for n in self.nodes],
            "rules": [rule.shape() for rule in self.rules],
            "blocks": [block.shape() for block in self.blocks],
            "malformed": self.malformed,
            "truncated": self.truncated,
            "punt": self.punt,
            "channels": len(self.channels),
            "counters": len(self.counters),
            "tables": [table.shape() for table in self.tables],
            "states": [state.shape() for state in self.states],
        }

    def save(self, path: Path) -> None:
        path.write_text(_canonical(self.to_json()) + "\n")

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Reads what ``save`` wrote. Raises PlanError for anything else, OSError if it cannot be read."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PlanError(f"{path}: not JSON: {error}") from error
        except PlanError as error:
            raise PlanError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, data: Any) -> Plan:
        """Checks everything: operations, operand order and types, intervals, indices and bounds."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise PlanError(f"expected a Plan of format {FORMAT}, found {found}; build it again with this version")
        try:
            plan = _read(data["structure"], data["content"], data["names"])
            plan.check()
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise PlanError(f"not a Plan: {type(error).__name__}: {error}") from error
        except PlanError:
            raise
        except ValueError as error:
            raise PlanError(str(error)) from error
        return plan

    def check(self) -> None:
        """Raises PlanError where the parts do not fit each other."""
        for what, count, most in (
            ("rules", len(self.rules), RULES_MAX),
            ("channels", len(self.channels), CHANNELS_MAX),
            ("counters", len(self.counters), COUNTERS_MAX),
            ("tables", len(self.tables), TABLES_MAX),
            ("states", len(self.states), STATES_MAX),
            ("nodes", len(self.nodes), NODES_MAX),
        ):
            if count > most:
                raise PlanError(f"a Plan holds at most {most} {what}, not {count}")
        if self.source not in ("packet", "record") or (self.source == "record" and not self.layouts):
            raise PlanError(f'source must be "packet" or "record" with a layout, not {self.source!r}')
        for root in self.roots:
            if not 0 <= root < len(self.nodes):
                raise PlanError(f"there is no node {root}")
        for condition in (*self.conditions, *(s.when for s in self.states)):
            if not self.nodes[condition].is_bool:
                raise PlanError(f"node {condition} is no condition")
        self._check_blocks()
        for rule in self.rules:
            self._check_actions(rule)
        for table in self.tables:
            table.check()
        for state in self.states:
            self._check_state(state)
        for number, node in enumerate(self.nodes):
            self._check_reference(number, node)

    def _check_blocks(self) -> None:
        at = 0
        for number, block in enumerate(self.blocks):
            if block.mode not in MODES or block.start != at or not at <= block.stop <= len(self.rules):
                raise PlanError(f"block {block.name} does not fit the rules")
            if block.stop - at > BLOCK_RULES_MAX:
                raise PlanError(f"a block holds at most {BLOCK_RULES_MAX} rules, {block.name} has {block.stop - at}")
            if block.layout is not None and not 0 <= block.layout < len(self.layouts):
                raise PlanError(f"block {block.name} names layout {block.layout} of {len(self.layouts)}")
            for rule in self.rules[block.start : block.stop]:
                if rule.block != number or (rule.default and rule is not self.rules[block.stop - 1]):
                    raise PlanError(f"rule {rule.name} is out of place in block {block.name}")
            at = block.stop
        if at != len(self.rules):
            raise PlanError("rules stand outside of every block")

    def _check_actions(self, rule: Rule) -> None:
        most = {"deliver": len(self.channels), "count": len(self.counters), "forward": PORTS}
        for action in rule.actions:
            if action.kind not in KINDS:
                raise PlanError(f"rule {rule.name}: there is no action {action.kind}")
            if action.operand is not None:
                node = self.nodes[action.operand]
                if action.kind != "forward" or action.target is not None or node.lo < 0 or node.hi >= PORTS:
                    raise PlanError(f"rule {rule.name}: only forward takes a node, of 0 to {PORTS - 1}")
            elif action.kind == "drop":
                if action.target is not None:
                    raise PlanError(f"rule {rule.name}: drop takes nothing")
            elif action.target is None or not 0 <= action.target < most[action.kind]:
                what = {"deliver": "channel", "count": "counter", "forward": "port"}[action.kind]
                raise PlanError(f"rule {rule.name}: {action.kind} to a {what} that is not there: {action.target}")

    def _check_state(self, state: State) -> None:
        state.check()
        for node, width in zip((*state.read, *state.write), (*state.widths, *state.widths), strict=True):
            if self.nodes[node].lo < 0 or self.nodes[node].hi >> width:
                raise PlanError(f"state {state.name}: node {node} is no key of {width} bits")
        for node, cell in zip(state.next, state.cells, strict=True):
            if self.nodes[node].lo < cell.lo or self.nodes[node].hi > cell.hi:
                raise PlanError(f"state {state.name}: node {node} leaves the bounds of {cell.name}")

    def _check_reference(self, number: int, node: Node) -> None:
        """A look-up names a table or state that is there, and states its bounds."""
        where = f"node {number} ({node.op})"
        if node.op in ("hit", "value"):
            if node.attrs[0] >= len(self.tables):
                raise PlanError(f"{where}: there is no table {node.attrs[0]}")
            table = self.tables[node.attrs[0]]
            widths = [key.width for key in table.keys]
            if len(node.args) != len(widths) or any(
                self.nodes[a].hi >> width for a, width in zip(node.args, widths, strict=False)
            ):
                raise PlanError(f"{where}: its operands are no keys of table {table.name}")
            if node.op == "value":
                column = table.values[node.attrs[1]] if node.attrs[1] < len(table.values) else None
                if column is None or (column.lo, column.hi) != node.attrs[2:]:
                    raise PlanError(f"{where}: table {table.name} has no such column")
        elif node.op in ("old", "known"):
            if node.attrs[0] >= len(self.states):
                raise PlanError(f"{where}: there is no state {node.attrs[0]}")
            state = self.states[node.attrs[0]]
            if node.op == "old":
                cell = state.cells[node.attrs[1]] if node.attrs[1] < len(state.cells) else None
                if cell is None or (cell.lo, cell.hi) != node.attrs[2:]:
                    raise PlanError(f"{where}: state {state.name} has no such cell")


def prune(nodes: Sequence[Node], roots: Sequence[int]) -> tuple[tuple[Node, ...], dict[int, int]]:
    """The nodes the roots need, and their new numbers by the old ones."""
    new = {old: i for i, old in enumerate(live(nodes, roots))}
    out = (nodes[old] for old in new)
    return tuple(Node(n.op, tuple(new[a] for a in n.args), n.attrs, n.lo, n.hi) for n in out), new


def _read(structure: Any, content: Any, names: Any) -> Plan:
    layouts = tuple(Layout.from_json(layout) for layout in names["layouts"])
    if [layout.size for layout in layouts] != structure["sizes"]:
        raise PlanError("the layouts are not those of the structure")
    for part, count in (("channels", structure["channels"]), ("counters", structure["counters"])):
        if len(names[part]) != count:
            raise PlanError(f"{count} {part} have {len(names[part])} names")
    return Plan(
        name=str(names["plan"]),
        source=str(structure["source"]),
        nodes=_nodes(structure["nodes"]),
        rules=tuple(map(Rule.from_json, *_same(structure["rules"], names["rules"]))),
        blocks=tuple(map(Block.from_json, *_same(structure["blocks"], names["blocks"]))),
        malformed=int(structure["malformed"]),
        truncated=int(structure["truncated"]),
        punt=int(structure["punt"]),
        channels=tuple(map(str, names["channels"])),
        counters=tuple(map(str, names["counters"])),
        layouts=layouts,
        tables=tuple(map(Table.from_json, *_same(structure["tables"], content, names["tables"]))),
        states=tuple(map(State.from_json, *_same(structure["states"], names["states"]))),
        names=Names.from_json(names["nodes"]),
    )


def _same(*lists: Any) -> tuple[Any, ...]:
    """The lists, which go together entry by entry."""
    if len({len(one) for one in lists}) > 1:
        raise PlanError(f"lists that go together have {' and '.join(str(len(one)) for one in lists)} entries")
    return lists


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(data: Any) -> str:
    return hashlib.sha256(_canonical(data).encode()).hexdigest()


def _nodes(rows: Any) -> tuple[Node, ...]:
    if not isinstance(rows, list) or len(rows) > NODES_MAX:
        raise PlanError(f"nodes must be a list of at most {NODES_MAX}")
    nodes: list[Node] = []
    for number, row in enumerate(rows):
        op, args, attrs = row
        where = f"node {number} ({op})"
        if op not in OPS or not all(type(v) is int for v in (*args, *attrs)):
            raise PlanError(f"{where}: no such operation")
        if not OPS[op].least <= len(args) <= OPS[op].most or not all(0 <= a < number for a in args):
            raise PlanError(f"{where}: operands {args[:KEYS_MAX]} do not fit")
        operands = [nodes[a] for a in args]
        if not OPS[op].fits(operands, attrs):
            raise PlanError(f"{where}: attributes {attrs[:8]} do not fit")
        try:
            lo, hi = interval(op, operands, attrs)
        except RangeError as error:
            raise PlanError(f"{where}: {error}") from error
        nodes.append(Node(op, tuple(args), tuple(attrs), lo, hi))
    return tuple(nodes)
