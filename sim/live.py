"""A core with tables in the Verilated model, under traffic while its rows are written.

One idea: what is wanted of a live update is said of every single frame: its verdict is the one of the rows of the
generation that it carries. So all frames that went through come back with both, and whoever asks compares them.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .verilate import BUILD_SECONDS_MAX, HARNESS, ModelBuildError, Toolchain

_OUT = np.dtype([
    ("frame", "<u4"), ("generation", "<u4"), ("blocks", "<u8"), ("forward", "<u4"), ("drop", "<u4"),
    ("malformed", "<u4"), ("truncated", "<u4"), ("punt", "<u4"), ("unused", "<u4"),
])  # fmt: skip
_HEAD = struct.Struct("<4Q")
_FLAGS = ("-std=c++17", "-O1", "-pthread", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0",
          "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0")  # fmt: skip
RUN_SECONDS_MAX = 3600


@dataclass(frozen=True, slots=True)
class Traffic:
    """How both sides are driven: percent of the cycles in which a beat is offered, and taken; most idle cycles between
    two writes."""

    offered: int = 100
    taken: int = 100
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Went:
    """``out`` has a record for each frame that came out, in order: its number, generation and verdict. ``cycles`` in
    all, and until the last write was answered; ``refused`` writes."""

    out: NDArray[np.void]
    cycles: int
    write_cycles: int
    refused: int


def build(verilog: str, folder: Path) -> Path:
    """The program for a core, whose top is ``sevenm_core``. Raises ModelUnavailable, ModelBuildError."""
    tools = Toolchain.find()
    (folder / "core.v").write_text(verilog)
    environment = {**os.environ, "VERILATOR_ROOT": str(tools.root)}
    _run([str(tools.verilator), "--cc", "--prefix", "Vcore", "-O3", "--no-timing", "--no-assert", "--x-initial", "fast",
          "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--quiet", "--top-module", "sevenm_core",
          "--Mdir", "out", "core.v"], folder, environment)  # fmt: skip
    parts = [str(path.relative_to(folder)) for path in sorted((folder / "out").glob("Vcore*.cpp"))]
    (folder / "all.cpp").write_text("".join(f'#include "{part}"\n' for part in parts))
    runtime = [str(tools.root / "include" / name) for name in ("verilated.cpp", "verilated_threads.cpp")]
    program = folder / "live"
    _run([tools.cxx, *_FLAGS, *tools.includes, "-Iout", "-I.", "-o", str(program), str(HARNESS / "live.cpp"), "all.cpp",
          *runtime], folder, environment)  # fmt: skip
    return program


def run(program: Path, frames: Sequence[bytes], writes: Sequence[tuple[int, int]], traffic: Traffic) -> Went:
    """Sends the frames round and round until all writes are done, and some more. Raises AssertionError where a frame
    comes out changed, or none does."""
    words = (len(frames), len(writes), traffic.offered, traffic.taken, traffic.gap)
    given = [struct.pack("<5I", *words)]
    for frame in frames:
        given += [struct.pack("<I", len(frame)), frame.ljust(-(-len(frame) // 64) * 64, b"\xa5")]
    given += [struct.pack("<2I", *write) for write in writes]
    done = subprocess.run([program], input=b"".join(given), capture_output=True, timeout=RUN_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace") or f"exit status {done.returncode}"
    cycles, count, refused, last = _HEAD.unpack_from(done.stdout)
    out = np.frombuffer(done.stdout, _OUT, int(count), _HEAD.size)
    return Went(out, int(cycles), int(last), int(refused))


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, timeout=BUILD_SECONDS_MAX, check=False
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines
        raise ModelBuildError("the core does not become a program:\n  " + "\n  ".join(errors[:12]))
