"""A bundle's generated C as code that decides batches: compiled for this very processor, or taken from the cache.

One idea: an engine is a function of its source, the compiler, the flags and the processor, so their digest names it in
the cache.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import CHUNK
from sevenm.host.batch import EventBatch
from sevenm.host.engine.actions import words
from sevenm.host.engine.build import compile_to, kept
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.code_cache import digest_of, seal
from sevenm.host.engine.counts import Actions
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE, Decisions
from sevenm.host.engine.toolchain import compiler_identity, find_compiler, processor

FLAGS = ("-O3", "-march=native", "-std=c11", "-fPIC", "-shared")


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

    def load(path: Path, cached: bool) -> CompiledEngine:
        # The name covers the source: an entry that loads but does not fit is one the source does not fit either.
        engine = CompiledEngine(path, cached)
        try:
            engine.check(structure, n_rules)
        except EngineError:
            engine.close()
            raise
        return engine

    return kept(f"{_key(source, command)}.so", partial(_compile, source, command), load)


def _key(source: bytes, command: list[str]) -> str:
    """Names everything that the machine code depends on. Raises NoCompiler."""
    flags = shlex.join([*command, *FLAGS]).encode()
    return digest_of([source, compiler_identity(command), flags, processor()])


def _compile(source: bytes, command: list[str], folder: Path) -> Path:
    engine_c = folder / "engine.c"
    engine_c.write_bytes(source)
    # Local symbols stay local, whatever the program that loads the engine defines.
    full = [*command, *FLAGS, "-Wl,-Bsymbolic", str(engine_c)]
    out = compile_to(folder / "engine.so", full, "compile engine.c")
    seal(out)
    return out
