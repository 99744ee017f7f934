"""sevenm check: findings with their place, a summary, and exit codes that scripts can use."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

Sevenm = Any


def test_sound_rules_give_a_summary_and_no_finding(sevenm: Sevenm, rules: Path) -> None:
    done = sevenm("check", rules)
    assert (done.code, done.err) == (0, "")
    lines = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert lines[0] == ["block", "small", "5 rules on packet, first"]
    assert "channels  web, dns" in [" ".join(line).replace("channels ", "channels  ") for line in lines]
    assert done.out.splitlines()[-1].split() == ["result", "sound"]


def test_explain_says_how_rules_are_looked_up_and_what_it_costs(sevenm: Sevenm, rules: Path) -> None:
    done = sevenm("check", rules, "--explain")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("block small ("))
    block, first, second, third = lines[start : start + 4]
    assert block.startswith("block small (first): 5 rules, ")
    assert first.startswith("  * comparators: ")
    assert second.startswith("    bitvectors: ")
    assert third == "    recursive: closed: its rows differ in fewer than two keys"
    (said,) = json.loads(sevenm("check", rules, "--explain", "--json").out)["lookups"]
    assert (said["block"], said["chosen"], said["unit"]) == ("small", "comparators", "ns an event")
    assert [way["name"] for way in said["ways"]] == ["comparators", "bitvectors", "recursive"]


def test_explain_says_which_packets_have_a_program_of_their_own(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "some.7m"
    path.write_text("rules r on packet all {\n  rule a: tcp.port == 443 => drop\n}\n")
    said = sevenm("check", path, "--explain").out.splitlines()
    start = next(at for at, line in enumerate(said) if line.startswith("shape: at least "))
    assert said[start + 1] == "  not: bytes 12 to 13 in {0x8100, 0x88a8, 0x9100}"
    assert "byte 20 in {0x0, 0x2b to 0x2c, 0x33, 0x3c}" in said[start + 2]
    second = next(at for at, line in enumerate(said) if line.startswith("second shape: at least "))
    assert said[second + 1 : second + 3] == [
        "  bytes 12 to 13 in {0x8100, 0x88a8, 0x9100}",
        "  not: bytes 16 to 17 in {0x8100, 0x88a8, 0x9100}",
    ]
    assert json.loads(sevenm("check", path, "--explain", "--json").out)["shape"] == said[start:]
    path.write_text(
        "rules r on packet all {\n  rule a: frame.len > 100 and prev(frame.len per eth.src) > 9 => drop\n}\n"
    )
    assert "no shape: rules look at earlier events" in sevenm("check", path, "--explain").out


def test_unknown_field_is_shown_with_a_caret_under_it(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "wrong.7m"
    path.write_text("rules r on packet first {\n  rule a: tcp.dsport == 80 => drop\n}\n")
    done = sevenm("check", path)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert lines[0].startswith(f"{path}:2:11: error: ")
    assert lines[0].endswith("[unknown-field]")
    assert lines[2] == "2 |   rule a: tcp.dsport == 80 => drop"
    assert lines[3] == "  |           ^~~~~~~~~~"
    assert "tcp.dstport" in done.err
    assert lines[-1] == f"sevenm: 1 error in {path}"


def test_every_rule_with_an_error_is_reported(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "wrong.7m"
    path.write_text("rules r on packet all {\n  rule a: tcp.dsport == 80 => drop\n  rule b: ip.ttl == 256 => drop\n}\n")
    done = sevenm("check", path)
    assert done.code == 1
    assert done.err.splitlines()[-1] == f"sevenm: 2 errors in {path}"


def test_json_of_sound_rules_names_the_plan(sevenm: Sevenm, rules: Path) -> None:
    done = sevenm("check", rules, "--json")
    data = json.loads(done.out)
    assert (done.code, data["ok"], data["findings"]) == (0, True, [])
    assert [rule["name"] for rule in data["plan"]["rules"]] == ["web", "dns", "arp", "six", "default"]
    assert [rule["line"] for rule in data["plan"]["rules"]] == [2, 3, 4, 5, 6]
    assert data["plan"]["channels"] == ["web", "dns"]
    assert len(data["plan"]["digest"]) == 64


def test_json_of_wrong_rules_has_the_place(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "wrong.7m"
    path.write_text("rules r on packet first {\n  rule a: tcp.dsport == 80 => drop\n}\n")
    done = sevenm("check", path, "--json")
    data = json.loads(done.out)
    assert (done.code, done.err, data["ok"]) == (1, "", False)
    (finding,) = data["findings"]
    assert (finding["code"], finding["line"], finding["column"]) == ("unknown-field", 2, 11)
    assert "plan" not in data


def test_file_that_is_not_there_is_an_input_problem(sevenm: Sevenm, tmp_path: Path) -> None:
    done = sevenm("check", tmp_path / "none.7m")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"sevenm: cannot read {tmp_path / 'none.7m'}: No such file or directory\n"


def test_folder_instead_of_a_file_is_an_input_problem(sevenm: Sevenm, tmp_path: Path) -> None:
    done = sevenm("check", tmp_path)
    assert done.code == 3
    assert done.err == f"sevenm: cannot read {tmp_path}: Is a directory\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff\xfe\x00",
        b"{" * 100_000,
        b"rules",
        b"a" * (2 << 20),
        b"\xcf\x81" * 9,
        Random(1).randbytes(999),
    ],
)
def test_what_is_no_rule_file_gets_a_clear_error(sevenm: Sevenm, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "strange.7m"
    path.write_bytes(data)
    done = sevenm("check", path)
    assert done.code == 1
    assert done.err != ""
    assert len(done.err) < 20_000
    assert "fault of sevenm" not in done.err


def test_control_characters_of_the_source_do_not_reach_the_terminal(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "bell.7m"
    path.write_text("rules r on packet first {\n  rule a: \x1b]0;owned\x07 == 1 => drop\n}\n")
    done = sevenm("check", path)
    assert done.code == 1
    assert "\x1b" not in done.err
    assert "\x07" not in done.err


def test_the_examples_are_sound(sevenm: Sevenm) -> None:
    for name in ("edge", "alarms", "orders", "routes"):
        done = sevenm("check", f"examples/{name}.7m")
        assert (done.code, done.err) == (0, ""), name


def test_tables_and_state_are_in_the_summary(sevenm: Sevenm) -> None:
    lines = [" ".join(line.split()) for line in sevenm("check", "examples/routes.7m").out.splitlines()]
    assert "table routes 4 rows of at most 4,096" in lines
    assert "state prev(ip.ttl per ip.src): 1,024 keys" in lines
    plan = json.loads(sevenm("check", "examples/routes.7m", "--json").out)["plan"]
    assert plan["tables"][0] == {"name": "services", "rows": 3, "most": 64}
    assert plan["states"] == [{"name": "prev(ip.ttl per ip.src)", "keys": 1024}]
