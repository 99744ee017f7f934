"""The harness: what it reports of a sound core, and that it catches every way of breaking the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler.plan import Rule
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.decisions import Decisions
from sevenm.sim import packets
from sevenm.sim.model import Drive, Model, ModelMismatch
from sevenm.sim.verilate import QUICK, build

pytestmark = pytest.mark.needs("g++")
TOY = Path(__file__).with_name("toy_core.v")
CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"
N_RULES = 70
BLOCKS = [BlockShape("toy", "all", N_RULES)]
RULES = [Rule(f"r{i}", 0, 0) for i in range(N_RULES)]
LATENCY = 5


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model(build(TOY, QUICK, CACHE), BLOCKS)
    yield made
    made.close()


def beats(batch: EventBatch) -> int:
    return int(np.maximum(1, (batch.events["cap_len"].astype(np.int64) + 63) // 64).sum())


def expected_fired(batch: EventBatch) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Rule r of the toy core: byte r % 64 of the first beat is r, where the wires past the end hold ones."""
    out = np.zeros((N_RULES, len(batch)), np.bool_)
    for i in range(len(batch)):
        beat = batch.data(i)[:64].ljust(64, b"\xff")
        out[:, i] = [beat[r % 64] == r for r in range(N_RULES)]
    return out


def check(model: Model, batch: EventBatch, drive: Drive | None = None) -> None:
    said = model.process(batch, drive)
    flags = Decisions(said.chunks, said.fired, len(batch), RULES)
    fired = expected_fired(batch)
    punt = fired[:32].any(axis=0) & fired[32:64].any(axis=0) & fired[64:].any(axis=0)
    fired[:, punt] = False
    assert (flags.punt == punt).all()
    assert (flags.fired == fired).all()
    assert (flags.malformed == (batch.events["wire_len"] < 14) & ~punt).all()
    assert (flags.truncated == (batch.events["cap_len"] < 14) & ~punt).all()
    assert (said.drop == fired[0]).all()
    assert (said.forward == np.where(fired[1] & ~fired[0], 3, 0)).all()
    assert (said.channels == fired[2]).all()


def test_every_event_gets_the_verdict_of_its_own_bytes(model: Model) -> None:
    batch = packets.batch(seed=1, n=1000)
    check(model, batch)
    counted = model.counters()
    assert counted == {
        # One cycle until the first beat is on the port; then nothing is lost until the last beat is out; then the
        # harness listens a little longer.
        "cycles": 1 + beats(batch) + LATENCY + LATENCY + 2,
        "packets": 1000,
        "beats": beats(batch),
        "stalls": 0,
        "latency_cycles": LATENCY,
    }


def test_all_rules_of_a_word_boundary_come_out_in_their_rows(model: Model) -> None:
    batch = EventBatch.from_bytes([bytes(r if at == r % 64 else 0xEE for at in range(64)) for r in range(N_RULES)] * 3)
    said = model.process(batch)
    flags = Decisions(said.chunks, said.fired, len(batch), RULES)
    assert (flags.fired == np.tile(np.eye(N_RULES, dtype=np.bool_), 3)).all()
    assert said.fired["rule"][: int(said.chunks["fired"][0])].tolist() == list(range(64))


def test_two_words_of_rules_are_told_and_with_a_third_the_event_is_punted(model: Model) -> None:
    beats = [bytearray(b"\xee" * 64) for _ in range(4)]
    for beat, rules in zip(beats, ([1, 31, 33], [40, 64], [1, 40, 64], [5, 69]), strict=True):
        for rule in rules:
            beat[rule % 64] = rule
    said = model.process(EventBatch.from_bytes([bytes(beat) for beat in beats]))
    flags = Decisions(said.chunks, said.fired, 4, RULES)
    assert [np.flatnonzero(flags.fired[:, i]).tolist() for i in range(4)] == [[1, 31, 33], [40, 64], [], [69]]
    assert flags.punt.tolist() == [False, False, True, False]


@pytest.mark.parametrize(("valid", "ready"), [(50, 100), (100, 50), (30, 30), (1, 100), (100, 2)])
def test_gaps_and_back_pressure_change_no_verdict(model: Model, valid: int, ready: int) -> None:
    check(model, packets.batch(seed=2, n=60), Drive(valid_percent=valid, ready_percent=ready, seed=valid))
    assert model.counters()["latency_cycles"] == 0


def test_packets_of_every_length_pass(model: Model) -> None:
    lengths = [*range(200), 1514, 9000, 65535, 65536, 100_000, 256 * 1024]
    data = [bytes((i * 7 + at) & 0xFF for at in range(length)) for i, length in enumerate(lengths)]
    check(model, EventBatch.from_bytes(data))


def test_an_empty_batch_is_nothing(model: Model) -> None:
    said = model.process(EventBatch.from_bytes([]))
    assert (len(said.chunks), len(said.fired)) == (0, 0)
    assert model.counters()["packets"] == 0


def test_two_models_share_nothing() -> None:
    path = build(TOY, QUICK, CACHE)
    one, other = Model(path, BLOCKS), Model(path, BLOCKS)
    one.process(packets.batch(seed=3, n=10))
    assert (one.counters()["packets"], other.counters()["packets"]) == (10, 0)
    one.close()
    check(other, packets.batch(seed=3, n=10))


FAULTS = {
    "stuck": (2, Drive(watchdog_cycles=100), "event 0: nothing left the core for 100 cycles, beat 1 is owed"),
    "data": (3, Drive(), "event 0: byte 7 left as 86, not 87"),
    "silent": (4, Drive(watchdog_cycles=100), "event 0: nothing left the core for 100 cycles, beat 0 is owed"),
    "retract": (6, Drive(ready_percent=50), "event 0: tvalid fell before tready took beat 0"),
    "unstable": (7, Drive(), "event 0: verdict changes in beat 1 of 4"),
    "sideband": (9, Drive(), "event 0: beat 1 left with other sidebands: size 65335 "),
    "latency": (10, Drive(), "event 11: latency is 6 cycles, and was 5 for the packets before"),
    "last": (11, Drive(), "event 0: beat 0 of 4 left with tlast 1"),
    "unknown": (13, Drive(), "event 0: block 0 names a rule that it does not have"),
    "keep": (12, Drive(), "event 0: beat 0 left with tkeep 7fffffffffffffff, not ffffffffffffffff"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_core_that_breaks_its_contract_is_caught(model: Model, fault: str) -> None:
    code, drive, message = FAULTS[fault]
    data = [bytes(range(0x80, 0x80 + 100)) * 2] * 40
    with pytest.raises(ModelMismatch) as error:
        model.process(EventBatch.from_bytes(data, [code << 56] * 40), drive)
    assert str(error.value).startswith(message)
    check(model, packets.batch(seed=4, n=50))


def test_a_beat_that_no_packet_explains_is_caught(model: Model) -> None:
    with pytest.raises(ModelMismatch) as error:
        model.process(EventBatch.from_bytes([b"x" * 60], [5 << 56]))
    assert str(error.value) == "beat 0 left before it came in"


def test_refused_beats_are_counted(model: Model) -> None:
    drive = Drive(valid_percent=99)
    model.process(EventBatch.from_bytes([b"x" * 60] * 100, [1 << 56] * 100), drive)
    assert 90 <= model.counters()["stalls"] <= 110


def test_events_longer_than_the_harness_takes_are_refused(model: Model) -> None:
    with pytest.raises(DeviceError, match="an event may have at most 262144 bytes, not 262145"):
        model.process(EventBatch.from_bytes([bytes(256 * 1024 + 1)]))


def test_a_closed_model_says_so(model: Model) -> None:
    model.close()
    with pytest.raises(DeviceError, match="the RTL model is closed"):
        model.process(EventBatch.from_bytes([b""]))
    with pytest.raises(DeviceError, match="the RTL model is closed"):
        model.counters()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"valid_percent": 0}, "valid_percent must be from 1 to 100, not 0"),
        ({"ready_percent": 101}, "ready_percent must be from 1 to 100, not 101"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, not -1"),
        ({"watchdog_cycles": 0}, "watchdog_cycles must be from 1 to 4294967295, not 0"),
    ],
)
def test_impossible_drives_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Drive(**arguments)
