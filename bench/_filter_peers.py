"""What bench/filter.py measures beside our engines: other ways to run one filter, and the floor.

Each peer is compiled for the benchmark from what Debian packages; one that is absent is named with the reason, and the
others are measured without it.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.host.engine.compiled import FLAGS
from sevenm.host.engine.toolchain import find_compiler

HERE = Path(__file__).parent
FLOOR = "line touch"
"""The floor: the first word of each packet is read, and nothing is decided."""
KERNEL_BPF = "BPF_PROG_TEST_RUN repeats one packet, for which every branch is foreseen"
RTE_BPF_STEPS = ("the EAL does not start", "libpcap refuses it", "it cannot be converted", "it does not load", "no JIT")


class Side:
    """Timed passes over the packets."""

    def __init__(self, run: Callable[[NDArray[np.uint8], NDArray[np.void], ctypes.c_uint64, Any], int]) -> None:
        self._run = run

    def __call__(self, buffer: NDArray[np.uint8], events: NDArray[np.void], passes: int) -> tuple[float, int]:
        """Nanoseconds per packet, and hits in one pass."""
        hits = ctypes.c_uint64()
        ns = self._run(buffer, events, ctypes.c_uint64(passes), ctypes.byref(hits))
        return ns / len(events) / passes, hits.value


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # which keeps the array alive


def build(source: Path, more: list[str], name: str | None = None) -> ctypes.CDLL:
    """Raises CalledProcessError with the compiler's words."""
    target = source.with_name(f"{name or source.stem}.so")
    subprocess.run([*find_compiler(), *FLAGS, str(source), "-o", str(target), *more], check=True, capture_output=True)
    return ctypes.CDLL(str(target))


def passes_of(library: ctypes.CDLL, function: str = "peer_run") -> Side:
    run = getattr(library, function)
    run.restype = ctypes.c_uint64
    return Side(
        lambda buffer, events, passes, hits: run(
            pointer(buffer), pointer(events), ctypes.c_uint64(len(events)), passes, hits
        )
    )


@dataclass(frozen=True)
class Harnesses:
    """The compiled harnesses: ``ours``, and of each peer that is there. ``absent``: why the others are not."""

    ours: ctypes.CDLL
    peers: dict[str, ctypes.CDLL] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def sides(self, text: str) -> Mapping[str, Side]:
        """The peers, each with the filter in libpcap's language, and the floor. Raises SystemExit where one refuses."""
        for name, library in self.peers.items():
            COMPILE[name](library, text)
        sides = {name: passes_of(library) for name, library in self.peers.items()}
        return {**sides, FLOOR: passes_of(self.ours, "touch_run")}


def build_harnesses(folder: Path, peers: bool = True) -> Harnesses:
    """In a folder that is there; with the peers, or with ours alone. Prints what is absent."""
    boundary.write_header(folder)
    source = _copy(folder, "filter_harness.c")
    ours = build(source, [], "ours")
    ours.rows_run.restype = ours.sparse_run.restype = ctypes.c_uint64
    if not peers:
        return Harnesses(ours)
    found = Harnesses(ours, absent={"kernel BPF": KERNEL_BPF})
    attempts: dict[str, tuple[str, Callable[[], ctypes.CDLL]]] = {
        "libpcap": ("libpcap-dev", lambda: build(source, ["-DWITH_PCAP", "-lpcap"], "peer")),
        "rte_bpf": ("libdpdk-dev libpcap-dev", lambda: _build_rte_bpf(folder)),
    }
    for name, (package, attempt) in attempts.items():
        try:
            found.peers[name] = attempt()
        except (OSError, subprocess.CalledProcessError) as error:
            why = (getattr(error, "stderr", None) or str(error).encode()).decode().strip().splitlines()
            found.absent[name] = f"it does not link ({why[0] if why else error}); apt install {package}"
    for name, reason in found.absent.items():
        print(f"absent: {name}: {reason}")
    return found


def _copy(folder: Path, name: str) -> Path:
    target = folder / name
    target.write_text((HERE / name).read_text())
    return target


def _build_rte_bpf(folder: Path) -> ctypes.CDLL:
    flags = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, check=True).stdout.decode()
    libraries = ["-lrte_bpf", "-lrte_mbuf", "-lrte_eal", "-lpcap"]
    options = [*flags.split(), "-march=native", "-DALLOW_EXPERIMENTAL_API"]
    return build(_copy(folder, "filter_rte_bpf.c"), [*options, *libraries])


def _compile_libpcap(library: ctypes.CDLL, text: str) -> None:
    error = ctypes.create_string_buffer(256)
    if library.peer_compile(text.encode(), error, ctypes.c_size_t(256)) < 0:
        raise SystemExit(f"libpcap refuses {text!r}: {error.value.decode()}")


def _compile_rte_bpf(library: ctypes.CDLL, text: str) -> None:
    step = library.peer_compile(text.encode())
    if step:
        raise SystemExit(f"rte_bpf refuses {text!r}: {RTE_BPF_STEPS[step - 1]}")


COMPILE: dict[str, Callable[[ctypes.CDLL, str], None]] = {"libpcap": _compile_libpcap, "rte_bpf": _compile_rte_bpf}
