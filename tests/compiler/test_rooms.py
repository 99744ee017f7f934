"""Comparisons of lengths by rooms: where they are used, and that they say what the reference says, at every edge."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler.backends.c.emit import generated
from sevenm.compiler.backends.c.rooms import Room, room_tests
from sevenm.compiler.plan.graph import Graph
from tests.compiler.generated_c import BUILDS, build, expected, match, pack_events, plan_of

pytestmark = pytest.mark.needs("compiler")
ENDS = (1, 2, 14, 34, 254, 255)
LENGTHS = (0, 1, 2, 13, 14, 15, 33, 34, 35, 253, 254, 255, 256, 257, 269, 509, 510, 511, 65280, 65534, 65535)


def graph() -> tuple[Graph, list[int]]:
    """A length of two bytes and the frame's size, against a base of one byte, one of two, and none."""
    g = Graph()
    length, narrow, wide = g.load(g.false, 0, 2), g.load(g.false, 2, 1), g.load(g.false, 3, 2)
    ends = [g.const(end) for end in (*ENDS, 256)]
    bases = [[g.add(base, end) for end in ends] for base in (narrow, wide)]
    return g, [g.lt(value, end) for value in (length, g.size()) for line in (*bases, ends) for end in line]


def test_tests_that_share_two_values_share_a_room() -> None:
    g, conditions = graph()
    found = room_tests(g.nodes, conditions, 0xFFFF)
    rooms = {room for room, _ in found.values()}
    assert len(rooms) == 6 and {room.base for room in rooms if room.base is None} == {None}
    assert sorted(end for room, end in found.values() if room == next(iter(rooms))) == list(ENDS), "256 is none"
    alone = [g.lt(g.load(g.false, 8, 2), g.add(g.load(g.false, 2, 1), g.const(7)))]
    assert not room_tests(g.nodes, alone, 0xFFFF)
    captured = g.captured(0xFFFF)
    one = g.lt(captured, g.add(g.load(g.false, 2, 1), g.const(7)))
    assert room_tests(g.nodes, [one], 0xFFFF) == {one: (Room(captured, g.load(g.false, 2, 1)), 7)}


@pytest.mark.parametrize("name", BUILDS)
def test_rooms_say_what_the_reference_says(name: str, tmp_path: Path) -> None:
    g, conditions = graph()
    plan = plan_of(g, conditions)
    text = generated(plan)
    assert all(f"{room}(after_" in text for room in ("room_u8", "room_u16", "clamp_u16"))
    packets = [
        length.to_bytes(2, "big") + bytes([narrow]) + wide.to_bytes(2, "big")
        for length in LENGTHS for narrow in (0, 1, 20, 255) for wide in (0, 1, 255, 256, 65280, 65535)
    ]  # fmt: skip
    buffer, events = pack_events(packets, [LENGTHS[at % len(LENGTHS)] for at in range(len(packets))])
    (library,) = build([plan], tmp_path, BUILDS[name])
    wanted = expected(plan, buffer, events)
    assert (match(library, plan, buffer, events) == wanted).all()
    assert all(0 < held < len(packets) for held in wanted[: len(conditions)].sum(axis=1)), (
        "for some, and not for others"
    )
