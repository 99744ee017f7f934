"""The delivered record as NumPy sees it: a 32-byte header, then the slot's data.

One idea: the header is ``sm_record`` of ``csrc/record.h``, field for field (a test compares the offsets); what follows
is raw bytes for packets, or the dtype that a schema's layout gives. Little endian; meanings follow Napatech's Dyn4.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

HEADER_SIZE = 32
SLOT_MIN, SLOT_MAX, SLOT_STEP = 64, 2048, 32
"""Bounds of a slot, in bytes, and what it is a multiple of."""
PACKET_SLOT = 128
"""Default slot for packets: the header and the first 96 bytes."""


class Engine(IntEnum):
    """What made the decision."""

    REFERENCE = 1
    HOST = 2
    RTL = 3
    NIC = 4


class Flag(IntFlag):
    """Bits of a record's ``flags``."""

    CUT = 1
    """The data is longer than the slot."""
    MALFORMED = 2
    """A header of the packet contradicts itself."""
    TRUNCATED = 4
    """The capture is shorter than a header that was read."""


_HEADER: list[tuple[str, str]] = [
    ("ts_ns", "<u8"),
    ("seq", "<u8"),
    ("rule", "<u4"),
    ("generation", "<u4"),
    ("cap_len", "<u2"),
    ("wire_len", "<u2"),
    ("engine", "u1"),
    ("flags", "u1"),
    ("source", "u1"),
    ("reserved", "u1"),
]
RECORD = np.dtype(_HEADER)
"""``ts_ns`` nanoseconds since 1970; ``seq`` per ring, from 0; ``rule`` index in the Plan; ``generation`` of the rules;
``cap_len`` bytes of data in the slot; ``wire_len`` bytes on the wire, at most 65535; ``engine``; ``flags``;
``source`` ingress port."""
assert RECORD.itemsize == HEADER_SIZE


def slot_size_for(data_size: int) -> int:
    """Bytes of the smallest slot that holds ``data_size`` bytes of data.

    Raises ValueError if none does.
    """
    size = max(SLOT_MIN, -(-(HEADER_SIZE + data_size) // SLOT_STEP) * SLOT_STEP)
    if data_size < 0 or size > SLOT_MAX:
        raise ValueError(f"a slot holds 0 to {SLOT_MAX - HEADER_SIZE} bytes of data, not {data_size}")
    return size


def record_dtype(slot_size: int = PACKET_SLOT, data: np.dtype[Any] | None = None) -> np.dtype[np.void]:
    """dtype of one slot of ``slot_size`` bytes: the header's fields, then ``data``.

    Without ``data`` that is ``uint8[slot_size - 32]``; otherwise the given dtype, followed by padding up to the slot.
    Raises ValueError if the slot is no multiple of 32 from 64 to 2048, or too small.
    """
    if not SLOT_MIN <= slot_size <= SLOT_MAX or slot_size % SLOT_STEP:
        raise ValueError(
            f"slot_size must be a multiple of {SLOT_STEP} from {SLOT_MIN} to {SLOT_MAX} bytes, not {slot_size}"
        )
    if data is None:
        data = np.dtype(("u1", (slot_size - HEADER_SIZE,)))
    if data.itemsize > slot_size - HEADER_SIZE:
        raise ValueError(
            f"data of {data.itemsize} bytes does not fit a slot of {slot_size}, which holds {slot_size - HEADER_SIZE}"
        )
    assert RECORD.fields is not None
    if data.hasobject:
        raise ValueError(f"data must be plain bytes and numbers, not {data}")
    return np.dtype(
        {
            "names": [*(name for name, _ in _HEADER), "data"],
            "formats": [*(kind for _, kind in _HEADER), data],
            "offsets": [*(RECORD.fields[name][1] for name, _ in _HEADER), HEADER_SIZE],
            "itemsize": slot_size,
        }
    )
