"""The verdict of a packet as bits: what the rules of each block say, and what their actions come to.

One idea: the verdict does not grow with the rules. A block where the first rule wins says its number; a block where
all count says one bit a rule as long as that is one word, and else its first two words that are not zero; a packet
with more is the host's to decide.

=============  ========================  ===============================================================================
part           bits                      meaning
=============  ========================  ===============================================================================
blocks         those of the blocks       one after the other, the first block lowest; at least one bit
channels       channels, at least 1      bit c: the packet is delivered to channel c
forward        16                        ports the packet is forwarded to, 0 if it is dropped
drop           1                         a rule that fired drops it
malformed      1                         the packet contradicts itself
truncated      1                         a header was announced that could not be seen
punt           1                         not the core's to decide; all else is 0
=============  ========================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amaranth.lib.data import StructLayout

from sevenm.boundary import PORTS

WORD = 32
"""Rules in one word of a block where all count."""
WORDS_MAX = 2
"""Words that such a block says of one packet."""


@dataclass(frozen=True, slots=True)
class BlockShape:
    """How a block's rules are told: ``mode`` is "first" or "all".

    first            index   0: none, else 1 + the number of the rule in its block
    all, <= 32       fired   bit r: rule r fired
    all, > 32        twice valid (1), number (of the word), bits (32); valid words come first, lower numbers first
    """

    name: str
    mode: str
    rules: int

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Names and widths of the block's bits, lowest first."""
        if self.mode == "first":
            return (("index", self.rules.bit_length()),)
        if self.rules <= WORD:
            return (("fired", self.rules),)
        number = (self.words - 1).bit_length()
        word = (("valid", 1), ("number", number), ("bits", WORD))
        return tuple((f"{name}{i}", width) for i in range(WORDS_MAX) for name, width in word)

    @property
    def width(self) -> int:
        return sum(width for _, width in self.parts)

    @property
    def words(self) -> int:
        return -(-self.rules // WORD)

    def encode(self, fired: Iterable[int]) -> tuple[int, bool]:
        """(bits, whether the packet is the host's) of the rules that fired, by their numbers in the block."""
        rules = sorted(fired)
        if self.mode == "first":
            return (rules[0] + 1 if rules else 0), False
        if self.rules <= WORD:
            return sum(1 << r for r in rules), False
        words: dict[int, int] = {}
        for r in rules:
            words[r // WORD] = words.get(r // WORD, 0) | 1 << r % WORD
        number = (self.words - 1).bit_length()
        out = 0
        for i, (word, bits) in enumerate(list(words.items())[:WORDS_MAX]):
            out |= (1 | word << 1 | bits << 1 + number) << i * (1 + number + WORD)
        return out, len(words) > WORDS_MAX

    def decode(self, bits: int) -> list[int]:
        """Numbers of the rules that fired."""
        if self.mode == "first":
            return [bits - 1] if bits else []
        if self.rules <= WORD:
            return [r for r in range(self.rules) if bits >> r & 1]
        out = []
        number = (self.words - 1).bit_length()
        for i in range(WORDS_MAX):
            word = bits >> i * (1 + number + WORD)
            if word & 1:
                at = WORD * (word >> 1 & (1 << number) - 1)
                out += [at + r for r in range(WORD) if word >> 1 + number + r & 1]
        return out


def blocks_width(blocks: Sequence[BlockShape]) -> int:
    return sum(block.width for block in blocks)


def verdict_layout(blocks: Sequence[BlockShape], n_channels: int) -> StructLayout:
    """The parts of a verdict, ``blocks`` being lowest."""
    if n_channels < 0:
        raise ValueError(f"the number of channels must not be negative, not {n_channels}")
    return StructLayout(
        {
            "blocks": max(1, blocks_width(blocks)),
            "channels": max(1, n_channels),
            "forward": PORTS,
            "drop": 1,
            "malformed": 1,
            "truncated": 1,
            "punt": 1,
        }
    )
