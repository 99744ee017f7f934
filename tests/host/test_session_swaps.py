"""Rules and rows that change while a session runs: under full load, and what the session does not count."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host import editions
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import LINK_USER0
from sevenm.host.capture.records import RecordReader, open_records
from sevenm.host.devices.device import DeviceError, TableEdit, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.editions import Editions
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.report import Report
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.session import Session
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.tables import Change, Row

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
KEYS = 64
CHANGES = 1000
RULES = """
schema R v1 size 64 @endian(little) {
  seq: u32
  key: u16
}
table left : u16 max 4 { 1 }
table right : (u16, u16 range) max 200 { (1, *) FILLER }
rules both on R all {
  rule hit: key in left and (key, key) in right => deliver got
  rule half: key in left and (key, key) not in right or (key, key) in right and key not in left => count halves
}
""".replace("FILLER", " ".join(f"({1000 + n}, {n}..{n + 9})" for n in range(100)))


class Endless:
    """Records in pieces of 8 rounds of every key, until ``stop``."""

    name = "endless"
    link_type = LINK_USER0

    def __init__(self) -> None:
        self.stop = threading.Event()
        records = np.zeros((KEYS * 8, 64), np.uint8)
        records[:, 4] = np.arange(len(records)) % KEYS
        self._data = records.tobytes()
        self.events = 0

    def _readers(self) -> Iterator[RecordReader]:
        while not self.stop.is_set():
            self.events += KEYS * 8
            yield open_records(self._data, 64)

    def batches(self, max_events: int = 512, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[EventBatch]:
        for reader in self._readers():
            yield from reader.batches(max_events, max_bytes, source)

    def pieces(self, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[LoopIngress]:
        for reader in self._readers():
            yield from reader.pieces(max_bytes, source)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(write_bundle(compile_text(RULES, "both").plan, tmp_path / "both", gateware=False))


def edit(generation: int) -> dict[int, list[Row] | Change]:
    """One table whole, and one row for another of a table that is searched in segments."""
    key = generation % KEYS
    before = 1 if generation == 2 or generation % 10 == 1 else (generation - 1) % KEYS
    every = (0, 65535)
    return {0: [Row(((key, key),))], 1: Change([((before, before), every)], [Row(((key, key), every))])}


def test_a_thousand_changes_of_rows_and_rules_under_full_load(bundle: Bundle) -> None:
    name, ingress, reports = f"test-swaps-{os.getpid()}", Endless(), list[Report]()
    got: list[np.ndarray] = []
    with HostDevice() as device, RingWriter.create(name, slots=4096, policy="block") as ring:
        start(device, bundle, 1)

        def change() -> None:
            try:
                for generation in range(2, CHANGES + 2):
                    if generation % 10 == 0:
                        start(device, bundle, generation)  # the same rules, prepared anew
                    else:
                        device.update(TableEdit(bundle.structure, edit(generation)), generation)
            finally:
                ingress.stop.set()

        def run() -> None:
            reports.append(Session(device, bundle, {"got": ring}).run(ingress))
            ring.close()

        threads = [threading.Thread(target=work) for work in (change, run)]
        with RingReader.attach(name) as reader:
            for thread in threads:
                thread.start()
            got.extend(np.stack([batch["seq"], batch["generation"], batch["data"][:, 4]]) for batch in reader)
            for thread in threads:
                thread.join()
    Ring.unlink(name)
    seq, generation, key = np.concatenate(got, axis=1)
    (report,) = reports
    assert report.events == ingress.events
    assert (report.generation, report.counters) == (CHANGES + 1, {"halves": 0})
    assert len(seq) == report.rules[0].events == report.channels[0].delivered == report.events // KEYS, (
        "nothing is lost"
    )
    assert (seq == np.arange(len(seq))).all(), "nothing is repeated"
    assert (np.diff(generation.astype(np.int64)) >= 0).all()
    assert len(np.unique(generation)) > 10, "changes came while it ran"
    expected = np.where(generation % 10 == 0, 1, generation % KEYS)
    expected[generation == 1] = 1
    assert (key == expected).all(), "each match is of the rows of its generation"


# Two rule files over the same records: `even` delivers keys that are even, the other those that are odd or large.
EVEN = """
schema R v1 size 64 @endian(little) {
  seq: u32
  key: u16
}
rules choice on R all {
  rule even: (key & 1) == 0 => deliver got, count seen
  rule large: key >= 60 => deliver large
}
"""
ODD = EVEN.replace("even: (key & 1) == 0", "odd: (key & 1) == 1").replace("deliver large", "deliver big, count bigs")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str, str], Bundle]:
    def bundle(text: str, name: str) -> Bundle:
        folder = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        return Bundle.open(write_bundle(compile_text(text, name).plan, folder, gateware=False))

    return bundle


Make = Callable[[str, str], Bundle]


@pytest.mark.parametrize("way", ["loop", "batches"])
def test_rule_files_take_turns_under_load_and_rings_stay_with_their_channels(way: str, make: Make) -> None:
    """Each match is of the rules whose generation it carries, and each event is decided once."""
    bundles, turns = (make(EVEN, "even"), make(ODD, "odd")), 200 if way == "loop" else 20
    ingress, reports, got = Endless(), list[Report](), list[np.ndarray]()
    prefix = f"test-turns-{os.getpid()}"
    made: dict[str, RingWriter] = {}

    def rings(bundle: Bundle) -> dict[str, RingWriter]:
        for channel in bundle.channels:
            if channel not in made:
                made[channel] = RingWriter.create(
                    f"{prefix}.{channel}", policy="block" if channel == "got" else "drop_newest"
                )
        return {channel: made[channel] for channel in bundle.channels}

    device = HostDevice() if way == "loop" else ReferenceDevice()
    with device:
        start(device, bundles[0], 1)
        session = Session(device, bundles[0], rings)

        def change() -> None:
            try:
                for generation in range(2, turns + 2):
                    start(device, bundles[(generation - 1) % 2], generation)
                    time.sleep(0.002)
                end = time.monotonic() + 30
                while session.bundle is not bundles[turns % 2] and time.monotonic() < end:
                    time.sleep(0.002)
            finally:
                ingress.stop.set()

        def run() -> None:
            reports.append(session.run(ingress))
            for ring in made.values():
                ring.close()

        threads = [threading.Thread(target=work) for work in (change, run)]
        with RingReader.attach(f"{prefix}.got") as reader:
            for thread in threads:
                thread.start()
            got.extend(np.stack([b["seq"], b["generation"], b["rule"], b["data"][:, 4]]) for b in reader)
            for thread in threads:
                thread.join()
        stats = Ring.stats(f"{prefix}.got")
    for channel in made:
        Ring.unlink(f"{prefix}.{channel}")
    seq, generation, rule, key = np.concatenate(got, axis=1)
    (report,) = reports
    assert sorted(made) == ["big", "got", "large"]
    assert report.events == ingress.events, "no event is lost or decided twice"
    assert (seq == np.arange(len(seq))).all(), "nothing is repeated or left out between rules"
    assert (np.diff(generation.astype(np.int64)) >= 0).all()
    assert len(np.unique(generation)) >= min(turns, 10)
    assert (rule == 0).all() and (key % 2 == (generation - 1) % 2).all(), "no match is of the other file"
    fired = {count.name: count.events for count in report.rules}
    assert fired["even"] + fired["odd"] == len(seq) == report.events // 2 == report.counters["seen"]
    assert fired["even"] == (generation % 2 == 1).sum() > 0 and fired["odd"] > 0
    assert stats.digest == bundles[turns % 2].digest, "whoever comes next knows whose numbers the rules' are"
    channels = {channel.name: channel for channel in report.channels}
    assert channels["got"].delivered == channels["got"].matched == len(seq)
    large, big = channels["large"], channels["big"]
    for one in (large, big):
        assert one.matched == one.delivered + sum(one.undelivered.values())
    assert large.matched + big.matched == fired["large"] == report.events // KEYS * 4
    assert report.counters["bigs"] == big.matched
    assert (report.bundle, report.generation) == (bundles[turns % 2].name, turns + 1)


def test_numbers_go_on_by_name_and_rules_that_left_stay_in_the_report(make: Make) -> None:
    even, odd, ingress = make(EVEN, "even"), make(ODD, "odd"), Endless()
    with HostDevice() as device:
        start(device, even)
        session = Session(device, even)

        def progress(events: int) -> None:
            if events == KEYS * 16:
                start(device, odd)
            elif events == KEYS * 32:
                ingress.stop.set()

        report = session.run(ingress, progress)
    assert [(rule.name, rule.events) for rule in report.rules] == [("odd", 512), ("large", 128), ("even", 512)]
    assert report.counters == {"seen": 1024, "bigs": 64}
    assert [(channel.name, channel.matched, channel.undelivered) for channel in report.channels] == [
        ("got", 1024, {"no_ring": 1024}),
        ("big", 64, {"no_ring": 64}),
        ("large", 64, {"no_ring": 64}),
    ]
    assert (report.events, report.passed, report.bundle) == (2048, 2048, "odd")


def test_of_many_rule_files_the_sums_stay(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editions, "EDITIONS_MAX", 3)
    kept = Editions(make(EVEN.replace("even", "r0"), "r0"), {})
    records, sums = bytes(64) * 10, []
    for number in range(8):
        bundle = make(EVEN.replace("even", f"r{number}"), f"r{number}")
        with ReferenceDevice() as device:
            start(device, bundle)
            (batch,) = open_records(records, 64).batches()
            edition = kept.follow(bundle)
            edition.accounts.add(batch, device.process(batch))
        sums.append(kept.events)
    assert sums == [10 * (number + 1) for number in range(8)]
    counts = kept.tally().counts()
    assert counts["counters"] == {"seen": 80} and counts["events"] == 80
    assert {rule.name: rule.events for rule in counts["rules"]} == {**{f"r{n}": 10 for n in range(8)}, "large": 0}


def test_rules_on_other_events_end_the_run_and_what_was_decided_stays(bundle: Bundle, make: Make) -> None:
    other = make(RULES.replace("seq: u32", "seq: u16\n  more: u16"), "other")
    ingress = Endless()
    with HostDevice() as device:
        start(device, bundle)
        session = Session(device, bundle)
        with pytest.raises(DeviceError) as error:
            session.run(ingress, progress=lambda events: start(device, other) if events == KEYS * 16 else None)
        theirs, ours = (f"records R v1 of 64 bytes, layout 0x{one.layouts[0].hash:016x}" for one in (other, bundle))
        assert str(error.value) == (
            f"the rules of other are on {theirs}, and this session reads {ours}; end it, and make another for them"
        )
        assert session.report().events == KEYS * 16
        with pytest.raises(DeviceError, match="the rules of other are on records"):
            session.feed(next(open_records(bytes(64), 64).batches()))
        assert session.report().events == KEYS * 16
        packets = make("rules p on packet all { rule a: tcp => count n }", "p")
        start(device, packets)
        with pytest.raises(DeviceError, match="of p are on packets, and this session reads records R v1 of 64 bytes"):
            session.run(ingress)


def test_a_device_that_does_not_say_whose_rules_decided_keeps_to_those_it_began_with(
    bundle: Bundle, make: Make
) -> None:
    other = make(EVEN, "other")

    class Silent(ReferenceDevice):
        def process(self, batch: EventBatch) -> Decisions:
            decisions = super().process(batch)
            decisions.bundle = None
            return decisions

    with Silent() as device:
        start(device, bundle)
        session = Session(device, bundle)
        session.feed(next(open_records(bytes(64), 64).batches()))
        start(device, other)
        with pytest.raises(DeviceError) as error:
            session.feed(next(open_records(bytes(64), 64).batches()))
    assert str(error.value) == (
        "the device has other rules now than those of both, and does not say which; end the session, and make "
        "another for them"
    )
    assert session.report().events == 1
