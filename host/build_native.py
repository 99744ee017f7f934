"""Builds the C runtime ``sevenm.host._native`` (cffi, API mode, stable ABI) from everything in ``host/csrc``.

A new part of the runtime is a ``.c``, a ``.h`` and a ``.cdef`` file in that folder; nothing is listed here. The
``.cdef`` files are what Python sees; shared types (``ring.cdef``) come first, the others in alphabetical order.
The extension is optional: without a C compiler the install succeeds and ``sevenm.host.native`` says what is missing.
setuptools runs this file from the repository's root (``cffi_modules`` in setup.py); paths are relative to it.
"""

from pathlib import Path

from cffi import FFI

CSRC = Path("host/csrc")
FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra"]


def _files(ending: str) -> list[Path]:
    """Files of ``host/csrc`` with this ending; ring.* first, since it declares the types that others use."""
    return sorted(CSRC.glob(f"*{ending}"), key=lambda path: (path.stem != "ring", path.name))


def _paths(ending: str) -> list[str]:
    return [path.as_posix() for path in _files(ending)]


ffibuilder = FFI()
for _cdef in _files(".cdef"):
    ffibuilder.cdef(_cdef.read_text())
ffibuilder.set_source(
    "sevenm.host._native",
    "".join(f'#include "{header.name}"\n' for header in _files(".h")),
    sources=_paths(".c"),
    include_dirs=[CSRC.as_posix()],
    depends=_paths(".h") + _paths(".cdef"),
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=FLAGS,
    libraries=["rt"],
    py_limited_api=True,
    optional=True,
)
