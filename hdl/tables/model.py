"""A table's memory in plain Python: what the gateware is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from .shape import CHUNK, MemoryShape, Slot


class MemoryModel:
    """``slots`` as they are written, ``valid`` one number a bank: bit s says that slot s is the table's in it."""

    def __init__(self, shape: MemoryShape, rows: Sequence[Slot] = ()) -> None:
        """The rows are in the first slots, and valid in both banks. Raises ValueError where they do not fit."""
        if len(rows) > shape.slots:
            raise ValueError(f"{len(rows)} rows do not fit {shape.slots} slots")
        self.shape = shape
        self.slots = [*rows, *(Slot() for _ in range(shape.slots - len(rows)))]
        self.valid = [(1 << len(rows)) - 1] * 2

    def write(self, number: int, slot: Slot) -> None:
        self.slots[number] = slot

    def set_valid(self, bank: int, word: int, bits: int) -> None:
        """Which of the CHUNK slots of a word are the table's."""
        kept = self.valid[bank] & ~(((1 << CHUNK) - 1) << CHUNK * word)
        self.valid[bank] = kept | bits << CHUNK * word

    def find(self, key: int, bank: int) -> tuple[int, int, int]:
        """(hit, slot, values); all of them 0 where nothing matches."""
        for number, slot in enumerate(self.slots):
            if self.valid[bank] >> number & 1 and key & slot.mask == slot.value:
                return 1, number, slot.values
        return 0, 0, 0
