"""What every subscriber in Python has, whatever it reads from: a loop over its batches.

One idea: who can ``read`` and ``wait`` can be iterated, in this thread or in an event loop, and closes at the end of a
block.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator

import numpy as np
from numpy.typing import NDArray

from sevenm.host.closing import Closing


class Batches(Closing):
    """``ended``: no more records will come, and everything was read."""

    name: str
    ended: bool

    @abstractmethod
    def read(self, limit: int | None = None) -> NDArray[np.void]:
        """Gives the last batch back and returns the next, ``limit`` records at most, maybe none."""

    @abstractmethod
    def release(self, n: int | None = None) -> None:
        """Gives the first n records of the batch back (all by default); the rest will be read again."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> bool:
        """Gives the batch back and waits for a record, ``timeout`` seconds at most (None: as long as it takes). False:
        none came in time, or none will ever come (``ended``)."""

    @abstractmethod
    def close(self) -> None:
        """Ends the subscription; harmless when repeated."""

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Batches until every producer has closed its ring. Raises ProducerGone if one died instead."""
        while True:
            records = self.read()
            if len(records):
                yield records
            elif not self.wait():
                return

    def __aiter__(self) -> AsyncIterator[NDArray[np.void]]:
        """The same in an event loop (``sevenm.host.ring.aio``)."""
        # asyncio takes longer to load than everything else here, and most readers do without.
        from sevenm.host.ring.aio import batches

        return batches(self)
