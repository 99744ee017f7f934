"""How many packets each rule fired on, in memories.

One idea: a memory is added to once a cycle. In a ``first`` block one rule fires at most, so its number is the address.
In an ``all`` block several do: each has a small count of its own, and the small counts are emptied into the memory one
after the other, so often that none can overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sevenm.hdl.verdict import WORD, WORDS_MAX, BlockShape

COUNT_BITS = 48
"""Bits of a count; it goes on from 0 after 2**48 packets, which are 13 days at 250 million a second."""
COUNTED_MAX = 256
"""Rules of an ``all`` block that can be counted: each has registers of its own."""
READ_CYCLES = 2
"""Cycles from an address to its count."""


class TooManyCounted(ValueError):
    """An ``all`` block has more rules than are counted; the message names it."""


def refuse(blocks: Sequence[BlockShape]) -> None:
    """Raises TooManyCounted for the first block that cannot be counted."""
    for block in blocks:
        if block.mode == "all" and block.rules > COUNTED_MAX:
            raise TooManyCounted(
                f"block {block.name} has {block.rules} rules that all count, and {COUNTED_MAX} of such a block are "
                f"counted in gateware; make it several blocks"
            )


class CountMemory(wiring.Component):
    """Adds ``amount`` to the count at ``address`` in each cycle with ``add``. Counts begin at 0 when the device is
    configured, and a reset does not change them. What was added in the last 4 cycles may not be read yet.

    Members
    -------
    add : In(1), address : In(range(depth)), amount : In(amount_bits)
    read_address : In(range(depth)), count : Out(COUNT_BITS)    one cycle later
    """

    def __init__(self, depth: int, amount_bits: int) -> None:
        depth = max(2, depth)
        self.depth = depth
        super().__init__(
            {
                "add": In(1),
                "address": In(range(depth)),
                "amount": In(amount_bits),
                "read_address": In(range(depth)),
                "count": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=COUNT_BITS, depth=self.depth, init=[])
        write, old, shown = memory.write_port(), memory.read_port(), memory.read_port()
        m.d.comb += [old.addr.eq(self.address), shown.addr.eq(self.read_address), self.count.eq(shown.data)]
        # Three steps: the old count comes out of the memory, waits in a register, is added to. The two counts that were
        # made last are not in what was read.
        steps = [self._step(m, number) for number in range(2)]
        m.d.sync += [steps[0][0].eq(self.add), steps[0][1].eq(self.address), steps[0][2].eq(self.amount)]
        m.d.sync += [later.eq(before) for later, before in zip(steps[1], steps[0], strict=True)]
        waiting = Signal(COUNT_BITS)
        m.d.sync += waiting.eq(old.data)
        valid, address, amount = steps[1]
        made = [(Signal(name=f"was_made{i}"), Signal.like(address), Signal(COUNT_BITS)) for i in range(2)]
        base = Signal(COUNT_BITS)
        m.d.comb += base.eq(waiting)
        for was, at, count in reversed(made):
            with m.If(was & (at == address)):
                m.d.comb += base.eq(count)
        total = Signal(COUNT_BITS)
        m.d.comb += [total.eq(base + amount), write.addr.eq(address), write.data.eq(total), write.en.eq(valid)]
        m.d.sync += [part.eq(new) for part, new in zip(made[0], (valid, address, total), strict=True)]
        m.d.sync += [part.eq(new) for part, new in zip(made[1], made[0], strict=True)]
        return m

    def _step(self, m: Module, number: int) -> tuple[Signal, Signal, Signal]:
        return (
            Signal(name=f"valid{number}"),
            Signal(range(self.depth), name=f"address{number}"),
            Signal(len(self.amount), name=f"amount{number}"),
        )


class RuleCounters(wiring.Component):
    """Counts packets by rule, of what ``blocks`` say. Raises TooManyCounted.

    Members
    -------
    packet : In(1), bits : In(blocks)        a packet, and what its blocks say
    rule : In(range(rules))                  number of a rule in the Plan
    count : Out(COUNT_BITS)                  READ_CYCLES later: packets it fired on
    """

    def __init__(self, blocks: Sequence[BlockShape]) -> None:
        refuse(blocks)
        self.blocks = tuple(blocks)
        self.rules = sum(block.rules for block in blocks)
        super().__init__(
            {
                "packet": In(1),
                "bits": In(max(1, sum(block.width for block in blocks))),
                "rule": In(range(max(2, self.rules))),
                "count": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        at, start = 0, 0
        asked = Signal.like(self.rule)
        count = Signal(COUNT_BITS)
        m.d.sync += [asked.eq(self.rule), self.count.eq(count)]
        for number, block in enumerate(self.blocks):
            if not block.rules:
                continue
            bits = self.bits[at : at + block.width]
            memory = (self._first if block.mode == "first" else self._all)(m, block, bits)
            m.submodules[f"block{number}"] = memory
            m.d.comb += memory.read_address.eq(self.rule - start)
            here = asked < start + block.rules
            with m.If(here & (asked >= start) if start else here):
                m.d.comb += count.eq(memory.count)
            at += block.width
            start += block.rules
        return m

    def _first(self, m: Module, block: BlockShape, bits: Any) -> CountMemory:
        memory = CountMemory(block.rules, 1)
        m.d.comb += [memory.add.eq(self.packet & bits.any()), memory.address.eq(bits - 1), memory.amount.eq(1)]
        return memory

    def _all(self, m: Module, block: BlockShape, bits: Any) -> CountMemory:
        rules = block.rules
        memory = CountMemory(rules, rules.bit_length())
        turn = Signal(range(rules))
        m.d.sync += turn.eq(Mux(turn == rules - 1, 0, turn + 1))
        counts = Array(Signal(rules.bit_length(), name=f"few{r}") for r in range(rules))
        fired = _fired(block, bits)
        for r in range(rules):
            now = Signal(name=f"now{r}")
            m.d.comb += now.eq(self.packet & fired[r])
            m.d.sync += counts[r].eq(Mux(turn == r, 0, counts[r]) + now)
        # In the first cycle after a reset there is nothing to add, and in Verilog nothing has been worked out yet.
        running = Signal(name="running")
        m.d.sync += running.eq(1)
        m.d.comb += [memory.add.eq(running), memory.address.eq(turn), memory.amount.eq(counts[turn])]
        return memory


def _fired(block: BlockShape, bits: Any) -> list[Any]:
    """For each rule of an ``all`` block whether it fired."""
    parts, at = {}, 0
    for name, width in block.parts:
        parts[name] = bits[at : at + width]
        at += width
    if "fired" in parts:
        return [parts["fired"][r] for r in range(block.rules)]
    out = []
    for r in range(block.rules):
        told = [parts[f"valid{i}"] & (parts[f"number{i}"] == r // WORD) for i in range(WORDS_MAX)]
        out.append(Cat(said & parts[f"bits{i}"][r % WORD] for i, said in enumerate(told)).any())
    return out
