"""Question: what does a core cost, and how fast can its clock be, as rules are added?

Cores as `sevenm synth` maps, places and routes them, for ECP5-85 (speed grade 8), out of context: five-tuple rules over
bare records (ClassBench acl1), the rules of examples/edge.7m, and packets without any condition, which is what parser
and shell cost. LUT4 with those of carry chains, flip-flops, sites (with those that are memory), and for each design the
clock of several seeds. Minutes a design and seed, on one processor; what was placed before comes from the cache, so a
run that was interrupted goes on. Figures do not depend on load.

    python bench/synth.py [--rules N ...] [--designs NAME ...] [--seeds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _classbench import FiveTuples, load
from _machine import machine_facts
from _results import save
from _table import SCHEMA

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import MissingExtra
from sevenm.compiler.plan import Plan
from sevenm.sim.synthesis.programs import SynthesisError
from sevenm.sim.synthesis.synthesize import Synthesis, core_of, synthesize
from sevenm.sim.synthesis.targets import ECP5

SET = "acl1"
ROOT = Path(__file__).resolve().parent.parent
EMPTY = "rules none on packet first { default => count all }"
DESIGNS = ("no condition", "edge")


def record_rules(rules: FiveTuples) -> str:
    """The set as rules over records."""
    lines = [f"  rule r{at}: {_condition(lo, hi)} => deliver all" for at, (lo, hi) in enumerate(_pairs(rules))]
    return f"{SCHEMA}rules set on Header first {{\n" + "\n".join(lines) + "\n}\n"


def _pairs(rules: FiveTuples) -> Iterator[tuple[list[int], list[int]]]:
    yield from zip(rules.lo.tolist(), rules.hi.tolist(), strict=True)


def _condition(lo: list[int], hi: list[int]) -> str:
    """A field that may be anything is not asked for."""
    parts = []
    for name, first, last, bits in zip(
        ("src", "dst", "sport", "dport", "proto"), lo, hi, (32, 32, 16, 16, 8), strict=True
    ):
        if bits == 32 and (length := 33 - (last - first + 1).bit_length()):
            parts.append(f"{name} == {'.'.join(str(b) for b in first.to_bytes(4, 'big'))}/{length}")
        elif bits < 32 and (first, last) != (0, (1 << bits) - 1):
            parts.append(f"{name} == {first}" if first == last else f"{name} in {{{first}..{last}}}")
    return " and ".join(parts) or "proto >= 0"


def designs(sizes: list[int], named: list[str]) -> Iterator[tuple[str, int, Plan]]:
    """Name, number of rules and Plan of each."""
    for count in sizes:
        yield "records", count, compile_text(record_rules(load(SET, count)), "records").plan
    if "no condition" in named:
        yield "no condition", 0, compile_text(EMPTY, "none").plan
    if "edge" in named:
        path = ROOT / "examples" / "edge.7m"
        plan = compile_text(path.read_text(), "edge", path.parent).plan
        yield "edge", len(plan.rules), plan


def result(name: str, rules: int, done: Synthesis) -> dict[str, Any]:
    typical = done.typical()
    return {
        "design": name,
        "rules": rules,
        "resources": done.resources,
        "levels": done.core.levels,
        "latency_cycles": done.core.latency_cycles,
        "clock_mhz": {
            "seeds": [one.seed for one in done.placed],
            "runs": [round(one.clock_mhz, 1) for one in done.placed],
        },
        "logic_ns": round(typical.path.logic_ns, 2),
        "routing_ns": round(typical.path.routing_ns, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, nargs="*", default=[64, 256, 1024], help="rules over records")
    parser.add_argument("--designs", nargs="*", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="default: bench/results/synth-DATE.json")
    options = parser.parse_args()
    if options.seeds < 1 or min(options.rules, default=1) < 1:
        parser.error("at least one seed and one rule")
    facts = machine_facts()
    results = []
    versions: dict[str, str] = {}
    for name, rules, plan in designs(options.rules, options.designs):
        try:
            done = synthesize(
                core_of(plan), ECP5, range(1, options.seeds + 1), lambda step: print(f"  {step}", flush=True)
            )
        except (MissingExtra, SynthesisError) as error:
            raise SystemExit(f"{name}, {rules} rules: {error}") from error
        results.append(result(name, rules, done))
        versions = dict(done.versions)
        clocks = [one.clock_mhz for one in done.placed]
        used = ", ".join(f"{amount:,.0f} {what}" for what, amount in done.resources.items() if amount)
        print(
            f"{name:12} {rules:6,} rules: {min(clocks):.0f} / {done.clock_mhz:.0f} / {max(clocks):.0f} MHz, "
            f"{done.latency_ns:.0f} ns; {used}", flush=True,
        )  # fmt: skip
    body = {
        "question": "cost and clock of cores, ECP5-85 speed grade 8, out of context",
        "machine": facts, "load_after": f"{os.getloadavg()[0]:.1f}", "set": SET, "device": ECP5.title,
        "tools": versions, "results": results,
    }  # fmt: skip
    save("synth", body, options.json)


if __name__ == "__main__":
    sys.exit(main())
