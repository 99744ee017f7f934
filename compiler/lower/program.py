"""From a checked rule file to its Plan: a graph, blocks, and rules as roots in it.

One idea: each block gets the fields of its source (packet, or packet and record), bound to one graph, and a guard that
is 1 where the block applies; every condition becomes a node under that guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sevenm.compiler.check import typed
from sevenm.compiler.check.program import check_file, check_filter
from sevenm.compiler.diagnostics import CompileError, Diagnostic
from sevenm.compiler.lower.conditions import Conditions
from sevenm.compiler.lower.parts import Parts
from sevenm.compiler.lower.values import Values
from sevenm.compiler.plan import NODES_MAX, Action, Block, Plan, Rule, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import Field
from sevenm.compiler.protocols.packet import Packet
from sevenm.compiler.protocols.packet_fields import packet_fields
from sevenm.compiler.protocols.record_fields import record_fields
from sevenm.compiler.syntax import ast

FILTER_CHANNEL = "matched"
"""The channel of a bare filter."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A Plan and what the author should know about its source."""

    plan: Plan
    warnings: tuple[Diagnostic, ...]


def lower_file(
    file: ast.RuleFile, name: str, warnings: Iterable[Diagnostic] = (), folder: Path | None = None
) -> Compiled:
    """The Plan of a parsed file. Raises CompileError with every error found. Files with rows of tables are looked for
    in ``folder``, the current one by default."""
    checked = check_file(file, warnings, folder)
    if not checked.is_sound:
        raise CompileError(checked.findings)
    return Compiled(_Program(checked).plan(name), checked.findings)


def lower_filter(expr: ast.Expr, warnings: Iterable[Diagnostic] = ()) -> Compiled:
    """The Plan of a bare expression on packets: one rule that delivers to FILTER_CHANNEL. It does not look for
    malformed frames, so a filter computes nothing but itself."""
    condition, findings = check_filter(expr, warnings)
    if any(finding.severity == "error" for finding in findings):
        raise CompileError(findings)
    parts = Parts(Graph())
    when = Conditions(parts, packet_fields(parts.g)).node(condition)
    rule = Rule("filter", 0, when, (Action("deliver", 0),), line=1)
    file = typed.File("packet", (), (), findings)
    blocks, never = (Block("filter", "first", 0, 1),), parts.g.false
    return Compiled(_plan("filter", file, parts, [rule], blocks, (never, never), ((FILTER_CHANNEL,), ())), findings)


def _plan(
    name: str, file: typed.File, parts: Parts, rules: Sequence[Rule], blocks: Sequence[Block], flaws: tuple[int, int],
    targets: tuple[Iterable[str], Iterable[str]],
) -> Plan:  # fmt: skip
    """The Plan of what the graph holds. ``flaws`` are malformed and truncated, ``targets`` channels and counters."""
    never, (channels, counters) = parts.g.false, targets
    asked = [node for rule in rules for node in (rule.when, *rule.operands)]
    asked += [node for state in parts.states for node in state.roots]
    nodes, new = prune(parts.g.nodes, [*asked, *flaws, never])
    if len(nodes) > NODES_MAX:
        message = f"a file holds at most {NODES_MAX} nodes of the expression graph, not {len(nodes)}"
        raise CompileError([*file.findings, Diagnostic("error", "too-many", message, file.blocks[0].span)])
    plan = Plan(
        name, file.source, nodes, tuple(_renumbered(rule, new) for rule in rules), tuple(blocks), new[flaws[0]],
        new[flaws[1]], new[never], tuple(channels), tuple(counters), file.layouts, tuple(parts.tables),
        tuple(state.renumbered(new) for state in parts.states), parts.names().renumbered(new),
    )  # fmt: skip
    plan.check()
    return plan


def _renumbered(rule: Rule, new: Mapping[int, int]) -> Rule:
    actions = (a if a.operand is None else replace(a, operand=new[a.operand]) for a in rule.actions)
    return replace(rule, when=new[rule.when], actions=tuple(actions))


class _Program:
    def __init__(self, file: typed.File) -> None:
        self.file = file
        self.graph = Graph()
        self.parts = Parts(self.graph)
        self.channels: dict[str, int] = {}
        self.counters: dict[str, int] = {}
        self.rules: list[Rule] = []
        self.blocks: list[Block] = []
        self.malformed: list[int] = []
        self.findings: list[Diagnostic] = []
        self._packet: Mapping[str, Field] | None = None

    def plan(self, name: str) -> Plan:
        for block in self.file.blocks:
            self._block(block)
        if self.findings:
            raise CompileError([*self.file.findings, *self.findings])
        truncated = self.graph.false
        if self.file.source == "packet":
            packet = Packet(self.graph)
            self.malformed.append(packet.malformed)
            truncated = packet.truncated
        flaws = self.graph.any(*self.malformed), truncated
        return _plan(name, self.file, self.parts, self.rules, self.blocks, flaws, (self.channels, self.counters))

    def _condition(self, condition: typed.Condition, fields: Mapping[str, Field]) -> int:
        """The node, or false and one more finding."""
        try:
            return Conditions(self.parts, fields).node(condition)
        except CompileError as error:
            self.findings += error.diagnostics
            return self.graph.false

    # Blocks and rules

    def _packet_fields(self) -> Mapping[str, Field]:
        if self._packet is None:
            self._packet = packet_fields(self.graph)
        return self._packet

    def _guard(self, block: typed.Block) -> tuple[int, Mapping[str, Field]]:
        """The node that is 1 where the block applies, and the fields its rules may use."""
        g, layout = self.graph, block.layout
        if layout is None:
            return g.true, self._packet_fields()
        if block.over is None:
            valid = g.le(g.const(layout.size), g.captured())
            self.malformed += [g.invert(valid), g.invert(g.eq(g.size(), g.const(layout.size)))]
            return valid, record_fields(g, layout, valid, g.const(0), 0)
        carried = self._condition(block.over, self._packet_fields())
        region = self._packet_fields()["udp.payload"].region
        assert region is not None  # declared with one
        payload = region()
        start = g.add(payload.base, g.const(payload.disp))
        valid = g.all(carried, payload.valid, g.le(g.add(start, g.const(layout.size)), payload.end))
        self.malformed.append(g.all(carried, g.invert(valid)))
        own = record_fields(g, layout, valid, payload.base, payload.disp)
        return valid, {**self._packet_fields(), **own}

    def _block(self, block: typed.Block) -> None:
        start, number = len(self.rules), len(self.blocks)
        guard, fields = self._guard(block)
        for rule in block.rules:
            when = guard if rule.when is None else self.graph.all(guard, self._condition(rule.when, fields))
            self.rules.append(self._rule(rule, number, when, fields))
        layout = None if block.layout is None else self.file.layouts.index(block.layout)
        self.blocks.append(Block(block.name, block.mode, start, len(self.rules), layout))

    def _rule(self, rule: typed.Rule, block: int, when: int, fields: Mapping[str, Field]) -> Rule:
        """A rule whose port is a value does not fire where the value is absent."""
        actions: dict[Action, None] = {}
        for action in rule.actions:
            if action.operand is not None:
                (port,) = Values(self.parts, fields).of(action.operand)
                when = self.graph.all(when, port.valid)
                actions[Action("forward", operand=port.node)] = None
            else:
                actions[Action(action.kind, self._target(action))] = None
        self.parts.call(when, "rule", rule.name, rule.span)
        return Rule(rule.name, block, when, tuple(actions), rule.when is None, rule.span.line)

    def _target(self, action: typed.Action) -> int | None:
        if action.kind in ("deliver", "count"):
            known = self.channels if action.kind == "deliver" else self.counters
            return known.setdefault(str(action.target), len(known))
        return action.target if isinstance(action.target, int) else None
