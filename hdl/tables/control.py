"""The control port of a core's tables: rows come in as registers, and one write makes all of them count.

One idea: which bank is searched is one bit, read once for each frame. Who changes rows writes slots that no bank of
the present has, says which slots are the table's in the other bank, and commits; frames that came before keep theirs,
for nothing is written until the last of them has been decided. A write that would have to wait is answered late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sevenm.registers import ADDRESS_BITS, BY_NAME, IDENTITY, WORD_BYTES, digest_words

from ..axi_lite import OKAY, SLVERR, AxiLite
from .row_writer import RowWriter
from .shape import CHUNK, MemoryShape, TableMemory, update_layout

WORD = 32


class TableControl(wiring.Component):
    """The registers of ``sevenm.registers`` for these tables. ``decision_latency``: cycles from when a frame's bank is
    read until no memory is read for it. A reset changes neither rows nor banks.

    Members
    -------
    s_axil : In(AxiLite(ADDRESS_BITS))
    bank : Out(1)                         the bank that is searched
    generations : Out(64)                 the generations in bank 0 and 1, 32 bits each
    update0, ... : Out(update_layout)     for each table
    """

    def __init__(self, tables: Sequence[TableMemory], structure: str, decision_latency: int) -> None:
        if not tables:
            raise ValueError("a control port without tables has nothing to control")
        self.tables = tuple(tables)
        self.digest = digest_words(structure)
        self.drain = decision_latency + 2
        super().__init__(
            {
                "s_axil": In(AxiLite(ADDRESS_BITS)),
                "bank": Out(1),
                "generations": Out(64),
                **{f"update{number}": Out(update_layout(one.shape)) for number, one in enumerate(tables)},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bank = Signal(reset_less=True)
        generations = [Signal(32, name=f"generation{b}", reset_less=True) for b in range(2)]
        m.d.comb += [self.bank.eq(bank), self.generations.eq(Cat(generations))]
        table = Signal(range(len(self.tables)), reset_less=True)
        self._reads(m, bank, generations, table)

        # A write is in `address` and `data` while `full`, and done in the cycle of `act`.
        axil = self.s_axil
        address, data = Signal(ADDRESS_BITS - 2, reset_less=True), Signal(32, reset_less=True)
        has_address, has_data = Signal(), Signal()
        answered, refused = Signal(), Signal()
        m.d.comb += [
            axil.awready.eq(~has_address),
            axil.wready.eq(~has_data),
            axil.bvalid.eq(answered),
            axil.bresp.eq(Mux(refused, SLVERR, OKAY)),
        ]
        with m.If(axil.awvalid & ~has_address):
            m.d.sync += [has_address.eq(1), address.eq(axil.awaddr >> 2)]
        with m.If(axil.wvalid & ~has_data):
            m.d.sync += [has_data.eq(1), data.eq(axil.wdata)]
        with m.If(answered & axil.bready):
            m.d.sync += answered.eq(0)

        row = Signal(WORD * self._row_words(), reset_less=True)
        left = Signal(range(self.drain + 1))
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        tells = {name: _within(address, name) for name in ("commit", "table", "slot", "valid", "row")}
        full = has_address & has_data & ~answered
        busy, done = Signal(), Signal()
        act = Signal()
        waits = (tells["commit"] | tells["slot"] | tells["valid"]) & (busy | (left != 0))
        m.d.comb += act.eq(full & ~waits)
        memories = [
            self._memory(m, number, act & (table == number), bank, data, address, row, tells)
            for number in range(len(self.tables))
        ]
        m.d.comb += [
            busy.eq(Cat(one[0] for one in memories).any()),
            done.eq(
                tells["commit"]
                | (tells["table"] & (data < len(self.tables)))
                | (tells["row"] & (_word(address, "row") < self._row_words()))
                | Cat((table == number) & one[1] for number, one in enumerate(memories)).any()
            ),
        ]
        with m.If(act):
            m.d.sync += [answered.eq(1), refused.eq(~done), has_address.eq(0), has_data.eq(0)]
        with m.If(act & tells["commit"]):
            m.d.sync += [bank.eq(~bank), left.eq(self.drain)]
            for number, generation in enumerate(generations):
                with m.If(bank != number):
                    m.d.sync += generation.eq(data)
        with m.If(act & tells["table"] & (data < len(self.tables))):
            m.d.sync += table.eq(data)
        for word in range(self._row_words()):
            with m.If(act & tells["row"] & (_word(address, "row") == word)):
                m.d.sync += row[WORD * word : WORD * (word + 1)].eq(data)
        return m

    def _row_words(self) -> int:
        """Words that a row of any of the tables takes."""
        return max(sum(_words(shape)) for shape in (one.shape for one in self.tables))

    def _reads(self, m: Module, bank: Signal, generations: Sequence[Signal], table: Signal) -> None:
        axil, slots = self.s_axil, Array(Const(one.shape.slots, 32) for one in self.tables)
        values = {
            "id": [IDENTITY],
            "bank": [bank],
            "generation": [Mux(bank, generations[1], generations[0])],
            "tables": [len(self.tables)],
            "slots": [slots[table]],
            "digest": self.digest,
        }
        valid = Signal()
        data, resp = Signal(32, reset_less=True), Signal(2, reset_less=True)
        m.d.comb += [
            axil.arready.eq(~valid),
            axil.rvalid.eq(valid),
            axil.rdata.eq(data),
            axil.rresp.eq(resp),
        ]
        with m.If(axil.arvalid & ~valid):
            m.d.sync += valid.eq(1)
            with m.Switch(axil.araddr >> 2):
                for name, words in values.items():
                    for number, value in enumerate(words):
                        with m.Case(BY_NAME[name].address(number) // WORD_BYTES):
                            m.d.sync += [data.eq(value), resp.eq(OKAY)]
                with m.Default():
                    m.d.sync += [data.eq(0), resp.eq(SLVERR)]
        with m.Elif(axil.rready):
            m.d.sync += valid.eq(0)

    def _memory(
        self, m: Module, number: int, act: Any, bank: Signal, data: Signal, address: Signal, row: Signal,
        tells: dict[str, Any],
    ) -> tuple[Any, Any]:  # fmt: skip
        """One table's writer: whether it is busy, and whether the write of this cycle is one that it does."""
        shape, rows = self.tables[number].shape, self.tables[number].rows
        m.submodules[f"writer{number}"] = writer = RowWriter(shape, rows)
        words = [
            sum(1 << bit for bit in range(CHUNK) if CHUNK * word + bit < len(rows)) for word in range(shape.chunks)
        ]
        kept = Memory(shape=CHUNK, depth=2 * shape.chunks, init=words * 2, attrs={"ram_style": "distributed"})
        m.submodules[f"valid{number}"] = kept
        write, read = kept.write_port(), kept.read_port(domain="comb")
        word, within = _word(address, "valid"), (CHUNK - 1).bit_length()
        fits = Signal(name=f"slot_fits{number}")
        told = Signal(name=f"word_fits{number}")
        started, valid = act & fits, act & told
        parts = _parts(row, shape)
        m.d.comb += [
            read.addr.eq(Mux(bank, shape.chunks, 0) + data[within : len(writer.slot)]),
            fits.eq(tells["slot"] & (data < shape.slots) & ~(read.data >> data[:within])[0]),
            told.eq(tells["valid"] & (word < shape.chunks)),
            write.addr.eq(Mux(bank, 0, shape.chunks) + word),
            write.data.eq(data),
            write.en.eq(valid),
            writer.start.eq(started),
            writer.slot.eq(data),
            *(getattr(writer.row, name).eq(part) for name, part in parts.items()),
            writer.valid_en.eq(valid),
            writer.valid_bank.eq(~bank),
            writer.valid_word.eq(word),
            writer.valid_bits.eq(data),
            getattr(self, f"update{number}").eq(writer.update),
        ]
        return writer.busy, fits | told


def _words(shape: MemoryShape) -> list[int]:
    """Words of a row's keys, masks and values."""
    keys = -(-shape.key_bits // WORD)
    return [keys, keys, -(-shape.value_bits // WORD)]


def _parts(row: Signal, shape: MemoryShape) -> dict[str, Any]:
    """The parts of a row, out of the words it was written as."""
    out, at = {}, 0
    for name, words in zip(("value", "mask", "values"), _words(shape), strict=True):
        bits = {"values": shape.value_bits}.get(name, shape.key_bits)
        out[name] = row[WORD * at : WORD * at + bits]
        at += words
    return out


def _within(address: Signal, name: str) -> Any:
    """Whether a word's address is one of a register's."""
    first, words = BY_NAME[name].at // WORD_BYTES, BY_NAME[name].words
    return (address >= first) & (address < first + words)


def _word(address: Signal, name: str) -> Any:
    """Which word of a register's it is."""
    return address - BY_NAME[name].at // WORD_BYTES
