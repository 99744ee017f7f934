"""Two parts of an AF_XDP ingress, each with its loop: once warm a batch takes no system call and no allocation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from tests.host.live import flows
from tests.host.live.wires import Wire, wire

pytestmark = [pytest.mark.needs("compiler", "xdp"), pytest.mark.usefixtures("need_native")]
ALLOCATIONS = Path(__file__).resolve().parents[1] / "csrc" / "count_allocations.c"
FLOWS, EACH, AT_ONCE = 500, 16, 64
TURNS = 30
"""Calls of each loop that are looked at, of AT_ONCE events each."""
DRIVER = """
import ctypes, os, sys
from contextlib import closing, suppress
from pathlib import Path
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.live.xdp import split_queues

interface, folder, fault, at_once, turns = *sys.argv[1:4], *map(int, sys.argv[4:])
bundle = Bundle.open(Path(folder))
engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
count = getattr(ctypes.CDLL(None), "counted_allocations", lambda: 0)
count.restype = ctypes.c_uint64

def mark():
    with suppress(OSError):
        os.write(-1, b"mark")

with closing(split_queues(interface, 2)) as parts, Loop() as one, Loop() as two:
    pairs = list(zip((one, two), parts.parts))
    all_accounts = []
    for loop, part in pairs:
        all_accounts.append(Accounts(bundle.rules, len(bundle.channels), len(bundle.counters)))
        loop.publish(Program(engine, all_accounts[-1], [], 1))
    parts.begin()
    print("ready", flush=True)
    sys.stdin.readline()
    for loop, part in pairs:
        loop.run(part, at_once)
    mark()
    for _ in range(turns):
        for loop, part in pairs:
            loop.run(part, at_once)
            if fault == "call":
                part.wait(0)
    mark()
    taken = []
    for batches in (1, 20):
        for loop, part in pairs:
            before = count()
            loop.run(part, at_once * batches)
            if fault == "allocate" and batches > 1:
                ctypes.CDLL(None).free(None)
            taken.append(count() - before)
    print(*(accounts.total("events") for accounts in all_accounts), *taken)
"""


@pytest.fixture
def wide() -> Iterator[Wire]:
    with wire("numrxqueues", "2", "numtxqueues", "2", both=True) as made:
        yield made


@pytest.fixture
def run(wide: Wire, tmp_path: Path) -> Callable[..., list[int]]:
    """``run(before, fault)``: the driver behind these words of a command line; returns what it printed."""
    plan = compile_text("rules r on packet all {\n  rule every: ip => count seen\n}\n", "warm").plan
    write_bundle(plan, tmp_path / "bundle", gateware=False)

    def go(before: list[str], fault: str = "none") -> list[int]:
        words = [wide.near, str(tmp_path / "bundle"), fault, str(AT_ONCE), str(TURNS)]
        with subprocess.Popen(
            [*before, sys.executable, "-c", DRIVER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            wide.send(flows.frames(FLOWS, EACH))
            out, _ = child.communicate("go\n", timeout=120)
        assert child.returncode == 0
        return [int(word) for word in out.split()]

    return go


def test_a_batch_takes_no_system_call_in_any_part(run: Callable[..., list[int]], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ["strace", "-o", str(trace)]
    if shutil.which("strace") is None or subprocess.run([*strace, "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not trace here")

    def calls(fault: str) -> list[str]:
        decided = run(strace, fault)[:2]
        assert decided == [AT_ONCE * (1 + TURNS + 1 + 20)] * 2, "both parts had work all the time"
        _, between, _ = trace.read_text().split('write(-1, "mark"')
        return between.splitlines()[1:]

    assert calls("none") == []
    assert len(calls("call")) >= 2 * TURNS, "a seeded fault is seen"


def test_a_batch_takes_no_allocation_in_any_part(run: Callable[..., list[int]], tmp_path: Path) -> None:
    count = tmp_path / "count.so"
    compiler = "gcc" if shutil.which("gcc") else "clang"
    subprocess.run([compiler, "-std=gnu11", "-O2", "-fPIC", "-shared", "-o", count, ALLOCATIONS], check=True)
    preload = ["env", f"LD_PRELOAD={count}"]
    _, _, *taken = run(preload)
    assert taken[:2] == taken[2:], "20 batches take what one takes"
    _, _, *taken = run(preload, "allocate")
    assert all(after > before for before, after in zip(taken[:2], taken[2:], strict=True)), "a seeded fault is seen"
