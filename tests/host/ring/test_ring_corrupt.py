"""Damaged shared memory: clear errors, never a crash."""

from __future__ import annotations

import contextlib
import struct
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.host.ring import CAUSES, Ring, RingCorrupt, RingError, RingReader, RingWriter

pytestmark = pytest.mark.needs("compiler")

SLOTS, SLOT = 256, 64
LANE = 4096
WRITTEN, CONSUMED, UNDELIVERED = LANE + 512, LANE + 256, LANE + 640


def poke(name: str, offset: int, data: bytes) -> None:
    with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
        file.seek(offset)
        file.write(data)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


DAMAGE = [
    (0, u64(0x1122334455667788), "its magic number is 0x1122334455667788, not 0x31474e524d374553"),
    (8, struct.pack("<I", 9), "its protocol version is 9, this sevenm speaks 2"),
    (12, struct.pack("<I", 64), "its header is 64 bytes, not 65536"),
    (16, struct.pack("<I", 100), "slot_size must be a multiple of 32 from 64 to 2048 bytes, not 100"),
    (20, struct.pack("<I", 16), "record_header must be 32 or 0 bytes, not 16"),
    (24, u64(1000), "slots must be a power of two from 256 to 16777216, not 1000"),
    (24, u64(1 << 63), f"slots must be a power of two from 256 to 16777216, not {1 << 63}"),
    (24, u64(8192), f"its file is {34 << 16} bytes, 16 lanes of 8192 slots of 64 bytes need {(8 * 16 + 18) << 16}"),
    (48, struct.pack("<I", 4096), "its lanes begin at multiples of 4096 bytes, not of 65536 or 2097152"),
    (
        48,
        struct.pack("<I", 1 << 21),
        f"its file is {34 << 16} bytes, 16 lanes of 256 slots of 64 bytes need {17 << 21}",
    ),
]


@pytest.mark.parametrize(("offset", "data", "why"), DAMAGE)
def test_damaged_header_is_named(name: str, offset: int, data: bytes, why: str) -> None:
    RingWriter.create(name, slots=SLOTS, slot_size=SLOT).close()
    poke(name, offset, data)
    for call in (
        lambda: RingReader.attach(name),
        lambda: RingWriter.create(name, slots=SLOTS),
        lambda: Ring.stats(name),
    ):
        with pytest.raises(RingCorrupt) as caught:
            call()
        assert str(caught.value) == f"ring {name} is unusable: {why}; remove it: sevenm ring rm {name}"
    Ring.unlink(name)
    RingWriter.create(name, slots=SLOTS, slot_size=SLOT).close()


def test_shortened_file_is_refused(name: str) -> None:
    RingWriter.create(name, slots=SLOTS, slot_size=SLOT).close()
    with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(RingCorrupt, match="its file is 5000 bytes, 16 lanes of 256 slots of 64 bytes need 2228224"):
        RingReader.attach(name)


def test_indices_that_cannot_be_are_refused_at_opening(name: str) -> None:
    RingWriter.create(name, slots=SLOTS, slot_size=SLOT).close()
    poke(name, WRITTEN, u64(300))
    message = (
        f"ring {name} is corrupt: written 300 and consumed 0 do not fit its 256 slots; remove it: sevenm ring rm {name}"
    )
    for call in (
        lambda: RingReader.attach(name),
        lambda: RingWriter.create(name, slots=SLOTS, slot_size=SLOT),
        lambda: Ring.stats(name),
    ):
        with pytest.raises(RingCorrupt) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("written", [257, 1 << 40, 1 << 63, 2**64 - 1])
def test_reader_refuses_an_index_beyond_the_ring(name: str, written: int) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=SLOT), RingReader.attach(name) as reader:
        poke(name, WRITTEN, u64(written))
        message = f"^ring {name} is corrupt: the other side's index does not fit its 256 slots; "
        for call in (reader.read, reader.wait, reader.read):
            with pytest.raises(RingCorrupt, match=message):
                call()


def test_reader_refuses_an_index_that_goes_back(name: str) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=SLOT) as writer, RingReader.attach(name) as reader:
        writer.write(np.zeros(200, writer.dtype))
        assert len(reader.read()) == 200
        poke(name, WRITTEN, u64(199))
        with pytest.raises(RingCorrupt):
            reader.read()


@pytest.mark.parametrize("consumed", [301, 1 << 40, 2**64 - 1])
@pytest.mark.parametrize("policy", ["drop_newest", "block"])
def test_producer_refuses_an_index_beyond_the_ring_and_counts(name: str, policy: str, consumed: int) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=SLOT, policy=policy) as writer, RingReader.attach(name):
        batch = np.zeros(200, writer.dtype)
        assert writer.write(batch[:100]) == 100
        poke(name, CONSUMED, u64(consumed))
        with pytest.raises(RingCorrupt, match="the other side's index does not fit its 256 slots"):
            writer.write(batch)
        header = Path(f"/dev/shm/sevenm.{name}").read_bytes()
        (delivered,) = struct.unpack_from("<Q", header, WRITTEN)
        undelivered = struct.unpack_from("<8Q", header, UNDELIVERED)
        assert sum(undelivered) == undelivered[CAUSES.index("corrupt")] > 0
        # What still fitted by the last index that made sense was delivered.
        assert delivered + sum(undelivered) == 300


@given(
    damage=st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=16)), min_size=1, max_size=8),
    live=st.booleans(),
)
def test_no_damage_of_the_header_crashes(damage: list[tuple[int, bytes]], live: bool) -> None:
    name = f"test-{uuid.uuid4().hex}"
    writer, reader = RingWriter.create(name, slots=SLOTS, slot_size=SLOT), RingReader.attach(name)
    try:
        batch = np.zeros(150, writer.dtype)
        writer.write(batch)
        if not live:
            writer.close()
            reader.close()
        for offset, data in damage:
            poke(name, offset, data[: 4096 - offset])
        for _ in range(4):
            with contextlib.suppress(RingError):
                assert writer.write(batch) <= 150
            with contextlib.suppress(RingError):
                assert len(reader.read()["data"].sum(axis=0)) == SLOT - 32
                reader.wait(0)
        writer.close()
        reader.close()
        try:
            with RingWriter.create(name, slots=SLOTS, slot_size=SLOT) as again, RingReader.attach(name) as other:
                again.write(batch)
                other.read()["rule"].sum()
                again.stats()
            Ring.stats(name)
        except RingError as error:
            assert name in str(error)
    finally:
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)
