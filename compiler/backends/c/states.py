"""State in the generated C: what earlier events left, and what this one leaves.

One idea: keys, condition and next values of a state are columns of 64 events like any other; one function then takes
the events one after the other, reads the entry of each and writes it. That needs the columns before the first event is
taken, so a state whose columns depend on the state itself is refused, by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import jinja2

from sevenm.compiler.backends.c.forms import Forms, column
from sevenm.compiler.backends.c.guards import ALWAYS
from sevenm.compiler.backends.c.lookups import given, identifier, width_type
from sevenm.compiler.backends.c.types import CType, type_of_interval
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.state import State, key_bytes

_HERE = Path(__file__).parent


def recurrent(plan: Plan) -> State | None:
    """The first state whose keys, condition or next values depend on the state itself, also through others."""
    asks = [_states_of(plan, state.roots) for state in plan.states]
    for number, state in enumerate(plan.states):
        reached, stack = set(asks[number]), list(asks[number])
        while stack:
            fresh = asks[stack.pop()] - reached
            reached |= fresh
            stack += fresh
        if number in reached:
            return state
    return None


def _states_of(plan: Plan, roots: Iterable[int]) -> set[int]:
    """The states that these nodes read."""
    found: set[int] = set()
    seen, stack = set(roots), list(roots)
    while stack:
        node = plan.nodes[stack.pop()]
        if node.op in ("old", "known"):
            found.add(node.attrs[0])
        fresh = set(node.args) - seen
        seen |= fresh
        stack += fresh
    return found


class States:
    """The states of one engine. Their functions go to the program with the statements that call them."""

    def __init__(self, plan: Plan, explicit: Explicit) -> None:
        self._states = tuple(state.renumbered(explicit.node) for state in plan.states)
        self._known: dict[int, int] = {}
        self._old: dict[int, dict[int, int]] = {number: {} for number in range(len(self._states))}
        for ref, node in enumerate(explicit.graph.nodes):
            if node.op == "known":
                self._known[node.attrs[0]] = ref
            elif node.op == "old":
                self._old[node.attrs[0]][node.attrs[1]] = ref
        self._entries: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._states)

    def operands(self, number: int) -> tuple[int, ...]:
        """What has to be there before a state is read."""
        return self._states[number].roots

    def step(self, forms: Forms, number: int) -> None:
        """The statement that reads and writes a state, whose operands are there; once."""
        if number in self._entries:
            return
        state = self._states[number]
        used = {cell: ref for cell, ref in sorted(self._old[number].items()) if ref in forms.guards}
        short = identifier("state", state.name.split(" per ")[0])
        ident = forms.names.unique(f"step_{short}").removeprefix("step_")
        if not self._entries:
            forms.program.functions.append(_crc_text())
        self._entries[number] = f"struct {ident}_entry"
        keys, cells = _types(state)
        forms.program.functions.append(_text(ident, state, list(used)))
        outs = [column(ref, cells[cell]) for cell, ref in used.items()]
        sides = [state.read] if state.read == state.write else [state.read, state.write]
        arguments = [
            f"c->states[{number}]", "c->time", "c->live", forms.word(state.when),
            *(given(forms, ref, ctype) for side in sides for ref, ctype in zip(side, keys, strict=True)),
            *(given(forms, ref, ctype) for ref, ctype in zip(state.next, cells, strict=True)), *outs,
        ]  # fmt: skip
        call = f"step_{ident}({', '.join(arguments)})"
        known = self._known.get(number)
        if known in forms.guards:
            forms.statement(call, (), tuple(outs), known, ALWAYS)
        else:
            forms.statement(f"(void){call};", (), tuple(outs), None, ALWAYS)

    def sizes(self) -> list[str]:
        """C expressions of the bytes that each state needs, once all of them are stepped."""
        return [
            f"sizeof(sm_state) + {state.sets * state.ways} * sizeof({self._entries[number]})"
            for number, state in enumerate(self._states)
        ]


def _types(state: State) -> tuple[list[CType], list[CType]]:
    """Of the keys, and of the cells."""
    return [width_type(width) for width in state.widths], [type_of_interval(c.lo, c.hi) for c in state.cells]


def _text(ident: str, state: State, used: list[int]) -> str:
    """The type of a state's entries, and its functions. ``used``: the cells that are read."""
    keys, cells = _types(state)
    members = [(64, "u64 written_ns;"), (8, "u8 used;"), *((t.bits, f"{t.name} key_{k};") for k, t in enumerate(keys))]
    members += [
        (t.bits, f"{t.name} cell_{k}; /* {identifier('state', cell.name)} */")
        for k, (t, cell) in enumerate(zip(cells, state.cells, strict=True))
    ]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True)
    return environment.from_string((_HERE / "state.c.j2").read_text()).render(
        name=ident,
        whole=identifier("state", state.name),
        sets=state.sets,
        ways=state.ways,
        ttl=CType(64, False).literal(state.ttl_ns) if state.ttl_ns else None,
        members=[text for _, text in sorted(members, key=lambda member: -member[0])],  # nothing lies between them
        keys=[
            {"type": t.name, "bytes": len(key_bytes([width], [0]))} for t, width in zip(keys, state.widths, strict=True)
        ],
        sides=["key"] if state.read == state.write else ["read", "write"],
        cells=[
            {"type": t.name, "initial": t.literal(cell.initial), "used": k in used}
            for k, (t, cell) in enumerate(zip(cells, state.cells, strict=True))
        ],
    )


def _crc_text() -> str:
    """What one byte does to a CRC-32: that of a single byte b is entry b ^ 0xff but for what starts and ends it."""
    entries = [f"0x{zlib.crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000:08x}" for byte in range(256)]
    rows = [", ".join(entries[at : at + 8]) for at in range(0, 256, 8)]
    return "static const u32 crc_table[256] = {\n    " + ",\n    ".join(rows) + ",\n};"
