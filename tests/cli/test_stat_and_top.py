"""sevenm stat and top: rates of live rings, as lines, JSON and a view that a test drives without a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.widgets import DataTable, Static

from sevenm.cli.top_view import COLUMNS, Top
from sevenm.host.ring import RingReader, RingWriter
from sevenm.host.ring.rates import Watch

ROOT = Path(__file__).resolve().parents[2]
Sevenm = Callable[..., Any]
pytestmark = pytest.mark.needs("compiler")


def start(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sevenm.cli.main", *args]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_lines_for_machines_add_up_to_what_was_written(prefix: str) -> None:
    with RingWriter.create(f"{prefix}a", slots=256) as writer, RingReader.attach(f"{prefix}a") as reader:
        process = start("stat", prefix, "--json", "--interval", "0.05", "-n", "20")
        written = 0
        while process.poll() is None:
            written += writer.write(np.zeros(10, writer.dtype))
            reader.read(10)
            reader.release()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 20
    for before, after in pairwise(lines):
        grown = after["total"]["written"] - before["total"]["written"]
        assert after["written"] * after["seconds"] == pytest.approx(grown, rel=1e-3, abs=0.1)
    assert 0 < lines[-1]["total"]["written"] <= written
    assert {line["state"] for line in lines} == {"open"}


def test_lines_for_people_have_a_heading(prefix: str) -> None:
    with RingWriter.create(f"{prefix}a", slots=256) as writer:
        writer.write(np.zeros(64, writer.dtype))
        process = start("stat", prefix, "--interval", "0.01", "-n", "21")
        while process.poll() is None:
            writer.beat()
            time.sleep(0.01)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    heads = [n for n, line in enumerate(lines) if line.startswith("ring ")]
    assert heads == [0, 21]
    assert re.split(r"  +", lines[0]) == ["ring", "subscriber", "state", "written/s", "read/s", "fill", "missed/s"]
    assert re.split(r"  +", lines[1]) == [f"{prefix}a", "(default)", "open", "0", "0", "25%", "0"]


def test_a_producer_that_says_nothing_is_silent(sevenm: Sevenm, prefix: str) -> None:
    with RingWriter.create(f"{prefix}a", slots=256):
        time.sleep(1.1)
        done = sevenm("stat", prefix, "--interval", "0.01", "-n", "1", "--json")
    line = json.loads(done.out)
    assert (line["state"], line["beat_age"] > 1) == ("silent", True)


def test_it_waits_for_rings_and_ends_at_a_signal(prefix: str) -> None:
    process = start("stat", prefix, "--interval", "0.05")
    assert process.stderr is not None and process.stdout is not None
    assert process.stderr.readline() == f"no ring's name begins with {prefix} yet\n"
    with RingWriter.create(f"{prefix}late", slots=256):
        assert process.stdout.readline().startswith("ring ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["stat", "--interval", "0"], 2, "Invalid value for '--interval'"),
        (["top", "--interval", "0.009"], 2, "'--interval': 0.009 is not in the range x>=0.01."),
        (["stat", "--interval", "0.009"], 2, "'--interval': 0.009 is not in the range x>=0.01."),
        (["stat", "-n", "0"], 2, "Invalid value for '-n' / '--count'"),
        (["top"], 2, "sevenm: sevenm top needs a terminal; sevenm stat writes to files and pipes\n"),
    ],
)
def test_wrong_use_says_what_is_wrong(sevenm: Sevenm, args: list[str], code: int, message: str) -> None:
    done = sevenm(*args)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_without_textual_the_extra_is_named(sevenm: Sevenm, tmp_path: Path) -> None:
    (tmp_path / "textual.py").write_text("raise ImportError('No module named textual')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = sevenm("top", env={"PYTHONPATH": path})
    assert (done.code, done.out) == (4, "")
    assert "needs textual, which is not installed; say pip install 'sevenm[top]', or use sevenm stat" in done.err


def cells(view: Top, column: str) -> list[str]:
    table = view.query_one(DataTable)
    return [str(table.get_row_at(row)[COLUMNS.index(column)]) for row in range(table.row_count)]


def more(view: Top) -> str:
    return str(view.query_one("#more", Static).render())


def test_the_view_shows_sorts_and_holds(prefix: str) -> None:
    class Clock:
        now = 0.0

    clock = Clock()

    async def drive(idle: RingWriter, busy: RingWriter) -> None:
        view = Top(Watch(prefix, clock=lambda: clock.now), 3600)
        async with view.run_test(size=(140, 20)) as pilot:
            assert cells(view, "ring") == [f"{prefix}a", f"{prefix}b"]
            assert cells(view, "written/s") == ["0", "0"]
            busy.write(np.zeros(300, busy.dtype))
            clock.now = 2.0
            idle.beat()
            view.refresh_rings()
            await pilot.pause()
            assert cells(view, "written/s") == ["0", "128"]
            assert cells(view, "missed/s") == ["0", "22 full"]
            assert cells(view, "fill") == ["··········   0%", "██████████ 100%"]
            await pilot.press("s")
            assert cells(view, "ring") == [f"{prefix}b", f"{prefix}a"]
            await pilot.press("up", "up")
            assert more(view).startswith(f"{prefix}b: 256 slots of 128 bytes, producer pid {os.getpid()}; policy ")
            assert "256 written, 256 unread, missed 44 full\nsorted by rate" in more(view)
            await pilot.press("p")
            assert more(view).endswith("sorted by rate, held")
            idle.close()
            view.refresh_rings()
            assert cells(view, "state") == ["open", "open"]
            await pilot.press("p")
            busy.beat()
            view.refresh_rings()
            assert sorted(cells(view, "state")) == ["closed", "open"]
            clock.now = 4.0
            view.refresh_rings()
            assert sorted(cells(view, "state")) == ["closed", "silent"]
            assert re.search(rf"producer pid {os.getpid()} \(silent for \d+ s\); ", more(view))
            await pilot.press("q")
        assert view.failed is None

    with RingWriter.create(f"{prefix}a", slots=256) as idle, RingWriter.create(f"{prefix}b", slots=256) as busy:
        asyncio.run(drive(idle, busy))
