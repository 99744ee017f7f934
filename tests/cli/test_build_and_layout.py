"""sevenm build and sevenm layout: what is made from a rule file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sevenm.bundles import open_bundle
from sevenm.host.bundle import Bundle, BundleError
from sevenm.manifest import Actions

Sevenm = Any
ALARMS = "examples/alarms.7m"


def test_build_without_gateware_lists_what_it_wrote(sevenm: Sevenm, tmp_path: Path) -> None:
    folder = tmp_path / "alarms.bundle"
    done = sevenm("build", ALARMS, "-o", folder, "--no-gateware")
    assert (done.code, done.err) == (0, "")
    names = [Path(line.split()[0]).name for line in done.out.splitlines()[1:]]
    assert names == ["Reading.h", "Reading_dtype.py", "Reading_layout.py", "engine.c", "plan.json", "rows.json"]
    assert Bundle.open(folder).core is None


def test_build_with_gateware_states_the_latency(sevenm: Sevenm, rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small.bundle"
    done = sevenm("build", rules, "-o", folder)
    assert (done.code, done.err) == (0, "")
    core = Bundle.open(folder).core
    assert core is not None
    assert done.out.splitlines()[-1] == f"core sevenm_core: latency {core.latency_cycles} cycles"
    assert "module sevenm_core(" in (folder / "core.v").read_text()


def test_the_clock_that_is_asked_for_is_in_the_constraints(sevenm: Sevenm, rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small.bundle"
    assert sevenm("build", rules, "-o", folder, "--clock", "322.265625").code == 0
    core = Bundle.open(folder).core
    assert core is not None and core.clock_ps == 3103
    assert "-period 3.103 " in (folder / "core.xdc").read_text()
    for given, why in ((["--clock", "0"], "0.0 is not in the range"), (["--top", "edge"], "edge is a word of Verilog")):
        refused = sevenm("build", rules, "-o", folder, *given)
        assert (refused.code, refused.out) == (2, "")
        assert why in refused.err


def test_actions_are_added_as_asked(
    sevenm: Sevenm, rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "small.bundle"
    done = sevenm("build", rules, "-o", folder, "--actions", "queues", "--lead", "3=300", "--in-band", "--width", "64")
    assert (done.code, done.err) == (0, "")
    core = Bundle.open(folder).core
    assert core is not None
    assert core.actions == Actions("queues", (0, 1, 2, 300, *range(4, 16)), in_band=True)
    assert "module sevenm_core_actions(" in (folder / "actions.v").read_text()
    assert "SEVENM_CORE_ACTIONS_LATENCY = 3;" in (folder / "core.vh").read_text()
    monkeypatch.setattr("sevenm.bundles.is_compared", lambda *arguments: False)
    assert open_bundle(folder, gateware=True).core == core, "made anew, it is the same"
    (folder / "actions.v").write_text("module sevenm_core_actions(); endmodule\n")
    with pytest.raises(BundleError, match=r"actions\.v: not the file that was built"):
        open_bundle(folder, gateware=True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--in-band"], "--lead and --in-band belong to --actions"),
        (["--lead", "1=2"], "--lead and --in-band belong to --actions"),
        (["--actions", "ports", "--lead", "1=16"], "--lead 1=16: for ports the number is at most 15"),
        (["--actions", "queues", "--lead", "1=65536"], "--lead 1=65536: for queues the number is at most 65535"),
        (["--actions", "queues", "--lead", "16=1"], "'16=1' is not PORT=N with a port from 0 to 15"),
        (["--actions", "queues", "--lead", "1=1", "--lead", "1=2"], "port 1 is led twice"),
    ],
)
def test_actions_that_cannot_be_are_wrong_usage(
    sevenm: Sevenm, rules: Path, tmp_path: Path, given: list[str], why: str
) -> None:
    done = sevenm("build", rules, "-o", tmp_path / "out", *given)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert not (tmp_path / "out").exists()


def test_a_bundle_with_a_report_and_a_used_bench_is_replaced(sevenm: Sevenm, rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small.bundle"
    assert sevenm("build", rules, "-o", folder).code == 0
    (folder / "synth.json").write_text("{}")
    (folder / "bench" / "__pycache__").mkdir()
    assert sevenm("build", rules, "-o", folder).code == 0
    assert sorted(path.name for path in (folder / "bench").iterdir()) == ["frames.py", "run.py"]
    assert not (folder / "synth.json").exists(), "it was of another core"
    (folder / "bench" / "mine.py").write_text("")
    done = sevenm("build", rules, "-o", folder)
    assert done.code == 3
    assert "holds bench/mine.py, which is not of the bundle" in done.err


def test_what_gateware_cannot_do_is_left_out_with_a_warning_that_names_the_rule(sevenm: Sevenm, tmp_path: Path) -> None:
    file, folder = tmp_path / "again.7m", tmp_path / "again.bundle"
    file.write_text(
        "rules r on packet first { rule again: prev(tcp.dstport per ip.src keys 64) == 22 => deliver again }"
    )
    done = sevenm("build", file, "-o", folder)
    why = (
        "rule again asks for state (known), which gateware does not do; "
        "put the rule into a file of its own for the host"
    )
    assert (done.code, done.err) == (0, f"warning: no core.py and no core.v: {why}\n")
    assert sorted(Bundle.open(folder).files) == ["engine.c", "plan.json", "rows.json"]
    refused = sevenm("run", folder, "-r", "examples/capture/office.pcap", "--engine", "rtl")
    assert (refused.code, refused.out) == (4, "")
    assert why in refused.err


def test_what_was_asked_for_stays_with_the_bundle(sevenm: Sevenm, tmp_path: Path) -> None:
    file, folder = tmp_path / "ports.7m", tmp_path / "ports.bundle"
    each = "rule r{n}: eth.type == {type} and eth.src == 02:00:00:00:00:0{n} => drop"
    rules = "\n".join(each.format(n=n, type=2047 + n) for n in range(1, 9))
    file.write_text(f"rules ports on packet first {{\n{rules}\n}}")
    code = {}
    for way, engine, core in (
        ("comparators", "host", ["--no-gateware"]),
        ("bitvectors", "rtl", ["--top", "ports_core"]),
    ):
        assert sevenm("build", file, "-o", folder, "--classifier", way, *core).code == 0
        code[way] = (folder / "engine.c").read_text()
        done = sevenm("run", folder, "-r", "examples/capture/office.pcap", "--engine", engine)
        assert (done.code, done.err) == (0, ""), (way, engine)
    assert code["comparators"] != code["bitvectors"]
    file.write_text("rules r on packet first { rule a: udp and ip.src == ip.dst => drop }")
    done = sevenm("build", file, "-o", folder, "--no-gateware", "--classifier", "bitvectors")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "sevenm: block r: bitvectors cannot be used: its rows differ in no key and no condition; open: comparators\n"
    )


def test_folder_of_something_else_is_left_alone(sevenm: Sevenm, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    done = sevenm("build", rules, "-o", tmp_path / "home", "--no-gateware")
    assert done.code == 3
    assert done.err == (
        f"sevenm: {tmp_path / 'home'}: is not empty and is not a bundle; give another folder or remove it\n"
    )
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]


def test_wrong_rules_build_nothing(sevenm: Sevenm, tmp_path: Path) -> None:
    (tmp_path / "wrong.7m").write_text("rules r on packet first { rule a: tcp.dsport == 1 => drop }")
    done = sevenm("build", tmp_path / "wrong.7m", "-o", tmp_path / "out")
    assert done.code == 1
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made_is_a_clear_error(sevenm: Sevenm, rules: Path) -> None:
    done = sevenm("build", rules, "-o", rules / "out", "--no-gateware")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"sevenm: {rules / 'out'}: {rules} is a file, not a folder\n"


def test_layout_shows_offsets_and_units(sevenm: Sevenm) -> None:
    done = sevenm("layout", ALARMS, "Reading")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("Reading v1: 64 bytes, little endian, hash 0x")
    rows = {line.split()[2]: line.split() for line in lines[2:]}
    assert " ".join(rows["temp"]) == "15 2 temp int in steps of 0.01; degC; absent if 0x8000"
    assert rows["tag"][:2] == ["29", "8"]


@pytest.mark.needs("compiler")
def test_c_header_compiles_with_its_asserts(sevenm: Sevenm, tmp_path: Path) -> None:
    (tmp_path / "reading.c").write_text(sevenm("layout", ALARMS, "Reading", "--c").out)
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(tmp_path / "reading.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("form", ["--numpy", "--amaranth"])
def test_python_forms_run(sevenm: Sevenm, tmp_path: Path, form: str) -> None:
    (tmp_path / "reading.py").write_text(sevenm("layout", ALARMS, "Reading", form).out)
    done = subprocess.run([sys.executable, str(tmp_path / "reading.py")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_json_layout_has_the_hash(sevenm: Sevenm) -> None:
    (layout,) = json.loads(sevenm("layout", ALARMS, "--json").out)
    assert (layout["name"], layout["size"]) == ("Reading", 64)
    assert layout["hash"].startswith("0x")


def test_schema_that_is_not_there_names_those_that_are(sevenm: Sevenm) -> None:
    done = sevenm("layout", ALARMS, "Readings")
    assert done.code == 2
    assert done.err == f"sevenm: {ALARMS} has no schema Readings; it has: Reading\n"


def test_packet_fields_have_type_and_meaning(sevenm: Sevenm) -> None:
    rows = json.loads(sevenm("layout", "packet", "--json").out)
    assert {"name": "tcp.dstport", "type": "u16", "about": "destination port"} in rows
    assert all(row["about"] for row in rows)
    table = sevenm("layout", "packet", "vlan").out.splitlines()
    assert all(line.startswith("vlan") for line in table[1:])
    assert sevenm("layout", "packet", "nonsense").code == 2
