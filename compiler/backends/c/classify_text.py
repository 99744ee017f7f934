"""The C of one block's bit vectors: its tables, and the function that gives each of 64 events its first rule, or all.

One idea: the text has only what differs from block to block, sizes and where classes change; ``classify.h`` has the
loops. Tables are filled when the engine is loaded, so the text stays small and compilers stay quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from sevenm.compiler.backends.c.bit_vectors import Axis, BitVectors, KeyAxis, MaskAxis
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.passes.rows import Condition
from sevenm.compiler.plan.ops import Node

_HERE = Path(__file__).parent
TOP_BITS = 12
"""Upper bits of a wide key that index a table."""
VALUES_PER_LINE = 16


@dataclass(frozen=True, slots=True)
class Classifier:
    """``text`` stands before the stages. ``call`` is the statement; it needs one column for each of ``keys`` (nodes,
    in their own types), one word for each of ``conditions``, and where its results go: the name of a column of rules
    (``first``), or the live lanes, the events of each rule and the touched rules (``all``)."""

    text: str
    prefix: str
    mode: str
    keys: tuple[int, ...]
    conditions: tuple[Condition, ...]

    @property
    def fill(self) -> str:
        """The function that fills the tables."""
        return f"{self.prefix}_fill"

    def call(self, columns: Sequence[str], words: Sequence[str], *results: str) -> str:
        when = f"(const u64[]){{{', '.join(words)}}}" if words else "0"
        return f"{self.prefix}_{self.mode}({', '.join([*columns, when, *results])});"


def classifier(
    name: str, mode: str, prefix: str, nodes: Sequence[Node], keys: Sequence[int], vectors: BitVectors, rules: int
) -> Classifier:
    """``mode`` is the block's, ``keys`` those of the rows that the vectors were built from; ``prefix`` starts every C
    name."""
    return _Text(name, mode, prefix, nodes, keys, vectors).classifier(rules)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False, trim_blocks=True,
    )  # fmt: skip
    return environment.from_string((_HERE / "classify.c.j2").read_text())


class _Text:
    def __init__(
        self, name: str, mode: str, prefix: str, nodes: Sequence[Node], keys: Sequence[int], vectors: BitVectors
    ) -> None:
        self.name, self.mode, self.prefix, self.nodes, self.vectors = name, mode, prefix, nodes, vectors
        # Lanes that have a class: what lies in the column after them leads out of any table.
        self.lanes = "LANES" if mode == "first" else "lanes_of(live)"
        self.keys = [keys[axis.key] for axis in vectors.axes if isinstance(axis, KeyAxis)]
        self.key_of = list(keys)
        self.fill: list[str] = []
        self.classes: list[str] = []
        self.conditions: list[Condition] = [vectors.gate] if vectors.gate else []

    def classifier(self, rules: int) -> Classifier:
        axes = [self._axis(at, axis) for at, axis in enumerate(self.vectors.axes)]
        arrays: list[str] = []
        combined = [at for at in range(len(axes)) if self.vectors.fold is None or at not in self.vectors.fold.parts]
        if self.vectors.fold is not None:
            arrays += self._fold()
            combined.append(len(axes))
        arrays.append(self._rule_of())
        parameters = [f"const {type_of(self.nodes[k]).name} *restrict x{at}" for at, k in enumerate(self.keys)]
        text = _template().render(
            name=self.name,
            prefix=self.prefix,
            rows=len(self.vectors.rules),
            rules=rules,
            axes=axes,
            arrays=arrays,
            fill=self.fill,
            parameters=[*parameters, "const u64 *when"],
            classes=self.classes,
            mode=self.mode,
            body=self._first(combined) if self.mode == "first" else self._all(combined),
            gated=bool(self.vectors.gate),
        )
        return Classifier(text, self.prefix, self.mode, tuple(self.keys), tuple(self.conditions))

    # axes

    def _axis(self, at: int, axis: Axis) -> dict[str, object]:
        return self._mask(at, axis) if isinstance(axis, MaskAxis) else self._key(at, axis)

    def _key(self, at: int, axis: KeyAxis) -> dict[str, object]:
        node = self.nodes[self.key_of[axis.key]]
        ctype, x = type_of(node), f"x{self.keys.index(self.key_of[axis.key])}"
        plain, flip = ctype.unsigned, 1 << (ctype.bits - 1) if ctype.signed else 0
        starts = [start + flip for start in axis.starts]
        lines, arrays = self.classes, [self._constants("u16", f"class{at}", axis.classes)]
        lines.append(f"u16 c{at}[LANES] ALIGNED;")
        count = len(starts)
        if ctype.bits <= 16:
            narrow = 8 if max(axis.classes) < 256 else 16
            size = node.hi + flip + 1
            arrays.append(self._constants("u32", f"start{at}", starts))
            arrays.append(f"static u{narrow} {self._n(f'table{at}')}[{1 << ctype.bits}] ALIGNED;")
            arguments = f"{self._n(f'table{at}')}, {size}, {self._n(f'start{at}')}, {self._n(f'class{at}')}, {count}"
            self.fill.append(f"fill_direct{narrow}({arguments});")
            lines.append(f"direct{narrow}_{ctype.name}(c{at}, {x}, {self._n(f'table{at}')}, {plain.literal(flip)});")
        else:
            bits = ctype.bits if ctype.signed else node.width
            shift = max(0, bits - TOP_BITS)
            half = _half(starts, shift)
            padded = [*starts, *[plain.hi] * (2 * half)]
            arrays[0] = self._constants("u16", f"class{at}", [*axis.classes, *[axis.classes[-1]] * (2 * half)])
            arrays.append(self._values(plain, f"start{at}", padded))
            arrays.append(f"static u16 {self._n(f'top{at}')}[{1 << min(bits, TOP_BITS)}] ALIGNED;")
            table = f"{self._n(f'top{at}')}, {1 << min(bits, TOP_BITS)}, {shift}, {self._n(f'start{at}')}, {count}"
            self.fill.append(f"fill_top_{plain.name}({table});")
            arguments = f"{self._n(f'top{at}')}, {shift}, {self._n(f'start{at}')}, {self._n(f'class{at}')}, {half}"
            lines.append(f"search_{ctype.name}(c{at}, {x}, {arguments}, {plain.literal(flip)}, {self.lanes});")
        arrays += self._changes(at, axis.vectors)
        about = f"axis {at}: {x}, {count} intervals in {len(axis.vectors)} classes"
        return {"about": about, "arrays": arrays}

    def _changes(self, at: int, vectors: Sequence[int]) -> list[str]:
        """Vectors as what changes from one to the next."""
        ends: list[int] = []
        rows: list[int] = []
        for before, vector in zip((0, *vectors), vectors, strict=False):
            rows += _bits(before ^ vector)
            ends.append(len(rows))
        words = self.vectors.words
        names = self._n(f"vector{at}"), self._n(f"end{at}"), self._n(f"row{at}")
        self.fill.append(f"fill_vectors({names[0]}, {words}, {len(vectors)}, {names[1]}, {names[2]});")
        return [
            self._constants("u32", f"end{at}", ends),
            self._constants("u16", f"row{at}", rows),
            *self._vectors(f"vector{at}", len(vectors)),
        ]

    def _mask(self, at: int, axis: MaskAxis) -> dict[str, object]:
        count = len(axis.conditions)
        condition = [count] * len(self.vectors.rules)
        for number, members in enumerate(axis.members):
            for row in _bits(members):
                condition[row] = number
        first = len(self.conditions)
        self.conditions += axis.conditions
        vector, of = self._n(f"vector{at}"), self._n(f"condition{at}")
        arrays = [self._constants("u8", f"condition{at}", condition)]
        self.fill.append(f"fill_masks({vector}, {self.vectors.words}, {count}, {of}, {len(condition)});")
        arrays += self._vectors(f"vector{at}", 1 << count)
        self.classes += [f"u8 c{at}[LANES] ALIGNED;", f"mask_of(c{at}, when + {first}, {count});"]
        return {"about": f"axis {at}: which of {count} conditions hold", "arrays": arrays}

    def _vectors(self, name: str, classes: int) -> list[str]:
        """Vectors, and their summaries if they have some; to be filled before this is called."""
        words, summary = self.vectors.words, self.vectors.summary_words
        out = [f"static u64 {self._n(name)}[{classes * words}] ALIGNED;"]
        if summary:
            short = name.replace("vector", "summary")
            out.append(f"static u64 {self._n(short)}[{classes * summary}] ALIGNED;")
            self.fill.append(f"fill_summary({self._n(short)}, {summary}, {self._n(name)}, {words}, {classes});")
        return out

    def _fold(self) -> list[str]:
        fold = self.vectors.fold
        assert fold is not None
        at = len(self.vectors.axes)
        classes, vector = len(fold.examples), self._n(f"vector{at}")
        arrays = [self._constants("u16", f"fold{at}", fold.table)]
        for number, part in enumerate(fold.parts):
            example = f"example{part}"
            arrays.append(self._constants("u16", example, [combination[number] for combination in fold.examples]))
            arguments = f"{self._n(f'vector{part}')}, {self._n(example)}, {int(number == 0)}"
            self.fill.append(f"fill_fold({vector}, {self.vectors.words}, {classes}, {arguments});")
        arrays += self._vectors(f"vector{at}", classes)
        index = f"(u32)c{fold.parts[0]}[i]"
        for part, size in zip(fold.parts[1:], fold.sizes[1:], strict=True):
            index = f"({index}) * {size}u + c{part}[i]"
        each = f"for (unsigned i = 0; i < {self.lanes}; i++)"
        self.classes += [f"u16 c{at}[LANES] ALIGNED;", f"{each} c{at}[i] = {self._n(f'fold{at}')}[{index}];"]
        return arrays

    # the rows of one lane

    def _pointers(self, combined: Sequence[int]) -> list[str]:
        words, summary = self.vectors.words, self.vectors.summary_words
        lines = [f"const u64 *v{at} = {self._n(f'vector{at}')} + (size_t)c{at}[i] * {words};" for at in combined]
        if summary:
            lines += [f"const u64 *s{at} = {self._n(f'summary{at}')} + c{at}[i] * {summary}u;" for at in combined]
        elif words > 2:
            step = f"bits_at(v{combined[0]} + j)"
            for at in combined[1:]:
                step = f"both({step}, bits_at(v{at} + j))"
            lines += [
                "u32 words = 0;",
                f"for (unsigned j = 0; j < {words}; j += STEP)",
                f"    words |= some({step}) << j;",
            ]
        return lines

    def _first(self, combined: Sequence[int]) -> list[str]:
        """Body of a loop over lanes: the lane's first rule."""
        none, lines = len(self.vectors.rules), self._pointers(combined)
        rule = f"rule[i] = {self._n('rule')}[row];"
        if self.vectors.summary_words:
            visit = self._every(combined, ["first = found < first ? found : first;"])
            return [*lines, "u32 first = NO_RULE;", *visit, "rule[i] = (u16)first;"]
        if self.vectors.words > 2:
            lines.append("u32 w = words ? (u32)__builtin_ctz(words) : 0;")
            lines.append(f"u64 bits = {_and(combined, 'w')};")
            return [*lines, f"u32 row = bits ? 64 * w + (u32)__builtin_ctzll(bits) : {none};", rule]
        lines.append(f"u64 low = {_and(combined, '0')};")
        high = str(none)
        if self.vectors.words == 2:
            lines.append(f"u64 high = {_and(combined, '1')};")
            high = f"high ? 64 + (u32)__builtin_ctzll(high) : {none}"
        return [*lines, f"u32 row = low ? (u32)__builtin_ctzll(low) : {high};", rule]

    def _all(self, combined: Sequence[int]) -> list[str]:
        """Body of a loop over lanes: the lane is added to each of its rules."""
        add = ["events[found] |= UINT64_C(1) << i;", "touched[found >> 6] |= UINT64_C(1) << (found & 63);"]
        return [*self._pointers(combined), *self._every(combined, add)]

    def _every(self, combined: Sequence[int], act: Sequence[str]) -> list[str]:
        """``act`` for the rule ``found`` of every row that is left."""
        words, summary = self.vectors.words, self.vectors.summary_words
        visit = [
            f"for (u64 bits = {_and(combined, 'w')}; bits; bits &= bits - 1) {{",
            f"    u32 found = {self._n('rule')}[64 * w + (u32)__builtin_ctzll(bits)];",
            *(f"    {line}" for line in act),
            "}",
        ]
        if words <= 2:
            return [f"for (u32 w = 0; w < {words}; w++)", *(f"    {line}" for line in visit)]
        if not summary:
            visit = ["u32 w = (u32)__builtin_ctz(words);", *visit]
            return ["for (; words; words &= words - 1) {", *(f"    {line}" for line in visit), "}"]
        candidates = " & ".join(f"s{at}[j]" for at in combined)
        return [
            f"for (u32 j = 0; j < {summary}; j++)",
            f"    for (u64 left = {candidates}; left; left &= left - 1) {{",
            "        u32 w = 64 * j + (u32)__builtin_ctzll(left);",
            *(f"        {line}" for line in visit),
            "    }",
        ]

    def _rule_of(self) -> str:
        return self._constants("u16", "rule", [*self.vectors.rules, 0xFFFF])

    # arrays

    def _n(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def _constants(self, ctype: str, name: str, values: Iterable[int]) -> str:
        return self._array(ctype, name, [str(v) for v in values])

    def _values(self, ctype: CType, name: str, values: Iterable[int]) -> str:
        return self._array(ctype.name, name, [ctype.literal(v) for v in values])

    def _array(self, ctype: str, name: str, texts: list[str]) -> str:
        lines = [", ".join(texts[at : at + VALUES_PER_LINE]) for at in range(0, len(texts), VALUES_PER_LINE)]
        body = ",\n    ".join(lines)
        return f"static const {ctype} {self._n(name)}[{len(texts)}] = {{\n    {body},\n}};"


def _and(combined: Sequence[int], index: str) -> str:
    return " & ".join(f"v{at}[{index}]" for at in combined)


def _half(starts: Sequence[int], shift: int) -> int:
    """First step of a search: twice it is more than the intervals that start inside of one value of the upper bits."""
    inside: dict[int, int] = {}
    for start in starts:
        if start & ((1 << shift) - 1):
            inside[start >> shift] = inside.get(start >> shift, 0) + 1
    most = max(inside.values(), default=0)
    return 1 << (most.bit_length() - 1) if most else 0


def _bits(value: int) -> list[int]:
    """The set bits, ascending."""
    out: list[int] = []
    text = value.to_bytes(-(-value.bit_length() // 8), "little")
    for byte_at, byte in enumerate(text):
        while byte:
            low = byte & -byte
            out.append(8 * byte_at + low.bit_length() - 1)
            byte ^= low
    return out
