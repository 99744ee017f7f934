"""Batches of events."""

import numpy as np
import pytest

from sevenm.host.batch import EVENT, EventBatch


def test_bytes_are_packed_and_found_again() -> None:
    batch = EventBatch.from_bytes([b"abc", b"", b"de"], ts_ns=[1, 2, 3], wire_len=[3, 60, 2], source=4)
    assert len(batch) == 3 and batch.cap_bytes == 5 and batch.source == 4
    assert [batch.data(i) for i in range(3)] == [b"abc", b"", b"de"]
    assert batch.events.tolist() == [(0, 1, 3, 3), (3, 2, 0, 60), (3, 3, 2, 2)]


def test_a_slice_looks_at_the_same_buffer() -> None:
    batch = EventBatch.from_bytes([b"abc", b"de", b"f"])
    part = batch.slice(1, 3)
    assert part.buffer is batch.buffer
    assert [part.data(i) for i in range(2)] == [b"de", b"f"]


@pytest.mark.parametrize("offset, length", [(10, 1), (9, 2), (11, 0), (2**64 - 1, 1), (2**64 - 1, 2**32 - 1)])
def test_an_event_outside_of_the_buffer_is_refused(offset: int, length: int) -> None:
    events = np.array([(0, 0, 10, 10), (offset, 0, length, length)], EVENT)
    with pytest.raises(ValueError, match=f"event 1 is {length} bytes at {offset}, outside of the buffer of 10 bytes"):
        EventBatch(np.zeros(10, np.uint8), events)


def test_an_empty_event_may_stand_at_the_end() -> None:
    batch = EventBatch(np.zeros(10, np.uint8), np.array([(10, 0, 0, 0)], EVENT))
    assert batch.data(0) == b""


def test_wrong_types_are_named() -> None:
    events = np.zeros(1, EVENT)
    with pytest.raises(TypeError, match="buffer must be a contiguous 1-D array of uint8, not 1-D of uint16"):
        EventBatch(np.zeros(4, np.uint16), events)  # type: ignore[arg-type] - wrong on purpose
    with pytest.raises(TypeError, match="events must be a contiguous 1-D array of EVENT, not 1-D of uint64"):
        EventBatch(np.zeros(4, np.uint8), np.zeros(4, np.uint64))  # type: ignore[arg-type] - wrong on purpose
    with pytest.raises(TypeError, match="contiguous"):
        EventBatch(np.zeros(4, np.uint8)[::2], events)
    with pytest.raises(ValueError, match="source must be an ingress port from 0 to 15, not 16"):
        EventBatch(np.zeros(4, np.uint8), events, 16)


def test_columns_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="ts_ns has 1 entries for 2 events"):
        EventBatch.from_bytes([b"a", b"b"], ts_ns=[1])
