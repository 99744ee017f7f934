"""The stage behind a core: does with each packet what its verdict says.

One idea: a verdict stays the same over a packet's beats, so what becomes of a beat is known from itself: nothing has to
be remembered between them but where a record stands. Three slices keep the handshakes apart.

::

    s_axis, s_verdict ─> slice ─┬─> what to do ─> slice ─> record before it ─> slice ─> m_axis
                                └─> counters
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In, Out

from sevenm.boundary import RECORD_HEADER, SIZE_MAX, Engine, Flag
from sevenm.hdl.axis import SIDEBANDS, PacketStream, sideband_layout
from sevenm.hdl.verdict import BlockShape, blocks_width, verdict_layout

from .counters import COUNT_BITS, RuleCounters
from .destination import Destinations
from .prepend import Prepend
from .record import NO_RULE, first_rule, lowest, record_layout
from .slice import SLICE_CYCLES, RegisterSlice

STAGE_CYCLES = 3 * SLICE_CYCLES
"""Cycles from a beat's acceptance to its presence at the output, or to that of the record before it."""


class ActionStage(wiring.Component):
    """Takes packets with their verdicts as a PacketCore gives them, and acts:

    - a packet that is dropped is taken and not given out; one that is punted is given out, for the host to decide;
    - ``dst`` is what ``destinations`` makes of ``forward``;
    - with ``in_band`` a record goes before each packet (``hdl/actions/record.py``), and ``size`` counts it;
    - packets are counted by rule, those that are dropped too.

    One beat is taken every cycle while the output is taken, but for one more cycle a packet where a record makes it a
    beat longer. The order is kept. Raises TooManyCounted.

    Members
    -------
    s_axis : In(PacketStream(beat_bytes))
    s_verdict : In(Signature)                the parts of ``verdict_layout``, stable over all beats of a packet
    m_axis : Out(PacketStream(beat_bytes))
    counter_rule : In, counter_packets : Out   number of a rule in the Plan, and its count (see RuleCounters)
    """

    def __init__(
        self,
        beat_bytes: int,
        blocks: Sequence[BlockShape],
        n_channels: int,
        destinations: Destinations | None = None,
        in_band: bool = False,
    ) -> None:
        self.beat_bytes = beat_bytes
        self.blocks = tuple(blocks)
        self.destinations = destinations or Destinations()
        self.in_band = in_band
        self.counters = RuleCounters(blocks)
        self._verdict = verdict_layout(blocks, n_channels)
        super().__init__(
            {
                "s_axis": In(PacketStream(beat_bytes)),
                "s_verdict": In(wiring.Signature({name: Out(part.shape) for name, part in self._verdict})),
                "m_axis": Out(PacketStream(beat_bytes)),
                "counter_rule": In(len(self.counters.rule)),
                "counter_packets": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat = {"data": 8 * self.beat_bytes, "keep": self.beat_bytes, "last": 1, "sidebands": sideband_layout()}
        came, going = StructLayout({**beat, "verdict": self._verdict}), StructLayout(beat)
        done = StructLayout({**beat, "record": record_layout()}) if self.in_band else going

        m.submodules.taken = taken = RegisterSlice(came.size)
        m.submodules.acted = acted = RegisterSlice(done.size)
        m.submodules.given = given = RegisterSlice(going.size)
        put, now, then, act, out, end = (
            View(layout, Signal(layout.size, name=name))
            for layout, name in (
                (came, "put"), (came, "now"), (done, "then"), (done, "act"), (going, "out"), (going, "end"),
            )
        )  # fmt: skip
        for part, before, after in ((taken, put, now), (acted, then, act), (given, out, end)):
            m.d.comb += [part.i.eq(before.as_value()), after.as_value().eq(part.o)]

        s_axis, m_axis = self.s_axis, self.m_axis
        for name in ("data", "keep", "last"):
            m.d.comb += [put[name].eq(getattr(s_axis, f"t{name}")), getattr(m_axis, f"t{name}").eq(end[name])]
        for name, _ in SIDEBANDS:
            m.d.comb += put.sidebands[name].eq(getattr(s_axis, f"tuser_{name}"))
            m.d.comb += getattr(m_axis, f"tuser_{name}").eq(end.sidebands[name])
        m.d.comb += [put.verdict[name].eq(getattr(self.s_verdict, name)) for name, _ in self._verdict]
        m.d.comb += [
            taken.i_valid.eq(s_axis.tvalid),
            s_axis.tready.eq(taken.i_ready),
            m_axis.tvalid.eq(given.o_valid),
            given.o_ready.eq(m_axis.tready),
            acted.i_valid.eq(taken.o_valid & ~now.verdict.drop),
            taken.o_ready.eq(acted.i_ready | now.verdict.drop),
        ]
        self._act(m, now, then)
        self._count(m, taken, now)
        self._give(m, acted, act, given, out)
        return m

    def _act(self, m: Module, now: View[Any], then: View[Any]) -> None:
        """What becomes of a beat, by its own packet's verdict."""
        m.d.comb += [then[name].eq(now[name]) for name in ("data", "keep", "last")]
        sidebands = now.sidebands
        longer = Signal(len(sidebands.size) + 1)
        m.d.comb += [
            longer.eq(sidebands.size + (RECORD_HEADER if self.in_band else 0)),
            then.sidebands.src.eq(sidebands.src),
            then.sidebands.ts.eq(sidebands.ts),
            then.sidebands.size.eq(Mux(longer[-1], SIZE_MAX, longer)),
            then.sidebands.dst.eq(self.destinations.value(now.verdict.forward, sidebands.dst)),
        ]
        if not self.in_band:
            return
        fired, rule = first_rule(self.blocks, now.verdict.blocks)
        flags = zip(
            (Flag.MALFORMED, Flag.TRUNCATED, Flag.PUNT),
            (now.verdict.malformed, now.verdict.truncated, now.verdict.punt),
            strict=True,
        )
        bits: Any = 0
        for flag, said in flags:
            bits = bits | Mux(said, int(flag), 0)
        record = then.record
        m.d.comb += [
            record.ts_ns.eq(sidebands.ts),
            record.rule.eq(Mux(fired, rule, NO_RULE)),
            record.cap_len.eq(sidebands.size),
            record.wire_len.eq(sidebands.size),
            record.engine.eq(int(Engine.NIC)),
            record.flags.eq(bits),
            record.source.eq(lowest(sidebands.src)[1]),
        ]

    def _count(self, m: Module, taken: RegisterSlice, now: View[Any]) -> None:
        """Counts each packet once, when its first beat goes on."""
        m.submodules.counters = counters = self.counters
        first = Signal(init=1)
        moves = Signal()
        packet, bits = Signal(), Signal(len(counters.bits))
        m.d.comb += moves.eq(taken.o_valid & taken.o_ready)
        with m.If(moves):
            m.d.sync += first.eq(now.last)
        m.d.sync += [packet.eq(moves & first), bits.eq(now.verdict.blocks[: blocks_width(self.blocks)])]
        m.d.comb += [
            counters.packet.eq(packet),
            counters.bits.eq(bits),
            counters.rule.eq(self.counter_rule),
            self.counter_packets.eq(counters.count),
        ]

    def _give(self, m: Module, acted: RegisterSlice, act: View[Any], given: RegisterSlice, out: View[Any]) -> None:
        """Out of the stage, with the record before a packet if there is one."""
        m.d.comb += out.sidebands.as_value().eq(act.sidebands.as_value())
        if not self.in_band:
            m.d.comb += [out[name].eq(act[name]) for name in ("data", "keep", "last")]
            m.d.comb += [given.i_valid.eq(acted.o_valid), acted.o_ready.eq(given.i_ready)]
            return
        m.submodules.prepend = prepend = Prepend(self.beat_bytes)
        record = View(record_layout(), Signal(record_layout().size, name="record"))
        seq = Signal(len(record.seq))
        with m.If(prepend.ends):
            m.d.sync += seq.eq(seq + 1)
        m.d.comb += record.as_value().eq(act.record.as_value())
        m.d.comb += [
            record.seq.eq(seq),
            prepend.record.eq(record.as_value()),
            Cat(prepend.data, prepend.keep, prepend.last).eq(Cat(act.data, act.keep, act["last"])),
            Cat(out.data, out.keep, out["last"]).eq(Cat(prepend.o_data, prepend.o_keep, prepend.o_last)),
            prepend.valid.eq(acted.o_valid),
            acted.o_ready.eq(prepend.ready),
            given.i_valid.eq(prepend.o_valid),
            prepend.o_ready.eq(given.i_ready),
        ]
