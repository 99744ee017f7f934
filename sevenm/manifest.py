"""manifest.json of a bundle: every field once, with its type and bounds; the compiler writes it, the host reads it.

One idea: the classes below are the definition. A field is annotated with its *kind*, which says what may stand there;
reading and writing follow from that. What was read is untrusted text: no value is used before its kind and
``Manifest.check`` have seen it.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Protocol, get_type_hints

from sevenm.boundary import CAPTURE_MAX, CHANNELS_MAX, COUNTERS_MAX, KEYS_MAX, PORTS, RULES_MAX
from sevenm.tables import COLUMNS_MAX, KINDS, ROWS_MAX, VALUE_MAX, VALUE_MIN, WIDTH_MAX, Shape
from sevenm.tables import Column as ShapeColumn
from sevenm.tables import Key as ShapeKey

FORMAT = 3
ROWS = ("auto", "wired", "memory")
"""How a core can be asked to keep the rows of tables."""
"""Version of the manifest; another one is refused."""
BEAT_BITS = (64, 128, 256, 512)
BEAT_BITS_DEFAULT = 512
"""Bits that a core can take a cycle, and those it takes unless asked otherwise."""
NAME = "manifest.json"
NAME_MAX = 256
"""Characters in a name of a rule, channel, counter, block, table or layout."""
REASON_MAX = 1000
"""Characters of the reason why a file is not there."""
TABLES_MAX, STATES_MAX, CELLS_MAX = 1024, 256, 16
PORTS_MAX = 256
"""Ports of a core's top module."""
RECORD_SIZES = (64, 128)
PLAIN_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]{0,63}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""Name of a file in a bundle, or in a folder of it; it can lead nowhere else."""
SHOWN_MAX = 40


class ManifestError(ValueError):
    """What was read is no manifest of this version; the message says which field, what was found, what was expected."""


class Kind(Protocol):
    """What may stand in a field."""

    @property
    def expected(self) -> str: ...
    def read(self, value: Any, at: str) -> Any: ...
    def write(self, value: Any) -> Any: ...


def _wrong(at: str, value: Any, expected: str) -> ManifestError:
    found = "missing" if value is MISSING else json.dumps(value)[:SHOWN_MAX]
    return ManifestError(f"{at} is {found}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that is written as it stands."""

    def write(self, value: Any) -> Any:
        return value


@dataclass(frozen=True, slots=True)
class Text(Plain):
    pattern: re.Pattern[str] | None = None
    form: str = ""
    most: int = NAME_MAX

    @property
    def expected(self) -> str:
        return self.form or f"a text of at most {self.most} characters"

    def read(self, value: Any, at: str) -> str:
        fits = isinstance(value, str) and len(value) <= self.most
        if not fits or (self.pattern is not None and not self.pattern.fullmatch(value)):
            raise _wrong(at, value, self.expected)
        return str(value)


@dataclass(frozen=True, slots=True)
class Number(Plain):
    low: int
    high: int

    @property
    def expected(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def read(self, value: Any, at: str) -> int:
        if type(value) is not int or not self.low <= value <= self.high:
            raise _wrong(at, value, self.expected)
        return value


@dataclass(frozen=True, slots=True)
class Flag(Plain):
    expected: str = "true or false"

    def read(self, value: Any, at: str) -> bool:
        if type(value) is not bool:
            raise _wrong(at, value, self.expected)
        return value


@dataclass(frozen=True, slots=True)
class OneOf(Plain):
    options: tuple[str | int, ...]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(map(str, self.options))

    def read(self, value: Any, at: str) -> Any:
        if type(value) not in (str, int) or value not in self.options:
            raise _wrong(at, value, self.expected)
        return value


@dataclass(frozen=True, slots=True)
class Hash64:
    """A 64-bit number, as text because JSON's numbers are not so exact everywhere."""

    expected: str = "0x and 16 hexadecimal digits"

    def read(self, value: Any, at: str) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-f]{16}", value):
            raise _wrong(at, value, self.expected)
        return int(value, 16)

    def write(self, value: int) -> str:
        return f"0x{value:016x}"


@dataclass(frozen=True, slots=True)
class Optional:
    """A value, or null."""

    kind: Kind

    @property
    def expected(self) -> str:
        return f"{self.kind.expected}, or null"

    def read(self, value: Any, at: str) -> Any:
        return None if value is None else self.kind.read(value, at)

    def write(self, value: Any) -> Any:
        return None if value is None else self.kind.write(value)


@dataclass(frozen=True, slots=True)
class Many:
    """A list of at most ``most``, as a tuple; ``distinct``: no value twice."""

    kind: Kind
    most: int
    distinct: bool = False

    @property
    def expected(self) -> str:
        return f"a list of at most {self.most}{' different' if self.distinct else ''} values"

    def read(self, value: Any, at: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > self.most:
            raise _wrong(at, value, self.expected)
        out = tuple(self.kind.read(one, f"{at}[{number}]") for number, one in enumerate(value))
        if self.distinct and len(set(out)) != len(out):
            raise _wrong(at, value, self.expected)
        return out

    def write(self, value: tuple[Any, ...]) -> list[Any]:
        return [self.kind.write(one) for one in value]


class Entry:
    """An object with the fields of a class."""

    expected = "an object"

    def __init__(self, of: type[Any]) -> None:
        hints = get_type_hints(of, include_extras=True)
        self.of = of
        self.kinds: dict[str, Kind] = {one.name: hints[one.name].__metadata__[0] for one in fields(of)}

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(at, value, self.expected)
        prefix = f"{at}." if at else ""
        given = {name: kind.read(value.get(name, MISSING), prefix + name) for name, kind in self.kinds.items()}
        return self.of(**given)

    def write(self, value: Any) -> dict[str, Any]:
        return {name: kind.write(getattr(value, name)) for name, kind in self.kinds.items()}


@dataclass(frozen=True, slots=True)
class OfFiles(Plain):
    """Names of files to what ``kind`` allows."""

    kind: Kind

    expected: str = "an object"

    def read(self, value: Any, at: str) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _wrong(at, value, self.expected)
        for name in value:
            if not PLAIN_NAME.fullmatch(name) or name == NAME:
                raise ManifestError(f"{at}.{name[:SHOWN_MAX]} is not the plain name of a file in the bundle")
        return {name: self.kind.read(one, f"{at}.{name}") for name, one in value.items()}


SHA256 = Text(re.compile(r"[0-9a-f]{64}"), "64 hexadecimal digits")
LABEL = Text()


@dataclass(frozen=True, slots=True)
class Rule:
    """``deliver`` and ``count`` index channels and counters; ``forward`` is a mask of ports, ``computed`` says that the
    event gives more of them; ``line`` is where the rule stands in its source."""

    name: Annotated[str, LABEL]
    block: Annotated[int, Number(0, RULES_MAX - 1)]
    deliver: Annotated[tuple[int, ...], Many(Number(0, CHANNELS_MAX - 1), CHANNELS_MAX, distinct=True)]
    count: Annotated[tuple[int, ...], Many(Number(0, COUNTERS_MAX - 1), COUNTERS_MAX, distinct=True)]
    forward: Annotated[int, Number(0, (1 << PORTS) - 1)]
    computed: Annotated[bool, Flag()]
    drop: Annotated[bool, Flag()]
    default: Annotated[bool, Flag()]
    line: Annotated[int, Number(0, 1 << 31)]


@dataclass(frozen=True, slots=True)
class Block:
    """Rules [start, stop); ``mode`` is "first" or "all"; ``layout`` indexes the layouts, None for packets."""

    name: Annotated[str, LABEL]
    mode: Annotated[str, OneOf(("first", "all"))]
    start: Annotated[int, Number(0, RULES_MAX)]
    stop: Annotated[int, Number(0, RULES_MAX)]
    layout: Annotated[int | None, Optional(Number(0, RULES_MAX - 1))]


@dataclass(frozen=True, slots=True)
class Layout:
    """A record's layout; ``hash`` is its 64-bit identity."""

    name: Annotated[str, LABEL]
    version: Annotated[int, Number(0, (1 << 32) - 1)]
    size: Annotated[int, OneOf(RECORD_SIZES)]
    little: Annotated[bool, Flag()]
    hash: Annotated[int, Hash64()]


@dataclass(frozen=True, slots=True)
class Key:
    """A key column of a table, of ``width`` bits."""

    kind: Annotated[str, OneOf(KINDS)]
    width: Annotated[int, Number(1, WIDTH_MAX)]


@dataclass(frozen=True, slots=True)
class Column:
    """A value column of a table; its values lie in [lo, hi]."""

    name: Annotated[str, LABEL]
    lo: Annotated[int, Number(VALUE_MIN, 0)]
    hi: Annotated[int, Number(0, VALUE_MAX)]


@dataclass(frozen=True, slots=True)
class Table:
    """The shape of a table; its rows stand in rows.json, at its place."""

    name: Annotated[str, LABEL]
    keys: Annotated[tuple[Key, ...], Many(Entry(Key), KEYS_MAX)]
    values: Annotated[tuple[Column, ...], Many(Entry(Column), COLUMNS_MAX)]
    most: Annotated[int, Number(1, ROWS_MAX)]

    @property
    def shape(self) -> Shape:
        """What rows of the table have to fit."""
        keys = tuple(ShapeKey(key.kind, key.width) for key in self.keys)
        columns = tuple(ShapeColumn(column.name, column.lo, column.hi) for column in self.values)
        return Shape(self.name, keys, columns, self.most)


@dataclass(frozen=True, slots=True)
class State:
    """``sets`` times ``ways`` entries that are forgotten after ``ttl_ns``, 0 for never; ``cells`` are kept in each."""

    name: Annotated[str, LABEL]
    sets: Annotated[int, Number(1, 1 << 20)]
    ways: Annotated[int, Number(1, 16)]
    ttl_ns: Annotated[int, Number(0, (1 << 62) - 1)]
    cells: Annotated[tuple[str, ...], Many(LABEL, CELLS_MAX)]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the core's top module, of ``width`` bits."""

    name: Annotated[str, LABEL]
    direction: Annotated[str, OneOf(("input", "output"))]
    width: Annotated[int, Number(1, 1 << 16)]


@dataclass(frozen=True, slots=True)
class Bits:
    """Where a part of what a block says lies in ``m_verdict_blocks``: ``width`` bits from bit ``lsb`` on. The parts are
    those of ``sevenm.hdl.verdict.BlockShape``."""

    block: Annotated[str, LABEL]
    part: Annotated[str, LABEL]
    lsb: Annotated[int, Number(0, 1 << 16)]
    width: Annotated[int, Number(1, 1 << 16)]


@dataclass(frozen=True, slots=True)
class Actions:
    """The stage behind a core: what ``dst`` is made of, the bit or the queue of each port, and whether a record goes
    before each packet."""

    destinations: Annotated[str, OneOf(("ports", "queues"))]
    numbers: Annotated[tuple[int, ...], Many(Number(0, 0xFFFF), PORTS)]
    in_band: Annotated[bool, Flag()]


@dataclass(frozen=True, slots=True)
class Core:
    """The gateware: the top module, its latency in clock cycles, the beats of ``beat_bits`` that it looks at, the
    period of the clock in its constraints, its ports, the bits of its blocks, and the stage behind it, if any.
    ``rows``: how it was asked to keep those of tables; ``slots``: for each table those of its memory, 0 where it is
    wired."""

    top: Annotated[str, LABEL]
    latency_cycles: Annotated[int, Number(1, 1 << 16)]
    beat_bits: Annotated[int, OneOf(BEAT_BITS)]
    window_beats: Annotated[int, Number(1, CAPTURE_MAX // 8)]
    clock_ps: Annotated[int, Number(1, 1 << 40)]
    ports: Annotated[tuple[Port, ...], Many(Entry(Port), PORTS_MAX)]
    bits: Annotated[tuple[Bits, ...], Many(Entry(Bits), RULES_MAX)]
    actions: Annotated[Actions | None, Optional(Entry(Actions))]
    rows: Annotated[str, OneOf(ROWS)]
    slots: Annotated[tuple[int, ...], Many(Number(0, 1 << 16), TABLES_MAX)]


@dataclass(frozen=True, slots=True)
class Manifest:
    """``structure`` and ``content`` are the Plan's two digests and ``digest`` is over both: engines and bitstreams
    belong to a structure, rows are content. ``source`` is "packet" or "record"; ``record_size`` is 64, 128 or None.
    ``reach``: bytes at the start of an event that can matter. ``files`` gives SHA-256 by name, ``refused`` for a file
    that is not there why its back end made none. ``classifier``: how engine.c was asked to look rules up."""

    format: Annotated[int, OneOf((FORMAT,))]
    name: Annotated[str, LABEL]
    version: Annotated[str, LABEL]
    structure: Annotated[str, SHA256]
    content: Annotated[str, SHA256]
    digest: Annotated[str, SHA256]
    source: Annotated[str, OneOf(("packet", "record"))]
    record_size: Annotated[int | None, Optional(OneOf(RECORD_SIZES))]
    reach: Annotated[int, Number(1, CAPTURE_MAX)]
    channels: Annotated[tuple[str, ...], Many(LABEL, CHANNELS_MAX, distinct=True)]
    counters: Annotated[tuple[str, ...], Many(LABEL, COUNTERS_MAX, distinct=True)]
    layouts: Annotated[tuple[Layout, ...], Many(Entry(Layout), RULES_MAX)]
    blocks: Annotated[tuple[Block, ...], Many(Entry(Block), RULES_MAX)]
    rules: Annotated[tuple[Rule, ...], Many(Entry(Rule), RULES_MAX)]
    tables: Annotated[tuple[Table, ...], Many(Entry(Table), TABLES_MAX)]
    states: Annotated[tuple[State, ...], Many(Entry(State), STATES_MAX)]
    files: Annotated[dict[str, str], OfFiles(SHA256)]
    refused: Annotated[dict[str, str], OfFiles(Text(most=REASON_MAX))]
    classifier: Annotated[str, LABEL]
    core: Annotated[Core | None, Optional(Entry(Core))]

    def check(self) -> None:
        """Raises ManifestError where the parts do not fit each other."""
        if (self.source == "record") != (self.record_size is not None):
            raise ManifestError(f"record_size is {self.record_size}, but the source is {self.source}s")
        if self.source == "record" and (not self.layouts or self.layouts[0].size != self.record_size):
            raise ManifestError(f"record_size is {self.record_size}, which is not the size of the first layout")
        actions = None if self.core is None else self.core.actions
        if actions is not None:
            most = PORTS - 1 if actions.destinations == "ports" else 0xFFFF
            if len(actions.numbers) != PORTS or max(actions.numbers) > most:
                found = list(actions.numbers)
                raise ManifestError(f"core.actions.numbers is {found}, expected {PORTS} numbers from 0 to {most}")
        at = 0
        for number, block in enumerate(self.blocks):
            if block.start != at or not at <= block.stop <= len(self.rules):
                raise ManifestError(f"blocks[{number}] covers rules {block.start} to {block.stop}, expected {at} on")
            if block.layout is not None and block.layout >= len(self.layouts):
                raise ManifestError(f"blocks[{number}].layout is {block.layout}, but there are {len(self.layouts)}")
            for index in range(block.start, block.stop):
                if self.rules[index].block != number:
                    raise ManifestError(f"rules[{index}].block is {self.rules[index].block}, expected {number}")
            at = block.stop
        if at != len(self.rules):
            raise ManifestError(f"rules {at} to {len(self.rules)} stand in no block")
        for index, rule in enumerate(self.rules):
            for what, numbers, known in (
                ("deliver", rule.deliver, self.channels),
                ("count", rule.count, self.counters),
            ):
                if numbers and max(numbers) >= len(known):
                    raise ManifestError(f"rules[{index}].{what} is {list(numbers)}, but there are {len(known)}")


_FORM = Entry(Manifest)


def read(data: Any) -> Manifest:
    """The manifest that these JSON values are. Raises ManifestError."""
    if isinstance(data, dict) and data.get("format") != FORMAT:
        found = data.get("format")
        raise ManifestError(f"format is {found!r}, expected {FORMAT}; build the bundle again with this version")
    manifest: Manifest = _FORM.read(data, "")
    manifest.check()
    return manifest


def write(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON values."""
    return _FORM.write(manifest)
