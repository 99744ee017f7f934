"""When to compute what could wait: as soon as possible, or as late as its users allow.

One idea: a comparison that has to wait for others can be done early and its one bit be carried, or late and the field
be carried. A thousand rules on one address want the address carried, one rule on an IPv6 address wants the bit. So
both orders are tried for each field and everything that depends on that field alone, and for the rest as a whole;
what needs fewer register bits is taken. The latency does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .netlist import INLINE, INPUTS, VECTORS, Netlist

_FIXED = INPUTS | {"fetch", "align", "bytes", "flag", "lookup"}
"""Taken from wider values or from keys, so there is nothing to gain by waiting."""
_NONE, _MANY = -1, -2

Place = tuple[int, int]
"""Stage, and logic levels used in it up to the net's value."""


def retime(nets: Netlist, roots: Sequence[int]) -> tuple[list[int], int]:
    """(stage of every net, stages in all). An inline net's entry means nothing."""
    work = _Retiming(nets, roots)
    early = [(net.stage, net.depth) for net in nets.nets]
    late = work.latest(early, work.movable)
    for cone in work.cones:
        work.improve(early, work.latest(early, cone), cone)
        # What the cone's nets use is fixed, so that their first places are always allowed.
        work.improve(late, [(net.stage, net.depth) for net in nets.nets], cone)
    best = min(early, late, key=work.bits)
    return [stage for stage, _ in best], work.latency


class _Retiming:
    def __init__(self, nets: Netlist, roots: Sequence[int]) -> None:
        self.nets = nets
        self.latency = max((nets[r].stage for r in roots), default=0) + 1
        self.users: dict[int, list[int]] = {}
        """Nets with a value of their own that the roots need, and the nets that use them."""
        self.kept: set[int] = set()
        """Those used as roots, which have to last until the end."""
        self._behind: dict[int, tuple[int, ...]] = {}
        for root in roots:
            self.kept.update(self.real(root))
        needed = set(self.kept)
        for ref in range(len(nets.nets) - 1, -1, -1):
            if ref in needed:
                self.users.setdefault(ref, [])
                for arg in self.args(ref):
                    needed.add(arg)
                    self.users.setdefault(arg, []).append(ref)
        self.movable: list[int] = []
        self.cones = self._cones()

    def real(self, ref: int) -> tuple[int, ...]:
        """The nets with values of their own behind an operand."""
        net = self.nets[ref]
        if net.op not in INLINE:
            return (ref,)
        if ref not in self._behind:
            self._behind[ref] = tuple(r for a in net.args for r in self.real(a))
        return self._behind[ref]

    def args(self, ref: int) -> set[int]:
        return {r for a in self.nets[ref].args for r in self.real(a)}

    def _cones(self) -> list[list[int]]:
        """For each field the movable nets that depend on it and on nothing else but flags. What depends on flags alone
        is not moved: it is one bit, and others may count on it."""
        source: dict[int, int] = {}
        cones: dict[int, list[int]] = {}
        for ref in sorted(self.users):
            op = self.nets[ref].op
            if op in _FIXED:
                source[ref] = _NONE if op in ("flag", "keep", "place") else ref
                continue
            found = {source[a] for a in self.args(ref)} - {_NONE}
            source[ref] = (found.pop() if found else _NONE) if len(found) < 2 else _MANY
            if source[ref] != _NONE:
                self.movable.append(ref)
            if source[ref] >= 0:
                cones.setdefault(source[ref], []).append(ref)
        return list(cones.values())

    def latest(self, places: list[Place], some: Iterable[int]) -> list[Place]:
        """The places with ``some`` (ascending) moved to the last ones that their users allow."""
        out = list(places)
        nets, levels = self.nets, self.nets.levels
        for ref in sorted(some, reverse=True):
            cost = nets[ref].cost
            last = (self.latency - 1, levels)
            for user in self.users[ref]:
                stage, depth = out[user]
                start = depth - nets[user].cost
                if nets[user].cycles:
                    stage, start = stage - nets[user].cycles, levels
                last = min(last, (stage, start) if start >= cost else (stage - 1, levels))
            out[ref] = max(last, places[ref])
        return out

    def _bits_of(self, ref: int, places: list[Place]) -> int:
        """Register bits that carry one net to its users."""
        last = (
            self.latency
            if ref in self.kept
            else max((places[u][0] - self.nets[u].cycles for u in self.users[ref]), default=0)
        )
        return self.nets[ref].width * max(0, last - places[ref][0])

    def bits(self, places: list[Place]) -> int:
        return sum(self._bits_of(r, places) for r in self.users if self.nets[r].op not in VECTORS)

    def improve(self, places: list[Place], other: list[Place], cone: list[int]) -> None:
        """Takes the other places for the nets of a cone if that needs fewer bits."""
        touched = {*cone, *(a for ref in cone for a in self.args(ref))}
        before = sum(self._bits_of(r, places) for r in touched)
        saved = [places[r] for r in cone]
        for ref in cone:
            places[ref] = other[ref]
        if sum(self._bits_of(r, places) for r in touched) >= before:
            for ref, place in zip(cone, saved, strict=True):
                places[ref] = place
