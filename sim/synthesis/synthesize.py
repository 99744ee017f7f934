"""A Plan's core, mapped, placed and routed: what it costs, how fast its clock can be, and why not faster.

One idea: the Verilog of the bundle is what is measured, out of context: ports are no pads and paths over them do not
count, so a figure says what the core itself does. Placing starts from a random order; each figure of a clock is given
for several seeds.
"""

from __future__ import annotations

import json
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sevenm.compiler.plan import Plan
from sevenm.manifest import BEAT_BITS_DEFAULT

from .critical_path import Path as TimingPath
from .critical_path import fastest, longest
from .kept import Kept
from .programs import NEXTPNR, YOSYS, Program, SynthesisError
from .targets import Target

ASKED_MHZ = 400
"""What nextpnr is asked for, whatever the user wants: more than it reaches. It does what it can in any case, and so a
figure depends on the core and the seed alone."""
SEEDS_MAX = 64
CORE, NETLIST, CELLS, REPORT = "core.v", "netlist.json", "cells.json", "report.json"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Core:
    """What is synthesized. ``known``: words for the names in it, as in ``critical_path.place_of``."""

    verilog: str
    top: str
    latency_cycles: int
    levels: int
    known: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Placed:
    """What one seed came to."""

    seed: int
    clock_mhz: float
    path: TimingPath


@dataclass(frozen=True, slots=True)
class Synthesis:
    """``cells`` by kind, as mapped; ``placed`` has one entry for each seed, none where the target is not placed."""

    core: Core
    target: Target
    cells: Mapping[str, int]
    placed: tuple[Placed, ...]
    versions: Mapping[str, str]

    @property
    def resources(self) -> dict[str, float]:
        return {resource.name: resource.used(self.cells) for resource in self.target.resources}

    @property
    def clock_mhz(self) -> float | None:
        """The median of the seeds; None where nothing was placed."""
        return statistics.median(one.clock_mhz for one in self.placed) if self.placed else None

    @property
    def latency_ns(self) -> float | None:
        """At that clock."""
        return None if self.clock_mhz is None else 1000 * self.core.latency_cycles / self.clock_mhz

    def typical(self) -> Placed:
        """The seed whose clock is the median, the slower one of two. There has to be one."""
        ordered = sorted(self.placed, key=lambda one: one.clock_mhz)
        return ordered[(len(ordered) - 1) // 2]


def core_of(plan: Plan, beat_bits: int = BEAT_BITS_DEFAULT, marks: bool = True) -> Core:
    """The core as ``sevenm build`` writes it for beats of ``beat_bits``, with or without ``marks``. Raises MissingExtra
    without Amaranth, NotInGateware."""
    from sevenm.compiler.bundle import MissingExtra, gateware_missing

    missing = gateware_missing()
    if missing is not None:
        raise MissingExtra(f"the gateware needs {missing}, which is not installed: pip install 'sevenm[synth]'")
    from sevenm.compiler.backends.gateware.emit import emit_source
    from sevenm.compiler.backends.gateware.options import TOP
    from sevenm.compiler.backends.gateware.verilog import to_verilog

    source = emit_source(plan, beat_bytes=beat_bits // 8, marks=marks)
    return Core(
        to_verilog(plan, beat_bytes=beat_bits // 8, marks=marks),
        TOP,
        source.latency_cycles,
        source.levels,
        words_of(plan),
    )


def words_of(plan: Plan) -> dict[str, str]:
    """What the description's names are to an author of rules."""
    known = {"parse_malformed": "malformed", "parse_truncated": "truncated", "punt": "punt"}
    for _, name in plan.names.pairs():
        if name.kind != "rule":
            known.setdefault(name.identifier, f"{name.kind} {name.text}")
        else:
            known[f"rule_{name.identifier}"] = f"rule {name.text}"
    known |= {f"rule_{re.sub(r'[^0-9A-Za-z]+', '_', rule.name)}": f"rule {rule.name}" for rule in plan.rules}
    return known | {f"block_{block.name}": f"block {block.name}" for block in plan.blocks}


def synthesize(core: Core, target: Target, seeds: Sequence[int], progress: Progress | None = None) -> Synthesis:
    """Maps the core and, where the target has a device, places and routes it once for each seed, unless the cache has
    it from before. ``progress`` is called with the name of each step that it has not.

    Raises MissingExtra, SynthesisError for a core that does not fit or that a program fails on, OSError."""
    versions = {program.name: program.version() for program in ((YOSYS, NEXTPNR) if target.is_placed else (YOSYS,))}
    with tempfile.TemporaryDirectory(prefix="sevenm-synth-") as folder:
        work = _Work(core, target, versions, Kept(), Path(folder), progress or (lambda step: None))
        cells, netlist = work.mapped()
        _fits(cells, target)
        placed = tuple(work.placed(netlist, seed) for seed in seeds) if target.is_placed else ()
    return Synthesis(core, target, cells, placed, versions)


def _fits(cells: Mapping[str, int], target: Target) -> None:
    """Raises SynthesisError naming each resource that the device has too little of."""
    lacking = [
        f"{resource.used(cells):,.0f} {resource.name} of {resource.available:,}"
        for resource in target.resources
        if resource.available is not None and resource.used(cells) > resource.available
    ]
    if lacking:
        raise SynthesisError(
            f"the core does not fit {target.title}: it needs {' and '.join(lacking)}; split the rule file, or see "
            f"what it costs elsewhere with --target xcup"
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """One core's way through the programs, in a folder of its own."""

    core: Core
    target: Target
    versions: Mapping[str, str]
    kept: Kept
    folder: Path
    say: Progress

    def mapped(self) -> tuple[dict[str, int], bytes]:
        """The cells by kind and, for a target that is placed, the netlist of them in JSON."""
        script = self._script()
        key = ("mapped", self.core.verilog, self.target.name, script, self.versions[YOSYS.name])
        found = self.kept.find(*key)
        if found is None:
            self.say("mapping")
            (self.folder / CORE).write_text(self.core.verilog)
            YOSYS.run(["-q", "-p", script], self.folder, self.say)
            stat = json.loads(self._made(CELLS, YOSYS))
            found = json.dumps({"cells": stat["design"]["num_cells_by_type"]}).encode() + b"\n"
            found += self._made(NETLIST, YOSYS) if self.target.is_placed else b""
            self.kept.keep(found, *key)
        counts, _, netlist = found.partition(b"\n")
        cells: dict[str, int] = json.loads(counts)["cells"]
        return cells, netlist

    def _script(self) -> str:
        """What Yosys is told: copies of a register that a core keeps apart stay apart (docs/gateware.md)."""
        top = f"-top {self.core.top}"
        return "; ".join(
            (
                f"read_verilog {CORE}",
                f"hierarchy {top}",
                "proc",
                "flatten",
                "setattr -set keep 1 w:*fo_* %ci1 t:$dff %i",
                f"{self.target.synth} {top}",
                f"write_json {NETLIST}",
                f"tee -q -o {CELLS} stat -json",
            )
        )

    def placed(self, netlist: bytes, seed: int) -> Placed:
        """What this seed comes to."""
        options = [
            *(self.target.options or ()), "--out-of-context", "--top", self.core.top, "--json", NETLIST,
            "--report", REPORT, "--freq", str(ASKED_MHZ), "--timing-allow-fail", "--seed", str(seed), "--quiet",
        ]  # fmt: skip
        key = ("placed", self.core.verilog, self.target.name, self._script(), *options, *self.versions.values())
        found = self.kept.find(*key)
        if found is None:
            self.say(f"placing and routing, seed {seed}")
            (self.folder / NETLIST).write_bytes(netlist)
            NEXTPNR.run(options, self.folder, self.say)
            found = self._made(REPORT, NEXTPNR)
            self.kept.keep(found, *key)
        report = json.loads(found)
        return Placed(seed, fastest(report), longest(report))

    def _made(self, name: str, by: Program) -> bytes:
        """A file that the program wrote, which is not there any more."""
        try:
            data = (self.folder / name).read_bytes()
            (self.folder / name).unlink()
        except FileNotFoundError:
            raise SynthesisError(f"{by.name} ended without its {name}; is the disk full?") from None
        return data
