"""An engine's machine code in this process: loaded, asked what it is, and unmapped when nobody is inside any more.

One idea: the loader is the C library's, called through the C runtime, whose types are known already; only where there
is no C runtime are the declarations parsed. Nothing here needs NumPy, so that a filter that was compiled before runs
at once.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

from sevenm import boundary
from sevenm.boundary import InfoFlag, Level
from sevenm.host.devices.errors import DeviceError
from sevenm.host.native import Native, available, native

CSRC = Path(__file__).parent.parent / "csrc"
VARIABLE = "SEVENM_LEVEL"
"""Names the level to use instead of the best one (``sevenm.host.engine.objects``)."""
ROOM = 4096
"""Entries of fired rules that an engine gets room for at least; one that needs more for a chunk gets that."""


class EngineError(DeviceError):
    """The generated C does not compile, or what was compiled is not the engine of the bundle."""


@cache
def c_types() -> Native:
    """The types of the boundary and the loader's functions."""
    if available():
        return native()
    from cffi import FFI

    ffi: Any = FFI()  # its type stubs know neither NumPy arrays nor what was declared
    ffi.cdef(boundary.cdef() + (CSRC / "code.cdef").read_text())
    lib = ffi.dlopen(None)
    lib.dlerror()  # looked up now: looking it up later would forget what it is to say
    return Native(ffi, lib)


class Code:
    """A loaded engine; ``cached`` says that nothing was compiled. Its code stays mapped while a call is inside, or
    somebody holds it, also after ``close``. Raises EngineError where it is no engine."""

    def __init__(self, path: Path, cached: bool) -> None:
        self.ffi, self._lib = c_types()
        self.path, self.cached = path, cached
        self._handle: Any = self._lib.dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
        if not self._handle:
            raise EngineError(f"the compiled engine cannot be loaded: {self._reason()}")
        try:
            info = self.ffi.cast("struct sm_info *", self._symbol("sm_info"))
            self.match: Any = self.ffi.cast("sm_match_function *", self._symbol("sm_match"))
        except EngineError:
            self._lib.dlclose(self._handle)
            raise
        self.abi, self.n_rules, self.fired_max = int(info.abi), int(info.rules), int(info.fired_max)
        self.n_tables, self.n_states = int(info.tables), int(info.states)
        self.has_ports = bool(info.flags & InfoFlag.DYNAMIC_PORTS)
        self.level = Level(int(info.level)) if self.abi == boundary.ABI else Level.PLAIN
        self.structure: str = self.ffi.string(info.structure).decode("ascii", "replace")
        self.room = max(ROOM, self.fired_max)
        self._lock = threading.Lock()
        self._holders = 0
        self._closed = False

    def use_level(self, level: Level) -> bool:
        """Of an object with several levels (``sevenm.host.engine.objects``): goes on with this one. False if it has not
        got it, or the processor lacks it. Only before anybody holds the engine."""
        if not self.ffi.cast("uint32_t (*)(uint32_t)", self._symbol("sm_use_level"))(int(level)):
            return False
        self.level = level
        return True

    @property
    def address(self) -> int:
        """Of ``sm_match``, for the C runtime; good while the engine is held."""
        return int(self.ffi.cast("uintptr_t", self.match))

    @property
    def mapped(self) -> bool:
        """Whether the code is there."""
        return self._handle is not None

    def state_bytes(self, state: int) -> int:
        """The memory that the state of this number needs, 0 if there is none."""
        return int(self.ffi.cast("uint64_t (*)(uint32_t)", self._symbol("sm_state_bytes"))(state))

    def check(self, structure: str, n_rules: int) -> None:
        """Raises EngineError if this is not the engine of the Plan with that structure."""
        for what, found, expected in (
            ("ABI", self.abi, boundary.ABI),
            ("number of rules", self.n_rules, n_rules),
            ("structure", self.structure, structure),
        ):
            if found != expected:
                raise EngineError(f"engine.c has {what} {found}, expected {expected}; build the bundle again")

    def hold(self) -> None:
        """Keeps the code mapped until ``release``. Who holds it may hold it again, also after ``close``. Raises
        EngineError once it is closed and nobody holds it."""
        with self._lock:
            if self._handle is None:
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
        if self._closed and not self._holders and self._handle is not None:
            self._lib.dlclose(self._handle)
            self._handle = None

    def _symbol(self, name: str) -> Any:
        found = self._lib.dlsym(self._handle, name.encode())
        if not found:
            raise EngineError(f"the compiled engine cannot be loaded: {self._reason()}")
        return found

    def _reason(self) -> str:
        said = self._lib.dlerror()
        return self.ffi.string(said).decode(errors="replace") if said else "no reason given"
