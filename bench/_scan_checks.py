"""What the checks against a linear scan have in common: their arguments, and how their results end."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _machine import machine_facts
from classify import SETS


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Which sets are checked over how many headers, with a seeded fault or without."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rules", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--headers", type=int, default=1_000_000)
    parser.add_argument("--fault", action="store_true")
    parser.add_argument("--json", type=Path, help="default: none is written")
    return parser


def finish(question: str, results: list[dict[str, Any]], fault: bool, target: Path | None) -> None:
    """Keeps the results; one that has ``refused`` is no answer. Raises SystemExit if answers differ from the scan's,
    with a fault unless they all do, and if there are none."""
    if target:
        body = {"question": question, "machine": machine_facts(), "results": results}
        target.write_text(json.dumps(body, indent=1) + "\n")
    answers = [result for result in results if "refused" not in result]
    found = sum(result["differ"] > 0 for result in answers)
    if not answers or found != (len(answers) if fault else 0):
        raise SystemExit(f"{found} of {len(answers)} answers differ from the scan's")
