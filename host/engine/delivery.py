"""Accounts, actions and rings as the C runtime sees them, and delivery of one batch at a time.

One idea: C works in the memory of the NumPy arrays, so that counts can be read at any time without asking C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sevenm.boundary import PORTS
from sevenm.host.batch import EventBatch
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.actions import ActionTable, Lists
from sevenm.host.engine.c_struct import CStruct
from sevenm.host.engine.counts import TOTALS
from sevenm.host.engine.decisions import Decisions
from sevenm.host.native import native

SLICE_US = 100_000
"""A C call waits no longer than this for a ring, in microseconds, so that Python can run signal handlers."""
BLOCK_TIMEOUT = 5.0
"""Seconds that a `block` ring is waited for while its reader makes no room. 0: as long as the reader lives."""
TIMEOUT_MAX = 86_400.0
BACKLOG_MAX = 1 << 20


class CActions(CStruct):
    """``sm_actions``."""

    def __init__(self, table: ActionTable, channels: int, counters: int) -> None:
        super().__init__("sm_actions")
        to = self.pointer
        to.rules, to.channels, to.counters = len(table.rules), channels, counters
        to.deliver, to.count = self._lists(table.deliver), self._lists(table.count)
        to.forward, to.drop = self.array("uint16_t", table.forward), self.array("uint8_t", table.drop)

    def _lists(self, lists: Lists) -> dict[str, Any]:
        return {"start": self.array("uint32_t", lists.start), "items": self.array("uint32_t", lists.items)}


class CAccounts(CStruct):
    """``sm_accounts`` over the arrays of accounts, whose totals and ports become views of the struct."""

    def __init__(self, accounts: Accounts) -> None:
        super().__init__("sm_accounts")
        to = self.pointer
        for name in ("rules", "counters", "matched", "delivered", "waiting", "undelivered"):
            setattr(to, name, self.array("uint64_t", getattr(accounts, name)))
        to.channels = accounts.n_channels
        # The struct starts with the totals and the ports, so NumPy can look at it.
        view = np.frombuffer(self.ffi.buffer(to), np.uint64)
        totals, forwarded = view[: len(TOTALS)], view[len(TOTALS) : len(TOTALS) + PORTS]
        totals[:], forwarded[:] = accounts.totals, accounts.forwarded
        accounts.totals, accounts.forwarded = totals, forwarded

    @classmethod
    def of(cls, accounts: Accounts) -> CAccounts:
        """The struct of these accounts, of which there is one."""
        found = _c_accounts.get(accounts)
        if found is None:
            found = _c_accounts[accounts] = cls(accounts)
        return found

    @property
    def waiting(self) -> int:
        """Records that wait in a backlog. Once it is 0 and no rules add to them any more, the accounts are final."""
        return int(self.lib.sm_accounts_waiting(self.pointer))


_c_accounts: WeakKeyDictionary[Accounts, CAccounts] = WeakKeyDictionary()


class Outlet(CStruct):
    """A ring with a backlog of ``backlog`` records (0, or a power of two) for a policy of `block`.

    ``timeout``: seconds to wait for the default subscriber when it makes no room; 0 waits as long as it lives. Others
    bring their own."""

    def __init__(self, handle: Any, backlog: int = 0, timeout: float = BLOCK_TIMEOUT) -> None:
        super().__init__("sm_outlet")
        if not 0 <= backlog <= BACKLOG_MAX or backlog & (backlog - 1):
            raise ValueError(f"backlog must be 0 or a power of two up to {BACKLOG_MAX} records, not {backlog}")
        if not 0 <= timeout <= TIMEOUT_MAX:
            raise ValueError(f"timeout must be 0 to {TIMEOUT_MAX:.0f} seconds, not {timeout}")
        if not handle.record_header:
            raise ValueError("a channel's ring needs record headers; make it without header=False")
        to = self.pointer
        self.address = int(self.ffi.cast("uintptr_t", handle))
        to.ring = self.keep(handle)
        handle.lanes[0].timeout_ns = round(timeout * 1e9)
        if backlog and handle.lanes[0].policy == self.lib.SM_RING_BLOCK:
            to.slots = backlog
            to.backlog = self.array("uint8_t", np.zeros(backlog * handle.slot_size, np.uint8))
            to.owners = self.keep(self.ffi.new("sm_owner[]", backlog))


def outlet_array(outlets: Sequence[Outlet | None], n_channels: int) -> Any:
    """One pointer for each channel. Raises ValueError for another number, or a ring that stands there twice."""
    ffi, _ = native()
    if len(outlets) != n_channels:
        raise ValueError(f"handles must be one for each of {n_channels} channels, not {len(outlets)}")
    given = [outlet.address for outlet in outlets if outlet is not None]
    if len(set(given)) != len(given):
        raise ValueError("two channels have the same ring; a ring belongs to one channel")
    return ffi.new("sm_outlet *[]", [ffi.NULL if one is None else one.pointer for one in outlets] or 1)


class Delivery:
    """Adds batches to accounts in C, and delivers into rings. Raises NativeMissing without the C runtime.

    ``handles``: an ``sm_ring *`` for each channel, or None where it has no ring; each at most once. ``timeout``: as for
    Outlet. There is no backlog: a batch is dealt with when ``add`` returns."""

    def __init__(self, accounts: Accounts, handles: Sequence[Any], timeout: float = BLOCK_TIMEOUT) -> None:
        self._ffi, self._lib = native()
        self._accounts = accounts
        outlets = [None if handle is None else Outlet(handle, 0, timeout) for handle in handles]
        self._kept = outlets
        self._rings = [handle for handle in handles if handle is not None]
        self._outlets = outlet_array(outlets, accounts.n_channels)
        self._actions = CActions(accounts.table, accounts.n_channels, accounts.n_counters)
        self._c_accounts = CAccounts.of(accounts)
        self._cursor = self._ffi.new("sm_cursor *")
        self._batch = self._ffi.new("sm_batch *")
        accounted = self._c_accounts.pointer
        self._arguments = (self._actions.pointer, self._batch, self._outlets, accounted, self._cursor)
        self._begin = self._lib.sm_deliver_new

    def add(self, batch: EventBatch, decisions: Decisions, generation: int, engine: int) -> None:
        """Counts and delivers a batch. ``engine`` and ``generation`` go into every record.

        Its rings hear that their producer goes on (``beat``).
        A `block` ring without room is waited for, after the other channels. An exception out of a signal handler ends
        that; what then finds no room is counted as ``stopped``, so that the accounts add up."""
        if len(batch) != decisions.n or len(decisions.rules) != len(self._accounts.actions):
            raise ValueError(f"decisions on {decisions.n} events do not belong to a batch of {len(batch)}")
        self.beat()
        cursor, view = self._cursor, self._ffi.from_buffer
        # The views are held by these names until the batch is dealt with.
        buffer, events = view(batch.buffer), view(batch.events)
        chunks, fired = view(decisions.chunks), view(decisions.fired_entries)
        ports = self._ffi.NULL if decisions.ports is None else view(decisions.ports)
        rest = (buffer, events, len(batch), chunks, fired, ports, generation, engine, batch.source, SLICE_US)
        arguments = self._arguments
        try:
            done: int = self._begin(*arguments, *rest)
            # Python runs its signal handlers between the calls, so that a reader that stands still can be given up.
            while not done:
                done = self._lib.sm_deliver(*arguments, SLICE_US)
        except BaseException:
            cursor.stopping = 1
            self._lib.sm_deliver(*arguments, 0)
            raise
        finally:
            del buffer, events, chunks, fired, ports, rest

    def beat(self) -> None:
        """Tells who looks at the rings that their producer goes on; every 100 ms, while there are no events."""
        for ring in self._rings:
            self._lib.sm_ring_beat(ring)
