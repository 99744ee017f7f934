"""Histograms: where every value is counted, and every percentile, is what the library HdrHistogram says."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.ingress import MemoryIngress
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.latency import DIGITS, HIGHEST, Histogram, Latency, Summary, percentile, upper
from sevenm.host.native import native
from sevenm.host.ring.record import record_dtype

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.usefixtures("need_native")]
PARTS = (0, 1, 10, 50, 75, 90, 99, 99.9, 99.99, 100)
RNG = np.random.default_rng(20)
EDGES = sorted({v + d for v in [*range(0, 600, 50), *(1 << b for b in range(42))] for d in (-1, 0, 1) if v + d >= 0})


def library(values: list[int]) -> Any:
    out = HdrHistogram(1, HIGHEST, DIGITS)
    for value in values:
        assert out.record_value(value)
    return out


def test_every_value_is_counted_where_the_library_counts_it() -> None:
    for value in [*EDGES, HIGHEST]:
        ours, theirs = Histogram(), library([value])
        ours.record(np.array([value], np.uint64))
        (index,) = np.flatnonzero(ours.counts).tolist()
        assert index == theirs._counts_index_for(value), value
        assert upper(index) == theirs.get_highest_equivalent_value(value), value
    assert len(ours.counts) == theirs.counts_len


@pytest.mark.parametrize(
    "values",
    [
        RNG.lognormal(8, 2, 20000).clip(0, HIGHEST),
        RNG.uniform(0, HIGHEST, 5000),
        np.exp(RNG.uniform(0, np.log(HIGHEST), 20000)),
        np.array([0]),
        np.array([1, 1, 1, HIGHEST]),
    ],
    ids=["lognormal", "uniform", "every size", "zero", "ends"],
)
def test_percentiles_are_those_of_the_library(values: NDArray[Any]) -> None:
    data = values.astype(np.uint64)
    ours, theirs = Histogram(), library(data.tolist())
    ours.record(data)
    assert [percentile(ours.counts, part) for part in PARTS] == [theirs.get_value_at_percentile(part) for part in PARTS]
    summary = ours.summary()
    assert (summary.count, summary.max) == (len(data), int(data.max()))
    assert summary.p50 <= summary.p90 <= summary.p99 <= summary.p999 <= summary.max


def test_the_library_decodes_what_is_encoded() -> None:
    for values in ([], [5], [0, 0, 7, HIGHEST], RNG.lognormal(8, 3, 5000).clip(0, HIGHEST).astype(int).tolist()):
        ours = Histogram()
        ours.record(np.array(values, np.uint64))
        theirs = HdrHistogram.decode(ours.encoded())
        assert theirs.get_total_count() == len(values)
        assert [theirs.get_count_at_index(n) for n in range(theirs.counts_len)] == ours.counts.tolist()


def test_counts_of_any_size_are_encoded() -> None:
    ours = Histogram()
    counts = [0, 1, 63, 64, 8191, 8192, 2**31, 2**48, 2**55]
    ours._words[4 : 4 + len(counts)] = counts
    theirs = HdrHistogram.decode(ours.encoded())
    assert [theirs.get_count_at_index(n) for n in range(len(counts))] == counts


def test_ages_are_taken_where_the_times_lie() -> None:
    records = np.zeros(6, record_dtype(96))
    now = 1_700_000_000 * 10**9
    records["ts_ns"] = [now, now - 100, now - 10**9, now + 1, 0, now - HIGHEST - 5]
    histogram = Histogram()
    histogram.record_ages(records["ts_ns"], now)
    summary = histogram.summary()
    assert (summary.count, summary.over, summary.early, summary.unknown) == (4, 1, 1, 1)
    assert (summary.p50, summary.max) == (100, HIGHEST + 5)
    with pytest.raises(TypeError, match="times must be 1-D of uint64, not 1-D of int64"):
        histogram.record_ages(np.zeros(1, np.int64))


def test_nothing_has_a_summary_too() -> None:
    assert Histogram().summary() == Summary(0, 0, 0, 0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="a percentile is from 0 to 100, not 101"):
        percentile(Histogram().counts, 101)


def test_another_process_reads_what_is_recorded() -> None:
    ffi, _ = native()
    memory = mmap.mmap(-1, ffi.sizeof("sm_histogram"))
    histogram = Histogram(ffi.cast("sm_histogram *", ffi.from_buffer(memory)))
    ready, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ready[0], 1)
        os.write(told[1], b"%d" % histogram.summary().count)
        os._exit(0)
    histogram.record(np.arange(1000, dtype=np.uint64))
    os.write(ready[1], b"x")
    assert os.read(told[0], 100) == b"1000"
    assert os.waitpid(child, 0)[1] == 0
    for fd in (*ready, *told):
        os.close(fd)


def test_a_loop_measures_every_event_once(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle(manifest)
    engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    batch = EventBatch.from_bytes([b"\1abcd"] * 3000, [0] * 10 + [time.time_ns()] * 2990)
    with Loop() as loop:
        loop.publish(Program(engine, accounts, [None, None], 1))
        loop.run(MemoryIngress(batch))
        latency = Latency()
        loop.watch(latency)
        loop.run(MemoryIngress(batch, burst=700))
        times = latency.summaries()
        assert (times["decided"].count, times["decided"].unknown, times["decided"].early) == (2990, 10, 0)
        assert times["in_ring"].count == 3000
        assert 0 < times["decided"].p50 <= times["decided"].max < 3600 * 10**9
        loop.watch(None)
        loop.run(MemoryIngress(batch))
        assert latency.summaries() == times
