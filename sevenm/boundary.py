"""Everything that crosses a boundary, once: structs, numbers and limits that C, Python and gateware have to agree on.

One idea: a struct is written down here and nowhere else. From it come the C header with its static asserts, the
declarations cffi reads, the NumPy dtypes and the page ``docs/boundary.md``. Every part may import this module, and the
build of the C runtime does so where nothing is installed: it needs the standard library only, and NumPy once a dtype is
asked for. A new struct is one more entry of STRUCTS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# ---- Limits

ABI = 4
PORTS = 16
CHANNELS_MAX = 64
RULES_MAX = 65536
COUNTERS_MAX = 4096
CAPTURE_MAX = 262144
SIZE_MAX = 65535
CHUNK = 64
RECORD_HEADER = 32
CAUSES = 9
KEYS_MAX = 8
TABLE_CHAIN = 32
SEGMENT_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that both sides know; ``SM_`` and the name in C."""

    name: str
    value: int
    meaning: str


LIMITS = (
    Limit("ABI", ABI, "version of what engines and the host say to each other"),
    Limit("PORTS", PORTS, "ports of a device, from 0: where events come in, and where rules forward them to"),
    Limit("CHANNELS_MAX", CHANNELS_MAX, "channels of a rule set; a set of them is one 64-bit word"),
    Limit("RULES_MAX", RULES_MAX, "rules that the formats have room for"),
    Limit("COUNTERS_MAX", COUNTERS_MAX, "counters of a rule set"),
    Limit("CAPTURE_MAX", CAPTURE_MAX, "captured bytes of one event (libpcap's largest snapshot)"),
    Limit("SIZE_MAX", SIZE_MAX, "bytes on the wire; larger ones count as this (a core's sideband has 16 bits)"),
    Limit("CHUNK", CHUNK, "events that are decided together; a set of them is one 64-bit word"),
    Limit("RECORD_HEADER", RECORD_HEADER, "bytes of a delivered record before its data"),
    Limit("CAUSES", CAUSES, "slots of counts by cause"),
    Limit("KEYS_MAX", KEYS_MAX, "key columns of a table or state"),
    Limit("TABLE_CHAIN", TABLE_CHAIN, "ranges of a table that are compared one after the other; more are searched"),
    Limit("SEGMENT_ROWS", SEGMENT_ROWS, "rows of one segment of a table: 64 words of 64 bits"),
)

# ---- Numbers with names


class Engine(IntEnum):
    """What made the decision."""

    REFERENCE = 1
    HOST = 2
    RTL = 3
    NIC = 4


class Flag(IntFlag):
    """Bits of a record's ``flags``."""

    CUT = 1
    """The data is longer than the slot."""
    MALFORMED = 2
    """A header of the packet contradicts itself."""
    TRUNCATED = 4
    """The capture is shorter than a header that was read."""
    PUNT = 8
    """In a card's record: not the card's to decide. The host does, by the same rules."""


class Cause(IntEnum):
    """Why a match was not delivered. Those below 8 are counted in the ring as well."""

    FULL = 0
    """The ring had no room."""
    READER_GONE = 1
    """The ring's reader died."""
    STOPPED = 2
    """The wait for room was given up, because the producer stops."""
    CORRUPT = 3
    """The ring's shared memory holds what cannot be."""
    TIMEOUT = 4
    """The reader of a `block` ring made no room before the deadline."""
    NO_RING = 8
    """The channel has no ring here."""


class InfoFlag(IntFlag):
    """Bits of an engine's ``sm_info.flags``."""

    DYNAMIC_PORTS = 1
    """Rules forward to ports that depend on the event: ``sm_match`` fills ``ports``."""


class Level(IntEnum):
    """The instructions that an engine was compiled for."""

    PLAIN = 1
    """Those that every processor of its architecture has."""
    NEON = 2
    """Every aarch64 has them."""
    AVX2 = 3
    """With BMI2."""
    AVX512 = 4
    """Foundation, BW, DQ and VL, with BMI2."""


ENUMS: tuple[tuple[str, type[IntEnum] | type[IntFlag]], ...] = (
    ("SM_ENGINE", Engine),
    ("SM_FLAG", Flag),
    ("SM_CAUSE", Cause),
    ("SM_INFO", InfoFlag),
    ("SM_LEVEL", Level),
)
"""Prefix in C, and the members."""

# ---- Structs

SIZES = {"uint8_t": 1, "char": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "int64_t": 8}
"""Bytes of the C types in use; a pointer has 8."""


@dataclass(frozen=True, slots=True)
class Field:
    """``count``: elements of an array, 0 for a plain field."""

    name: str
    type: str
    meaning: str
    count: int = 0

    @property
    def is_pointer(self) -> bool:
        return self.type.endswith("*")

    @property
    def unit(self) -> int:
        """Bytes of one element, which is its alignment too."""
        return 8 if self.is_pointer else SIZES[self.type]

    @property
    def size(self) -> int:
        return self.unit * (self.count or 1)

    @property
    def declaration(self) -> str:
        space = "" if self.is_pointer else " "
        return f"{self.type}{space}{self.name}{f'[{self.count}]' if self.count else ''}"


@dataclass(frozen=True, slots=True)
class Struct:
    """``tagged``: its name in C is ``struct name``, because an object has the plain one. There is no padding."""

    name: str
    meaning: str
    fields: tuple[Field, ...]
    tagged: bool = False

    @property
    def c_name(self) -> str:
        return f"struct {self.name}" if self.tagged else self.name

    @property
    def size(self) -> int:
        return sum(field.size for field in self.fields)

    def offsets(self) -> tuple[tuple[Field, int], ...]:
        """Each field and its offset in bytes. Raises ValueError if a compiler would have to pad."""
        out, at = [], 0
        for field in self.fields:
            if at % field.unit:
                raise ValueError(f"{self.name}.{field.name} would lie at {at}, which is no multiple of {field.unit}")
            out.append((field, at))
            at += field.size
        widest = max(field.unit for field in self.fields)
        if at % widest:
            raise ValueError(f"{self.name} would have {at} bytes, which is no multiple of {widest}")
        return tuple(out)


STRUCTS = (
    Struct(
        "sm_event",
        "One event of a batch: where its bytes lie in the batch's buffer, and when it was seen.",
        (
            Field("offset", "uint64_t", "first byte in the buffer"),
            Field("ts_ns", "uint64_t", "nanoseconds since 1970-01-01T00:00Z, 0 if unknown"),
            Field("cap_len", "uint32_t", "bytes captured, all in the buffer"),
            Field("wire_len", "uint32_t", "bytes on the wire"),
        ),
    ),
    Struct(
        "sm_record",
        "A delivered record: the header of a ring's slot, before its data. Meanings follow Napatech's Dyn4 descriptor.",
        (
            Field("ts_ns", "uint64_t", "nanoseconds since 1970-01-01T00:00Z"),
            Field("seq", "uint64_t", "per ring, from 0, counts delivered records; the ring writes it"),
            Field("rule", "uint32_t", "index in the Plan of the first fired rule that delivers to this channel"),
            Field("generation", "uint32_t", "of the rules that produced the match"),
            Field("cap_len", "uint16_t", "bytes of data in this slot"),
            Field("wire_len", "uint16_t", "bytes on the wire, at most SIZE_MAX"),
            Field("engine", "uint8_t", "what decided, SM_ENGINE_…"),
            Field("flags", "uint8_t", "SM_FLAG_…"),
            Field("source", "uint8_t", "ingress port"),
            Field("reserved", "uint8_t", "0"),
        ),
    ),
    Struct(
        "sm_fired",
        "One rule and those of a chunk's events that it fired on.",
        (
            Field("events", "uint64_t", "bit i: event i of the chunk; never 0"),
            Field("rule", "uint32_t", "index in the Plan"),
            Field("reserved", "uint32_t", "0"),
        ),
    ),
    Struct(
        "sm_chunk",
        "What an engine says of CHUNK events, besides the rules that fired.",
        (
            Field("malformed", "uint64_t", "bit i: event i contradicts itself"),
            Field("truncated", "uint64_t", "bit i: an announced header of event i could not be seen"),
            Field("punt", "uint64_t", "bit i: event i is not the engine's to decide; nothing else is said of it"),
            Field("fired", "uint32_t", "entries of sm_fired that belong to this chunk"),
            Field("reserved", "uint32_t", "0"),
        ),
    ),
    Struct(
        "sm_info",
        "What an engine says of itself.",
        (
            Field("abi", "uint32_t", "ABI that it was built for"),
            Field("rules", "uint32_t", "rules it has"),
            Field("fired_max", "uint32_t", "most entries of sm_fired that one chunk can have"),
            Field("flags", "uint32_t", "SM_INFO_…"),
            Field("tables", "uint32_t", "tables that it looks up: as many sm_table its context has"),
            Field("states", "uint32_t", "states that it keeps: as many sm_state its context has"),
            Field("level", "uint32_t", "instructions that it was compiled for, SM_LEVEL_…"),
            Field("reserved", "uint32_t", "0"),
            Field("structure", "char", "structure digest of its Plan, 64 hexadecimal digits and a 0", 72),
        ),
        tagged=True,
    ),
    Struct(
        "sm_segment",
        "Rows that follow each other in a table, in one block of memory that begins with this and is never changed. "
        "Offsets count bytes from its start, 0 where there is nothing; keys have the type of their column. A searched "
        "segment has for each key the vector of the rows that are open to it: a word with a bit for each word of 64 "
        "rows that is not 0, then those words.",
        (
            Field("a", "uint64_t", "scanned, per key: offset of first keys; of a ternary one, of values", KEYS_MAX),
            Field("b", "uint64_t", "scanned: offset of last keys less the first; ternary: of masks", KEYS_MAX),
            Field("edge", "uint64_t", "intervals: offset of their first keys, ascending from 0, padded", KEYS_MAX),
            Field("top", "uint64_t", "intervals: offset of 16-bit numbers, by a key's highest bits", KEYS_MAX),
            Field(
                "vector",
                "uint64_t",
                "searched: offset of 32-bit places of vectors, in 64-bit words from the start: "
                "one an interval, or 256 a stride; 0 where all rows are open to every key",
                KEYS_MAX,
            ),
            Field("shift", "uint32_t", "intervals: bits of a key below those that top is asked with", KEYS_MAX),
            Field("half", "uint32_t", "intervals: first step of the search from there, 0 if there is none", KEYS_MAX),
            Field(
                "strides", "uint32_t", "bit i: byte i of the key has vectors, 0 the lowest; else intervals", KEYS_MAX
            ),
            Field("values", "uint64_t", "offset of the value columns, each of as many int64_t as there are rows"),
            Field("bytes", "uint64_t", "of the block"),
            Field("rows", "uint32_t", "1 to SEGMENT_ROWS"),
            Field("searched", "uint32_t", "1; 0: its rows are compared one after the other"),
        ),
    ),
    Struct(
        "sm_table",
        "The rows of one table. Keys are unsigned, of 8, 16, 32, 64 or 128 bits. One key column that is not ternary is "
        "cut into ranges, and rows are numbered from 1 in the order that counts. Other tables are segments, and a row "
        "has the number 1 + SEGMENT_ROWS * segment + place. 0 is a miss.",
        (
            Field("a", "const void *", "ranges: n, the first key of each"),
            Field("b", "const void *", "ranges: n, the last key less the first"),
            Field("edge", "const void *", "ranges: 2**steps - 1 ascending keys from which on another row counts"),
            Field("row", "const uint32_t *", "ranges: 2**steps, the row below the first edge, then from each edge on"),
            Field(
                "bits", "const uint64_t *", "ranges past TABLE_CHAIN of at most 16 bits: bit k, key k hits; else null"
            ),
            Field("values", "const int64_t *", "ranges: value columns, each of 1 + rows; the first is 0"),
            Field("segment", "const sm_segment *const *", "the segments, in the order that counts; null for ranges"),
            Field("n", "uint32_t", "ranges that hit, ascending and disjoint; else segments"),
            Field("steps", "uint32_t", "of a search over the edges"),
            Field("rows", "uint32_t", "rows of the table"),
            Field("reserved", "uint32_t", "0"),
        ),
    ),
    Struct(
        "sm_state",
        "The head of a state's memory: sm_state_bytes of it, 0 at first; what follows only the engine knows.",
        (
            Field("clock_ns", "uint64_t", "latest arrival so far"),
            Field("backwards", "uint64_t", "events that arrived before it"),
            Field("evicted", "uint64_t", "entries that were overwritten while they were young"),
            Field("reserved", "uint64_t", "0", 5),
        ),
    ),
    Struct(
        "sm_context",
        "What an engine reads beside the events. Never changed once it is in use.",
        (
            Field("tables", "const sm_table *", "tables of this generation, in the Plan's order"),
            Field("states", "sm_state *const *", "one for each state of the Plan"),
            Field("port", "uint32_t", "ingress port of the events"),
            Field("reserved", "uint32_t", "0"),
        ),
    ),
)

MATCH_ARGUMENTS = (
    "const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context, sm_chunk *chunks, "
    "sm_fired *fired, uint64_t room, uint16_t *ports"
)
MATCH_MEANING = """\
Decides events from the first on, in chunks of 64, for as long as a chunk's worst case (sm_info.fired_max entries) fits
into what is left of `room`; returns how many events were decided: a multiple of 64, or n.
chunks: one per 64 events. fired: the chunks' entries one after the other; entries of one chunk come in any order, and a
rule has at most one. ports: null, or one mask of the ports of SM_INFO_DYNAMIC_PORTS per event."""
ENGINE_INTERFACE = (
    f"extern const struct sm_info sm_info;\nuint64_t sm_match({MATCH_ARGUMENTS});\n"
    "uint64_t sm_state_bytes(uint32_t state);\n"
)
"""What the shared object of an engine exports. ``sm_state_bytes``: the memory that a state needs, 0 if there is none of
that number."""
ENGINE_CDEF = ENGINE_INTERFACE.replace("const struct", "struct")
"""The same for cffi, which takes a constant for one that is known when it compiles."""


def struct(name: str) -> Struct:
    """The struct of that name. Raises KeyError."""
    return {one.name: one for one in STRUCTS}[name]


def dtype(name: str) -> np.dtype[Any]:
    """A struct as NumPy sees it, little endian. Raises TypeError where it holds a pointer."""
    import numpy as np

    fields: list[Any] = []
    for field in struct(name).fields:
        if field.is_pointer:
            raise TypeError(f"{name}.{field.name} is a pointer; only C can read it")
        if field.type == "char":
            fields.append((field.name, f"S{field.count or 1}"))
        else:
            kind = f"<{'u' if field.type.startswith('u') else 'i'}{field.unit}"
            fields.append((field.name, kind, (field.count,)) if field.count else (field.name, kind))
    return np.dtype(fields)


def _comment(text: str) -> str:
    return "/* " + text.replace("\n", "\n * ") + " */"


def c_text() -> str:
    """Every definition as C, with its asserts; for a header, or to be pasted into a generated file."""
    out = ["#include <assert.h>", "#include <stddef.h>", "#include <stdint.h>", ""]
    out += [f"#define SM_{limit.name} {limit.value} /* {limit.meaning} */" for limit in LIMITS]
    out += [""]
    for prefix, members in ENUMS:
        out += [f"enum {{ {', '.join(f'{prefix}_{one.name} = {one.value}' for one in members)} }};"]
    for one in STRUCTS:
        widest = max(len(field.declaration) for field in one.fields) + 1
        body = [f"    {field.declaration + ';':{widest}} /* {field.meaning} */" for field in one.fields]
        opening, closing = (f"{one.c_name} {{", "};") if one.tagged else ("typedef struct {", f"}} {one.name};")
        out += ["", f"/* {one.meaning} */", opening, *body, closing]
        out += [f'static_assert(sizeof({one.c_name}) == {one.size}, "{one.name} has {one.size} bytes");']
        for field, at in one.offsets():
            out += [
                f'static_assert(offsetof({one.c_name}, {field.name}) == {at}, "{one.name}.{field.name} lies at {at}");'
            ]
    out += ["", _comment(MATCH_MEANING), f"typedef uint64_t sm_match_function({MATCH_ARGUMENTS});", ""]
    return "\n".join(out)


def c_header() -> str:
    """``sm_boundary.h``: c_text() between guards, so that one file may be included and pasted."""
    return (
        "/* Generated from sevenm/boundary.py, which says what may change and how. */\n"
        f"#ifndef SM_BOUNDARY_H\n#define SM_BOUNDARY_H\n\n{c_text()}\n#endif\n"
    )


def write_header(folder: Path) -> Path:
    """Writes ``sm_boundary.h`` into the folder, which is made; one that is current is left alone, with its time."""
    path = folder / "sm_boundary.h"
    text = c_header()
    if not path.is_file() or path.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def cdef() -> str:
    """The same for cffi, without asserts: it compares with the compiler's answer itself."""
    out = [f"#define SM_{limit.name} {limit.value}" for limit in LIMITS]
    for prefix, members in ENUMS:
        out.append(f"enum {{ {', '.join(f'{prefix}_{one.name} = {one.value}' for one in members)} }};")
    for one in STRUCTS:
        body = " ".join(f"{field.declaration};" for field in one.fields)
        out.append(f"struct {one.name} {{ {body} }};" if one.tagged else f"typedef struct {{ {body} }} {one.name};")
    out.append(f"typedef uint64_t sm_match_function({MATCH_ARGUMENTS});")
    return "\n".join(out) + "\n"


def markdown() -> str:
    """``docs/boundary.md`` after its introduction: limits, numbers and structs as tables."""
    out = ["## Limits", "", "| Name | Value | What |", "|---|---|---|"]
    out += [f"| `{limit.name}` | {limit.value} | {limit.meaning} |" for limit in LIMITS]
    out += ["", "## Numbers", "", "| Name in C | Value |", "|---|---|"]
    out += [f"| `{prefix}_{one.name}` | {one.value} |" for prefix, members in ENUMS for one in members]
    out += ["", "## Structs", "", "Little endian, without padding."]
    for one in STRUCTS:
        out += ["", f"### {one.name}", "", f"{one.meaning} {one.size} bytes.", ""]
        out += ["| Offset | Field | Type | What |", "|---|---|---|---|"]
        for field, at in one.offsets():
            array = f"[{field.count}]" if field.count else ""
            out.append(f"| {at} | `{field.name}` | `{field.type}{array}` | {field.meaning} |")
    out += ["", "## What an engine exports", "", "```c", _comment(MATCH_MEANING), ENGINE_INTERFACE.rstrip(), "```"]
    return "\n".join(out) + "\n"
