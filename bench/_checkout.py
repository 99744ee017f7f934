"""The engine that a checkout makes of a filter: this one's, or an older one's beside which it is measured."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_EMIT = """
import sys, types
from pathlib import Path
checkout, text = Path(sys.argv[1]), sys.argv[2]
package = types.ModuleType("sevenm")
package.__path__ = [str(checkout / "sevenm") if (checkout / "sevenm" / "compiler").is_dir() else str(checkout)]
sys.modules["sevenm"] = package
from sevenm.compiler import compile_filter
try:
    from sevenm.compiler.backends.c.emit import emit
except ImportError:
    from sevenm.compiler.backends.host_c import emit
sys.stdout.write(emit(compile_filter(text).plan))
"""
"""Runs in a process of its own, where ``sevenm`` is the checkout, whatever is installed."""


@dataclass(frozen=True)
class EngineText:
    """C of an engine. ``sparse``: it answers with entries of rules that fired, not with a row for each rule."""

    text: str
    sparse: bool


def engine_text(checkout: Path, expression: str) -> EngineText:
    """Raises SystemExit where the checkout cannot compile the expression."""
    command = [sys.executable, "-c", _EMIT, str(checkout.resolve()), expression]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{checkout} cannot compile {expression!r}: {done.stderr.strip().splitlines()[-1]}")
    found = re.search(r"#define SM_ABI (\d+)", done.stdout)
    if found is None:
        raise SystemExit(f"{checkout}: its engine does not say its ABI")
    return EngineText(done.stdout, int(found[1]) >= 2)


def builds() -> dict[str, list[str]]:
    """Compiler flags of each set of instructions that this processor has, the widest first."""
    try:
        cpu = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        cpu = set()
    out: dict[str, list[str]] = {}
    if {"avx512bw", "avx512vl", "avx512dq"} <= cpu:
        out["AVX-512"] = []
    if "avx2" in cpu:
        out["AVX2"] = ["-mno-avx512f", "-mavx2"]
    return {**(out or {"native": []}), "plain": ["-DSM_PORTABLE"]}
