"""Packets as the beats of the core's streams, and back: plain integers, no simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BEAT_BYTES = 64
SIZE_MAX = 0xFFFF
RUBBISH = b"\xa5"
"""What stands past tkeep: a byte that no core may look at."""


@dataclass(frozen=True, slots=True)
class Packet:
    """``data`` is what was captured; ``size`` the bytes on the wire, by default those captured."""

    data: bytes
    size: int = -1
    src: int = 0
    dst: int = 0
    ts: int = 0

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", min(len(self.data), SIZE_MAX))
        for name, bits in (("size", 16), ("src", 16), ("dst", 16), ("ts", 64)):
            if not 0 <= getattr(self, name) < 1 << bits:
                raise ValueError(f"{name} must fit {bits} bits, not be {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Beat:
    """One transfer; the names are those of the stream's signals without their ``t`` or ``tuser_``."""

    data: int
    keep: int
    last: int
    size: int
    src: int
    dst: int
    ts: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The core's marks, as integers: the parts of ``sevenm.hdl.verdict``."""

    blocks: int = 0
    channels: int = 0
    forward: int = 0
    drop: int = 0
    malformed: int = 0
    truncated: int = 0
    punt: int = 0


@dataclass(frozen=True, slots=True)
class Marked:
    """A packet that left the core, and the cycles in which its first and its last beat did."""

    packet: Packet
    verdict: Verdict
    first_cycle: int
    last_cycle: int


def beats(packet: Packet, beat_bytes: int = BEAT_BYTES) -> Iterator[Beat]:
    """The packet's beats; one without any byte if it is empty. Sidebands are real on the first beat only, and
    inverted after it, so that a core that samples them later is caught."""
    count = max(1, -(-len(packet.data) // beat_bytes))
    for i in range(count):
        part = packet.data[beat_bytes * i : beat_bytes * (i + 1)]
        flip = -1 if i else 0
        yield Beat(
            data=int.from_bytes(part.ljust(beat_bytes, RUBBISH), "little"),
            keep=(1 << len(part)) - 1,
            last=int(i == count - 1),
            size=(packet.size ^ flip) & 0xFFFF,
            src=(packet.src ^ flip) & 0xFFFF,
            dst=(packet.dst ^ flip) & 0xFFFF,
            ts=(packet.ts ^ flip) & (1 << 64) - 1,
        )


class Collector:
    """Puts beats that leave the core together again. ``marked`` is what has come so far.

    Raises AssertionError where a rule of the stream is broken: holes in ``keep``, a beat without bytes that is not
    a whole packet, sidebands or a verdict that change within a packet.
    """

    def __init__(self, beat_bytes: int = BEAT_BYTES) -> None:
        self.beat_bytes = beat_bytes
        self.marked: list[Marked] = []
        self._parts: list[bytes] = []
        self._first: tuple[int, Beat, Verdict] | None = None

    def take(self, cycle: int, beat: Beat, verdict: Verdict) -> None:
        count = beat.keep.bit_count()
        assert beat.keep == (1 << count) - 1, f"tkeep has holes: {beat.keep:#x}"
        assert beat.last or count == self.beat_bytes, f"{count} bytes in a beat that is not the last one"
        if self._first is None:
            self._first = (cycle, beat, verdict)
        else:
            assert count, "an empty beat after others"
        start, first, marks = self._first
        assert (first.size, first.src, first.dst, first.ts) == (beat.size, beat.src, beat.dst, beat.ts)
        assert marks == verdict, f"the verdict changed within a packet: {marks} to {verdict}"
        # Bytes past tkeep are not looked at: their value is not the stream's.
        self._parts.append((beat.data & ((1 << 8 * count) - 1)).to_bytes(count, "little"))
        if beat.last:
            packet = Packet(b"".join(self._parts), first.size, first.src, first.dst, first.ts)
            self.marked.append(Marked(packet, verdict, start, cycle))
            self._parts, self._first = [], None


def all_beats(packets: Iterable[Packet], beat_bytes: int = BEAT_BYTES) -> Iterator[tuple[int, bool, Beat]]:
    """(number of the packet, whether the beat is its first, beat), in order."""
    for number, packet in enumerate(packets):
        for i, beat in enumerate(beats(packet, beat_bytes)):
            yield number, i == 0, beat
