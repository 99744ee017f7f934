"""The bundle writer: whole or not at all, and never over something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sevenm.compiler import bundle as writer
from sevenm.compiler import compile_text
from sevenm.compiler.bundle import BundleWriteError, MissingExtra, write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle, BundleError

RULES = """
schema Order v3 size 64 @endian(big) { kind: char  ref: u64  px: u32 @scale(0.01) }
rules orders on Order all {
  rule add:   kind == 'A'  => deliver adds, count adds
  rule dear:  px > 100.00  => deliver dear, forward 2
  rule gone:  kind == 'X'  => drop
  default => count rest
}
"""


@pytest.fixture
def plan() -> Plan:
    return compile_text(RULES, "orders").plan


def test_reader_finds_what_the_writer_wrote(plan: Plan, tmp_path: Path) -> None:
    bundle = Bundle.open(write_bundle(plan, tmp_path / "b", gateware=False))
    assert (bundle.name, bundle.digest, bundle.source, bundle.record_size) == ("orders", plan.digest, "record", 64)
    assert (bundle.structure, bundle.manifest.content) == (plan.structure, plan.content)
    assert bundle.rows == ()
    assert bundle.reach == plan.reach
    assert bundle.channels == plan.channels == ("adds", "dear")
    assert [(r.name, r.deliver, r.count, r.forward, r.drop, r.default, r.line) for r in bundle.rules] == [
        (r.name, r.deliver, r.count, r.forward, r.drop, r.default, r.line) for r in plan.rules
    ]
    assert [(b.name, b.mode, b.start, b.stop, b.layout) for b in bundle.blocks] == [("orders", "all", 0, 4, 0)]
    assert [(x.name, x.version, x.hash) for x in bundle.layouts] == [("Order", 3, plan.layouts[0].hash)]
    assert sorted(bundle.files) == [
        "Order.h",
        "Order_dtype.py",
        "Order_layout.py",
        "engine.c",
        "plan.json",
        "rows.json",
    ]
    assert all(bundle.read(name) for name in bundle.files)
    assert bundle.core is None
    assert Plan.load(bundle.path("plan.json")) == plan


def test_core_is_in_the_bundle_with_its_latency(plan: Plan, tmp_path: Path) -> None:
    steps: list[str] = []
    bundle = Bundle.open(write_bundle(plan, tmp_path / "b", progress=steps.append))
    assert bundle.core is not None
    assert f"// latency {bundle.core.latency_cycles} cycles" in bundle.read("core.v").decode()
    assert bundle.core.window_beats == 1
    assert steps == ["C", "layouts", "Amaranth", "Verilog", "writing"]


def test_same_plan_gives_the_same_bytes(plan: Plan, tmp_path: Path) -> None:
    first = write_bundle(plan, tmp_path / "a", gateware=False)
    second = write_bundle(compile_text(RULES, "orders").plan, tmp_path / "b", gateware=False)
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}


def test_older_bundle_is_replaced_whole(plan: Plan, tmp_path: Path) -> None:
    write_bundle(plan, tmp_path / "b", gateware=False)
    other = compile_text("rules r on packet first { rule a: udp => drop }", "other").plan
    bundle = Bundle.open(write_bundle(other, tmp_path / "b", gateware=False))
    assert (bundle.name, sorted(p.name for p in bundle.folder.iterdir())) == (
        "other",
        ["engine.c", "manifest.json", "plan.json", "rows.json"],
    )
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_missing_parents_are_made(plan: Plan, tmp_path: Path) -> None:
    assert Bundle.open(write_bundle(plan, tmp_path / "x" / "y", gateware=False)).name == "orders"


def test_bundle_with_a_file_of_the_user_is_not_replaced(plan: Plan, tmp_path: Path) -> None:
    folder = write_bundle(plan, tmp_path / "b", gateware=False)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BundleWriteError, match=r"holds notes\.txt, which is not of the bundle"):
        write_bundle(plan, folder, gateware=False)
    assert (folder / "notes.txt").read_text() == "mine"


def test_file_is_not_replaced(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file")
    with pytest.raises(BundleWriteError, match="is a file; give the name of a folder for the bundle"):
        write_bundle(plan, tmp_path / "b", gateware=False)


def test_foreign_manifest_does_not_make_a_folder_a_bundle(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"files": ["a", "b"]}))
    with pytest.raises(BundleWriteError, match="is not empty and is not a bundle"):
        write_bundle(plan, tmp_path, gateware=False)


def test_failure_while_writing_leaves_the_older_bundle(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_bundle(plan, tmp_path / "b", gateware=False)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.os, "fsync", full)
    with pytest.raises(BundleWriteError, match="the bundle cannot be written: no space left on device"):
        write_bundle(plan, folder, gateware=False)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_without_amaranth_only_the_gateware_is_missing(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"the gateware needs amaranth.*pip install 'sevenm\[hdl\]'"):
        write_bundle(plan, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert Bundle.open(write_bundle(plan, tmp_path / "b", gateware=False)).core is None


def test_changed_file_is_noticed_by_the_reader(plan: Plan, tmp_path: Path) -> None:
    bundle = Bundle.open(write_bundle(plan, tmp_path / "b", gateware=False))
    (tmp_path / "b" / "engine.c").write_text("int main;")
    with pytest.raises(BundleError, match="not the file that was built"):
        bundle.read("engine.c")
