"""State: hash, age and victim are part of the meaning."""

from __future__ import annotations

import binascii

import pytest

from sevenm.compiler.plan import Cell, State
from sevenm.compiler.plan.state import Memory, StateError, key_bytes


def state(sets: int = 1, ways: int = 2, ttl_ns: int = 0) -> State:
    return State("s", sets, ways, ttl_ns, (Cell("x", 0, 255),), (12,), (0,), (0,), 0, (0,))


def test_the_hash_is_the_crc_of_the_key_in_whole_bytes() -> None:
    assert key_bytes((12, 8), (0xABC, 0x7F)) == b"\x0a\xbc\x7f"
    memory = Memory(state(sets=16))
    for key in range(100):
        memory.write([key], (key,), 0)
    for index, ways in memory.sets.items():
        for entry in filter(None, ways):
            assert binascii.crc32(entry.key) % 16 == index


def test_an_entry_is_young_until_its_time_to_live_has_passed() -> None:
    memory = Memory(state(ttl_ns=10))
    memory.write([1], (7,), 100)
    assert memory.read([1], 110) == (7,)
    assert memory.read([1], 111) is None
    assert memory.read([2], 100) is None


def test_without_a_time_to_live_nothing_ages() -> None:
    memory = Memory(state())
    memory.write([1], (7,), 0)
    assert memory.read([1], 1 << 62) == (7,)


def test_reading_does_not_touch_the_age() -> None:
    memory = Memory(state(ttl_ns=10))
    memory.write([1], (1,), 0)
    assert memory.read([1], 9) == (1,)
    assert memory.read([1], 11) is None


def test_free_ways_come_first_then_expired_ones_then_the_oldest_and_ties_go_to_the_lowest() -> None:
    memory = Memory(state(ways=3, ttl_ns=10))
    for key, now in ((1, 0), (2, 0), (3, 5)):
        memory.write([key], (key,), now)
    assert memory.evicted == 0
    memory.write([4], (4,), 8)  # all young: 1 and 2 are equally old, 1 is lower
    assert (memory.evicted, memory.read([1], 8), memory.read([2], 8)) == (1, None, (2,))
    memory.write([5], (5,), 11)  # 2 has expired
    assert (memory.evicted, memory.read([2], 11), memory.read([4], 11), memory.read([5], 11)) == (1, None, (4,), (5,))


def test_a_key_that_is_there_is_written_in_place_even_if_it_has_expired() -> None:
    memory = Memory(state(ways=2, ttl_ns=10))
    memory.write([1], (1,), 0)
    memory.write([2], (2,), 5)
    memory.write([1], (9,), 100)
    assert (memory.read([1], 100), memory.evicted) == ((9,), 0)
    assert [entry and entry.key for entry in memory.sets[0]] == [b"\0\1", b"\0\2"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"sets": 3}, "state s: sets are a power of two up to 1048576, not 3"),
        ({"ways": 17}, "state s: ways are 1 to 16, not 17"),
        ({"ttl_ns": -1}, "state s: ttl is 0 to 4611686018427387903 ns, not -1"),
    ],
)
def test_a_shape_out_of_bounds_is_refused(shape: dict[str, int], message: str) -> None:
    with pytest.raises(StateError) as caught:
        state(**shape).check()
    assert str(caught.value) == message
