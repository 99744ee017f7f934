"""Schemas to layouts: which bytes each field gets. What is refused is in tests/golden/errors/schema-*."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.compiler.check.schema import TYPES, lower_schema
from sevenm.compiler.diagnostics import CompileError
from sevenm.compiler.plan.layout import Field, Layout
from sevenm.compiler.syntax.parse import parse


def layout_of(fields: str, size: int = 64, endian: str = "little") -> Layout:
    return lower_schema(parse(f"schema X v3 size {size} @endian({endian}) {{ {fields} }}").schemas[0])


def places(layout: Layout) -> list[tuple[str, int, int]]:
    return [(f.name, f.offset, f.end) for f in layout.fields]


def test_fields_follow_each_other_without_padding() -> None:
    layout = layout_of("a: u8 b: u64 c: i16[3] d: char[5] e: mac f: ip6 g: fixed<8,4>")
    assert places(layout) == [
        ("a", 0, 1), ("b", 1, 9), ("c", 9, 15), ("d", 15, 20), ("e", 20, 26), ("f", 26, 42), ("g", 42, 43),
    ]  # fmt: skip
    assert (layout.name, layout.version, layout.size, layout.little) == ("X", 3, 64, True)


def test_offset_moves_a_field_and_those_after_it() -> None:
    assert places(layout_of("a: u8 b: u16 @offset(60) c: u8 d: u8 @offset(1)")) == [
        ("a", 0, 1), ("b", 60, 62), ("c", 62, 63), ("d", 1, 2),
    ]  # fmt: skip


def test_a_record_may_be_full_to_its_last_byte() -> None:
    assert places(layout_of("a: bytes[56] b: u64"))[-1] == ("b", 56, 64)
    assert places(layout_of("a: u128[8]", 128)) == [("a", 0, 128)]


def test_bits_are_counted_from_the_most_significant() -> None:
    layout = layout_of("a: u8 ctl: u16 bits { urgent: 1 mode: 3 = { idle = 0, run = 7 } -: 4 rest: 8 } b: u8")
    assert [(f.name, f.offset, f.size, f.bits) for f in layout.fields] == [
        ("a", 0, 1, None),
        ("ctl", 1, 2, None),
        ("ctl.urgent", 1, 2, (0, 1)),
        ("ctl.mode", 1, 2, (1, 3)),
        ("ctl.rest", 1, 2, (8, 8)),
        ("b", 3, 1, None),
    ]
    assert layout.fields[3].enum == (("idle", 0), ("run", 7))


def test_attributes_become_the_exact_scale_the_raw_null_and_the_unit() -> None:
    layout = layout_of(
        'a: i16 @scale(0.01) @unit(degC) @null(-1) b: fixed<32,16> @null(0x80000000) c: u8 @unit("m/s²")'
    )
    assert layout.fields == (
        Field("a", "int", 0, 2, scale=Fraction(1, 100), null=0xFFFF, unit="degC"),
        Field("b", "fixed", 2, 4, scale=Fraction(1, 65536), null=0x80000000),
        Field("c", "uint", 6, 1, unit="m/s²"),
    )


def test_named_values_may_be_negative_where_the_type_is() -> None:
    (field,) = layout_of("a: i8 = { low = -128, none = 0, high = 0x7f }").fields
    assert field.enum == (("low", -128), ("none", 0), ("high", 127))


def test_endian_is_the_schemas() -> None:
    assert not layout_of("a: u16", endian="big").little


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_has_its_size(name: str) -> None:
    kind, size = TYPES[name]
    (field,) = layout_of(f"a: {name}").fields
    assert (field.kind, field.size, field.count) == (kind, size, 1)


def test_the_hash_depends_on_everything_a_reader_relies_on() -> None:
    variants = [
        "a: u8 b: u8", "b: u8 a: u8", "a: i8 b: u8", "a: u8 b: u8 @offset(2)", "a: u8 @scale(2) b: u8",
        "a: u8 @null(0) b: u8", "a: u8 = { x = 1 } b: u8", "a: u8 @unit(m) b: u8",
    ]  # fmt: skip
    hashes = {layout_of(text).hash for text in variants} | {layout_of(variants[0], 128).hash}
    hashes |= {layout_of(variants[0], endian="big").hash}
    assert len(hashes) == len(variants) + 2
    assert layout_of(variants[0]).hash == layout_of(variants[0]).hash


def test_all_findings_of_a_schema_come_at_once() -> None:
    with pytest.raises(CompileError) as raised:
        layout_of("a: u24 b: u8 @scal(1) c: u8 @offset(70) d: u8 d: u8", 65)
    assert sorted(d.code for d in raised.value.diagnostics) == [
        "duplicate-field", "schema-size", "unknown-attribute", "unknown-type",
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.integers(1, 9), st.integers(0, 140) | st.none()), max_size=12)
)
def test_a_schema_has_disjoint_fields_inside_the_record_or_is_refused(
    fields: list[tuple[str, int, int | None]],
) -> None:
    text = " ".join(
        f"f{i}: {name}[{count}]" + ("" if offset is None else f" @offset({offset})")
        for i, (name, count, offset) in enumerate(fields)
    )
    expected = bool(fields)
    taken: set[int] = set()
    at = 0
    for name, count, offset in fields:
        at = at if offset is None else offset
        covered = set(range(at, at + TYPES[name][1] * count))
        expected = expected and not covered & taken and max(covered) < 128 and at < 128
        taken |= covered
        at = max(covered) + 1
    try:
        layout = layout_of(text, 128)
    except CompileError:
        assert not expected
    else:
        assert expected
        assert Layout.from_json(layout.to_json()) == layout
