"""Where compiled code is kept: one folder that is the user's alone, and files that carry their own digest.

One idea: code is loaded from here, so nothing is used that another user could have written or that a crash left half
done. Engines and models are cheap to make again; the longest unused go first.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

DIGEST_BYTES = 32


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/sevenm, else ~/.cache/sevenm; need not be there."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "sevenm"


def usable(folder: Path | None = None) -> Path | None:
    """The folder (by default ``cache_folder()``), made if need be; None where there can be none of our own."""
    try:
        folder = folder or cache_folder()
        # Parents get the modes of the user's umask, the folder itself does not.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except (OSError, RuntimeError):
        return None
    private = facts.st_uid == os.getuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if private and os.access(folder, os.W_OK | os.X_OK) else None


def digest_of(parts: Iterable[bytes]) -> str:
    """What code is named by that depends on these parts: SHA-256 over them, each after its length, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def seal(path: Path) -> None:
    """Appends the digest of the file to it; loaders of shared objects ignore what follows the last section."""
    data = path.read_bytes()
    path.write_bytes(_sealed(data))


def is_sealed(path: Path) -> bool:
    """Whether the file is there and ends with the digest of the rest; counts as a use."""
    return unsealed(path) is not None


def unsealed(path: Path) -> bytes | None:
    """What was sealed, without its digest; None where there is nothing, or only something damaged. Counts as a use."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[:-DIGEST_BYTES]
    if not body or _sealed(body) != data:
        return None
    with suppress(OSError):
        os.utime(path)
    return body


def keep_sealed(path: Path, data: bytes, most: int) -> None:
    """Writes the data, sealed, whole or not at all, and prunes the files of that ending past ``most``. Where it cannot
    be written (the disk is full), nothing is said: it is made again the next time."""
    new = path.with_suffix(f".{os.getpid()}.new")
    with suppress(OSError):
        new.write_bytes(_sealed(data))
        new.replace(path)
        prune(path.parent, most, f"*{path.suffix}")
    with suppress(OSError):
        new.unlink(missing_ok=True)


def _sealed(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def prune(folder: Path, most: int, kind: str = "*.so") -> None:
    """Removes the longest unused files of that kind past ``most``. One in use stays usable: it is unlinked, not
    overwritten."""
    aged: list[tuple[float, Path]] = []
    for path in folder.glob(kind):
        with suppress(OSError):
            aged.append((path.stat().st_mtime, path))
    for _, path in sorted(aged)[:-most]:
        with suppress(OSError):
            path.unlink()
