"""Engines in a process of their own, fenced in: for processors that are emulated, and builds that look for mistakes.

One idea: ``engine_driver.c`` is the same for every build and every processor. It gets events, tables and states' sizes
as bytes and answers in bytes, so the comparison with the reference is the one that engines in this process get.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import Level
from sevenm.compiler import reference
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE, Decisions
from sevenm.host.engine.table_rows import SegmentedRows, table_rows

DRIVER = Path(__file__).with_name("engine_driver.c")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SANITIZED = (
    "-O0",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-ftrivial-auto-var-init=pattern",
)
"""Memory that was not written holds a pattern that no index or address survives."""
TIMEOUT_S = 300


@dataclass(frozen=True)
class Driven:
    """A Plan's engine as a program. ``runner`` is what runs it, if this processor does not."""

    plan: Plan
    program: Path
    runner: tuple[str, ...] = ()

    def decide(self, batch: EventBatch, level: Level | None = None) -> Decisions:
        """What it says of the events, in calls with room for two chunks each; ``level`` is what it has to run."""
        done = subprocess.run(
            [*self.runner, str(self.program)], input=_request(self.plan, batch), capture_output=True, timeout=TIMEOUT_S,
            check=False, env={"ASAN_OPTIONS": "detect_leaks=0"},
        )  # fmt: skip
        assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-3000:]}"
        ran = Level(int(np.frombuffer(done.stdout, "<u8", 1)[0]))
        assert level in (None, ran), f"{ran.name} ran"
        return _answer(self.plan, len(batch), done.stdout[8:])

    def check(self, batch: EventBatch, level: Level | None = None) -> Decisions:
        """Asserts that it says what the reference says."""
        got, e = self.decide(batch, level), batch.events
        want = reference.evaluate(
            self.plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"], port=batch.source
        )
        for part in ("punt", "malformed", "truncated", "drop", "forward", "channels", "fired"):
            wrong = np.argwhere(getattr(got, part) != getattr(want, part))
            assert not len(wrong), f"{part} {wrong[0].tolist()}, the first of {len(wrong)} differences"
        return got


def driven(
    plan: Plan, folder: Path, compiler: Sequence[str], runner: Sequence[str] = (), source: str | None = None
) -> Driven:
    """Builds the Plan's engine (or another ``source``) with the driver; ``compiler`` is the command with its flags."""
    folder.mkdir(parents=True, exist_ok=True)
    engine, program = folder / f"engine{len(list(folder.iterdir()))}.c", folder / f"run{len(list(folder.iterdir()))}"
    engine.write_text(emit(plan) if source is None else source)
    (folder / "sm_boundary.h").write_text(boundary.c_header())
    command = [*compiler, "-std=c11", *WARNINGS, f"-I{folder}", str(engine), str(DRIVER), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Driven(plan, program, tuple(runner))


def _request(plan: Plan, batch: EventBatch) -> bytes:
    room = 2 * max(1, len(plan.rules)) + 1
    head = [len(batch), len(batch.buffer), room, batch.source, len(plan.tables)]
    parts = [np.array(head, "<u8"), np.ascontiguousarray(batch.events), batch.buffer]
    for table in plan.tables:
        rows = table_rows(table, table.content())
        arrays = rows.arrays
        parts.append(np.array([arrays["n"], arrays.get("steps", 0), arrays["rows"]], "<u8"))
        fields = [arrays.get(name) for name in ("a", "b", "edge", "row", "bits", "values")]
        blocks = [one.block for one in rows.segments.segments] if isinstance(rows, SegmentedRows) else []
        for array in [*fields, np.array([len(blocks)], "<u8"), *blocks]:
            column = np.empty(0, np.uint8) if array is None else array
            parts += [np.array([column.nbytes], "<u8"), column]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def _answer(plan: Plan, n: int, data: bytes) -> Decisions:
    chunk_bytes = (n + 63) // 64 * CHUNK_DTYPE.itemsize
    chunks = np.frombuffer(data[:chunk_bytes], CHUNK_DTYPE)
    entries = int(np.frombuffer(data, "<u8", 1, chunk_bytes)[0])
    fired: NDArray[np.void] = np.frombuffer(data, FIRED_DTYPE, entries, chunk_bytes + 8)
    rest = data[chunk_bytes + 8 + fired.nbytes :]
    ports = np.frombuffer(rest, "<u2") if plan.operands else None
    assert len(rest) == (2 * n if plan.operands else 0)
    return Decisions(chunks, fired, n, plan.rules, ports)
