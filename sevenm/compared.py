"""Bundles whose code is known to be what their Plan says, because this user made it or compared it before.

One idea: a manifest has the SHA-256 of every file of its bundle, so a digest over the manifest, and over what makes
bundles, stands for all of it. Those digests are kept as the names of empty files in a folder that nobody else may
write (``sevenm.host.engine.code_cache``); the longest unused go first.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from sevenm import manifest as form
from sevenm.generators import generators
from sevenm.host.engine.code_cache import cache_folder, digest_of, prune, usable
from sevenm.manifest import Manifest

COMPARED_MAX = 1024
"""Bundles that are remembered."""
CORE = ".core"
"""Ends the name where the core was compared too."""


def is_compared(manifest: Manifest, gateware: bool) -> bool:
    """Whether the files of this manifest, with those of the core if ``gateware`` is set, are what its Plan says.
    Counts as a use."""
    folder = _folder()
    if folder is None:
        return False
    for ending in (CORE,) if gateware else (CORE, ""):
        try:
            os.utime(folder / (_name(manifest) + ending))
        except OSError:
            continue
        return True
    return False


def note_compared(manifest: Manifest, gateware: bool) -> None:
    """Remembers the bundle; where nothing can be kept, it is compared again the next time."""
    folder = _folder()
    if folder is None:
        return
    with suppress(OSError):
        (folder / (_name(manifest) + (CORE if gateware else ""))).touch(mode=0o600)
        prune(folder, COMPARED_MAX, "*")


def _folder() -> Path | None:
    return usable(cache_folder() / "compared") if usable() is not None else None


def _name(manifest: Manifest) -> str:
    text = json.dumps(form.write(manifest), sort_keys=True)
    return digest_of([generators().encode(), text.encode()])
