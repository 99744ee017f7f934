"""A Plan as text that people read: one line a node, with what it is called.

One idea: what a pass did is a difference of two texts; golden files of passes are in this form. It is for eyes only,
``Plan.to_json`` is the form that is read back.
"""

from __future__ import annotations

from collections.abc import Iterator

from .ops import Node
from .plan import Plan
from .program import Action, Rule

_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "quo": "//", "rem": "%", "shl": "<<", "shr": ">>", "band": "&", "bor": "|",
    "bxor": "^", "eq": "==", "lt": "<", "all": "and", "any": "or",
}  # fmt: skip


def text(plan: Plan) -> str:
    """The whole Plan. Equal Plans have equal texts."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"plan {plan.name} on {plan.source}"
    for number, table in enumerate(plan.tables):
        keys = ", ".join(f"{key.kind} u{key.width}" for key in table.keys)
        values = "".join(f" {column.name} {column.lo}..{column.hi}" for column in table.values)
        yield f"t{number} {table.name}: {keys} ->{values} max {table.most}, {len(table.rows)} rows"
    for number, state in enumerate(plan.states):
        cells = ", ".join(f"{cell.name} {cell.lo}..{cell.hi}" for cell in state.cells)
        write = " ".join(f"n{ref}" for ref in state.write)
        read = " ".join(f"n{ref}" for ref in state.read)
        following = " ".join(f"n{ref}" for ref in state.next)
        yield f"s{number} {state.name}: {state.sets} x {state.ways}, ttl {state.ttl_ns} ns, {cells}"
        yield f"   at {read}; when n{state.when} at {write} takes {following}"
    for ref, node in enumerate(plan.nodes):
        names = ", ".join(f"{one.kind} {one.text}" for one in plan.names.of.get(ref, ()))
        line = f"n{ref} = {expression(node)}"
        yield f"{line:<56}; {names}" if names else line
    for block in plan.blocks:
        yield f"block {block.name}, {block.mode}"
        for rule in plan.rules[block.start : block.stop]:
            yield f"  {'default' if rule.default else 'rule'} {rule.name}: n{rule.when} => {_actions(plan, rule)}"
    yield f"malformed n{plan.malformed}, truncated n{plan.truncated}, punt n{plan.punt}"


def expression(node: Node) -> str:
    """One operation with its operands as node names."""
    args = [f"n{a}" for a in node.args]
    match node.op:
        case "const":
            return str(node.attrs[0]) if abs(node.attrs[0]) < 1024 else hex(node.attrs[0])
        case "captured":
            return f"captured, at most {node.attrs[0]}"
        case "load":
            disp, count, little = node.attrs
            return f"load {args[0]} + {disp}, {count} byte{'s' * (count > 1)}{' little' * little}"
        case "hit" | "value":
            column = f".{node.attrs[1]}" if node.op == "value" else ""
            return f"{node.op} t{node.attrs[0]}{column}[{', '.join(args)}]"
        case "old":
            return f"old s{node.attrs[0]}.{node.attrs[1]}"
        case "known":
            return f"known s{node.attrs[0]}"
        case "bits":
            return f"{args[0]}[{node.attrs[0]}..{node.attrs[0] + node.attrs[1] - 1}]"
        case "div" | "mod":
            return f"{args[0]} {'//' if node.op == 'div' else '%'} {node.attrs[0]}"
        case "mux":
            return f"{args[1]} if {args[0]} else {args[2]}"
        case "member":
            pairs = zip(node.attrs[0::2], node.attrs[1::2], strict=True)
            return f"{args[0]} in {{{', '.join(str(lo) if lo == hi else f'{lo}..{hi}' for lo, hi in pairs)}}}"
        case "not":
            return f"not {args[0]}"
        case op if op in _SIGNS:
            return f" {_SIGNS[op]} ".join(args)
        case op:
            return " ".join([op, *args, *map(str, node.attrs)])


def _actions(plan: Plan, rule: Rule) -> str:
    return ", ".join(_action(plan, action) for action in rule.actions) or "nothing"


def _action(plan: Plan, action: Action) -> str:
    if action.operand is not None:
        return f"{action.kind} n{action.operand}"
    if action.target is None:
        return action.kind
    names = {"deliver": plan.channels, "count": plan.counters}.get(action.kind)
    return f"{action.kind} {action.target if names is None else names[action.target]}"
