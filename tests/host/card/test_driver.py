"""Rows as register writes: differences only, another card refused, and what has no place."""

from __future__ import annotations

import pytest

from sevenm.host.card.driver import ROW_CYCLES, WRITE_CYCLES, CardError, CardTables
from sevenm.registers import BY_NAME, IDENTITY, digest_words
from sevenm.tables import Column, Key, Row, Shape

STRUCTURE = "ab" * 32
ROUTES = Shape("routes", (Key("lpm", 32),), (Column("out", 0, 15), Column("cost", -2, 1)), 16)
PORTS = Shape("ports", (Key("exact", 16), Key("range", 8)), (), 16)


def route(value: int, length: int, *values: int) -> Row:
    return Row(((value, length),), values)


def port(value: int, lo: int, hi: int) -> Row:
    return Row(((value, value), (lo, hi)))


def tables() -> CardTables:
    return CardTables.of([ROUTES, PORTS], [[route(10 << 24, 8, 3, -1)], []], [32, 32], STRUCTURE)


class Card:
    """Answers reads, and keeps writes."""

    def __init__(self, **values: tuple[int, ...]) -> None:
        self.values = {
            "id": (IDENTITY,),
            "digest": digest_words(STRUCTURE),
            "tables": (2,),
            "slots": (32,),
            "bank": (0,),
        }
        self.values |= values
        self.writes: list[tuple[int, int]] = []

    def read(self, address: int) -> int:
        for name, words in self.values.items():
            if 0 <= address - BY_NAME[name].at < 4 * len(words):
                return words[(address - BY_NAME[name].at) // 4]
        raise AssertionError(f"read of {address:#x}")

    def write(self, address: int, data: int) -> None:
        self.writes.append((address, data))


def at(name: str, word: int = 0) -> int:
    return BY_NAME[name].address(word)


def test_an_update_is_the_difference() -> None:
    made = tables()
    update = made.update({0: [route(0x0A010000, 16, 5, 1), route(10 << 24, 8, 3, -1)]}, 7)
    # The longer prefix stands before the other one, for which there is no slot; so both are written.
    assert update.writes == (
        (at("table"), 0),
        (at("row", 0), 0x0A010000), (at("row", 1), 0xFFFF0000), (at("row", 2), 0x15), (at("slot"), 1),
        (at("row", 0), 0x0A000000), (at("row", 1), 0xFF000000), (at("row", 2), 0x33), (at("slot"), 2),
        (at("valid"), 0b110),
        (at("commit"), 7),
    )  # fmt: skip
    assert update.written == (2, 0)
    assert update.cycles == WRITE_CYCLES * 11 + ROW_CYCLES * 2
    made.done(update)
    # Bank 0 is two generations old, and still has slot 0 only.
    again = made.update({}, 8)
    assert again.writes == ((at("table"), 0), (at("valid"), 0b110), (at("commit"), 8))
    made.done(again)
    assert made.update({}, 9).writes == ((at("commit"), 9),)
    # A slot that has the entry from before is only told valid.
    assert made.update({0: [route(10 << 24, 8, 3, -1)]}, 10).writes == (
        (at("table"), 0), (at("valid"), 0b100), (at("commit"), 10),
    )  # fmt: skip


def test_a_range_takes_several_entries_and_what_is_too_much_changes_nothing() -> None:
    made = tables()
    assert made.update({1: [port(80, 1, 6)]}, 1).written == (0, 4)
    many = [port(value, 1, 254) for value in range(3)]
    with pytest.raises(CardError) as error:
        made.update({0: [], 1: many}, 1)
    assert str(error.value) == (
        "table ports: 42 entries have no place beside the 0 that are searched, in 32 slots; write fewer rows at once, "
        "or build a core with more slots"
    )
    assert made.update({}, 1).writes == ((at("commit"), 1),)
    with pytest.raises(CardError, match=r"^table ports: its rows are 42 entries, the card has 32 slots for them$"):
        CardTables.of([PORTS], [many], [32], STRUCTURE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": (1,)}, r"^register id reads 0x00000001, not 0x376d0001: there is no core of this version$"),
        ({"digest": (1,) * 8}, r"^the card was built for structure (00000001){8}, the rows are for (ab){32}$"),
        ({"tables": (1,)}, r"^the card has 1 tables in memories, not 2$"),
        ({"slots": (64,)}, r"^table routes has 64 slots in the card, not 32$"),
    ],
)
def test_another_card_is_refused(values: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(CardError, match=message):
        tables().check(Card(**values))


def test_the_bank_that_is_searched_is_the_cards() -> None:
    made, card = tables(), Card(bank=(1,))
    made.check(card)
    assert made.bank == 1
    card.writes.clear()
    update = made.apply(card, {0: []}, 3)
    assert tuple(card.writes) == update.writes == ((at("table"), 0), (at("valid"), 0), (at("commit"), 3))
    assert made.bank == 0


def test_wired_tables_are_none_of_the_cards() -> None:
    made = CardTables.of([ROUTES, PORTS], [[], []], [0, 32], STRUCTURE)
    assert [table.shape.name for table in made.tables] == ["ports"]
