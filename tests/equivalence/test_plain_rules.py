"""Generated rule sets with sets, tables, earlier events and slices far into the payload mean what a plain evaluator
says: one packet after the other, over a parser of its own, sharing nothing with grammar, graph and engines.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sevenm import tables
from sevenm.compiler import compile_text
from sevenm.compiler.lower import parts as lower
from sevenm.compiler.plan import Plan, state
from sevenm.compiler.protocols.packet import Packet
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from sevenm.sim.rule_sets import RuleSets, text_of
from sevenm.sim.rule_tree import Block, Prev, Table, parts
from tests.oracle.plain_parser import Parsed, parse
from tests.oracle.plain_rules import Machine

SOAK = os.environ.get("SEVENM_SOAK", "") not in ("", "0")
GROUPS, SETS = (100, 26) if SOAK else (5, 26)
"""130 rule sets (2,600 in the long run), 26 to a file."""
EVENTS = 2000 if SOAK else 250
HOST_SETS = 8
"""Rule sets of a file that is compiled to C."""


Engine = Callable[[Plan, EventBatch], Any]


def blocks_of(group: int, sets: int = SETS, **kinds: bool) -> list[Block]:
    kinds = kinds or {"tables": True, "prev": True, "far": True}
    return [RuleSets(Random(1000 * group + i), **kinds).block(f"b{i}") for i in range(sets)]


@pytest.fixture(scope="module")
def events(traffic: EventBatch) -> EventBatch:
    """Generated frames, some of which come before their time, and some of all the others."""
    own = generated(23, EVENTS)
    draw = Random(5)
    for event in own.events:
        if draw.random() < 0.05:
            event["ts_ns"] -= np.uint64(draw.randint(1, 20_000))
    step = max(1, len(traffic) // EVENTS)
    return EventBatch.joined([own, EventBatch(traffic.buffer, traffic.events[::step].copy())])


def parsed(events: EventBatch) -> list[Parsed]:
    return [parse(events.data(number), int(event["wire_len"])) for number, event in enumerate(events.events)]


def reference(plan: Plan, events: EventBatch) -> Any:
    e = events.events
    return evaluate(plan, events.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"])


def disagreements(blocks: Sequence[Block], events: EventBatch, run: Engine = reference) -> list[str]:
    """What an engine says otherwise than the plain evaluator: a line for each event and kind of answer."""
    plan = compile_text(text_of(blocks), "generated").plan
    said = run(plan, events)
    machine = Machine(blocks)
    rules = [(block.name, rule.name) for block in blocks for rule in block.rules]
    assert [rule.name for rule in plan.rules] == [name for _, name in rules]
    channels, out = {name: 1 << i for i, name in enumerate(plan.channels)}, list[str]()
    for number, (packet, event) in enumerate(zip(parsed(events), events.events, strict=True)):
        outcome = machine.decide(packet, int(event["ts_ns"]))
        fired = {rules[row] for row in np.flatnonzero(said.fired[:, number])}
        ours = {
            "fired": outcome.fired, "malformed": outcome.malformed, "truncated": outcome.truncated,
            "drop": outcome.drop, "forward": sum(1 << port for port in outcome.ports),
            "channels": sum(channels[name] for name in outcome.channels),
        }  # fmt: skip
        theirs = {"fired": fired, **{what: getattr(said, what)[number] for what in ours if what != "fired"}}
        for what in ours:
            if ours[what] != theirs[what]:
                shown = f"{theirs[what]} and not {ours[what]}"
                out.append(f"event {number}: {what} is {shown}: {events.data(number).hex()} of {event['wire_len']}")
    return out


@pytest.mark.parametrize("group", range(GROUPS))
def test_generated_rule_sets_mean_what_the_plain_evaluator_says(group: int, events: EventBatch) -> None:
    assert disagreements(blocks_of(group), events) == []


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("group", range(GROUPS) if SOAK else (1,))
def test_the_host_engine_says_the_same(group: int, events: EventBatch, host_engine: Engine) -> None:
    assert disagreements(blocks_of(group, HOST_SETS), events, host_engine) == []


def test_generated_rule_sets_reach_what_they_are_made_for(events: EventBatch) -> None:
    """Tables of every kind, keys of one and two columns, entries that expire and that are evicted."""
    blocks = blocks_of(0)
    machine = Machine(blocks)
    for packet, event in zip(parsed(events), events.events, strict=True):
        machine.decide(packet, int(event["ts_ns"]))
    memories = list(machine.memories.values())
    assert sum(memory.evicted for memory in memories) > 100
    assert sum(memory.prev.ttl_ns > 0 for memory in memories) > 20
    assert {len(memory.prev.keys) for memory in memories} == {1, 2}
    tables = [node for node in parts(tuple(blocks)) if isinstance(node, Table)]
    assert {key.match for one in tables for key in one.keys} == {"exact", "lpm", "range", "ternary"}
    assert any(isinstance(node, Prev) for node in parts(tuple(blocks)))


def _longer_header(patch: pytest.MonkeyPatch) -> None:
    right = Packet.ip_l4.func
    patch.setattr(Packet, "ip_l4", property(lambda packet: packet.at(right(packet), 1)))


def _shorter_prefix_first(patch: pytest.MonkeyPatch) -> None:
    right = tables.ordered

    def ordered(keys: Sequence[tables.Key], rows: Iterable[tables.Row]) -> tuple[tables.Row, ...]:
        prefix = next((at for at, key in enumerate(keys) if key.kind == "lpm"), None)
        return tuple(sorted(right(keys, rows), key=lambda row: 0 if prefix is None else row.keys[prefix][1]))

    for module in (tables, lower):
        patch.setattr(module, "ordered", ordered)


def _newest_makes_room(patch: pytest.MonkeyPatch) -> None:
    def place(self: state.Memory, ways: Any, key: bytes, clock_ns: int) -> int:
        for way, entry in enumerate(ways):
            if entry is None or entry.key == key:
                return way
        return max(range(len(ways)), key=lambda way: (ways[way].written_ns, way))

    patch.setattr(state.Memory, "_place", place)


def _younger(patch: pytest.MonkeyPatch) -> None:
    def young(self: state.Memory, entry: state.Entry, clock_ns: int) -> bool:
        return not self.state.ttl_ns or clock_ns - entry.written_ns < self.state.ttl_ns

    patch.setattr(state.Memory, "_young", young)


def _another_hash(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "zlib", SimpleNamespace(crc32=zlib.adler32))


def _reading_is_writing(patch: pytest.MonkeyPatch) -> None:
    right = state.Memory.read

    def read(self: state.Memory, keys: Sequence[int], clock_ns: int) -> tuple[int, ...] | None:
        found = right(self, keys, clock_ns)
        if found is not None:
            self.write(keys, found, clock_ns)
        return found

    patch.setattr(state.Memory, "read", read)


FAULTS = {
    "a header is one byte longer": ("far", _longer_header),
    "a shorter prefix comes first": ("tables", _shorter_prefix_first),
    "the newest entry makes room": ("prev", _newest_makes_room),
    "an entry expires a nanosecond early": ("prev", _younger),
    "the hash is another one": ("prev", _another_hash),
    "reading renews an entry": ("prev", _reading_is_writing),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, events: EventBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, inject = FAULTS[fault]
    inject(monkeypatch)
    some = events.slice(0, 250)
    assert any(disagreements(blocks_of(group, **{kind: True}), some) for group in range(8))
