"""sevenm run --wave: the signals of a simulated core around one event."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Sevenm
from tests.sim.fst_file import read_fst

RULES = """schema Level v1 size 64 @endian(big) { level: u16  limit: u16 }
rules levels on Level first { rule high: level > limit => deliver high }
"""
EVENTS = 40


@pytest.fixture
def levels(tmp_path: Path) -> tuple[Path, Path]:
    """A rule file, and a file of its records."""
    rules, records = tmp_path / "levels.7m", tmp_path / "levels.rec"
    rules.write_text(RULES)
    records.write_bytes(b"".join(bytes((0, number, 0, 20)) + bytes(60) for number in range(EVENTS)))
    return rules, records


@pytest.mark.needs("g++")
def test_the_signals_of_the_rules_are_in_the_file(sevenm: Sevenm, levels: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.fst"
    done = sevenm("run", levels[0], "-r", levels[1], "--engine", "rtl", "--wave", out, "--wave-packet", "30")
    assert (done.code, done.err) == (0, "")
    found = read_fst(out)
    assert found.end > found.start
    for name in (b"level", b"rule_high", b"m_verdict_blocks"):
        assert name in found.hierarchy, name


@pytest.mark.needs("g++")
def test_an_event_that_does_not_come_is_said_and_no_file_is_left(
    sevenm: Sevenm, levels: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.fst"
    done = sevenm("run", levels[0], "-r", levels[1], "--engine", "rtl", "--wave", out, "--wave-packet", "41")
    assert (done.code, out.exists()) == (3, False)
    assert "--wave-packet 41: only 40 events came; nothing was written" in done.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--wave", "out.fst"], "--wave shows the signals of a simulated core; say --engine rtl."),
        (["--wave", "out.fst", "--engine", "reference"], "--wave shows the signals of a simulated core; say --engine"),
        (["--wave-packet", "3"], "--wave-packet says which event --wave OUT is about; say --wave OUT as well."),
        (["--wave", "out.fst", "--engine", "rtl", "--wave-packet", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage_is_said(sevenm: Sevenm, levels: tuple[Path, Path], given: list[str], says: str) -> None:
    done = sevenm("run", levels[0], "-r", levels[1], *given)
    assert done.code == 2
    assert says in " ".join(done.err.split())


def test_a_file_that_cannot_be_written_is_named(sevenm: Sevenm, levels: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "absent" / "out.fst"
    done = sevenm("run", levels[0], "-r", levels[1], "--engine", "rtl", "--wave", out)
    assert done.code == 3
    assert f"{out}: the wave cannot be written: no such file or directory" in done.err
