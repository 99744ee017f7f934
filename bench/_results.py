"""Where results are kept: ``bench/results/NAME-DATE.json``, one file a run, none ever overwritten."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"
NAME = re.compile(r"(?P<benchmark>[a-z][a-z-]*?)-(?P<date>\d{4}-\d\d-\d\d)(-[\w-]+)?\.json")
"""A benchmark, the day, and what tells this run from the others of the day."""


def benchmark_of(file: Path) -> str | None:
    """Which benchmark wrote it, or None if the name does not say."""
    found = NAME.fullmatch(file.name)
    return found["benchmark"] if found else None


def save(benchmark: str, body: Mapping[str, Any], path: Path | None = None) -> Path:
    """Writes a run, whose ``machine`` are the facts, and says so. Without a path it gets the day's name, and the time
    where there is one of the day."""
    date = str(body["machine"]["date"])
    if path is None:
        path = FOLDER / f"{benchmark}-{date[:10]}.json"
        if path.exists():
            path = FOLDER / f"{benchmark}-{date[:10]}-{date[11:19].replace(':', '')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1) + "\n")
    print(f"wrote {path}")
    return path
