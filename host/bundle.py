"""Reads a bundle: the folder a build leaves, with everything that was made from one Plan.

One idea: the manifest is untrusted text (``sevenm.manifest`` checks every value), and every file is compared with the
digest the manifest gives it before its bytes are handed out. That finds damage; whether the code in a bundle is that of
its rules is for those to say who can compile (``sevenm.bundles.open_bundle``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from sevenm import manifest as form
from sevenm.manifest import Block, Core, Layout, Manifest, ManifestError, Rule, State, Table
from sevenm.tables import Row, Shape, TableError

MANIFEST_BYTES_MAX = 64 << 20
FILE_BYTES_MAX = 256 << 20
ROWS = "rows.json"


class BundleError(ValueError):
    """The folder is no bundle of this version, or was changed after it was built; the message says where."""


@dataclass(frozen=True)
class Bundle:
    """A folder and its manifest, whose fields are attributes here."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Bundle:
        """Reads and checks the manifest. Raises BundleError, with the file and the place."""
        folder = Path(folder)
        path = folder / form.NAME
        if not path.exists():
            what = "has no " + form.NAME if folder.is_dir() else "is not a folder"
            raise BundleError(f"{folder}: {what}; give the folder that `sevenm build` wrote")
        data = _load(path, MANIFEST_BYTES_MAX)
        if not isinstance(data, dict):
            raise BundleError(f"{path}: expected an object, found {type(data).__name__}")
        try:
            return cls(folder, form.read(data))
        except ManifestError as error:
            raise BundleError(f"{path}: {error}") from error

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def structure(self) -> str:
        """Digest of the rules without names and rows: what engines and bitstreams belong to."""
        return self.manifest.structure

    @property
    def digest(self) -> str:
        """Digest of the rules with their rows."""
        return self.manifest.digest

    @property
    def source(self) -> str:
        """ "packet" or "record"."""
        return self.manifest.source

    @property
    def record_size(self) -> int | None:
        """Bytes of a record, None for packets."""
        return self.manifest.record_size

    @property
    def reach(self) -> int:
        """Bytes at the start of an event that can matter."""
        return self.manifest.reach

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.manifest.rules

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.manifest.blocks

    @cached_property
    def block_names(self) -> tuple[str, ...]:
        return tuple(block.name for block in self.manifest.blocks)

    @property
    def channels(self) -> tuple[str, ...]:
        return self.manifest.channels

    @property
    def counters(self) -> tuple[str, ...]:
        return self.manifest.counters

    @property
    def layouts(self) -> tuple[Layout, ...]:
        return self.manifest.layouts

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.manifest.tables

    @property
    def states(self) -> tuple[State, ...]:
        return self.manifest.states

    @property
    def files(self) -> dict[str, str]:
        return self.manifest.files

    @property
    def refused(self) -> dict[str, str]:
        """Why a file that belongs to a bundle was not made of these rules."""
        return self.manifest.refused

    @property
    def core(self) -> Core | None:
        return self.manifest.core

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """What the rows of each table have to fit."""
        return tuple(table.shape for table in self.tables)

    @cached_property
    def rows(self) -> tuple[tuple[Row, ...], ...]:
        """The rows of each table as they were built, in the order that counts. Raises BundleError."""
        path = self.path(ROWS)
        if self.files[ROWS] != self.manifest.content:
            raise BundleError(f"{path}: not the rows of the manifest's content; build the bundle again")
        data = _load(path, FILE_BYTES_MAX)
        if not isinstance(data, list) or len(data) != len(self.shapes):
            found = len(data) if isinstance(data, list) else type(data).__name__
            raise BundleError(f"{path}: has rows of {found} tables, expected {len(self.shapes)}")
        try:
            return tuple(shape.read(rows) for shape, rows in zip(self.shapes, data, strict=True))
        except TableError as error:
            raise BundleError(f"{path}: {error}") from error

    def path(self, name: str) -> Path:
        """The path of a file after its digest was checked. Raises BundleError if it is not the file that was built."""
        self.read(name)
        return self.folder / name

    def read(self, name: str) -> bytes:
        """The bytes of a file of the bundle, compared with its digest. Raises BundleError."""
        if name in self.refused:
            raise BundleError(f"{self.folder}: there is no {name}, because {self.refused[name]}")
        if name not in self.files:
            raise BundleError(f"{self.folder / form.NAME}: the bundle has no file {name}; build it again")
        path = self.folder / name
        data = _bytes(path, FILE_BYTES_MAX)
        if hashlib.sha256(data).hexdigest() != self.files[name]:
            raise BundleError(f"{path}: not the file that was built (its SHA-256 differs); build the bundle again")
        return data


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; build the bundle again") from error
    if len(data) > most:
        raise BundleError(f"{path}: larger than {most} bytes")
    return data


def _load(path: Path, most: int) -> Any:
    try:
        return json.loads(_bytes(path, most))
    except BundleError:
        raise
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON: {error}") from error
