"""Workers that run in a test, with a ring for each and subscribers that are there from the beginning."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.live.split import Split
from sevenm.host.live.until import Until
from sevenm.host.report import Report
from sevenm.host.ring import MergedReader, RingWriter, sets
from sevenm.host.workers import Workers
from tests.host.live import flows

SUBSCRIBERS = ("", "one", "two")
END = 60.0
"""Seconds after which a run ends that did not get what it waits for, and the test fails."""


class Running:
    """Workers on a source, with a ring for each, and subscribers that are there from the beginning."""

    def __init__(self, stack: ExitStack, bundle: Bundle, parts: Split, ring: str, **options: Any) -> None:
        count = len(parts.parts)
        self.device = stack.enter_context(HostDevice())
        start(self.device, bundle)
        policy, slots = options.pop("policy", "drop_newest"), options.pop("slots", 16384)
        names = [sets.member(f"{ring}.every", worker) for worker in range(count)]
        identity = bundle.layouts[0].hash if bundle.source == "record" else 0
        self.writers = [
            stack.enter_context(RingWriter.create(name, slots, 128, policy, layout_hash=identity)) for name in names
        ]
        self.ring = f"{ring}.every"
        self.readers = [stack.enter_context(MergedReader.attach(self.ring, subscriber=name)) for name in SUBSCRIBERS]
        rings = [{"every": writer} for writer in self.writers]
        self.workers = Workers(self.device, bundle, count, rings, **options)
        self.parts = stack.enter_context(closing(parts))
        parts.begin()

    def run(self, work: Callable[[], object], until: Until) -> Report:
        helper = threading.Thread(target=work)
        helper.start()
        try:
            return self.workers.run(self.parts, until=until)
        finally:
            helper.join()
            for writer in self.writers:
                writer.close()


def read_all(reader: MergedReader) -> list[flows.Seen]:
    return [one for records in reader for one in flows.seen(records, reader.worker)]


def waiting(split: Split) -> list[int]:
    """How many frames wait in each part; they are taken."""
    out = []
    for part in split.parts:
        n = 0
        for batch in part.batches():
            if not len(batch):
                break
            n += len(batch)
        out.append(n)
    return out


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def patient(done: Callable[[], bool], what: str) -> None:
    """Waits until that is so."""
    end = time.monotonic() + END
    while not done():
        assert time.monotonic() < end, f"not within {END} s: {what}"
        time.sleep(0.005)
