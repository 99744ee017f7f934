"""Which bytes of events that have a shape are read together: windows of 16 bytes that become four columns of 32 bits.

One idea: for fields at fixed places a read of 16 bytes per event, transposed in registers, costs less than a move for
each field. Windows lie so that fields do not cross the borders of their four-byte words, as far as one phase can have
it: the headers that follow Ethernet's 14 bytes are laid out in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.loads import Read
from sevenm.compiler.passes.visibility import Access

WORD = 4
WINDOW_WORDS = 4
WINDOW_MAX = WORD * WINDOW_WORDS
"""Bytes of a window."""
WORDS_MIN = 2
"""Words in a window; a single one is read by itself."""


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes [disp, disp + 16) of an event; the words that are wanted, by their place in it."""

    disp: int
    words: tuple[Read | None, ...]

    @property
    def end(self) -> int:
        return self.disp + WORD * WINDOW_WORDS


def windows(loads: Sequence[int], accesses: Mapping[int, Access], last: int) -> tuple[list[Window], list[int]]:
    """Windows that end at ``last`` at most, and the loads that are in none. ``loads`` are at fixed places."""
    if last < WORD * WINDOW_WORDS:
        return [], list(loads)
    phase = max(range(WORD), key=lambda p: (sum(_word(accesses[ref], p) is not None for ref in loads), -p))
    words: defaultdict[int, list[int]] = defaultdict(list)
    for ref in loads:
        word = _word(accesses[ref], phase)
        if word is not None and word + WORD <= last:
            words[word].append(ref)
    out: list[Window] = []
    for first in _starts(sorted(words), last, phase):
        inside = [first + WORD * at for at in range(WINDOW_WORDS)]
        taken = {read.disp for window in out for read in window.words if read is not None}
        found = [_read(word, words, accesses) if word not in taken else None for word in inside]
        if sum(read is not None for read in found) >= WORDS_MIN:
            out.append(Window(first, tuple(found)))
    covered = {ref for window in out for read in window.words if read is not None for ref in read.loads}
    return out, [ref for ref in loads if ref not in covered]


def _word(access: Access, phase: int) -> int | None:
    """The word that holds all bytes of a load, None if it crosses a border or would start before the event."""
    first = (access.disp - phase) // WORD
    if first != (access.disp + access.count - 1 - phase) // WORD:
        return None
    start = first * WORD + phase
    return start if start >= 0 else None


def _starts(words: Iterable[int], last: int, phase: int) -> list[int]:
    """Where windows start that cover all words, each as far in front as it can be."""
    size = WORD * WINDOW_WORDS
    latest = (last - size - phase) // WORD * WORD + phase
    starts: list[int] = []
    for word in words:
        if not starts or word >= starts[-1] + size:
            starts.append(max(phase, min(word, latest)))
    return starts


def _read(word: int, words: Mapping[int, Sequence[int]], accesses: Mapping[int, Access]) -> Read | None:
    loads = words.get(word)
    return None if not loads else Read(accesses[loads[0]].at, word, WORD, tuple(loads))
