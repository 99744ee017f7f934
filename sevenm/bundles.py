"""Bundles that are made on the way, kept in the user's cache, and bundles that come from elsewhere.

One idea: engines run bundles, never Plans, and a bundle is native code. One in the cache is named by what it was made
from: the Plan and the sources of the back ends, so that neither another rule file nor another version of sevenm meets
it. Of one that comes from elsewhere only the Plan is believed, which is checked data: what runs has to be, byte for
byte, what this version makes of that Plan, or what this user has made or compared before (``sevenm.compared``).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path

from sevenm.compared import is_compared, note_compared
from sevenm.compiler.backends.gateware.options import CoreOptions, options_of
from sevenm.compiler.bundle import (
    GATEWARE_FILES,
    MANIFEST,
    PLAN,
    BundleWriteError,
    generate,
    manifest_of,
    write_bundle,
)
from sevenm.compiler.passes.cost import ChoiceError
from sevenm.compiler.plan import Plan, PlanError
from sevenm.generators import generators
from sevenm.host.bundle import Bundle, BundleError
from sevenm.host.engine.code_cache import usable
from sevenm.host.engine.objects import LEVELS, object_name
from sevenm.manifest import BEAT_BITS_DEFAULT, Manifest

BUNDLES_MAX = 128
"""Bundles that are kept in the cache; the longest unused go first."""


@contextmanager
def bundle_for(plan: Plan, gateware: bool, beat_bits: int = BEAT_BITS_DEFAULT) -> Iterator[Bundle]:
    """The Plan's bundle, with a core for beats of ``beat_bits`` if there is ``gateware``, from the cache or made now;
    in a temporary folder where no cache can be written."""
    bundle: Bundle | None = None
    own = usable()
    if own is not None:
        with suppress(OSError, BundleWriteError):
            bundle = _cached(plan, gateware, beat_bits, own / "bundles")
    if bundle is not None:
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="sevenm-") as temporary:
        options = CoreOptions(beat_bits=beat_bits)
        yield Bundle.open(write_bundle(plan, Path(temporary) / "bundle", gateware, options=options))


def noted(gateware: bool) -> Callable[[Manifest], None]:
    """What ``write_bundle`` is to call once it has ``written``, so that this user need not compare the bundle with its
    Plan to open it."""
    return partial(note_compared, gateware=gateware)


def open_bundle(folder: str | PathLike[str], gateware: bool = False, prebuilt: bool = False) -> Bundle:
    """The bundle in a folder that `sevenm build` wrote, after its code was compared with what its Plan says it is.

    engine.c is machine code of this process once it is loaded, so nothing but what this version of sevenm generates
    from plan.json is let through. What this user built, or opened before, is known by the digests of its manifest and
    not generated again. The core is compared if ``gateware`` is set, which takes seconds the first time and needs
    Amaranth; else the bundle that is returned has none. Machine code cannot be compared: it is left out, unless
    ``prebuilt`` says that whoever built it is trusted, and then runs where there is no compiler. Raises BundleError,
    MissingExtra."""
    bundle = Bundle.open(folder)
    gateware = gateware and bundle.core is not None
    objects = {object_name(architecture) for architecture in LEVELS}
    left_out = (set() if gateware else set(GATEWARE_FILES)) | objects
    if is_compared(bundle.manifest, gateware):
        for name in (name for name in bundle.files if name not in left_out):
            bundle.read(name)
    else:
        _compare(bundle, gateware, left_out)
        note_compared(bundle.manifest, gateware)
    left_out -= objects if prebuilt else set()
    kept = {name: digest for name, digest in bundle.files.items() if name not in left_out}
    core = bundle.core if gateware else None
    return replace(bundle, manifest=replace(bundle.manifest, files=kept, core=core))


def _compare(bundle: Bundle, gateware: bool, left_out: set[str]) -> None:
    """Raises BundleError unless the bundle is, but for the files left out, what its Plan says it is."""
    plan = plan_of(bundle)
    options = options_of(bundle.core)
    try:
        expected, core, _ = generate(plan, gateware, lambda step: None, options, bundle.manifest.classifier)
    except ChoiceError as error:
        raise BundleError(f"{bundle.folder}: {error}; build the bundle again") from error
    for name in (name for name in bundle.files if name not in left_out):
        if name not in expected or bundle.read(name) != expected[name].encode():
            raise BundleError(
                f"{bundle.folder / name}: not what this version of sevenm makes of {PLAN}, and it would run as code; "
                f"build the bundle again from its rules"
            )
    said = bundle.manifest
    meant = manifest_of(plan, said.files, core if gateware else said.core, said.refused, said.classifier)
    if replace(meant, version=said.version) != said:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: says something else of the rules than {PLAN}; "
            f"build the bundle again from its rules"
        )


def plan_of(bundle: Bundle) -> Plan:
    """The Plan that the bundle was made from. Raises BundleError if there is none, or it is not the manifest's."""
    path = bundle.path(PLAN)
    try:
        plan = Plan.load(path)
    except PlanError as error:
        raise BundleError(str(error)) from error
    if plan.digest != bundle.digest:
        raise BundleError(f"{path}: not the Plan of the manifest; build the bundle again")
    return plan


def _cached(plan: Plan, gateware: bool, beat_bits: int, folder: Path) -> Bundle:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / _key(plan, gateware, beat_bits)
    with suppress(BundleError):
        bundle = Bundle.open(path)
        for name in bundle.files:
            bundle.read(name)
        os.utime(path)
        return bundle
    if path.exists():
        shutil.rmtree(path)
    write_bundle(plan, path, gateware, options=CoreOptions(beat_bits=beat_bits))
    _prune(folder)
    return Bundle.open(path)


def _prune(folder: Path) -> None:
    with suppress(OSError):
        aged = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in aged[BUNDLES_MAX:]:
            shutil.rmtree(path, ignore_errors=True)


def _key(plan: Plan, gateware: bool, beat_bits: int) -> str:
    text = json.dumps(plan.to_json(), sort_keys=True) + generators()
    return hashlib.sha256(text.encode()).hexdigest()[:40] + (f"-gateware{beat_bits}" if gateware else "")
