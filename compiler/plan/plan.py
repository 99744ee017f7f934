"""The Plan: what a rule file means, in a form every back end reads and none may add to.

One idea: a Plan is data. It holds the expression graph (``sevenm.compiler.plan.graph``), the rules that are roots in
it, and the names of what rules act on; it serialises to canonical JSON, and the SHA-256 of that text is its digest.

Meaning of the blocks: in a ``first`` block a rule *fires* if its ``when`` is true and no earlier rule of the block
fired; in an ``all`` block a rule fires if its ``when`` is true. A ``default`` rule stands last in its block, and
fires if its ``when`` (the block's own guard) is true and no other rule of the block fired. Blocks are independent.
The actions of all rules that fired add up: channels and counters are unions, forward ports are a union, and the
event is dropped if any fired rule drops it (then its forward ports are empty).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sevenm.compiler.plan.graph import ARITY, LOAD_MAX, MEMBER_RANGES_MAX, WINDOW, Node, RangeError, interval, live
from sevenm.compiler.plan.layout import Layout

FORMAT = 1
"""Version of the JSON form; another one is refused."""
RULES_MAX = 4096
CHANNELS_MAX = 64
COUNTERS_MAX = 4096
PORTS = 16
"""Forward ports: 0 to 15, one bit each in the verdict."""
NODES_MAX = 1_000_000


class PlanError(ValueError):
    """What was read is not a Plan of this version; the message says where."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``deliver`` and ``count`` are indices into the Plan's channels and counters; ``forward`` is a mask of ports.

    ``when`` is a boolean node. ``line`` is the line of the rule in its source, for reports; it is not part of
    the digest."""

    name: str
    block: int
    when: int
    deliver: tuple[int, ...] = ()
    count: tuple[int, ...] = ()
    forward: int = 0
    drop: bool = False
    default: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """``mode`` is "first" or "all"; its rules are ``plan.rules[start:stop]``. ``layout`` indexes plan.layouts,
    or is None for rules on packets."""

    name: str
    mode: str
    start: int
    stop: int
    layout: int | None = None


@dataclass(frozen=True)
class Plan:
    """``source`` is "packet" (events are Ethernet frames) or "record" (events are bare records of layouts[0]).

    ``malformed`` and ``truncated`` are boolean nodes: the event contradicts itself; a header was announced that
    lies past what can be seen. ``nodes`` holds only what the roots need."""

    name: str
    source: str
    nodes: tuple[Node, ...]
    rules: tuple[Rule, ...]
    blocks: tuple[Block, ...]
    malformed: int
    truncated: int
    channels: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = field(default=())

    @property
    def roots(self) -> tuple[int, ...]:
        """Nodes a back end has to compute: every rule's ``when``, then ``malformed``, then ``truncated``."""
        return (*(r.when for r in self.rules), self.malformed, self.truncated)

    @cached_property
    def reach(self) -> int:
        """Bytes at the start of an event that can matter to any rule: at most WINDOW, at least 1."""
        last = 1
        for node in self.nodes:
            if node.op == "load":
                base = self.nodes[node.args[0]]
                last = max(last, min(base.hi + node.attrs[0] + node.attrs[1], WINDOW))
        return last

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON without source lines, in hex."""
        return hashlib.sha256(_canonical(self.to_json(lines=False)).encode()).hexdigest()

    def to_json(self, lines: bool = True) -> dict[str, Any]:
        rules = [asdict(r) for r in self.rules]
        if not lines:
            for r in rules:
                del r["line"]
        return {
            "format": FORMAT,
            "name": self.name,
            "source": self.source,
            "nodes": [[n.op, list(n.args), list(n.attrs)] for n in self.nodes],
            "rules": rules,
            "blocks": [asdict(b) for b in self.blocks],
            "malformed": self.malformed,
            "truncated": self.truncated,
            "channels": list(self.channels),
            "counters": list(self.counters),
            "layouts": [layout.to_json() for layout in self.layouts],
        }

    def save(self, path: Path) -> None:
        path.write_text(_canonical(self.to_json()) + "\n")

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Reads what ``save`` wrote. Raises PlanError for anything else, OSError if it cannot be read."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PlanError(f"{path}: not JSON: {error}") from error
        except PlanError as error:
            raise PlanError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, data: Any) -> Plan:
        """Checks everything: operations, operand order and types, intervals, indices and bounds."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise PlanError(f"expected a Plan of format {FORMAT}, found {found}; build it again with this version")
        try:
            plan = cls(
                name=str(data["name"]),
                source=str(data["source"]),
                nodes=_nodes(data["nodes"]),
                rules=tuple(
                    Rule(**{**r, "deliver": tuple(r["deliver"]), "count": tuple(r["count"])}) for r in data["rules"]
                ),
                blocks=tuple(Block(**b) for b in data["blocks"]),
                malformed=int(data["malformed"]),
                truncated=int(data["truncated"]),
                channels=tuple(map(str, data["channels"])),
                counters=tuple(map(str, data["counters"])),
                layouts=tuple(Layout.from_json(layout) for layout in data["layouts"]),
            )
            plan.check()
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise PlanError(f"not a Plan: {type(error).__name__}: {error}") from error
        except PlanError:
            raise
        except ValueError as error:
            raise PlanError(str(error)) from error
        return plan

    def check(self) -> None:
        """Raises PlanError where the parts do not fit each other."""
        for what, count, most in (
            ("rules", len(self.rules), RULES_MAX),
            ("channels", len(self.channels), CHANNELS_MAX),
            ("counters", len(self.counters), COUNTERS_MAX),
            ("nodes", len(self.nodes), NODES_MAX),
        ):
            if count > most:
                raise PlanError(f"a Plan holds at most {most} {what}, not {count}")
        if self.source not in ("packet", "record") or (self.source == "record" and not self.layouts):
            raise PlanError(f'source must be "packet" or "record" with a layout, not {self.source!r}')
        for root in self.roots:
            if not 0 <= root < len(self.nodes) or not self.nodes[root].is_bool:
                raise PlanError(f"node {root} is no condition")
        at = 0
        for number, block in enumerate(self.blocks):
            if block.mode not in ("first", "all") or block.start != at or not at <= block.stop <= len(self.rules):
                raise PlanError(f"block {block.name} does not fit the rules")
            if block.layout is not None and not 0 <= block.layout < len(self.layouts):
                raise PlanError(f"block {block.name} names layout {block.layout} of {len(self.layouts)}")
            for rule in self.rules[block.start : block.stop]:
                if rule.block != number or (rule.default and rule is not self.rules[block.stop - 1]):
                    raise PlanError(f"rule {rule.name} is out of place in block {block.name}")
            at = block.stop
        if at != len(self.rules):
            raise PlanError("rules stand outside of every block")
        for rule in self.rules:
            if not all(0 <= c < len(self.channels) for c in rule.deliver):
                raise PlanError(f"rule {rule.name} delivers to a channel that is not there")
            if not all(0 <= c < len(self.counters) for c in rule.count):
                raise PlanError(f"rule {rule.name} counts in a counter that is not there")
            if not 0 <= rule.forward < 1 << PORTS:
                raise PlanError(f"rule {rule.name} forwards to a port past {PORTS - 1}")


def prune(nodes: Sequence[Node], roots: Sequence[int]) -> tuple[tuple[Node, ...], list[int]]:
    """The nodes the roots need, renumbered, and the roots' new numbers."""
    keep = live(nodes, roots)
    new = {old: i for i, old in enumerate(keep)}
    out = (nodes[old] for old in keep)
    return tuple(Node(n.op, tuple(new[a] for a in n.args), n.attrs, n.lo, n.hi) for n in out), [new[r] for r in roots]


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _nodes(rows: Any) -> tuple[Node, ...]:
    if not isinstance(rows, list) or len(rows) > NODES_MAX:
        raise PlanError(f"nodes must be a list of at most {NODES_MAX}")
    nodes: list[Node] = []
    for number, row in enumerate(rows):
        op, args, attrs = row
        where = f"node {number} ({op})"
        if op not in ARITY or not all(type(v) is int for v in (*args, *attrs)):
            raise PlanError(f"{where}: no such operation")
        arity = ARITY[op]
        if (len(args) != arity if arity is not None else len(args) < 2) or not all(0 <= a < number for a in args):
            raise PlanError(f"{where}: operands {args} do not fit")
        operands = [nodes[a] for a in args]
        _check_attrs(where, op, operands, attrs)
        try:
            lo, hi = interval(op, operands, attrs)
        except RangeError as error:
            raise PlanError(f"{where}: {error}") from error
        nodes.append(Node(op, tuple(args), tuple(attrs), lo, hi))
    return tuple(nodes)


def _check_attrs(where: str, op: str, args: list[Node], attrs: list[int]) -> None:
    good: dict[str, Callable[[], bool]] = {
        "const": lambda: len(attrs) == 1,
        "load": lambda: (
            len(attrs) == 3
            and attrs[0] >= 0
            and 1 <= attrs[1] <= LOAD_MAX
            and attrs[2] in (0, 1)
            and args[0].lo >= 0
            and args[0].lo + attrs[0] + attrs[1] <= WINDOW
        ),
        "bits": lambda: len(attrs) == 2 and 0 <= attrs[0] <= 128 and 1 <= attrs[1] <= 128,
        "signed": lambda: len(attrs) == 1 and 1 <= attrs[0] <= 128 and args[0].lo >= 0 and args[0].width <= attrs[0],
        "div": lambda: len(attrs) == 1 and attrs[0] > 0,
        "mod": lambda: len(attrs) == 1 and attrs[0] > 0,
        "all": lambda: not attrs and all(a.is_bool for a in args),
        "any": lambda: not attrs and all(a.is_bool for a in args),
        "not": lambda: not attrs and args[0].is_bool,
        "mux": lambda: not attrs and args[0].is_bool,
        "member": lambda: (
            0 < len(attrs) <= 2 * MEMBER_RANGES_MAX
            and len(attrs) % 2 == 0
            and all(attrs[i] <= attrs[i + 1] for i in range(0, len(attrs), 2))
            and all(attrs[i] + 1 < attrs[i + 1] for i in range(1, len(attrs) - 1, 2))
            and args[0].lo <= attrs[0]
            and attrs[-1] <= args[0].hi
        ),
    }
    if not (good[op]() if op in good else not attrs):
        raise PlanError(f"{where}: attributes {attrs[:8]} do not fit")
