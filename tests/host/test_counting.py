"""Counting in C from plain numbers: the same as the accounts of the loop's batches, to the last number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine import counting as module
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.code import EngineError
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.host.engine.counting import Counting
from sevenm.host.engine.counts import TOTALS
from sevenm.host.engine.ingress import MemoryIngress

pytestmark = pytest.mark.needs("compiler")


@pytest.fixture
def bundle(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> Bundle:
    """Its rules fire on bits of an event's first bytes."""
    return make_bundle(manifest)


def engine_of(bundle: Bundle) -> CompiledEngine:
    return load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))


def events(n: int) -> EventBatch:
    rng = np.random.default_rng(7)
    return EventBatch.from_bytes([rng.bytes(int(rng.integers(0, 60))) for _ in range(n)])


@pytest.mark.parametrize("slice_events", [64, 1 << 20])
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1024, 1025, 5000])
def test_it_counts_what_batches_count(
    bundle: Bundle, n: int, slice_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE_EVENTS", slice_events)
    engine, batch = engine_of(bundle), events(n)
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    accounts.add(batch, engine.run(batch, bundle.rules))
    counting = Counting(engine, bundle.rules, len(bundle.channels), len(bundle.counters))
    counting.run(MemoryIngress(batch))
    counting.close()
    engine.close()
    assert not engine.mapped
    for name in TOTALS:
        assert counting.total(name) == accounts.total(name)
    for name in ("forwarded", "rules", "counters", "matched", "delivered", "undelivered"):
        assert np.array_equal(np.array(getattr(counting, name)), getattr(accounts, name)), name
    assert n < 1024 or (min(counting.rules) > 0 and min(counting.matched) > 0 and any(counting.counters))
    with pytest.raises(KeyError, match="rules"):
        counting.total("rules")


def test_an_engine_of_other_rules_or_with_memory_of_its_own_is_refused(bundle: Bundle) -> None:
    engine = engine_of(bundle)
    with pytest.raises(EngineError, match=rf"has {len(bundle.rules)} rules, expected {len(bundle.rules) - 1}"):
        Counting(engine, bundle.rules[1:], len(bundle.channels), len(bundle.counters))
    for name, value in (("n_tables", 1), ("n_states", 1), ("has_ports", True)):
        before = getattr(engine, name)
        setattr(engine, name, value)
        with pytest.raises(EngineError, match="for a session to run"):
            Counting(engine, bundle.rules, len(bundle.channels), len(bundle.counters))
        setattr(engine, name, before)
    engine.close()
    assert not engine.mapped, "nothing that was refused holds it"
    with pytest.raises(EngineError, match="closed"):
        Counting(engine, bundle.rules, len(bundle.channels), len(bundle.counters))


@pytest.mark.parametrize("answer", ["0", "n + 1", "63"])
def test_an_engine_that_breaks_its_contract_is_found_out(
    answer: str, manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    source = make_bundle(manifest).read("engine.c").decode()
    bundle = make_bundle(manifest, source.replace("return start < n ? start : n;", f"return {answer};"))
    broken = engine_of(bundle)
    counting = Counting(broken, bundle.rules, len(bundle.channels), len(bundle.counters))
    with pytest.raises(EngineError, match="the engine decided no event, or more than there were"):
        counting.run(MemoryIngress(events(100)))
    counting.close()
    broken.close()
    assert not broken.mapped
