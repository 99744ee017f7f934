"""Sample packets of a Plan: on them gates look different that are, so that few pairs are asked about in vain.

One idea: generated traffic and noise, into which fields are written that the Plan asks for: what a condition wants, on
its edges as often as inside, and numbers of every magnitude. Samples prove nothing; bad ones only cost time.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from sevenm.boundary import PORTS, SIZE_MAX
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import Events, columns_of
from sevenm.sim.packets import packets

from .packet_bits import Sample

COUNT = 1536
LONGEST = 640
"""Bytes of the longest sample."""
DEPTH = 24
"""Conditions inside of one another that are followed."""
SEED = 1


def samples_of(plan: Plan) -> list[Sample]:
    """The same ones for the same Plan."""
    random = Random(SEED)
    made = [bytearray(_data(random, plan.source, traffic.data)) for traffic in packets(SEED, COUNT)]
    sidebands = [(len(data), random.getrandbits(random.randrange(65)), _source(random)) for data in made]
    conditions = [ref for ref in plan.conditions if plan.nodes[ref].op != "const"]
    loads = [ref for ref, node in enumerate(plan.nodes) if node.op == "load"]
    if loads:
        starts = _starts(plan, made)
        for number, data in enumerate(made):
            writer = _Writer(plan, random, data, {ref: int(column[number]) for ref, column in starts.items()})
            if number % 8 and conditions:
                writer.want(random.choice(conditions), number % 4 > 0, 0)
            for ref in random.sample(loads, min(len(loads), random.randrange(4))):
                writer.write(ref, _number(random, 8 * plan.nodes[ref].attrs[1]))
    return [
        Sample(bytes(data), _size(random, size), time, source)
        for data, (size, time, source) in zip(made, sidebands, strict=True)
    ]


def _data(random: Random, source: str, traffic: bytes) -> bytes:
    if source == "packet" and random.random() < 0.8:
        data = traffic[:LONGEST]
        return data if random.random() < 0.4 else data + random.randbytes(random.randrange(LONGEST - len(data) + 1))
    return random.randbytes(random.choice((64, 64, 64, 128, random.randrange(LONGEST))))


def _number(random: Random, bits: int) -> int:
    """Of any magnitude."""
    return random.getrandbits(random.randrange(bits + 1))


def _source(random: Random) -> int:
    return random.choice((0, 1 << random.randrange(PORTS), 1 << random.randrange(PORTS), random.getrandbits(PORTS)))


def _size(random: Random, size: int) -> int:
    return min(SIZE_MAX, random.choice((size, size, size + 4, _number(random, 16))))


def _starts(plan: Plan, made: Sequence[bytes | bytearray]) -> dict[int, np.ndarray]:
    """Where the fields of each sample begin."""
    lengths = np.array([len(data) for data in made], np.int64)
    ends = np.cumsum(lengths)
    buffer = np.frombuffer(b"".join(made), np.uint8)
    zeros = np.zeros(len(made), np.int64)
    columns = columns_of(plan, Events(buffer, ends - lengths, lengths, lengths, zeros, 0))
    out = {}
    for node in plan.nodes:
        if node.op == "load" and node.args[0] not in out:
            column = columns[node.args[0]]
            assert column is not None, "a start needs no state"
            out[node.args[0]] = column
    return out


class _Writer:
    """Writes fields into one sample. ``starts``: where they begin."""

    def __init__(self, plan: Plan, random: Random, data: bytearray, starts: dict[int, int]) -> None:
        self.nodes, self.random, self.data, self.starts = plan.nodes, random, data, starts

    def write(self, ref: int, value: int) -> None:
        node = self.nodes[ref]
        disp, count, little = node.attrs
        at = self.starts[node.args[0]] + disp
        if at + count <= min(len(self.data), LONGEST):
            self.data[at : at + count] = (value & (1 << 8 * count) - 1).to_bytes(count, "little" if little else "big")

    def want(self, ref: int, holds: bool, depth: int) -> None:
        """Writes what may make a condition hold, or not."""
        node, random = self.nodes[ref], self.random
        if depth > DEPTH:
            return
        match node.op:
            case "not":
                self.want(node.args[0], not holds, depth + 1)
            case "all" | "any":
                some = node.args if (node.op == "all") == holds else (random.choice(node.args),)
                for arg in some:
                    self.want(arg, holds, depth + 1)
            case "member":
                place = 2 * random.randrange(len(node.attrs) // 2)
                lo, hi = node.attrs[place : place + 2]
                inside = random.choice((lo, hi, random.randint(lo, hi)))
                self._give(node.args[0], inside if holds else random.choice((lo - 1, hi + 1)))
            case "eq" | "lt":
                for x, y in (node.args, node.args[::-1]):
                    if self.nodes[y].op == "const":
                        edge = self.nodes[y].attrs[0]
                        self._give(x, edge if holds and node.op == "eq" else edge + random.choice((-1, 0, 1)))

    def _give(self, ref: int, value: int) -> None:
        """Writes what may make a node have this value."""
        node = self.nodes[ref]
        if value < 0:
            return
        if node.op == "load":
            self.write(ref, value)
        elif node.op == "bits" and self.nodes[node.args[0]].op == "load":
            noise = self.random.getrandbits(128)
            lsb, width = node.attrs
            self._give(node.args[0], noise & ~(((1 << width) - 1) << lsb) | value << lsb)
        elif node.op == "band" and self.nodes[node.args[0]].op == "load":
            self._give(node.args[0], value)
        elif node.op == "mul":
            one = max(1, _number(self.random, 32))
            self._give(node.args[0], one)
            self._give(node.args[1], value // one + self.random.choice((0, 0, 1)))
