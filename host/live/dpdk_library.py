"""The functions that need DPDK: compiled against the DPDK of this machine when they are first asked for, and loaded.

One idea: what comes with sevenm knows nothing of DPDK. Much of its interface is code in its headers, so what is
compiled belongs to the version that is installed, and is kept under a name that says which, as engines are. A process
initialises DPDK once; devices come and go after that.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from cffi import FFI

from sevenm import boundary
from sevenm.host.engine.build import compile_to, kept
from sevenm.host.engine.code import EngineError
from sevenm.host.engine.code_cache import digest_of, seal
from sevenm.host.engine.toolchain import NoCompiler, compiler_identity, find_compiler
from sevenm.host.native import available

CSRC = Path(__file__).resolve().parents[1] / "csrc"
SOURCES = ("dpdk/ingress_live_dpdk.c", "ingress_live.c")
HEADERS = ("ingress_live_dpdk.h", "ingress_live.h", "ingress.h", "index.h", "clock.h")
FLAGS = ("-O3", "-std=gnu11", "-D_GNU_SOURCE", "-fPIC", "-shared")
PACKAGE, VERSION_MIN = "libdpdk", (21, 11)
INSTALL = "Debian: apt install libdpdk-dev pkg-config"
WHAT = "what receives from DPDK"
HUGE = Path("/sys/kernel/mm/hugepages")
HUGE_MIN = 128 << 20
"""Bytes of free huge pages from which on DPDK gets its memory there."""
PLAIN_MB = 512
"""What it may take otherwise; touched where it is used."""
SAID_MAX, SAID_LINES = 4096, 3
"""Bytes of what DPDK says that are kept, and lines of them that are shown."""
NOISE = ("EAL: Failed to attach device", "rte_pmd_memif_probe(): Failed to register mp action callback")
"""What it says of every device, or of every one without other processes; no reason for anything."""

_FFI: Any = FFI()
_FFI.cdef(
    """
    int sm_dpdk_start(int argc, char **argv);
    void sm_dpdk_said(char *to, uint64_t size);
    int sm_dpdk_probe(void *ingress, const char *device);
    int sm_dpdk_open(void *ingress, uint32_t queues, uint32_t promiscuous, const char **step);
    void sm_dpdk_count(void *ingress);
    """
)


class DpdkError(RuntimeError):
    """DPDK cannot be had here; the message says why and what to do."""


def missing() -> str | None:
    """What has to be installed before DPDK can be used, None if nothing is."""
    if not available():
        return "the C runtime"
    try:
        _version()
        find_compiler()
    except (DpdkError, NoCompiler) as error:
        return str(error)
    return None


class Library:
    """DPDK in this process. ``lib``: the functions of ``csrc/ingress_live_dpdk.h``; ``huge``: whether its memory is in
    huge pages."""

    def __init__(self) -> None:
        self.ffi, self.lib = _FFI, _load()
        self.bus = ""
        self.huge = False
        self._printed = ""

    def start(self, pci: str | None) -> None:
        """Initialises DPDK for virtual devices, or for the one PCI device whose arguments are given: others are left to
        who has them. Raises DpdkError; the second time only if it was for something else."""
        bus = "a PCI device" if pci else "virtual devices"
        if self.bus:
            if pci or self.bus != bus:
                raise DpdkError(
                    f"DPDK is initialised once in a process, and in this one it was for {self.bus}; start another "
                    "process"
                )
            return
        self.huge = free_huge_pages() >= HUGE_MIN
        before = os.sched_getaffinity(0)
        words = ["sevenm", "--no-telemetry", f"--lcores=0@{min(before)}"]
        words += ["-a", pci] if pci else ["--no-pci"]
        # In memory: no files, of huge pages or other ones, that would stay, or that two processes would share.
        words += ["--in-memory"] if self.huge else ["--no-shconf", "--no-huge", "-m", str(PLAIN_MB)]
        kept = [self.ffi.new("char[]", word.encode()) for word in words]
        with self.hushed():
            done = self.lib.sm_dpdk_start(len(kept), self.ffi.new("char *[]", [*kept, self.ffi.NULL]))
        os.sched_setaffinity(0, before)
        if done:
            raise DpdkError(f"DPDK cannot be initialised: {self.why(done)}")
        self.said()
        self.bus = bus

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """What libraries print meanwhile is not seen; ``said`` gives it. Drivers load libraries of others, which log to
        standard error."""
        kept = []
        for number in (1, 2):
            with suppress(OSError):  # closed by who started this
                kept.append((number, os.dup(number)))
        room = os.memfd_create("sevenm-dpdk")
        try:
            for number, _ in kept:
                os.dup2(room, number)
            yield
        finally:
            for number, before in kept:
                os.dup2(before, number)
                os.close(before)
            size = os.fstat(room).st_size
            self._printed = os.pread(room, SAID_MAX, max(0, size - SAID_MAX)).decode(errors="replace")
            os.close(room)

    def said(self) -> list[str]:
        """What DPDK and its drivers have said since they were asked last, without what they say twice."""
        room = self.ffi.new("char[]", SAID_MAX + 1)
        self.lib.sm_dpdk_said(room, SAID_MAX + 1)
        lines = (self._printed + self.ffi.string(room).decode(errors="replace")).splitlines()
        self._printed = ""
        return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

    def why(self, done: int) -> str:
        """What DPDK said of the error of this (negative) number, or what the number means."""
        lines = [line for line in self.said() if not line.startswith(NOISE)]
        return "; ".join(lines[-SAID_LINES:]) or os.strerror(-done).lower()


_loaded: list[Library] = []


def library() -> Library:
    """Compiles and loads it the first time. Raises DpdkError, NoCompiler."""
    if not _loaded:
        try:
            _loaded.append(Library())
        except OSError as error:
            raise DpdkError(f"what was compiled for DPDK does not load: {error}") from error
    return _loaded[0]


def free_huge_pages() -> int:
    """Bytes of them that nobody has."""
    free = 0
    for folder in HUGE.glob("hugepages-*kB"):
        with suppress(OSError, ValueError):
            kib = int(folder.name.removeprefix("hugepages-").removesuffix("kB"))
            free += int((folder / "free_hugepages").read_text()) * kib * 1024
    return free


def _asked(*words: str) -> str:
    """What pkg-config answers. Raises DpdkError."""
    if shutil.which("pkg-config") is None:
        raise DpdkError(f"needs pkg-config and DPDK's headers ({INSTALL})")
    done = subprocess.run(["pkg-config", *words, PACKAGE], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise DpdkError(f"needs DPDK's headers, which pkg-config does not find ({INSTALL})")
    return done.stdout.strip()


def _version() -> str:
    version = _asked("--modversion")
    numbers = tuple(int(word) for word in re.findall(r"\d+", version)[:2])
    if numbers < VERSION_MIN:
        least = ".".join(map(str, VERSION_MIN))
        raise DpdkError(f"needs DPDK {least} or newer, and {version} is installed")
    return version


def compile_command() -> list[str]:
    """The compiler with everything but its sources, what it writes, and the libraries. Raises DpdkError, NoCompiler."""
    return [*find_compiler(), *FLAGS, f"-I{CSRC}", *shlex.split(_asked("--cflags"))]


def link_flags() -> list[str]:
    """The libraries. Raises DpdkError."""
    return shlex.split(_asked("--libs"))


def _load() -> Any:
    """The shared object: out of the cache, or compiled now."""
    version, command, libraries = _version(), compile_command(), link_flags()
    texts = [(CSRC / name).read_bytes() for name in (*SOURCES, *HEADERS)]
    flags = shlex.join([version, *command, *libraries]).encode()
    name = digest_of([*texts, boundary.c_text().encode(), compiler_identity(find_compiler()), flags])
    try:
        return kept(
            f"dpdk-{name}.so",
            partial(_compile, command, libraries),
            lambda path, cached: _FFI.dlopen(str(path)),
        )
    except EngineError as error:
        raise DpdkError(str(error)) from error


def _compile(command: list[str], libraries: list[str], folder: Path) -> Path:
    boundary.write_header(folder)
    full = [*command, f"-I{folder}", *(str(CSRC / name) for name in SOURCES), "-Wl,-Bsymbolic", *libraries]
    out = compile_to(folder / "dpdk.so", full, f"compile {WHAT}", WHAT)
    seal(out)
    return out
