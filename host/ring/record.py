"""The delivered record as NumPy sees it: a 32-byte header, then the slot's data.

One idea: the header is ``sm_record`` of ``sevenm.boundary``; what follows is raw bytes for packets, or the dtype that a
schema's layout gives. Little endian; meanings follow Napatech's Dyn4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sevenm import boundary
from sevenm.boundary import Engine, Flag

# fmt: off
__all__ = [
    "BARE_MIN", "HEADER_SIZE", "PACKET_SLOT", "RECORD", "SLOT_MAX", "SLOT_MIN", "SLOT_STEP", "Engine", "Flag",
    "record_dtype", "slot_size_for",
]
# fmt: on

HEADER_SIZE = boundary.RECORD_HEADER
SLOT_MIN, SLOT_MAX, SLOT_STEP = 64, 2048, 32
"""Bounds of a slot, in bytes, and what it is a multiple of."""
BARE_MIN = 32
"""Smallest slot that is all data."""
PACKET_SLOT = 128
"""Default slot for packets: the header and the first 96 bytes."""


RECORD = boundary.dtype("sm_record")
"""``ts_ns`` nanoseconds since 1970; ``seq`` per ring, from 0; ``rule`` index in the Plan; ``generation`` of the rules;
``cap_len`` bytes of data in the slot; ``wire_len`` bytes on the wire, at most 65535; ``engine``; ``flags``;
``source`` ingress port."""


def slot_size_for(data_size: int, header: bool = True) -> int:
    """Bytes of the smallest slot that holds ``data_size`` bytes of data, after a record header or without one.

    Raises ValueError if none does.
    """
    before, least = (HEADER_SIZE, SLOT_MIN) if header else (0, BARE_MIN)
    size = max(least, -(-(before + data_size) // SLOT_STEP) * SLOT_STEP)
    if data_size < 0 or size > SLOT_MAX:
        raise ValueError(f"a slot holds 0 to {SLOT_MAX - before} bytes of data, not {data_size}")
    return size


def record_dtype(
    slot_size: int = PACKET_SLOT, data: np.dtype[Any] | None = None, header: bool = True
) -> np.dtype[np.void]:
    """dtype of one slot of ``slot_size`` bytes: the header's fields, then ``data``.

    Without ``data`` that is ``uint8[slot_size - 32]``; otherwise the given dtype, followed by padding up to the slot.
    ``header=False``: the data alone; its fields, or where it has none one field ``data``.
    Raises ValueError if the slot is no multiple of 32 from 64 (without header 32) to 2048, or too small.
    """
    before, least = (HEADER_SIZE, SLOT_MIN) if header else (0, BARE_MIN)
    if not least <= slot_size <= SLOT_MAX or slot_size % SLOT_STEP:
        raise ValueError(
            f"slot_size must be a multiple of {SLOT_STEP} from {least} to {SLOT_MAX} bytes, not {slot_size}"
        )
    if data is None:
        data = np.dtype(("u1", (slot_size - before,)))
    if data.itemsize > slot_size - before:
        raise ValueError(
            f"data of {data.itemsize} bytes does not fit a slot of {slot_size}, which holds {slot_size - before}"
        )
    if data.hasobject:
        raise ValueError(f"data must be plain bytes and numbers, not {data}")
    fields = {**_fields(RECORD), "data": (data, HEADER_SIZE)} if header else _fields(data) or {"data": (data, 0)}
    return np.dtype(
        {
            "names": [*fields],
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": slot_size,
        }
    )


def _fields(kind: np.dtype[Any]) -> dict[str, tuple[np.dtype[Any], int]]:
    return {name: (entry[0], entry[1]) for name, entry in (kind.fields or {}).items()}
