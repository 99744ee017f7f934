"""Waves and coverage of a simulated core: that they are of the events that were asked for, and cost nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceError
from sevenm.sim import packets
from sevenm.sim.coverage import Point, Share, read_points, shares, still
from sevenm.sim.instruments import COVERAGE, WAVES, Wave
from sevenm.sim.model import Model
from sevenm.sim.verilate import QUICK, Effort, build
from tests.sim.fst_file import read_fst

pytestmark = pytest.mark.needs("g++")
TOY = Path(__file__).with_name("toy_core.v")
CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"
BLOCKS = [BlockShape("toy", "all", 70)]
LATENCY = 5
CYCLE = 1000
RESET = 6
"""Cycles before the first one that is counted."""


def toy(effort: Effort) -> Iterator[Model]:
    made = Model(build(TOY, effort, CACHE), BLOCKS)
    yield made
    made.close()


@pytest.fixture
def waved() -> Iterator[Model]:
    yield from toy(WAVES)


@pytest.fixture
def counted() -> Iterator[Model]:
    yield from toy(COVERAGE)


def beats(n: int) -> EventBatch:
    return EventBatch.from_bytes([bytes(60)] * n)


def test_a_wave_spans_the_way_of_its_event_and_has_all_names(waved: Model, tmp_path: Path) -> None:
    plain = Model(build(TOY, QUICK, CACHE), BLOCKS)
    wave = Wave(tmp_path / "one.fst", 350)
    for n in (100, 300, 50):
        wave.expect(waved, n)
        said, expected = (model.process(beats(n)) for model in (waved, plain))
        assert (said.chunks == expected.chunks).all()
    plain.close()
    assert wave.written
    assert waved.counters()["latency_cycles"] == LATENCY
    # The first call ends some cycles after its last event; then one event goes in each cycle.
    first = 1 + 100 + LATENCY + LATENCY + 2
    accepted = first + 1 + (350 - 100 - 1)
    found = read_fst(wave.path)
    assert found.start <= accepted * CYCLE
    assert found.start >= (accepted - 4) * CYCLE
    assert found.end >= (accepted + LATENCY) * CYCLE
    assert found.end <= (accepted + LATENCY + 12) * CYCLE
    assert found.variables > 100
    for name in (b"m_verdict_drop", b"s_axis_tuser_size", b"sevenm_bench", b"fired", b"word0"):
        assert name + b"\0" in found.hierarchy or name + b" [" in found.hierarchy, name


def test_a_wave_of_an_event_that_never_came_is_not_written(waved: Model, tmp_path: Path) -> None:
    wave = Wave(tmp_path / "none.fst", 11)
    wave.expect(waved, 10)
    waved.process(beats(10))
    assert (wave.written, wave.path.exists()) == (False, False)


def test_events_are_numbered_from_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^events are numbered from 1, and not 0$"):
        Wave(tmp_path / "none.fst", 0)


def test_coverage_tells_what_never_changed(counted: Model, tmp_path: Path) -> None:
    file = tmp_path / "coverage.dat"
    counted.process(beats(3))
    counted.coverage(file)
    before = shares(read_points(file))
    counted.process(packets.batch(seed=1, n=500))
    counted.coverage(file)
    points = read_points(file)
    after = shares(points)
    assert set(after) == {("sevenm_core", "line"), ("sevenm_core", "toggle")}
    for key, share in after.items():
        assert (share.total, before[key].hit < share.hit <= share.total) == (before[key].total, True), key
    # The faults to order are the one thing that needs other timestamps than those of generated packets.
    assert "fault" in still(points)["sevenm_core"]
    assert "s_axis_tdata" not in still(points)["sevenm_core"]
    assert isinstance(after["sevenm_core", "line"], Share)


def test_names_that_synthesis_made_up_are_not_told() -> None:
    points = [
        Point("toggle", "core", f"{name}[0]:0->1", False) for name in ("__024391", "part__02edrop", "tcp_dstport")
    ]
    assert still(points) == {"core": ["tcp_dstport"]}


def test_another_file_is_no_coverage(tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_text("nothing\n")
    with pytest.raises(ValueError, match=r"other\.dat is not a coverage file of Verilator$"):
        read_points(other)


def test_a_model_without_instruments_says_so(tmp_path: Path) -> None:
    model = Model(build(TOY, QUICK, CACHE), BLOCKS)
    with pytest.raises(DeviceError, match=r"^the model was built without waves$"):
        model.wave(tmp_path / "out.fst", 0)
    with pytest.raises(DeviceError, match=r"^the model was built without coverage$"):
        model.coverage(tmp_path / "out.dat")
    model.close()
    with pytest.raises(DeviceError, match=r"^the RTL model is closed$"):
        model.wave(tmp_path / "out.fst", 0)
