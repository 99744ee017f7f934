"""The punt pass: what is not punted is right, what is known is not punted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.passes import punt as module
from sevenm.compiler.passes.punt import StatePunts, punt
from sevenm.compiler.plan import Cell, Plan, State
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.ops import Node
from sevenm.compiler.plan.plan import prune
from sevenm.compiler.plan.program import Block, Rule
from sevenm.compiler.reference import Decisions, evaluate
from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from sevenm.sim.rule_sets import RuleSets

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def decide(plan: Plan, batch: EventBatch) -> Decisions:
    e = batch.events
    return evaluate(plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"])


def differences(plan: Plan, window: int, batch: EventBatch) -> tuple[int, int]:
    """(events that are not punted and decided otherwise, punted events)."""
    whole, seen = decide(plan, batch), decide(punt(plan, window), batch)
    assert not whole.punt.any()
    differs = (whole.fired != seen.fired).any(axis=0)
    for part in ("malformed", "truncated", "drop", "forward", "channels"):
        differs |= getattr(whole, part) != getattr(seen, part)
    return int((differs & ~seen.punt).sum()), int(seen.punt.sum())


@pytest.fixture(scope="module")
def frames() -> EventBatch:
    return generated(7, 600)


def plans() -> Iterator[Plan]:
    yield compile_text((EXAMPLES / "edge.7m").read_text(), "edge").plan
    yield compile_text((EXAMPLES / "alarms.7m").read_text(), "alarms").plan
    for seed in range(6):
        blocks = "\n".join(RuleSets(random.Random(seed)).block(f"b{n}").text for n in range(5))
        yield compile_text(blocks, f"seed{seed}").plan


@pytest.mark.parametrize("window", [1, 20, 40, 64, 100, 256])
def test_what_is_not_punted_is_decided_as_ever(window: int, frames: EventBatch) -> None:
    punted = 0
    for plan in plans():
        wrong, count = differences(plan, window, frames)
        assert wrong == 0, plan.name
        punted += count
    assert punted > 0 or window == 256


def test_a_window_that_holds_every_event_punts_nothing(frames: EventBatch) -> None:
    longest = int(frames.events["cap_len"].max())
    for plan in plans():
        assert differences(plan, longest, frames) == (0, 0)


def test_long_frames_with_headers_in_the_window_are_not_punted() -> None:
    frame = bytes.fromhex("020000000002020000000001080045000400000040004011f6b80a0000010a00000200350035").ljust(
        1038, b"\0"
    )
    batch = EventBatch.from_bytes([frame])
    for text in ("udp", "udp.dstport == 53", "ip.src == 10.0.0.1 and not tcp", "tcp.payload[0:1] == 1 or udp"):
        assert differences(compile_filter(text).plan, 256, batch) == (0, 0)


@pytest.mark.parametrize(("length", "punted"), [(256, 0), (257, 1), (304, 1), (9000, 1)])
def test_a_load_past_the_window_is_punted_where_there_are_such_bytes(length: int, punted: int) -> None:
    batch = EventBatch.from_bytes([bytes(length)])
    assert differences(compile_filter("frame[300:4] == 1").plan, 256, batch) == (0, punted)


def test_an_earlier_rule_that_holds_spares_the_punt() -> None:
    text = """rules b on packet first {{
      rule near: frame[0:1] == {} => drop
      rule far: frame[300:1] == 1 => deliver c
    }}"""
    batch = EventBatch.from_bytes([bytes(400)])
    assert differences(compile_text(text.format(0), "b").plan, 256, batch) == (0, 0)
    assert differences(compile_text(text.format(1), "b").plan, 256, batch) == (0, 1)


def test_the_check_finds_a_bound_that_is_wrong(frames: EventBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a saturated count taken for the count itself, some event is decided wrongly."""

    def careless(self: module._Pass, node: Node) -> module._View:
        return module._View(self.g.captured(self.window + 1), self.g.true)

    monkeypatch.setattr(module._Pass, "_captured", careless)
    assert sum(differences(plan, 40, frames)[0] for plan in plans()) > 0


def stateful(disp: int) -> Plan:
    """A state whose key is the byte at ``disp``."""
    g = Graph()
    key = g.load(g.false, disp, 1)
    nodes, new = prune(g.nodes, [g.eq(g.old(0, 0, 0, 255), key), key, g.true, g.false])
    condition = next(ref for ref, node in enumerate(nodes) if node.op == "eq")
    state = State("last", 1, 1, 0, (Cell("x", 0, 255),), (8,), (new[key],), (new[key],), new[g.true], (new[key],))
    never = new[g.false]
    rules, blocks = (Rule("r", 0, condition),), (Block("b", "first", 0, 1),)
    plan = Plan("p", "packet", nodes, rules, blocks, never, never, never, states=(state,))
    plan.check()
    return plan


def test_state_that_could_punt_is_refused_by_name() -> None:
    assert punt(stateful(255), 256).states[0].name == "last"
    with pytest.raises(StatePunts, match=r"^state last depends on bytes past the first 256, which this target"):
        punt(stateful(256), 256)


def test_a_window_has_a_byte() -> None:
    with pytest.raises(ValueError, match=r"^a window has at least 1 byte, not 0$"):
        punt(stateful(0), 0)


def test_the_punted_plan_looks_no_further_than_its_window(frames: EventBatch) -> None:
    """Bytes past the window are replaced, and what is not punted stays the same."""
    window = 64
    for plan in plans():
        seen = punt(plan, window)
        before = decide(seen, frames)
        buffer = frames.buffer.copy()
        for event in frames.events:
            start, stop = int(event["offset"]) + window, int(event["offset"]) + int(event["cap_len"])
            if stop > start:
                buffer[start:stop] ^= 0x5A
        after = decide(seen, EventBatch(buffer, frames.events))
        assert np.array_equal(before.punt, after.punt)
        assert np.array_equal(before.fired[:, ~before.punt], after.fired[:, ~after.punt])
