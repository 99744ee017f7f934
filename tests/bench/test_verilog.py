"""The comparison with Verilog by hand: both say the same, and a filter that says something else is caught."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from sevenm.compiler import compile_text
from sevenm.hdl.verdict import BlockShape
from sevenm.sim.synthesis.synthesize import core_of
from sevenm.sim.verilate import open_model

NAME = "record_port"


@pytest.fixture(scope="module")
def verilog() -> ModuleType:
    return importlib.import_module("verilog")


@pytest.mark.needs("g++")
def test_a_filter_by_hand_is_compared_before_it_is_measured(verilog: ModuleType, tmp_path: Path) -> None:
    plan = compile_text((verilog.FOLDER / f"{NAME}.7m").read_text(), NAME).plan
    by_hand = (verilog.FOLDER / "stream.v").read_text() + (verilog.FOLDER / f"{NAME}.v").read_text()
    files = {"core": core_of(plan).verilog, "hand": by_hand, "wrong": by_hand.replace("16'd443", "16'd442")}
    models = {}
    for name, text in files.items():
        path = tmp_path / f"{name}.v"
        path.write_text(text)
        shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
        models[name] = open_model(path, shapes, top="sevenm_core" if name == "core" else NAME)
    events = verilog.events_of(plan, 2000)
    said = verilog.agree(NAME, plan, models["core"], models["hand"], events)
    assert (said["events"], said["drives"], said["punted"]) == (2000, 4, 0)
    assert said["fired"] > 30
    with pytest.raises(
        verilog.Different, match=r"^record_port, Drive\(valid_percent=100, .*: the rules by hand differ at"
    ):
        verilog.agree(NAME, plan, models["core"], models["wrong"], events)


def test_records_are_whole_cut_and_too_long(verilog: ModuleType) -> None:
    lengths = {len(one) for one in verilog.records(2000, 1)}
    assert {0, 23, 63, 64, 65, 200} <= lengths
