"""Memory that engines read: zeros, or keys as C has them, as aligned as any type asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sevenm.host.devices.errors import DeviceError

ALIGNMENT = 64
Bytes = NDArray[np.uint8]


class ContextError(DeviceError):
    """The memory for tables or state is not to be had."""


def zeros(size: int, what: str) -> Bytes:
    """So many bytes. Raises ContextError, which says what they are for, if the machine does not have them."""
    try:
        raw = np.zeros(size + ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise ContextError(f"{what} needs {size} bytes of memory, which this machine does not have") from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def bits_of(width: int) -> int:
    """Of the unsigned type that holds keys of this width: 8, 16, 32, 64 or 128."""
    return max(8, 1 << (width - 1).bit_length())


def key_bytes(values: Sequence[int], bits: int) -> Bytes:
    """(keys, bytes of one): the keys little endian."""
    size = bits // 8
    if bits <= 64:
        return np.array(values, f"<u{size}").view(np.uint8).reshape(len(values), size)
    data = b"".join(value.to_bytes(size, "little") for value in values)
    return np.array(bytearray(data), np.uint8).reshape(len(values), size)


def keys(values: Sequence[int], bits: int) -> Bytes:
    """The keys in memory of their own."""
    data = key_bytes(values, bits).ravel()
    out = zeros(max(1, len(data)), f"{len(values)} keys of a table")
    out[: len(data)] = data
    return out
