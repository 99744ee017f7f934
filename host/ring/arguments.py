"""What a ring is made with and attached to, checked and as C takes it.

One idea: a name and a descriptor are two ways to the same ring, so what is asked of it is said once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sevenm.host.native import native
from sevenm.host.ring.control import POLICIES, encoded
from sevenm.host.ring.record import HEADER_SIZE, record_dtype

DEADLINE_MAX = 86_400.0
"""Seconds."""


def shape_arguments(
    slots: int,
    slot_size: int,
    policy: str,
    data_dtype: np.dtype[Any] | None,
    layout_hash: int,
    digest: str | None,
    header: bool,
) -> tuple[object, ...]:
    """The arguments for C. Raises ValueError."""
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy}")
    if not 0 <= slots < 1 << 64:
        raise ValueError(f"slots must be a power of two, not {slots}")
    if not 0 <= layout_hash < 1 << 64:
        raise ValueError(f"layout_hash must be 64 bits, not {layout_hash:#x}")
    record_dtype(slot_size, data_dtype, header)  # before anything is made
    text = native().ffi.NULL if digest is None else digest.encode("ascii", "replace")
    return slots, slot_size, POLICIES.index(policy), HEADER_SIZE if header else 0, layout_hash, text


def reader_arguments(
    subscriber: str, policy: str | None, deadline: float | None, header: bool, layout_hash: int
) -> tuple[object, ...]:
    """The arguments for C. Raises ValueError."""
    lib = native().lib
    if not 0 <= layout_hash < 1 << 64:
        raise ValueError(f"layout_hash must be 64 bits, not {layout_hash:#x}")
    if policy is not None and policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy}")
    if deadline is not None and not 0 <= deadline <= DEADLINE_MAX:
        raise ValueError(f"deadline must be 0 to {DEADLINE_MAX:.0f} seconds, not {deadline}")
    way = lib.SM_RING_SAME_POLICY if policy is None else POLICIES.index(policy)
    most = lib.SM_RING_SAME_DEADLINE if deadline is None else round(deadline * 1e6)
    return encoded(subscriber), way, most, HEADER_SIZE if header else 0, layout_hash
