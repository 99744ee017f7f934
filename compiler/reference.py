"""The reference model: what a Plan means, in NumPy. Every back end is compared with this one.

One idea: evaluate the graph node by node over a batch, each node one column. A column is int64 where the node's
interval fits, and Python integers (object) where it does not, so that arithmetic is exact without a thought.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.graph import WINDOW, Node

Column = NDArray[Any]
INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a Plan says of n events; every engine returns the same.

    fired      (rules, n) bool     which rules fired
    malformed  (n,) bool           the event contradicts itself
    truncated  (n,) bool           an announced header could not be seen
    drop       (n,) bool           verdict: drop
    forward    (n,) uint16         verdict: mask of ports, 0 where dropped
    channels   (n,) uint64         mask of the channels the event is delivered to
    """

    fired: NDArray[np.bool_]
    malformed: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    drop: NDArray[np.bool_]
    forward: NDArray[np.uint16]
    channels: NDArray[np.uint64]


def windows(buffer: NDArray[np.uint8], offset: NDArray[np.uint64], length: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """(n, WINDOW) uint8: the visible bytes of each event, zero past its end."""
    seen = np.minimum(length.astype(np.int64), WINDOW)
    out = np.zeros((len(seen), WINDOW), np.uint8)
    for row, (start, count) in enumerate(zip(offset.tolist(), seen.tolist(), strict=True)):
        out[row, :count] = buffer[start : start + count]
    return out


def evaluate(
    plan: Plan, buffer: NDArray[np.uint8], offset: NDArray[np.uint64], cap_len: NDArray[np.uint32],
    wire_len: NDArray[np.uint32],
) -> Decisions:  # fmt: skip
    """Runs the Plan on n events: event i is ``buffer[offset[i] : offset[i] + cap_len[i]]``."""
    window = windows(buffer, offset, cap_len)
    seen = np.minimum(cap_len.astype(np.int64), WINDOW)
    size = np.minimum(wire_len.astype(np.int64), 0xFFFF)
    columns: list[Column] = []
    for node in plan.nodes:
        columns.append(_column(node, [columns[a] for a in node.args], window, seen, size))
    when = [columns[r].astype(np.bool_) for r in plan.roots]
    fired = resolve(plan, np.array(when[:-2], np.bool_).reshape(len(plan.rules), len(seen)))
    return decide(plan, fired, when[-2], when[-1])


def resolve(plan: Plan, when: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rules fire, from which conditions hold; both (rules, n). The rules of Plan blocks are stated there."""
    fired = when.copy()
    for block in plan.blocks:
        taken = np.zeros(when.shape[1], np.bool_)
        for row in range(block.start, block.stop):
            if block.mode == "first" or plan.rules[row].default:
                fired[row] &= ~taken
            taken |= fired[row]
    return fired


def decide(
    plan: Plan, fired: NDArray[np.bool_], malformed: NDArray[np.bool_], truncated: NDArray[np.bool_]
) -> Decisions:
    """Adds up the actions of the rules that fired."""
    n = fired.shape[1]
    drop = np.zeros(n, np.bool_)
    forward = np.zeros(n, np.uint16)
    channels = np.zeros(n, np.uint64)
    for row, rule in enumerate(plan.rules):
        if rule.drop:
            drop |= fired[row]
        if rule.forward:
            forward[fired[row]] |= np.uint16(rule.forward)
        for channel in rule.deliver:
            channels[fired[row]] |= np.uint64(1 << channel)
    forward[drop] = 0
    return Decisions(fired, malformed, truncated, drop, forward, channels)


def _typed(node: Node, column: Column) -> Column:
    """The column in the type that the node's interval asks for."""
    narrow = node.lo >= INT64.min and node.hi <= INT64.max
    return column.astype(np.int64 if narrow else object)


def _load(node: Node, base: Column, window: NDArray[np.uint8], seen: Column) -> Column:
    disp, count, little = node.attrs
    start = np.minimum(base, WINDOW).astype(np.int64) + disp  # a base may need more than 64 bits
    inside = start + count <= seen
    at = np.where(inside, start, 0)[:, None] + np.arange(count)
    data = np.take_along_axis(window, at, axis=1)
    if little:
        data = data[:, ::-1]
    value = np.zeros(len(start), np.int64 if count < 8 else object)
    for byte in range(count):
        value = value * 256 + data[:, byte].astype(value.dtype)
    return np.where(inside, value, 0)


def _member(node: Node, x: Column) -> Column:
    lows, highs = list(node.attrs[0::2]), list(node.attrs[1::2])

    def inside(v: int) -> int:
        at = bisect_right(lows, v) - 1
        return int(at >= 0 and v <= highs[at])

    return np.array([inside(int(v)) for v in x], np.int64)


def _signed(node: Node, x: Column) -> Column:
    (width,) = node.attrs
    wide = x.astype(object)
    return np.where(x >= (1 << (width - 1)), wide - (1 << width), wide)


def _exact(operation: Callable[[Column, Column], Column]) -> Callable[[Node, list[Column]], Column]:
    """Operands as Python integers where the result needs them."""

    def run(node: Node, args: list[Column]) -> Column:
        a, b = args
        if node.lo < INT64.min or node.hi > INT64.max:
            a, b = a.astype(object), b.astype(object)
        return operation(a, b)

    return run


_BINARY: dict[str, Callable[[Node, list[Column]], Column]] = {
    "add": _exact(lambda a, b: a + b),
    "sub": _exact(lambda a, b: a - b),
    "mul": _exact(lambda a, b: a * b),
    "band": _exact(lambda a, b: a & b),
    "bor": _exact(lambda a, b: a | b),
    "bxor": _exact(lambda a, b: a ^ b),
    "eq": lambda _, args: args[0] == args[1],
    "lt": lambda _, args: args[0] < args[1],
}


def _column(node: Node, args: list[Column], window: NDArray[np.uint8], seen: Column, size: Column) -> Column:
    n = len(seen)
    match node.op:
        case "const":
            out: Column = np.full(n, node.attrs[0], object)
        case "seen":
            out = seen
        case "size":
            out = size
        case "load":
            out = _load(node, args[0], window, seen)
        case "bits":
            out = (args[0].astype(object) >> node.attrs[0]) & ((1 << node.attrs[1]) - 1)
        case "signed":
            out = _signed(node, args[0])
        case "div":
            out = args[0].astype(object) // node.attrs[0]
        case "mod":
            out = args[0].astype(object) % node.attrs[0]
        case "all":
            out = np.logical_and.reduce([a.astype(np.bool_) for a in args])
        case "any":
            out = np.logical_or.reduce([a.astype(np.bool_) for a in args])
        case "not":
            out = 1 - args[0]
        case "mux":
            out = np.where(args[0].astype(np.bool_), args[1].astype(object), args[2].astype(object))
        case "member":
            out = _member(node, args[0])
        case op:
            out = _BINARY[op](node, args)
    return _typed(node, out)
