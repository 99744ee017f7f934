"""The C of one block's bit vectors: its tables, and the function that gives each of 64 events its first rule, or all.

One idea: the text says where vectors change from class to class; they are filled when the engine is loaded, so the
text stays small and compilers stay quick.
"""

from __future__ import annotations

from collections.abc import Sequence

from sevenm.compiler.backends.c.arrays import array
from sevenm.compiler.backends.c.bit_vectors import BitVectors, Fold, KeyAxis, MaskAxis
from sevenm.compiler.backends.c.classifier import Classifier, Parts
from sevenm.compiler.backends.c.classify_front import U16, U32
from sevenm.compiler.backends.c.types import CType
from sevenm.compiler.plan.ops import Node

U8 = CType(8, False)


def classifier(
    name: str, mode: str, prefix: str, nodes: Sequence[Node], keys: Sequence[int], vectors: BitVectors, rules: int
) -> Classifier:
    """``mode`` is the block's, ``keys`` those of the rows that the vectors were built from; ``prefix`` starts every C
    name."""
    return _Text(Parts(name, mode, prefix, nodes, vectors.gate), keys, vectors).classifier(rules)


class _Text:
    def __init__(self, parts: Parts, keys: Sequence[int], vectors: BitVectors) -> None:
        self.parts, self.keys, self.vectors = parts, keys, vectors

    def classifier(self, rules: int) -> Classifier:
        axes, fold = self.vectors.axes, self.vectors.fold
        for at, axis in enumerate(axes):
            if isinstance(axis, MaskAxis):
                self.parts.mask(at, axis)
                self._members(at, axis)
            else:
                self.parts.key(at, self.keys[axis.key], axis.starts, axis.classes)
                self._changes(at, axis)
                if self.parts.mode == "all" and 0 in axis.vectors:
                    self.parts.body += [f"live &= ~eqk_u16(c{at}, {axis.vectors.index(0)});", "if (!live) return;"]
        combined = [at for at in range(len(axes)) if fold is None or at not in fold.parts]
        if fold is not None:
            self._fold(len(axes), fold)
            combined.append(len(axes))
        self._array(U16, "rule", [*self.vectors.rules, 0xFFFF])
        lines = self._first(combined) if self.parts.mode == "first" else self._all(combined)
        self.parts.body += [*self._lanes(), *(f"    {line}" for line in lines), "}"]
        about = f"{len(self.vectors.rules)} rows of {rules} rules, by bit vectors over {len(axes)} axes"
        return self.parts.classifier(about, rules)

    def _lanes(self) -> list[str]:
        """Begins a loop over lanes."""
        if self.parts.mode == "first":
            return ["EACH {"]
        live = "live & when[0]" if self.vectors.gate else "live"
        return [
            f"for (u64 lanes = {live}; lanes; lanes &= lanes - 1) {{",
            "    unsigned i = (unsigned)__builtin_ctzll(lanes);",
        ]

    # vectors

    def _changes(self, at: int, axis: KeyAxis) -> None:
        """Vectors as what changes from one to the next."""
        ends: list[int] = []
        rows: list[int] = []
        for before, vector in zip((0, *axis.vectors), axis.vectors, strict=False):
            rows += _bits(before ^ vector)
            ends.append(len(rows))
        vectors, end, row = (self.parts.named(f"{name}{at}") for name in ("vector", "end", "row"))
        self._array(U32, f"end{at}", ends)
        self._array(U16, f"row{at}", rows)
        self.parts.fill.append(f"fill_vectors({vectors}, {self.vectors.words}, {len(axis.vectors)}, {end}, {row});")
        self._vectors(at, len(axis.vectors))

    def _members(self, at: int, axis: MaskAxis) -> None:
        count = len(axis.conditions)
        condition = [count] * len(self.vectors.rules)
        for number, members in enumerate(axis.members):
            for row in _bits(members):
                condition[row] = number
        vector, of = self.parts.named(f"vector{at}"), self.parts.named(f"condition{at}")
        self._array(U8, f"condition{at}", condition)
        self.parts.fill.append(f"fill_masks({vector}, {self.vectors.words}, {count}, {of}, {len(condition)});")
        self._vectors(at, 1 << count)

    def _vectors(self, at: int, classes: int) -> None:
        """Vectors, and their summaries if they have some; to be filled before this is called."""
        words, summary, vector = self.vectors.words, self.vectors.summary_words, self.parts.named(f"vector{at}")
        self.parts.arrays.append(f"static u64 {vector}[{classes * words}] ALIGNED;")
        if summary:
            short = self.parts.named(f"summary{at}")
            self.parts.arrays.append(f"static u64 {short}[{classes * summary}] ALIGNED;")
            self.parts.fill.append(f"fill_summary({short}, {summary}, {vector}, {words}, {classes});")

    def _fold(self, at: int, fold: Fold) -> None:
        classes, vector = len(fold.examples), self.parts.named(f"vector{at}")
        self.parts.arrays.append("")
        self._array(U16, f"fold{at}", fold.table)
        for number, part in enumerate(fold.parts):
            self._array(U16, f"example{part}", [combination[number] for combination in fold.examples])
            example, first = self.parts.named(f"example{part}"), int(number == 0)
            given = f"{self.vectors.words}, {classes}, {self.parts.named(f'vector{part}')}, {example}, {first}"
            self.parts.fill.append(f"fill_fold({vector}, {given});")
        self._vectors(at, classes)
        index = f"(u32)c{fold.parts[0]}[i]"
        for part, size in zip(fold.parts[1:], fold.sizes[1:], strict=True):
            index = f"({index}) * {size}u + c{part}[i]"
        self.parts.body += [
            f"u16 c{at}[LANES] ALIGNED;",
            f"LOOK_UP(c{at}, {self.parts.named(f'fold{at}')}, {index}, lanes_of({self.parts.live}));",
        ]

    def _array(self, ctype: CType, name: str, values: Sequence[int]) -> None:
        self.parts.arrays.append(array(ctype, self.parts.named(name), values))

    # the rows of one lane

    def _pointers(self, combined: Sequence[int]) -> list[str]:
        words, summary = self.vectors.words, self.vectors.summary_words
        lines = [
            f"const u64 *v{at} = {self.parts.named(f'vector{at}')} + (size_t)c{at}[i] * {words};" for at in combined
        ]
        if summary:
            lines += [
                f"const u64 *s{at} = {self.parts.named(f'summary{at}')} + c{at}[i] * {summary}u;" for at in combined
            ]
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
        rule = f"rule[i] = {self.parts.named('rule')}[row];"
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
            f"    u32 found = {self.parts.named('rule')}[64 * w + (u32)__builtin_ctzll(bits)];",
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


def _and(combined: Sequence[int], index: str) -> str:
    return " & ".join(f"v{at}[{index}]" for at in combined)


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
