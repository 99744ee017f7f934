"""sevenm update: rows where they are all that differs, and else why it takes another bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Sevenm = Any
RULES = """
schema Flow v1 size 64 @endian(big) { src: ip4  class: u8 }
table acl : (ip4 lpm, u8 range) -> port max 8 { (10.0.0.0/8, 1..3): 3 }
set known = { 1, 2 }
rules r on Flow first {
  rule far: class in $known => forward 1
  rule listed: (src, class) in acl => forward acl[src, class]
}
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "old.7m").write_text(RULES)
    return tmp_path / "old.7m"


def edited(old: Path, *edits: tuple[str, str]) -> Path:
    text = RULES
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    path = old.with_name("new.7m")
    path.write_text(text)
    return path


def test_rows_are_written_and_counted(sevenm: Sevenm, old: Path) -> None:
    new = edited(old, ("3): 3 }", "3): 3\n (10.1.0.0/16, 7): 4 }"), ("{ 1, 2 }", "{ 2 }"), ("rule far", "rule near"))
    done = sevenm("update", old, new)
    assert (done.code, done.out) == (
        0,
        "table write\n"
        "  table known: 1 row, 0 slots written\n"
        "  table acl: 2 rows, 3 slots written\n"
        "  23 register writes, at most 132 cycles of the core\n",
    )
    body = json.loads(sevenm("update", old, new, "--json").out)
    assert body == {
        "way": "rows", "reasons": [], "writes": 23, "cycles": 132,
        "tables": [{"name": "known", "rows": 1, "written": 0}, {"name": "acl", "rows": 2, "written": 3}],
    }  # fmt: skip


def test_names_alone_are_nothing_to_write(sevenm: Sevenm, old: Path) -> None:
    done = sevenm("update", old, edited(old, ("rule far", "rule near")))
    assert (done.code, done.out) == (0, "nothing to write: structure and rows are the same\n")


@pytest.mark.parametrize(
    ("edits", "reasons"),
    [
        ([("forward 1", "forward 2")], ["rule far asks or does something else"]),
        ([("max 8", "max 9")],
         ["table acl: lpm of 32 bits, range of 8 bits to 1 values, max 8, now lpm of 32 bits, range of 8 bits to 1 "
          "values, max 9"]),
        ([("  rule far: class in $known => forward 1\n", "")], ["table known is gone", "rule far is gone"]),
        ([("  rule listed", "  rule odd: class == 5 => drop\n  rule listed")], ["rule odd is new"]),
        ([("size 64", "size 128")], ["events: records of 64 bytes, now records of 128 bytes"]),
    ],
)  # fmt: skip
def test_another_structure_is_another_bundle_and_said_where(
    sevenm: Sevenm, old: Path, edits: list[tuple[str, str]], reasons: list[str]
) -> None:
    done = sevenm("update", old, edited(old, *edits))
    expected = "".join(f"  the structure differs: {reason}\n" for reason in reasons)
    assert (done.code, done.out) == (1, f"new bundle\n{expected}")


def test_wired_rows_and_rows_without_a_place_are_another_bundle(sevenm: Sevenm, old: Path) -> None:
    new = edited(old, ("1..3): 3", "1..2): 3"))
    done = sevenm("update", old, new, "--rows", "auto")
    assert (done.code, done.out) == (
        1,
        "new bundle\n  table acl has other rows, and they are wired in the core; build it with --rows memory\n",
    )
    rows = "\n".join(f"(10.{at}.0.0/16, 1..254): 1" for at in range(8))
    done = sevenm("update", old, edited(old, ("(10.0.0.0/8, 1..3): 3", rows)))
    assert done.code == 1
    assert done.out == (
        "new bundle\n  table acl: 112 entries have no place beside the 2 that are searched, in 32 slots; write fewer "
        "rows at once, or build a core with more slots\n"
    )


def test_a_bundle_says_itself_how_its_core_keeps_rows(sevenm: Sevenm, old: Path) -> None:
    bundle = old.with_name("old.bundle")
    assert sevenm("build", old, "-o", bundle, "--rows", "memory").code == 0
    new = edited(old, ("1..3): 3", "2): 3"))
    assert sevenm("update", bundle, new).out.startswith("table write\n  table acl: 1 row, 1 slot written\n")
    done = sevenm("update", bundle, new, "--rows", "memory")
    assert (done.code, "--rows is for rule files" in done.err) == (2, True)
    assert sevenm("build", old, "-o", bundle, "--no-gateware").code == 0
    done = sevenm("update", bundle, new)
    assert (done.code, "the bundle has no core; build it with gateware" in done.err) == (3, True)
