"""Rules and rows that change while a session runs: under full load, and what the session does not count."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import LINK_USER0
from sevenm.host.capture.records import RecordReader, open_records
from sevenm.host.devices.device import DeviceError, TableEdit, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.session import Report, Session
from sevenm.tables import Row

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
KEYS = 64
CHANGES = 1000
RULES = """
schema R v1 size 64 @endian(little) {
  seq: u32
  key: u16
}
table left : u16 max 4 { 1 }
table right : u16 max 4 { 1 }
rules both on R all {
  rule hit: key in left and key in right => deliver got
  rule half: key in left and key not in right or key in right and key not in left => count halves
}
"""


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

    def pieces(self, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[LoopIngress]:
        for reader in self._readers():
            yield from reader.pieces(max_bytes, source)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(write_bundle(compile_text(RULES, "both").plan, tmp_path / "both", gateware=False))


def rows(generation: int) -> list[Row]:
    key = generation % KEYS
    return [Row(((key, key),))]


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
                        both = {0: rows(generation), 1: rows(generation)}
                        device.update(TableEdit(bundle.structure, both), generation)
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


def test_other_rules_end_the_run_and_what_was_decided_stays(bundle: Bundle, tmp_path: Path) -> None:
    text = RULES.replace("rule hit:", "rule other: key == 7 => deliver got\n  rule hit:")
    other = Bundle.open(write_bundle(compile_text(text, "other").plan, tmp_path / "other", gateware=False))
    ingress = Endless()
    with HostDevice() as device:
        start(device, bundle)
        session = Session(device, bundle)
        with pytest.raises(DeviceError) as error:
            session.run(ingress, progress=lambda events: start(device, other) if events == KEYS * 16 else None)
        assert str(error.value) == (
            "the device has other rules now than those of both, which this session counts; "
            "end it, and make another for them"
        )
        assert session.report().events == KEYS * 16
        with pytest.raises(DeviceError, match="has other rules now than those of both"):
            session.feed(next(open_records(bytes(64), 64).batches()))
        assert session.report().events == KEYS * 16
