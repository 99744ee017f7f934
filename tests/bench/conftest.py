"""The benchmarks are programs: their modules are found where they lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="session", autouse=True)
def bench_is_importable() -> None:
    if str(BENCH) not in sys.path:
        sys.path.insert(0, str(BENCH))
