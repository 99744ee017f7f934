"""A description: what a core decides of each packet, as a class of named expressions and blocks of rules.

One idea: the class is only read, never run. Its attributes are, in order, the fields, conditions and blocks; equal
expressions become one node of a ``Program``, which is all that the rest of the pipeline knows.

::

    class Web(Description):
        tcp_dstport = field(34, at=2, bytes=2)
        rule_https = (tcp_dstport == 443) & (captured >= 54)
        rule_rest = captured >= 14
        block_web = First(Rule(rule_https, deliver=("web",)), Rule(rule_rest, drop=True))
        channels = ("web",)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sevenm.boundary import PORTS

from ..verdict import BlockShape
from .expr import Expr, Value, expr
from .nodes import Node, bounds
from .tables import Lookup, Table

WINDOW = 256
"""Bytes at the start of a packet that a pipeline looks at unless a description says otherwise."""


class Rule:
    """``when`` is a condition. ``deliver`` names channels, ``forward`` ports, ``forward_to`` values that are a port's
    number (another number is none). ``default``: the rule stands last and fires if no other one of its block does."""

    def __init__(
        self,
        when: Value,
        *,
        deliver: tuple[str, ...] = (),
        forward: tuple[int, ...] = (),
        forward_to: tuple[Value, ...] = (),
        drop: bool = False,
        default: bool = False,
    ) -> None:
        for number in forward:
            if not 0 <= number < PORTS:
                raise ValueError(f"a rule forwards to ports 0 to {PORTS - 1}, not {number}")
        self.when = expr(when)
        self.deliver = deliver
        self.forward = forward
        self.forward_to = tuple(expr(to) for to in forward_to)
        self.drop = drop
        self.default = default


class Block:
    """Rules in order. Its name is that of the attribute it is bound to."""

    mode = ""

    def __init__(self, *rules: Rule) -> None:
        if any(rule.default for rule in rules[:-1]):
            raise ValueError("a default rule stands last in its block")
        self.rules = rules
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name


class First(Block):
    """The first rule that holds fires."""

    mode = "first"


class All(Block):
    """Every rule that holds fires."""

    mode = "all"


class Description:
    """Base of descriptions. ``malformed``, ``truncated`` and ``punt`` are conditions; where ``punt`` holds, the packet
    is not the core's to decide. ``window`` is how many bytes fields can reach, and ``captured`` counts up to
    ``captured_max``."""

    malformed: Value = 0
    truncated: Value = 0
    punt: Value = 0
    channels: tuple[str, ...] = ()
    window: int = WINDOW
    captured_max: int = WINDOW + 1


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does: indices of channels, a mask of ports, nodes that are a port's number."""

    deliver: tuple[int, ...]
    forward: int
    forward_to: tuple[int, ...]
    drop: bool


@dataclass(frozen=True, slots=True)
class BlockOf:
    """A block of a program: ``when`` and ``actions`` have one entry for each rule. ``default``: the last one is."""

    name: str
    mode: str
    when: tuple[int, ...]
    actions: tuple[Action, ...]
    default: bool

    @property
    def shape(self) -> BlockShape:
        return BlockShape(self.name, self.mode, len(self.when))


@dataclass(frozen=True)
class Program:
    """A description as nodes, of which only those that matter are there, operands before their users. ``names``: the
    identifiers of nodes."""

    nodes: tuple[Node, ...]
    names: dict[int, str]
    blocks: tuple[BlockOf, ...]
    channels: tuple[str, ...]
    malformed: int
    truncated: int
    punt: int
    window: int
    captured_max: int
    tables: tuple[Table, ...] = ()

    @property
    def roots(self) -> tuple[int, ...]:
        out = [self.malformed, self.truncated, self.punt]
        for block in self.blocks:
            out += [*block.when, *(node for action in block.actions for node in action.forward_to)]
        return tuple(out)

    @property
    def shapes(self) -> tuple[BlockShape, ...]:
        return tuple(block.shape for block in self.blocks)


def program(description: type[Description]) -> Program:
    """The nodes of a description. Raises ValueError for channels that it does not list."""
    blocks = tuple(v for v in vars(description).values() if isinstance(v, Block))
    tables = tuple(v for v in vars(description).values() if isinstance(v, Table))
    channels = {name: number for number, name in enumerate(description.channels)}
    marks = [expr(getattr(description, name)) for name in ("malformed", "truncated", "punt")]
    roots = [*marks, *(e for b in blocks for r in b.rules for e in (r.when, *r.forward_to))]
    reader = _Reader(roots, description.captured_max, tables)
    made = []
    for block in blocks:
        actions = []
        for rule in block.rules:
            for name in rule.deliver:
                if name not in channels:
                    raise ValueError(f"{block.name} delivers to {name!r}, which is not in channels")
            to = tuple(reader.ref(one) for one in rule.forward_to)
            deliver = tuple(channels[name] for name in rule.deliver)
            actions.append(Action(deliver, sum(1 << p for p in rule.forward), to, rule.drop))
        when = tuple(reader.ref(rule.when) for rule in block.rules)
        default = bool(block.rules) and block.rules[-1].default
        made.append(BlockOf(block.name, block.mode, when, tuple(actions), default))
    malformed, truncated, punt = (reader.ref(mark) for mark in marks)
    return Program(
        tuple(reader.nodes), reader.names, tuple(made), description.channels, malformed, truncated, punt,
        description.window, description.captured_max, tables,
    )  # fmt: skip


class _Reader:
    """Turns expressions into nodes, each once."""

    def __init__(self, roots: list[Expr], captured_max: int, tables: tuple[Table, ...] = ()) -> None:
        self.nodes: list[Node] = []
        self.names: dict[int, str] = {}
        self._captured_max = captured_max
        self._tables = tables
        self._index: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = {}
        self._refs: dict[int, int] = {}
        self._uses: dict[int, int] = {}
        order = list(_post_order(roots))
        for one in (*roots, *(a for e in order for a in e.args)):
            self._uses[id(one)] = self._uses.get(id(one), 0) + 1
        for one in order:
            ref = self._refs[id(one)] = self._read(one)
            if one.name:
                self.names.setdefault(ref, one.name)
        self._drop_unused(roots)

    def ref(self, one: Expr) -> int:
        return self._refs[id(one)]

    def _read(self, one: Expr) -> int:
        args = tuple(self.ref(a) for a in one.args)
        op, attrs = one.op, one.attrs
        if op in ("and", "or"):
            if all(self.nodes[a].is_bool for a in args):
                op, args = {"and": "all", "or": "any"}[op], self._flat(one)
                if len(args) == 1:
                    return args[0]
            elif len(args) == 2:
                op = {"and": "band", "or": "bor"}[op]
            else:
                raise ValueError(f"all_of and any_of take conditions: {one!r}")
        elif op in ("not", "mux") and not self.nodes[args[0]].is_bool:
            raise ValueError(f"{op} takes a condition, not a number: {one!r}")
        elif op == "load":
            args, attrs = self._moved(args[0], attrs)
        elif isinstance(one, Lookup):
            if one.table not in self._tables:
                raise ValueError(f"{one!r} reads a table that is none of the description")
            attrs = (self._tables.index(one.table), *attrs)
        return self._make(op, args, attrs)

    def _flat(self, one: Expr) -> tuple[int, ...]:
        """Operands of a & b & c, which Python reads as (a & b) & c: what is used here only and has no name."""
        out: dict[int, None] = {}
        for arg in one.args:
            inner = arg.op == one.op and not arg.name and self._uses[id(arg)] == 1
            node = self.nodes[self.ref(arg)]
            out |= dict.fromkeys(node.args if inner and node.op in ("all", "any") else (self.ref(arg),))
        return tuple(sorted(out))

    def _moved(self, base: int, attrs: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A constant part of a field's base belongs to its place after the base."""
        node, (at, count, little) = self.nodes[base], attrs
        if node.op == "const" and node.lo:
            return (self._make("const", (), (0,)),), (at + node.lo, count, little)
        if node.op == "add" and self.nodes[node.args[1]].op == "const":
            return (node.args[0],), (at + self.nodes[node.args[1]].lo, count, little)
        return (base,), attrs

    def _make(self, op: str, args: tuple[int, ...], attrs: tuple[int, ...]) -> int:
        key = (op, args, attrs)
        if key not in self._index:
            self._index[key] = len(self.nodes)
            lo, hi = bounds(op, [self.nodes[a] for a in args], attrs, self._captured_max)
            self.nodes.append(Node(op, args, attrs, lo, hi))
        return self._index[key]

    def _drop_unused(self, roots: list[Expr]) -> None:
        keep = {self.ref(one) for one in roots}
        for ref in range(len(self.nodes) - 1, -1, -1):
            if ref in keep:
                keep.update(self.nodes[ref].args)
        new = {old: number for number, old in enumerate(sorted(keep))}
        nodes = (self.nodes[old] for old in sorted(keep))
        self.nodes = [Node(n.op, tuple(new[a] for a in n.args), n.attrs, n.lo, n.hi) for n in nodes]
        self.names = {new[old]: name for old, name in self.names.items() if old in keep}
        self._refs = {one: new[old] for one, old in self._refs.items() if old in keep}


def _post_order(roots: list[Expr]) -> Iterator[Expr]:
    """Every expression once, after its operands; long chains need no deep stack."""
    done: set[int] = set()
    stack: list[tuple[Expr, Iterator[Any]]] = [(root, iter(root.args)) for root in reversed(roots)]
    while stack:
        one, rest = stack[-1]
        if id(one) in done:
            stack.pop()
            continue
        for arg in rest:
            if id(arg) not in done:
                stack.append((arg, iter(arg.args)))
                break
        else:
            done.add(id(one))
            stack.pop()
            yield one
