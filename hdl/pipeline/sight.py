"""What is there of a packet: how many bytes came in, and whether one of them did.

One idea: nothing of it is kept but the last beat that counts, its ``keep`` and its number. "Byte 70 came in" is that a
later beat than its own did, or that one with its bit set; "byte x + 3 came in", for an x that is computed, is that the
number of the last byte less x is at least 3.
"""

from __future__ import annotations

from .align import chosen
from .divide import add_cost
from .members import MemberBuilder
from .netlist import Netlist


class Sight:
    """The nets that say what came in, for a window of ``beats`` beats of ``beat_bytes``; bytes from ``limit`` on count
    as if there were none."""

    def __init__(self, nets: Netlist, members: MemberBuilder, beats: int, beat_bytes: int, limit: int) -> None:
        self._nets = nets
        self._members = members
        self._beats, self._beat_bytes = beats, beat_bytes
        self.bytes = min(beat_bytes * beats + 1, limit)
        """Bytes that can be told apart from none and from more."""
        self._keep = nets.make("keep", width=beat_bytes)
        self._place = nets.make("place", width=beats.bit_length())
        self._some = nets.make("flag", (self._keep,), (0,))
        self._last: int | None = None
        self._room: dict[int, int] = {}

    def shown(self, index: int) -> int:
        """Whether the byte of this number came in."""
        if not 0 <= index < self.bytes:
            return self._nets.false
        beat, lane = divmod(index, self._beat_bytes)
        if beat == self._beats:
            return self._placed(beat, beat)
        flag = self._nets.make("flag", (self._keep,), (lane,))
        if beat == self._beats - 1:
            # A beat that the packet goes on after has all its bytes.
            return self._nets.all((self._placed(beat, self._beats), flag))
        here = self._nets.all((self._placed(beat, beat), flag))
        return self._nets.any((self._placed(beat + 1, self._beats), here))

    def shown_from(self, start: int, lowest: int, at: int) -> int:
        """Whether the byte ``at`` after the net ``start`` came in; ``lowest`` is the least that this can be."""
        nets = self._nets
        if start not in self._room:
            width = max(nets[self._last_byte()].width, nets[start].width) + 1
            room = nets.make("sub", (self._last_byte(), start), (), width, True, add_cost(width))
            self._room[start] = room
        room = self._room[start]
        most = (1 << nets[room].width - 1) - 1
        terms = [self._some, *self._signed_member(room, at, most)]
        if lowest + at < 0:
            terms.append(nets.invert(nets.make("lt", (start, nets.const(-at)), cost=2)))
        return nets.all(terms)

    def shown_of(self, start: int, values: list[int], at: int) -> int:
        """The same for a start of few values."""
        return chosen(self._nets, start, values, [self.shown(v + at) for v in values])

    def captured(self) -> int:
        """How many bytes came in, as a number."""
        width = self.bytes.bit_length()
        return self._nets.make("add", (self._last_byte(), self._some), (), width, False, add_cost(width))

    def _placed(self, first: int, last: int) -> int:
        """Whether the last beat that counts is one of these."""
        if first == 0 and last == self._beats:
            return self._nets.true
        return self._nets.all(self._members.terms(self._place, ((first, last),)))

    def _signed_member(self, net: int, lo: int, hi: int) -> tuple[int, ...]:
        nets = self._nets
        width = nets[net].width
        ranges = [(lo, hi)] if lo >= 0 else [(0, hi), (lo + (1 << width), (1 << width) - 1)]
        return self._members.terms(nets.slice(net, 0, width), tuple(ranges))

    def _last_byte(self) -> int:
        """The number of the last byte that came in; 0 as well if there is none."""
        if self._last is None:
            nets = self._nets
            more = nets.invert(self._placed(self._beats, self._beats))
            low = [nets.all((bit, more)) for bit in self._ones()]
            high = [nets.slice(self._place, bit, 1) for bit in range(nets[self._place].width)]
            bits = [*low, *high]
            self._last = nets.make("concat", bits, (), len(bits))
            if self._beat_bytes * self._beats >= self.bytes:
                past = nets.all(self._members.terms(self._last, ((self.bytes, (1 << len(bits)) - 1),)))
                self._last = nets.mux(past, nets.const(self.bytes - 1), self._last, len(bits), False)
        return self._last

    def _ones(self) -> list[int]:
        """The number of the highest bit that is set in ``keep``, as bits: two of them a step, from the top."""
        nets = self._nets
        steps = [nets.make("flag", (self._keep,), (lane,)) for lane in range(self._beat_bytes)]
        bits: list[int] = []
        while len(steps) > 1:
            if len(steps).bit_length() % 2 == 0:
                half = len(steps) // 2
                top = steps[half]
                steps = [nets.mux(top, steps[half + i], steps[i], 1, False) for i in range(half)]
                bits[:0] = [top]
            else:
                part = len(steps) // 4
                high = steps[2 * part]
                low = nets.mux(high, steps[3 * part], steps[part], 1, False)
                both = nets.make("pair", (low, high), (), 2)
                steps = [
                    nets.true,
                    *(nets.select(both, [steps[j * part + i] for j in range(4)]) for i in range(1, part)),
                ]
                bits[:0] = [low, high]
        return bits
