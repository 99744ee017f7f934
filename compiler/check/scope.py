"""The names that an expression may use, and what there is to know about each before any value is computed.

One idea: the fields of a source are asked for their nodes in a graph of their own, which tells how many values a field
has, between which bounds, and whether it is always there; what rules mean is computed later, in another graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sevenm.compiler.check import typed
from sevenm.compiler.check.literals import Finding, did_you_mean
from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Field, Type
from sevenm.compiler.protocols.packet_fields import packet_fields
from sevenm.compiler.protocols.record_fields import record_fields
from sevenm.compiler.syntax import ast


class Catalogue:
    """The fields of packets and of the records of some schemas, in one graph that nothing is computed from."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._packet: Mapping[str, Field] | None = None

    def packet(self) -> Mapping[str, Field]:
        if self._packet is None:
            self._packet = packet_fields(self.graph)
        return self._packet

    def record(self, layout: Layout) -> Mapping[str, Field]:
        g = self.graph
        return record_fields(g, layout, g.true, g.const(0), 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """Occurrences of a field, the bounds of their raw values, and the nodes that say whether each is there."""

    count: int
    lo: int
    hi: int
    valid: frozenset[int]


@dataclass(slots=True)
class Declared:
    """The sets and tables of a file, and what its rules made of them: which were asked ($name for a set), and a set as
    values of one type, stored or calculated, see it."""

    sets: dict[str, ast.SetDecl] = field(default_factory=dict)
    tables: dict[str, typed.Table] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    instances: dict[tuple[str, Type, bool], typed.NamedSet] = field(default_factory=dict)


class Scope:
    """Where expressions stand: the fields they may name, and those that are known to be there. Errors and warnings go
    to ``findings``."""

    def __init__(
        self, graph: Graph, fields: Mapping[str, Field], declared: Declared, findings: list[Diagnostic]
    ) -> None:
        self.graph, self.fields, self.declared, self.findings = graph, fields, declared, findings
        self.sets, self.tables = declared.sets, declared.tables
        self._certain: list[frozenset[str]] = []
        self._facts: dict[tuple[str, int | None], Facts] = {}

    # Names

    def resolve(self, name: ast.Name) -> Field:
        """The field of that name. Raises Finding with close names."""
        found = self.fields.get(name.path)
        if found is not None:
            return found
        protocol = name.path.split(".")[0]
        close = did_you_mean(name.path, [*self.fields, *self.tables])
        if name.path in self.tables:
            close = f"{name.path} is a table: ask x in {name.path} alone, or {name.path}[x]"
        elif name.path in self.sets:
            close = f"write ${name.path} for the set"
        elif close is None and protocol in self.fields:
            known = [f for f in self.fields if f.startswith(protocol + ".")]
            close = f"{protocol} has {', '.join(known[:8])}" + (", …" if len(known) > 8 else "")
        raise Finding("unknown-field", f"there is no field {name.path}", name.span, close)

    def is_word(self, expr: ast.Expr | ast.SetItem) -> bool:
        """A name that is no field, and so can only be a member of the other side's enum."""
        return isinstance(expr, ast.Name) and expr.path not in self.fields

    def named_set(self, ref: ast.SetRef) -> ast.SetDecl:
        found = self.sets.get(ref.name)
        if found is None:
            hint = did_you_mean(ref.name, list(self.sets)) or "declare it: set name : type = { … }"
            if ref.name in self.tables:
                hint = f"{ref.name} is a table: write x in {ref.name}"
            raise Finding("unknown-set", f"there is no set ${ref.name}", ref.span, hint)
        self.declared.used.add(f"${ref.name}")
        return found

    def table(self, name: ast.Expr) -> typed.Table:
        if not isinstance(name, ast.Name) or name.tag is not None:
            raise Finding("unknown-table", "only a table is looked up by a key", name.span, "write table[key]")
        found = self.tables.get(name.path)
        if found is None:
            hint = did_you_mean(name.path, list(self.tables)) or "declare it: table name : type -> type { … }"
            if name.path in self.fields:
                hint = f"{name.path} is a field; a slice of it takes numbers: {name.path}[0:2]"
            raise Finding("unknown-table", f"there is no table {name.path}", name.span, hint)
        self.declared.used.add(found.name)
        return found

    # Fields as values

    def facts(self, path: str, tag: int | None = None) -> Facts:
        """Of a field with values. ``tag`` counts from 1."""
        found = self._facts.get((path, tag))
        if found is None:
            found = self._facts[path, tag] = self._ask(path, tag)
        return found

    def _ask(self, path: str, tag: int | None) -> Facts:
        asked = self.fields[path]
        values = asked.values() if asked.values is not None else ()
        chosen = values if tag is None else values[tag - 1 : tag]
        valid = frozenset(v.valid for v in chosen)
        if asked.type is not None and asked.type.kind in ("bytes", "char"):
            return Facts(len(chosen), 0, (1 << asked.type.bits) - 1, valid)
        nodes = [self.graph[v.node] for v in chosen]
        return Facts(len(chosen), min(n.lo for n in nodes), max(n.hi for n in nodes), valid)

    def field_value(self, path: str, span: Span, shown: str, tag: int | None = None) -> typed.FieldValue:
        """The field of that key as a value. ``tag`` has been checked."""
        asked, facts = self.fields[path], self.facts(path, tag)
        assert asked.type is not None  # the caller has asked
        return typed.FieldValue(
            span=span, name=shown, type=asked.type, lo=facts.lo, hi=facts.hi, count=facts.count,
            needs=frozenset() if facts.valid <= {self.graph.true} else frozenset({shown}),
            path=path, field=asked, tag=tag,
        )  # fmt: skip

    # What is known to be there

    @contextmanager
    def knowing(self, names: frozenset[str]) -> Iterator[None]:
        """Inside, the values and headers of these names are there."""
        self._certain.append(names)
        try:
            yield
        finally:
            self._certain.pop()

    def warn(self, code: str, message: str, span: Span, hint: str) -> None:
        self.findings.append(Diagnostic("warning", code, message, span, hint))

    def can_be_absent(self, value: typed.Value) -> bool:
        certain: frozenset[str] = frozenset().union(*self._certain)
        return any(need not in certain and not self._comes_with(need, certain) for need in value.needs)

    def _comes_with(self, need: str, certain: frozenset[str]) -> bool:
        """The field is there wherever one of those is: they belong to one header."""
        asked = self.fields.get(need)
        if asked is None or asked.values is None:
            return False
        there: set[int] = set()
        for name in certain:
            other = self.fields.get(name)
            if other is not None and other.present is not None:
                there.add(other.present())
            elif other is not None and self.facts(name).count == 1:
                there |= self.facts(name).valid
        return self.facts(need).valid <= there
