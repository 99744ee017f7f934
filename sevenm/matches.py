"""What rules said of events: which matched, by which rule, and what their fields are.

One idea: a selection. It holds the events and what was decided of them, and picks out some of them, without a copy;
taking the matches of one rule or channel is another selection of the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import SIZE_MAX
from sevenm.compiler.columns import field_columns
from sevenm.compiler.diagnostics import nearest
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import Events as EventColumns
from sevenm.host.batch import EventBatch
from sevenm.host.engine.decisions import Decisions

Index = NDArray[np.int64]


class Match(NamedTuple):
    """One event that matched. ``number`` counts the events that were looked at, from 0; ``rules`` fired on it."""

    number: int
    ts_ns: int
    wire_len: int
    data: bytes
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A batch, what was decided of it, the number of its first event, and which of its events are selected."""

    events: EventBatch
    decisions: Decisions
    first: int
    chosen: Index


class Matches(Sequence[Match]):
    """The events on which a rule fired; a default, which fires where no rule does, counts as no match.

    ``len(m)``, ``m[3]``, ``for match in m``: the events, in order. ``m["web"]``: those on which the rule web fired, or
    "block.web" where several blocks have one. ``m.channel("dns")``: those that the channel gets. ``m.counts()``: events
    by rule. ``m.fields("ip.src", "tcp.dstport")``: their fields as columns."""

    def __init__(self, plan: Plan, parts: Sequence[Part]) -> None:
        self._plan = plan
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part.chosen) for part in parts], dtype=np.int64)

    @classmethod
    def of(cls, plan: Plan, decided: Sequence[tuple[EventBatch, Decisions]], first: int = 0) -> Matches:
        """Of all these events, in order, those on which a rule that is no default fired."""
        rules = [number for number, rule in enumerate(plan.rules) if not rule.default]
        parts = []
        for events, decisions in decided:
            parts.append(Part(events, decisions, first, _fired(decisions, rules)))
            first += len(events)
        return cls(plan, parts)

    @property
    def events(self) -> int:
        """How many events were looked at."""
        return sum(len(part.events) for part in self._parts)

    @property
    def batches(self) -> list[tuple[EventBatch, Decisions]]:
        """All events that were looked at and what was decided of each."""
        return [(part.events, part.decisions) for part in self._parts]

    @cached_property
    def numbers(self) -> Index:
        """(k,) int64: the number of each match among the events that were looked at, from 0."""
        return np.concatenate([np.zeros(0, np.int64), *(part.first + part.chosen for part in self._parts)])

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(events,) bool: which of the events that were looked at are in this selection."""
        out = np.zeros(self.events, np.bool_)
        out[self.numbers - (self._parts[0].first if self._parts else 0)] = True
        return out

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice | str) -> Matches: ...
    def __getitem__(self, index: int | slice | str) -> Match | Matches:
        if isinstance(index, str):
            rule = self._rule(index)
            return self._narrowed(lambda part: _fired(part.decisions, [rule]))
        if isinstance(index, slice):
            kept = np.zeros(len(self), np.bool_)
            kept[index] = True
            pieces = np.split(kept, self._ends[:-1]) if self._parts else []
            return Matches(self._plan, [_replaced(p, p.chosen[k]) for p, k in zip(self._parts, pieces, strict=True)])
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"there are {len(self)} matches, so there is no match {index}")
        at = int(np.searchsorted(self._ends, place, side="right"))
        part = self._parts[at]
        return self._match(part, int(part.chosen[place - (int(self._ends[at - 1]) if at else 0)]))

    def __iter__(self) -> Iterator[Match]:
        for part in self._parts:
            for event in part.chosen.tolist():
                yield self._match(part, event)

    def channel(self, name: str) -> Matches:
        """The events that the channel gets. Raises KeyError with the names there are."""
        channels = self._plan.channels
        if name not in channels:
            raise KeyError(f"there is no channel {name}; there are: {', '.join(channels) or 'none'}")
        rules = [number for number, rule in enumerate(self._plan.rules) if channels.index(name) in rule.deliver]
        return self._narrowed(lambda part: _fired(part.decisions, rules))

    def counts(self) -> dict[str, int]:
        """For each rule, defaults as well: on how many of all events it fired."""
        names = rule_names(self._plan)
        return {
            name: sum(len(_fired(part.decisions, [number])) for part in self._parts)
            for number, name in enumerate(names)
        }

    def fields(self, *names: str) -> np.ma.MaskedArray[Any, Any]:
        """(k,) structured, masked: the named fields of each match, as columns; masked where an event has no such field.

            table = matches.fields("ip.src", "tcp.dstport")
            table["tcp.dstport"]              # a column, -- where it is absent
            table["tcp.dstport"].filled(0)    # an ordinary array

        Names are those of rules (`sevenm layout packet`); a protocol is whether it is there; ``vlan.id#2`` is the
        second one, ``pos[1]`` an element of an array. Addresses are numbers (IPv4, MAC) or 16 bytes (IPv6). Raises
        FieldError for a name that is not known or has no value."""
        layout = self._plan.layouts[0] if self._plan.source == "record" else None
        columns = [field_columns(names, layout, _columns_of(part)) for part in self._parts or [_NOTHING]]
        dtype = np.dtype([(name, columns[0][name].values.dtype) for name in names])
        values = np.zeros(len(self), dtype)
        absent = np.zeros(len(self), [(name, np.bool_) for name in names])
        for name in names:
            values[name] = np.concatenate([found[name].values for found in columns])
            absent[name] = ~np.concatenate([found[name].valid for found in columns])
        return np.ma.MaskedArray(values, absent)

    def __repr__(self) -> str:
        return f"<{len(self)} matches among {self.events} events>"

    def _narrowed(self, those: Callable[[Part], Index]) -> Matches:
        return Matches(self._plan, [_replaced(part, those(part)) for part in self._parts])

    def _rule(self, name: str) -> int:
        names = rule_names(self._plan)
        found = [n for n, full in enumerate(names) if name in (full, full.partition(".")[2])]
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"several blocks have a rule {name}; say {' or '.join(names[n] for n in found)}")
        close = nearest(name, [*names, *(full.partition(".")[2] for full in names)], 3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(names)}"
        raise KeyError(f"there is no rule {name}; {hint}")

    def _match(self, part: Part, event: int) -> Match:
        row = part.events.events[event]
        fired = part.decisions.fired[:, event]
        names = tuple(name for name, yes in zip(rule_names(self._plan), fired.tolist(), strict=True) if yes)
        return Match(part.first + event, int(row["ts_ns"]), int(row["wire_len"]), part.events.data(event), names)


def rule_names(plan: Plan) -> tuple[str, ...]:
    """Every rule as block.rule, in the order of the file."""
    return tuple(f"{plan.blocks[rule.block].name}.{rule.name}" for rule in plan.rules)


def _fired(decisions: Decisions, rules: Sequence[int]) -> Index:
    """The events on which any of these rules fired."""
    words = np.ascontiguousarray(decisions.union(rules), "<u8")
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")[: len(decisions)])


def _replaced(part: Part, chosen: Index) -> Part:
    return Part(part.events, part.decisions, part.first, chosen)


def _columns_of(part: Part) -> EventColumns:
    """The selected events as the leaves of the graph see them."""
    table = part.events.events[part.chosen]
    return EventColumns(
        part.events.buffer,
        table["offset"].astype(np.int64),
        table["cap_len"].astype(np.int64),
        np.minimum(table["wire_len"].astype(np.int64), SIZE_MAX),
        table["ts_ns"].astype(object),
        part.events.source,
    )


_NONE = np.zeros(0, np.bool_)
_NOTHING = Part(EventBatch.from_bytes([]), Decisions.from_flags(_NONE, _NONE, _NONE, ()), 0, np.zeros(0, np.int64))
