"""What bench/gate.py measures of two checkouts: a handful of figures that are quick to get and that users feel.

Engines of both are loaded into one process, as the benchmarks do with ``--beside``; what needs the rest of a checkout
runs in a process of its own (``_gate_worker.py``). All times are of the processor, so that other work counts little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from _checkout import builds, engine_text
from _filter_peers import build_harnesses
from _gate_process import Unmeasurable, processor_time
from _gate_statistic import Measure
from _gate_worker import MEASURES as WORKED
from classify import Inputs
from classify import build_harness as classify_harness
from classify import engine as classify_engine
from filter import CACHE_PACKETS, QUESTIONS, build_ours, make_packets

HERE = Path(__file__).resolve().parent
FILTERS = ("udp", "10 terms")
FILTER_PASSES = 200
CLASSIFY_SET, CLASSIFY_RULES, CLASSIFY_PASSES = "acl1", 256, 16
START = "start-up of --version"
NAMES = {
    **{f"filter {name}": "ns a packet, in cache, half of them match" for name in FILTERS},
    f"classify {CLASSIFY_SET}": f"ns a packet, the first of {CLASSIFY_RULES} rules",
    "whole path": "ns an event, 100 rules, four subscribers, 10 % match",
    "ring batch": "ns a record, written and read by 1,024",
    START: "ms of the process",
}
"""Every measure and its unit."""
Pair = tuple[Measure, Measure]
Checkouts = tuple[Path, Path]


def _filter(name: str, checkouts: Checkouts, folder: Path) -> Pair:
    question = next(q for q in QUESTIONS if q.name == name)
    buffer, events = make_packets(question, CACHE_PACKETS, 0.5, 1)
    harness, flags = build_harnesses(folder, peers=False).ours, next(iter(builds().values()))
    sides = []
    for number, checkout in enumerate(checkouts):
        source = folder / f"{name.replace(' ', '_')}-{number}.c"
        sides.append(build_ours(engine_text(checkout, question.ours), harness, source, flags))
    found = [side(buffer, events, 1)[1] for side in sides]
    if len(set(found)) != 1:
        raise Unmeasurable(f"OLD finds {found[0]} packets, NEW {found[1]}")
    old, new = (lambda side=side: side(buffer, events, FILTER_PASSES)[0] for side in sides)
    return old, new


def _classify(checkouts: Checkouts, folder: Path) -> Pair:
    inputs, harness = Inputs.of(CLASSIFY_SET, CLASSIFY_RULES), classify_harness(folder)
    sides = []
    for number, checkout in enumerate(checkouts):
        place = folder / f"classify-{number}"
        place.mkdir()
        (place / "sm_boundary.h").symlink_to(folder / "sm_boundary.h")
        sides.append(classify_engine(checkout, None, inputs, place, harness, []))
    rules = [side.answer()[0] for side in sides]
    if not np.array_equal(*rules):
        raise Unmeasurable(f"{np.count_nonzero(rules[0] != rules[1])} of {len(rules[0])} packets meet other rules")
    old, new = (lambda side=side: side.run(CLASSIFY_PASSES) / CLASSIFY_PASSES / len(rules[0]) for side in sides)
    return old, new


def environment(checkout: Path) -> dict[str, str]:
    """In which ``sevenm`` is the checkout's, and what Python and the engine cache keep is kept there."""
    build = checkout / "build"
    own = {"PYTHONPATH": checkout, "PYTHONPYCACHEPREFIX": build / "pycache", "XDG_CACHE_HOME": build / "cache"}
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return given | {name: str(value) for name, value in own.items()}


def _start(checkouts: Checkouts) -> Pair:
    """-P: the folder that this is called from is not looked in for ``sevenm``."""
    python = [sys.executable, "-P"]
    for checkout in checkouts:
        where = [*python, "-c", "import sevenm; print(sevenm.__file__)"]
        done = subprocess.run(where, env=environment(checkout), check=True, capture_output=True, text=True)
        of_checkout(done.stdout.strip(), checkout)
    command = [*python, "-m", "sevenm.cli.main", "--version"]
    old, new = (partial(processor_time, command, environment(checkout)) for checkout in checkouts)
    return old, new


def of_checkout(imported: str, checkout: Path) -> None:
    """Raises Unmeasurable if what was imported is another's."""
    if not Path(imported).is_relative_to(checkout):
        raise Unmeasurable(f"{imported} was imported, which is not of {checkout}")


class Worker:
    """One checkout's ``_gate_worker.py``. ``absent``: what it cannot measure, with the reason."""

    def __init__(self, process: subprocess.Popen[str], checkout: Path) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._to: IO[str] = process.stdin
        self._from: IO[str] = process.stdout
        said: dict[str, Any] = json.loads(self._line())
        self.absent: dict[str, str] = said["absent"]
        try:
            of_checkout(said["sevenm"], checkout)
        except Unmeasurable as error:
            self.absent = dict.fromkeys(WORKED, str(error))

    def _line(self) -> str:
        line = self._from.readline()
        if not line:
            raise Unmeasurable("a checkout's process has ended; what it said is above")
        return line

    def measure(self, name: str) -> float:
        print(name, file=self._to, flush=True)
        return float(self._line())


@contextmanager
def _workers(checkouts: Checkouts) -> Iterator[list[Worker]]:
    command = [sys.executable, str(HERE / "_gate_worker.py")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, str(of)], env=environment(of), **pipes) for of in checkouts]
    try:
        yield [Worker(process, checkout) for process, checkout in zip(started, checkouts, strict=True)]
    finally:
        for process in started:
            process.communicate()  # its stdin ends, and so does it


@contextmanager
def measures(checkouts: Checkouts, folder: Path, names: list[str]) -> Iterator[tuple[dict[str, Pair], dict[str, str]]]:
    """(what can be measured of both checkouts, what cannot with the reason), of ``names``. In an empty folder."""
    made: dict[str, Pair] = {}
    absent: dict[str, str] = {}
    engines: dict[str, Callable[[], Pair]] = {
        **{f"filter {name}": partial(_filter, name, checkouts, folder) for name in FILTERS},
        f"classify {CLASSIFY_SET}": partial(_classify, checkouts, folder),
        START: partial(_start, checkouts),
    }
    for name in (name for name in engines if name in names):
        try:
            made[name] = engines[name]()
        except (Unmeasurable, SystemExit, OSError) as error:
            absent[name] = str(error)
        except subprocess.CalledProcessError as error:
            absent[name] = f"{error.cmd[0]} fails: {_last_line(error.stderr)}"
    worked = [name for name in WORKED if name in names]
    if not worked:
        yield made, absent
        return
    with _workers(checkouts) as workers:
        for name in worked:
            lacks = {side: of.absent.get(name) for side, of in zip(("OLD", "NEW"), workers, strict=True)}
            if any(lacks.values()):
                absent[name] = "; ".join(f"{side}: {why}" for side, why in lacks.items() if why)
            else:
                made[name] = partial(workers[0].measure, name), partial(workers[1].measure, name)
        yield made, absent


def _last_line(said: str | bytes | None) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
    return (text.strip().splitlines() or ["it says nothing"])[-1]
