"""What is copied in comes out, byte for byte, whatever the slots' size and wherever the lane ends."""

from __future__ import annotations

import numpy as np
import pytest

from sevenm.host.ring import RingReader, RingWriter
from sevenm.host.ring.record import HEADER_SIZE

SLOTS = 256


@pytest.mark.parametrize(
    ("slot_size", "header"), [(s, True) for s in (64, 96, 128, 160, 2048)] + [(s, False) for s in (32, 64, 96, 2048)]
)
@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_records_come_out_as_they_went_in(name: str, slot_size: int, header: bool, policy: str) -> None:
    random = np.random.default_rng(slot_size)
    with (
        RingWriter.create(name, SLOTS, slot_size, policy, header=header) as writer,
        RingReader.attach(name, header=header) as reader,
    ):
        sent = 0
        for n in (1, 100, 0, 255, 256, 33, 200):  # the end of the lane lies at every kind of place
            records = random.integers(0, 256, n * slot_size, np.uint8).view(writer.dtype)
            assert writer.write(records) == n
            wanted = records.view(np.uint8).reshape(n, slot_size).copy()
            if header:
                wanted[:, 8:16] = np.arange(sent, sent + n, dtype=np.uint64).view(np.uint8).reshape(n, 8)
            got = [np.zeros((0, slot_size), np.uint8)]
            while len(found := reader.read()):
                got.append(found.view(np.uint8).reshape(-1, slot_size).copy())
            assert np.array_equal(np.concatenate(got), wanted)
            sent += n


def test_slots_filled_in_place_are_numbered_across_the_end_of_the_lane(name: str) -> None:
    with RingWriter.create(name, SLOTS, 96) as writer, RingReader.attach(name) as reader:
        seen = 0
        for n in (200, 200, 1, 256):
            left = n
            while left:
                slots = writer.reserve(left)
                slots.view(np.uint8).reshape(-1, 96)[:, HEADER_SIZE:] = (
                    np.arange(left, left - len(slots), -1)[:, None] % 256
                )
                slots["seq"] = 0
                writer.commit(len(slots))
                left -= len(slots)
            left = n
            while len(found := reader.read()):
                assert found["seq"].tolist() == list(range(seen, seen + len(found)))
                bytes_ = found.view(np.uint8).reshape(-1, 96)[:, HEADER_SIZE:]
                assert (bytes_ == (np.arange(left, left - len(found), -1) % 256)[:, None]).all()
                seen, left = seen + len(found), left - len(found)
            assert left == 0
