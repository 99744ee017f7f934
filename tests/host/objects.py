"""Object files of the C runtime under a sanitizer, compiled once a run and kept beside it, whoever links them.

One idea: a driver with a seeded fault differs from the sound one in one file; the other thirty are the same objects.
What an object is made from names it: compiler, flags, its text and the headers it can include.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from sevenm import boundary

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "host" / "csrc"
KEPT = ROOT / "build" / "objects"


def boundary_folder() -> Path:
    """Where ``sm_boundary.h`` lies."""
    folder = KEPT / hashlib.sha256(boundary.c_header().encode()).hexdigest()[:16]
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        boundary.write_header(folder)
    return folder


def compiled(command: Sequence[str], source: Path, csrc: Path) -> Path:
    """The object of a source: compiled now, or kept. ``command``: compiler and flags but for the folders with headers.
    Raises AssertionError with what the compiler said."""
    if source.parent == csrc:
        within: Iterable[Path] = csrc.glob("*.h")
        same = source.read_bytes() == (CSRC / source.name).read_bytes() and headers_of(csrc) == headers_of(CSRC)
        source, csrc = (CSRC / source.name, CSRC) if same else (source, csrc)
    else:  # a driver may include any file
        within = [*csrc.glob("*.[ch]"), *source.parent.glob("*.h")]
    digest = hashlib.sha256(repr([*command, source.name, boundary_folder().name]).encode() + source.read_bytes())
    for one in sorted(within):
        digest.update(one.read_bytes())
    kept = KEPT / f"{digest.hexdigest()[:32]}.o"
    if not kept.exists():
        fresh = kept.with_suffix(f".{os.getpid()}.o")  # two workers may want it at the same time
        full = [*command, f"-I{csrc}", f"-I{boundary_folder()}", "-c", "-o", str(fresh), str(source)]
        done = subprocess.run(full, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        fresh.replace(kept)
    return kept


def headers_of(csrc: Path) -> list[bytes]:
    return [one.read_bytes() for one in sorted(csrc.glob("*.h"))]
