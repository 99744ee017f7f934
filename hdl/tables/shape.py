"""What a table's memory is made of, and how a change reaches it.

One idea: a row lies in a *slot*; the lowest slot that matches is the one that counts. A slot can be written only while
nothing searches it, and whether it is searched is one bit for each of two *banks*. So a change is written into slots
that are free, the other bank is told which slots are now the table's, and one bit, which bank is searched, makes all of
it true at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib.data import StructLayout

STRIDE = 4
"""Bits of a key that one memory looks at: the address of the smallest memory made of look-up tables."""
GROUP = 4
"""Slots that share such a memory, and are written together."""
CHUNK = 32
"""Slots of a chunk: those that are told valid in one word, and that have a copy of the key."""
SLOTS_MAX = 8192
KEY_BITS_MAX = 1024


@dataclass(frozen=True, slots=True)
class MemoryShape:
    """``slots`` is a multiple of CHUNK. ``value_bits``: of all value columns together, 0 for a table without."""

    key_bits: int
    value_bits: int
    slots: int

    def __post_init__(self) -> None:
        if not 1 <= self.key_bits <= KEY_BITS_MAX:
            raise ValueError(f"keys have 1 to {KEY_BITS_MAX} bits together, not {self.key_bits}")
        if self.value_bits < 0:
            raise ValueError(f"values have no fewer than 0 bits, not {self.value_bits}")
        if not CHUNK <= self.slots <= SLOTS_MAX or self.slots % CHUNK:
            raise ValueError(f"slots are a multiple of {CHUNK}, at most {SLOTS_MAX}, not {self.slots}")

    @property
    def strides(self) -> int:
        return -(-self.key_bits // STRIDE)

    @property
    def chunks(self) -> int:
        return self.slots // CHUNK

    @property
    def groups(self) -> int:
        return self.slots // GROUP


@dataclass(frozen=True, slots=True)
class Slot:
    """What is written into a slot: it matches a key where ``key & mask == value``, and has ``values`` as one word."""

    value: int = 0
    mask: int = 0
    values: int = 0


@dataclass(frozen=True, slots=True)
class TableMemory:
    """A table's memory, and what is in its first slots before anything is written."""

    shape: MemoryShape
    rows: tuple[Slot, ...] = ()


def update_layout(shape: MemoryShape) -> StructLayout:
    """What is written into every memory that holds a table, at once.

    row_en, row_group, row_nibble, row_bits    of each stride: which slots of the group match this nibble
    valid_en, valid_bank, valid_word, valid_bits    which slots of a chunk are the table's in a bank
    value_en, value_slot, value_bits           the values of a slot
    """
    return StructLayout(
        {
            "row_en": 1,
            "row_group": unsigned((shape.groups - 1).bit_length()),
            "row_nibble": STRIDE,
            "row_bits": GROUP * shape.strides,
            "valid_en": 1,
            "valid_bank": 1,
            "valid_word": max(1, (shape.chunks - 1).bit_length()),
            "valid_bits": CHUNK,
            "value_en": 1,
            "value_slot": unsigned((shape.slots - 1).bit_length()),
            "value_bits": max(1, shape.value_bits),
        }
    )


def nibble_matches(slot: Slot, stride: int, nibble: int) -> bool:
    """Whether these bits of a key are what the slot asks for."""
    return not (slot.value >> STRIDE * stride ^ nibble) & slot.mask >> STRIDE * stride & (1 << STRIDE) - 1
