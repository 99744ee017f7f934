"""Question: how much of a core do generated packets exercise?

Cores of examples/ under Verilator's line and toggle coverage, after generated packets, well-formed and broken, with and
without gaps and stops. A core has wires that cannot change: source ports of a bench that has one, high bits of
lengths. Those whose bits all stood still are named.

    python bench/coverage.py [--rules FILE ...] [--packets N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _results import save

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import MissingExtra
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.sim import packets
from sevenm.sim.coverage import read_points, shares, still
from sevenm.sim.instruments import COVERAGE
from sevenm.sim.model import Drive
from sevenm.sim.synthesis.synthesize import core_of
from sevenm.sim.verilate import ModelUnavailable, open_model

ROOT = Path(__file__).resolve().parent.parent
DRIVES = (Drive(), Drive(valid_percent=70, ready_percent=60, seed=1), Drive(valid_percent=95, ready_percent=30, seed=2))
NAMES_MAX = 20
"""Signals named of one module."""


def covered(path: Path, count: int) -> dict[str, Any]:
    """Shares by module, and what stood still. Raises MissingExtra, ModelUnavailable."""
    plan = compile_text(path.read_text(), path.stem, path.parent).plan
    with tempfile.TemporaryDirectory(prefix="sevenm-coverage-") as folder:
        core, data = Path(folder) / "core.v", Path(folder) / "coverage.dat"
        core.write_text(core_of(plan).verilog)
        model = open_model(
            core, [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks], COVERAGE
        )
        for seed, drive in enumerate(DRIVES):
            events: EventBatch = packets.batch(seed, count // len(DRIVES))
            model.process(events, drive)
        model.coverage(data)
        model.close()
        points = read_points(data)
    return {
        "rules": path.name,
        "packets": count,
        "shares": [
            {"module": module, "kind": kind, "hit": share.hit, "total": share.total}
            for (module, kind), share in shares(points).items()
        ],
        "still": still(points),
    }


def rows_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """As ``_rows.Row``, but for the run: the whole core."""
    rows = []
    for kind in ("line", "toggle"):
        of = [one for one in result["shares"] if one["kind"] == kind]
        share = 100 * sum(one["hit"] for one in of) / sum(one["total"] for one in of)
        rows.append({
            "question": "Coverage of a core", "variant": f"{result['rules']}, {kind}", "unit": "percent",
            "better": "higher", "ours": [share] * 3,
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", nargs="*", type=Path, default=[ROOT / "examples" / "edge.7m"])
    parser.add_argument("--packets", type=int, default=30_000)
    parser.add_argument("--json", type=Path, help="default: bench/results/coverage-DATE.json")
    options = parser.parse_args()
    if options.packets < len(DRIVES):
        parser.error(f"at least {len(DRIVES)} packets")
    facts, results = machine_facts(), []
    for path in options.rules:
        try:
            results.append(covered(path, options.packets))
        except (MissingExtra, ModelUnavailable) as error:
            raise SystemExit(f"{path}: {error}") from error
        for one in results[-1]["shares"]:
            print(f"{one['module']:40} {one['kind']:7} {one['hit']:7,} of {one['total']:7,}")
        for module, names in results[-1]["still"].items():
            print(
                f"{module}: nothing of {', '.join(names[:NAMES_MAX])} changed"
                + (" …" if len(names) > NAMES_MAX else "")
            )
    body = {
        "question": "how much of a core generated packets exercise", "machine": facts,
        "load_after": f"{os.getloadavg()[0]:.1f}", "results": results,
        "rows": [row for result in results for row in rows_of(result)],
    }  # fmt: skip
    save("coverage", body, options.json)


if __name__ == "__main__":
    main()
