"""One layout as a C header, a NumPy dtype and an Amaranth layout.

One idea: each emitter walks the same ``members``, so the three name the same bytes by construction. In all of them
a number is in the record's byte order, and addresses, text and bytes are in the order they stand in the record.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from sevenm.compiler.plan.layout import Field, Layout

NUMBERS = ("uint", "int", "float", "fixed", "time")
"""Kinds whose bytes follow the byte order of the record."""
C_RESERVED = frozenset((
    "alignas", "alignof", "and", "and_eq", "asm", "assert", "auto", "bitand", "bitor", "bool", "break", "case",
    "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl",
    "concept", "const", "const_cast", "consteval", "constexpr", "constinit", "continue", "decltype", "default",
    "delete", "do", "double", "dynamic_cast", "else", "enum", "errno", "explicit", "export", "extern", "false",
    "final", "float", "for", "friend", "goto", "i386", "if", "inline", "int", "linux", "long", "mutable",
    "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "offsetof", "operator", "or", "or_eq", "override",
    "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict", "return", "short",
    "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union",
    "unix", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "NULL", "EOF",
))  # fmt: skip
"""Words of C and C++, and macros that compilers define, which no member can be called."""
PYTHON_RESERVED = frozenset([*keyword.kwlist, *keyword.softkwlist, "np", "data", "Fraction", "Cat", "Value"])


class Row(NamedTuple):
    """What people want to know of a field, as text: one row of a table."""

    offset: str
    size: str
    name: str
    type: str
    endian: str
    scale: str
    unit: str
    null: str
    enum: str


def describe(layout: Layout) -> list[Row]:
    """The fields of a layout in order, groups of bits after their container."""
    return [
        Row(
            str(f.offset),
            str(f.size * f.count),
            f.name,
            type_name(f),
            ("little" if layout.little else "big") if f.kind in NUMBERS and f.size > 1 else "",
            "" if f.scale == 1 else str(f.scale),
            f.unit or "",
            "" if f.null is None else f"{f.null:#x}",
            ", ".join(f"{name} = {value}" for name, value in f.enum),
        )
        for f in layout.fields
    ]


def type_name(field: Field) -> str:
    """The type as a schema says it; ``bits 1+3 of u16`` for three bits after the first."""
    bits = 8 * field.size
    if field.bits is not None:
        return f"bits {field.bits[0]}+{field.bits[1]} of u{bits}"
    name = {"uint": f"u{bits}", "int": f"i{bits}", "float": f"f{bits}"}.get(field.kind, field.kind)
    if field.kind == "fixed":
        name = f"fixed<{bits},{field.scale.denominator.bit_length() - 1}>"
    return name if field.count == 1 else f"{name}[{field.count}]"


def members(layout: Layout) -> list[Field]:
    """The fields that own bytes, by offset. Raises ValueError where two overlap or one leaves the record."""
    out = sorted((f for f in layout.fields if f.bits is None), key=lambda f: f.offset)
    end = 0
    for field in out:
        if field.offset < end:
            raise ValueError(f"field {field.name} of layout {layout.name} overlaps the one before it")
        end = field.end
    if end > layout.size:
        raise ValueError(f"fields of layout {layout.name} end at byte {end} of {layout.size}")
    return out


class _Names:
    """Identifiers of one scope: words of the language get an underscore, and none is given twice."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self.taken = set(reserved)

    def take(self, wanted: str) -> str:
        name = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        name = f"_{name}" if not name or name[0].isdigit() else name
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


# C


@dataclass(frozen=True, slots=True)
class _Member:
    """A line of the struct: ``size`` bytes at ``offset``, declared as ``declaration``."""

    name: str
    declaration: str
    offset: int
    size: int
    comment: str


@dataclass(frozen=True, slots=True)
class _Accessor:
    """A getter and a setter. ``raw`` is the unsigned type of the bytes, ``type`` what the caller sees."""

    getter: str
    setter: str
    type: str
    raw: str
    offset: int
    size: int
    count: int
    order: str
    is_float: bool
    shift: int
    mask: str | None
    about: str


def c_header(layout: Layout) -> str:
    """A header for C11 and C++11: a packed struct, assertions on its size and on every offset, and accessors.

    Members of a little-endian record are plain integers, so the header refuses big-endian hosts; those of a
    big-endian record of more than one byte are bytes, read by ``NAME_get_FIELD`` and written by ``NAME_set_FIELD``,
    which exist for both orders. Raises ValueError for a layout whose fields overlap.
    """
    names = _Names(C_RESERVED)
    struct = names.take(layout.name)
    size, version, digest = (names.take(f"{struct}_{word}") for word in ("SIZE", "VERSION", "HASH"))
    rows: list[_Member] = []
    at = 0
    for field in members(layout):
        if field.offset > at:
            rows.append(_gap(names, at, field.offset))
        name = names.take(field.name)
        declaration = _c_declaration(field, layout.little).format(name)
        rows.append(_Member(name, declaration, field.offset, field.end - field.offset, _c_comment(field)))
        at = field.end
    if at < layout.size:
        rows.append(_gap(names, at, layout.size))
    accessors = [_accessor(names, struct, f, layout.little) for f in layout.fields if f.kind in (*NUMBERS, "ip4")]
    enums = [
        (names.take(f"{struct}_{f.name}_{member}"), _c_literal(value))
        for f in layout.fields
        for member, value in f.enum
    ]
    return _render(
        "layout.h.j2",
        layout=layout,
        guard=f"SEVENM_LAYOUT_{struct.upper()}_V{layout.version}_H",
        struct=struct,
        size=size,
        version=version,
        digest=digest,
        members=rows,
        accessors=accessors,
        enums=enums,
        wide=any(f.size == 16 and f.kind in NUMBERS for f in layout.fields),
    )


def _gap(names: _Names, start: int, end: int) -> _Member:
    name = names.take(f"reserved_{start}")
    return _Member(name, f"uint8_t {name}[{end - start}]", start, end - start, "zero")


def _c_comment(field: Field) -> str:
    parts = [type_name(field)]
    if field.scale != 1:
        parts.append(f"in steps of {field.scale}")
    if field.unit:
        parts.append(field.unit)
    if field.null is not None:
        parts.append(f"absent if {field.null:#x}")
    return ", ".join(parts).replace("*/", "* /").replace("/*", "/ *")


def _c_scalar(kind: str, size: int) -> str:
    if kind == "float":
        return "float" if size == 4 else "double"
    if size == 16:
        return "sevenm_i128" if kind in ("int", "fixed") else "sevenm_u128"
    return f"{'' if kind in ('int', 'fixed') else 'u'}int{8 * size}_t"


def _c_declaration(field: Field, little: bool) -> str:
    """With ``{}`` for the name."""
    array = f"[{field.count}]" if field.count > 1 else ""
    if field.kind in NUMBERS and (little or field.size == 1):
        return f"{_c_scalar(field.kind, field.size)} {{}}{array}"
    if field.kind == "char":
        return f"char {{}}{array}"
    if field.kind == "bytes":
        return f"uint8_t {{}}[{field.count}]"
    return f"uint8_t {{}}{array}[{field.size}]"


def _accessor(names: _Names, struct: str, field: Field, little: bool) -> _Accessor:
    shift, mask, kind, size = 0, None, field.kind, field.size
    if field.bits is not None:
        first, width = field.bits
        shift = 8 * field.size - first - width
        mask = f"{(1 << width) - 1:#x}u" if width <= 32 else f"((({_c_scalar('uint', size)})1 << {width - 1}) * 2 - 1)"
        size = next(n for n in (1, 2, 4, 8, 16) if 8 * n >= width)
    return _Accessor(
        getter=names.take(f"{struct}_get_{field.name}"),
        setter=names.take(f"{struct}_set_{field.name}"),
        type=_c_scalar("uint" if kind in ("ip4", "time") else kind, size),
        raw=_c_scalar("uint", field.size),
        offset=field.offset,
        size=field.size,
        count=field.count,
        order="le" if little and field.kind != "ip4" else "be",
        is_float=field.kind == "float",
        shift=shift,
        mask=mask,
        about=_c_comment(field),
    )


def _c_literal(value: int) -> str:
    if value >= 1 << 63:
        return f"UINT64_C({value})"
    if value == -(1 << 63):
        return f"(-INT64_C({-(value + 1)}) - 1)"
    return f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"


# NumPy


def numpy_dtype(layout: Layout) -> np.dtype[np.void]:
    """The record as a structured dtype with explicit offsets, itemsize and byte order.

    Numbers of 16 bytes, MAC and IPv6 addresses and ``bytes`` are sub-arrays of bytes in the record's order; ``char``
    is S, an IPv4 address a big-endian u4. Bits are in their container. Raises ValueError for overlapping fields.
    """
    fields = members(layout)
    return np.dtype(
        {
            "names": [f.name for f in fields],
            "formats": [_numpy_format(f, layout.little) for f in fields],
            "offsets": [f.offset for f in fields],
            "itemsize": layout.size,
        }
    )


def _numpy_format(field: Field, little: bool) -> Any:
    order = "<" if little else ">"
    count = (field.count,) if field.count > 1 else ()
    base = "u1"
    inner: tuple[int, ...] = (field.size,)
    match field.kind:
        case "char":
            return f"S{field.count}"
        case "bytes":
            return ("u1", (field.count,))
        case "ip4":
            base, inner = ">u4", ()
        case "mac" | "ip6":
            pass
        case _ if field.size == 16:
            pass
        case kind:
            letter = {"int": "i", "fixed": "i", "float": "f"}.get(kind, "u")
            base, inner = f"{order if field.size > 1 else ''}{letter}{field.size}", ()
    return (base, count + inner) if count + inner else base


def numpy_source(layout: Layout) -> str:
    """A Python module with a class of the schema's name: SIZE, VERSION, HASH, DTYPE (as ``numpy_dtype``), and what
    the dtype cannot say: SCALES, UNITS, NULLS, ENUMS and BITS (container, shift, mask)."""
    fields = members(layout)
    return _render(
        "layout_numpy.py.j2",
        layout=layout,
        name=_Names(PYTHON_RESERVED).take(layout.name),
        names=[f.name for f in fields],
        formats=[_numpy_format(f, layout.little) for f in fields],
        offsets=[f.offset for f in fields],
        bits={f.name: (f.name.partition(".")[0], *_lsb_mask(f)) for f in layout.fields if f.bits is not None},
    )


def _lsb_mask(field: Field) -> tuple[int, int]:
    first, width = field.bits or (0, 8 * field.size)
    return 8 * field.size - first - width, (1 << width) - 1


# Amaranth


def amaranth_source(layout: Layout) -> str:
    """A Python module with a class of the schema's name. LAYOUT is a ``lib.data`` layout over the record, byte 0 in
    bits [7:0]; ``read(record, field, element)`` gives the value of a field in the right byte order and signedness,
    bits too. It is combinational: wires only, no latency."""
    shapes = {f.name: (_amaranth_shape(f, layout.little), 8 * f.offset) for f in members(layout)}
    return _render(
        "layout_amaranth.py.j2",
        layout=layout,
        name=_Names(PYTHON_RESERVED | {"signed", "unsigned"}).take(layout.name),
        shapes=shapes,
        fields={f.name: _amaranth_field(f, layout.little) for f in layout.fields},
    )


def _amaranth_shape(field: Field, little: bool) -> str:
    if field.kind in NUMBERS and (little or field.size == 1):
        shape = f"{'signed' if field.kind in ('int', 'fixed') else 'unsigned'}({8 * field.size})"
    elif field.size > 1:
        shape = f"data.ArrayLayout(unsigned(8), {field.size})"
    else:
        shape = "unsigned(8)"
    return f"data.ArrayLayout({shape}, {field.count})" if field.count > 1 else shape


def _amaranth_field(field: Field, little: bool) -> tuple[int, int, int, bool, bool, int, int]:
    """(offset, size, count, swapped, signed, lsb, width) as the generated ``read`` takes them."""
    size, count = field.size, field.count
    if field.kind in ("char", "bytes"):
        size, count = size * count, 1
    first, width = field.bits or (0, 8 * size)
    swapped = size > 1 and not (little and field.kind in NUMBERS)
    return field.offset, size, count, swapped, field.kind in ("int", "fixed"), 8 * size - first - width, width
