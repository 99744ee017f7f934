"""Pacing: what is due when, what happens to who is late, and how events become records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sevenm.boundary import Flag
from sevenm.events import batch_of_records
from sevenm.host.batch import EventBatch
from sevenm.host.replay import LOOK, SLACK, TOGETHER, Original, Pace, Pacer, Rate, as_records
from sevenm.host.ring.record import record_dtype

SECOND = 10**9


class Clock:
    """Time passes only while somebody sleeps, and between two pieces by ``work`` seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= LOOK
        self.now += seconds


def batch(times: Sequence[int]) -> EventBatch:
    return EventBatch.from_bytes([b"%d" % n for n in range(len(times))], list(times))


def given(pace: Pace | None, *batches: EventBatch, hold: dict[int, float] | None = None) -> tuple[list[float], Pacer]:
    """When each event was handed out, in seconds after the start; ``hold``: seconds that its taker needs for it."""
    clock = Clock()
    pacer = Pacer(pace, clock, clock.sleep)
    out: list[float] = []
    for some in batches:
        for part in pacer.parts(some):
            if part is not None:
                out += [clock.now - 1000.0] * len(part)
                clock.now += (hold or {}).get(len(out), 0.0)
    return out, pacer


def test_the_original_pace_keeps_the_times_of_the_events() -> None:
    start = 1_700_000_000 * SECOND
    out, pacer = given(Original(), batch([start, start + SECOND // 2]), batch([start + 3 * SECOND]))
    assert out == pytest.approx([0.0, 0.5, 3.0])
    assert pacer.behind == 0


def test_a_speed_divides_the_time() -> None:
    assert given(Original(4), batch([0, 2 * SECOND]))[0] == pytest.approx([0.0, 0.5])
    assert given(Original(0.5), batch([0, 2 * SECOND]))[0] == pytest.approx([0.0, 4.0])


def test_a_clock_that_goes_back_waits_for_nothing() -> None:
    out, _ = given(Original(), batch([5 * SECOND, 4 * SECOND, 6 * SECOND]), batch([3 * SECOND, 7 * SECOND]))
    assert out == pytest.approx([0.0, 0.0, 1.0, 1.0, 2.0])


def test_a_rate_is_even() -> None:
    out, _ = given(Rate(4), batch([0] * 3), batch([9 * SECOND] * 2))
    assert out == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_who_was_held_up_goes_on_without_a_burst() -> None:
    out, pacer = given(Rate(100), batch([0] * 400), hold={100: 2.0})
    assert pacer.behind == pytest.approx(2.0 - SLACK, abs=0.011)
    assert np.diff(out).max() == pytest.approx(2.0, abs=0.011)
    assert out[-1] == pytest.approx(3.99 + pacer.behind)
    assert max(np.unique(np.round(out, 6), return_counts=True)[1]) <= 2


def test_without_a_pace_everything_comes_at_once() -> None:
    out, pacer = given(None, batch([0, 10 * SECOND] * TOGETHER))
    assert out == [0.0] * 2 * TOGETHER
    assert pacer.behind == 0


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_pace_is_more_than_nothing(value: float) -> None:
    with pytest.raises(ValueError, match=r"speed must be more than 0, not "):
        Original(value)
    with pytest.raises(ValueError, match=r"a rate must be more than 0 events per second, not "):
        Rate(value)


def test_events_become_records_and_records_events() -> None:
    sent = EventBatch.from_bytes([b"", b"short", bytes(range(40))], [1, 2, 3], [0, 5, 70000], source=3)
    records = as_records(sent, record_dtype(64))
    assert records["cap_len"].tolist() == [0, 5, 32]
    assert records["wire_len"].tolist() == [0, 5, 65535]
    assert records["flags"].tolist() == [0, 0, Flag.CUT]
    assert records["source"].tolist() == [3, 3, 3]
    back = batch_of_records(records)
    assert [back.data(n) for n in range(3)] == [b"", b"short", bytes(range(32))]
    assert back.events["ts_ns"].tolist() == [1, 2, 3]


def test_the_place_after_an_event_is_zero_whatever_follows_it() -> None:
    sent = EventBatch.from_bytes([b"ab", b"cd"])
    assert as_records(sent, record_dtype(64))["data"][0].tobytes() == b"ab" + bytes(30)
