"""Keeps the bundles that are made on the way in the user's cache.

One idea: engines run bundles, never Plans, here as anywhere. A bundle in the cache is named by what it was made from:
the Plan and the sources of the back ends, so that neither another rule file nor another version of sevenm meets it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from sevenm.compiler.bundle import BundleWriteError, write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle, BundleError
from sevenm.host.engine.code_cache import usable

BUNDLES_MAX = 128
"""Bundles that are kept in the cache; the longest unused go first."""


@contextmanager
def bundle_for(plan: Plan, gateware: bool) -> Iterator[Bundle]:
    """The Plan's bundle, from the cache or made now; in a temporary folder where no cache can be written."""
    bundle: Bundle | None = None
    own = usable()
    if own is not None:
        with suppress(OSError, BundleWriteError):
            bundle = _cached(plan, gateware, own / "bundles")
    if bundle is not None:
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="sevenm-") as temporary:
        yield Bundle.open(write_bundle(plan, Path(temporary) / "bundle", gateware))


def _cached(plan: Plan, gateware: bool, folder: Path) -> Bundle:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / _key(plan, gateware)
    with suppress(BundleError):
        bundle = Bundle.open(path)
        for name in bundle.files:
            bundle.read(name)
        os.utime(path)
        return bundle
    if path.exists():
        shutil.rmtree(path)
    write_bundle(plan, path, gateware)
    _prune(folder)
    return Bundle.open(path)


def _prune(folder: Path) -> None:
    with suppress(OSError):
        aged = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in aged[BUNDLES_MAX:]:
            shutil.rmtree(path, ignore_errors=True)


def _key(plan: Plan, gateware: bool) -> str:
    text = json.dumps(plan.to_json(), sort_keys=True) + _generators()
    return hashlib.sha256(text.encode()).hexdigest()[:40] + ("-gateware" if gateware else "")


@cache
def _generators() -> str:
    """A digest of everything that turns a Plan into a bundle."""
    digest = hashlib.sha256()
    for package in ("sevenm.compiler", "sevenm.hdl"):
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
