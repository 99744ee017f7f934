"""Rings in shared memory: one process writes fixed-size records, up to 16 others read them, without a copy."""

from __future__ import annotations

from .control import (
    CAUSES,
    POLICIES,
    ProducerGone,
    Ring,
    RingAbsent,
    RingCorrupt,
    RingError,
    RingForeign,
    RingMismatch,
    RingNotReady,
    RingStats,
    RingTaken,
    SubscriberStats,
)  # fmt: skip
from .listing import Entry, entries
from .merged import MergedReader
from .reader import RingReader
from .sides import SLOTS
from .writer import RingWriter

__all__ = [
    "CAUSES", "POLICIES", "SLOTS", "Entry", "MergedReader", "ProducerGone", "Ring", "RingAbsent", "RingCorrupt",
    "RingError", "RingForeign", "RingMismatch", "RingNotReady", "RingReader", "RingStats", "RingTaken", "RingWriter",
    "SubscriberStats", "entries",
]  # fmt: skip
