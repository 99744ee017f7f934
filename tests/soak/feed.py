"""Publishes numbered frames into a ring as fast as it goes, until SIGTERM: those of ``send.c``, made in place.

    python -m tests.soak.feed RING FIRST

The first frame has the number FIRST, so that a producer that takes over goes on with larger ones."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import numpy as np

from sevenm.host.ring import RingWriter

HEAD = bytes.fromhex("020000000001 020000000002 08004500002e 00000000 40110000 0a090001 0a0900021f90 0000 001a 0000")
SIZE, PORT_AT, NUMBER_AT, BATCH, SLOTS = 60, 36, 42, 1000, 1 << 14
ROOM_S = 0.0005
"""Between two looks for room: this producer never loses anything on the way in, and what it offers is counted."""


def frames(first: int) -> np.ndarray:
    """(BATCH, 96) bytes: the frames from that number on."""
    numbers = np.arange(first, first + BATCH, dtype="<u8")
    out = np.zeros((BATCH, 96), np.uint8)
    out[:, : len(HEAD)] = np.frombuffer(HEAD, np.uint8)
    out[:, PORT_AT : PORT_AT + 2] = (5000 + numbers % 10).astype(">u2").view(np.uint8).reshape(-1, 2)
    out[:, NUMBER_AT : NUMBER_AT + 8] = numbers.view(np.uint8).reshape(-1, 8)
    return out


def main(name: str, first: int) -> None:
    """Until SIGTERM; closes the ring."""
    ended: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        ended.append(number)

    signal.signal(signal.SIGTERM, end)
    with RingWriter.create(name, SLOTS, 128, "drop_newest") as ring:
        print("there", flush=True)
        while not ended:
            batch = ring.reserve(BATCH)
            n = len(batch)
            if n:
                batch["data"] = frames(first)[:n]
                batch["ts_ns"], batch["wire_len"], batch["cap_len"] = time.time_ns(), SIZE, SIZE
                ring.commit(n)
            first += BATCH  # what found no room was offered, and is counted as not delivered
            if n < BATCH:
                time.sleep(ROOM_S)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
