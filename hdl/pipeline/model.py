"""What a program says of a packet, in plain Python: the model that hardware made of it is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from sevenm.boundary import PORTS, SIZE_MAX

from ..tables.shape import Slot
from .description import BlockOf, Program
from .nodes import PORT_MAX, Node, value

Parts = dict[str, int]
"""The parts of a verdict by their names."""


def decide(
    program: Program, data: bytes, size: int | None = None, time: int = 0, source: int = 0,
    rows: Sequence[Sequence[Slot]] | None = None,
) -> Parts:  # fmt: skip
    """The verdict of a packet of these bytes; ``source`` has one bit for each port, ``rows`` are those of the tables if
    they are not the first ones."""
    values: list[int] = []
    for node in program.nodes:
        args = [values[a] for a in node.args]
        match node.op:
            case "captured":
                values.append(min(len(data), program.captured_max))
            case "size":
                values.append(min(len(data) if size is None else size, SIZE_MAX))
            case "time":
                values.append(time)
            case "port":
                values.append(next((p for p in range(PORT_MAX + 1) if source >> p & 1), 0))
            case "load":
                values.append(_load(node, args[0], data))
            case "hit" | "value":
                table = program.tables[node.attrs[0]]
                found = table.find(args, None if rows is None else rows[node.attrs[0]])
                values.append(found & 1 if node.op == "hit" else table.column(found, node.attrs[1]))
            case _:
                values.append(value(node, args))
    return _verdict(program, values)


def _load(node: Node, base: int, data: bytes) -> int:
    at, count, little = node.attrs
    part = data[base + at : base + at + count]
    return int.from_bytes(part, "little" if little else "big") if len(part) == count else 0


def _verdict(program: Program, values: Sequence[int]) -> Parts:
    parts = dict.fromkeys(("blocks", "channels", "forward", "drop", "malformed", "truncated"), 0)
    punt, at, forward = values[program.punt], 0, 0
    for block in program.blocks:
        fired = _fired(block, values)
        bits, too_many = block.shape.encode(fired)
        parts["blocks"] |= bits << at
        at += block.shape.width
        punt |= too_many
        for action in (block.actions[r] for r in fired):
            parts["channels"] |= sum(1 << c for c in action.deliver)
            parts["drop"] |= action.drop
            ports = (values[node] for node in action.forward_to)
            forward |= action.forward | sum(1 << p for p in {*ports} if 0 <= p < PORTS)
    parts["forward"] = 0 if parts["drop"] else forward
    parts["malformed"], parts["truncated"] = values[program.malformed], values[program.truncated]
    return {**dict.fromkeys(parts, 0), "punt": 1} if punt else {**parts, "punt": 0}


def _fired(block: BlockOf, values: Sequence[int]) -> list[int]:
    """Numbers of the rules that fire."""
    holds = [r for r, when in enumerate(block.when) if values[when]]
    if block.mode == "first":
        return holds[:1]
    if block.default and len(holds) > 1 and holds[-1] == len(block.when) - 1:
        return holds[:-1]
    return holds
