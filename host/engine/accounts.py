"""Exact accounting of what the rules did: every event, and every match, ends in one of these numbers.

One idea: one set of arrays that either the C loop (``csrc/deliver.c``, which also fills the rings) or NumPy adds to.
Per channel, matched = delivered + the sum of undelivered by cause, always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import PORTS
from sevenm.host.batch import EventBatch
from sevenm.host.engine.decisions import Actions, Bits, Decisions
from sevenm.host.native import native

CAUSES = {0: "full", 1: "reader_gone", 2: "stopped", 3: "corrupt", 8: "no_ring"}
"""Why a match was not delivered: SM_CAUSE_… of csrc/ring.h and csrc/deliver.h. ``full``: the ring had no room.
``reader_gone``: its reader died. ``stopped``: the wait for room was given up. ``corrupt``: the ring's shared memory
holds what cannot be. ``no_ring``: the channel has no ring here."""
NO_RING = 8
CAUSE_SLOTS = 9
LOOK_US = 100_000
"""A C call waits no longer than this for a ring, in microseconds."""
TOTALS = ("events", "bytes", "malformed", "truncated", "dropped", "passed")
"""``passed``: neither dropped nor forwarded. ``bytes``: captured ones."""


class Accounts:
    """``rules`` (rules,), ``counters`` (counters,): events. ``matched``, ``delivered`` (channels,).
    ``undelivered`` (channels, CAUSE_SLOTS). ``forwarded`` (PORTS,). ``totals`` (6,) as TOTALS. All uint64."""

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
        self.undelivered = np.zeros((n_channels, CAUSE_SLOTS), np.uint64)

    def total(self, name: str) -> int:
        """One of TOTALS."""
        return int(self.totals[TOTALS.index(name)])

    def add(self, batch: EventBatch, decisions: Decisions) -> None:
        """Counts a batch in NumPy. There are no rings on this way: every match is undelivered for ``no_ring``."""
        rows, n = decisions.rows, len(batch)
        drop = decisions.drop_row
        away = drop.copy()
        for port, group in enumerate(group_by(self.actions, PORTS, ports_of)):
            to_port = decisions.union(group) & ~drop
            self.forwarded[port] += np.uint64(count_bits(to_port))
            away |= to_port
        self.rules += count_rows(rows[:-2])
        for counter, group in enumerate(group_by(self.actions, self.n_counters, lambda rule: rule.count)):
            self.counters[counter] += np.uint64(count_bits(decisions.union(group)))
        for channel, group in enumerate(group_by(self.actions, self.n_channels, lambda rule: rule.deliver)):
            matched = np.uint64(count_bits(decisions.union(group)))
            self.matched[channel] += matched
            self.undelivered[channel, NO_RING] += matched
        passed = n - count_bits(away)
        bad, cut = count_rows(rows[-2:])
        self.totals += np.array([n, batch.cap_bytes, bad, cut, count_bits(drop), passed], np.uint64)


class Delivery:
    """Adds to accounts in C, and delivers into rings. Raises NativeMissing without the C runtime.

    ``handles``: an ``sm_ring *`` for each channel, or None where it has no ring; each at most once."""

    def __init__(self, accounts: Accounts, handles: Sequence[Any]) -> None:
        ffi, self._lib = native()
        if len(handles) != accounts.n_channels:
            raise ValueError(f"handles must be one for each of {accounts.n_channels} channels, not {len(handles)}")
        given = [int(ffi.cast("uintptr_t", handle)) for handle in handles if handle is not None]
        if len(set(given)) != len(given):
            raise ValueError("two channels have the same ring; a ring belongs to one channel")
        self._ffi = ffi
        self._accounts = accounts
        self._kept: list[Any] = list(handles)
        actions, record = accounts.actions, ffi.new("sm_accounts *")
        self._c_accounts = record
        self._c_actions = ffi.new("sm_actions *")
        self._c_actions.n_rules = len(actions)
        self._c_actions.n_channels = accounts.n_channels
        self._c_actions.n_counters = accounts.n_counters
        self._c_actions.channels = self._groups(group_by(actions, accounts.n_channels, lambda rule: rule.deliver))
        self._c_actions.counters = self._groups(group_by(actions, accounts.n_counters, lambda rule: rule.count))
        self._c_actions.ports = self._groups(group_by(actions, PORTS, ports_of))
        self._c_actions.drop = self._groups(group_by(actions, 1, lambda rule: (0,) if rule.drop else ()))
        for name in ("rules", "counters", "matched", "delivered", "undelivered"):
            setattr(record, name, self._pointer("uint64_t[]", getattr(accounts, name)))
        self._rings = ffi.new("sm_ring *[]", [ffi.NULL if handle is None else handle for handle in handles] or 1)
        # The struct starts with the totals and the ports, so NumPy can look at it.
        view = np.frombuffer(ffi.buffer(record), np.uint64)
        accounts.totals = view[: len(TOTALS)]
        accounts.forwarded = view[len(TOTALS) : len(TOTALS) + PORTS]

    def add(self, batch: EventBatch, decisions: Decisions, generation: int, engine: int) -> None:
        """Counts and delivers a batch. ``engine`` and ``generation`` go into every record.

        Waits for the readers of ``block`` rings. An exception out of a signal handler ends that; what then finds no
        room is counted as ``stopped``, so that the accounts add up."""
        if len(batch) != decisions.n or len(decisions.rows) != len(self._accounts.actions) + 2:
            raise ValueError(f"decisions on {decisions.n} events do not belong to a batch of {len(batch)}")
        ffi = self._ffi
        c_batch = ffi.new(
            "sm_batch *",
            {
                "buffer": ffi.from_buffer("uint8_t[]", batch.buffer),
                "events": ffi.from_buffer("sm_event[]", batch.events),
                "n": len(batch),
                "rows": ffi.from_buffer("uint64_t[]", decisions.rows),
                "generation": generation,
                "engine": engine,
                "source": batch.source,
            },
        )
        cursor = ffi.new("sm_cursor *")
        arguments = (self._c_actions, c_batch, self._rings, self._c_accounts, cursor)
        try:
            # Python runs its signal handlers between the calls, so that a reader that stands still can be given up.
            while not self._lib.sm_deliver(*arguments, LOOK_US):
                pass
        except BaseException:
            cursor.stopping = 1
            self._lib.sm_deliver(*arguments, 0)
            raise

    def _pointer(self, kind: str, array: NDArray[Any]) -> Any:
        pointer = self._ffi.from_buffer(kind, array)
        self._kept.append(pointer)
        return pointer

    def _groups(self, groups: Sequence[Sequence[int]]) -> Any:
        start = np.cumsum([0, *map(len, groups)]).astype(np.uint32)
        rules = np.array([rule for group in groups for rule in group], np.uint32)
        return {"start": self._pointer("uint32_t[]", start), "rules": self._pointer("uint32_t[]", rules)}


def group_by(rules: Sequence[Actions], count: int, items: Callable[[Actions], Sequence[int]]) -> list[list[int]]:
    """For each of ``count`` items, the rules that act on it, ascending."""
    groups: list[list[int]] = [[] for _ in range(count)]
    for index, rule in enumerate(rules):
        for item in items(rule):
            groups[item].append(index)
    return groups


def ports_of(rule: Actions) -> list[int]:
    """The ports that a rule forwards to."""
    return [port for port in range(PORTS) if rule.forward >> port & 1]


def count_bits(row: Bits) -> int:
    """Bits set in (words,) uint64."""
    return int(count_rows(row[None])[0])


def count_rows(rows: Bits) -> NDArray[np.uint64]:
    """Bits set in each row of (rows, words) uint64."""
    data = np.ascontiguousarray(rows).view(np.uint8)
    counts: NDArray[np.uint64] = np.unpackbits(data, axis=1).sum(axis=1, dtype=np.uint64)
    return counts
