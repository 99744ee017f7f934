"""What turns a Plan into a bundle, as one digest: what was made by other code is another thing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

PACKAGES = ("sevenm.compiler", "sevenm.hdl")


@cache
def generators() -> str:
    """SHA-256 over the sources of the compiler and of the gateware's components, in hexadecimal."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for name, data in sorted(_sources(files(package), "")):
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _sources(item, f"{prefix}{item.name}/")
        elif not item.name.endswith((".pyc", ".so")):
            yield prefix + item.name, item.read_bytes()
