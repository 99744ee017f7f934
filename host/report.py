"""What a run did, in numbers that add up.

One idea: sums by name. Rules, channels and counters keep their numbers when other rules take over that name them too,
and those that are named no more stay in the report, after the present ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from sevenm.host.engine.counts import CAUSES, TOTALS, Counts

if TYPE_CHECKING:
    from sevenm.host.latency import Summary


class _Rule(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def block(self) -> int: ...


class Named(Protocol):
    """The names of what is counted: those of a bundle, or as they were kept of one. ``block_names`` by number."""

    @property
    def rules(self) -> Sequence[_Rule]: ...
    @property
    def block_names(self) -> Sequence[str]: ...
    @property
    def channels(self) -> Sequence[str]: ...
    @property
    def counters(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class RuleCount:
    """Events on which the rule fired."""

    name: str
    block: str
    events: int


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """matched = delivered + the sum of undelivered, which is by cause (``sevenm.host.engine.accounts.CAUSES``)."""

    name: str
    matched: int
    delivered: int
    undelivered: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. ``bundle``, ``digest`` and ``generation``: of the rules that decide now. ``forwarded`` is events
    by port. ``written`` is events in the capture, None without one.
    ``seconds_device`` is spent deciding, ``seconds_total`` from the first batch asked for to the last accounted.
    ``ingress``: what a live ingress counted, and ``left``, what had arrived when it ended and was not decided; empty
    for others. ``latency``: by stage (``sevenm.host.latency``), empty where it was not measured. ``code``: the level of
    the machine code that decides, and whether it was compiled here or came prebuilt; None for other devices."""

    bundle: str
    digest: str
    engine: str
    generation: int
    events: int
    bytes: int
    malformed: int
    truncated: int
    punted: int
    dropped: int
    passed: int
    forwarded: dict[int, int]
    rules: tuple[RuleCount, ...]
    channels: tuple[ChannelCount, ...]
    counters: dict[str, int]
    written: int | None
    seconds_device: float
    seconds_total: float
    device: dict[str, int] = field(default_factory=dict)
    ingress: dict[str, int] = field(default_factory=dict)
    latency: dict[str, Summary] = field(default_factory=dict)
    code: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, ports as text."""
        out = {one.name: getattr(self, one.name) for one in fields(self)}
        out["forwarded"] = {str(port): count for port, count in self.forwarded.items()}
        # Spelled out, because there are thousands of them, and asdict copies each one deeply.
        out["rules"] = tuple({"name": rule.name, "block": rule.block, "events": rule.events} for rule in self.rules)
        out["channels"] = tuple(map(asdict, self.channels))
        out["latency"] = {stage: asdict(times) for stage, times in self.latency.items()}
        return out


def together(reports: Sequence[Report], latency: dict[str, Summary] | None = None) -> Report:
    """The sums over the reports of several workers that ran side by side on one device. The first one says which rules
    decide now, and its rules, channels and counters are listed first. ``latency``: of all of them, since percentiles
    do not add up."""
    first = reports[0]
    totals = {name: sum(getattr(one, name) for one in reports) for name in TOTALS}
    rules, counters, matched, delivered = Counter[tuple[str, str]](), Counter[str](), Counter[str](), Counter[str]()
    undelivered: dict[str, Counter[str]] = {}
    forwarded, ingress = Counter[int](), Counter[str]()
    for one in reports:
        rules.update({(rule.block, rule.name): rule.events for rule in one.rules})
        counters.update(one.counters)
        matched.update({channel.name: channel.matched for channel in one.channels})
        delivered.update({channel.name: channel.delivered for channel in one.channels})
        for channel in one.channels:
            undelivered.setdefault(channel.name, Counter()).update(channel.undelivered)
        forwarded.update(one.forwarded)
        ingress.update(one.ingress)
    return replace(
        first,
        **totals,
        forwarded=dict(sorted(forwarded.items())),
        rules=tuple(RuleCount(name, block, n) for (block, name), n in rules.items()),
        channels=tuple(ChannelCount(name, n, delivered[name], dict(undelivered[name])) for name, n in matched.items()),
        counters=dict(counters),
        seconds_device=sum(one.seconds_device for one in reports),
        seconds_total=max(one.seconds_total for one in reports),
        ingress=dict(ingress),
        latency=latency or {},
    )


class Tally:
    """Sums over the accounts of several rules. What is added first is listed first."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter(dict.fromkeys(TOTALS, 0))
        self._forwarded: Counter[int] = Counter()
        self._rules: Counter[tuple[str, str]] = Counter()
        self._counters: Counter[str] = Counter()
        self._matched: Counter[str] = Counter()
        self._delivered: Counter[str] = Counter()
        self._undelivered: Counter[tuple[str, str]] = Counter()

    def add(self, named: Named, accounts: Counts) -> None:
        """``accounts`` are those of the rules that have these names."""
        self.totals.update({name: accounts.total(name) for name in TOTALS})
        self._forwarded.update(dict(enumerate(map(int, accounts.forwarded))))
        rules = ((named.block_names[rule.block], rule.name) for rule in named.rules)
        _sum(self._rules, rules, accounts.rules)
        _sum(self._counters, named.counters, accounts.counters)
        _sum(self._matched, named.channels, accounts.matched)
        _sum(self._delivered, named.channels, accounts.delivered)
        for name, row in zip(named.channels, accounts.undelivered, strict=True):
            self._undelivered.update({(name, cause): int(row[slot]) for slot, cause in CAUSES.items()})

    def merge(self, other: Tally) -> None:
        """Adds what another one has."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.update(theirs)

    def counts(self) -> dict[str, Any]:
        """Those fields of a Report that are sums."""
        return {
            **self.totals,
            "forwarded": {port: n for port, n in self._forwarded.items() if n},
            "rules": tuple(RuleCount(name, block, n) for (block, name), n in self._rules.items()),
            "channels": tuple(
                ChannelCount(name, matched, self._delivered[name], self._lost(name))
                for name, matched in self._matched.items()
            ),
            "counters": dict(self._counters),
        }

    def _lost(self, channel: str) -> dict[str, int]:
        return {cause: n for (name, cause), n in self._undelivered.items() if name == channel and n}


def _sum(to: Counter[Any], names: Iterable[Any], numbers: Iterable[Any]) -> None:
    for name, number in zip(names, numbers, strict=True):
        to[name] += int(number)
