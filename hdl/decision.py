"""What a decision pipeline looks like from outside: a window goes in, a verdict comes out some cycles later.

One idea: the pipeline never stalls and knows nothing of packets, so its interface is plain data and one number,
its latency; ``valid`` is the core's affair.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES, SIDEBANDS
from .tables.shape import TableMemory, update_layout
from .verdict import BlockShape, verdict_layout


class DecisionSignature(wiring.Signature):
    """Interface of a decision pipeline, seen from inside it.

    Members
    -------
    window : In(8 * window_bytes)      first bytes of the packet, zero past its end (see WindowAssembler)
    visible : In(64 * beats + 1)       bit i: the packet has a byte i
    size, src, dst, ts                 the packet's sidebands
    bank : In(1)                       with tables: which bank of them the packet is decided by
    update0, ... : In(update_layout)   what is written into each table
    verdict : Out(verdict_layout)      belongs to the inputs of ``latency`` cycles before
    """

    def __init__(
        self, beats: int, window_bytes: int, blocks: Sequence[BlockShape], n_channels: int,
        tables: Sequence[TableMemory] = (),
    ) -> None:  # fmt: skip
        super().__init__(
            {
                "window": In(8 * window_bytes),
                "visible": In(BEAT_BYTES * beats + 1),
                **{name: In(width) for name, width in SIDEBANDS},
                **({"bank": In(1)} if tables else {}),
                **{f"update{number}": In(update_layout(table.shape)) for number, table in enumerate(tables)},
                "verdict": Out(verdict_layout(blocks, n_channels)),
            }
        )


class DecisionPipeline(wiring.Component):
    """Base of decision pipelines: a component with ``DecisionSignature`` and a fixed ``latency`` of at least one
    cycle. One window goes in and one verdict comes out every cycle."""

    def __init__(
        self, *, beats: int, window_bytes: int, blocks: Sequence[BlockShape], n_channels: int, latency: int,
        tables: Sequence[TableMemory] = (),
    ) -> None:  # fmt: skip
        if latency < 1:
            raise ValueError(f"latency must be at least 1 cycle, not {latency}")
        self.latency = latency
        self.beats = beats
        self.window_bytes = window_bytes
        self.blocks = tuple(blocks)
        self.n_channels = n_channels
        self.tables = tuple(tables)
        super().__init__(DecisionSignature(beats, window_bytes, blocks, n_channels, tables))
