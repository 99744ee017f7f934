"""Exact accounting of what the rules did: every event, and every match, ends in one of these numbers.

One idea: one set of arrays that either the C runtime (``csrc/account.c``, with the rings that ``csrc/outlet.c`` fills)
or NumPy adds to. Per channel, matched = delivered + waiting + the sum of undelivered by cause, and nothing waits once a
run has ended. Accounts belong to one generation of rules: those of several generations add up to the totals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sevenm.boundary import CAUSES as CAUSE_SLOTS
from sevenm.boundary import PORTS, Cause
from sevenm.host.batch import EventBatch
from sevenm.host.engine.actions import ActionTable, Sparse, Words, popcount
from sevenm.host.engine.counts import TOTALS, Actions
from sevenm.host.engine.decisions import Decisions

NO_RING = int(Cause.NO_RING)
ARRAYS = ("totals", "forwarded", "rules", "counters", "matched", "delivered", "waiting", "undelivered")


class Accounts:
    """A ``sevenm.host.engine.counts.Counts``, of arrays of uint64: ``rules`` (rules,), ``counters`` (counters,),
    ``matched``, ``delivered``, ``waiting`` (channels,), ``undelivered`` (channels, CAUSE_SLOTS), ``forwarded``
    (PORTS,), ``totals`` as TOTALS."""

    def __init__(self, rules: Sequence[Actions], n_channels: int, n_counters: int) -> None:
        self.actions = rules
        self.n_channels = n_channels
        self.n_counters = n_counters
        self.totals = np.zeros(len(TOTALS), np.uint64)
        self.forwarded = np.zeros(PORTS, np.uint64)
        self.rules = np.zeros(len(rules), np.uint64)
        self.counters = np.zeros(n_counters, np.uint64)
        self.matched = np.zeros(n_channels, np.uint64)
        self.delivered = np.zeros(n_channels, np.uint64)
        self.waiting = np.zeros(n_channels, np.uint64)
        self.undelivered = np.zeros((n_channels, CAUSE_SLOTS), np.uint64)

    @property
    def table(self) -> ActionTable:
        return ActionTable.of(self.actions)

    def total(self, name: str) -> int:
        """One of TOTALS."""
        return int(self.totals[TOTALS.index(name)])

    def add(self, batch: EventBatch, decisions: Decisions) -> None:
        """Counts a batch in NumPy. There are no rings on this way: every match is undelivered for ``no_ring``."""
        n, fired, table = len(batch), decisions.entries, decisions.table
        drop, ports = decisions.drop_words, decisions.port_words
        away = np.bitwise_or.reduce(ports, axis=0) | drop
        self.forwarded += popcount(ports.reshape(-1)).reshape(ports.shape).sum(axis=1, dtype=np.uint64)
        _add(self.rules, fired)
        _add(self.counters, table.count.reached(fired))
        matched = table.deliver.reached(fired)
        _add(self.matched, matched)
        _add(self.undelivered[:, NO_RING], matched)
        flags = [int(popcount(decisions.chunks[name]).sum()) for name in ("malformed", "truncated", "punt")]
        passed = n - int(popcount(away).sum())
        self.totals += np.array([n, batch.cap_bytes, *flags, int(popcount(drop).sum()), passed], np.uint64)

    def merge(self, other: Accounts) -> None:
        """Adds the numbers of another generation of the same rules. Raises ValueError for other rules."""
        for name in ARRAYS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine.shape != theirs.shape:
                raise ValueError(f"accounts of other rules: {name} has {theirs.shape[0]} entries, not {mine.shape[0]}")
            mine += theirs


def _add(counts: Words, entries: Sparse) -> None:
    np.add.at(counts, entries.item, popcount(entries.words))
