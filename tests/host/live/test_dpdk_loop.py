"""The loop over DPDK's frames: once warm it allocates nothing and makes no system call, and it stays in its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm import boundary
from sevenm.host.live import dpdk_library
from tests.host.conftest import OPTIONS
from tests.host.live.conftest import OFFICE

DRIVERS = Path(__file__).resolve().parents[1] / "csrc"
CSRC = Path(__file__).resolve().parents[3] / "host" / "csrc"
EVENTS = 100_000
DEVICES = ("net_null0", f"net_pcap0,rx_pcap={OFFICE},infinite_rx=1")
Build = Callable[..., list[str]]
pytestmark = pytest.mark.needs("compiler", "dpdk")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build(csrc, flags…)``: the words of a command that runs the driver over the C runtime in that folder."""

    def make(csrc: Path = CSRC, *flags: str) -> list[str]:
        folder = tmp_path_factory.mktemp("warm")
        boundary.write_header(folder)
        words = [word for word in dpdk_library.compile_command() if word not in ("-shared", "-fPIC", f"-I{CSRC}")]
        words += ["-g", f"-I{csrc}", f"-I{folder}", *flags, "-o", str(folder / "driver"), str(DRIVERS / "dpdk_warm.c")]
        words += [str(path) for path in (*sorted(csrc.glob("*.c")), *sorted((csrc / "dpdk").glob("*.c")))]
        words += [*dpdk_library.link_flags(), "-lpthread", "-lrt"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [str(folder / "driver")]

    return make


@pytest.fixture(scope="module")
def driver(build: Build) -> list[str]:
    return build()


def ran(command: list[str], device: str, fault: str = "none") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, device, str(EVENTS), fault], capture_output=True, text=True, timeout=120, env=os.environ | OPTIONS,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_it_allocates_nothing(driver: list[str], device: str, tmp_path: Path) -> None:
    count = str(tmp_path / "count.so")
    command = ["gcc", "-std=gnu11", "-O2", "-fPIC", "-shared", "-o", count, str(DRIVERS / "count_allocations.c")]
    if shutil.which("gcc") is None:
        command[0] = "clang"
    subprocess.run(command, check=True)
    counted = ["env", f"LD_PRELOAD={count}", *driver]
    assert ran(counted, device).stdout.startswith("0 allocations, ")
    bursts = int(ran(counted, device, "malloc").stdout.split()[0]) // 2
    assert bursts >= EVENTS // 256, "a seeded fault is seen"


@pytest.mark.parametrize("fault", ["none", "syscall"])
def test_it_makes_no_system_call(driver: list[str], fault: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-o", str(trace)]
    if shutil.which("strace") is None or subprocess.run([*strace, "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not trace here")
    done = ran([*strace, *driver], DEVICES[0], fault)
    assert done.returncode == 0, done.stderr
    text = trace.read_text()
    calls = text[text.index('"begin"') : text.index('write(-1, "end"')].splitlines()[1:-1]
    assert (len(calls) == 0) if fault == "none" else (len(calls) >= EVENTS // 256), "a seeded fault is seen"


@pytest.mark.parametrize("device", DEVICES)
def test_it_stays_in_its_memory(build: Build, device: str) -> None:
    done = ran(build(CSRC, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), device)
    assert (done.returncode, done.stdout[:15]) == (0, "0 allocations, "), done.stderr


def test_a_burst_that_is_too_long_is_found_out(build: Build, tmp_path: Path) -> None:
    """That the run above can fail."""
    csrc = Path(shutil.copytree(CSRC, tmp_path / "csrc"))
    path = csrc / "dpdk" / "ingress_live_dpdk.c"
    good = "ingress->held, SM_DPDK_BURST);"
    assert path.read_text().count(good) == 1
    path.write_text(path.read_text().replace(good, "ingress->held, SM_DPDK_BURST + 8);"))
    done = ran(build(csrc, "-O1", "-fsanitize=address"), DEVICES[0])
    assert done.returncode == 66 and "heap-buffer-overflow" in done.stderr
