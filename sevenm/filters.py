"""Engines of filters that were compiled before, found by the text of the filter.

One idea: a filter's engine is a function of its text, of the code that compiles it, and of the compiler and processor
that the engine is built by and for, so a digest over all of these names it, and neither text nor code has to be read
again. Files are known by path, size, times and inode. Entries are sealed and pruned as engines are
(``sevenm.host.engine.code_cache``). Only filters that compile without a remark are kept, since a remark has to be made
again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sevenm.boundary import ABI
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.code_cache import cache_folder, digest_of, is_sealed, keep_sealed, unsealed, usable
from sevenm.host.engine.toolchain import NoCompiler, compiler_identity, file_identity, find_compiler, processor

FILTERS_MAX = 128
"""Engines kept; the longest unused go first."""
INSTALLED = ("site-packages", "dist-packages")
_ROOT = Path(__file__).parent
_SOURCES = (_ROOT, _ROOT / "compiler", _ROOT / "host" / "engine", _ROOT / "host" / "devices")
"""Folders with code that an engine depends on: the first without those in it."""


class Filters:
    """The kept engines of filters on this machine, for the code and the compiler of now."""

    def __init__(self) -> None:
        self._known = depends_on()
        self._folder = usable(cache_folder() / "filters") if self._known and usable() is not None else None

    def find(self, text: str) -> Code | None:
        """The engine of that filter, loaded; None where there is none, or only a damaged one."""
        if self._folder is None or not is_sealed(self._path(self._folder, text)):
            return None
        try:
            code = Code(self._path(self._folder, text), cached=True)
        except EngineError:
            return None
        if (code.abi, code.n_rules, code.n_tables, code.n_states) == (ABI, 1, 0, 0):
            return code
        code.close()
        return None

    def keep(self, text: str, engine: Path) -> None:
        """Keeps a sealed engine as that of the filter; where it cannot be kept, it is compiled again the next time."""
        data = None if self._folder is None else unsealed(engine)
        if self._folder is not None and data is not None:
            keep_sealed(self._path(self._folder, text), data, FILTERS_MAX)

    def _path(self, folder: Path, text: str) -> Path:
        return folder / f"{digest_of([text.encode('utf-8', 'surrogateescape'), *self._known])}.so"


def depends_on() -> list[bytes]:
    """What an engine is a function of, beside the text that it was compiled from; empty where nothing can be kept."""
    try:
        command = find_compiler()
        return [os.fsencode(" ".join(command)), compiler_identity(command), processor(), *_code(), *_packages()]
    except (NoCompiler, OSError):  # no compiler: no engines; sources that are no files: nothing to know them by
        return []


def _code() -> Iterator[bytes]:
    """Every file that turns a text into an engine. Raises OSError."""
    yield sys.version.encode()
    for number, folder in enumerate(_SOURCES):
        yield from _files(folder, deep=number > 0)


def _files(folder: Path, deep: bool) -> Iterator[bytes]:
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda one: one.name):
            if entry.name == "__pycache__":
                continue
            if not entry.is_dir():
                yield file_identity(entry.path)
            elif deep:
                yield from _files(Path(entry.path), deep)


def _packages() -> Iterator[bytes]:
    """Where modules are found. Folders that packages are installed in change when one is added, removed or replaced, be
    it a package that sevenm is written with or one that registers a device; other folders change all the time."""
    for name in sys.path:
        yield os.fsencode(name)
        if name.endswith(INSTALLED):
            with suppress(OSError):
                yield file_identity(name)
