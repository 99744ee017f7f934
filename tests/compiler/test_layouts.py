"""The C header, the NumPy dtype and the Amaranth layout of one schema name the same bytes."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sevenm.compiler.backends.layouts import emit as layouts
from sevenm.compiler.check.schema import TYPES, lower_schema
from sevenm.compiler.plan.layout import Field, Layout
from sevenm.compiler.syntax.parse import parse

READING = """schema Reading v1 size 64 @endian(little) {
  ts: time @unit(ns)  seq: u32  sensor: u16
  status: u8 = { ok = 0, fault = 1 }
  temp: i16 @scale(0.01) @unit(degC) @null(0x8000)
  pos: fixed<32,16>[3]  tag: char[8]
  ctl: u16 bits { urgent: 1  mode: 3 = { idle = 0, run = 5 }  -: 4  rest: 8 }
}"""
ORDER = "schema Order v1 size 64 @endian(big) { kind: char ref: u64 px: u32 @scale(0.0001) qty: u32 stock: char[8] }"
ODD = """schema class v7 size 128 @endian(big) {
  int: u8  int_: i8  class_get_int: u16  wide: u128  signed: i128[2]  NULL: u8 = { a = 1, b = 0xff }
  linux: u64 = { top = 0xffffffffffffffff }  far: i64 @offset(80) = { low = -0x8000000000000000, minus = -1 }
  bitty: u128 @offset(96) bits { a: 1 b: 64 c: 33 -: 30 }
}"""


def layout_of(text: str) -> Layout:
    return lower_schema(parse(text).schemas[0])


def stored(layout: Layout, field: Field, record: bytes, element: int = 0) -> int:
    """The value of a field straight from its definition."""
    if field.kind in ("char", "bytes"):
        return int.from_bytes(record[field.offset : field.end], "big")
    start = field.offset + element * field.size
    little = layout.little and field.kind in layouts.NUMBERS
    raw = int.from_bytes(record[start : start + field.size], "little" if little else "big")
    bits = 8 * field.size
    if field.bits is not None:
        first, bits = field.bits
        raw = raw >> (8 * field.size - first - bits) & ((1 << bits) - 1)
    return raw - (1 << bits) if field.kind in ("int", "fixed") and raw >> (bits - 1) else raw


def elements(field: Field) -> range:
    return range(1 if field.kind in ("char", "bytes") else field.count)


def numpy_value(layout: Layout, field: Field, record: bytes, element: int) -> int:
    """The same through the dtype."""
    column = np.frombuffer(record, layouts.numpy_dtype(layout))[field.name.partition(".")[0]]
    if field.kind == "char":
        return int.from_bytes(column.tobytes(), "big")
    if field.kind == "float":
        column = column.view(column.dtype.str.replace("f", "u"))
    value = column[0] if field.count == 1 or field.kind == "bytes" else column[0][element]
    if np.ndim(value):
        little = layout.little and field.kind in layouts.NUMBERS
        raw = int.from_bytes(value.tobytes(), "little" if little else "big")
        if field.kind in ("int", "fixed") and raw >> (8 * field.size - 1):
            raw -= 1 << 8 * field.size
    else:
        raw = int(value)
    if field.bits is not None:
        first, width = field.bits
        raw = raw >> (8 * field.size - first - width) & ((1 << width) - 1)
    return raw


def random_layout(seed: int) -> Layout:
    """A schema with every kind of field at random places, through the parser."""
    rng = random.Random(seed)
    size = rng.choice((64, 128))
    fields = ["first: u8"]
    at = 1
    for _ in range(12):
        name = f"f{len(fields)}"
        kind = rng.choice((*TYPES, "fixed<32,16>", "fixed<64,8>", "bits8", "bits16", "bits32", "bits64", "bits128"))
        count = rng.choice((1, 1, 1, 2, 3, 5))
        if kind.startswith("bits"):
            width, count = int(kind[4:]), 1
            cut = sorted(rng.sample(range(1, width), 2))
            parts = f"a: {cut[0]} -: {cut[1] - cut[0]} b: {width - cut[1]}"
            text, bytes_ = f"u{width}{{}} bits {{{{ {parts} }}}}", width // 8
        else:
            bytes_ = int(kind[6:8]) // 8 if kind.startswith("fixed") else TYPES[kind][1]
            text = kind + (f"[{count}]" if count > 1 else "") + "{}"
        gap = rng.choice((0, 0, 1, 3))
        if at + gap + bytes_ * count > size:
            continue
        fields.append(f"{name}: " + text.format(f" @offset({at + gap})" if gap else ""))
        at += gap + bytes_ * count
    endian = rng.choice(("little", "big"))
    return layout_of(f"schema R v1 size {size} @endian({endian}) {{ {' '.join(fields)} }}")


def compiler(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed, so no header is compiled with it")
    return path


STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1")


@pytest.mark.parametrize(("name", "standard", "suffix"), [("gcc", "c11", ".c"), ("g++", "c++11", ".cpp")])
@pytest.mark.parametrize("text", [READING, ORDER, ODD])
def test_header_compiles_without_warnings(tmp_path: Path, name: str, standard: str, suffix: str, text: str) -> None:
    source = tmp_path / f"header{suffix}"
    source.write_text(layouts.c_header(layout_of(text)) + "\nint main(void) { return 0; }\n")
    command = [compiler(name), f"-std={standard}", *STRICT, str(source), "-o", str(tmp_path / "header")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_headers_of_two_schemas_go_into_one_file(tmp_path: Path) -> None:
    source = tmp_path / "two.c"
    source.write_text("".join(layouts.c_header(layout_of(t)) for t in (READING, ORDER, ODD, READING)))
    done = subprocess.run(
        [compiler("gcc"), "-std=c11", *STRICT, "-c", str(source), "-o", str(tmp_path / "two.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_offset_does_not_compile(tmp_path: Path) -> None:
    header = layouts.c_header(layout_of(READING)).replace("uint16_t sensor;", "uint32_t sensor;")
    source = tmp_path / "wrong.c"
    source.write_text(header)
    command = [compiler("gcc"), "-std=c11", "-c", str(source), "-o", str(tmp_path / "wrong.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "offset of status" in done.stderr


def c_dump(layout: Layout) -> str:
    """A program that reads records, prints every getter's value, and writes a copy made with the setters."""
    lines = []
    for field in layout.fields:
        if field.kind not in (*layouts.NUMBERS, "ip4"):
            continue
        name = field.name.replace(".", "_")
        for element in elements(field):
            args = f", {element}" if field.count > 1 else ""
            lines.append(f"SHOW(R_get_{name}(&in{args}));")
            lines.append(f"R_set_{name}(&out{args}, R_get_{name}(&in{args}));")
    body = "\n".join(lines)
    return f"""{layouts.c_header(layout)}
#include <stdio.h>
#define SHOW(x) do {{ __typeof__(x) v = (x); unsigned char b[16]; memcpy(b, &v, sizeof v); \\
    for (size_t i = sizeof v; i-- > 0;) {{ printf("%02x", b[i]); }} printf(" "); }} while (0)
int main(void) {{
    R in, out;
    while (fread(&in, sizeof in, 1, stdin) == 1) {{
        memset(&out, 0, sizeof out);
        {body}
        for (size_t i = 0; i < sizeof out; i++) printf("%02x", ((unsigned char *)&out)[i]);
        printf("\\n");
    }}
    return 0;
}}
"""


@pytest.mark.parametrize("seed", range(6))
def test_c_numpy_and_the_definition_read_the_same_values(tmp_path: Path, seed: int) -> None:
    layout = random_layout(seed)
    records = [random.Random(seed * 100 + i).randbytes(layout.size) for i in range(20)]
    source = tmp_path / "dump.c"
    source.write_text(c_dump(layout))
    program = str(tmp_path / "dump")
    build = [compiler("gcc"), "-std=gnu11", "-Wall", "-Werror", str(source), "-o", program]
    subprocess.run(build, check=True)
    output = subprocess.run([program], input=b"".join(records), capture_output=True, check=True).stdout.decode()
    shown = [f for f in layout.fields if f.kind in (*layouts.NUMBERS, "ip4")]
    for record, line in zip(records, output.splitlines(), strict=True):
        *values, copy = line.split()
        expected = [(f, e) for f in shown for e in elements(f)]
        for (field, element), text in zip(expected, values, strict=True):
            value = stored(layout, field, record, element)
            assert int(text, 16) == value % (1 << 4 * len(text)), field
        covered = bytearray(layout.size)
        for f in shown:
            if f.bits is None:
                covered[f.offset : f.end] = record[f.offset : f.end]
        assert bytes.fromhex(copy) == bytes(covered)
        for field in layout.fields:
            for element in elements(field):
                assert numpy_value(layout, field, record, element) == stored(layout, field, record, element), field


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), record=st.binary(min_size=128, max_size=128))
def test_numpy_reads_what_the_layout_defines(seed: int, record: bytes) -> None:
    layout = random_layout(seed)
    for field in layout.fields:
        for element in elements(field):
            value = numpy_value(layout, field, record[: layout.size], element)
            assert value == stored(layout, field, record, element), field


def load(source: str) -> Mapping[str, Any]:
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "generated", "exec"), scope)
    return scope


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1 << 32), record=st.binary(min_size=128, max_size=128))
def test_amaranth_reads_what_the_layout_defines(seed: int, record: bytes) -> None:
    pytest.importorskip("amaranth", reason="amaranth is not installed, so no view is simulated")
    from amaranth.hdl import Module, Signal
    from amaranth.sim import Simulator

    layout = random_layout(seed)
    view_class = load(layouts.amaranth_source(layout))["R"]
    record = record[: layout.size]
    module = Module()
    view = Signal(view_class.LAYOUT)
    probe = Signal()
    module.d.comb += probe.eq(view.as_value()[0])
    checked = []

    async def bench(ctx: Any) -> None:
        ctx.set(view.as_value(), int.from_bytes(record, "little"))
        for field in layout.fields:
            for element in elements(field):
                value = ctx.get(view_class.read(view, field.name, element))
                assert value == stored(layout, field, record, element), field
                checked.append(field)
            if layout.little and field.kind in ("uint", "int", "fixed", "time") and field.count == 1 and not field.bits:
                assert ctx.get(view[field.name]) == stored(layout, field, record), field

    simulator = Simulator(module)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(checked) >= len(layout.fields)


def test_amaranth_refuses_an_element_that_is_not_there() -> None:
    pytest.importorskip("amaranth", reason="amaranth is not installed, so no view is built")
    from amaranth.hdl import Signal

    reading = load(layouts.amaranth_source(layout_of(READING)))["Reading"]
    with pytest.raises(IndexError, match="element of pos must be 0 to 2, not 3"):
        reading.read(Signal(512), "pos", 3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_numpy_source_and_numpy_dtype_agree(seed: int) -> None:
    layout = random_layout(seed)
    module = load(layouts.numpy_source(layout))["R"]
    assert layouts.numpy_dtype(layout) == module.DTYPE
    assert (layout.size, 1, layout.hash) == (module.SIZE, module.VERSION, module.HASH)


def test_numpy_source_says_what_a_dtype_cannot() -> None:
    module = load(layouts.numpy_source(layout_of(READING)))["Reading"]
    assert {"temp": Fraction(1, 100), "pos": Fraction(1, 65536)} == module.SCALES
    assert module.UNITS == {"ts": "ns", "temp": "degC"}
    assert module.NULLS == {"temp": 0x8000}
    assert module.ENUMS == {"status": {"ok": 0, "fault": 1}, "ctl.mode": {"idle": 0, "run": 5}}
    assert module.BITS == {"ctl.urgent": ("ctl", 15, 1), "ctl.mode": ("ctl", 12, 7), "ctl.rest": ("ctl", 0, 255)}


def test_names_of_the_target_language_are_avoided() -> None:
    layout = layout_of(ODD)
    header = layouts.c_header(layout)
    assert "typedef struct class_ {" in header
    assert "uint8_t int_;" in header
    assert "int8_t int__;" in header
    assert set(load(layouts.numpy_source(layout))) >= {"class_"}
    assert layouts.numpy_dtype(layout).names[:3] == ("int", "int_", "class_get_int")


def test_a_unit_cannot_leave_its_comment() -> None:
    layout = layout_of('schema R v1 size 64 @endian(big) { a: u8 @unit("*/ int x; /*") }')
    assert "/* byte 0: u8, * / int x; / * */" in layouts.c_header(layout)


def test_description_has_a_row_per_field() -> None:
    rows = {row.name: row for row in layouts.describe(layout_of(READING))}
    assert rows["temp"] == ("15", "2", "temp", "i16", "little", "1/100", "degC", "0x8000", "")
    assert rows["pos"][1:5] == ("12", "pos", "fixed<32,16>[3]", "little")
    assert rows["ctl.mode"] == ("37", "2", "ctl.mode", "bits 1+3 of u16", "little", "", "", "", "idle = 0, run = 5")
    assert rows["tag"][3:5] == ("char[8]", "")


def test_overlapping_fields_are_refused_by_every_emitter() -> None:
    layout = Layout("X", 1, 64, True, (Field("a", "uint", 0, 4), Field("b", "uint", 2, 4)))
    for emit in (layouts.c_header, layouts.numpy_source, layouts.amaranth_source, layouts.numpy_dtype):
        with pytest.raises(ValueError, match="field b of layout X overlaps the one before it"):
            emit(layout)
