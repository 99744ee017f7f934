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
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import CHUNK, InfoFlag, Level
from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.actions import Actions, words
from sevenm.host.engine.code_cache import is_sealed, prune, seal, usable
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE, Decisions

FLAGS = ("-O3", "-march=native", "-std=c11", "-fPIC", "-shared")
COMPILERS = ("gcc", "clang", "cc")
COMPILE_S_MAX = 900
"""Seconds a compiler may take."""
CACHE_ROOM_MIN = 16 << 20
"""Bytes that the cache's disk has free, or nothing is added to it."""
CACHE_MAX = 128
"""Engines kept in the cache; the longest unused go first."""
ERROR_LINES = 8
"""Lines of a compiler's complaint that are shown."""
ROOM = 4096
"""Entries of fired rules that an engine gets room for at least; one that needs more for a chunk gets that."""

_FFI: Any = FFI()  # its type stubs know neither NumPy arrays nor what was declared
_FFI.cdef(boundary.cdef() + boundary.ENGINE_CDEF + boundary.OBJECT_CDEF)


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


@dataclass(frozen=True)
class Context:
    """What an engine reads beside the events: addresses of its tables and of the pointers to its states, 0 for none.
    ``keep`` owns that memory. Never changed while anybody uses it."""

    tables: int = 0
    states: int = 0
    keep: object = None


NO_CONTEXT = Context()


class CompiledEngine:
    """A loaded engine; ``cached`` says that nothing was compiled. May be used by several threads at a time, unless its
    context has state. Its code stays mapped while a call is inside, or somebody holds it, also after ``close``."""

    def __init__(self, path: Path, cached: bool) -> None:
        try:
            self._lib: Any = _FFI.dlopen(str(path))
            info, self._match = self._lib.sm_info, self._lib.sm_match
        except (OSError, AttributeError, KeyError) as error:
            raise EngineError(f"the compiled engine cannot be loaded: {error.args[-1]}") from error
        self.abi, self.n_rules, self.fired_max = int(info.abi), int(info.rules), int(info.fired_max)
        self.n_tables, self.n_states = int(info.tables), int(info.states)
        self.has_ports = bool(info.flags & InfoFlag.DYNAMIC_PORTS)
        self.level = Level(int(info.level)) if self.abi == boundary.ABI else Level.PLAIN
        self.structure: str = _FFI.string(info.structure).decode("ascii", "replace")
        self.cached = cached
        self.room = max(ROOM, self.fired_max)
        self._spare: list[NDArray[np.void]] = []
        self._lock = threading.Lock()
        self._holders = 0
        self._closed = False

    def use_level(self, level: Level) -> bool:
        """Of an object with several levels (``sevenm.host.engine.objects``): goes on with this one. False if it has not
        got it, or the processor lacks it. Only before anybody holds the engine."""
        if not self._lib.sm_use_level(int(level)):
            return False
        self.level = level
        return True

    @property
    def address(self) -> int:
        """Of ``sm_match``, for the C runtime; good while the engine is held."""
        return int(_FFI.cast("uintptr_t", _FFI.addressof(self._lib, "sm_match")))

    @property
    def mapped(self) -> bool:
        """Whether the code is there."""
        return self._lib is not None

    def state_bytes(self, state: int) -> int:
        """The memory that the state of this number needs, 0 if there is none."""
        return int(self._lib.sm_state_bytes(state))

    def check(self, structure: str, n_rules: int) -> None:
        """Raises EngineError if this is not the engine of the Plan with that structure."""
        for what, found, expected in (
            ("ABI", self.abi, boundary.ABI),
            ("number of rules", self.n_rules, n_rules),
            ("structure", self.structure, structure),
        ):
            if found != expected:
                raise EngineError(f"engine.c has {what} {found}, expected {expected}; build the bundle again")

    def check_context(self, context: Context) -> None:
        """Raises EngineError if the context lacks what the engine would read without asking."""
        if self.n_tables and not context.tables:
            raise EngineError(f"the engine looks up {self.n_tables} tables, but their rows were not given")
        if self.n_states and not context.states:
            raise EngineError(f"the engine keeps {self.n_states} states, but no memory for them was given")

    def hold(self) -> None:
        """Keeps the code mapped until ``release``. Who holds it may hold it again, also after ``close``. Raises
        EngineError once it is closed and nobody holds it."""
        with self._lock:
            if self._lib is None:
                raise EngineError("the engine was closed")
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            self._unmap()

    def close(self) -> None:
        """Lets go of the code, as soon as nobody holds it."""
        with self._lock:
            self._closed = True
            self._unmap()

    def _unmap(self) -> None:
        if self._closed and not self._holders and self._lib is not None:
            _FFI.dlclose(self._lib)
            self._lib = self._match = None

    def run(self, batch: EventBatch, rules: Sequence[Actions], context: Context = NO_CONTEXT) -> Decisions:
        """Decides a batch. Raises EngineError once closed, or where the engine breaks its contract."""
        self.hold()
        try:
            return self._run(batch, rules, context)
        finally:
            self.release()

    def _run(self, batch: EventBatch, rules: Sequence[Actions], context: Context) -> Decisions:
        self.check_context(context)
        n = len(batch)
        chunks = np.empty(words(n), CHUNK_DTYPE)
        ports = np.zeros(n, np.uint16) if self.has_ports else None
        fired = self._spare.pop() if self._spare else np.empty(self.room, FIRED_DTYPE)
        c_context = _FFI.new("sm_context *", {"port": batch.source})
        c_context.tables = _FFI.cast("sm_table *", context.tables)
        c_context.states = _FFI.cast("sm_state **", context.states)
        buffer, c_fired = _FFI.from_buffer("uint8_t[]", batch.buffer), _FFI.from_buffer("sm_fired[]", fired)
        c_events, c_chunks = _FFI.from_buffer("sm_event[]", batch.events), _FFI.from_buffer("sm_chunk[]", chunks)
        c_ports = _FFI.NULL if ports is None else _FFI.from_buffer("uint16_t[]", ports)
        parts, at = [], 0
        while at < n:
            to_ports = c_ports if ports is None else c_ports + at
            chunk = c_chunks + at // CHUNK
            done = self._match(buffer, c_events + at, n - at, c_context, chunk, c_fired, self.room, to_ports)
            if not 0 < done <= n - at or (done < n - at and done % CHUNK):
                raise EngineError(f"the engine decided {done} of {n - at} events")
            used = int(chunks["fired"][at // CHUNK : words(at + done)].sum(dtype=np.uint64))
            if used > self.room:
                raise EngineError(f"the engine wrote {used} entries into room for {self.room}")
            parts.append(fired[:used].copy())
            at += done
        self._spare.append(fired)
        entries = parts[0] if len(parts) == 1 else np.concatenate([*parts, fired[:0]])
        return Decisions(chunks, entries, n, rules, ports)


def load_engine(source: bytes, structure: str, n_rules: int) -> CompiledEngine:
    """The engine of this source: from the cache, or compiled now. Raises NoCompiler or EngineError."""
    command = find_compiler()
    key = _key(source, command)
    folder = usable()
    if folder is not None:
        path = folder / f"{key}.so"
        if is_sealed(path):
            # The key covers the source: an entry that loads but does not fit is one the source does not fit either.
            return _checked(path, True, structure, n_rules)
        if _has_room(folder):
            with suppress(OSError), tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
                _compile(source, command, Path(name) / "engine.so").replace(path)
                prune(folder, CACHE_MAX)
                return _checked(path, False, structure, n_rules)
    with tempfile.TemporaryDirectory(prefix="sevenm-") as name:
        return _checked(_compile(source, command, Path(name) / f"{key}.so"), False, structure, n_rules)


def _has_room(folder: Path) -> bool:
    """Whether an engine can be kept there: a disk that is full is no reason not to run."""
    try:
        return shutil.disk_usage(folder).free >= CACHE_ROOM_MIN
    except OSError:
        return False


def _checked(path: Path, cached: bool, structure: str, n_rules: int) -> CompiledEngine:
    engine = CompiledEngine(path, cached)
    try:
        engine.check(structure, n_rules)
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
    for part in (source, version, shlex.join([*command, *FLAGS]).encode(), _processor()):
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
    full = [*command, *FLAGS, "-Wl,-Bsymbolic", "-o", str(out), str(engine_c)]
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
