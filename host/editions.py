"""Whose rules count when a device's rules change while a session runs.

One idea: an *edition* is what one set of rules needs in order to count and deliver: accounts of its own, and for each
of its channels the ring of that name. There is one at a time. Those before it stay, so that rules that come back go on
counting, and matches of theirs that still wait for room in a ring are counted where they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.delivery import Delivery
from sevenm.host.report import Tally

EDITIONS_MAX = 16
"""Sets of rules whose accounts are kept apart; the sums of others, the longest unused, are kept by name."""


class ChannelRing(Protocol):
    """The producer's side of a ring. ``handle`` is its ``sm_ring *``."""

    @property
    def handle(self) -> Any: ...
    def set_digest(self, digest: str) -> None: ...


RingsOf = Callable[[Bundle], Mapping[str, ChannelRing]]
"""The rings that there are for the channels of some rules, by name; asked once for each set of rules."""


class Edition:
    """``handles``: an ``sm_ring *`` for each channel of the bundle, None where it has no ring. ``wanted``: numbers of
    the rules that deliver."""

    def __init__(self, bundle: Bundle, rings: Mapping[str, ChannelRing]) -> None:
        self.bundle = bundle
        self.accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
        self.rings = {name: rings[name] for name in bundle.channels if name in rings}
        self.handles = [self.rings[name].handle if name in self.rings else None for name in bundle.channels]
        self.wanted = [row for row, rule in enumerate(bundle.rules) if rule.deliver]
        self._delivery: Delivery | None = None

    def fits(self, bundle: Bundle) -> bool:
        """Whether the bundle's rules are these, whatever their conditions and rows: the same names do the same."""
        return _names(self.bundle) == _names(bundle)

    def delivery(self, timeout: float) -> Delivery:
        """For batches that are delivered one at a time."""
        if self._delivery is None:
            self._delivery = Delivery(self.accounts, self.handles, timeout)
        return self._delivery

    @property
    def waiting(self) -> int:
        """Matches that wait in a backlog, and are counted when they end."""
        return int(self.accounts.waiting.sum())


class Editions:
    """``rings``: by channel, or who knows them for other rules too. Raises ValueError for a channel that the first
    rules do not have.

    One thread follows; another one may ask for sums meanwhile."""

    def __init__(self, bundle: Bundle, rings: Mapping[str, ChannelRing] | RingsOf) -> None:
        given = rings(bundle) if callable(rings) else rings
        for name in given:
            if name not in bundle.channels:
                known = ", ".join(bundle.channels) or "none"
                raise ValueError(f"the bundle has no channel {name}; its channels are: {known}")
        self._rings: RingsOf = rings if callable(rings) else lambda bundle: given
        self._kept: tuple[Tally, tuple[Edition, ...]] = (Tally(), (Edition(bundle, given),))
        """Sums of what was let go of, and the editions: the present one last, before it the one used last. Exchanged
        together, so that no other thread counts anything twice."""

    @property
    def now(self) -> Edition:
        return self._kept[1][-1]

    @property
    def events(self) -> int:
        """Events decided so far, under whatever rules."""
        past, editions = self._kept
        return past.totals["events"] + sum(one.accounts.total("events") for one in editions)

    def follow(self, bundle: Bundle) -> Edition:
        """The edition of these rules, which is the present one from here on. Raises DeviceError for rules on other
        events than those that are read, and what making a ring raises; then nothing has changed."""
        if self.now.bundle is bundle:
            return self.now
        self.check(bundle)
        known = (one for one in self._kept[1] if one.fits(bundle))
        edition = next(known, None) or Edition(bundle, self._rings(bundle))
        edition.bundle = bundle
        for ring in edition.rings.values():
            ring.set_digest(bundle.digest)
        self._keep(edition)
        return edition

    def check(self, bundle: Bundle) -> None:
        """Raises DeviceError for rules on other events than those that are read."""
        if _events(bundle) != _events(self.now.bundle):
            raise DeviceError(
                f"the rules of {bundle.name} are on {_told(bundle)}, and this session reads "
                f"{_told(self.now.bundle)}; end it, and make another for them"
            )

    def tally(self) -> Tally:
        """Sums over all, the present edition first."""
        (past, editions), out = self._kept, Tally()
        for one in reversed(editions):
            out.add(one.bundle, one.accounts)
        out.merge(past)
        return out

    def _keep(self, edition: Edition) -> None:
        """As the present one; lets go of the oldest for which nothing waits, if there are too many."""
        before, editions = self._kept
        others = [one for one in editions if one is not edition]
        past = Tally()
        past.merge(before)
        for one in others[: max(0, len(others) + 1 - EDITIONS_MAX)]:
            if not one.waiting:
                others.remove(one)
                past.add(one.bundle, one.accounts)
        self._kept = (past, (*others, edition))


def _names(bundle: Bundle) -> tuple[object, ...]:
    blocks = tuple(block.name for block in bundle.blocks)
    return blocks, tuple(bundle.rules), bundle.channels, bundle.counters


def _events(bundle: Bundle) -> tuple[object, ...]:
    return bundle.source, bundle.record_size, bundle.layouts[0].hash if bundle.source == "record" else 0


def _told(bundle: Bundle) -> str:
    if bundle.source == "packet":
        return "packets"
    layout = bundle.layouts[0]
    return f"records {layout.name} v{layout.version} of {bundle.record_size} bytes, layout 0x{layout.hash:016x}"
