"""Drivers and monitors of the core's streams for cocotb.

One idea: everything happens in the quiet half of the clock. At the falling edge the inputs of the coming rising edge
are set; when they have settled, in the same time step, both handshakes are sampled. So no result depends on the order
in which a simulator runs callbacks at an edge, and Icarus and Verilator agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from .packets import Beat, Collector, Marked, Packet, Verdict, all_beats

PERIOD_NS = 4
_PLAIN = ("data", "keep", "last")
_SIDEBANDS = ("size", "src", "dst", "ts")

Pattern = Callable[[int], bool]
"""Whether something happens in a cycle."""


def always(cycle: int) -> bool:
    return True


class Port:
    """The signals of one stream by their flat names, ``prefix`` being ``s_axis`` or ``m_axis``."""

    def __init__(self, dut: Any, prefix: str) -> None:
        self.valid = getattr(dut, f"{prefix}_tvalid")
        self.ready = getattr(dut, f"{prefix}_tready")
        self.parts = {name: getattr(dut, f"{prefix}_t{name}") for name in _PLAIN}
        self.parts |= {name: getattr(dut, f"{prefix}_tuser_{name}") for name in _SIDEBANDS}
        self.beat_bytes = len(self.parts["keep"])

    @property
    def transfers(self) -> bool:
        return bool(int(self.valid.value) and int(self.ready.value))

    def put(self, beat: Beat) -> None:
        for name, signal in self.parts.items():
            signal.value = getattr(beat, name)

    def get(self) -> Beat:
        return Beat(**{name: int(signal.value) for name, signal in self.parts.items()})


class PacketSource:
    """Sends packets into ``s_axis``. ``offer(cycle)`` says whether a new beat is offered; one that is offered stays
    until it is taken. ``accepted`` has the cycle of each packet's first beat, ``refused`` counts cycles in which an
    offered beat had to wait."""

    def __init__(self, dut: Any, packets: Sequence[Packet], offer: Pattern = always) -> None:
        self.port = Port(dut, "s_axis")
        self.accepted: list[int] = []
        self.refused = 0
        self._offer = offer
        self._beats: Iterator[tuple[int, bool, Beat]] = all_beats(packets, self.port.beat_bytes)
        self._current = next(self._beats, None)
        self._offered = False
        self.port.valid.value = 0

    @property
    def is_done(self) -> bool:
        """Every beat was taken."""
        return self._current is None

    def drive(self, cycle: int) -> None:
        if self._offered or self._current is None or not self._offer(cycle):
            if not self._offered:
                self.port.valid.value = 0
            return
        self.port.put(self._current[2])
        self.port.valid.value = 1
        self._offered = True

    def sample(self, cycle: int) -> None:
        if not self._offered or self._current is None:
            return
        if not self.port.transfers:
            self.refused += 1
            return
        if self._current[1]:
            self.accepted.append(cycle)
        self._current = next(self._beats, None)
        self._offered = False


class PacketSink:
    """Takes packets from ``m_axis`` with their verdicts, and checks the rules of the stream: an offered beat stays as
    it is until it is taken (``Collector`` has the others). Without ``marked`` there are no verdicts to take."""

    def __init__(self, dut: Any, take: Pattern = always, marked: bool = True) -> None:
        self.port = Port(dut, "m_axis")
        self._marks = {f.name: getattr(dut, f"m_verdict_{f.name}") for f in fields(Verdict) if marked}
        self._take = take
        self._collector = Collector(self.port.beat_bytes)
        self._waiting: tuple[Beat, Verdict] | None = None
        self.port.ready.value = 0

    @property
    def marked(self) -> list[Marked]:
        return self._collector.marked

    def drive(self, cycle: int) -> None:
        self.port.ready.value = int(self._take(cycle))

    def sample(self, cycle: int) -> None:
        if not int(self.port.valid.value):
            assert self._waiting is None, f"cycle {cycle}: an offered beat was withdrawn"
            return
        now = (self.port.get(), Verdict(**{name: int(signal.value) for name, signal in self._marks.items()}))
        assert self._waiting in (None, now), f"cycle {cycle}: an offered beat changed"
        if self.port.transfers:
            self._collector.take(cycle, *now)
            self._waiting = None
        else:
            self._waiting = now


async def run(dut: Any, source: PacketSource, sink: PacketSink, count: int, cycles_max: int) -> int:
    """Clocks the core, after a reset in which it takes nothing, until ``count`` packets have left; returns the cycles
    it took from the first one in which it takes beats. Raises AssertionError after ``cycles_max`` cycles."""
    Clock(dut.clk, PERIOD_NS, "ns").start(start_high=False)
    for channel in ("aw", "w", "ar"):
        if (valid := getattr(dut, f"s_axil_{channel}valid", None)) is not None:
            valid.value = 0  # the tables keep the rows that they have
    dut.rst.value = 1
    for _ in range(4):
        await FallingEdge(dut.clk)
    assert not int(source.port.ready.value), "a beat would be taken in reset"
    dut.rst.value = 0
    await FallingEdge(dut.clk)
    cycle = 0
    while len(sink.marked) < count:
        assert cycle < cycles_max, f"{len(sink.marked)} of {count} packets after {cycle} cycles"
        source.drive(cycle)
        sink.drive(cycle)
        await ReadOnly()
        source.sample(cycle)
        sink.sample(cycle)
        await FallingEdge(dut.clk)
        cycle += 1
    return cycle
