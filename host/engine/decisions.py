"""What an engine says of a batch: per chunk of 64 events the rules that fired, and what follows from their actions.

One idea: an answer is as long as what fired. Engines of every kind write the same sparse entries (``sm_chunk`` and
``sm_fired`` of ``sevenm.boundary``), delivery and accounts read them; the per-event arrays that people and tests want
are derived on demand, with the meaning that ``sevenm.compiler.plan`` states.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import CHUNK
from sevenm.host.engine.actions import ActionTable, Sparse, Words, pack, union, unite, unpack, words
from sevenm.host.engine.counts import Actions

if TYPE_CHECKING:
    from sevenm.host.bundle import Bundle

CHUNK_DTYPE = boundary.dtype("sm_chunk")
FIRED_DTYPE = boundary.dtype("sm_fired")
Flags = NDArray[np.bool_]


class Decisions:
    """``chunks``: (words(n),) sm_chunk. ``fired_entries``: (k,) sm_fired, the chunks' one after the other.
    ``ports``: None, or (n,) uint16, masks of the ports that rules computed for each event.

    The arrays below have the meaning of the reference model's. Raises ValueError if something does not fit."""

    def __init__(
        self,
        chunks: NDArray[np.void],
        fired_entries: NDArray[np.void],
        n: int,
        rules: Sequence[Actions],
        ports: NDArray[np.uint16] | None = None,
    ) -> None:
        if chunks.dtype != CHUNK_DTYPE or chunks.shape != (words(n),) or not chunks.flags.c_contiguous:
            raise ValueError(f"chunks must be ({words(n)},) sm_chunk for {n} events, not {chunks.shape} {chunks.dtype}")
        if fired_entries.dtype != FIRED_DTYPE or fired_entries.ndim != 1 or not fired_entries.flags.c_contiguous:
            raise ValueError(f"fired must be 1-D of sm_fired, not {fired_entries.ndim}-D of {fired_entries.dtype}")
        said = int(chunks["fired"].sum(dtype=np.uint64))
        if said != len(fired_entries):
            raise ValueError(f"the chunks have {said} entries of fired rules, but there are {len(fired_entries)}")
        if len(fired_entries) and int(fired_entries["rule"].max()) >= len(rules):
            raise ValueError(f"rule {int(fired_entries['rule'].max())} fired, but there are {len(rules)}")
        if ports is not None and (ports.dtype != np.uint16 or ports.shape != (n,)):
            raise ValueError(f"ports must be ({n},) uint16, not {ports.shape} {ports.dtype}")
        if n % CHUNK:
            last = fired_entries["events"][said - int(chunks["fired"][-1]) :]
            flags = [chunks[name][-1] for name in ("malformed", "truncated", "punt")]
            if any(int(word) >> n % CHUNK for word in (*flags, *last.tolist())):
                raise ValueError(f"a bit past the last of {n} events is set")
        self.chunks = chunks
        self.fired_entries = fired_entries
        self.n = n
        self.rules = rules
        self.ports = ports
        self.generation = 0
        """Of the rules that decided; 0 where the device does not say."""
        self.bundle: Bundle | None = None
        """That of the rules that decided; None where the device does not say."""

    @classmethod
    def from_entries(
        cls,
        fired: Sparse,
        flags: tuple[Words, Words, Words],
        n: int,
        rules: Sequence[Actions],
        ports: NDArray[np.uint16] | None = None,
    ) -> Decisions:
        """From entries in any order, several for a rule and chunk allowed; ``flags``: malformed, truncated, punt."""
        fired = unite(fired.where(fired.words != 0))
        chunks = np.zeros(words(n), CHUNK_DTYPE)
        chunks["malformed"], chunks["truncated"], chunks["punt"] = flags
        chunks["fired"] = np.bincount(fired.chunk, minlength=len(chunks))
        entries = np.zeros(len(fired.item), FIRED_DTYPE)
        entries["rule"], entries["events"] = fired.item, fired.words
        return cls(chunks, entries, n, rules, ports)

    @classmethod
    def from_rows(cls, rows: Words, n: int, rules: Sequence[Actions], punt: Words | None = None) -> Decisions:
        """From (len(rules) + 2, words(n)) bits: one row for each rule, then malformed, then truncated."""
        if rows.dtype != np.uint64 or rows.shape != (len(rules) + 2, words(n)):
            raise ValueError(f"rows must be ({len(rules) + 2}, {words(n)}) uint64, not {rows.shape} {rows.dtype}")
        rule, chunk = np.nonzero(rows[:-2])
        none = np.zeros(words(n), np.uint64)
        flags = (rows[-2], rows[-1], none if punt is None else punt)
        return cls.from_entries(Sparse(rule, chunk, rows[rule, chunk]), flags, n, rules)

    @classmethod
    def from_flags(
        cls,
        fired: Flags,
        malformed: Flags,
        truncated: Flags,
        rules: Sequence[Actions],
        punt: Flags | None = None,
        ports: NDArray[np.uint16] | None = None,
    ) -> Decisions:
        """From (rules, n) bool and, for the others, (n,)."""
        n = len(malformed)
        rows = pack(fired.reshape(len(rules), n))
        flags = pack(np.stack((malformed, truncated, np.zeros(n, np.bool_) if punt is None else punt)))
        rule, chunk = np.nonzero(rows)
        entries = Sparse(rule, chunk, rows[rule, chunk])
        return cls.from_entries(entries, (flags[0], flags[1], flags[2]), n, rules, ports)

    def __len__(self) -> int:
        return self.n

    @cached_property
    def entries(self) -> Sparse:
        """The fired entries with the chunk of each."""
        chunk = np.repeat(np.arange(len(self.chunks)), self.chunks["fired"])
        return Sparse(self.fired_entries["rule"].astype(np.int64), chunk, self.fired_entries["events"])

    @cached_property
    def table(self) -> ActionTable:
        return ActionTable.of(self.rules)

    @cached_property
    def rows(self) -> Words:
        """(len(rules) + 2, words(n)): all as rows of bits, as ``from_rows`` takes them; to look at and compare."""
        return np.concatenate((self.rows_of(), self.chunks["malformed"][None], self.chunks["truncated"][None]))

    def rows_of(self, rules: Sequence[int] | None = None) -> Words:
        """(rules, words(n)): for each of these rules, all by default, the events that it fired on."""
        out = np.zeros((len(self.rules), len(self.chunks)), np.uint64)
        out[self.entries.item, self.entries.chunk] = self.entries.words
        return out if rules is None else out[list(rules)]

    def union(self, rules: Sequence[int]) -> Words:
        """(words(n),): events on which any of these rules fired."""
        chosen = np.isin(self.entries.item, rules)
        return union(self.entries.where(chosen), len(self.chunks))

    def matched(self, rules: Sequence[int]) -> Flags:
        """(n,) bool: the same, per event."""
        return self._flags(self.union(rules))

    @cached_property
    def fired(self) -> Flags:
        """(rules, n) bool: which rules fired."""
        return unpack(self.rows_of(), self.n)

    @cached_property
    def malformed(self) -> Flags:
        """(n,) bool: the event contradicts itself."""
        return self._flags(self.chunks["malformed"])

    @cached_property
    def truncated(self) -> Flags:
        """(n,) bool: an announced header could not be seen."""
        return self._flags(self.chunks["truncated"])

    @cached_property
    def punt(self) -> Flags:
        """(n,) bool: the device could not decide the event."""
        return self._flags(self.chunks["punt"])

    @cached_property
    def drop_words(self) -> Words:
        """(words(n),): events that a fired rule drops."""
        return self.table.dropped(self.entries, len(self.chunks))

    @cached_property
    def drop(self) -> Flags:
        """(n,) bool: verdict drop."""
        return self._flags(self.drop_words)

    @cached_property
    def port_words(self) -> Words:
        """(PORTS, words(n)): events forwarded to each port."""
        return self.table.forwarded(self.entries, self.drop_words, self.ports)

    @cached_property
    def forward(self) -> NDArray[np.uint16]:
        """(n,) uint16: mask of the ports forwarded to, 0 where dropped."""
        out = np.zeros(self.n, np.uint16)
        for port in np.flatnonzero(self.port_words.any(axis=1)).tolist():
            out |= self._flags(self.port_words[port]).astype(np.uint16) << np.uint16(port)
        return out

    @cached_property
    def channels(self) -> NDArray[np.uint64]:
        """(n,) uint64: mask of the channels the event is delivered to."""
        out = np.zeros(self.n, np.uint64)
        found = self.table.deliver.reached(self.entries)
        for channel in np.unique(found.item).tolist():
            reached = found.where(found.item == channel)
            out |= self._flags(union(reached, len(self.chunks))).astype(np.uint64) << np.uint64(channel)
        return out

    def first_rule(self, channel: int) -> NDArray[np.int64]:
        """(n,) int64: the lowest of the rules that fired and deliver to the channel, -1 for none."""
        table, entries = self.table, self.entries
        delivers = np.zeros(len(self.rules), np.bool_)
        owner = np.repeat(np.arange(len(self.rules)), np.diff(table.deliver.start))
        delivers[owner[table.deliver.items == channel]] = True
        out = np.full(len(self.chunks) * CHUNK, len(self.rules), np.int64)
        chosen = np.flatnonzero(delivers[entries.item])
        entry, lane = np.nonzero(unpack(entries.words[chosen][:, None], CHUNK))
        np.minimum.at(out, entries.chunk[chosen][entry] * CHUNK + lane, entries.item[chosen][entry])
        out = out[: self.n]
        out[out == len(self.rules)] = -1
        return out

    def answered(self, answers: Decisions) -> Decisions:
        """With the answers of another engine on the punted events, in their order; ``punt`` stays, to be counted.

        Raises ValueError if they are not as many."""
        at = np.flatnonzero(self.punt)
        if len(at) != answers.n:
            raise ValueError(f"{len(at)} events were punted, but {answers.n} answered")
        entry, lane = np.nonzero(unpack(answers.entries.words[:, None], CHUNK))
        event = at[answers.entries.chunk[entry] * CHUNK + lane]
        bit = np.uint64(1) << (event % CHUNK).astype(np.uint64)
        more = Sparse(answers.entries.item[entry], event // CHUNK, bit)
        flags = np.stack((self.malformed, self.truncated, self.punt))
        flags[0, at], flags[1, at] = answers.malformed, answers.truncated
        ports = None
        if self.ports is not None or answers.ports is not None:
            ports = np.zeros(self.n, np.uint16) if self.ports is None else self.ports.copy()
            ports[at] = 0 if answers.ports is None else answers.ports
        packed = pack(flags)
        own = self.entries
        kept = own.words & ~packed[2][own.chunk]
        fired = own._replace(words=kept).joined(more)
        return Decisions.from_entries(fired, (packed[0], packed[1], packed[2]), self.n, self.rules, ports)

    def marked(self, answers: Decisions) -> Decisions:
        """With what another engine says of the same events where this one has no answer: which are malformed or
        truncated, and all of those that it punted."""
        if answers.n != self.n:
            raise ValueError(f"there are {self.n} events, but {answers.n} answered")
        punt = self.chunks["punt"]
        own, other = self.entries, answers.entries
        kept = own._replace(words=own.words & ~punt[own.chunk])
        more = other._replace(words=other.words & punt[other.chunk])
        ports = None
        if self.ports is not None or answers.ports is not None:
            none = np.zeros(self.n, np.uint16)
            theirs = none if answers.ports is None else answers.ports
            ports = np.where(self.punt, theirs, none if self.ports is None else self.ports)
        flags = (answers.chunks["malformed"], answers.chunks["truncated"], punt)
        return Decisions.from_entries(kept.joined(more), flags, self.n, self.rules, ports)

    def _flags(self, row: Words) -> Flags:
        out: Flags = unpack(row[None], self.n)[0]
        return out
