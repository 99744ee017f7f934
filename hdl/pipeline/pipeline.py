"""A description as a decision pipeline: placed once, then built of wires and registers that carry its names.

One idea: a value keeps its name from stage to stage; ``tcp_dstport`` is made in one stage, and ``tcp_dstport_s4`` is
the register that leads it into stage 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from amaranth.hdl import Cat, Module, Shape, Signal

from ..axis import BEAT_BYTES
from ..beats import BeatMemory
from ..decision import DecisionPipeline
from ..delay import DelayLine
from ..tables.lookup import TableLookup
from .act import Verdict, lower_verdict
from .description import Description, Program, program
from .lower import Lowering
from .netlist import INLINE, INPUTS, VECTORS, Netlist
from .schedule import Schedule, Stage, schedule, written
from .signals import fit, net_value

LEVELS = (2, 3, 4)
"""Logic levels between registers that a pipeline can be asked for, fewest (and so the fastest clock) first."""
DELAY_MIN = 4
"""Stages that a vector passes unseen from which on a memory takes it there instead of registers."""
WORD = 64
"""Bits without names that go side by side into one register."""


@dataclass(frozen=True)
class Placed:
    """A program's nets, each in its stage. ``latency`` is the decision's own, in cycles."""

    program: Program
    nets: Netlist
    verdict: Verdict
    schedule: Schedule
    beats: int
    beat_bytes: int
    window_bytes: int

    @property
    def latency(self) -> int:
        return self.schedule.latency


_PLACED: WeakKeyDictionary[type[Description], dict[tuple[int, int], Placed]] = WeakKeyDictionary()
"""What was placed for descriptions that are still there, by levels and bytes of a beat."""


def place(description: type[Description], levels: int, beat_bytes: int = BEAT_BYTES) -> Placed:
    """Places everything a description says, with ``levels`` logic levels between two registers."""
    done = _PLACED.setdefault(description, {})
    found = done.get((levels, beat_bytes))
    if found is None:
        what = program(description)
        lowering = Lowering(what, levels, beat_bytes)
        lowering.run()
        verdict = lower_verdict(what, lowering)
        times = schedule(lowering.nets, verdict.roots)
        found = Placed(what, lowering.nets, verdict, times, lowering.beats, beat_bytes, lowering.window_bytes)
        done[levels, beat_bytes] = found
    return found


class Pipeline(DecisionPipeline):
    """The hardware of a description.

    ``levels`` is how much logic stands between two registers: one level is a 6-input look-up table, a 4:1 multiplexer
    or about 16 bits of carry chain. ``latency`` is what it comes to and may be stated; ValueError if it does not.
    """

    def __init__(
        self, description: type[Description], *, levels: int = 3, latency: int | None = None,
        beat_bytes: int = BEAT_BYTES,
    ) -> None:  # fmt: skip
        self.placed = placed = place(description, levels, beat_bytes)
        if latency not in (None, placed.latency):
            raise ValueError(f"{description.__name__} takes {placed.latency} cycles at {levels} levels, not {latency}")
        super().__init__(
            beats=placed.beats,
            beat_bytes=beat_bytes,
            window_bytes=placed.window_bytes,
            blocks=placed.program.shapes,
            n_channels=len(placed.program.channels),
            latency=placed.latency,
            rows=placed.nets.rows,
            tables=tuple(table.memory for table in placed.program.tables),
        )

    def elaborate(self, platform: Any) -> Module:
        return _Builder(self, self.placed).build()


@dataclass(slots=True)
class _Held:
    """A vector's units from ``first`` on, as they are in ``stage``."""

    value: Any
    first: int
    stage: int


class _Builder:
    """Builds the stages, one after the other."""

    def __init__(self, ports: Pipeline, placed: Placed) -> None:
        self.m = Module()
        self.ports = ports
        self.nets = placed.nets
        self.tables = placed.program.tables
        self.lookups: dict[int, TableLookup] = {}
        self.verdict = placed.verdict
        self.stages = placed.schedule.stages
        self.names = _names(placed.nets)
        self.fetched: dict[int, list[int]] = {}
        """The memories of beats, by the stage that they are written in."""
        for number, stage in enumerate(self.stages):
            for ref in stage.computed:
                if placed.nets[ref].op == "fetch":
                    self.fetched.setdefault(written(placed.nets[ref], number), []).append(ref)
        self.values: dict[int, Any] = {}
        self.vectors: dict[int, _Held] = {}
        inputs = {
            "window": ports.window,
            "keep": ports.keep,
            "place": ports.place,
            "size": ports.size,
            "time": ports.ts,
            "source": ports.src,
            **({"bank": ports.bank} if self.tables else {}),
        }
        self.memories: dict[int, BeatMemory] = {}
        self.rows: dict[int, list[Signal]] = {}
        if ports.rows:
            inputs |= {"beat": ports.beat, "origin": ports.origin}
            self.writes = (ports.stored, ports.row)
        for ref, net in enumerate(placed.nets.nets):
            if net.op in VECTORS:
                self.vectors[ref] = _Held(inputs[net.op], 0, 0)
            elif net.op in INPUTS:
                self.values[ref] = inputs[net.op]

    def build(self) -> Module:
        for number, stage in enumerate(self.stages):
            if number:
                self._registers(number, stage)
            self._memories(number)
            for ref in stage.computed:
                self._compute(ref)
            for ref in stage.started:
                self._start(ref)
        verdict = self.ports.verdict
        for name in ("blocks", "channels", "forward"):
            bits = [self._use(ref) for ref in getattr(self.verdict, name)]
            self.m.d.comb += verdict[name].eq(fit(Cat(bits), len(verdict[name]), False))
        for name in ("drop", "malformed", "truncated", "punt"):
            self.m.d.comb += verdict[name].eq(self._use(getattr(self.verdict, name)))
        return self.m

    def _use(self, ref: int) -> Any:
        """A net's value in the present stage."""
        net = self.nets[ref]
        if net.op in VECTORS:
            return self.vectors[ref].value
        if net.op in INLINE:
            return net_value(net, [self._use(a) for a in net.args], 0)
        return self.values[ref]

    def _start(self, ref: int) -> None:
        """A look-up of the keys of this stage, whose answer is computed some stages on; or the rows of a fetch, each in
        registers of its own, for the memories that they lead to are far apart."""
        net = self.nets[ref]
        if net.op == "fetch":
            rows = [fit(self._use(row), (net.attrs[0] - 1).bit_length(), False) for row in net.args[1:]]
            self.rows[ref] = [self._register(f"{self.names[ref]}_row{i}", row) for i, row in enumerate(rows)]
            return
        number, *keys = self.nets[ref].attrs[0], *self.nets[ref].args
        table = self.tables[number]
        self.lookups[ref] = lookup = TableLookup(table.memory.shape, table.memory.rows)
        self.m.submodules[self.names[ref]] = lookup
        parts = [fit(self._use(a), width, False) for a, width in zip(keys, (*table.keys, 1), strict=True)]
        self.m.d.comb += [
            lookup.key.eq(Cat(parts[:-1])),
            lookup.bank.eq(parts[-1]),
            lookup.update.eq(getattr(self.ports, f"update{number}")),
        ]

    def _compute(self, ref: int) -> None:
        net = self.nets[ref]
        if net.op == "lookup":
            self.values[ref] = Cat(self.lookups[ref].hit, self.lookups[ref].values)[: net.width]
            return
        signal = Signal(Shape(net.width, net.is_signed), name=self.names[ref])
        if net.op == "fetch":
            value = self._fetch(ref)
        else:
            first = self.vectors[net.args[0]].first if net.args and net.args[0] in self.vectors else 0
            value = net_value(net, [self._use(a) for a in net.args], first)
        self.m.d.comb += signal.eq(fit(value, net.width, net.is_signed))
        self.values[ref] = signal

    def _memories(self, number: int) -> None:
        """The memories of beats that are written in this stage."""
        for ref in self.fetched.get(number, ()):
            net = self.nets[ref]
            depth, _, *groups = net.attrs
            lanes = [[lane for lane, at in enumerate(groups) if at == group] for group in range(len(net.args) - 1)]
            memory = BeatMemory(depth, len(groups), lanes)
            self.m.submodules[f"{self.names[ref]}_beats"] = self.memories[ref] = memory
            stored, row = self.writes
            self.m.d.comb += [
                memory.w_en.eq(stored),
                memory.w_row.eq(row),
                memory.w_data.eq(self._use(net.args[0])),
            ]

    def _fetch(self, ref: int) -> Any:
        memory = self.memories[ref]
        for group, row in enumerate(self.rows[ref]):
            self.m.d.comb += getattr(memory, f"row{group}").eq(row)
        return memory.data

    def _registers(self, number: int, stage: Stage) -> None:
        """The registers that lead into a stage."""
        if self.fetched and number <= max(self.fetched):
            stored, row = self.writes
            self.writes = (self._register(f"stored_s{number}", stored), self._register(f"row_s{number}", row))
        for vector, (start, stop) in stage.ranges.items():
            held = self.vectors[vector]
            gap = stage.next_use[vector] - held.stage
            if gap < DELAY_MIN or number == stage.next_use[vector]:
                self._vector(vector, number, start, stop, gap)
        loose = []
        for ref in stage.carried:
            if ref in self.nets.names or self.nets[ref].width > 1:
                self.values[ref] = self._register(f"{self.names[ref]}_s{number}", self.values[ref])
            else:
                loose.append(ref)
        for at in range(0, len(loose), WORD):
            refs = loose[at : at + WORD]
            word = self._register(f"conditions{at // WORD}_s{number}", Cat(self.values[ref] for ref in refs))
            self.values.update((ref, word[i]) for i, ref in enumerate(refs))

    def _vector(self, vector: int, number: int, start: int, stop: int, gap: int) -> None:
        held, op = self.vectors[vector], self.nets[vector].op
        unit = 1 if op == "keep" else 8
        part = held.value[unit * (start - held.first) : unit * (stop - held.first)]
        if gap >= DELAY_MIN:
            line = DelayLine(len(part), gap)
            self.m.submodules[f"{op}_s{number}"] = line
            self.m.d.comb += line.i.eq(part)
            self.vectors[vector] = _Held(line.o, start, number)
        else:
            self.vectors[vector] = _Held(self._register(f"{op}_s{number}", part), start, number)

    def _register(self, name: str, value: Any) -> Signal:
        """The value one cycle later, without reset."""
        signal = Signal(value.shape(), name=name, reset_less=True)
        self.m.d.sync += signal.eq(value)
        return signal


def _names(nets: Netlist) -> Sequence[str]:
    """A name for the signal of every net: that of the expression whose value it is, else of the one that it is a part
    of, with its operation and number."""
    taken = set(nets.names.values())
    out = []
    for ref, net in enumerate(nets.nets):
        name = nets.names.get(ref)
        if name is None:
            name = f"{nets.owners[ref]}_{net.op}{ref}".lstrip("_")
            while name in taken:
                name += "_"
        out.append(name)
    return out
