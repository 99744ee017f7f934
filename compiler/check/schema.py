"""A schema as written to its ``Layout``: every field gets its bytes, and what cannot be is refused.

One idea: fields are laid out in declaration order without padding, an ``@offset`` moves the position; then each
byte belongs to at most one field, and the record is 64 or 128 bytes. All findings of a schema are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sevenm.compiler.diagnostics import CompileError, Diagnostic, Span, nearest
from sevenm.compiler.plan.layout import SIZES, Field, Layout
from sevenm.compiler.syntax import ast

INTEGER_BITS = (8, 16, 32, 64, 128)
TYPES: dict[str, tuple[str, int]] = {
    **{f"u{bits}": ("uint", bits // 8) for bits in INTEGER_BITS},
    **{f"i{bits}": ("int", bits // 8) for bits in INTEGER_BITS},
    "f32": ("float", 4),
    "f64": ("float", 8),
    "char": ("char", 1),
    "bytes": ("bytes", 1),
    "time": ("time", 8),
    "mac": ("mac", 6),
    "ip4": ("ip4", 4),
    "ip6": ("ip6", 16),
}
"""Kind and bytes of one element of each type; ``fixed<bits,fraction>`` besides."""
ALIASES = {
    "int": "i32", "uint": "u32", "long": "i64", "short": "i16", "byte": "u8", "float": "f32", "double": "f64",
    "string": "char", "str": "char", "bool": "u8", "timestamp": "time", "ipv4": "ip4", "ipv6": "ip6", "ether": "mac",
}  # fmt: skip
"""What other languages call them, for hints."""
FIELD_ATTRIBUTES = ("offset", "scale", "unit", "null")
SCHEMA_ATTRIBUTES = ("endian",)
UNIT_MAX = 32
"""Characters of a unit."""
RESERVED = ("any", "all")
"""Names that could not be said in an expression."""
SCALE_BITS_MAX = 64
"""Bits of the numerator and of the denominator of a scale."""


def lower_schema(decl: ast.SchemaDecl) -> Layout:
    """The layout of a schema. Raises CompileError with every finding."""
    return _Schema(decl).layout()


@dataclass(frozen=True, slots=True)
class _Type:
    kind: str
    size: int
    count: int
    scale: Fraction = Fraction(1)

    @property
    def bits(self) -> int:
        return 8 * self.size


class _Schema:
    def __init__(self, decl: ast.SchemaDecl) -> None:
        self.decl = decl
        self.findings: list[Diagnostic] = []
        self.fields: list[tuple[Field, ast.FieldDecl]] = []
        self.bit_fields: dict[str, list[Field]] = {}

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, span, hint))

    def layout(self) -> Layout:
        decl = self.decl
        if decl.size not in SIZES:
            self.error("schema-size", f"size of a schema must be 64 or 128 bytes, not {decl.size}", decl.span)
        if not decl.fields:
            self.error("empty-schema", f"schema {decl.name} has no fields", decl.span)
        little = self._endian()
        position = 0
        for field in decl.fields:
            position = self._field(field, position)
        self._places()
        if self.findings:
            raise CompileError(sorted(self.findings, key=lambda d: d.span.start))
        fields = [part for field, _ in self.fields for part in (field, *self.bit_fields.get(field.name, ()))]
        return Layout(decl.name, decl.version, decl.size, little, tuple(fields))

    # attributes

    def _attributes(
        self, attributes: Iterable[ast.Attribute], known: Sequence[str], of: str
    ) -> dict[str, ast.Attribute]:
        out: dict[str, ast.Attribute] = {}
        for attribute in attributes:
            if attribute.name in out:
                self.error("given-twice", f"@{attribute.name} is given twice", attribute.span)
            elif attribute.name not in known:
                self._unknown_attribute(attribute, known, of)
            elif attribute.value is None:
                self.error("no-argument", f"@{attribute.name} needs a value in parentheses", attribute.span)
            else:
                out[attribute.name] = attribute
        return out

    def _unknown_attribute(self, attribute: ast.Attribute, known: Sequence[str], of: str) -> None:
        if attribute.name in SCHEMA_ATTRIBUTES + FIELD_ATTRIBUTES:
            where = "the schema, after its size" if attribute.name in SCHEMA_ATTRIBUTES else "a field, after its type"
            self.error("misplaced-attribute", f"@{attribute.name} belongs to {where}", attribute.span)
            return
        near = nearest(attribute.name, known)
        hint = f"did you mean @{near[0]}?" if near else f"a {of} takes {', '.join('@' + k for k in known)}"
        self.error("unknown-attribute", f"there is no attribute @{attribute.name}", attribute.span, hint)

    def _endian(self) -> bool:
        given = self._attributes(self.decl.attributes, SCHEMA_ATTRIBUTES, "schema").get("endian")
        if given is None:
            if not self.decl.attributes:
                hint = "write @endian(little) or @endian(big) after the size"
                self.error("no-endian", f"schema {self.decl.name} does not say its byte order", self.decl.span, hint)
            return True
        word = given.value.path if isinstance(given.value, ast.Name) else ""
        if word not in ("little", "big"):
            self.error("bad-attribute", "@endian must be little or big", given.span)
        return word != "big"

    def _whole(self, attribute: ast.Attribute) -> int | None:
        value = attribute.value
        if isinstance(value, ast.Number) and value.value.denominator == 1:
            return int(value.value)
        self.error("bad-attribute", f"@{attribute.name} must be a whole number", attribute.span)
        return None

    def _scale(self, attribute: ast.Attribute | None, of: _Type) -> Fraction:
        if attribute is None:
            return of.scale
        value = attribute.value
        if of.kind not in ("uint", "int"):
            self.error("bad-attribute", f"@scale is for u8 to u128 and i8 to i128, not for {of.kind}", attribute.span)
        elif not isinstance(value, ast.Number) or value.value <= 0:
            self.error("bad-attribute", "@scale must be a number above 0", attribute.span)
        elif max(value.value.numerator, value.value.denominator).bit_length() > SCALE_BITS_MAX:
            self.error("bad-attribute", f"@scale has more digits than {SCALE_BITS_MAX} bits hold", attribute.span)
        else:
            return value.value
        return Fraction(1)

    def _unit(self, attribute: ast.Attribute | None, of: _Type) -> str | None:
        if attribute is None:
            return None
        value = attribute.value
        if not isinstance(value, ast.Name):
            self.error("bad-attribute", "@unit must be a word, or text in quotes", attribute.span)
            return None
        if not value.path.isprintable() or not 1 <= len(value.path) <= UNIT_MAX:
            self.error("bad-attribute", f"@unit must have 1 to {UNIT_MAX} printable characters", attribute.span)
        elif of.kind == "time" and value.path != "ns":
            hint = "for another unit, take u64 with @unit"
            self.error("bad-attribute", f"time is in ns, not in {value.path}", attribute.span, hint)
        return value.path

    def _null(self, attribute: ast.Attribute | None, of: _Type) -> int | None:
        if attribute is None:
            return None
        if of.kind in ("char", "bytes"):
            self.error("bad-attribute", f"@null is for numbers and addresses, not for {of.kind}", attribute.span)
            return None
        value = self._whole(attribute)
        if value is None:
            return None
        lowest = -(1 << (of.bits - 1)) if of.kind in ("int", "fixed") else 0
        if not lowest <= value < 1 << of.bits:
            message = f"@null must be the raw value, {lowest} to {(1 << of.bits) - 1:#x}, not {value}"
            self.error("bad-attribute", message, attribute.span)
        return value % (1 << of.bits)

    # fields

    def _field(self, decl: ast.FieldDecl, position: int) -> int:
        """Adds a field at ``position`` or at its ``@offset``; the position after it."""
        if decl.name in RESERVED:
            self.error("reserved-name", f"a field cannot be called '{decl.name}', a word of the language", decl.span)
        elif any(decl.name == field.name for field, _ in self.fields):
            self.error("duplicate-field", f"schema {self.decl.name} has two fields {decl.name}", decl.span)
        of = self._type(decl.type)
        given = self._attributes(decl.attributes, FIELD_ATTRIBUTES, "field")
        if of is None:
            return position
        offset = position
        if "offset" in given:
            value = self._whole(given["offset"])
            if value is not None and not 0 <= value < max(SIZES):
                message = f"@offset must be 0 to {max(SIZES) - 1}, not {value}"
                self.error("bad-attribute", message, given["offset"].span)
                value = None
            offset = position if value is None else value
        field = Field(
            decl.name,
            of.kind,
            offset,
            of.size,
            of.count,
            scale=self._scale(given.get("scale"), of),
            null=self._null(given.get("null"), of),
            unit=self._unit(given.get("unit"), of),
            enum=self._enum(decl.enum, of.kind, of.bits, decl.name),
        )
        self.fields.append((field, decl))
        if decl.bits:
            self._bits(decl, field)
        return field.end

    def _type(self, ref: ast.TypeRef) -> _Type | None:
        count = 1 if ref.count is None else ref.count
        limit = max(SIZES)
        if not 1 <= count <= limit:
            self.error("bad-count", f"number of elements must be 1 to {limit}, not {count}", ref.span)
            count = 1
        if ref.name == "fixed":
            return self._fixed(ref, count)
        if ref.name not in TYPES:
            self.error("unknown-type", f"there is no type {ref.name}", ref.span, _type_hint(ref.name))
            return None
        if ref.params:
            self.error("bad-type", f"{ref.name} takes no numbers in <>", ref.span, "only fixed<bits,fraction> does")
        return _Type(*TYPES[ref.name], count)

    def _fixed(self, ref: ast.TypeRef, count: int) -> _Type | None:
        if len(ref.params) != 2:
            hint = "fixed<32,16> has 32 bits, 16 of them after the point"
            self.error("bad-type", "fixed needs its bits and how many are after the point", ref.span, hint)
            return None
        bits, fraction = ref.params
        if bits not in INTEGER_BITS:
            self.error("bad-type", f"bits of fixed must be one of 8, 16, 32, 64, 128, not {bits}", ref.span)
            return None
        if not 0 <= fraction <= min(bits, SCALE_BITS_MAX - 1):
            limit = min(bits, SCALE_BITS_MAX - 1)
            self.error("bad-type", f"bits after the point must be 0 to {limit}, not {fraction}", ref.span)
            return None
        return _Type("fixed", bits // 8, count, Fraction(1, 1 << fraction))

    def _enum(self, members: Sequence[ast.EnumMember], kind: str, bits: int, field: str) -> tuple[tuple[str, int], ...]:
        if not members:
            return ()
        if kind not in ("uint", "int") or bits > 64:
            message = f"{field} cannot have named values: they are for whole numbers of up to 64 bits"
            self.error("bad-enum", message, members[0].span)
            return ()
        lowest, highest = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind == "int" else (0, (1 << bits) - 1)
        names: dict[str, int] = {}
        by_value: dict[int, str] = {}
        for member in members:
            if member.name in names:
                self.error("duplicate-value", f"{field} has two values called {member.name}", member.span)
            elif member.value in by_value:
                message = f"{member.name} and {by_value[member.value]} are both {member.value}"
                self.error("duplicate-value", message, member.span)
            elif not lowest <= member.value <= highest:
                message = f"{member.name} = {member.value} does not fit {field}: {lowest} to {highest}"
                self.error("value-out-of-range", message, member.span)
            names[member.name] = member.value
            by_value[member.value] = member.name
        return tuple(names.items())

    def _bits(self, decl: ast.FieldDecl, container: Field) -> None:
        if container.kind != "uint" or container.count != 1:
            message = f"bits need one unsigned integer as a container, such as u16, not {_shown(decl.type)}"
            self.error("bad-bits", message, decl.type.span)
            return
        if decl.enum or container.null is not None or container.scale != 1:
            self.error("bad-bits", f"{decl.name} is divided into bits: it takes no names, @scale or @null", decl.span)
        first, total = 0, 8 * container.size
        parts: dict[str, Field] = {}
        for bit in decl.bits:
            if not 1 <= bit.width <= total:
                message = f"width of {decl.name}.{bit.name} must be 1 to {total}, not {bit.width}"
                self.error("bad-bits", message, bit.span)
            elif bit.name in parts:
                self.error("duplicate-field", f"{decl.name} has two bit fields {bit.name}", bit.span)
            elif bit.name == "-" and bit.enum:
                self.error("bad-enum", "skipped bits take no names", bit.span)
            elif bit.name != "-":
                name = f"{decl.name}.{bit.name}"
                enum = self._enum(bit.enum, "uint", bit.width, name)
                bits = (first, bit.width)
                parts[bit.name] = Field(name, "uint", container.offset, container.size, bits=bits, enum=enum)
            first += bit.width
        if first != total:
            word = "only " if first < total else ""
            hint = f"write -: {total - first} for bits without a name" if first < total else "take a wider container"
            message = f"the bit fields of {decl.name} have {word}{first} of the {total} bits"
            if first > total:
                message = f"the bit fields of {decl.name} have {first} bits, more than the {total} of {decl.type.name}"
            self.error("bad-bits", message, decl.span, hint)
        self.bit_fields[decl.name] = list(parts.values())

    # places

    def _places(self) -> None:
        """Fields must lie in the record and not on each other."""
        size = self.decl.size if self.decl.size in SIZES else max(SIZES)
        for field, decl in self.fields:
            if field.end > size:
                hint = "size 128 is the largest" if size == 128 else "take size 128, or fewer fields"
                message = f"field {field.name} takes bytes {field.offset} to {field.end - 1}, the record has {size}"
                self.error("schema-overflow", message, decl.span, hint)
                break  # those after it lie outside because of it
        placed = sorted(self.fields, key=lambda item: (item[0].offset, item[0].end))
        widest: Field | None = None
        for field, decl in placed:
            if widest is not None and field.offset < widest.end:
                last = min(field.end, widest.end) - 1
                at = f"byte {last}" if field.offset == last else f"bytes {field.offset} to {last}"
                message = f"fields {widest.name} and {field.name} overlap in {at}"
                self.error("schema-overlap", message, decl.span, f"the next free byte is {widest.end}")
            if widest is None or field.end > widest.end:
                widest = field


def _shown(ref: ast.TypeRef) -> str:
    return ref.name + (f"[{ref.count}]" if ref.count is not None else "")


def _type_hint(name: str) -> str:
    alias = ALIASES.get(name.lower())
    if alias is None:
        width = re.fullmatch(r"([uif])([0-9]{1,3})", name)
        if width and int(width[2]):
            sizes = (32, 64) if width[1] == "f" else INTEGER_BITS
            wider = [bits for bits in sizes if bits >= int(width[2])]
            alias = f"{width[1]}{wider[0] if wider else sizes[-1]}"
            if width[1] == "u" and name not in TYPES and wider:
                return f"write {alias}, or bits inside it: {alias} bits {{ name: {width[2]} … }}"
    near = [alias] if alias else nearest(name.lower(), [*TYPES, "fixed"])
    return f"did you mean {near[0]}?" if near else f"the types are {', '.join([*TYPES, 'fixed<bits,fraction>'])}"
