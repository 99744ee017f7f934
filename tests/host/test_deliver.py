"""Counting and delivery in C: equal to NumPy, in order, and nothing lost without a cause."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.engine.accounts import NO_RING, Accounts
from sevenm.host.engine.counts import CAUSES, TOTALS
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import Delivery
from sevenm.host.ring import RingReader, RingWriter
from sevenm.host.ring.record import Engine, Flag

pytestmark = pytest.mark.usefixtures("need_native")


@dataclass(frozen=True)
class Acts:
    deliver: tuple[int, ...] = ()
    count: tuple[int, ...] = ()
    forward: int = 0
    drop: bool = False


def numbered(n: int, data: bytes = b"") -> EventBatch:
    """n events; event i starts with i in four bytes and was seen at i ns."""
    return EventBatch.from_bytes([i.to_bytes(4, "little") + data for i in range(n)], list(range(n)))


def decided(acts: list[Acts], fired: Any, malformed: Any = None, truncated: Any = None) -> Decisions:
    flags = np.asarray(fired, np.bool_)
    none = np.zeros(flags.shape[1], np.bool_)
    return Decisions.from_flags(
        flags,
        none if malformed is None else np.asarray(malformed, np.bool_),
        none if truncated is None else np.asarray(truncated, np.bool_),
        acts,
    )


names = itertools.count()
MakeRing = Callable[..., RingWriter]


@pytest.fixture
def make_ring() -> Iterator[MakeRing]:
    made: list[str] = []

    def make(**options: Any) -> RingWriter:
        made.append(f"test-deliver-{os.getpid()}-{next(names)}")
        return RingWriter.create(made[-1], **options)

    yield make
    for name in made:
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


def causes(accounts: Accounts, channel: int = 0) -> dict[str, int]:
    assert accounts.matched[channel] == accounts.delivered[channel] + accounts.undelivered[channel].sum()
    return {CAUSES[i]: int(n) for i, n in enumerate(accounts.undelivered[channel]) if n}


ACTS = st.builds(
    Acts,
    st.sets(st.integers(0, 3)).map(lambda s: tuple(sorted(s))),
    st.sets(st.integers(0, 2)).map(lambda s: tuple(sorted(s))),
    st.integers(0, 65535),
    st.booleans(),
)


@given(st.lists(ACTS, max_size=7), st.lists(st.sampled_from([0, 1, 63, 64, 65, 256, 257, 700]), max_size=3), st.data())
def test_c_counts_what_numpy_counts(acts: list[Acts], sizes: list[int], draw: st.DataObject) -> None:
    in_numpy, in_c = Accounts(acts, 4, 3), Accounts(acts, 4, 3)
    delivery = Delivery(in_c, [None] * 4)
    for n in sizes:
        rng = np.random.default_rng(draw.draw(st.integers(0, 1000)))
        flags = rng.random((len(acts) + 2, n)) < rng.random((len(acts) + 2, 1)) ** 2
        batch, decisions = numbered(n), decided(acts, flags[:-2], flags[-2], flags[-1])
        in_numpy.add(batch, decisions)
        delivery.add(batch, decisions, 1, 2)
        assert in_numpy.rules.tolist()[-1:] == in_c.rules.tolist()[-1:]
    for name in ("totals", "forwarded", "rules", "counters", "matched", "delivered", "undelivered"):
        assert np.array_equal(getattr(in_numpy, name), getattr(in_c, name)), name
    assert in_c.total("events") == sum(sizes)


def test_the_counts_are_those_of_the_per_event_meaning() -> None:
    acts = [Acts((0,), (0,), 0b1), Acts((0, 1), (0, 1), 0b11), Acts((), (), 0b1, True)]
    fired = [[1, 0, 1, 0, 1], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    accounts = Accounts(acts, 2, 2)
    Delivery(accounts, [None, None]).add(numbered(5), decided(acts, fired, [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]), 1, 2)
    assert {name: accounts.total(name) for name in TOTALS} == {
        "events": 5, "bytes": 20, "malformed": 1, "truncated": 2, "punted": 0, "dropped": 2, "passed": 1,
    }  # fmt: skip
    assert accounts.forwarded[:3].tolist() == [2, 1, 0], "what is dropped is not forwarded"
    assert accounts.rules.tolist() == [3, 2, 2]
    assert accounts.counters.tolist() == [4, 2], "an event counts once, whatever number of rules fired on it"
    assert accounts.matched.tolist() == [4, 2]
    assert accounts.undelivered[:, NO_RING].tolist() == [4, 2]


def test_records_say_what_matched_in_order(make_ring: MakeRing) -> None:
    acts = [Acts((1,)), Acts((0, 1)), Acts((0,))]
    rng = np.random.default_rng(1)
    n = 2000
    fired, bad, cut = rng.random((3, n)) < 0.3, rng.random(n) < 0.2, rng.random(n) < 0.2
    first, second = make_ring(slots=2048), make_ring(slots=2048, slot_size=64)
    accounts = Accounts(acts, 2, 0)
    delivery = Delivery(accounts, [first.handle, second.handle])
    whole, decisions = numbered(n, b"payload"), decided(acts, fired, bad, cut)
    batch = EventBatch(whole.buffer, whole.events, source=5)
    delivery.add(batch, decisions, generation=3, engine=Engine.HOST)
    for channel, ring, rules in ((0, first, (1, 2)), (1, second, (0, 1))):
        with RingReader.attach(ring.name) as reader:
            records = reader.read()
            chosen = np.flatnonzero(fired[list(rules)].any(axis=0))
            assert len(records) == len(chosen) == accounts.delivered[channel]
            assert records["ts_ns"].tolist() == chosen.tolist()
            assert records["seq"].tolist() == list(range(len(chosen)))
            assert records["rule"].tolist() == [next(r for r in rules if fired[r, i]) for i in chosen]
            assert set(records["generation"]) == {3} and set(records["engine"]) == {2}
            assert set(records["source"]) == {5} and set(records["reserved"]) == {0}
            assert set(records["cap_len"]) == {11} and set(records["wire_len"]) == {11}
            assert records["flags"].tolist() == [2 * bad[i] + 4 * cut[i] for i in chosen]
            data = np.ascontiguousarray(records["data"])
            assert data[:, :4].copy().view("<u4")[:, 0].tolist() == chosen.tolist()
            assert data[0, 4:11].tobytes() == b"payload" and not data[:, 11:].any()
        assert causes(accounts, channel) == {}


def test_long_events_are_cut_and_nothing_old_shows_through(make_ring: MakeRing) -> None:
    ring = make_ring(slots=256, slot_size=96)
    acts = [Acts((0,))]
    delivery = Delivery(Accounts(acts, 1, 0), [ring.handle])
    sizes = [64, 65, 9000, 63, 0]
    with RingReader.attach(ring.name) as reader:
        for _ in range(120):  # more than once around the ring
            batch = EventBatch.from_bytes([b"\xff" * size for size in sizes], wire_len=[70_000, 65, 9000, 63, 0])
            delivery.add(batch, decided(acts, np.ones((1, 5))), 1, 2)
            for record in [r for run in (reader.read(), reader.read()) for r in run.copy()]:
                size = sizes[int(record["seq"]) % 5]
                assert record["cap_len"] == min(size, 64)
                assert bool(record["flags"] & Flag.CUT) == (size > 64)
                assert record["data"].tobytes() == (b"\xff" * min(size, 64)).ljust(64, b"\0")
                assert record["wire_len"] == (65535 if size == 64 else size)


def test_a_full_ring_keeps_the_oldest_and_counts_the_rest(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    Delivery(accounts, [ring.handle]).add(numbered(1000), decided(acts, np.ones((1, 1000))), 1, 2)
    assert causes(accounts) == {"full": 744}
    assert ring.stats().undelivered["full"] == 744 and ring.stats().sent == 1000
    with RingReader.attach(ring.name) as reader:
        assert reader.read()["ts_ns"].tolist() == list(range(256))


def test_a_block_ring_whose_reader_is_gone_counts_it(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256, policy="block"), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    Delivery(accounts, [ring.handle]).add(numbered(300), decided(acts, np.ones((1, 300))), 1, 2)
    assert causes(accounts) == {"reader_gone": 44}
    assert ring.stats().sent == 300


def test_a_closed_ring_is_no_ring(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    delivery = Delivery(accounts, [ring.handle])
    ring.close()
    delivery.add(numbered(10), decided(acts, np.ones((1, 10))), 1, 2)
    assert causes(accounts) == {"no_ring": 10}


def test_a_ring_with_an_impossible_index_is_corrupt(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    delivery = Delivery(accounts, [ring.handle])
    memory = np.memmap(f"/dev/shm/sevenm.{ring.name}", np.uint64, "r+", shape=(1024,))
    memory[(4096 + 256) // 8] = 2**63  # consumed, which the reader writes
    delivery.add(numbered(300), decided(acts, np.ones((1, 300))), 1, 2)
    assert causes(accounts) == {"corrupt": 44}
    delivery.add(numbered(300), decided(acts, np.ones((1, 300))), 1, 2)
    assert causes(accounts) == {"corrupt": 344}


def test_counters_spoiled_by_another_process_do_not_spoil_the_accounts(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    delivery = Delivery(accounts, [ring.handle])
    memory = np.memmap(f"/dev/shm/sevenm.{ring.name}", np.uint64, "r+", shape=(1024,))
    for value in (2**64 - 1, 0, 12345):
        memory[768 // 8 : 768 // 8 + 8] = value
        delivery.add(numbered(300), decided(acts, np.ones((1, 300))), 1, 2)
    assert accounts.delivered.tolist() == [256]
    assert sum(causes(accounts).values()) == 644


def test_a_signal_ends_the_wait_for_a_slow_reader(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256, policy="block"), [Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    delivery = Delivery(accounts, [ring.handle])

    class Alarm(Exception):
        pass

    def ring_it(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring_it)
    try:
        with RingReader.attach(ring.name) as reader:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Alarm):
                delivery.add(numbered(5000), decided(acts, np.ones((1, 5000))), 1, 2)
            assert causes(accounts) == {"stopped": 5000 - 256}
            assert len(reader.read()) == 256
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def consume(name: str, sink: Any) -> None:
    total, in_order, expected = 0, True, 0
    with RingReader.attach(name, timeout=20) as reader:
        sink.send("here")
        for records in reader:
            in_order &= bool((records["seq"] == np.arange(expected, expected + len(records))).all())
            expected += len(records)
            total += int(records["data"][:, :4].copy().view("<u4").sum(dtype=np.uint64))
    sink.send((expected, in_order, total))


def test_a_second_process_gets_every_record_in_order(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=1024, policy="block"), [Acts((0,)), Acts((0,))]
    accounts = Accounts(acts, 1, 0)
    delivery = Delivery(accounts, [ring.handle])
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=consume, args=(ring.name, theirs))
    process.start()
    try:
        assert ours.poll(30) and ours.recv() == "here"
        n, rounds = 20_000, 10
        batch = numbered(n)
        fired = np.stack((np.arange(n) % 2 == 0, np.arange(n) % 3 == 0))
        for _ in range(rounds):
            delivery.add(batch, decided(acts, fired), 1, 2)
        chosen = np.flatnonzero(fired.any(axis=0))
        ring.close()
        assert ours.poll(60)
        assert ours.recv() == (rounds * len(chosen), True, rounds * int(chosen.sum()))
        assert causes(accounts) == {} and accounts.delivered[0] == rounds * len(chosen)
    finally:
        process.join(20)
        process.kill()


def test_wrong_arguments_are_named(make_ring: MakeRing) -> None:
    ring, acts = make_ring(slots=256), [Acts((0,))]
    with pytest.raises(ValueError, match="handles must be one for each of 1 channels, not 0"):
        Delivery(Accounts(acts, 1, 0), [])
    with pytest.raises(ValueError, match="two channels have the same ring; a ring belongs to one channel"):
        Delivery(Accounts(acts, 2, 0), [ring.handle, ring.handle])
    with pytest.raises(ValueError, match="decisions on 2 events do not belong to a batch of 1"):
        Delivery(Accounts(acts, 1, 0), [None]).add(numbered(1), decided(acts, np.ones((1, 2))), 1, 2)
    assert EVENT.itemsize == 24
