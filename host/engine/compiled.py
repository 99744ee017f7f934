"""Compiles a bundle's generated C, keeps the result, and loads it.

One idea: an engine is a function of its source, the compiler, the flags and the processor, so their digest names it in
the cache. A cached file ends with the SHA-256 of everything before it (loaders ignore what follows an ELF file's
sections), so that a damaged one is noticed before it is mapped, and built again.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import CHUNK
from sevenm.host.batch import EventBatch
from sevenm.host.engine.actions import Actions, words
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.code_cache import is_sealed, prune, seal, usable
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE, Decisions
from sevenm.host.engine.toolchain import NoCompiler, compiler_identity, find_compiler, processor

FLAGS = ("-O3", "-march=native", "-std=c11", "-fPIC", "-shared")
COMPILE_S_MAX = 900
"""Seconds a compiler may take."""
CACHE_ROOM_MIN = 16 << 20
"""Bytes that the cache's disk has free, or nothing is added to it."""
CACHE_MAX = 128
"""Engines kept in the cache; the longest unused go first."""
ERROR_LINES = 8
"""Lines of a compiler's complaint that are shown."""


@dataclass(frozen=True)
class Context:
    """What an engine reads beside the events: addresses of its tables and of the pointers to its states, 0 for none.
    ``keep`` owns that memory. Never changed while anybody uses it."""

    tables: int = 0
    states: int = 0
    keep: object = None


NO_CONTEXT = Context()


class CompiledEngine(Code):
    """Code that decides batches. May be used by several threads at a time, unless its context has state."""

    def __init__(self, path: Path, cached: bool) -> None:
        super().__init__(path, cached)
        self._spare: list[NDArray[np.void]] = []

    def check_context(self, context: Context) -> None:
        """Raises EngineError if the context lacks what the engine would read without asking."""
        if self.n_tables and not context.tables:
            raise EngineError(f"the engine looks up {self.n_tables} tables, but their rows were not given")
        if self.n_states and not context.states:
            raise EngineError(f"the engine keeps {self.n_states} states, but no memory for them was given")

    def run(self, batch: EventBatch, rules: Sequence[Actions], context: Context = NO_CONTEXT) -> Decisions:
        """Decides a batch. Raises EngineError once closed, or where the engine breaks its contract."""
        self.hold()
        try:
            return self._run(batch, rules, context)
        finally:
            self.release()

    def _run(self, batch: EventBatch, rules: Sequence[Actions], context: Context) -> Decisions:
        self.check_context(context)
        n, ffi = len(batch), self.ffi
        chunks = np.empty(words(n), CHUNK_DTYPE)
        ports = np.zeros(n, np.uint16) if self.has_ports else None
        fired = self._spare.pop() if self._spare else np.empty(self.room, FIRED_DTYPE)
        c_context = ffi.new("sm_context *", {"port": batch.source})
        c_context.tables = ffi.cast("sm_table *", context.tables)
        c_context.states = ffi.cast("sm_state **", context.states)
        buffer, c_fired = ffi.from_buffer("uint8_t[]", batch.buffer), ffi.from_buffer("sm_fired[]", fired)
        c_events, c_chunks = ffi.from_buffer("sm_event[]", batch.events), ffi.from_buffer("sm_chunk[]", chunks)
        c_ports = ffi.NULL if ports is None else ffi.from_buffer("uint16_t[]", ports)
        parts, at = [], 0
        while at < n:
            to_ports = c_ports if ports is None else c_ports + at
            chunk = c_chunks + at // CHUNK
            done = self.match(buffer, c_events + at, n - at, c_context, chunk, c_fired, self.room, to_ports)
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
    """SHA-256 over everything that the machine code depends on. Raises NoCompiler."""
    digest = hashlib.sha256()
    for part in (source, compiler_identity(command), shlex.join([*command, *FLAGS]).encode(), processor()):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


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
