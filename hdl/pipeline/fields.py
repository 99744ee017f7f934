"""Where a field's bytes come from: out of the window, or fetched from the last beats.

One idea: a start of few values is one multiplexer over bytes that are held, and bytes at a constant place are wiring.
For any other start the beat is a row of a memory, which costs no multiplexer, and what is left to do is to bring the
lanes of a beat in order: a rotation, of which only the bits are looked at in which the start can differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .align import Aligned, Span, align, told_apart
from .description import Program
from .members import MemberBuilder
from .netlist import Netlist
from .nodes import Node
from .sight import Sight
from .values import Values

ROWS_MIN = 16
"""Rows of the smallest memory made of look-up tables."""
SLACK_MIN = 8
"""Cycles on the way to a field that its memory holds the beats for, at least; before that they are delayed."""


class Fields:
    """The bytes of a program's fields as nets, for a window of ``beats`` beats of ``beat_bytes``; ``net`` gives that of
    a node. ``window_bytes`` is how many bytes at the packet's start are held."""

    def __init__(
        self, nets: Netlist, members: MemberBuilder, program: Program, possible: Sequence[Values],
        beats: int, beat_bytes: int, net: Callable[[int], int],
    ) -> None:  # fmt: skip
        self._nets, self._members, self._net = nets, members, net
        self._nodes, self._possible = program.nodes, possible
        self._beats, self._beat_bytes, self._limit = beats, beat_bytes, program.captured_max
        self.sight = Sight(nets, members, beats, beat_bytes, program.captured_max)
        self._depth = max(ROWS_MIN, 1 << (beats + SLACK_MIN - 1).bit_length())
        self._spans: dict[int, Span] = {}
        self._reads: dict[int, set[tuple[int, int]]] = {}
        self._routes: dict[int, tuple[int, int]] = {}
        self._placed: dict[int, Aligned | None] = {}
        self._find_spans()
        self.window_bytes = self._held_bytes(program.window)
        self._window = nets.make("window", width=8 * self.window_bytes)

    def load(self, node: Node) -> tuple[int, int]:
        """(the bytes that a load reads as an integer, whether all of them came in)."""
        nets, base, (at, count, little) = self._nets, node.args[0], node.attrs
        place = self._place(base)
        start = place.at + at if place else 0
        if place is None or 8 * (start + count) > nets[place.vector].width:
            return nets.false, nets.true
        value = nets.make("bytes", (place.vector,), (start, count, little), 8 * count)
        return value, self._shown(base, at + count - 1)

    def compared(self, ref: int) -> int | None:
        """For ``captured < start + at`` whether the byte before that came in, for ``start + at < captured`` whether
        that one did; None for a comparison with something else than a field's start."""
        return self._shown(*self._routes[ref]) if ref in self._routes else None

    # which starts there are

    def _find_spans(self) -> None:
        nodes = self._nodes
        for node in nodes:
            if node.op == "load":
                base, (at, count, _) = node.args[0], node.attrs
                span = Span(at, at + count)
                self._reads.setdefault(base, set()).add((at, at + count))
                self._spans[base] = self._spans[base].including(at, at + count) if base in self._spans else span
        for ref, node in enumerate(nodes):
            route = self._route(node)
            if route is not None and (route[0] in self._spans or self._few(route[0])):
                self._routes[ref] = route

    def _route(self, node: Node) -> tuple[int, int] | None:
        """(start, at) of the byte that a comparison of ``captured`` asks for."""
        nodes = self._nodes
        if node.op != "lt" or sum(nodes[a].op == "captured" for a in node.args) != 1:
            return None
        below = nodes[node.args[0]].op == "captured"
        base, offset = node.args[1 if below else 0], 0
        if nodes[base].op == "const":
            return None
        if nodes[base].op == "add":
            for one, two in (nodes[base].args, nodes[base].args[::-1]):
                if nodes[two].op == "const":
                    base, offset = one, nodes[two].attrs[0]
                    break
        at = offset - 1 if below else offset
        return (base, at) if nodes[base].lo >= 0 and nodes[base].lo + at >= 0 else None

    def _starts(self, base: int) -> list[int]:
        """Places inside of what can come in that a start can have, ascending."""
        return self._possible[base].below(self._nodes[base], self._limit)

    def _few(self, base: int) -> bool:
        """Whether a start is one of so few places that one step tells them apart."""
        items = self._possible[base].items
        return items is not None and len(items) <= 4 and items[0] >= 0 and told_apart(list(items))

    def _is_held(self, base: int) -> bool:
        return self._beats == 1 or self._few(base)

    def _held_bytes(self, window: int) -> int:
        last = 1
        for base, span in self._spans.items():
            if self._is_held(base):
                last = max([last, *(min(start + span.stop, window) for start in self._starts(base))])
        return last

    # where their bytes are

    def _shown(self, base: int, at: int) -> int:
        """Whether byte base + at came in."""
        if self._few(base):
            return self.sight.shown_of(self._net(base), list(self._possible[base].items or ()), at)
        return self.sight.shown_from(self._net(base), self._nodes[base].lo, at)

    def _place(self, base: int) -> Aligned | None:
        if base not in self._placed:
            if self._is_held(base):
                starts = self._starts(base)
                self._placed[base] = align(self._nets, self._window, 8, self._net(base), starts, self._spans[base])
            else:
                self._placed[base] = self._fetched(base)
        return self._placed[base]

    def _fetched(self, base: int) -> Aligned | None:
        """The span of a start out of the beats, as many bytes at once as a beat has; those that nobody reads are 0."""
        nets, starts, span, width = self._nets, self._starts(base), self._spans[base], self._beat_bytes
        # What lies past the window for every start is read of none.
        stop = min(span.stop, width * self._beats - starts[0]) if starts else span.start
        if stop <= span.start:
            return None
        parts: list[int] = []
        for number in range(span.start // width, -(-stop // width)):
            part = Span(max(span.start - number * width, 0), min(stop - number * width, width))
            count = part.stop - part.start
            if not any(
                a < number * width + part.stop and b > number * width + part.start for a, b in self._reads[base]
            ):
                parts.append(nets.make("const", (), (0,), 8 * count))
                continue
            place = self._rotated(base, starts, number, part)
            parts.append(nets.slice(place.vector, 8 * (place.at + part.start), 8 * count))
        return Aligned(self._joined(parts), -span.start)

    def _rotated(self, base: int, starts: Sequence[int], number: int, part: Span) -> Aligned:
        """``part`` of the ``number``-th beat's worth of bytes from a start on."""
        nets, width = self._nets, self._beat_bytes
        start = self._net(base)
        lows = sorted({value % width for value in starts})
        lane_bits, row_bits = width.bit_length() - 1, self._depth.bit_length() - 1
        rows: dict[int, int] = {}
        groups = [-1] * width
        for lane in sorted({(low + at) % width for low in lows for at in range(part.start, part.stop)}):
            # A start past this lane finds it in the beat after its own.
            past = tuple(low for low in lows if low > lane)
            below = max((low for low in lows if low <= lane), default=-1)
            limit = _roundest(below + 1, past[0]) if past else width
            if limit not in rows:
                rows[limit] = self._row(start, lane_bits, row_bits, number, limit)
            groups[lane] = list(rows).index(limit)
        beat = nets.make("beat", width=8 * width)
        attrs = (self._depth, self._depth - self._beats, *groups)
        lanes = nets.make("fetch", (beat, *rows.values()), attrs, 8 * width, cost=1, cycles=1)
        ring = nets.make("join", (lanes, lanes), (), 16 * width)
        place = align(nets, ring, 8, start, lows, part)
        if place is None:
            raise AssertionError("a part of a beat begins inside of the ring")
        return place

    def _row(self, start: int, lane_bits: int, row_bits: int, number: int, limit: int) -> int:
        """The row of a lane: that of the start's beat, and one more where the start's lane is ``limit`` or more."""
        nets = self._nets
        here = self._row_of(start, lane_bits, row_bits, number)
        if limit == 1 << lane_bits:
            return here
        after = self._row_of(start, lane_bits, row_bits, number + 1)
        terms = self._members.terms(nets.slice(start, 0, lane_bits), ((limit, (1 << lane_bits) - 1),))
        return nets.mux(nets.all(terms), after, here, row_bits, False)

    def _row_of(self, start: int, lane_bits: int, row_bits: int, number: int) -> int:
        nets = self._nets
        origin = nets.make("origin", width=row_bits)
        if number:
            step = nets.const(number % (1 << row_bits))
            origin = nets.make("add", (origin, step), (), row_bits, False, 1)
        return nets.make("add", (origin, nets.slice(start, lane_bits, row_bits)), (), row_bits, False, 1)

    def _joined(self, parts: Sequence[int]) -> int:
        if len(parts) == 1:
            return parts[0]
        return self._nets.make("join", parts, (), sum(self._nets[part].width for part in parts))


def _roundest(first: int, last: int) -> int:
    """The number in [first, last] with the most zeros at its end."""
    return max(range(first, last + 1), key=lambda value: (value & -value) if value else 1 << 30)
