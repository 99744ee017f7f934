"""What sevenm says of every field of every packet, asked in the rule language alone.

One idea: whatever a field is worth can be asked by rules, one for its presence, one for each bit of each of its
values, and one for each byte where a region may end. The answers are put together again to values, and compared
with the plain parser's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from tests.oracle.plain_parser import Parsed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fields.md"
RULES_MAX = 2000
"""Questions of one Plan: one parser's columns serve all of them."""
WIDTHS = {"flag": 1, "ip4": 32, "mac": 48, "ip6": 128}
ZERO = {"ip4": "0.0.0.0", "mac": "00:00:00:00:00:00", "ip6": "::"}
CONTENT = (0, 1, 13)
"""Bytes of a region that are compared; its end is compared as well."""


@dataclass(frozen=True)
class Field:
    """A row of docs/fields.md; ``count`` is the number of values, 0 for what has none."""

    name: str
    type: str
    count: int

    @property
    def width(self) -> int:
        return WIDTHS[self.type] if self.type in WIDTHS else int(self.type[1:])

    def occurrences(self) -> list[str]:
        return [self.name] if self.count == 1 else [f"{self.name}#{n}" for n in range(1, self.count + 1)]


def catalogue() -> list[Field]:
    """Every field of the page."""
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \| (\d?) ?\|", PAGE.read_text(), re.MULTILINE)
    return [Field(name, kind, int(count or 0)) for name, kind, count in rows]


def answers(questions: Sequence[str], batch: EventBatch) -> dict[str, NDArray[np.bool_]]:
    """For each condition, of which events the reference says that it holds."""
    out: dict[str, NDArray[np.bool_]] = {}
    for start in range(0, len(questions), RULES_MAX):
        part = questions[start : start + RULES_MAX]
        rules = "\n".join(f"rule q{number}: {question} => count c" for number, question in enumerate(part))
        plan = compile_text(f"rules questions on packet all {{\n{rules}\n}}", "questions").plan
        e = batch.events
        fired = evaluate(plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"]).fired
        out.update(zip(part, fired, strict=True))
    return out


def disagreements(batch: EventBatch, parsed: Sequence[Parsed], most_ends: int = 1 << 20) -> list[str]:
    """One line for each field of which the reference and the plain parser say something else, with the first packet.
    Of each region, at most about ``most_ends`` places where it may end are asked."""
    fields = catalogue()
    ends = {f.name: _ends(f.name, parsed, most_ends) for f in fields if f.type == "bytes"}
    asked = [question for f in fields for question in _questions(f, ends.get(f.name, []))]
    said = answers(asked, batch)
    out = []
    for f in fields:
        for what, wrong in _wrong(f, said, parsed, ends.get(f.name, [])):
            if len(wrong):
                first = int(wrong[0])
                size = int(batch.events["wire_len"][first])
                out.append(f"{what}: {len(wrong)} differ, as {batch.data(first).hex()} of {size} on the wire")
    return out


def _ends(name: str, parsed: Sequence[Parsed], most: int) -> list[int]:
    """Bytes around the places where regions end in these packets: all small ones, and some of the others."""
    lengths = sorted({len(p.regions.get(name, b"")) for p in parsed})
    step = max(1, len(lengths) // most)
    chosen = {*(length for length in lengths if length <= 24), *lengths[::step], *lengths[-1:]}
    return sorted({at for length in chosen for at in (length - 1, length) if at >= 0})


def _questions(f: Field, ends: Iterable[int]) -> list[str]:
    if f.count == 0:
        content = [f"{f.name}[{at}] & {1 << bit} != 0" for at in CONTENT for bit in range(8) if f.type == "bytes"]
        return [f.name, *content, *(f"{f.name}[{at}] >= 0" for at in ends)]
    return [q for name in f.occurrences() for q in (f"{name} >= {ZERO.get(f.type, '0')}", *_bits(f, name))]


def _bits(f: Field, name: str) -> list[str]:
    """A question for each bit, from the lowest."""
    if f.type in ("ip4", "ip6", "mac"):
        last = f.width // 8 - 1
        return [f"{name}[{last - bit // 8}] & {1 << bit % 8} != 0" for bit in range(f.width)]
    return [f"{name} & {1 << bit} != 0" for bit in range(f.width)]


def _wrong(
    f: Field, said: dict[str, NDArray[np.bool_]], parsed: Sequence[Parsed], ends: Iterable[int]
) -> Iterable[tuple[str, NDArray[np.intp]]]:
    """(what was compared, the packets of which the answers differ)."""
    if f.count == 0:
        yield f.name, np.flatnonzero(said[f.name] != np.array([p.present(f.name) for p in parsed]))
    if f.type == "bytes":
        regions = [p.regions.get(f.name, b"") for p in parsed]
        lengths = np.array([len(region) for region in regions])
        for at in ends:
            yield f"{f.name}[{at}]", np.flatnonzero(said[f"{f.name}[{at}] >= 0"] != (lengths > at))
        for at in CONTENT:
            found = _number([said[f"{f.name}[{at}] & {1 << bit} != 0"] for bit in range(8)])
            expected = np.array([region[at] if len(region) > at else 0 for region in regions], object)
            yield f"{f.name}[{at}]", np.flatnonzero(found != expected)
    for number, name in enumerate(f.occurrences() if f.count else []):
        values = [p.values.get(f.name, ())[number : number + 1] for p in parsed]
        present = np.array([bool(v) for v in values])
        yield f"presence of {name}", np.flatnonzero(said[f"{name} >= {ZERO.get(f.type, '0')}"] != present)
        found = _number([said[question] for question in _bits(f, name)])
        yield name, np.flatnonzero(found != np.array([v[0] if v else 0 for v in values], object))


def _number(bits: Sequence[NDArray[np.bool_]]) -> NDArray[np.object_]:
    """(n,) the numbers that these columns of bits are, the lowest bit first."""
    out = np.zeros(len(bits[0]), object)
    for start in range(0, len(bits), 32):
        word = np.zeros(len(bits[0]), np.int64)
        for bit, column in enumerate(bits[start : start + 32]):
            word |= column.astype(np.int64) << bit
        out += word.astype(object) << start
    return out
