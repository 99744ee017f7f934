"""A ring's reader in an event loop: ``async for`` over batches, and a descriptor that any loop can wait on.

    async for records in reader:                       # asyncio
        await handle(records["data"].copy())

    with Doorbell(reader) as bell:                     # select, epoll, another loop
        bell.arm()
        select.select([bell], [], [])
        if bell.answer():
            records = reader.read()

One idea: a ring is waited for in C, without the GIL, and an event loop waits for descriptors; a small thread does the
one and rings an eventfd for the other. It sleeps in the ring's own wait, so an idle reader costs no more than one that
waits by itself. A handle belongs to one thread at a time: to the doorbell's from ``arm`` to ``answer``, else to yours.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .batches import Batches

SLICE = 0.02
"""Seconds that the thread waits at once: ``close`` takes no longer than this."""


class Doorbell:
    """``fileno()`` becomes readable once the reader has something to read, or never will have. A context manager."""

    def __init__(self, reader: Batches) -> None:
        self._reader = reader
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._armed = threading.Semaphore(0)
        self._waits = self._closing = False
        self._found: bool | Exception = False
        self._thread = threading.Thread(target=self._work, name=f"doorbell of {reader.name}", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The descriptor, good until ``close``."""
        return self._fd

    def arm(self) -> None:
        """Gives the batch back, and lets the thread wait; the reader must not be used before ``answer``."""
        if self._waits:
            raise RuntimeError(f"the doorbell of ring {self._reader.name} is armed already; answer it first")
        self._reader.release()
        self._waits = True
        self._armed.release()

    def answer(self) -> bool:
        """Once the descriptor is readable. True: there are records. False: there will be none (``reader.ended``).

        Raises what ``RingReader.wait`` does, BlockingIOError if the descriptor is not readable yet."""
        os.eventfd_read(self._fd)
        self._waits = False
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def close(self) -> None:
        """Ends the thread; the reader is yours again."""
        if self._closing:
            return
        self._closing = True
        self._armed.release()
        self._thread.join()
        os.close(self._fd)

    def _work(self) -> None:
        while True:
            self._armed.acquire()
            if self._closing:
                return
            try:
                self._found = self._wait()
            except Exception as error:
                self._found = error
            os.eventfd_write(self._fd, 1)

    def _wait(self) -> bool:
        while not self._closing:
            if self._reader.wait(SLICE):
                return True
            if self._reader.ended:
                return False
        return False

    def __enter__(self) -> Doorbell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def batches(reader: Batches, limit: int | None = None) -> AsyncIterator[NDArray[np.void]]:
    """What ``async for records in reader`` does: batches of ``limit`` records at most, until the ring is closed.

    Other tasks run after every batch. A batch is good until the next one is asked for. Raises ProducerGone if the
    producer died, RingCorrupt, RingError if closed."""
    with Doorbell(reader) as bell:
        while True:
            records = reader.read(limit)
            if len(records):
                yield records
                await asyncio.sleep(0)
                continue
            bell.arm()
            await _readable(bell.fileno())
            if not bell.answer():
                return


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def found() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(fd, found)
    try:
        await future
    finally:
        loop.remove_reader(fd)
