"""What rules do, as arrays, and what follows for events from the rules that fired on them.

One idea: resolution is written once in C (``csrc/actions.c``) and once here, over the same sparse entries, and the
tests hold the two equal. The work is that of the rules that fired, whatever number of rules there is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import CHUNK, PORTS
from sevenm.host.engine.counts import Actions

Words = NDArray[np.uint64]
Index = NDArray[np.int64]
RECENT_MAX = 8
"""Tables that are kept: a run has one set of rules, a comparison a few."""


class Sparse(NamedTuple):
    """Words that are not 0: ``words[k]`` are events of chunk ``chunk[k]``, for ``item[k]`` (a rule, a channel …)."""

    item: Index
    chunk: Index
    words: Words

    def where(self, chosen: NDArray[np.bool_]) -> Sparse:
        return Sparse(self.item[chosen], self.chunk[chosen], self.words[chosen])

    def joined(self, other: Sparse) -> Sparse:
        return Sparse(
            np.concatenate((self.item, other.item)),
            np.concatenate((self.chunk, other.chunk)),
            np.concatenate((self.words, other.words)),
        )


class Lists:
    """For each rule a list of items: those of rule r are ``items[start[r] : start[r + 1]]``. uint32."""

    def __init__(self, lists: Iterable[Sequence[int]]) -> None:
        listed = list(lists)
        self.start = np.cumsum([0, *map(len, listed)]).astype(np.uint32)
        self.items = np.array([item for items in listed for item in items], np.uint32)

    def reached(self, fired: Sparse) -> Sparse:
        """The items of the rules that fired, each with the union of its rules' events."""
        start = self.start.astype(np.int64)
        count = (start[1:] - start[:-1])[fired.item]
        entry = np.repeat(np.arange(len(fired.item)), count)
        within = np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)
        item = self.items[start[fired.item[entry]] + within].astype(np.int64)
        return unite(Sparse(item, fired.chunk[entry], fired.words[entry]))


class ActionTable:
    """The actions of all rules. ``forward`` (rules,) uint16: masks of ports. ``drop`` (rules,) uint8."""

    def __init__(self, rules: Sequence[Actions]) -> None:
        self.rules = rules
        self.deliver = Lists(rule.deliver for rule in rules)
        self.count = Lists(rule.count for rule in rules)
        self.forward = np.array([rule.forward for rule in rules], np.uint16)
        self.drop = np.array([rule.drop for rule in rules], np.uint8)
        self.ports = Lists([port for port in range(PORTS) if rule.forward >> port & 1] for rule in rules)

    @classmethod
    def of(cls, rules: Sequence[Actions]) -> ActionTable:
        """The table of these very rules, made once."""
        found = _recent.pop(id(rules), None)
        table = found if found is not None and found.rules is rules else cls(rules)
        _recent[id(rules)] = table
        if len(_recent) > RECENT_MAX:
            _recent.popitem(last=False)
        return table

    def dropped(self, fired: Sparse, chunks: int) -> Words:
        """(chunks,): events that a fired rule drops."""
        return union(fired.where(self.drop[fired.item] != 0), chunks)

    def forwarded(self, fired: Sparse, dropped: Words, ports: NDArray[np.uint16] | None) -> Words:
        """(PORTS, chunks): events forwarded to each port, none of them dropped. ``ports`` (n,): dynamic ones."""
        out = np.zeros((PORTS, len(dropped)), np.uint64)
        found = self.ports.reached(fired)
        out[found.item, found.chunk] = found.words
        if ports is not None and len(ports):
            out |= pack((ports >> np.arange(PORTS, dtype=np.uint16)[:, None] & np.uint16(1)).astype(np.bool_))
        return out & ~dropped


_recent: OrderedDict[int, ActionTable] = OrderedDict()


def unite(entries: Sparse) -> Sparse:
    """One word for each item and chunk, in the order of chunks, then items."""
    if not len(entries.item):
        return entries
    order = np.lexsort((entries.item, entries.chunk))
    item, chunk, words = entries.item[order], entries.chunk[order], entries.words[order]
    fresh = np.flatnonzero(np.concatenate(([True], (item[1:] != item[:-1]) | (chunk[1:] != chunk[:-1]))))
    return Sparse(item[fresh], chunk[fresh], np.bitwise_or.reduceat(words, fresh))


def union(entries: Sparse, chunks: int) -> Words:
    """(chunks,): events of any of the entries."""
    out = np.zeros(chunks, np.uint64)
    np.bitwise_or.at(out, entries.chunk, entries.words)
    return out


def words(n: int) -> int:
    """Chunks of n events, which is 64-bit words in a row of n bits."""
    return -(-n // CHUNK)


def pack(flags: NDArray[np.bool_]) -> Words:
    """(rows, n) bool to (rows, words(n)) uint64: event i is bit i % 64 of word i // 64; bits past n are 0."""
    rows, n = flags.shape
    padded = np.zeros((rows, words(n) * CHUNK), np.bool_)
    padded[:, :n] = flags
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(rows: Words, n: int) -> NDArray[np.bool_]:
    """Inverse of ``pack``: (rows, words) uint64 to (rows, n) bool."""
    data = np.ascontiguousarray(rows, "<u8").view(np.uint8)
    return np.unpackbits(data, axis=1, bitorder="little")[:, :n].astype(np.bool_)


def popcount(values: Words) -> Words:
    """Bits set in each word of (k,) uint64."""
    data = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), 8)
    counts: Words = np.unpackbits(data, axis=1).sum(axis=1, dtype=np.uint64)
    return counts
