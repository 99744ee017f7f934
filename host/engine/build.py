"""Makes native code: runs the C compiler and says what it complained of, and keeps what was made in the cache.

One idea: code is a function of what it is made from, so a digest of that names it in the cache, and whoever needs code
asks for it by its name and says how it is made. A cached file is sealed (``code_cache.seal``), so that a damaged one is
noticed before it is mapped, and made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sevenm.host.engine.code import EngineError
from sevenm.host.engine.code_cache import is_sealed, prune, usable
from sevenm.host.engine.toolchain import NoCompiler

COMPILE_S_MAX = 900
"""Seconds a compiler may take."""
CACHE_ROOM_MIN = 16 << 20
"""Bytes that the cache's disk has free, or nothing is added to it."""
CACHE_MAX = 128
"""Files of code kept in the cache; the longest unused go first."""
ERROR_LINES = 8
"""Lines of a compiler's complaint that are shown."""

T = TypeVar("T")


def compile_to(out: Path, command: list[str], task: str, over: str = "engine.c; use fewer rules") -> Path:
    """Runs the compiler's command, which gets ``-o out``, and returns ``out``. ``task`` is what it then cannot do
    ("compile engine.c"), ``over`` what took too long and what to do. Raises NoCompiler if it cannot be run, EngineError
    with what it said."""
    try:
        done = subprocess.run([*command, "-o", str(out)], capture_output=True, timeout=COMPILE_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{command[0]} took more than {COMPILE_S_MAX} s over {over}") from error
    except OSError as error:
        raise NoCompiler(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode or not out.is_file():
        lines = done.stderr.decode(errors="replace").replace(str(out.parent) + os.sep, "").splitlines()
        more = [f"… {len(lines) - ERROR_LINES} more lines"] if len(lines) > ERROR_LINES else []
        text = "\n  ".join([*lines[:ERROR_LINES], *more] or ["it said nothing"])
        raise EngineError(f"{command[0]} cannot {task} (exit code {done.returncode}):\n  {text}")
    return out


def kept(name: str, make: Callable[[Path], Path], load: Callable[[Path, bool], T]) -> T:
    """What ``load`` makes of the code of that name, and of whether it was in the cache. What is not there ``make``
    writes, sealed, into a folder and returns; where there can be no cache, the folder is gone once ``load`` returned.
    What either of them raises is passed on."""
    folder = usable()
    if folder is not None:
        path = folder / name
        if is_sealed(path):
            return load(path, True)
        if _has_room(folder) and _keep(path, make):
            return load(path, False)
    with tempfile.TemporaryDirectory(prefix="sevenm-") as temporary:
        return load(make(Path(temporary)), False)


def _keep(path: Path, make: Callable[[Path], Path]) -> bool:
    """Whether the code is in the cache now."""
    try:
        with tempfile.TemporaryDirectory(prefix=".build-", dir=path.parent) as temporary:
            make(Path(temporary)).replace(path)
    except OSError:
        return False
    prune(path.parent, CACHE_MAX)
    return True


def _has_room(folder: Path) -> bool:
    """Whether code can be kept there: a disk that is full is no reason not to run."""
    try:
        return shutil.disk_usage(folder).free >= CACHE_ROOM_MIN
    except OSError:
        return False
