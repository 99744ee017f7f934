"""What a channel's account says when its ring has several subscribers: docs/decisions/0010."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.counts import CAUSES
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import Delivery
from sevenm.host.engine.ingress import MemoryIngress
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.ring import RingReader, RingWriter

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
names = itertools.count()
BATCH = 1024
N = 3000


@pytest.fixture
def ring() -> Iterator[RingWriter]:
    name = f"test-lanes-{os.getpid()}-{next(names)}"
    yield RingWriter.create(name, slots=512, slot_size=64)
    Path(f"/dev/shm/sevenm.{name}").unlink()


def events(n: int) -> EventBatch:
    return EventBatch.from_bytes([b"\2"] * n, list(range(n)))


def everything(reader: RingReader) -> list[int]:
    found: list[int] = []
    while len(records := reader.read()):
        found += records["ts_ns"].tolist()
    return found


def causes(accounts: Accounts, channel: int = 0) -> dict[str, int]:
    assert accounts.matched[channel] == accounts.delivered[channel] + accounts.undelivered[channel].sum()
    return {CAUSES[i]: int(n) for i, n in enumerate(accounts.undelivered[channel]) if n}


@contextmanager
def started(engine: CompiledEngine, bundle: Bundle, ring: RingWriter) -> Iterator[tuple[Loop, Accounts]]:
    """A loop that delivers N events into the ring, in a thread of its own."""
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle), None], 1))
        loop.start(MemoryIngress(events(N), burst=BATCH))
        yield loop, accounts


def deliver(engine: CompiledEngine, bundle: Bundle, ring: RingWriter, n: int = N) -> Accounts:
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle), None], 1))
        loop.run(MemoryIngress(events(n), burst=BATCH))
        loop.flush()
    return accounts


def subscribe(stack: ExitStack, ring: RingWriter, *policies: str, deadline: float = 0.05) -> list[RingReader]:
    return [
        stack.enter_context(RingReader.attach(ring.name, subscriber=f"s{i}", policy=policy, deadline=deadline))
        for i, policy in enumerate(policies)
    ]


def test_a_match_counts_by_the_first_lane_that_did_not_get_it(
    engine: CompiledEngine, bundle: Bundle, ring: RingWriter
) -> None:
    with ExitStack() as stack:
        oldest, waits, newest = subscribe(stack, ring, "drop_oldest", "block", "drop_newest")
        ring.write(np.zeros(100, ring.dtype))
        everything(waits)  # so it has more room than the third, which will have missed more
        accounts = deliver(engine, bundle, ring)
        assert (accounts.matched[0], accounts.delivered[0]) == (N, 412)
        assert causes(accounts) == {"timeout": N - 512, "full": 100}
        stats = {one.name: one for one in ring.stats().subscribers}
        assert (stats["s0"].delivered, stats["s0"].undelivered["full"]) == (N + 100, 0)
        assert (stats["s1"].delivered, stats["s1"].undelivered["timeout"]) == (612, N - 512)
        assert (stats["s2"].delivered, stats["s2"].undelivered["full"]) == (512, N - 412)
        assert everything(oldest) == list(range(N - 512, N))
        assert everything(waits) == list(range(512))
        assert everything(newest) == [0] * 100 + list(range(412))


def test_a_default_lane_that_never_had_a_reader_has_no_say(
    engine: CompiledEngine, bundle: Bundle, ring: RingWriter
) -> None:
    with ExitStack() as stack:
        (only,) = subscribe(stack, ring, "drop_oldest")
        accounts = deliver(engine, bundle, ring)
        assert (accounts.delivered[0], causes(accounts)) == (N, {})
        assert ring.stats().subscribers[0].undelivered["full"] == N - 512, "it is counted in the ring all the same"
        with RingReader.attach(ring.name) as default:
            assert len(everything(default)) == 512
            accounts = deliver(engine, bundle, ring)
            assert (accounts.delivered[0], causes(accounts)) == (512, {"full": N - 512})
            assert len(everything(only)) == 512


def test_all_lanes_are_served_before_one_is_waited_for(
    engine: CompiledEngine, bundle: Bundle, ring: RingWriter
) -> None:
    """Two stand still, and the third gets what it would get without them, after at most their deadlines."""
    with ExitStack() as stack:
        _, _, quick = subscribe(stack, ring, "block", "block", "block", deadline=0.3)
        with started(engine, bundle, ring) as (loop, accounts):
            found: list[int] = []
            while len(found) < N:
                found += everything(quick)
            loop.join()
        assert found == list(range(N))
        assert causes(accounts) == {"timeout": N - 512}
        assert ring.stats().subscribers[3].delivered == N


def test_a_slow_reader_without_deadline_loses_nothing_and_holds_nobody_up_but_the_stream(
    engine: CompiledEngine, bundle: Bundle, ring: RingWriter
) -> None:
    with ExitStack() as stack:
        slow, oldest = subscribe(stack, ring, "block", "drop_oldest", deadline=0)
        with started(engine, bundle, ring) as (loop, accounts):
            found: list[int] = []
            while len(found) < N:
                time.sleep(0.01)
                found += slow.read(200)["ts_ns"].tolist()
            loop.join()
        assert found == list(range(N))
        assert (accounts.delivered[0], causes(accounts)) == (N, {})
        assert everything(oldest) == list(range(N - 512, N))


def test_a_stop_counts_what_no_lane_was_given_yet(engine: CompiledEngine, bundle: Bundle, ring: RingWriter) -> None:
    with ExitStack() as stack:
        slow, other = subscribe(stack, ring, "block", "drop_oldest", deadline=0)
        with started(engine, bundle, ring) as (loop, accounts):
            while ring.stats().subscribers[1].delivered < 512:
                time.sleep(0.01)
            loop.stop(wait=False)
            loop.join()
        assert causes(accounts) == {"stopped": int(accounts.matched[0]) - 512}
        assert everything(slow) == list(range(512))
        assert everything(other)[-1] == accounts.matched[0] - 1


def test_a_reader_that_dies_is_not_waited_for(engine: CompiledEngine, bundle: Bundle, ring: RingWriter) -> None:
    with ExitStack() as stack:
        (quick,) = subscribe(stack, ring, "drop_oldest")
        RingReader.attach(ring.name, subscriber="dead", policy="block", deadline=0).disown()
        accounts = deliver(engine, bundle, ring)
        assert causes(accounts) == {"reader_gone": N - 512}
        assert everything(quick) == list(range(N - 512, N))
        with RingReader.attach(ring.name, subscriber="dead") as successor:
            assert everything(successor) == list(range(512))
            accounts = deliver(engine, bundle, ring, 300)
            assert causes(accounts) == {}
            assert everything(successor) == list(range(300))


def test_batches_that_python_decides_are_counted_alike(bundle: Bundle, ring: RingWriter) -> None:
    fired = np.zeros((3, N), np.bool_)
    fired[1] = True
    none = np.zeros(N, np.bool_)
    decisions = Decisions.from_flags(fired, none, none, bundle.rules)
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    delivery = Delivery(accounts, [ring.handle, None])
    with ExitStack() as stack:
        slow, quick = subscribe(stack, ring, "block", "drop_newest", deadline=0)
        adding = threading.Thread(target=delivery.add, args=(events(N), decisions, 1, 2))
        adding.start()
        found: list[int] = []
        while len(found) < N:
            found += everything(slow)
        adding.join()
        assert found == list(range(N))
        missed = causes(accounts).get("full", 0)
        assert (accounts.delivered[0], len(everything(quick))) == (N - missed, 512)
