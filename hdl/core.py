"""The core: packets in, the same packets out, each marked with its verdict.

One idea: packets wait in a FIFO for exactly as long as the decision takes. Nothing in the decision pipeline can
stall; back-pressure stops the FIFO's output, then, when it is full, the input, and verdicts wait beside it. A verdict
in flight or waiting belongs to a packet whose first beat is in the FIFO, so the verdict FIFO cannot overflow.

::

    s_axis ─┬─> data FIFO ──────────────────────────────────────────┬─> m_axis
            └─> window ─> decision ─> verdict FIFO ─────────────────┤
                     └──> valid, early ─> delay by early ─> release ┘
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .axis import SIDEBANDS, PacketStream, packet_beat
from .decision import DecisionPipeline
from .verdict import verdict_layout
from .window import WindowAssembler

FIFO_CYCLES = 2
"""Cycles from a verdict's write into its FIFO to its presence at the output."""
FIFO_MARGIN = 4
"""Beats that the data FIFO holds beyond those that are in it at full rate."""


def core_latency(beats: int, decision_latency: int) -> int:
    """Cycles from the acceptance of a packet's first beat to its presence at the output."""
    return beats + decision_latency + FIFO_CYCLES


class PacketCore(wiring.Component):
    """Marks packets with the verdicts of a decision pipeline.

    Latency: ``latency`` cycles from the acceptance of a packet's first beat to its leaving, if its beats come without
    gaps and the output is taken; the packet's length does not matter. One beat is accepted every cycle while the
    output is taken. Sidebands are sampled on a packet's first beat and given out with all of its beats.

    A packet's beats carry at least one byte each, except that a packet of no bytes is one beat with tkeep = 0.

    Members
    -------
    s_axis : In(PacketStream())
    m_axis : Out(PacketStream())
    m_verdict : Out(Signature)      the parts of ``verdict_layout``, stable over all beats of a packet

    ``fifo_depth`` is in beats; by default the smallest power of two that keeps the full rate.
    """

    def __init__(self, decision: DecisionPipeline, fifo_depth: int | None = None) -> None:
        self.decision = decision
        self.latency = core_latency(decision.beats, decision.latency)
        least = self.latency + FIFO_MARGIN
        if fifo_depth is None:
            fifo_depth = 1 << (least - 1).bit_length()
        if fifo_depth < least:
            raise ValueError(f"fifo_depth must be at least {least} for a latency of {self.latency}, not {fifo_depth}")
        self.fifo_depth = fifo_depth
        self._verdict = verdict_layout(decision.blocks, decision.n_channels)
        super().__init__(
            {
                "s_axis": In(PacketStream()),
                "m_axis": Out(PacketStream()),
                "m_verdict": Out(wiring.Signature({name: Out(part.shape) for name, part in self._verdict})),
            }
        )

    def ports(self) -> dict[str, tuple[Any, None]]:
        """Flat names for the Verilog module, as ``amaranth.back.verilog.convert`` takes them."""
        out: dict[str, tuple[Any, None]] = {}
        for prefix, stream in (("s_axis", self.s_axis), ("m_axis", self.m_axis)):
            out |= {f"{prefix}_{name}": (getattr(stream, name), None) for name in PacketStream().members}
        out |= {f"m_verdict_{name}": (getattr(self.m_verdict, name), None) for name, _ in self._verdict}
        return out

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        s_axis, m_axis = self.s_axis, self.m_axis
        beat_layout = packet_beat()

        m.submodules.data_fifo = data_fifo = SyncFIFOBuffered(width=beat_layout.size, depth=self.fifo_depth)
        accept = Signal()
        beat_in = Signal(beat_layout)
        m.d.comb += [
            s_axis.tready.eq(data_fifo.w_rdy),
            accept.eq(s_axis.tvalid & s_axis.tready),
            beat_in.data.eq(s_axis.tdata),
            beat_in.keep.eq(s_axis.tkeep),
            beat_in.last.eq(s_axis.tlast),
            data_fifo.w_data.eq(beat_in),
            data_fifo.w_en.eq(s_axis.tvalid),
        ]
        m.d.comb += [beat_in[name].eq(getattr(s_axis, f"tuser_{name}")) for name, _ in SIDEBANDS]

        m.submodules.assembler = window = WindowAssembler(self.decision.beats, self.decision.window_bytes)
        m.submodules.decision = decision = self.decision
        m.d.comb += [
            window.beat.eq(accept),
            window.data.eq(s_axis.tdata),
            window.keep.eq(s_axis.tkeep),
            window.last.eq(s_axis.tlast),
            decision.window.eq(window.window),
            decision.visible.eq(window.visible),
        ]
        for name, _ in SIDEBANDS:
            m.d.comb += [
                getattr(window, name).eq(getattr(s_axis, f"tuser_{name}")),
                getattr(decision, name).eq(getattr(window, f"{name}_out")),
            ]

        # Valid and early travel beside the decision pipeline.
        valid, early = window.valid, window.early
        for stage in range(decision.latency):
            next_valid = Signal(name=f"valid{stage + 1}")
            next_early = Signal.like(early, name=f"early{stage + 1}", reset_less=True)
            m.d.sync += [next_valid.eq(valid), next_early.eq(early)]
            valid, early = next_valid, next_early

        # The packet that is leaving may have no beat left in the data FIFO: one verdict more than beats.
        m.submodules.verdict_fifo = verdict_fifo = SyncFIFOBuffered(width=self._verdict.size, depth=self.fifo_depth + 1)
        m.d.comb += [
            verdict_fifo.w_data.eq(decision.verdict),
            verdict_fifo.w_en.eq(valid),
        ]

        # A packet of fewer beats than the window has its verdict early. Its release waits `early` cycles more, so
        # that every packet leaves the same number of cycles after its first beat came. Two packets never meet in a
        # slot, because their first beats came in different cycles.
        beats = decision.beats
        waiting = Signal(beats)
        m.d.sync += waiting.eq((waiting >> 1) | Cat((valid & (early == i)) for i in range(beats)))
        released = Signal(range(self.fifo_depth + 1))

        inside = Signal()
        start = Signal()
        taken = Signal()
        m.d.comb += [
            start.eq(data_fifo.r_rdy & ~inside & verdict_fifo.r_rdy & (released != 0)),
            m_axis.tvalid.eq(Mux(inside, data_fifo.r_rdy, start)),
            taken.eq(m_axis.tvalid & m_axis.tready),
            data_fifo.r_en.eq(m_axis.tready & (inside | start)),
            verdict_fifo.r_en.eq(taken & m_axis.tlast),
        ]
        begins = taken & ~inside
        with m.If(waiting[0] & ~begins):
            m.d.sync += released.eq(released + 1)
        with m.If(~waiting[0] & begins):
            m.d.sync += released.eq(released - 1)

        # The verdict stays at its FIFO's output until the packet's last beat has left.
        beat_out = View(beat_layout, data_fifo.r_data)
        verdict = View(self._verdict, verdict_fifo.r_data)
        m.d.comb += [
            m_axis.tdata.eq(beat_out.data),
            m_axis.tkeep.eq(beat_out.keep),
            m_axis.tlast.eq(beat_out.last),
        ]
        m.d.comb += [getattr(self.m_verdict, name).eq(verdict[name]) for name, _ in self._verdict]
        for name, width in SIDEBANDS:
            first = Signal(width, name=f"first_{name}", reset_less=True)
            with m.If(begins):
                m.d.sync += first.eq(beat_out[name])
            m.d.comb += getattr(m_axis, f"tuser_{name}").eq(Mux(inside, first, beat_out[name]))
        with m.If(taken):
            m.d.sync += inside.eq(~m_axis.tlast)
        return m
