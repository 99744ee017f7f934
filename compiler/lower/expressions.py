"""The meaning of expressions: syntax tree and fields in, one boolean node out.

One idea: an atom (a comparison, a membership, a presence) is *valid and true*, so logic above it is two-valued.
Where a side has several values (``tcp.port``), ``==``, order and ``in`` ask for any of them and ``!=`` for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product

from sevenm.compiler.check.literals import Finding, Literal, did_you_mean, limits, network, raw, text_bytes
from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.lower import arithmetic
from sevenm.compiler.plan import Name
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.names import name as named
from sevenm.compiler.plan.ops import LOAD_MAX, RangeError
from sevenm.compiler.protocols.fields import ORDERED, VALUES_MAX, Field, Operand, Type, Value
from sevenm.compiler.syntax import ast

MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
"""The operator with its sides exchanged, where that is another one."""
LITERALS = (ast.Number, ast.Duration, ast.Text, ast.Address)


class Expressions:
    """Lowers expressions over one set of fields. ``sets`` are the file's named sets; ``given`` is a node known to be
    true wherever the expression matters, such as "the record is there". Findings of severity warning go to
    ``warnings``, errors are raised as Finding."""

    def __init__(
        self, graph: Graph, fields: Mapping[str, Field], sets: Mapping[str, ast.SetDecl], given: int | None = None
    ) -> None:
        self.g, self.fields, self.sets = graph, fields, sets
        self._certain = {graph.true, graph.true if given is None else given}
        self.warnings: list[Diagnostic] = []
        self.names: list[tuple[int, Name]] = []
        """What the nodes of fields are called."""
        self.used_sets: set[str] = set()
        self._ranges: dict[tuple[str, Type], list[tuple[int, int]]] = {}

    # Conditions

    def condition(self, expr: ast.Expr) -> int:
        """The node that is 1 where the expression holds. Raises Finding."""
        try:
            return self._condition(expr)
        except RangeError as error:
            # The innermost condition around the value says where.
            raise Finding("too-wide", str(error), expr.span, "wrap(x, bits) or sat(x, bits) bound a value") from error

    def _condition(self, expr: ast.Expr) -> int:
        match expr:
            case ast.Logic():
                parts = [self.condition(e) for e in expr.operands]
                return self.g.all(*parts) if expr.op == "and" else self.g.any(*parts)
            case ast.Unary(op="not"):
                return self.g.invert(self.condition(expr.operand))
            case ast.Compare():
                return self._compare(expr)
            case ast.In():
                return self._membership(expr)
            case ast.Name():
                return self._presence(expr)
            case ast.Slice():
                return self.g.any(*(v.valid for v in self._slice(expr).values))
            case _:
                raise Finding(
                    "not-a-condition", "this is a value, not a condition", expr.span, "compare it: … == 0, … in {…}"
                )

    def _presence(self, name: ast.Name) -> int:
        field = self.resolve(name)
        if field.present is not None:
            present = field.present()
            self.names.append((present, named("header", field.name)))
            return present
        values = self._values(field, name)
        if field.type is not None and field.type.is_flag:
            return self.g.any(*(self.g.all(v.valid, v.node) for v in values))
        return self.g.any(*(v.valid for v in values))

    def _compare(self, expr: ast.Compare) -> int:
        left, right, op = expr.left, expr.right, expr.op
        if self._is_word(left) and not self._is_word(right):
            left, right = right, left
            op = MIRRORED.get(op, op)
        one = self.operand(left)
        two = self._member(right, one) if isinstance(one, Operand) else self.operand(right)
        if not isinstance(one, Operand):
            if not isinstance(two, Operand):
                raise Finding("constant", "this compares two constants", expr.span, "one side must be a field")
            one, two = two, one
            op = MIRRORED.get(op, op)
        if op == "!=":
            self._lint_absent(one, two, expr)
        pairs = self._tests(op, one, two, expr.span)
        return self._combine(pairs, expr.quantifier or ("all" if op == "!=" else "any"))

    def _lint_absent(self, one: Operand, two: Operand | Literal, expr: ast.Compare) -> None:
        values = one.values + (two.values if isinstance(two, Operand) else ())
        if any(v.valid not in self._certain for v in values) and expr.quantifier is None:
            self.warnings.append(
                Diagnostic(
                    "warning", "absent-field", f"!= is false where {one.name} is absent", expr.span,
                    "not (a == b) is true there; write a and a != b to say that you mean this",
                )
            )  # fmt: skip

    def _combine(self, pairs: Sequence[tuple[int, int]], quantifier: str) -> int:
        g = self.g
        if quantifier == "any":
            return g.any(*(g.all(valid, test) for valid, test in pairs))
        return g.all(g.any(*(v for v, _ in pairs)), *(g.any(g.invert(valid), test) for valid, test in pairs))

    def _tests(self, op: str, one: Operand, two: Operand | Literal, span: Span) -> list[tuple[int, int]]:
        """(valid, test) for every combination of values."""
        if not isinstance(two, Operand):
            if isinstance(two, ast.Address) and two.prefix is not None and op in ("==", "!="):
                item = self._in_ranges(one, [self._range(two, one)])
                return [(v, self.g.invert(t)) if op == "!=" else (v, t) for v, t in item]
            return [(v.valid, self._against(op, one, v, two, span)) for v in one.values]
        if len(one.values) * len(two.values) > VALUES_MAX:
            raise Finding("too-many-values", f"more than {VALUES_MAX} combinations of values to compare", span)
        left, right = arithmetic.align(self.g, one, two, span)
        return [
            (self.g.all(a.valid, b.valid), self._order(op, a.parts, b.parts, one, span))
            for a, b in product(left.values, right.values)
        ]

    def _against(self, op: str, one: Operand, value: Value, literal: Literal, span: Span) -> int:
        of = one.type
        if of.kind in ("bytes", "char"):
            return self._text(op, one, value, literal, span)
        if of.kind == "int" and not one.direct and isinstance(literal, ast.Number):
            const = arithmetic.constant(self.g, literal)
            left, right = arithmetic.align(self.g, Operand(one.name, of, (value,)), const, span)
            return self._order(op, left.values[0].parts, right.values[0].parts, one, span)
        constant = self.g.const(raw(literal, one.name, of, one.direct))
        return self._order(op, value.parts, (constant,), one, span)

    def _text(self, op: str, one: Operand, value: Value, literal: Literal, span: Span) -> int:
        """Against bytes; a char field is also equal where only blanks or only NULs follow the text."""
        size = one.type.bits // 8
        data = text_bytes(literal, one.name, one.type)
        base = "==" if op == "!=" else op
        paddings = [b" ", b"\0"] if len(data) < size else [b"\0"]
        tests = [self._order(base, value.parts, self._chunks(data.ljust(size, pad)), one, span) for pad in paddings]
        if op not in ("==", "!=") and len(tests) > 1:
            raise Finding("length-mismatch", f"order on {one.name} needs all {size} bytes", literal.span)
        equal = self.g.any(*tests)
        return self.g.invert(equal) if op == "!=" else equal

    def _chunks(self, data: bytes) -> tuple[int, ...]:
        return tuple(
            self.g.const(int.from_bytes(data[at : at + LOAD_MAX], "big")) for at in range(0, len(data), LOAD_MAX)
        )

    def _order(self, op: str, a: tuple[int, ...], b: tuple[int, ...], one: Operand, span: Span) -> int:
        g = self.g
        if len(a) != len(b):
            raise Finding("length-mismatch", f"{one.name} and what it is compared with differ in length", span)
        if op in ("==", "!="):
            equal = g.all(*(g.eq(x, y) for x, y in zip(a, b, strict=True))) if len(a) > 1 else g.eq(a[0], b[0])
            return equal if op == "==" else g.invert(equal)
        if len(a) > 1:
            raise Finding("type-mismatch", f"order is defined for at most {LOAD_MAX} bytes", span)
        less = {"<": g.lt(a[0], b[0]), ">": g.lt(b[0], a[0])}
        return less[op] if op in less else g.invert(less[">" if op == "<=" else "<"])

    # Membership

    def _membership(self, expr: ast.In) -> int:
        one = self.operand(expr.operand)
        if not isinstance(one, Operand):
            raise Finding("constant", "a constant is asked for membership", expr.operand.span, "name a field")
        if not expr.items:
            raise Finding("empty-set", "the set is empty: nothing can be in it", expr.span)
        if one.type.kind in ("bytes", "char") and one.type.bits > 8:
            return self._combine(self._in_texts(one, self._flat(expr.items)), expr.quantifier or "any")
        ranges: list[tuple[int, int]] = []
        for item in expr.items:
            if isinstance(item, ast.SetRef):
                ranges += self._set_ranges(item, one)
            else:
                ranges.append(self._range(item, one))
        return self._combine(self._in_ranges(one, ranges), expr.quantifier or "any")

    def _in_ranges(self, one: Operand, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        merged = list(ranges)
        return [(v.valid, self.g.member(v.node, merged)) for v in one.values]

    def _in_texts(self, one: Operand, items: Iterable[ast.SetItem]) -> list[tuple[int, int]]:
        literals: list[Literal] = []
        for item in items:
            if not isinstance(item, LITERALS):
                raise Finding("type-mismatch", f"a set for {one.name} holds texts or bytes", item.span)
            literals.append(item)
        return [(v.valid, self.g.any(*(self._text("==", one, v, i, i.span) for i in literals))) for v in one.values]

    def _flat(self, items: Iterable[ast.SetItem]) -> list[ast.SetItem]:
        return [i for item in items for i in (self._set(item).items if isinstance(item, ast.SetRef) else (item,))]

    def _set(self, ref: ast.SetRef) -> ast.SetDecl:
        found = self.sets.get(ref.name)
        if found is None:
            hint = did_you_mean(ref.name, list(self.sets)) or "declare it: set name : type = { … }"
            raise Finding("unknown-set", f"there is no set ${ref.name}", ref.span, hint)
        self.used_sets.add(ref.name)
        return found

    def _set_ranges(self, ref: ast.SetRef, one: Operand) -> list[tuple[int, int]]:
        decl = self._set(ref)
        key = (ref.name, one.type)
        if key not in self._ranges:
            if decl.type is not None and not _set_fits(decl.type.name, one.type):
                message = f"${ref.name} is a set of {decl.type.name}, {one.name} is {one.type.text}"
                raise Finding("type-mismatch", message, ref.span)
            self._ranges[key] = [self._range(item, one) for item in decl.items]
        return self._ranges[key]

    def _range(self, item: ast.SetItem, one: Operand) -> tuple[int, int]:
        """First and last raw value of a member."""
        match item:
            case ast.Range():
                lo, hi = self._range(self._bound(item.lo), one)[0], self._range(self._bound(item.hi), one)[1]
                if lo > hi:
                    raise Finding("empty-range", "the range is empty: its end comes before its start", item.span)
                return lo, hi
            case ast.Address(kind="ip4" | "ip6") if item.prefix is not None and item.kind == one.type.kind:
                return network(item)
            case ast.Name():
                literal = self._enum(item, one)
                return self._range(literal, one)
            case ast.SetRef():
                raise Finding("not-a-value", "a set cannot be an end of a range", item.span)
            case _:
                if one.type.kind in ("bytes", "char"):
                    value = int.from_bytes(text_bytes(item, one.name, one.type), "big")
                else:
                    value = raw(item, one.name, one.type, one.direct)
                return value, value

    def _bound(self, expr: ast.Expr) -> Literal | ast.Name:
        if isinstance(expr, (*LITERALS, ast.Name)):
            return expr
        raise Finding("not-a-constant", "the ends of a range are constants", expr.span)

    # Operands

    def operand(self, expr: ast.Expr) -> Operand | Literal:
        """A side of a comparison: typed if a field takes part, else a literal."""
        match expr:
            case ast.Number() | ast.Duration() | ast.Text() | ast.Address():
                return expr
            case ast.Name():
                field = self.resolve(expr)
                if field.type is None:
                    raise Finding(
                        "no-value", f"{field.name} is present or absent; it has no value to compare", expr.span,
                        f"take a field of it, or a slice: {field.name}[0:2]" if field.region else None,
                    )  # fmt: skip
                return Operand(_shown(expr), field.type, self._values(field, expr), direct=True)
            case ast.Slice():
                return self._slice(expr)
            case ast.Unary(op="-" | "~") | ast.Binary() | ast.Call():
                return arithmetic.lower(self, expr)
            case _:
                raise Finding("not-a-value", "this is a condition, not a value", expr.span)

    def _values(self, field: Field, name: ast.Name) -> tuple[Value, ...]:
        values = field.values() if field.values is not None else ()
        for number, value in enumerate(values, 1):
            label = field.name if len(values) == 1 else f"{field.name}#{number}"
            self.names.append((value.node, named("field", label)))
        if name.tag is None:
            return values
        if field.values is None or len(values) < 2:
            raise Finding("no-layers", f"{field.name} occurs once; #{name.tag} picks one of several", name.span)
        if not 1 <= name.tag <= len(values):
            raise Finding("no-layers", f"{field.name} has #1 to #{len(values)}, not #{name.tag}", name.span)
        return (values[name.tag - 1],)

    def resolve(self, name: ast.Name) -> Field:
        """The field of that name. Raises Finding with close names."""
        found = self.fields.get(name.path)
        if found is not None:
            return found
        protocol = name.path.split(".")[0]
        close = did_you_mean(name.path, list(self.fields))
        if close is None and protocol in self.fields:
            known = [f for f in self.fields if f.startswith(protocol + ".")]
            close = f"{protocol} has {', '.join(known[:8])}" + (", …" if len(known) > 8 else "")
        raise Finding("unknown-field", f"there is no field {name.path}", name.span, close)

    def _is_word(self, expr: ast.Expr) -> bool:
        """A name that is no field, and so can only be a member of the other side's enum."""
        return isinstance(expr, ast.Name) and expr.path not in self.fields

    def _member(self, expr: ast.Expr, other: Operand) -> Operand | Literal:
        if isinstance(expr, ast.Name) and (other.type.enum or self._is_word(expr)):
            members = dict(other.type.enum)
            if expr.path in members or (other.type.enum and self._is_word(expr)):
                return self._enum(expr, other)
        return self.operand(expr)

    def _enum(self, name: ast.Name, other: Operand) -> ast.Number:
        members = dict(other.type.enum)
        if name.path in members:
            return ast.Number(name.span, Fraction(members[name.path]) * other.type.scale, name.path)
        if not members:
            self.resolve(name)
            raise Finding("not-a-constant", f"{name.path} is a field; a set holds constants", name.span)
        hint = did_you_mean(name.path, list(members)) or f"{other.name} is one of {', '.join(members)}"
        raise Finding("unknown-member", f"{other.name} has no member {name.path}", name.span, hint)

    def _slice(self, expr: ast.Slice) -> Operand:
        g = self.g
        if not isinstance(expr.base, ast.Name):
            raise Finding("not-sliceable", "only a field or a protocol can be sliced", expr.base.span)
        element = self.fields.get(f"{expr.base.path}.{expr.start}")
        field = self.resolve(expr.base)
        shown = f"{expr.base.path}[{expr.start}]" if expr.index else f"{expr.base.path}[{expr.start}:{expr.length}]"
        if f"{expr.base.path}.0" in self.fields:
            if not expr.index or element is None or element.values is None or element.type is None:
                count = sum(f.startswith(f"{expr.base.path}.") for f in self.fields)
                raise Finding("out-of-range", f"{expr.base.path} has elements [0] to [{count - 1}]", expr.span)
            return Operand(shown, element.type, element.values(), direct=True)
        of = Type("bytes", 8 * expr.length)
        if field.region is not None:
            region = field.region()
            start = region.disp + expr.start
            valid = g.all(region.valid, g.le(g.add(region.base, g.const(start + expr.length)), region.end))
            parts = tuple(
                g.load(region.base, start + at, min(LOAD_MAX, expr.length - at))
                for at in range(0, expr.length, LOAD_MAX)
            )
            return Operand(shown, of, (Value(valid, parts),), direct=True)
        if field.type is None or field.type.bits % 8 or field.type.kind == "float" or field.values is None:
            raise Finding("not-sliceable", f"{field.name} has no bytes to slice", expr.span)
        size = field.type.bits // 8
        if expr.start + expr.length > size:
            raise Finding("out-of-range", f"{field.name} has {size} bytes, [0] to [{size - 1}]", expr.span)
        lsb = 8 * (size - expr.start - expr.length)
        values = tuple(Value(v.valid, (g.bits(v.node, lsb, 8 * expr.length),)) for v in self._values(field, expr.base))
        return Operand(shown, of, values, direct=True)


def _shown(name: ast.Name) -> str:
    return name.path if name.tag is None else f"{name.path}#{name.tag}"


def _set_fits(declared: str, of: Type) -> bool:
    if declared in ORDERED or of.kind != "int":
        return declared == of.kind
    return declared[:1] in "ui" and (limits(of)[1] > 1 or declared == "u1")
