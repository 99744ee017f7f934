"""Names: what an author would call the nodes of a Plan.

One idea: equal nodes are one, so a node stands for a *set* of fields, tables and rules; names lie beside the graph,
outside of every digest, and a back end asks for the best one where it writes text that people read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("field", "header", "set", "table", "state", "rule")
"""What a name can be the name of, the best to call a node by first."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """``rank`` indexes KINDS; ``text`` is as the author writes it; line and column (from 1) say where it stands in
    the source, 0 where it stands in no source."""

    rank: int
    text: str
    line: int = 0
    column: int = 0

    @property
    def kind(self) -> str:
        return KINDS[self.rank]

    @property
    def identifier(self) -> str:
        """As a name in generated code: tcp.dstport is tcp_dstport, vlan.id#2 is vlan_id_2."""
        text = re.sub(r"[^0-9A-Za-z]+", "_", self.text).strip("_") or "x"
        return f"_{text}" if text[0].isdigit() else text


def name(kind: str, text: str, line: int = 0, column: int = 0) -> Name:
    return Name(KINDS.index(kind), text, line, column)


@dataclass(frozen=True, slots=True)
class Names:
    """Node numbers to their names, best first."""

    of: Mapping[int, tuple[Name, ...]]

    @classmethod
    def collect(cls, pairs: Iterable[tuple[int, Name]]) -> Names:
        found: dict[int, set[Name]] = {}
        for node, one in pairs:
            found.setdefault(node, set()).add(one)
        return cls({node: tuple(sorted(found[node])) for node in sorted(found)})

    def best(self, node: int) -> str | None:
        """An identifier for the node, None if it has no name."""
        names = self.of.get(node)
        return names[0].identifier if names else None

    def pairs(self) -> Iterator[tuple[int, Name]]:
        for node, names in self.of.items():
            yield from ((node, one) for one in names)

    def renumbered(self, new: Mapping[int, int]) -> Names:
        """For nodes that have another number now, or (those not in ``new``) are gone."""
        return Names.collect((new[node], one) for node, one in self.pairs() if node in new)

    def to_json(self) -> list[Any]:
        return [[node, one.kind, one.text, one.line, one.column] for node, one in self.pairs()]

    @classmethod
    def from_json(cls, rows: Sequence[Any]) -> Names:
        return cls.collect((int(n), name(str(k), str(t), int(line), int(col))) for n, k, t, line, col in rows)


NO_NAMES = Names({})
