"""One definition of what crosses a boundary, and that everybody's view of it is the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cffi import FFI

from sevenm import boundary
from sevenm.boundary import ENUMS, LIMITS, STRUCTS, Cause, Field, Struct

ROOT = Path(__file__).resolve().parents[1]
SIZES = {
    "sm_event": 24, "sm_record": 32, "sm_fired": 16, "sm_chunk": 32, "sm_segment": 440, "sm_table": 72, "sm_state": 64,
    "sm_info": 104, "sm_context": 24,
}  # fmt: skip


def compiled(folder: Path, text: str, compiler: str = "gcc", *flags: str) -> subprocess.CompletedProcess[str]:
    source = folder / "probe.c"
    source.write_text(text)
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *warnings, *flags, f"-I{folder}", "-c", str(source), "-o", str(folder / "probe.o")]
    return subprocess.run(command, capture_output=True, text=True)


def test_structs_have_the_sizes_that_were_agreed_on() -> None:
    assert {one.name: one.size for one in STRUCTS} == SIZES


def test_numpy_and_cffi_see_the_same_layout() -> None:
    ffi = FFI()
    ffi.cdef(boundary.cdef() + boundary.ENGINE_INTERFACE)
    for one in STRUCTS:
        seen = {name: field.offset for name, field in ffi.typeof(one.c_name).fields}
        assert seen == {field.name: at for field, at in one.offsets()}
        assert ffi.sizeof(one.c_name) == one.size
        if not any(field.is_pointer for field in one.fields):
            dtype = boundary.dtype(one.name)
            assert dtype.fields is not None
            assert {name: entry[1] for name, entry in dtype.fields.items()} == seen
            assert dtype.itemsize == one.size


def test_a_struct_of_pointers_has_no_dtype() -> None:
    with pytest.raises(TypeError, match=r"^sm_context\.tables is a pointer; only C can read it$"):
        boundary.dtype("sm_context")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((Field("a", "uint32_t", ""), Field("b", "uint64_t", "")), "s.b would lie at 4, which is no multiple of 8"),
        ((Field("a", "uint64_t", ""), Field("b", "uint32_t", "")), "s would have 12 bytes, which is no multiple of 8"),
    ],
)
def test_a_struct_that_needs_padding_is_refused(fields: tuple[Field, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Struct("s", "", fields).offsets()


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_compiler_places_the_fields_there(tmp_path: Path, compiler: str) -> None:
    """The static asserts hold, the header may be included twice, and a text that is off is noticed."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    boundary.write_header(tmp_path)
    include = '#include "sm_boundary.h"\n'
    done = compiled(tmp_path, include * 2 + boundary.ENGINE_INTERFACE, compiler)
    assert (done.returncode, done.stderr) == (0, "")
    wrong = boundary.c_text().replace("uint32_t cap_len;", "uint64_t cap_len;")
    assert wrong != boundary.c_text()
    done = compiled(tmp_path, wrong, compiler)
    assert done.returncode != 0
    assert "sm_event.wire_len lies at 20" in done.stderr


def test_every_limit_and_number_is_in_the_header() -> None:
    header = boundary.c_header()
    for limit in LIMITS:
        assert limit.value == getattr(boundary, limit.name)
        assert f"#define SM_{limit.name} {limit.value} " in header
    for prefix, members in ENUMS:
        for one in members:
            assert f"{prefix}_{one.name} = {one.value}" in header


def test_causes_have_slots() -> None:
    assert [int(cause) for cause in Cause] == [0, 1, 2, 3, 4, 8]
    assert max(Cause) + 1 == boundary.CAUSES


def test_a_header_that_is_current_keeps_its_time(tmp_path: Path) -> None:
    """Else everything would be compiled anew every time."""
    path = boundary.write_header(tmp_path / "include")
    before = path.stat().st_mtime_ns
    assert boundary.write_header(tmp_path / "include").stat().st_mtime_ns == before
    path.write_text("damaged")
    assert boundary.write_header(tmp_path / "include").read_text() == boundary.c_header()


def test_the_module_needs_the_standard_library_only() -> None:
    """setuptools builds the C runtime where nothing is installed."""
    code = "import sys, sevenm.boundary as b; b.c_header(); b.cdef(); print({'numpy', 'cffi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_no_other_file_writes_a_struct_down() -> None:
    """A second definition would go its own way."""
    names = "|".join(one.name for one in STRUCTS)
    again = re.compile(rf"}} *({names});|struct sm_info *\{{")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("host/csrc", "compiler/backends/c", "sim/verilated", "tests/host/csrc", "bench")
        for path in sorted((ROOT / folder).iterdir())
        if path.suffix in {".c", ".cpp", ".h", ".j2", ".cdef"} and again.search(path.read_text())
    ]
    assert found == []
