"""The generated C as text: golden files, names that a stranger understands, and no warning from either compiler.

Golden files are the part of an engine that depends on the Plan. ``pytest tests/compiler --update-golden`` writes them
anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.backends.c.emit import emit, generated
from sevenm.compiler.plan import Plan
from sevenm.host.engine.compiled import FLAGS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "c"
SOURCES = sorted(path for path in GOLDEN.iterdir() if path.suffix in (".7m", ".filter"))
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TARGETS = {"native": ["-march=native"], "avx2": ["-march=haswell"], "avx512": ["-march=icelake-server"], "plain": []}


def plan_of(path: Path) -> Plan:
    text = path.read_text()
    return (compile_filter(text) if path.suffix == ".filter" else compile_text(text, path.stem)).plan


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_text_is_the_golden_one(source: Path, request: pytest.FixtureRequest) -> None:
    golden, text = source.with_suffix(".c"), generated(plan_of(source))
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert golden.is_file(), "there is no golden file: run with --update-golden and read what it writes"
    assert text == golden.read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.c")} == {path.stem for path in SOURCES}


def test_a_stranger_finds_the_port_the_constant_and_the_rule() -> None:
    text = generated(plan_of(GOLDEN / "blocks.7m"))
    assert "w_tcp_dstport_eq_22 = eqk_u16(tcp_dstport, (u16)22u)" in text
    assert re.search(r"/\* rule 0: login \*/\n    take\(c, rule_login, 0\);", text)
    assert "w_servers = hit_u32(ip_dst, c->tables + 0)" in text


def test_no_two_values_have_one_name() -> None:
    text = compile_text((EXAMPLES / "edge.7m").read_text(), "edge").plan
    stage = generated(text).split("void stage_0(")[1].split("\n}")[0]
    declared = re.findall(r"\*const (\w+) =", stage)
    declared += [name for names in re.findall(r"^    u64 ([^;]+);", stage, re.MULTILINE) for name in _words(names)]
    assert len(declared) > 40
    assert len(declared) == len(set(declared))


def _words(declarators: str) -> list[str]:
    return re.findall(
        r"(?:^|, )(\w+)(?= = 0|$| = )", declarators.split(" = ")[0] if "(" in declarators else declarators
    )


def test_names_of_fields_cannot_collide_with_the_engine(tmp_path: Path) -> None:
    """Fields that are called as C, the engine or its operations call something."""
    fields = ["i", "c", "int", "take", "w1", "pack", "moved", "captured", "sm_match", "stage_0", "main", "errno"]
    lines = "\n".join(f"  {name}: u16" for name in fields)
    rules = "\n".join(f"  rule {name}_: {name} == {number} => count {name}" for number, name in enumerate(fields, 700))
    text = f"schema S v1 size 64 @endian(little) {{\n{lines}\n}}\nrules b on S all {{\n{rules}\n}}\n"
    plan = compile_text(text, "names").plan
    _compile(emit(plan), tmp_path, next(c for c in ("gcc", "clang", "cc") if shutil.which(c)), [])
    assert "w_int_eq_702 = " in generated(plan)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_engines_compile_without_a_warning(compiler: str, target: str, tmp_path: Path, soak: bool) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    assert "-w" not in FLAGS
    for source in (*SOURCES, EXAMPLES / "alarms.7m") if soak else SOURCES[:1]:
        _compile(emit(plan_of(source)), tmp_path, compiler, TARGETS[target])


def _compile(text: str, folder: Path, compiler: str, flags: list[str]) -> None:
    path = folder / "engine.c"
    path.write_text(text)
    command = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", *flags, "-c", str(path), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def test_a_renamed_rule_changes_names_only() -> None:
    text = (GOLDEN / "blocks.7m").read_text()
    one, other = (
        compile_text(t, "blocks").plan for t in (text, text.replace("login", "entry").replace("guard", "gate"))
    )
    assert one.structure == other.structure
    assert generated(one).replace("login", "entry").replace("block guard", "block gate") == generated(other)
