"""The data plane in C: started, stopped, given other rules, read and bounded by Python."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.pcap import open_capture
from sevenm.host.capture.records import open_records
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.host.engine.counts import TOTALS
from sevenm.host.engine.ingress import MemoryIngress, RecordsIngress
from sevenm.host.engine.loop import Loop, LoopError, Program, Why
from sevenm.host.ring import RingReader, RingWriter

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
MakeBundle = Callable[..., Bundle]
names = itertools.count()


@pytest.fixture
def make_ring() -> Iterator[Callable[..., RingWriter]]:
    made: list[str] = []

    def make(**options: Any) -> RingWriter:
        made.append(f"test-loop-{os.getpid()}-{next(names)}")
        return RingWriter.create(made[-1], **options)

    yield make
    for name in made:
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


def accounts_of(bundle: Bundle) -> Accounts:
    return Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))


def events(n: int, first: int = 1) -> EventBatch:
    """n events of which every one starts with the byte ``first``, at times 0, 1, 2 … ns."""
    return EventBatch.from_bytes([bytes([first]) + i.to_bytes(4, "little") for i in range(n)], list(range(n)))


def test_every_kind_of_ingress_gives_what_its_batches_give(
    engine: CompiledEngine, bundle: Bundle, make_pcap: Callable[..., bytes], captures_dir: Path
) -> None:
    packets = [(i, 4 + i % 3, bytes([i % 256]) * (i % 5)) for i in range(5000)]
    captures = sorted(p for p in captures_dir.iterdir() if p.suffix in (".pcap", ".pcapng"))[:12]
    sources: list[Any] = [make_pcap(packets), make_pcap(packets, big=True, nano=True), *captures]
    for source in sources:
        expected, found = accounts_of(bundle), accounts_of(bundle)
        for batch in open_capture(source).batches(max_bytes=4096):
            expected.add(batch, engine.run(batch, bundle.rules))
        with Loop() as loop:
            loop.publish(Program(engine, found, [None, None], 1))
            reader = open_capture(source)
            for piece in reader.pieces(max_bytes=4096):
                assert loop.run(piece) is Why.END
        assert reader.position == (reader.size or len(source))
        for name in ("totals", "rules", "counters", "matched", "undelivered", "forwarded"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), (source, name)


def test_records_and_memory_are_ingresses(engine: CompiledEngine, bundle: Bundle) -> None:
    accounts = accounts_of(bundle)
    data = np.frombuffer(bytes([3]) * (64 * 10 + 7), np.uint8)
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [None, None], 1))
        assert loop.run(RecordsIngress(data, 64, burst=3)) is Why.END
        assert (accounts.total("events"), accounts.total("bytes"), accounts.rules.tolist()) == (11, 647, [11, 11, 0])
        assert loop.run(MemoryIngress(events(100), burst=7, passes=3)) is Why.END
        assert loop.events == accounts.total("events") == 311
        for piece in open_records(data.tobytes(), 64).pieces(max_bytes=200):
            loop.run(piece)
        assert accounts.total("events") == 322


def test_it_ends_after_so_many_events_and_goes_on_where_it_was(engine: CompiledEngine, bundle: Bundle) -> None:
    accounts = accounts_of(bundle)
    ingress = MemoryIngress(events(1000), burst=300)
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [None, None], 1))
        assert [loop.run(ingress, 450), loop.events] == [Why.LIMIT, 450]
        assert [loop.run(ingress, 10_000), loop.events] == [Why.END, 1000]
    assert accounts.total("bytes") == 5000


def test_a_loop_in_its_own_thread_leaves_python_free(engine: CompiledEngine, bundle: Bundle) -> None:
    accounts = accounts_of(bundle)
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [None, None], 1))
        loop.start(MemoryIngress(events(1000), passes=1 << 40))
        with pytest.raises(LoopError, match="the loop was started already; stop and join it first"):
            loop.start(MemoryIngress(events(1)))
        seen = loop.events
        while loop.events == seen:
            time.sleep(0.001)
        for call in (loop.flush, lambda: loop.run(MemoryIngress(events(1)))):
            with pytest.raises(LoopError, match="the loop runs already; stop it first"):
                call()
        loop.stop()
        loop.join()
        assert loop.events == accounts.total("events") == accounts.rules[0] > 0
        assert loop.run(MemoryIngress(events(10))) is Why.END, "a stop is over when the loop has ended"


def test_what_cannot_go_on_says_why(engine: CompiledEngine, bundle: Bundle, make_bundle: MakeBundle) -> None:
    loop = Loop()
    with pytest.raises(LoopError, match="no program was published; publish one before run"):
        loop.run(MemoryIngress(events(1)))
    program = Program(engine, accounts_of(bundle), [None, None], 1)
    loop.publish(program)
    with pytest.raises(ValueError, match="the program of generation 1 was published before; make another"):
        loop.publish(program)
    with pytest.raises(ValueError, match="handles must be one for each of 2 channels, not 1"):
        Program(engine, accounts_of(bundle), [None], 2)
    with pytest.raises(ValueError, match="the engine has 3 rules, the accounts 0"):
        Program(engine, Accounts((), 0, 0), [], 2)
    with pytest.raises(ValueError, match="generation must be 32 bits, not 4294967296"):
        Program(engine, accounts_of(bundle), [None, None], 1 << 32)
    with pytest.raises(ValueError, match="burst must be from 1 to 1048576 events, not 0"):
        MemoryIngress(events(1), burst=0)
    broken = bundle.read("engine.c").replace(b"return start < n ? start : n;", b"return 0;")
    loop.publish(Program(load_engine(broken, bundle.structure, 3), accounts_of(bundle), [None, None], 2))
    with pytest.raises(LoopError, match="the engine decided no event, or more than there were"):
        loop.run(MemoryIngress(events(1)))
    loop.close()


def test_outlets_belong_to_one_loop_and_are_bounded(
    engine: CompiledEngine, bundle: Bundle, make_ring: Callable[..., RingWriter]
) -> None:
    ring = make_ring(slots=256)
    with Loop() as loop, Loop() as other:
        outlet = loop.outlet(ring.handle)
        with pytest.raises(
            ValueError, match=r"an outlet of the program belongs to another loop; make it with outlet\(\)"
        ):
            other.publish(Program(engine, accounts_of(bundle), [outlet, None], 1))
        with pytest.raises(ValueError, match="backlog must be 0 or a power of two up to 1048576 records, not 3"):
            loop.outlet(ring.handle, backlog=3)
        with pytest.raises(ValueError, match="timeout must be 0 to 86400 seconds, not -1"):
            loop.outlet(ring.handle, timeout=-1)
        for _ in range(255):
            loop.outlet(ring.handle, backlog=0)
        with pytest.raises(LoopError, match="a loop has at most 256 rings; close it and make another"):
            loop.outlet(ring.handle)


def test_code_is_unmapped_when_the_loop_has_left_it(engine: CompiledEngine, bundle: Bundle) -> None:
    other = load_engine(bundle.read("engine.c"), bundle.structure, 3)
    with Loop() as loop:
        first = Program(engine, accounts_of(bundle), [None, None], 1)
        loop.publish(first)
        engine.close()
        loop.start(MemoryIngress(events(100), passes=1 << 40))
        while not loop.events:
            time.sleep(0.001)
        assert engine.mapped, "the loop is in it"
        loop.publish(Program(other, accounts_of(bundle), [None, None], 2), wait=True)
        assert not engine.mapped and loop.programs[0].generation == 2
        loop.stop()
        loop.join()
        other.close()
        assert other.mapped
    assert not other.mapped


def test_a_thousand_engines_are_exchanged_under_load(
    engine: CompiledEngine, bundle: Bundle, make_ring: Callable[..., RingWriter], tmp_path: Path, engine_cache: Path
) -> None:
    """Each is loaded from a file of its own and unloaded. Every event is delivered once, by one generation."""
    (path,) = engine_cache.glob("*.so")
    copies = [Path(shutil.copy(path, tmp_path / f"{i}.so")) for i in range(4)]
    ring, total = make_ring(slots=4096, slot_size=64, policy="block"), accounts_of(bundle)
    made: list[Accounts] = []
    received: list[Any] = []

    def read() -> None:
        with RingReader.attach(ring.name) as reader:
            attached.set()
            received.extend(records[["ts_ns", "seq", "generation", "rule"]].copy() for records in reader)

    attached = threading.Event()
    reading = threading.Thread(target=read)
    reading.start()
    attached.wait(10)
    with Loop() as loop:
        outlet = loop.outlet(ring.handle)
        for generation in range(1, 1001):
            unit = CompiledEngine(copies[generation % 4], True)
            made.append(accounts_of(bundle))
            loop.publish(Program(unit, made[-1], [outlet, None], generation))
            unit.close()
            if generation == 1:
                loop.start(MemoryIngress(events(1000), passes=1 << 40))
            while not made[-1].totals[0]:
                loop.collect()
        loop.stop()
        loop.join()
        loop.flush()
        assert [p.generation for p in loop.programs] == [1000], "all others were let go"
        n = loop.events
    ring.close()
    reading.join(20)
    for accounts in made:
        assert accounts.total("events") == accounts.matched[0] == accounts.delivered[0] > 0
        total.merge(accounts)
    assert total.total("events") == n and not total.undelivered[0].any() and not total.waiting.any()
    records = np.concatenate(received)
    assert len(records) == n
    assert np.array_equal(records["ts_ns"], np.arange(n) % 1000)
    assert np.array_equal(records["seq"], np.arange(n))
    generations, counts = np.unique(records["generation"], return_counts=True)
    assert (np.diff(records["generation"].astype(int)) >= 0).all()
    assert generations.tolist() == list(range(1, 1001))
    assert counts.tolist() == [accounts.total("events") for accounts in made]


def test_a_device_may_be_loaded_while_it_decides(manifest: dict[str, Any], make_bundle: MakeBundle) -> None:
    bundles = [make_bundle({**manifest, "digest": digit * 64}) for digit in "12"]
    batch = events(500)
    seen: set[int] = set()
    with HostDevice() as device:
        start(device, bundles[0])
        ended = threading.Event()

        def load() -> None:
            for number in range(200):
                start(device, bundles[number % 2])
            ended.set()

        loading = threading.Thread(target=load)
        loading.start()
        while not ended.is_set():
            decisions = device.process(batch)
            assert decisions.fired.sum() == 500
            seen.add(decisions.generation)
        loading.join()
    assert len(seen) > 1


def test_accounts_of_generations_add_up_only_for_the_same_rules(bundle: Bundle) -> None:
    total, more = accounts_of(bundle), accounts_of(bundle)
    more.totals[:] = range(len(TOTALS))
    total.merge(more)
    total.merge(more)
    assert total.totals.tolist() == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(ValueError, match="accounts of other rules: rules has 0 entries, not 3"):
        total.merge(Accounts((), 2, 2))
