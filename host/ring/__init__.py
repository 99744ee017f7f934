"""Rings in shared memory: one process writes fixed-size records, another reads them, without a copy."""

from __future__ import annotations

from .control import (
    CAUSES,
    POLICIES,
    ProducerGone,
    Ring,
    RingAbsent,
    RingCorrupt,
    RingError,
    RingMismatch,
    RingStats,
    RingTaken,
)  # fmt: skip
from .sides import SLOTS, RingReader, RingWriter

__all__ = [
    "CAUSES", "POLICIES", "SLOTS", "ProducerGone", "Ring", "RingAbsent", "RingCorrupt", "RingError", "RingMismatch",
    "RingReader", "RingStats", "RingTaken", "RingWriter",
]  # fmt: skip
