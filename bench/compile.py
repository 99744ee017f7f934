"""Question: how long is it from a rule file to a verdict on it, to an engine that runs, to Verilog?

ClassBench rules (acl1), from a file, as whole processes, as their user sees them: `sevenm check`; `sevenm run` on a
capture of some hundred packets with an empty cache and with a full one; `sevenm build` with the core. And a check of
rules of all kinds: fields of every header, sets, ranges, bytes of payloads, "or" and "not". Per command: wall
clock, the time of processor of it and of what it started (the C compiler), which a busy machine disturbs less, and the
largest resident memory that one of them had. Commands are run interleaved; one untimed `sevenm check` warms up
(bytecode, the page cache). Only sevenm's own part of the cache is emptied: what Amaranth's Yosys, which is
WebAssembly, is compiled to lies beside it, takes ten seconds once per machine, and is made by an untimed build. The
engine must count the same with both caches, or the benchmark fails.

    python bench/compile.py [--rules N ...] [--verilog N ...] [--runs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _classbench import load, rule_text
from _machine import machine_facts
from _mixed import mixed_rules
from _process import Took, as_a_user, run
from _results import save
from start import OFFICE, SEVENM

SET = "acl1"


@dataclass(frozen=True)
class Command:
    """``fresh``: the cache is emptied before each run. ``said``: whether its output must not differ from run to run."""

    what: str
    rules: int
    words: tuple[str, ...]
    fresh: bool = False
    said: bool = False


def commands(sizes: list[int], verilog: list[int], folder: Path) -> Iterator[Command]:
    """Those of one size one after the other; an engine that is cached was put there by the one before it."""
    for count in sorted({*sizes, *verilog}):
        rules = folder / f"{SET}-{count}.7m"
        rules.write_text(rule_text(load(SET, count)))
        if count in sizes:
            engine = (*SEVENM, "run", str(rules), "-r", str(OFFICE), "--engine", "host", "--json")
            mixed = folder / f"mixed-{count}.7m"
            mixed.write_text(mixed_rules(count))
            yield Command("check", count, (*SEVENM, "check", str(rules)))
            yield Command("check, mixed", count, (*SEVENM, "check", str(mixed)))
            yield Command("engine, cold", count, engine, fresh=True, said=True)
            yield Command("engine, cached", count, engine, said=True)
        if count in verilog:
            yield Command("Verilog", count, (*SEVENM, "build", str(rules), "-o", str(folder / f"bundle-{count}")))


def measure(command: Command, folder: Path, env: dict[str, str]) -> tuple[Took, bytes]:
    """And its output. Raises SystemExit if the command fails."""
    if command.fresh:
        shutil.rmtree(Path(env["XDG_CACHE_HOME"]) / "sevenm", ignore_errors=True)
    out = folder / "out"
    return run(command.words, out, env), out.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--verilog", type=int, nargs="*", default=[100, 1000], help="rules of which a core is made")
    parser.add_argument("--runs", type=int, default=5, help="at least 3")
    parser.add_argument("--json", type=Path, help="default: bench/results/compile-DATE.json")
    options = parser.parse_args()
    if options.runs < 3 or min(options.rules + options.verilog) < 1:
        parser.error("at least 3 runs of at least 1 rule")
    facts = machine_facts()
    if float(facts["load"]) > 1:
        print(f"the machine is busy (load {facts['load']} on {facts['cores']} cores): wall clock says little")
    with tempfile.TemporaryDirectory(prefix="sevenm-bench-") as name:
        folder = Path(name)
        env = as_a_user(folder / "cache")
        sides = list(commands(options.rules, options.verilog, folder))
        measure(sides[0], folder, env)
        if options.verilog:
            small = folder / "warm.7m"
            small.write_text(mixed_rules(1))
            run((*SEVENM, "build", str(small), "-o", str(folder / "warm")), folder / "out", env)
        took: list[list[Took]] = [[] for _ in sides]
        said: dict[int, bytes] = {}
        for _ in range(options.runs):
            for side, runs in zip(sides, took, strict=True):
                result, output = measure(side, folder, env)
                runs.append(result)
                if side.said and said.setdefault(side.rules, output) != output:
                    raise SystemExit(f"the engine of {side.rules} rules counts something else than before")
    results = []
    for side, runs in zip(sides, took, strict=True):
        wall, cpu, peak = ([getattr(one, what) for one in runs] for what in ("wall", "cpu", "peak"))
        results.append(
            {"what": side.what, "rules": side.rules, "wall_s": _rounded(wall), "cpu_s": _rounded(cpu),
             "peak_mib": _rounded(peak)}
        )  # fmt: skip
        print(
            f"{side.what:15} {side.rules:6} rules  wall {statistics.median(wall):8.2f} s  "
            f"processor {statistics.median(cpu):8.2f} s  peak {max(peak):6.0f} MiB"
        )
    body = {
        "question": "from a rule file to a verdict, an engine, Verilog, as whole processes",
        "machine": facts, "load_after": f"{os.getloadavg()[0]:.1f}", "set": SET, "results": results,
    }  # fmt: skip
    save("compile", body, options.json)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


if __name__ == "__main__":
    sys.exit(main())
