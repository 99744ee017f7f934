"""A command as a whole process: how long it took, how much of a processor, and the memory that it had."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Took(NamedTuple):
    """Seconds of wall clock and of processor, of it and what it started, and the most MiB that one of them had."""

    wall: float
    cpu: float
    peak: float


def run(words: Sequence[str], out: Path, env: Mapping[str, str]) -> Took:
    """With its standard output in a file, in the root of the tree. Raises SystemExit if it fails."""
    with out.open("wb") as file:
        begin = time.perf_counter()
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.DEVNULL, env=env, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ends with {process.returncode}")
    return Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def as_a_user(cache: Path) -> dict[str, str]:
    """The environment of a user of this tree: bytecode is kept, and what is compiled, in ``cache``."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return env | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
