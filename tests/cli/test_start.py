"""What a start loads: no more than the command needs, and the same answer whichever way it is read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sevenm.cli.commands import COMMANDS, command
from sevenm.cli.plain import Asked, AskedRun, _filter, _rules

Sevenm = Any
ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "numpy", "cffi", "pycparser", "lark", "jinja2", "rich", "textual", "amaranth", "z3", "pyarrow", "asyncio",
    "importlib.metadata", "sevenm.compiler", "sevenm.host.ring", "sevenm.host.live", "sevenm.sim", "sevenm.hdl",
}  # fmt: skip
"""Modules that cost more to load than to do without."""
PARSER = {"click", "sevenm.cli.commands"}
PROGRAM = """\
import sys
from sevenm.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def loaded(*args: str | Path, cache: Path) -> tuple[str, set[str]]:
    """What the command says, and the modules that are loaded when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, args)],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )  # fmt: skip
    return done.stdout, set(done.stderr.split())


def test_the_version_needs_no_parser(tmp_path: Path) -> None:
    said, modules = loaded("--version", cache=tmp_path)
    assert said.startswith("sevenm, version ")
    assert not modules & (HEAVY | PARSER | {"sevenm.filters"})


def test_help_loads_no_command(tmp_path: Path) -> None:
    said, modules = loaded("--help", cache=tmp_path)
    assert all(f"  {name} " in said for name in COMMANDS)
    assert not modules & HEAVY
    assert not modules & {f"sevenm.cli.{name}" for name in COMMANDS}


@pytest.mark.needs("compiler")
def test_a_filter_that_was_compiled_before_needs_the_c_runtime_only(tmp_path: Path, office: Path) -> None:
    args = ("filter", "udp.dstport == 53", "-r", office)
    first, compiled = loaded(*args, "--count", cache=tmp_path)
    assert compiled >= {"numpy", "sevenm.compiler"}, "else the check below would say nothing"
    assert "lark" not in compiled, "a sound source needs it not"
    for form, wanted in ((["--count"], first), (["-w", tmp_path / "out.pcap"], ""), ([], None)):
        said, modules = loaded(*args, *form, cache=tmp_path)
        assert not modules & (HEAVY | PARSER)
        assert wanted is None or said == wanted
    assert len(said.splitlines()) == int(first) > 0
    # Options that the plain form has not are the parser's, but no reason to load the compiler.
    said, modules = loaded(*args, "-c", "3", cache=tmp_path)
    assert len(said.splitlines()) == 3
    assert not modules & HEAVY


@pytest.mark.needs("compiler")
def test_rules_that_ran_before_need_the_c_runtime_only(tmp_path: Path, office: Path, rules: Path) -> None:
    cache = tmp_path / "cache"
    for form in (["--json"], ["--json", "--engine", "host"], []):
        # Of the form before only engines are left, which take the compiler seconds.
        for folder in (cache / "sevenm").glob("*/"):
            shutil.rmtree(folder)
        args = ("run", rules, "-r", office, *form)
        first, compiled = loaded(*args, cache=cache)
        assert compiled >= {"numpy", "sevenm.compiler"}, "else the check below would say nothing"
        said, modules = loaded(*args, cache=cache)
        assert said == first
        assert not modules & (HEAVY if form else HEAVY - {"rich"})
        assert not form or not modules & PARSER
    # Another text is another rule file, and says something else.
    rules.write_text(rules.read_text().replace("53", "54"))
    other, compiled = loaded(*args, cache=cache)
    assert "sevenm.compiler" in compiled and other != first


@pytest.mark.needs("compiler")
def test_a_capture_that_is_damaged_or_of_records_is_told_alike_at_both_starts(
    tmp_path: Path, sevenm: Sevenm, office: Path, rules: Path
) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    cut, records = tmp_path / "cut.pcap", tmp_path / "records.pcap"
    cut.write_bytes(office.read_bytes()[:-5])
    records.write_bytes(office.read_bytes()[:20] + b"\x93\0\0\0" + office.read_bytes()[24:])
    for source in (cut, records, tmp_path, tmp_path / "absent", rules):
        args = ("run", rules, "-r", source, "--json")
        whole = sevenm(*args, "--ingress", "capture", env=env)
        assert sevenm("run", rules, "-r", office, "--json", env=env).code == 0
        assert list((tmp_path / "cache" / "sevenm" / "starts").iterdir())
        done = sevenm(*args, env=env)
        assert (done.code, done.out, done.err) == (whole.code, whole.out, whole.err)
    assert "not a capture" in done.err


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_table_names_commands_that_are_there(name: str) -> None:
    assert command(name).name == name
    assert command(name).short_help is None, "the table says it"


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (["filter", "udp", "-r", "in"], Asked("udp", "in", None, True)),
        (["filter", "-r", "in", "udp", "--count"], Asked("udp", "in", None, False)),
        (["filter", "--count", "-r", "in", "udp"], Asked("udp", "in", None, False)),
        (["filter", "udp", "-w", "out", "-r", "in"], Asked("udp", "in", "out", True)),
    ],
)
def test_a_plain_filter_is_read_in_any_order(args: list[str], asked: Asked) -> None:
    assert _filter(args) == asked


@pytest.mark.parametrize(
    "args",
    [
        [], ["run", "udp", "-r", "in"], ["filter"], ["filter", "udp"], ["filter", "-r", "in"], ["filter", "udp", "-r"],
        ["filter", "udp", "-r", "-"], ["filter", "udp", "-r", "in", "-w", "-"], ["filter", "udp", "tcp", "-r", "in"],
        ["filter", "udp", "-r", "in", "-r", "in"], ["filter", "udp", "-rin"], ["filter", "udp", "-r", "in", "--help"],
        ["filter", "udp", "-r", "in", "--count", "-w", "out"], ["filter", "", "-r", "in"],
        ["filter", "udp", "-r", "in", "--count", "--count"], ["filter", "--", "udp", "-r", "in"],
    ],
)  # fmt: skip
def test_what_is_not_quite_plain_is_the_parsers(args: list[str]) -> None:
    assert _filter(args) is None


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (["run", "a.7m", "-r", "in"], AskedRun("a.7m", "in", False)),
        (["run", "-r", "in", "--json", "a.7m"], AskedRun("a.7m", "in", True)),
        (["run", "--engine", "host", "a.7m", "--json", "-r", "in"], AskedRun("a.7m", "in", True)),
        (["filter", "a.7m", "-r", "in"], None), (["run", "a.7m"], None), (["run", "-r", "in"], None),
        (["run", "a.7m", "-r", "-"], None), (["run", "a.7m", "-r", "in", "--engine", "rtl"], None),
        (["run", "a.7m", "-r", "in", "--engine"], None), (["run", "a.7m", "-r", "in", "--ring", "x"], None),
        (["run", "a.7m", "-r", "in", "-w", "out"], None), (["run", "a.7m", "-r", "in", "--json", "--json"], None),
        (["run", "a.7m", "b.7m", "-r", "in"], None), (["run", "", "-r", "in"], None),
    ],
)  # fmt: skip
def test_plain_rules_are_read_in_any_order_and_others_are_the_parsers(args: list[str], asked: AskedRun | None) -> None:
    assert _rules(args) == asked
