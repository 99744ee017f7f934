"""A ring as ingress: what a process publishes is decided where it lies, and nothing of it is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sevenm.bundles import bundle_for
from sevenm.compiler import compile_text
from sevenm.compiler.plan import Plan
from sevenm.engines import open_running
from sevenm.events import open_live
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import open_capture
from sevenm.host.engine.loop import IngressFault
from sevenm.host.live.ring import BURST, RingIngress
from sevenm.host.live.until import Until
from sevenm.host.native import native
from sevenm.host.replay import as_records
from sevenm.host.report import Report
from sevenm.host.ring import RingAbsent, RingMismatch, RingReader, RingWriter
from sevenm.host.session import Session

ROOT = Path(__file__).resolve().parents[3]
OFFICE = ROOT / "examples" / "capture" / "office.pcap"
RULES = (ROOT / "examples" / "edge.7m").read_text()

pytestmark = pytest.mark.needs("compiler")


@pytest.fixture(scope="module")
def office() -> EventBatch:
    with open_capture(OFFICE) as reader:
        return EventBatch.joined(list(reader.batches()))


def plan_of(text: str) -> Plan:
    return compile_text(text, "edge").plan


def decided(ingress: RingIngress, until: Until | None = None, text: str = RULES) -> Report:
    plan = plan_of(text)
    with bundle_for(plan, False) as bundle, open_running("host", bundle) as device:
        try:
            return Session(device, bundle).run(ingress, until=until)
        finally:
            ingress.close()


def offline(batch: EventBatch) -> Report:
    plan = plan_of(RULES)
    with bundle_for(plan, False) as bundle, open_running("host", bundle) as device:
        session = Session(device, bundle)
        session.feed(batch)
        return session.report()


def test_what_is_published_is_decided_as_from_the_capture(ring: str, office: EventBatch) -> None:
    with RingWriter.create(ring, 1024, 2048) as writer:
        writer.write(as_records(office, writer.dtype))
    report = decided(RingIngress(ring))
    whole = EventBatch(office.buffer, office.events.copy())
    whole.events["cap_len"] = np.minimum(whole.events["cap_len"], 2048 - 32)
    expected = offline(whole)
    assert report.events == len(office)
    assert (report.rules, report.channels, report.counters) == (expected.rules, expected.channels, expected.counters)
    assert report.ingress == {"received": len(office), "dropped": 0, "undelivered": 0, "cut": 0, "left": 0}


def test_what_has_no_room_is_counted_by_the_ingress_too(ring: str, office: EventBatch) -> None:
    with RingWriter.create(ring, 256, 128) as writer:
        ingress = RingIngress(ring)
        writer.write(as_records(office, writer.dtype))
    report = decided(ingress)
    assert report.events == report.ingress["received"] == 256
    assert report.ingress["undelivered"] == len(office) - 256


def test_what_a_run_did_not_take_waits_for_the_next_one(ring: str, office: EventBatch) -> None:
    with RingWriter.create(ring, 4096, 128) as writer:
        for _ in range(4):
            writer.write(as_records(office, writer.dtype))
    total = 4 * len(office)
    first = decided(RingIngress(ring), Until(100))
    assert (first.events, first.ingress["received"], first.ingress["left"]) == (100, BURST, BURST - 100)
    second = decided(RingIngress(ring))
    assert second.events == total - BURST


def test_a_length_that_cannot_be_is_cut_to_the_slot(ring: str) -> None:
    with RingWriter.create(ring, 256, 128) as writer:
        records = np.zeros(4, writer.dtype)
        records["cap_len"], records["wire_len"] = [96, 97, 65535, 0], [0, 0, 65535, 7]
        writer.write(records)
    ingress = RingIngress(ring)
    (batch, *rest) = [some for some in ingress.batches() if len(some)]
    assert rest == []
    assert batch.events["cap_len"].tolist() == [96, 96, 96, 0]
    assert batch.events["wire_len"].tolist() == [96, 96, 65535, 7]
    assert ingress.counters()["cut"] == 2
    ingress.close()


def test_an_index_that_cannot_be_ends_the_run_with_a_sentence(ring: str) -> None:
    with RingWriter.create(ring, 256, 128) as writer:
        ingress = RingIngress(ring)
        writer.handle.lanes[0].mine += 1 << 40
        native().lib.sm_ring_commit_sequenced(writer.handle, 0)
        with pytest.raises(IngressFault, match="its producer's index does not fit its 256 slots"):
            decided(ingress)


def test_rings_that_do_not_fit_the_rules_are_refused(ring: str) -> None:
    with RingWriter.create(ring, 256, 96, layout_hash=0x1234), pytest.raises(RingMismatch, match="layout"):
        RingIngress(ring, layout_hash=0x4321)
    with RingReader.attach(ring, subscriber="old", policy="drop_oldest"):
        pass
    with RingWriter.create(ring, 256, 96, layout_hash=0x1234):
        old = RingReader.attach(ring, subscriber="old", policy="drop_oldest")
        old._lib.sm_ring_abandon(old.handle)  # as its death would
        with pytest.raises(CaptureError, match="a drop_oldest lane may be written over while they are matched"):
            RingIngress(ring, "old")
    with pytest.raises(CaptureError, match="holds schema records, but the rules are on packets"):
        open_live(f"ring:{ring}", plan_of(RULES))


def test_bare_slots_are_records_that_arrive_now(ring: str) -> None:
    plan = compile_text((ROOT / "examples" / "orders.7m").read_text(), "orders").plan
    (layout,) = plan.layouts
    data = np.random.default_rng(4).integers(0, 256, (1000, layout.size), np.uint8)
    before = time.time_ns()
    with RingWriter.create(ring, 1024, layout.size, layout_hash=layout.hash, header=False) as writer:
        records = np.zeros(len(data), writer.dtype)
        records.view(np.uint8).reshape(data.shape)[:] = data
        writer.write(records)
    ingress = open_live(f"ring:{ring}", plan)
    batch = EventBatch.joined([some for some in ingress.batches() if len(some)])
    ingress.close()
    assert [batch.data(n) for n in range(len(batch))] == [row.tobytes() for row in data]
    assert batch.events["wire_len"].tolist() == [layout.size] * len(data)
    assert before <= batch.events["ts_ns"].min() <= batch.events["ts_ns"].max() <= time.time_ns()
    with pytest.raises(CaptureError, match="holds schema records, but the rules are on packets"):
        open_live(f"ring:{ring}", plan_of(RULES))


def test_two_runs_read_one_ring_each_with_its_own_lane(ring: str, office: EventBatch) -> None:
    with RingWriter.create(ring, 1024, 128, policy="drop_newest") as writer:
        one, two = RingIngress(ring), RingIngress(ring, "second")
        writer.write(as_records(office, writer.dtype))
    assert [decided(ingress).events for ingress in (one, two)] == [len(office)] * 2


def test_the_command_reads_from_another_process_until_it_ends(ring: str) -> None:
    env = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "sevenm.cli.main"]
    publish = subprocess.Popen(
        [*command, "publish", ring, "-r", str(OFFICE), "--policy", "block", "--wait", "60", "--slots", "256"],
        cwd=ROOT, env=env, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(600):
            if Path(f"/dev/shm/sevenm.{ring}").exists():
                break
            time.sleep(0.05)
        run = subprocess.run(
            [*command, "run", "examples/edge.7m", "-i", f"ring:{ring}", "--json"],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        publish.communicate(timeout=60)
    assert (run.returncode, publish.returncode) == (0, 0), run.stderr
    report = json.loads(run.stdout)
    assert report["events"] == report["ingress"]["received"] == 769
    assert report["ingress"]["undelivered"] == 0


def test_no_ring_of_that_name(ring: str) -> None:
    with pytest.raises(RingAbsent, match=ring):
        RingIngress(ring)
