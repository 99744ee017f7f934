"""Memory that engines read: zeros, or keys as C has them, as aligned as any type asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.devices.errors import DeviceError

ALIGNMENT = 64
Bytes = NDArray[np.uint8]


class ContextError(DeviceError):
    """The memory for tables or state is not to be had."""


def memory(size: int, what: str) -> Bytes:
    """So many bytes that nobody wrote yet. Raises ContextError, which says what for, if the machine has not so many."""
    try:
        raw = np.empty(size + ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise ContextError(f"{what} needs {size} bytes of memory, which this machine does not have") from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def zeros(size: int, what: str) -> Bytes:
    """So many bytes. Raises ContextError as ``memory`` does."""
    out = memory(size, what)
    out[:] = 0
    return out


def bits_of(width: int) -> int:
    """Of the unsigned type that holds keys of this width: 8, 16, 32, 64 or 128."""
    return max(8, 1 << (width - 1).bit_length())


def column(values: Sequence[int], bits: int) -> NDArray[Any]:
    """The keys in the type of C, little endian; of 128 bits, which NumPy has no number for, as bytes."""
    size = bits // 8
    if bits <= 64:
        return np.array(values, f"<u{size}")
    return np.array(bytearray(b"".join(value.to_bytes(size, "little") for value in values)), np.uint8).view(f"V{size}")


def keys(values: Sequence[int], bits: int) -> Bytes:
    """The keys in memory of their own."""
    data = column(values, bits).view(np.uint8)
    out = zeros(max(1, len(data)), f"{len(values)} keys of a table")
    out[: len(data)] = data
    return out
