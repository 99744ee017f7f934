"""The core: packets in, the same packets out, each marked with its verdict.

One idea: packets wait in a store for exactly as long as the decision takes. Nothing in the decision pipeline can
stall; back-pressure stops the store's output, then, when it is full, the input. A packet's first beat may leave when
its verdict is there, so verdicts and sidebands are only written beside it and need no bookkeeping: a packet has its
word there for as long as it has a beat in the store.

::

    s_axis ─> intake ─┬─> lanes: data ────────────────┬─> m_axis
                      ├─> lanes: sidebands ───────────┤
                      ├─> window ─> decision ─> lanes: verdicts ─> m_verdict
                      └─> release ─> outlet (which beats may leave, is there room)
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from sevenm.registers import ADDRESS_BITS

from .axi_lite import AxiLite
from .axis import SIDEBANDS, PacketStream, sideband_layout
from .decision import DecisionPipeline
from .intake import Intake
from .lane import LANE, Lane
from .outlet import IN_FLIGHT, Outlet
from .release import Release
from .tables.control import TableControl
from .verdict import verdict_layout
from .window import WindowAssembler, window_cycles

SHELL_CYCLES = 3
"""Cycles of the way through a core that are neither the window's nor the decision's: out of the lanes' memories, into
the output's registers."""
DEPTH_STEP = 16
"""Words that the smallest memories made of look-up tables have: a store is a multiple of it."""


GENERATION_BITS = 32
NO_STRUCTURE = "0" * 64


def core_latency(beats: int, decision_latency: int) -> int:
    """Cycles from the acceptance of a packet's first beat to its presence at the output."""
    return beats + window_cycles(beats) + decision_latency + SHELL_CYCLES


class PacketCore(wiring.Component):
    """Marks packets with the verdicts of a decision pipeline.

    Latency: ``latency`` cycles from the acceptance of a packet's first beat to its leaving, if its beats come without
    gaps and the output is taken; the packet's length does not matter. One beat is accepted every cycle while the
    output is taken. Sidebands are sampled on a packet's first beat and given out with all of its beats.

    All inputs but ``m_axis.tready`` go into registers, all outputs come out of registers. After a reset in the middle
    of a packet the rest of that packet is taken and not given out.

    A packet's beats carry at least one byte each, except that a packet of no bytes is one beat with tkeep = 0.

    Members
    -------
    s_axis : In(PacketStream(decision.beat_bytes))
    m_axis : Out(PacketStream(decision.beat_bytes))
    m_verdict : Out(Signature)      the parts of ``verdict_layout``, stable over all beats of a packet
    s_axil : In(AxiLite)            where the decision has tables in memories (``TableControl``); m_verdict then has
                                    ``generation``, 32 bits: that of the rows which decided the packet

    ``fifo_depth`` is in beats; by default the smallest multiple of ``DEPTH_STEP`` that keeps the full rate.
    ``structure`` is the digest that tables are written for, 64 hexadecimal digits.
    """

    def __init__(
        self, decision: DecisionPipeline, fifo_depth: int | None = None, structure: str = NO_STRUCTURE
    ) -> None:  # fmt: skip
        self.decision = decision
        self.latency = core_latency(decision.beats, decision.latency)
        # At full rate a beat is counted in the store for two cycles less than it is in the core.
        least = self.latency - 2 + IN_FLIGHT + 1
        if fifo_depth is None:
            fifo_depth = -(-least // DEPTH_STEP) * DEPTH_STEP
        if fifo_depth < least:
            raise ValueError(f"fifo_depth must be at least {least} for a latency of {self.latency}, not {fifo_depth}")
        self.fifo_depth = fifo_depth
        self._verdict = verdict_layout(decision.blocks, decision.n_channels)
        self._marks = {name: part.shape for name, part in self._verdict}
        self.structure = structure
        if decision.tables:
            self._marks["generation"] = GENERATION_BITS
        super().__init__(
            {
                "s_axis": In(PacketStream(decision.beat_bytes)),
                "m_axis": Out(PacketStream(decision.beat_bytes)),
                "m_verdict": Out(wiring.Signature({name: Out(shape) for name, shape in self._marks.items()})),
                **({"s_axil": In(AxiLite(ADDRESS_BITS))} if decision.tables else {}),
            }
        )

    def ports(self) -> dict[str, tuple[Any, None]]:
        """Flat names for the Verilog module, as ``amaranth.back.verilog.convert`` takes them."""
        out: dict[str, tuple[Any, None]] = {}
        members = PacketStream(self.decision.beat_bytes).members
        for prefix, stream in (("s_axis", self.s_axis), ("m_axis", self.m_axis)):
            out |= {f"{prefix}_{name}": (getattr(stream, name), None) for name in members}
        out |= {f"m_verdict_{name}": (getattr(self.m_verdict, name), None) for name in self._marks}
        if self.decision.tables:
            out |= {f"s_axil_{name}": (getattr(self.s_axil, name), None) for name in AxiLite(ADDRESS_BITS).members}
        return out

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        decision, beats = self.decision, self.decision.beats
        m.submodules.intake = intake = Intake(beats, decision.beat_bytes)
        wiring.connect(m, wiring.flipped(self.s_axis), intake.s_axis)

        m.submodules.assembler = window = WindowAssembler(
            beats, decision.window_bytes, decision.beat_bytes, decision.rows
        )
        m.submodules.decision = decision
        m.submodules.release = release = Release(beats, decision.latency - 1 + window_cycles(beats))
        for part in (window, release):
            m.d.comb += [
                part.coming.eq(intake.coming),
                part.place.eq(intake.place),
                part.completes.eq(intake.completes),
            ]
        m.d.comb += [
            window.ends.eq(intake.ends),
            window.data.eq(intake.data),
            window.keep.eq(intake.keep),
            window.sidebands.eq(intake.sidebands),
            decision.window.eq(window.window),
            decision.keep.eq(window.last_keep),
            decision.place.eq(window.last_place),
        ]
        if decision.rows:
            m.d.comb += [
                decision.beat.eq(intake.data),
                decision.stored.eq(window.stored),
                decision.row.eq(window.row),
                decision.origin.eq(window.origin),
            ]
        m.d.comb += [getattr(decision, name).eq(getattr(window, f"{name}_out")) for name, _ in SIDEBANDS]
        valid = window.valid
        for stage in range(decision.latency):
            later = Signal(name=f"valid{stage + 1}")
            m.d.sync += later.eq(valid)
            valid = later
        generation = self._tables(m) if decision.tables else None

        m.submodules.outlet = outlet = Outlet(self.fifo_depth)
        m.d.comb += [
            outlet.written.eq(intake.beat),
            outlet.last.eq(intake.last),
            outlet.release.eq(release.release),
            outlet.ready.eq(self.m_axis.tready),
            intake.room.eq(outlet.room),
            self.m_axis.tvalid.eq(outlet.valid),
        ]
        for name in ("data", "keep", "last"):
            lanes = self._lanes(m, outlet, name, getattr(intake, name), intake.beat, Const(1, 1))
            m.d.comb += getattr(self.m_axis, f"t{name}").eq(lanes)
        sidebands = self._lanes(m, outlet, "sidebands", intake.sidebands.as_value(), intake.first, outlet.ended)
        marks = self._lanes(m, outlet, "verdict", decision.verdict.as_value(), valid, outlet.ended)
        beside = View(sideband_layout(), sidebands)
        verdict = View(self._verdict, marks)
        m.d.comb += [getattr(self.m_axis, f"tuser_{name}").eq(beside[name]) for name, _ in SIDEBANDS]
        m.d.comb += [getattr(self.m_verdict, name).eq(verdict[name]) for name, _ in self._verdict]
        if generation is not None:
            lanes = self._lanes(m, outlet, "generation", generation, valid, outlet.ended)
            m.d.comb += self.m_verdict.generation.eq(lanes)
        return m

    def _tables(self, m: Module) -> Signal:
        """The tables' control port; the generation of the packet whose verdict comes out of the decision."""
        decision = self.decision
        m.submodules.control = control = TableControl(decision.tables, self.structure, decision.latency)
        wiring.connect(m, wiring.flipped(self.s_axil), control.s_axil)
        m.d.comb += decision.bank.eq(control.bank)
        for number in range(len(decision.tables)):
            update = f"update{number}"
            m.d.comb += getattr(decision, update).eq(getattr(control, update))
        bank = control.bank
        for stage in range(decision.latency):
            later = Signal(name=f"bank{stage + 1}", reset_less=True)
            m.d.sync += later.eq(bank)
            bank = later
        generation = Signal(GENERATION_BITS)
        generations = [control.generations.word_select(number, GENERATION_BITS) for number in range(2)]
        m.d.comb += generation.eq(Mux(bank, *reversed(generations)))
        return generation

    def _lanes(self, m: Module, outlet: Outlet, name: str, value: Any, write: Any, step: Any) -> Signal:
        """A value through the store: what is offered of it at the output."""
        out = Signal(len(value), name=f"{name}_out")
        for at in range(0, len(value), LANE):
            bits = slice(at, min(at + LANE, len(value)))
            lane = Lane(bits.stop - at, self.fifo_depth)
            m.submodules[f"{name}{at // LANE}"] = lane
            m.d.comb += [
                lane.w_en.eq(write),
                lane.w_data.eq(value[bits]),
                lane.available.eq(outlet.available),
                lane.step.eq(step),
                lane.held.eq(outlet.held),
                lane.ready.eq(self.m_axis.tready),
                out[bits].eq(lane.o),
            ]
        return out
