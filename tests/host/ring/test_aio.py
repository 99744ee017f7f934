"""A reader in an event loop: every record, in order, while other tasks run; ends, deaths and cancellation."""

from __future__ import annotations

import asyncio
import select
import threading

import numpy as np
import pytest

from sevenm.host.ring import ProducerGone, RingReader, RingWriter
from sevenm.host.ring.aio import Doorbell, batches

pytestmark = pytest.mark.needs("compiler")


def test_every_record_comes_while_other_tasks_run(ring: str) -> None:
    async def produce(writer: RingWriter) -> None:
        for n in range(50):
            writer.write(np.zeros(n, writer.dtype))
            await asyncio.sleep(0.0 if n % 2 else 0.001)
        writer.close()

    async def both() -> list[int]:
        writer = RingWriter.create(ring, slots=4096)
        with RingReader.attach(ring) as reader:
            task = asyncio.create_task(produce(writer))
            got = [seq async for records in reader for seq in records["seq"].tolist()]
            await task
            assert reader.ended
        return got

    assert asyncio.run(both()) == list(range(sum(range(50))))


def test_a_full_ring_does_not_starve_other_tasks(ring: str) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def both() -> int:
        with RingWriter.create(ring, slots=256) as writer:
            writer.write(np.zeros(256, writer.dtype))
        with RingReader.attach(ring) as reader:
            task = asyncio.create_task(tick())
            count = 0
            async for records in batches(reader, 8):
                count += len(records)
            task.cancel()
        return count

    assert asyncio.run(both()) == 256
    assert ticks >= 32


def test_a_producer_that_dies_is_told(ring: str) -> None:
    async def follow() -> int:
        writer = RingWriter.create(ring, slots=256)
        writer.write(np.zeros(3, writer.dtype))
        count = 0
        with RingReader.attach(ring) as reader:
            del writer
            with pytest.raises(ProducerGone, match="died without closing it"):
                async for records in reader:
                    count += len(records)
        return count

    assert asyncio.run(follow()) == 3


def test_a_reader_is_whole_after_a_cancelled_wait(ring: str) -> None:
    async def follow() -> list[int]:
        with RingWriter.create(ring, slots=256) as writer, RingReader.attach(ring) as reader:

            async def endless() -> None:
                async for _ in reader:
                    pytest.fail("nothing was written")

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(endless(), 0.05)
            assert not [thread for thread in threading.enumerate() if thread.name == f"doorbell of {ring}"]
            writer.write(np.zeros(2, writer.dtype))
            seqs: list[int] = reader.read()["seq"].tolist()
            return seqs

    assert asyncio.run(follow()) == [0, 1]


def test_the_descriptor_is_readable_when_something_comes(ring: str) -> None:
    with RingWriter.create(ring, slots=256) as writer, RingReader.attach(ring) as reader, Doorbell(reader) as bell:
        bell.arm()
        assert select.select([bell], [], [], 0.05) == ([], [], [])
        with pytest.raises(BlockingIOError):
            bell.answer()
        with pytest.raises(RuntimeError, match=f"the doorbell of ring {ring} is armed already; answer it first"):
            bell.arm()
        writer.write(np.zeros(5, writer.dtype))
        assert select.select([bell], [], [], 60)[0] == [bell]
        assert bell.answer()
        assert len(reader.read()) == 5
        bell.arm()
        writer.close()
        assert select.select([bell], [], [], 60)[0] == [bell]
        assert (bell.answer(), reader.ended) == (False, True)
