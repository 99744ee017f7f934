"""From a checked rule file to its Plan: a graph, blocks, and rules as roots in it.

One idea: each block gets the fields of its source (packet, or packet and record), bound to one graph, and a guard that
is 1 where the block applies; every condition becomes a node under that guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sevenm.compiler.check import typed
from sevenm.compiler.check.program import check_file, check_filter
from sevenm.compiler.diagnostics import CompileError, Diagnostic
from sevenm.compiler.lower.conditions import Conditions
from sevenm.compiler.plan import NODES_MAX, Block, Plan, Rule, prune
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


def lower_file(file: ast.RuleFile, name: str, warnings: Iterable[Diagnostic] = ()) -> Compiled:
    """The Plan of a parsed file. Raises CompileError with every error found."""
    checked = check_file(file, warnings)
    if not checked.is_sound:
        raise CompileError(checked.findings)
    return Compiled(_Program(checked).plan(name), checked.findings)


def lower_filter(expr: ast.Expr, warnings: Iterable[Diagnostic] = ()) -> Compiled:
    """The Plan of a bare expression on packets: one rule that delivers to FILTER_CHANNEL. It does not look for
    malformed frames, so a filter computes nothing but itself."""
    condition, findings = check_filter(expr, warnings)
    if any(finding.severity == "error" for finding in findings):
        raise CompileError(findings)
    graph = Graph()
    when = Conditions(graph, packet_fields(graph)).node(condition)
    nodes, (when, never) = prune(graph.nodes, [when, graph.false])
    rule = Rule("filter", 0, when, deliver=(0,), line=1)
    plan = Plan("filter", "packet", nodes, (rule,), (Block("filter", "first", 0, 1),), never, never, (FILTER_CHANNEL,))
    plan.check()
    return Compiled(plan, findings)


class _Program:
    def __init__(self, file: typed.File) -> None:
        self.file = file
        self.graph = Graph()
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
        self._fail_on_errors()
        truncated = self.graph.false
        if self.file.source == "packet":
            packet = Packet(self.graph)
            self.malformed.append(packet.malformed)
            truncated = packet.truncated
        roots = [r.when for r in self.rules] + [self.graph.any(*self.malformed), truncated]
        nodes, new = prune(self.graph.nodes, roots)
        if len(nodes) > NODES_MAX:
            message = f"a file holds at most {NODES_MAX} nodes of the expression graph, not {len(nodes)}"
            self.findings.append(Diagnostic("error", "too-many", message, self.file.blocks[0].span))
            self._fail_on_errors()
        rules = tuple(replace(rule, when=when) for rule, when in zip(self.rules, new[:-2], strict=True))
        plan = Plan(
            name, self.file.source, nodes, rules, tuple(self.blocks), new[-2], new[-1], tuple(self.channels),
            tuple(self.counters), self.file.layouts,
        )  # fmt: skip
        plan.check()
        return plan

    def _fail_on_errors(self) -> None:
        if self.findings:
            raise CompileError([*self.file.findings, *self.findings])

    def _condition(self, condition: typed.Condition, fields: Mapping[str, Field]) -> int:
        """The node, or false and one more finding."""
        try:
            return Conditions(self.graph, fields).node(condition)
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
            valid = g.le(g.const(layout.size), g.seen())
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
            self.rules.append(self._rule(rule, number, when))
        layout = None if block.layout is None else self.file.layouts.index(block.layout)
        self.blocks.append(Block(block.name, block.mode, start, len(self.rules), layout))

    def _rule(self, rule: typed.Rule, block: int, when: int) -> Rule:
        deliver: list[int] = []
        count: list[int] = []
        forward, drop = 0, False
        for action in rule.actions:
            match action.kind:
                case "deliver":
                    deliver.append(self.channels.setdefault(str(action.target), len(self.channels)))
                case "count":
                    count.append(self.counters.setdefault(str(action.target), len(self.counters)))
                case "forward":
                    assert isinstance(action.target, int)  # checked: a port
                    forward |= 1 << action.target
                case _:
                    drop = True
        return Rule(
            rule.name, block, when, tuple(dict.fromkeys(deliver)), tuple(dict.fromkeys(count)), forward, drop,
            rule.when is None, rule.span.line,
        )  # fmt: skip
