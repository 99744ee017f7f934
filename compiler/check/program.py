"""A rule file checked: declarations, blocks, rules and actions, each held against what there is.

One idea: everything that can be wrong for an author's reasons is found here, rule by rule, so that one run reports the
findings of all of them; what comes out without an error has a Plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sevenm.boundary import CHANNELS_MAX, COUNTERS_MAX, PORTS
from sevenm.compiler.check import typed
from sevenm.compiler.check.conditions import condition, forward_operand
from sevenm.compiler.check.literals import did_you_mean
from sevenm.compiler.check.schema import lower_schema
from sevenm.compiler.check.scope import Catalogue, Declared, Scope
from sevenm.compiler.check.tables import check_table
from sevenm.compiler.diagnostics import CompileError, Diagnostic, Span
from sevenm.compiler.plan import BLOCK_RULES_MAX, RULES_MAX
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Field
from sevenm.compiler.syntax import ast


def check_file(file: ast.RuleFile, warnings: Iterable[Diagnostic] = (), folder: Path | None = None) -> typed.File:
    """The typed tree of a parsed file; its findings start with the parser's ``warnings``. Files with rows of tables are
    looked for in ``folder``, the current one by default."""
    return _File(file, list(warnings), folder or Path()).checked()


def check_filter(expr: ast.Expr, warnings: Iterable[Diagnostic] = ()) -> tuple[typed.Condition, tuple[Diagnostic, ...]]:
    """A bare expression on packets, and the findings."""
    catalogue, findings = Catalogue(), list(warnings)
    checked = condition(Scope(catalogue.graph, catalogue.packet(), Declared(), findings), expr)
    return checked, tuple(findings)


class _File:
    def __init__(self, file: ast.RuleFile, findings: list[Diagnostic], folder: Path) -> None:
        self.file, self.findings, self.folder = file, findings, folder
        self.layouts: dict[str, Layout] = {}
        self.declared = Declared()
        self.names: dict[str, set[str]] = {"deliver": set(), "count": set()}
        self.rules = 0
        self.catalogue = Catalogue()

    def checked(self) -> typed.File:
        self._declare()
        if self._has_errors():
            return self._result("packet")
        source = self._source()
        if self._has_errors():
            return self._result("packet")
        blocks: list[typed.Block] = []
        for block in self.file.blocks:
            if not self._holds("rules", self.rules + len(block.rules), RULES_MAX, block.span):
                break
            blocks.append(self._block(block))
        if not self._has_errors():
            self._unused()
        return self._result(source, blocks)

    def _result(self, source: str, blocks: Iterable[typed.Block] = ()) -> typed.File:
        return typed.File(source, tuple(self.layouts.values()), tuple(blocks), tuple(self.findings))

    # Findings

    def _error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, span, hint))

    def _has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.findings)

    def _holds(self, what: str, count: int, most: int, span: Span) -> bool:
        if count > most:
            self._error("too-many", f"a file holds at most {most} {what}, not {count}", span)
        return count <= most

    def _unused(self) -> None:
        declared = [(d.span, f"${d.name}", "set") for d in self.file.sets]
        declared += [(d.span, d.name, "table") for d in self.file.tables]
        for span, name, kind in declared:
            if name not in self.declared.used:
                message = f"no rule uses the {kind} {name}"
                self.findings.append(Diagnostic("warning", f"unused-{kind}", message, span, None))

    # Declarations

    def _declare(self) -> None:
        self._once([(s.name, s.span) for s in self.file.schemas], "schema")
        self._once([(s.name, s.span) for s in self.file.sets], "set")
        self._once([(t.name, t.span) for t in self.file.tables], "table")
        self._once([(b.name, b.span) for b in self.file.blocks], "block")
        for schema in self.file.schemas:
            try:
                self.layouts[schema.name] = lower_schema(schema)
            except CompileError as error:
                self.findings += error.diagnostics
        for decl in self.file.sets:
            if not decl.items:
                self._error("empty-set", f"the set {decl.name} is empty: nothing can be in it", decl.span)
            self.declared.sets[decl.name] = decl
        self._tables()
        if not self.file.blocks:
            self._error(
                "no-rules", "the file has no rules", Span(0, 0, 1, 1),
                "write: rules NAME on packet first { rule web: tcp.dstport == 80 => deliver web }",
            )  # fmt: skip

    def _tables(self) -> None:
        for decl in self.file.tables:
            table, findings = check_table(decl, self.folder)
            self.findings += findings
            if table is not None:
                self.declared.tables[decl.name] = table

    def _once(self, names: Iterable[tuple[str, Span]], what: str) -> None:
        seen: dict[str, Span] = {}
        for name, span in names:
            if name in seen:
                self._error("duplicate", f"{what} {name} stands already in line {seen[name].line}", span)
            seen.setdefault(name, span)

    def _source(self) -> str:
        """What kind of events the file is about: packets, or bare records of one schema, whose layout comes first."""
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
        source = next(iter(kinds))
        if source == "packet" or source not in self.layouts:
            return "packet"
        self.layouts = {source: self.layouts[source], **self.layouts}
        return "record"

    # Blocks and rules

    def _scope(self, fields: Mapping[str, Field]) -> Scope:
        return Scope(self.catalogue.graph, fields, self.declared, self.findings)

    def _block(self, decl: ast.BlockDecl) -> typed.Block:
        layout = None if decl.source.path == "packet" else self.layouts[decl.source.path]
        if not decl.rules:
            self._error("no-rules", f"the block {decl.name} has no rules", decl.span)
        if len(decl.rules) > BLOCK_RULES_MAX:
            self._error(
                "too-many", f"a block holds at most {BLOCK_RULES_MAX} rules, {decl.name} has {len(decl.rules)}",
                decl.span, "put some of them in another block",
            )  # fmt: skip
        self._once([(r.name, r.span) for r in decl.rules], "rule")
        over = None if decl.over is None else condition(self._scope(self.catalogue.packet()), decl.over)
        packet = self.catalogue.packet() if layout is None or over is not None else {}
        scope = self._scope({**packet, **(self.catalogue.record(layout) if layout is not None else {})})
        self.rules += len(decl.rules)
        rules = tuple(self._rule(rule, scope) for rule in decl.rules)
        return typed.Block(decl.span, decl.name, decl.mode, layout, over, rules)

    def _rule(self, decl: ast.RuleDecl, scope: Scope) -> typed.Rule:
        when = None if decl.when is None else condition(scope, decl.when)
        actions = tuple(self._action(action, scope) for action in decl.actions)
        kinds = {action.kind for action in actions}
        if kinds >= {"drop", "forward"}:
            self._error("conflict", f"rule {decl.name} forwards and drops the same event", decl.span, "keep one")
        return typed.Rule(decl.span, decl.name, when, actions)

    def _action(self, action: ast.Action, scope: Scope) -> typed.Action:
        if action.operand is not None:
            return typed.Action(action.span, "forward", None, forward_operand(scope, action.operand))
        match action.kind:
            case "deliver":
                self._target("deliver", action, CHANNELS_MAX, "channels")
            case "count":
                self._target("count", action, COUNTERS_MAX, "counters")
            case "forward":
                self._port(action)
        return typed.Action(action.span, action.kind, action.target)

    def _target(self, kind: str, action: ast.Action, most: int, what: str) -> None:
        known, name = self.names[kind], str(action.target)
        if name not in known and len(known) == most:
            self._error("too-many", f"a file holds at most {most} {what}; {name} is one more", action.span)
            return
        known.add(name)

    def _port(self, action: ast.Action) -> None:
        if not isinstance(action.target, int) or not 0 <= action.target < PORTS:
            self._error("out-of-range", f"ports are 0 to {PORTS - 1}, not {action.target}", action.span)
