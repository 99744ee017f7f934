"""Reads a bundle: the folder a build leaves, named by the digest of its Plan.

One idea: the manifest is untrusted text. Every value is checked for type, range and bound before anything uses it,
and every file is compared with the digest the manifest gives it before its bytes are handed out.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from sevenm.boundary import PORTS

FORMAT = 1
"""Version of the manifest; another one is refused."""
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 16 << 20
FILE_BYTES_MAX = 256 << 20
RULES_MAX = 16384
CHANNELS_MAX = 64
COUNTERS_MAX = 4096
CAPTURE_MAX = 262144
"""Most bytes of an event that are captured; no bundle reaches further."""
RECORD_SIZES = (64, 128)
NAME_MAX = 256
"""Characters in a name of a rule, channel, counter, block or layout."""
_HEX64 = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"0x[0-9a-f]{16}")


class BundleError(ValueError):
    """The folder is no bundle of this version, or was changed after it was built; the message says where."""


@dataclass(frozen=True, slots=True)
class BundleRule:
    """``deliver`` and ``count`` index the bundle's channels and counters; ``forward`` is a mask of ports."""

    name: str
    block: int
    deliver: tuple[int, ...]
    count: tuple[int, ...]
    forward: int
    drop: bool
    default: bool
    line: int


@dataclass(frozen=True, slots=True)
class BundleBlock:
    """Rules [start, stop); ``mode`` is "first" or "all"; ``layout`` indexes the layouts, None for packets."""

    name: str
    mode: str
    start: int
    stop: int
    layout: int | None


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """A record's layout; ``hash`` is its 64-bit identity."""

    name: str
    version: int
    size: int
    little: bool
    hash: int


@dataclass(frozen=True, slots=True)
class CoreInfo:
    """The gateware: the top module, its latency in clock cycles, and the beats of 64 bytes that it looks at."""

    top: str
    latency_cycles: int
    window_beats: int


@dataclass(frozen=True)
class Bundle:
    """``source`` is "packet" or "record"; ``record_size`` is 64, 128 or None. ``files`` gives SHA-256 by name."""

    folder: Path
    name: str
    digest: str
    version: str
    source: str
    record_size: int | None
    reach: int
    rules: tuple[BundleRule, ...]
    blocks: tuple[BundleBlock, ...]
    channels: tuple[str, ...]
    counters: tuple[str, ...]
    layouts: tuple[BundleLayout, ...]
    files: dict[str, str]
    core: CoreInfo | None

    @classmethod
    def open(cls, folder: str | Path) -> Bundle:
        """Reads and checks the manifest. Raises BundleError, with the file and the place."""
        folder = Path(folder)
        path = folder / MANIFEST
        data = _Object(_load(folder, path), path, "")
        if data.value.get("format") != FORMAT:
            found = data.value.get("format")
            raise BundleError(f"{path}: format is {found!r}, expected {FORMAT}; build the bundle again")
        source = data.choice("source", ("packet", "record"))
        size = data.value.get("record_size")
        if (source == "record") != (size is not None) or (size is not None and size not in RECORD_SIZES):
            raise BundleError(f"{path}: record_size is {size!r}, expected one of {RECORD_SIZES} for records, else null")
        channels = data.names("channels", CHANNELS_MAX)
        counters = data.names("counters", COUNTERS_MAX)
        layouts = tuple(_layout(row) for row in data.objects("layouts", RULES_MAX))
        rules = tuple(_rule(row, len(channels), len(counters)) for row in data.objects("rules", RULES_MAX))
        blocks = tuple(_block(row, len(layouts)) for row in data.objects("blocks", RULES_MAX))
        _check_blocks(path, blocks, rules)
        core = data.value.get("core")
        return cls(
            folder=folder,
            name=data.text("name"),
            digest=data.match("digest", _HEX64, "64 hexadecimal digits"),
            version=data.text("version"),
            source=source,
            record_size=size,
            reach=data.number("reach", 1, CAPTURE_MAX),
            rules=rules,
            blocks=blocks,
            channels=channels,
            counters=counters,
            layouts=layouts,
            files=_files(data.child("files")),
            core=None if core is None else _core(data.child("core")),
        )

    def path(self, name: str) -> Path:
        """The path of a file after its digest was checked. Raises BundleError if it is not the file that was built."""
        self.read(name)
        return self.folder / name

    def read(self, name: str) -> bytes:
        """The bytes of a file of the bundle, compared with its digest. Raises BundleError."""
        if name not in self.files:
            raise BundleError(f"{self.folder / MANIFEST}: the bundle has no file {name}; build it again")
        path = self.folder / name
        data = _bytes(path, FILE_BYTES_MAX)
        if hashlib.sha256(data).hexdigest() != self.files[name]:
            raise BundleError(f"{path}: not the file that was built (its SHA-256 differs); build the bundle again")
        return data


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object with the place it was found at, for messages."""

    value: dict[str, Any]
    path: Path
    at: str

    def fail(self, key: str, expected: str) -> BundleError:
        found = json.dumps(self.value[key])[:40] if key in self.value else "missing"
        return BundleError(f"{self.path}: {self.at}{key} is {found}, expected {expected}")

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if not isinstance(value, str) or len(value) > NAME_MAX:
            raise self.fail(key, f"a text of at most {NAME_MAX} characters")
        return value

    def match(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.value.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.fail(key, expected)
        return value

    def choice(self, key: str, options: tuple[str, ...]) -> str:
        value = self.value.get(key)
        if not isinstance(value, str) or value not in options:
            raise self.fail(key, "one of " + ", ".join(options))
        return value

    def number(self, key: str, low: int, high: int) -> int:
        value = self.value.get(key)
        if type(value) is not int or not low <= value <= high:
            raise self.fail(key, f"a number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        value = self.value.get(key)
        if type(value) is not bool:
            raise self.fail(key, "true or false")
        return value

    def numbers(self, key: str, most: int) -> tuple[int, ...]:
        """Distinct indices below ``most``."""
        value = self.value.get(key)
        if (
            not isinstance(value, list)
            or not all(type(v) is int and 0 <= v < most for v in value)
            or len(set(value)) != len(value)
        ):
            raise self.fail(key, f"a list of different numbers from 0 to {most - 1}" if most else "an empty list")
        return tuple(value)

    def names(self, key: str, most: int) -> tuple[str, ...]:
        value = self.value.get(key)
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(v, str) and len(v) <= NAME_MAX for v in value)
            or len(set(value)) != len(value)
        ):
            raise self.fail(key, f"a list of at most {most} different names")
        return tuple(value)

    def objects(self, key: str, most: int) -> list[_Object]:
        value = self.value.get(key)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(v, dict) for v in value):
            raise self.fail(key, f"a list of at most {most} objects")
        return [_Object(v, self.path, f"{self.at}{key}[{i}].") for i, v in enumerate(value)]

    def child(self, key: str) -> _Object:
        value = self.value.get(key)
        if not isinstance(value, dict):
            raise self.fail(key, "an object")
        return _Object(value, self.path, f"{self.at}{key}.")


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; build the bundle again") from error
    if len(data) > most:
        raise BundleError(f"{path}: larger than {most} bytes")
    return data


def _load(folder: Path, path: Path) -> dict[str, Any]:
    if not path.exists():
        what = "has no " + MANIFEST if folder.is_dir() else "is not a folder"
        raise BundleError(f"{folder}: {what}; give the folder that `sevenm build` wrote")
    try:
        data = json.loads(_bytes(path, MANIFEST_BYTES_MAX))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path}: expected an object, found {type(data).__name__}")
    return data


def _rule(row: _Object, channels: int, counters: int) -> BundleRule:
    return BundleRule(
        row.text("name"),
        row.number("block", 0, RULES_MAX - 1),
        row.numbers("deliver", channels),
        row.numbers("count", counters),
        row.number("forward", 0, (1 << PORTS) - 1),
        row.flag("drop"),
        row.flag("default"),
        row.number("line", 0, 1 << 31),
    )


def _block(row: _Object, layouts: int) -> BundleBlock:
    layout = None if row.value.get("layout") is None else row.number("layout", 0, layouts - 1)
    start = row.number("start", 0, RULES_MAX)
    stop = row.number("stop", start, RULES_MAX)
    return BundleBlock(row.text("name"), row.choice("mode", ("first", "all")), start, stop, layout)


def _layout(row: _Object) -> BundleLayout:
    if row.value.get("size") not in RECORD_SIZES:
        raise row.fail("size", f"one of {RECORD_SIZES}")
    return BundleLayout(
        row.text("name"),
        row.number("version", 0, (1 << 32) - 1),
        row.number("size", *RECORD_SIZES),
        row.flag("little"),
        int(row.match("hash", _HASH, "0x and 16 hexadecimal digits"), 16),
    )


def _core(row: _Object) -> CoreInfo:
    return CoreInfo(row.text("top"), row.number("latency_cycles", 1, 1 << 16), row.number("window_beats", 1, 64))


def _files(row: _Object) -> dict[str, str]:
    for name in row.value:
        row.match(name, _HEX64, "64 hexadecimal digits")
        if PurePath(name).name != name or name in (".", "..", MANIFEST):
            raise BundleError(f"{row.path}: {row.at}{name} is not the plain name of a file in the bundle")
    return dict(row.value)


def _check_blocks(path: Path, blocks: tuple[BundleBlock, ...], rules: tuple[BundleRule, ...]) -> None:
    at = 0
    for number, block in enumerate(blocks):
        if block.start != at or block.stop > len(rules):
            raise BundleError(f"{path}: blocks[{number}] covers rules {block.start} to {block.stop}, expected {at} on")
        for index in range(block.start, block.stop):
            if rules[index].block != number:
                raise BundleError(f"{path}: rules[{index}].block is {rules[index].block}, expected {number}")
        at = block.stop
    if at != len(rules):
        raise BundleError(f"{path}: rules {at} to {len(rules)} stand in no block")
