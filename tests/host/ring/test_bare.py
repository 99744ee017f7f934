"""Rings whose slots are all data: no record header, no number, 64 bytes are one line of the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sevenm.host.engine.delivery import Outlet
from sevenm.host.ring import POLICIES, Ring, RingMismatch, RingReader, RingWriter
from sevenm.host.ring.record import record_dtype, slot_size_for

pytestmark = pytest.mark.needs("compiler")

EVENT = np.dtype([("id", "<u8"), ("price", "<i8"), ("rest", "u1", 48)])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [32, 64, 96, 2048])
def test_bare_slots_are_the_data(name: str, size: int, policy: str) -> None:
    kind = np.dtype([("id", "<u8"), ("rest", "u1", size - 8)])
    with RingWriter.create(name, slots=256, slot_size=size, policy=policy, data_dtype=kind, header=False) as writer:
        assert writer.dtype == kind
        events = np.zeros(200, kind)
        events["id"] = np.arange(200)
        events["rest"] = np.arange(200 * (size - 8)).reshape(200, -1)
        with (
            RingReader.attach(name, kind, header=False) as reader,
            RingReader.attach(name, kind, header=False, subscriber="other", policy=policy) as other,
        ):
            for _ in range(3):
                assert writer.write(events) == 200
                for one in (reader, other):
                    found = np.concatenate([one.read(128).copy(), one.read().copy(), one.read().copy()])
                    assert (found == events).all(), "byte for byte"
            slots = writer.reserve(10)
            slots["id"], slots["rest"] = 7, 1
            writer.commit(10)
            assert reader.read()["id"].tolist() == other.read()["id"].tolist() == [7] * 10
            assert reader.stats().header is False


def test_a_slot_lies_at_a_multiple_of_its_size(name: str) -> None:
    with RingWriter.create(name, slots=256, slot_size=64, data_dtype=EVENT, header=False) as writer:
        events = np.zeros(3, EVENT)
        events["id"], events["price"] = [1, 2, 3], -5
        writer.write(events)
        image = Path(f"/dev/shm/sevenm.{name}").read_bytes()
        assert image[18 << 16 : (18 << 16) + 3 * 64] == events.tobytes()


def test_both_sides_have_to_expect_the_same(name: str) -> None:
    RingWriter.create(name, slots=256, slot_size=64, header=False).close()
    with pytest.raises(RingMismatch, match=rf"^ring {name} has bare slots, this reader expects records with headers$"):
        RingReader.attach(name)
    with pytest.raises(
        RingMismatch, match=r"left by an earlier producer with a record header of 0 bytes \(asked for 32\)"
    ):
        RingWriter.create(name, slots=256, slot_size=64)
    Ring.unlink(name)
    RingWriter.create(name, slots=256, slot_size=64).close()
    with pytest.raises(RingMismatch, match=rf"^ring {name} has records with headers, this reader expects bare slots$"):
        RingReader.attach(name, header=False)
    assert Ring.stats(name).header is True


def test_matches_are_not_delivered_into_bare_slots(name: str) -> None:
    with (
        RingWriter.create(name, slots=256, slot_size=64, header=False) as writer,
        pytest.raises(ValueError, match=r"^a channel's ring needs record headers; make it without header=False$"),
    ):
        Outlet(writer.handle)


def test_dtypes_without_a_header() -> None:
    assert record_dtype(64, EVENT, header=False) == EVENT
    padded = record_dtype(96, EVENT, header=False)
    assert (padded.itemsize, padded.names) == (96, EVENT.names)
    assert record_dtype(32, header=False) == np.dtype([("data", "u1", 32)])
    assert [slot_size_for(n, header=False) for n in (0, 32, 33, 64, 2048)] == [32, 32, 64, 64, 2048]
    for size in (0, 48, 2080):
        with pytest.raises(
            ValueError, match=rf"^slot_size must be a multiple of 32 from 32 to 2048 bytes, not {size}$"
        ):
            record_dtype(size, header=False)
    with pytest.raises(ValueError, match=r"^data of 64 bytes does not fit a slot of 32, which holds 32$"):
        record_dtype(32, EVENT, header=False)
    with pytest.raises(ValueError, match=r"^a slot holds 0 to 2048 bytes of data, not 2049$"):
        slot_size_for(2049, header=False)
