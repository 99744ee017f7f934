"""What Yosys and nextpnr made before: minutes of work, found by everything that it depends on.

One idea: an entry is a file named by a digest of the netlist's text, the programs' versions, the target, the seed and
the options, and ends with its own digest, so a damaged one is made again. Entries are sealed and pruned as engines are
(``sevenm.host.engine.code_cache``).
"""

from __future__ import annotations

import zlib
from pathlib import Path

from sevenm.host.engine.code_cache import cache_folder, digest_of, keep_sealed, unsealed, usable

KEPT_MAX = 256
"""Entries kept; the longest unused go first."""
_KIND = ".synthesis"


class Kept:
    """The entries of this user, in a folder of the cache; keeps nothing where there can be no such folder."""

    def __init__(self) -> None:
        self._folder = usable(cache_folder() / "synthesis") if usable() is not None else None

    def find(self, *parts: str) -> bytes | None:
        """What was kept for these parts; None where there is nothing, or only something damaged."""
        data = None if self._folder is None else unsealed(self._path(self._folder, parts))
        try:
            return None if data is None else zlib.decompress(data)
        except zlib.error:
            return None

    def keep(self, data: bytes, *parts: str) -> None:
        """Keeps it; where that is impossible (the disk is full), it is made again the next time."""
        if self._folder is not None:
            keep_sealed(self._path(self._folder, parts), zlib.compress(data, 1), KEPT_MAX)

    def _path(self, folder: Path, parts: tuple[str, ...]) -> Path:
        return folder / f"{digest_of(part.encode() for part in parts)}{_KIND}"
