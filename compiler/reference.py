"""The reference model: what a Plan means, in NumPy. Every back end is compared with this one.

One idea: evaluate the graph node by node over a batch, each node one column. A column is int64 where the node's
interval fits, and Python integers (object) where it does not, so that arithmetic is exact without a thought. What
depends on state is evaluated after that, event by event, with the exact values of ``sevenm.compiler.plan.ops``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import SIZE_MAX
from sevenm.compiler.plan import Plan, Table
from sevenm.compiler.plan.ops import EVENT, OPS, Node, complete
from sevenm.compiler.plan.state import Memory

Column = NDArray[Any]
INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a Plan says of n events; every engine says the same.

    fired      (rules, n) bool     which rules fired
    malformed  (n,) bool           the event contradicts itself
    truncated  (n,) bool           an announced header was not captured
    punt       (n,) bool           the Plan's target cannot decide the event, and the rest says nothing
    drop       (n,) bool           verdict: drop
    forward    (n,) uint16         verdict: mask of ports, 0 where dropped
    channels   (n,) uint64         mask of the channels the event is delivered to
    """

    fired: NDArray[np.bool_]
    malformed: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    punt: NDArray[np.bool_]
    drop: NDArray[np.bool_]
    forward: NDArray[np.uint16]
    channels: NDArray[np.uint64]


@dataclass(slots=True)
class Events:
    """n events: event i is ``buffer[offset[i] : offset[i] + captured[i]]``. ``captured``, ``size`` (saturated),
    ``time`` and ``port`` are columns of the leaves of that name."""

    buffer: NDArray[np.uint8]
    offset: NDArray[np.int64]
    captured: Column
    size: Column
    time: Column
    port: int

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(slots=True)
class Memories:
    """The state of one Plan between batches; ``backwards`` counts events that went back in time."""

    plan: Plan
    clock_ns: int = 0
    backwards: int = 0
    states: list[Memory] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = [Memory(state) for state in self.plan.states]


def evaluate(
    plan: Plan, buffer: NDArray[np.uint8], offset: NDArray[np.uint64], cap_len: NDArray[np.uint32],
    wire_len: NDArray[np.uint32], ts_ns: NDArray[np.uint64] | None = None, port: int = 0,
    memories: Memories | None = None,
) -> Decisions:  # fmt: skip
    """Runs the Plan on n events: event i is ``buffer[offset[i] : offset[i] + cap_len[i]]``. ``memories`` are what
    earlier batches left and are changed; without them the state is empty."""
    n = len(offset)
    events = Events(
        np.ascontiguousarray(buffer), offset.astype(np.int64), cap_len.astype(np.int64),
        np.minimum(wire_len.astype(np.int64), SIZE_MAX),
        np.zeros(n, object) if ts_ns is None else ts_ns.astype(object), port,
    )  # fmt: skip
    columns = columns_of(plan, events)
    if plan.states:
        _sequential(plan, events, columns, Memories(plan) if memories is None else memories)
    values = {ref: _known(columns[ref]) for ref in plan.roots}
    when = [values[r].astype(np.bool_) for r in plan.conditions]
    fired = resolve(plan, np.array(when[:-3], np.bool_).reshape(len(plan.rules), n))
    return decide(plan, fired, when[-3], when[-2], when[-1], {ref: values[ref] for ref in plan.operands})


def resolve(plan: Plan, when: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rules fire, from which conditions hold; both (rules, n). The rules of blocks are stated in
    ``sevenm.compiler.plan.program``."""
    fired = when.copy()
    for block in plan.blocks:
        taken = np.zeros(when.shape[1], np.bool_)
        for row in range(block.start, block.stop):
            if block.mode == "first" or plan.rules[row].default:
                fired[row] &= ~taken
            taken |= fired[row]
    return fired


def decide(
    plan: Plan, fired: NDArray[np.bool_], malformed: NDArray[np.bool_], truncated: NDArray[np.bool_],
    punt: NDArray[np.bool_], operands: dict[int, Column],
) -> Decisions:  # fmt: skip
    """Adds up the actions of the rules that fired; ``operands`` are the columns of the Plan's operands."""
    n = fired.shape[1]
    drop = np.zeros(n, np.bool_)
    forward = np.zeros(n, np.uint16)
    channels = np.zeros(n, np.uint64)
    for row, rule in enumerate(plan.rules):
        if rule.drop:
            drop |= fired[row]
        if rule.forward:
            forward[fired[row]] |= np.uint16(rule.forward)
        for node in rule.operands:
            forward[fired[row]] |= np.uint16(1) << operands[node][fired[row]].astype(np.uint16)
        for channel in rule.deliver:
            channels[fired[row]] |= np.uint64(1 << channel)
    forward[drop] = 0
    return Decisions(fired, malformed, truncated, punt, drop, forward, channels)


# Column by column


def columns_of(plan: Plan, events: Events) -> list[Column | None]:
    """A column of every node, int64 or objects, None for those that depend on state."""
    columns: list[Column | None] = []
    found: dict[tuple[int, tuple[int, ...]], NDArray[np.int64]] = {}
    for node in plan.nodes:
        args = [columns[a] for a in node.args]
        if node.op in ("old", "known") or any(a is None for a in args):
            columns.append(None)
        elif node.op in ("hit", "value"):
            table = plan.tables[node.attrs[0]]
            key = (node.attrs[0], node.args)
            if key not in found:
                found[key] = find_rows(table, [_known(a) for a in args])
            columns.append(_typed(node, _looked_up(node, table, found[key])))
        else:
            columns.append(_typed(node, _CASES[node.op](node, [_known(a) for a in args], events)))
    return columns


def _known(column: Column | None) -> Column:
    assert column is not None
    return column


def _typed(node: Node, column: Column) -> Column:
    """The column in the type that the node's interval asks for."""
    narrow = node.lo >= INT64.min and node.hi <= INT64.max
    return column.astype(np.int64 if narrow else object)


def find_rows(table: Table, keys: Sequence[Column]) -> NDArray[np.int64]:
    """(n,) the index of the row that counts for each event's keys, -1 for none: ``Table.find``, on columns."""
    found = np.full(len(keys[0]), -1, np.int64)
    for number in range(len(table.rows) - 1, -1, -1):
        mask = np.ones(len(found), np.bool_)
        for key, (a, b), column in zip(table.keys, table.rows[number].keys, keys, strict=True):
            span = key.span((a, b))
            if span is None:
                mask &= (column & b) == a
            else:
                mask &= ((column >= span[0]) & (column <= span[1])).astype(np.bool_)
        found[mask] = number
    return found


def _looked_up(node: Node, table: Table, rows: NDArray[np.int64]) -> Column:
    if node.op == "hit":
        return rows >= 0
    values = np.array([0, *(row.values[node.attrs[1]] for row in table.rows)], object)
    out: Column = values[rows + 1]
    return out


def _load(node: Node, args: Sequence[Column], events: Events) -> Column:
    disp, count, little = node.attrs
    base = np.minimum(args[0], len(events.buffer) + 1).astype(np.int64)  # a base may need more than 64 bits
    inside = base + disp + count <= events.captured
    at = np.where(inside, events.offset + base + disp, 0)[:, None] + np.arange(count)
    data = events.buffer.take(at, mode="clip") if len(events.buffer) else np.zeros(at.shape, np.uint8)
    if little:
        data = data[:, ::-1]
    value = np.zeros(len(events), np.int64 if count < 8 else object)
    for byte in range(count):
        value = value * 256 + data[:, byte].astype(value.dtype)
    return np.where(inside, value, 0)


def _member(node: Node, args: Sequence[Column], events: Events) -> Column:
    exact = OPS["member"].exact
    assert exact is not None
    return np.array([exact((int(v),), node.attrs) for v in args[0]], np.int64)


def _signed(node: Node, args: Sequence[Column], events: Events) -> Column:
    (width,) = node.attrs
    wide = args[0].astype(object)
    return np.where(args[0] >= (1 << (width - 1)), wide - (1 << width), wide)


def _by_value(node: Node, args: Sequence[Column], events: Events) -> Column:
    """One event after the other, with Python's integers."""
    exact = OPS[node.op].exact
    assert exact is not None
    rows = zip(*(a.tolist() for a in args), strict=True)
    return np.array([exact(row, node.attrs) for row in rows], object)


def _exact(operation: Callable[[Column, Column], Column]) -> Callable[[Node, Sequence[Column], Events], Column]:
    """Operands as Python integers where the result needs them."""

    def run(node: Node, args: Sequence[Column], _: Events) -> Column:
        a, b = args
        if node.lo < INT64.min or node.hi > INT64.max:
            a, b = a.astype(object), b.astype(object)
        return operation(a, b)

    return run


def _flags(args: Sequence[Column]) -> list[Column]:
    return [a.astype(np.bool_) for a in args]


_CASES: dict[str, Callable[[Node, Sequence[Column], Events], Column]] = {
    "const": lambda node, _, e: np.full(len(e), node.attrs[0], object),
    "captured": lambda node, _, e: np.minimum(e.captured, node.attrs[0]),
    "size": lambda _, __, e: e.size,
    "time": lambda _, __, e: e.time,
    "port": lambda _, __, e: np.full(len(e), e.port),
    "load": _load,
    "bits": lambda node, args, _: (args[0].astype(object) >> node.attrs[0]) & ((1 << node.attrs[1]) - 1),
    "signed": _signed,
    "add": _exact(lambda a, b: a + b),
    "sub": _exact(lambda a, b: a - b),
    "mul": _exact(lambda a, b: a * b),
    "div": lambda node, args, _: args[0].astype(object) // node.attrs[0],
    "mod": lambda node, args, _: args[0].astype(object) % node.attrs[0],
    "quo": _by_value,
    "rem": _by_value,
    "shl": _by_value,
    "shr": _by_value,
    "band": _exact(lambda a, b: a & b),
    "bor": _exact(lambda a, b: a | b),
    "bxor": _exact(lambda a, b: a ^ b),
    "eq": lambda _, args, __: args[0] == args[1],
    "lt": lambda _, args, __: args[0] < args[1],
    "all": lambda _, args, __: np.logical_and.reduce(_flags(args)),
    "any": lambda _, args, __: np.logical_or.reduce(_flags(args)),
    "not": lambda _, args, __: 1 - args[0],
    "mux": lambda _, args, __: np.where(args[0].astype(np.bool_), args[1].astype(object), args[2].astype(object)),
    "member": _member,
}
complete([*_CASES, "hit", "value", "old", "known"], "the reference model")


# Event by event


def _sequential(plan: Plan, events: Events, columns: list[Column | None], memories: Memories) -> None:
    """Fills the columns of what depends on state, and steps the state, in the order of the events."""
    waiting = [ref for ref, column in enumerate(columns) if column is None]
    filled: dict[int, list[int]] = {ref: [] for ref in waiting}
    needed = {a for ref in waiting for a in plan.nodes[ref].args} | {r for s in plan.states for r in s.roots}
    given = {ref: _known(columns[ref]).tolist() for ref in needed if columns[ref] is not None}
    for event in range(len(events)):
        time = int(events.time[event])
        memories.backwards += time < memories.clock_ns
        memories.clock_ns = max(memories.clock_ns, time)
        _step(plan, events, event, {ref: int(column[event]) for ref, column in given.items()}, filled, memories)
    for ref in waiting:
        columns[ref] = _typed(plan.nodes[ref], np.array(filled[ref], object))


def _step(
    plan: Plan, events: Events, event: int, values: dict[int, int], filled: dict[int, list[int]], memories: Memories
) -> None:
    """One event: every value from the old state, then every state at once."""
    clock_ns = memories.clock_ns
    entries: dict[int, tuple[int, ...] | None] = {}
    for ref, out in filled.items():
        node = plan.nodes[ref]
        if node.op in ("old", "known"):
            number = node.attrs[0]
            if number not in entries:
                keys = [values[r] for r in plan.states[number].read]
                entries[number] = memories.states[number].read(keys, clock_ns)
            entry = entries[number]
            initial = tuple(cell.initial for cell in plan.states[number].cells)
            values[ref] = int(entry is not None) if node.op == "known" else (entry or initial)[node.attrs[1]]
        else:
            values[ref] = _scalar(plan, node, [values[a] for a in node.args], events, event)
        out.append(values[ref])
    for state, memory in zip(plan.states, memories.states, strict=True):
        if values[state.when]:
            memory.write([values[r] for r in state.write], tuple(values[r] for r in state.next), clock_ns)


def _scalar(plan: Plan, node: Node, args: Sequence[int], events: Events, event: int) -> int:
    """The value of a node with operands, for one event."""
    exact = OPS[node.op].exact
    if exact is not None:
        return exact(args, node.attrs)
    assert node.op in EVENT
    if node.op == "load":
        disp, count, little = node.attrs
        start = args[0] + disp
        if start + count > events.captured[event]:
            return 0
        at = int(events.offset[event]) + start
        return int.from_bytes(events.buffer[at : at + count].tobytes(), "little" if little else "big")
    row = plan.tables[node.attrs[0]].find(args)
    if node.op == "hit":
        return int(row is not None)
    return 0 if row is None else row.values[node.attrs[1]]
