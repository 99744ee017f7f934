"""From a rule file to its Plan: names, sets, blocks, rules and actions.

One idea: each block gets the fields of its source (packet, or packet and record) and a guard; every rule of it is
lowered by itself, so that one file reports the findings of all its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sevenm.compiler.check.literals import Finding, did_you_mean
from sevenm.compiler.check.schema import lower_schema
from sevenm.compiler.diagnostics import CompileError, Diagnostic, Span
from sevenm.compiler.lower.expressions import Expressions
from sevenm.compiler.plan import (
    CHANNELS_MAX,
    COUNTERS_MAX,
    NODES_MAX,
    PORTS,
    RULES_MAX,
    Action,
    Block,
    Name,
    Names,
    Plan,
    Rule,
    prune,
)  # fmt: skip
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.plan.names import name as named
from sevenm.compiler.plan.ops import RangeError
from sevenm.compiler.protocols.fields import Field
from sevenm.compiler.protocols.packet import Packet
from sevenm.compiler.protocols.packet_fields import packet_fields
from sevenm.compiler.protocols.packet_names import parser_names
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
    return _Program(file, name, list(warnings)).compiled()


def lower_filter(expr: ast.Expr, warnings: Iterable[Diagnostic] = ()) -> Compiled:
    """The Plan of a bare expression on packets: one rule that delivers to FILTER_CHANNEL. It does not look for
    malformed frames, so a filter computes nothing but itself."""
    graph, found = Graph(), list(warnings)
    context = Expressions(graph, packet_fields(graph), {})
    try:
        when = context.condition(expr)
    except Finding as finding:
        raise CompileError([*found, *context.warnings, finding.diagnostic]) from finding
    nodes, new = prune(graph.nodes, [when, graph.false])
    never = new[graph.false]
    rule = Rule("filter", 0, new[when], (Action("deliver", 0),), line=1)
    blocks = (Block("filter", "first", 0, 1),)
    names = Names.collect([*context.names, *parser_names(graph)]).renumbered(new)
    plan = Plan("filter", "packet", nodes, (rule,), blocks, never, never, never, (FILTER_CHANNEL,), names=names)
    plan.check()
    return Compiled(plan, (*found, *context.warnings))


class _Program:
    def __init__(self, file: ast.RuleFile, name: str, warnings: list[Diagnostic]) -> None:
        self.file, self.name = file, name
        self.findings: list[Diagnostic] = warnings
        self.graph = Graph()
        self.layouts: dict[str, Layout] = {}
        self.sets: dict[str, ast.SetDecl] = {}
        self.used_sets: set[str] = set()
        self.channels: dict[str, int] = {}
        self.counters: dict[str, int] = {}
        self.rules: list[Rule] = []
        self.blocks: list[Block] = []
        self.malformed: list[int] = []
        self.names: list[tuple[int, Name]] = []
        self._packet: Mapping[str, Field] | None = None

    def compiled(self) -> Compiled:
        self._declare()
        source = self._source()
        for block in self.file.blocks:
            self._block(block)
        self._fail_on_errors()
        self._unused()
        truncated = self.graph.false
        if source == "packet":
            packet = Packet(self.graph)
            self.malformed.append(packet.malformed)
            truncated = packet.truncated
        malformed, punt = self.graph.any(*self.malformed), self.graph.false
        self.names += [(rule.when, named("rule", rule.name, rule.line)) for rule in self.rules]
        if source == "packet":
            self.names += parser_names(self.graph)
        nodes, new = prune(self.graph.nodes, [*(r.when for r in self.rules), malformed, truncated, punt])
        rules = tuple(replace(rule, when=new[rule.when]) for rule in self.rules)
        plan = Plan(
            self.name, source, nodes, rules, tuple(self.blocks), new[malformed], new[truncated], new[punt],
            tuple(self.channels), tuple(self.counters), tuple(self.layouts.values()),
            names=Names.collect(self.names).renumbered(new),
        )  # fmt: skip
        self._bound("nodes of the expression graph", len(nodes), NODES_MAX, self.file.blocks[0].span)
        plan.check()
        return Compiled(plan, tuple(self.findings))

    # Findings

    def _error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, span, hint))

    def _fail_on_errors(self) -> None:
        if any(d.severity == "error" for d in self.findings):
            raise CompileError(self.findings)

    def _bound(self, what: str, count: int, most: int, span: Span) -> None:
        if count > most:
            self._error("too-many", f"a file holds at most {most} {what}, not {count}", span)
            self._fail_on_errors()

    def _attempt(self, work: Callable[[], int]) -> int:
        """The node, or false and one more finding."""
        try:
            return work()
        except Finding as finding:
            self.findings.append(finding.diagnostic)
            return self.graph.false

    def _unused(self) -> None:
        for name, decl in self.sets.items():
            if name not in self.used_sets:
                self.findings.append(
                    Diagnostic("warning", "unused-set", f"no rule uses the set ${name}", decl.span, None)
                )

    # Declarations

    def _declare(self) -> None:
        self._once([(s.name, s.span) for s in self.file.schemas], "schema")
        self._once([(s.name, s.span) for s in self.file.sets], "set")
        self._once([(b.name, b.span) for b in self.file.blocks], "block")
        for schema in self.file.schemas:
            try:
                self.layouts[schema.name] = lower_schema(schema)
            except CompileError as error:
                self.findings += error.diagnostics
        for decl in self.file.sets:
            if not decl.items:
                self._error("empty-set", f"the set {decl.name} is empty: nothing can be in it", decl.span)
            self.sets[decl.name] = decl
        if not self.file.blocks:
            self._error(
                "no-rules", "the file has no rules", Span(0, 0, 1, 1),
                "write: rules NAME on packet first { rule web: tcp.dstport == 80 => deliver web }",
            )  # fmt: skip
        self._fail_on_errors()

    def _once(self, names: Iterable[tuple[str, Span]], what: str) -> None:
        seen: dict[str, Span] = {}
        for name, span in names:
            if name in seen:
                self._error("duplicate", f"{what} {name} stands already in line {seen[name].line}", span)
            seen.setdefault(name, span)

    def _source(self) -> str:
        """What kind of events the file is about: packets, or bare records of one schema."""
        kinds: dict[str, Span] = {}
        for block in self.file.blocks:
            path = block.source.path
            if path != "packet" and path not in self.layouts:
                hint = did_you_mean(path, ["packet", *self.layouts]) or "rules run on packet or on a declared schema"
                self._error("unknown-schema", f"there is no schema {path}", block.source.span, hint)
            elif path == "packet" and block.over is not None:
                self._error("over", "over picks the packets that carry a schema's records", block.over.span,
                            "write rules NAME on SCHEMA over …")  # fmt: skip
            kind = path if path != "packet" and block.over is None else "packet"
            kinds.setdefault(kind, block.source.span)
        if len(kinds) > 1:
            (first, _), (second, span) = list(kinds.items())[:2]
            self._error(
                "mixed-sources", f"rules on {second} and rules on {first} read different kinds of events", span,
                "put them in two files, or carry the records in packets with over",
            )  # fmt: skip
        self._fail_on_errors()
        source = next(iter(kinds))
        if source == "packet":
            return source
        self.layouts = {source: self.layouts[source], **self.layouts}
        return "record"

    # Blocks and rules

    def _packet_fields(self) -> Mapping[str, Field]:
        if self._packet is None:
            self._packet = packet_fields(self.graph)
        return self._packet

    def _guard(self, block: ast.BlockDecl) -> tuple[int, Mapping[str, Field]]:
        """The node that is 1 where the block applies, and the fields its rules may use."""
        g, path = self.graph, block.source.path
        if path == "packet":
            return g.true, self._packet_fields()
        layout = self.layouts[path]
        if block.over is None:
            valid = g.le(g.const(layout.size), g.captured())
            self.malformed += [g.invert(valid), g.invert(g.eq(g.size(), g.const(layout.size)))]
            return valid, record_fields(g, layout, valid, g.const(0), 0)
        over = block.over
        carried = self._attempt(lambda: self._condition(over, self._packet_fields()))
        region = self._packet_fields()["udp.payload"].region
        assert region is not None  # declared with one
        payload = region()
        start = g.add(payload.base, g.const(payload.disp))
        valid = g.all(carried, payload.valid, g.le(g.add(start, g.const(layout.size)), payload.end))
        self.malformed.append(g.all(carried, g.invert(valid)))
        own = record_fields(g, layout, valid, payload.base, payload.disp)
        return valid, {**self._packet_fields(), **own}

    def _condition(self, expr: ast.Expr, fields: Mapping[str, Field], given: int | None = None) -> int:
        context = Expressions(self.graph, fields, self.sets, given)
        try:
            return context.condition(expr)
        finally:
            self.findings += context.warnings
            self.names += context.names
            self.used_sets |= context.used_sets

    def _block(self, decl: ast.BlockDecl) -> None:
        if not decl.rules:
            self._error("no-rules", f"the block {decl.name} has no rules", decl.span)
            return
        self._once([(r.name, r.span) for r in decl.rules], "rule")
        start, number = len(self.rules), len(self.blocks)
        self._bound("rules", start + len(decl.rules), RULES_MAX, decl.span)
        guard, fields = self._guard(decl)
        for rule in decl.rules:
            self.rules.append(self._rule(rule, number, guard, fields))
        layout = None if decl.source.path == "packet" else list(self.layouts).index(decl.source.path)
        self.blocks.append(Block(decl.name, decl.mode, start, len(self.rules), layout))

    def _rule(self, decl: ast.RuleDecl, block: int, guard: int, fields: Mapping[str, Field]) -> Rule:
        when, default = guard, decl.when is None
        if decl.when is not None:
            expr = decl.when
            try:
                when = self.graph.all(guard, self._attempt(lambda: self._condition(expr, fields, guard)))
            except RangeError as error:
                self._error("too-wide", str(error), decl.span)
        actions = tuple(dict.fromkeys(self._action(action) for action in decl.actions))
        kinds = {action.kind for action in actions}
        if kinds >= {"drop", "forward"}:
            self._error("conflict", f"rule {decl.name} forwards and drops the same event", decl.span, "keep one")
        return Rule(decl.name, block, when, actions, default, decl.span.line)

    def _action(self, action: ast.Action) -> Action:
        match action.kind:
            case "deliver":
                return Action("deliver", self._target(self.channels, action, CHANNELS_MAX, "channels"))
            case "count":
                return Action("count", self._target(self.counters, action, COUNTERS_MAX, "counters"))
            case "forward":
                return Action("forward", self._port(action))
            case _:
                return Action("drop")

    def _target(self, known: dict[str, int], action: ast.Action, most: int, what: str) -> int:
        name = str(action.target)
        if name not in known and len(known) == most:
            self._error("too-many", f"a file holds at most {most} {what}; {name} is one more", action.span)
            return 0
        return known.setdefault(name, len(known))

    def _port(self, action: ast.Action) -> int:
        if not isinstance(action.target, int) or not 0 <= action.target < PORTS:
            self._error("out-of-range", f"ports are 0 to {PORTS - 1}, not {action.target}", action.span)
            return 0
        return action.target
