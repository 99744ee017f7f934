"""A `block` subscriber that stops holds up its own channel only, and not for ever."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.counts import CAUSES
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import BLOCK_TIMEOUT, Delivery
from sevenm.host.engine.ingress import MemoryIngress
from sevenm.host.engine.loop import BACKLOG, Loop, Program, Why
from sevenm.host.ring import RingReader, RingWriter

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
names = itertools.count()
MakeRing = Callable[..., RingWriter]
BATCH = 1024


@pytest.fixture
def make_ring() -> Iterator[MakeRing]:
    made: list[str] = []

    def make(**options: Any) -> RingWriter:
        made.append(f"test-block-{os.getpid()}-{next(names)}")
        return RingWriter.create(made[-1], slot_size=64, **options)

    yield make
    for name in made:
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


def events(n: int, start: int = 0) -> EventBatch:
    return EventBatch.from_bytes([b"\2"] * n, list(range(start, start + n)))


def accounts_of(bundle: Bundle) -> Accounts:
    return Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))


def causes(accounts: Accounts, channel: int) -> dict[str, int]:
    accounted = accounts.delivered[channel] + accounts.waiting[channel] + accounts.undelivered[channel].sum()
    assert accounts.matched[channel] == accounted
    return {CAUSES[i]: int(n) for i, n in enumerate(accounts.undelivered[channel]) if n}


def times(reader: RingReader) -> list[int]:
    """Of everything that is in the ring, which is given back."""
    out: list[int] = []
    while len(records := reader.read()):
        out += records["ts_ns"].tolist()
    return out


def test_others_go_on_while_the_backlog_takes_what_comes(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    """256 in the ring and 2048 in the backlog: two batches of 1024 do not wait, whatever the timeout."""
    stopped, other, accounts = make_ring(slots=256, policy="block"), make_ring(slots=8192), accounts_of(bundle)
    with Loop() as loop, RingReader.attach(stopped.name) as late, RingReader.attach(other.name) as reader:
        outlets = [loop.outlet(stopped.handle, backlog=2048, timeout=0), loop.outlet(other.handle)]
        loop.publish(Program(engine, accounts, outlets, 1))
        assert loop.run(MemoryIngress(events(2 * BATCH), burst=BATCH)) is Why.END
        assert times(reader) == list(range(2 * BATCH))
        assert (accounts.delivered.tolist(), accounts.waiting.tolist()) == ([256, 2 * BATCH], [2 * BATCH - 256, 0])
        assert loop.programs[0].waiting == 2 * BATCH - 256
        assert stopped.stats().sent == 256, "what waits was not sent"
        found = times(late)
        while len(found) < 2 * BATCH:
            loop.run(MemoryIngress(events(0)))  # without an event, what waits still goes out
            found += times(late)
        assert found == list(range(2 * BATCH)), "in order, nothing lost"
        assert causes(accounts, 0) == causes(accounts, 1) == {}


def test_a_full_backlog_holds_up_its_channel_until_the_deadline(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    stopped, other, accounts = make_ring(slots=256, policy="block"), make_ring(slots=8192), accounts_of(bundle)
    with Loop() as loop, RingReader.attach(stopped.name) as late, RingReader.attach(other.name) as reader:
        outlets = [loop.outlet(stopped.handle, backlog=512, timeout=0.2), loop.outlet(other.handle)]
        loop.publish(Program(engine, accounts, outlets, 1))
        loop.start(MemoryIngress(events(2 * BATCH), burst=BATCH))
        found: list[int] = []
        while len(found) < BATCH:
            found += times(reader)
        assert found == list(range(BATCH)), "the whole batch, while the first channel is waited for"
        loop.join()
        assert found + times(reader) == list(range(2 * BATCH))
        assert causes(accounts, 0) == {"timeout": 2 * BATCH - 256 - 512}
        loop.run(MemoryIngress(events(50 * BATCH, 2 * BATCH), burst=BATCH))
        assert stopped.handle.lanes[0].late and not stopped.handle.lanes[0].since_ns, "not every batch waits anew"
        assert causes(accounts, 0) == {"timeout": 52 * BATCH - 256 - 512}
        # It reads again, so it is waited for again: first what it was owed, then what comes.
        assert times(late) == list(range(256))
        loop.run(MemoryIngress(events(0)))
        loop.run(MemoryIngress(events(100, 1_000_000)))
        assert times(late) == list(range(256, 512))
        loop.run(MemoryIngress(events(0)))
        assert times(late) == list(range(512, 768))
        loop.flush()
        assert times(late) == list(range(1_000_000, 1_000_100))
        assert stopped.stats().sent == 52 * BATCH + 100
        assert causes(accounts, 0) == {"timeout": 52 * BATCH - 256 - 512}
        assert accounts.waiting.sum() == 0


def test_a_reader_that_reads_within_the_deadline_loses_nothing(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    """It stops again and again for a while that is shorter than the timeout, though all of them together are longer."""
    ring, accounts = make_ring(slots=256, policy="block"), accounts_of(bundle)
    found: list[int] = []
    with Loop() as loop, RingReader.attach(ring.name) as reader:
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle, backlog=64, timeout=1), None], 1))
        loop.start(MemoryIngress(events(6000)))
        while len(found) < 6000:
            time.sleep(0.05)
            records = reader.read(300)
            found += records["ts_ns"].tolist()
        loop.join()
        loop.flush()
        found += times(reader)
    assert found == list(range(6000))
    assert causes(accounts, 0) == {}


def test_without_a_deadline_it_is_waited_for_as_long_as_it_lives(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    ring, accounts = make_ring(slots=256, policy="block"), accounts_of(bundle)
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle, backlog=64, timeout=0), None], 1))
        with RingReader.attach(ring.name):
            loop.start(MemoryIngress(events(6000)))
            time.sleep(0.5)
            assert loop.events < 6000
        loop.join()  # it is gone
        assert causes(accounts, 0) == {"reader_gone": 6000 - 256 - 64}
        loop.flush()
    assert causes(accounts, 0) == {"reader_gone": 6000 - 256}
    assert accounts.waiting.sum() == 0


def test_a_loop_that_stops_at_once_counts_what_waits(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    ring, accounts = make_ring(slots=256, policy="block"), accounts_of(bundle)
    with Loop() as loop, RingReader.attach(ring.name) as reader:
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle, backlog=512, timeout=0), None], 1))
        loop.start(MemoryIngress(events(6000), burst=BATCH))
        while not accounts.waiting[0]:
            time.sleep(0.01)
        loop.stop(wait=False)
        loop.join()
        assert causes(accounts, 0) == {"stopped": BATCH - 256 - 512}
        loop.close()
        assert causes(accounts, 0) == {"stopped": BATCH - 256}
        assert times(reader) == list(range(256))
    assert ring.stats().sent == BATCH == accounts.total("events")


def test_a_signal_ends_the_loop_and_the_accounts_add_up(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    class Alarm(Exception):
        pass

    def ring_it(*_: object) -> None:
        raise Alarm

    ring, accounts = make_ring(slots=256, policy="block"), accounts_of(bundle)
    before = signal.signal(signal.SIGALRM, ring_it)
    try:
        with Loop() as loop, RingReader.attach(ring.name):
            loop.publish(Program(engine, accounts, [loop.outlet(ring.handle, backlog=0, timeout=0), None], 1))
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Alarm):
                loop.run(MemoryIngress(events(6000), burst=BATCH))
            assert causes(accounts, 0) == {"stopped": BATCH - 256}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_waits_is_counted_by_the_rules_that_matched_it(
    engine: CompiledEngine, bundle: Bundle, make_ring: MakeRing
) -> None:
    """Rules are exchanged while matches of the old ones wait; a delivery is in the accounts of its own generation."""
    ring, old, new = make_ring(slots=256, policy="block"), accounts_of(bundle), accounts_of(bundle)
    with Loop() as loop, RingReader.attach(ring.name) as reader:
        outlet = loop.outlet(ring.handle, backlog=1024)
        loop.publish(Program(engine, old, [outlet, None], 1))
        loop.run(MemoryIngress(events(600)))
        loop.publish(Program(engine, new, [outlet, None], 2))
        loop.run(MemoryIngress(events(400)))
        assert (old.waiting[0], new.waiting[0], len(loop.programs)) == (344, 400, 2)
        seen: list[int] = []
        while len(seen) < 1000:
            seen += reader.read()["generation"].tolist()
            reader.release()
            loop.flush() if len(seen) > 900 else loop.run(MemoryIngress(events(0)))
        assert seen == [1] * 600 + [2] * 400
        loop.collect()
        assert (old.delivered[0], new.delivered[0], len(loop.programs)) == (600, 400, 1)
        assert causes(old, 0) == causes(new, 0) == {}


def test_in_a_batch_of_python_too_the_others_are_served_first(bundle: Bundle, make_ring: MakeRing) -> None:
    stopped, other, accounts = make_ring(slots=256, policy="block"), make_ring(slots=8192), accounts_of(bundle)
    n = 3000
    fired = np.zeros((3, n), np.bool_)
    fired[1] = True
    none = np.zeros(n, np.bool_)
    decisions = Decisions.from_flags(fired, none, none, bundle.rules)
    delivery = Delivery(accounts, [stopped.handle, other.handle], timeout=0)
    with RingReader.attach(other.name) as reader:
        with RingReader.attach(stopped.name):
            adding = threading.Thread(target=delivery.add, args=(events(n), decisions, 1, 2))
            adding.start()
            found: list[int] = []
            while len(found) < n:
                found += times(reader)
            assert adding.is_alive(), "the first channel still waits"
        adding.join()
        assert causes(accounts, 0) == {"reader_gone": n - 256}
        assert causes(accounts, 1) == {}


def test_the_default_deadline_is_the_documented_one() -> None:
    decision = (Path(__file__).resolve().parents[2] / "docs" / "decisions" / "0004-a-slow-subscriber.md").read_text()
    assert f"{BLOCK_TIMEOUT:g} seconds" in decision
    assert f"{BACKLOG:,} records" in decision
