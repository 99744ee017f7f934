"""What turns a Plan into a bundle, as one digest: what was made by other code is another thing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

PACKAGES = ("sevenm.compiler", "sevenm.hdl")
MODULES = ("boundary", "manifest", "registers", "tables", "ternary", "version")
"""What these packages import of ``sevenm`` itself."""


@cache
def generators() -> str:
    """SHA-256 over the sources of the compiler, of the gateware's components, and of what they import of ours, in
    hexadecimal."""
    digest = hashlib.sha256()
    for name, data in covered():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def covered() -> Iterator[tuple[str, bytes]]:
    """Every file that the digest is over: its place below the package, and its bytes."""
    for package in PACKAGES:
        yield from sorted(_sources(files(package), f"{package.removeprefix('sevenm.')}/"))
    own = files("sevenm")
    yield from ((f"{name}.py", own.joinpath(f"{name}.py").read_bytes()) for name in MODULES)


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _sources(item, f"{prefix}{item.name}/")
        elif not item.name.endswith((".pyc", ".so")):
            yield prefix + item.name, item.read_bytes()
