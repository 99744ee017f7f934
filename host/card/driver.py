"""Rows of tables as register writes of a core, and how the card's memory stands after them.

One idea: what the memories hold is known here, slot by slot and bank by bank, because nobody else writes them; so an
update is the difference. It is worked out whole before the first write, and a set of rows that has no place is refused
with nothing written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sevenm.registers import BY_NAME, IDENTITY, SLOTS_PER_WORD, digest_words
from sevenm.tables import Row, Shape
from sevenm.ternary import Entry, column_width, entries

from .placement import place

WRITE_CYCLES = 3
"""Cycles of one register write by a master that waits for its answer."""
ROW_CYCLES = 21
"""Cycles that a row takes into its slot; the next register but ``row`` and ``table`` waits for them."""
WORD = 32


class CardError(ValueError):
    """The card is another one than the rows are for, or has no room for them; the message says which and how much."""


class Registers(Protocol):
    """How a card's registers are reached; addresses in bytes, words of 32 bits."""

    def read(self, address: int) -> int: ...

    def write(self, address: int, data: int) -> None:
        """Raises CardError where the card refuses it."""


@dataclass(frozen=True, slots=True)
class CardTable:
    """A table in a card: its rows' shape, the slots of its memory, which entry each of them has, searched or not, and
    for each bank the slots that are the table's."""

    shape: Shape
    slots: int
    entries: tuple[Entry | None, ...]
    valid: tuple[frozenset[int], frozenset[int]]

    @classmethod
    def with_rows(cls, shape: Shape, slots: int, rows: Sequence[Row]) -> CardTable:
        """As it is after the card was configured with these rows. Raises CardError where they do not fit."""
        there = entries(shape, rows)
        if len(there) > slots:
            raise CardError(
                f"table {shape.name}: its rows are {len(there)} entries, the card has {slots} slots for them"
            )
        first = frozenset(range(len(there)))
        return cls(shape, slots, (*there, *[None] * (slots - len(there))), (first, first))


@dataclass(frozen=True, slots=True)
class Update:
    """``writes`` are (address, data) in order, the last one the commit. ``written``: entries for each table."""

    writes: tuple[tuple[int, int], ...]
    written: tuple[int, ...]
    tables: tuple[CardTable, ...]
    bank: int

    @property
    def cycles(self) -> int:
        """Cycles of the core until the new rows count, with a master that waits for each answer."""
        return WRITE_CYCLES * len(self.writes) + ROW_CYCLES * sum(self.written)


class CardTables:
    """The tables of one core, in the order of its structure. ``bank``: the one that is searched."""

    def __init__(self, tables: Sequence[CardTable], structure: str) -> None:
        self.tables = tuple(tables)
        self.structure = structure
        self.bank = 0

    @classmethod
    def of(
        cls, shapes: Sequence[Shape], rows: Sequence[Sequence[Row]], slots: Sequence[int], structure: str
    ) -> CardTables:
        """Those of a bundle whose core has just been configured; tables without slots are wired and none of the card's.
        Raises CardError."""
        parts = zip(shapes, rows, slots, strict=True)
        return cls([CardTable.with_rows(shape, count, own) for shape, own, count in parts if count], structure)

    def check(self, card: Registers) -> None:
        """Raises CardError where the card is not the one that these tables are of."""
        found = card.read(BY_NAME["id"].address())
        if found != IDENTITY:
            raise CardError(f"register id reads {found:#010x}, not {IDENTITY:#010x}: there is no core of this version")
        digest = tuple(card.read(BY_NAME["digest"].address(word)) for word in range(BY_NAME["digest"].words))
        if digest != digest_words(self.structure):
            shown = "".join(f"{word:08x}" for word in digest)
            raise CardError(f"the card was built for structure {shown}, the rows are for {self.structure}")
        if (count := card.read(BY_NAME["tables"].address())) != len(self.tables):
            raise CardError(f"the card has {count} tables in memories, not {len(self.tables)}")
        for number, table in enumerate(self.tables):
            card.write(BY_NAME["table"].address(), number)
            if (slots := card.read(BY_NAME["slots"].address())) != table.slots:
                raise CardError(f"table {table.shape.name} has {slots} slots in the card, not {table.slots}")
        self.bank = card.read(BY_NAME["bank"].address())

    def update(self, rows: Mapping[int, Sequence[Row]], generation: int) -> Update:
        """The writes that give these tables (by number) these rows, all at once, as this generation; other tables keep
        theirs. Nothing has changed until ``done``. Raises CardError where there is no place for them."""
        writes: list[tuple[int, int]] = []
        tables, counts = [], []
        for number, table in enumerate(self.tables):
            given = rows.get(number)
            mine, after, count = self._table(table, table.valid[self.bank], given)
            if mine:
                writes += [(BY_NAME["table"].address(), number), *mine]
            tables.append(after)
            counts.append(count)
        writes.append((BY_NAME["commit"].address(), generation))
        return Update(tuple(writes), tuple(counts), tuple(tables), 1 - self.bank)

    def done(self, update: Update) -> None:
        """The writes have been made."""
        self.tables, self.bank = update.tables, update.bank

    def apply(self, card: Registers, rows: Mapping[int, Sequence[Row]], generation: int) -> Update:
        """Writes an update into the card."""
        update = self.update(rows, generation)
        for address, data in update.writes:
            card.write(address, data)
        self.done(update)
        return update

    def _table(
        self, table: CardTable, searched: frozenset[int], rows: Sequence[Row] | None
    ) -> tuple[list[tuple[int, int]], CardTable, int]:
        """The writes of one table, how it stands after them, and how many entries are written."""
        writes: list[tuple[int, int]] = []
        slots, content, count = searched, list(table.entries), 0
        if rows is not None:
            wanted = entries(table.shape, rows)
            present = {entry: at for at in searched if (entry := content[at]) is not None}
            ordered = any(key.kind != "exact" for key in table.shape.keys)
            found = place(wanted, present, table.slots, ordered)
            if found is None:
                raise CardError(
                    f"table {table.shape.name}: {len(wanted)} entries have no place beside the {len(searched)} that "
                    f"are searched, in {table.slots} slots; write fewer rows at once, or build a core with more slots"
                )
            for entry, slot in zip(wanted, found, strict=True):
                if slot not in searched and content[slot] != entry:
                    writes += self._row(table.shape, slot, entry)
                    content[slot], count = entry, count + 1
            slots = frozenset(found)
        other = table.valid[1 - self.bank]
        for word in range(table.slots // SLOTS_PER_WORD):
            span = range(SLOTS_PER_WORD * word, SLOTS_PER_WORD * (word + 1))
            before, after = (sum(1 << at - span.start for at in span if at in some) for some in (other, slots))
            if before != after:
                writes.append((BY_NAME["valid"].address(word), after))
        valid = (slots, table.valid[1]) if self.bank else (table.valid[0], slots)
        return writes, replace(table, entries=tuple(content), valid=valid), count

    def _row(self, shape: Shape, slot: int, entry: Entry) -> list[tuple[int, int]]:
        keys = sum(key.width for key in shape.keys)
        values = sum(column_width(column.lo, column.hi) for column in shape.values)
        words = [
            number >> WORD * word & (1 << WORD) - 1
            for number, bits in ((entry.value, keys), (entry.mask, keys), (entry.values, values))
            for word in range(-(-bits // WORD))
        ]
        row = [(BY_NAME["row"].address(at), word) for at, word in enumerate(words)]
        return [*row, (BY_NAME["slot"].address(), slot)]
