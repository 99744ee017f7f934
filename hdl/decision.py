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
from .window import place_width


class DecisionSignature(wiring.Signature):
    """Interface of a decision pipeline, seen from inside it.

    Members
    -------
    window : In(8 * window_bytes)      bytes at the start of the packet that are held; undefined past its end
    keep : In(beat_bytes)              tkeep of the last beat that counts: the packet's last, or number ``beats - 1``
    place : In(place_width(beats))     its number in the packet, from 0; ``beats`` if the packet goes on after it
    size, src, dst, ts                 the packet's sidebands
    bank : In(1)                       with tables: which bank of them the packet is decided by
    update0, ... : In(update_layout)   what is written into each table
    verdict : Out(verdict_layout)      belongs to the inputs of ``latency`` cycles before

    and with ``rows``, a power of two, for pipelines that look further into the packet:

    origin : In(log2(rows))            the row of the packet's first beat
    beat : In(8 * beat_bytes), stored : In(1), row : In(log2(rows))
                                       a beat as it comes, one cycle before the window that it is the last of; whether
                                       it is one of the first ``beats`` of its packet, and its number among those
    """

    def __init__(
        self, beats: int, beat_bytes: int, window_bytes: int, blocks: Sequence[BlockShape], n_channels: int, rows: int,
        tables: Sequence[TableMemory] = (),
    ) -> None:  # fmt: skip
        row = (rows - 1).bit_length()
        stream = {"origin": In(row), "beat": In(8 * beat_bytes), "stored": In(1), "row": In(row)}
        super().__init__(
            {
                "window": In(8 * window_bytes),
                "keep": In(beat_bytes),
                "place": In(place_width(beats)),
                **(stream if rows else {}),
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
        beat_bytes: int = BEAT_BYTES, rows: int = 0, tables: Sequence[TableMemory] = (),
    ) -> None:  # fmt: skip
        if latency < 1:
            raise ValueError(f"latency must be at least 1 cycle, not {latency}")
        if rows and (beats == 1 or rows & (rows - 1)):
            raise ValueError(f"a memory of beats has rows by a power of two, for packets of more than one: not {rows}")
        self.latency = latency
        self.beats = beats
        self.beat_bytes = beat_bytes
        self.window_bytes = window_bytes
        self.blocks = tuple(blocks)
        self.n_channels = n_channels
        self.rows = rows
        self.tables = tuple(tables)
        super().__init__(DecisionSignature(beats, beat_bytes, window_bytes, blocks, n_channels, rows, tables))
