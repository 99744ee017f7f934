"""Compiles a bundle's generated C, keeps the result, and loads it.

One idea: an engine is a function of its source, the compiler, the flags and the processor, so their digest names it in
the cache. A cached file ends with the SHA-256 of everything before it (loaders ignore what follows an ELF file's
sections), so that a damaged one is noticed before it is mapped, and built again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.code_cache import is_sealed, prune, seal, usable
from sevenm.host.engine.decisions import words

ABI = 1
BATCH = 256
FLAGS = ("-O3", "-march=native", "-std=c11", "-fPIC", "-shared")
COMPILERS = ("gcc", "clang", "cc")
COMPILE_S_MAX = 900
"""Seconds a compiler may take."""
CACHE_MAX = 128
"""Engines kept in the cache; the longest unused go first."""
ERROR_LINES = 8
"""Lines of a compiler's complaint that are shown."""
RUN_C = Path(__file__).with_name("engine_run.c")

_FFI: Any = FFI()  # its type stubs know neither NumPy arrays nor what was declared
_FFI.cdef(
    """
    typedef struct { uint64_t offset, ts_ns; uint32_t cap_len, wire_len; } sm_event;
    struct sm_info { uint32_t abi, batch, n_rules, reserved; char digest[72]; };
    extern struct sm_info sm_info;
    void sm_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t *scratch, uint64_t *rows);
    """
)


class EngineError(DeviceError):
    """The generated C does not compile, or what was compiled is not the engine of the bundle."""


class NoCompiler(DeviceError):
    """There is no C compiler on this machine."""


def find_compiler() -> list[str]:
    """The compiler's command: $CC (which may have arguments), else gcc, clang or cc. Raises NoCompiler."""
    given = os.environ.get("CC", "")
    try:
        command = shlex.split(given)
    except ValueError as error:
        raise NoCompiler(f"CC={given!r} is no command: {error}") from error
    if command:
        if shutil.which(command[0]) is None:
            raise NoCompiler(f"CC={given!r}: there is no program {command[0]}; install it or unset CC")
        return command
    for name in COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise NoCompiler(
        f"no C compiler found (looked for {', '.join(COMPILERS)}): install one (Debian: apt install gcc libc6-dev), "
        "set CC, or use the reference engine"
    )


class CompiledEngine:
    """A loaded engine. ``run`` may be called from one thread at a time; ``cached`` says that nothing was compiled."""

    def __init__(self, path: Path, cached: bool) -> None:
        try:
            self._lib: Any = _FFI.dlopen(str(path))
            info = self._lib.sm_info
        except (OSError, AttributeError) as error:
            raise EngineError(f"the compiled engine cannot be loaded: {error}") from error
        self.abi, self.batch, self.n_rules = int(info.abi), int(info.batch), int(info.n_rules)
        self.digest: str = _FFI.string(info.digest).decode("ascii", "replace")
        self.cached = cached
        self._scratch = np.empty((self.n_rules + 2) * (BATCH // 64), np.uint64)

    def check(self, digest: str, n_rules: int) -> None:
        """Raises EngineError if this is not the engine of the Plan with that digest."""
        for what, found, expected in (
            ("ABI", self.abi, ABI),
            ("batch size", self.batch, BATCH),
            ("number of rules", self.n_rules, n_rules),
            ("digest", self.digest, digest),
        ):
            if found != expected:
                raise EngineError(f"engine.c has {what} {found}, expected {expected}; build the bundle again")

    def run(self, batch: EventBatch) -> NDArray[np.uint64]:
        """(n_rules + 2, words(n)) uint64, as ``sevenm.host.engine.decisions`` has it.

        Raises EngineError once closed."""
        if self._lib is None:
            raise EngineError("the engine was closed")
        rows = np.empty((self.n_rules + 2, words(len(batch))), np.uint64)
        self._lib.sm_run(
            _FFI.from_buffer("uint8_t[]", batch.buffer),
            _FFI.from_buffer("sm_event[]", batch.events),
            len(batch),
            _FFI.from_buffer("uint64_t[]", self._scratch),
            _FFI.from_buffer("uint64_t[]", rows),
        )
        return rows

    def close(self) -> None:
        if self._lib is not None:
            _FFI.dlclose(self._lib)
            self._lib = None


def load_engine(source: bytes, digest: str, n_rules: int) -> CompiledEngine:
    """The engine of this source: from the cache, or compiled now. Raises NoCompiler or EngineError."""
    command = find_compiler()
    key = _key(source, command)
    folder = usable()
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="sevenm-") as name:
            return _checked(_compile(source, command, Path(name) / f"{key}.so"), False, digest, n_rules)
    path = folder / f"{key}.so"
    if is_sealed(path):
        # The key covers the source, so an entry that loads but does not fit is one the source does not fit either.
        return _checked(path, True, digest, n_rules)
    try:
        with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
            _compile(source, command, Path(name) / "engine.so").replace(path)
    except OSError as error:
        raise EngineError(f"{folder}: the engine cannot be kept: {error.strerror or error}") from error
    prune(folder, CACHE_MAX)
    return _checked(path, False, digest, n_rules)


def _checked(path: Path, cached: bool, digest: str, n_rules: int) -> CompiledEngine:
    engine = CompiledEngine(path, cached)
    try:
        engine.check(digest, n_rules)
    except EngineError:
        engine.close()
        raise
    return engine


def _key(source: bytes, command: list[str]) -> str:
    """SHA-256 over everything that the machine code depends on."""
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, timeout=60, check=False).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoCompiler(f"{shlex.join(command)} cannot be run: {error}") from error
    digest = hashlib.sha256()
    for part in (source, RUN_C.read_bytes(), version, shlex.join([*command, *FLAGS]).encode(), _processor()):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _processor() -> bytes:
    """What -march=native looks at; a home folder may be shared by machines."""
    wanted = (b"model name", b"flags", b"Features", b"CPU part")
    lines: list[bytes] = []
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_bytes().splitlines():
            if not line.strip():
                break
            if line.startswith(wanted):
                lines.append(line)
    return platform.machine().encode() + b"\n".join(lines)


def _compile(source: bytes, command: list[str], out: Path) -> Path:
    engine_c = out.with_name("engine.c")
    engine_c.write_bytes(source)
    # Local symbols stay local, whatever the program that loads the engine defines.
    full = [*command, *FLAGS, "-Wl,-Bsymbolic", "-o", str(out), str(engine_c), str(RUN_C)]
    try:
        done = subprocess.run(full, capture_output=True, timeout=COMPILE_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{command[0]} took more than {COMPILE_S_MAX} s over engine.c; use fewer rules") from error
    except OSError as error:
        raise NoCompiler(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode or not out.is_file():
        lines = done.stderr.decode(errors="replace").replace(str(out.parent) + os.sep, "").splitlines() or [
            "it said nothing"
        ]
        more = [f"… {len(lines) - ERROR_LINES} more lines"] if len(lines) > ERROR_LINES else []
        text = "\n  ".join([*lines[:ERROR_LINES], *more])
        raise EngineError(f"{command[0]} cannot compile engine.c (exit code {done.returncode}):\n  {text}")
    seal(out)
    return out
