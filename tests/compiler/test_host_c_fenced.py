"""The generated C between pages that cannot be touched and under sanitizers: nothing that was not written decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.plan.graph import Graph
from sevenm.host.batch import EventBatch
from tests.compiler.driven import SANITIZED, driven
from tests.compiler.generated_c import compiler, plan_of

pytestmark = pytest.mark.needs("compiler")


def test_lanes_without_an_event_are_no_index(tmp_path: Path) -> None:
    """Rules of an ``all`` block are looked up for live lanes only; what the others hold was left by whoever had the
    memory before."""
    g = Graph()
    address, port = g.load(g.false, 0, 4), g.load(g.false, 4, 2)
    plan = plan_of(
        g,
        [g.all(g.member(address, [(i << 24, i << 24 | 0xFFFF)]), g.member(port, [(i, 999 * i)])) for i in range(1, 60)],
    )
    text = emit(plan, "bitvectors")
    assert "lookup_0_fold" in text
    engine = driven(plan, tmp_path, [compiler(), *SANITIZED], source=text)
    events = [bytes([i % 60, 0, 0, 7, 0, i % 251]) for i in range(1, 301)]
    for count in (1, 9, 63, 64, 65, 300):
        assert engine.check(EventBatch.from_bytes(events[:count])).fired.any()
