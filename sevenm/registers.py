"""The registers of a core with tables in memories: one map, from which the gateware, the driver and the page are made.

One idea: who has to agree on an address reads it here. All registers are words of 32 bits, written whole; a write that
the core does not do is answered with SLVERR and changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

ADDRESS_BITS = 12
WORD_BYTES = 4
IDENTITY = 0x376D_0001
"""What ``id`` reads: "7m", and the version of this map."""
DIGEST_WORDS = 8
SLOTS_PER_WORD = 32
"""Slots that one word of ``valid`` tells of."""


class Register(NamedTuple):
    """``at`` is in bytes; ``access`` is r or w; ``words`` stand side by side."""

    name: str
    at: int
    access: str
    words: int
    meaning: str

    def address(self, word: int = 0) -> int:
        """Of one of its words. Raises ValueError for one that it has not."""
        if not 0 <= word < self.words:
            raise ValueError(f"register {self.name} has {self.words} words, none of number {word}")
        return self.at + WORD_BYTES * word


REGISTERS = (
    Register("id", 0x000, "r", 1, f"{IDENTITY:#010x}: what this map is"),
    Register("bank", 0x004, "r", 1, "the bank that is searched, 0 or 1"),
    Register("generation", 0x008, "r", 1, "the number that was given to what is searched; 0 at first"),
    Register("commit", 0x00C, "w", 1, "from the next frame on the other bank is searched, as this generation"),
    Register("tables", 0x010, "r", 1, "tables in memories"),
    Register("table", 0x014, "w", 1, "the table that the registers below speak of"),
    Register("slots", 0x018, "r", 1, "its slots"),
    Register("slot", 0x01C, "w", 1, "the slot that ``row`` is written into; refused while the searched bank has it"),
    Register("digest", 0x020, "r", DIGEST_WORDS, "SHA-256 of the structure it was built for, first digits first"),
    Register("valid", 0x400, "w", 256, "word w, bit b: slot 32 w + b is the table's in the bank that is not searched"),
    Register("row", 0x800, "w", 128, "keys, masks, values; each begins a word, lowest bits first"),
)  # fmt: skip
BY_NAME = {register.name: register for register in REGISTERS}


def digest_words(digest: str) -> tuple[int, ...]:
    """A digest of 64 hexadecimal digits as the words of ``digest``."""
    if len(digest) != 8 * DIGEST_WORDS:
        raise ValueError(f"a structure's digest has {8 * DIGEST_WORDS} hexadecimal digits, not {len(digest)}")
    return tuple(int(digest[at : at + 8], 16) for at in range(0, len(digest), 8))


def page() -> str:
    """The map as a table of Markdown."""
    lines = ["| Register | Address | | Meaning |", "|---|---|---|---|"]
    for one in REGISTERS:
        span = f"`{one.at:#05x}`" if one.words == 1 else f"`{one.at:#05x}` to `{one.address(one.words - 1):#05x}`"
        lines.append(f"| `{one.name}` | {span} | {one.access} | {one.meaning.replace('``', '`')} |")
    return "\n".join(lines)
