"""Builds the C runtime ``sevenm.host._native`` (cffi, API mode, stable ABI) from everything in ``host/csrc``.

A new part of the runtime is a ``.c``, a ``.h`` and a ``.cdef`` file in that folder; nothing is listed here. The
``.cdef`` files are what Python sees; shared types come first (those of ``sevenm/boundary.py``, then ``ring.cdef``), the
others in alphabetical order. ``sm_boundary.h`` is written into ``build/include`` on the way.
The extension is optional: without a C compiler the install succeeds and ``sevenm.host.native`` says what is missing.
setuptools runs this file from the repository's root (``cffi_modules`` in setup.py); paths are relative to it.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from cffi import FFI

CSRC = Path("host/csrc")
INCLUDE = Path("build/include")
BOUNDARY = Path("sevenm/boundary.py")
FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra"]


def _files(ending: str) -> list[Path]:
    """Files of ``host/csrc`` with this ending; ring.* first, since it declares the types that others use."""
    return sorted(CSRC.glob(f"*{ending}"), key=lambda path: (path.stem != "ring", path.name))


def _paths(ending: str) -> list[str]:
    return [path.as_posix() for path in _files(ending)]


def _load(path: Path) -> ModuleType:
    """A module by its file: where setuptools builds in an environment of its own, the package is not importable."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


boundary = _load(BOUNDARY)
boundary_h = boundary.write_header(INCLUDE)
ffibuilder = FFI()
ffibuilder.cdef(boundary.cdef())
for _cdef in _files(".cdef"):
    ffibuilder.cdef(_cdef.read_text())
ffibuilder.set_source(
    "sevenm.host._native",
    "".join(f'#include "{header.name}"\n' for header in _files(".h")),
    sources=_paths(".c"),
    include_dirs=[CSRC.as_posix(), INCLUDE.as_posix()],
    depends=[*_paths(".h"), *_paths(".cdef"), boundary_h.as_posix()],
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=FLAGS,
    libraries=["rt", "dl"],
    py_limited_api=True,
    optional=True,
)
