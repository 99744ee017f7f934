"""What all tests share: real captures, repeatable random tests, and a last word on what could not be tested.

A test that needs an outside tool says so with ``@pytest.mark.needs("tshark")``. A test that finds out later skips
with a reason that names the tool; the summary at the end counts both.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.live.xdp_bpf import Map
from sevenm.host.live.xdp_program import AF_XDP
from sevenm.host.native import NativeMissing
from tests.crashes import Crashes

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "build" / "hypothesis"))

from hypothesis import HealthCheck, settings  # noqa: E402 - it reads the variable set above when it is imported

SOAK = os.environ.get("SEVENM_SOAK", "") not in ("", "0")

CROSS = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
TOOLS = {
    "compiler": (("gcc", "clang", "cc"), "the host engine; everything ran on the reference model", "gcc"),
    "g++": (("g++", "clang++", "c++"), "the core as a device, and the cocotb tests on Verilator", "g++"),
    "clang": (("clang",), "the generated C under a second compiler", "clang"),
    "simde": (("gcc", "clang", "cc"), "the AVX-512 level of the generated C, emulated", "libsimde-dev"),
    "aarch64": (("aarch64-linux-gnu-gcc",), "the NEON level of the generated C, emulated", CROSS),
    "tshark": (("tshark",), "display filters and written captures against Wireshark", "tshark"),
    "tcpdump": (("tcpdump",), "filters and written captures against libpcap", "tcpdump"),
    "iverilog": (("iverilog",), "the core on a second simulator", "iverilog"),
    "systemd-analyze": (("systemd-analyze",), "the unit of the service against systemd's own check", "systemd"),
    "spin": (("spin",), "the model check of the ring's protocol", "spin"),
    "make": (("make",), "the C++ of the RTL model", "make"),
    "ethtool": (("ethtool",), "queues that an interface gets while it is read", "ethtool"),
    "namespaces": (("ip",), "live traffic, over interfaces in network namespaces of our own (as root)", "iproute2"),
    "xdp": (("ip",), "AF_XDP and the prefilter, in this kernel (as root)", "iproute2"),
    "dpdk": (("pkg-config",), "DPDK ingress", "libdpdk-dev pkg-config"),
}
"""Outside tools: name -> (programs, one of which is enough; what is left out without it; Debian's package)."""

CLONE_NEWNET = 0x40000000
Ip = Callable[..., str]

_SLOW_HOST = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", derandomize=True, database=None, deadline=None, suppress_health_check=_SLOW_HOST)
settings.register_profile(
    "soak", max_examples=5000, derandomize=False, deadline=None, print_blob=True, suppress_health_check=_SLOW_HOST
)
settings.load_profile("soak" if SOAK else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files and generated pages anew")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Crashes(ROOT / "build" / "crashes"))


def present(tool: str) -> bool:
    """Whether one of the tool's programs is on the path, and this user may use it."""
    if not any(shutil.which(program) for program in TOOLS[tool][0]):
        return False
    allowed = {
        "namespaces": may_make_interfaces,
        "xdp": may_use_xdp,
        "dpdk": has_dpdk,
        "simde": has_simde,
        "aarch64": has_qemu,
    }.get(tool)
    return allowed is None or allowed()


@cache
def may_make_interfaces() -> bool:
    """Whether this process may: root in a container need not."""
    command = ["unshare", "--net", "ip", "link", "add", "one", "type", "veth", "peer", "name", "two"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@cache
def may_use_xdp() -> bool:
    """Whether it may also make what AF_XDP needs in the kernel."""
    try:
        Map("BPF_MAP_TYPE_XSKMAP", 4, 1).close()
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except (OSError, NativeMissing):
        return False
    return may_make_interfaces()


@cache
def has_dpdk() -> bool:
    """Whether its headers are installed, old enough or not."""
    return subprocess.run(["pkg-config", "--exists", "libdpdk"], check=False).returncode == 0


@cache
def has_simde() -> bool:
    """Whether its headers are where the compiler looks; they are no program."""
    compiler = next(program for program in TOOLS["simde"][0] if shutil.which(program))
    command = [compiler, "-fsyntax-only", "-include", "simde/simde-arch.h", "-xc", "/dev/null"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def has_qemu() -> bool:
    return shutil.which("qemu-aarch64") is not None


def data_folder() -> Path | None:
    """The shared data: what SEVENM_DATA names, else ../shared/data beside the checkout, else None."""
    given = os.environ.get("SEVENM_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def captures_dir() -> Path:
    """Folder of real captures that are too many to be kept in the repository."""
    folder = data_folder()
    if folder is None or not (folder / "pcaps").is_dir():
        pytest.skip("no shared captures: set SEVENM_DATA to the folder that holds pcaps/")
    return folder / "pcaps"


@pytest.fixture
def ring() -> Iterator[str]:
    """A ring's name, or the beginning of several, that nobody else has; what was made with it is gone afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    for path in Path("/dev/shm").glob(f"sevenm.{name}*"):
        path.unlink()


@pytest.fixture
def prefix(ring: str) -> str:
    """What the names of several rings begin with."""
    return f"{ring}."


@pytest.fixture(scope="session")
def readable() -> Callable[[Path], EventBatch]:
    """Reads a capture: its events up to the damage, if there is some."""

    def read(path: Path) -> EventBatch:
        batches: list[EventBatch] = []
        with suppress(CaptureError), open_capture(path) as reader:
            batches += reader.batches()
        return EventBatch.joined(batches)

    return read


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is the long run (`make sweep`)."""
    return SOAK


def libc(call: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)


@pytest.fixture
def namespace() -> Iterator[None]:
    """This thread, and processes that it starts, are in an empty network namespace, which ends with the test."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc("unshare", CLONE_NEWNET)
    try:
        yield
    finally:
        libc("setns", before, CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def ip(namespace: None) -> Ip:
    """``ip("link set lo up")``, in the namespace."""

    def run(arguments: str) -> str:
        done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {arguments}: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def veth(ip: Ip) -> tuple[str, str]:
    """Two interfaces with a wire between them, which carries nothing but what a test sends."""
    ip("link add live0 type veth peer name live1")
    for name in ("live0", "live1"):
        # No neighbour discovery, no multicast listener reports.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip(f"link set {name} up")
    return "live0", "live1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            if tool not in TOOLS:
                pytest.fail(f"unknown tool {tool!r} in needs(); known: {', '.join(TOOLS)}")
            if not present(tool):
                pytest.skip(f"{tool} is absent")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the absent tools and what was left out because of each, just before the closing line."""
    reasons = Counter[str]()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    terminalreporter.section("left out", sep="-")
    for tool, (_, without, package) in TOOLS.items():
        if not present(tool):
            count = sum(n for reason, n in reasons.items() if tool in reason)
            terminalreporter.write_line(
                f"{tool} is absent: {without} ({count} skipped); on Debian: apt install {package}"
            )
    if data_folder() is None:
        terminalreporter.write_line("no shared captures (SEVENM_DATA): only those in examples/ were used")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}")
    if not reasons and data_folder() is not None and all(map(present, TOOLS)):
        terminalreporter.write_line("nothing: every outside tool and the shared captures are here")
