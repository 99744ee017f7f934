"""Names of the values in the generated C: what the author called them, or what is compared with what.

One idea: a node's name comes from the Plan (``tcp_dstport``), from the operation on a named node
(``tcp_dstport_eq_443``), from the rule it decides (``rule_login``), or is a number. Names mean nothing to the engine:
they are made unique, and kept off what C and the fixed parts of the file use themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.names import Name, name
from sevenm.compiler.plan.ops import Node

LENGTH_MAX = 48
"""Characters of a name; a longer one is cut."""
KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm typeof bool
true false linux unix main errno
"""
"""What C, its compilers and its headers have taken."""
SET_MAX = 8
"""Ends of ranges that the name of a membership lists."""
_JOINED = {
    "add": "plus", "sub": "minus", "mul": "times", "band": "and", "bor": "or", "bxor": "xor", "shl": "shl",
    "shr": "shr", "quo": "div", "rem": "mod",
}  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def fixed_names(*texts: str) -> set[str]:
    """Every word of the fixed parts of an engine, and of C."""
    return {word for text in (*texts, KEYWORDS) for word in _IDENTIFIER.findall(text)}


class Names:
    """Gives out names. ``taken`` are those that may not be used."""

    def __init__(self, plan: Plan, explicit: Explicit, taken: set[str]) -> None:
        self._taken = set(taken)
        self._nodes: Sequence[Node] = explicit.graph.nodes
        self._given = _given(plan, explicit)
        self._rules = {}
        for rule in reversed(plan.rules):
            self._rules[explicit.node[rule.when]] = name("rule", rule.name).identifier
        self._known: dict[str, str] = {}
        self.of_file: set[str] = set()
        """Names that the whole file sees."""

    def unique(self, wish: str) -> str:
        """A name of the whole file: the wish, or the wish with a number that nothing else has."""
        found = self._unique(wish)
        self.of_file.add(found)
        return found

    def _unique(self, wish: str) -> str:
        wish = re.sub(r"_+", "_", wish[:LENGTH_MAX]).strip("_")
        wish = f"v_{wish}" if wish[:1].isdigit() else wish
        found, number = wish, 1
        while found in self._taken:
            number += 1
            found = f"{wish}_{number}"
        self._taken.add(found)
        return found

    def of_word(self, ref: int) -> str:
        """The variable of a condition."""
        return self._once(f"w{ref}", lambda: f"w_{described}" if (described := self.describe(ref)) else self._bare(ref))

    def of_column(self, token: str, ref: int, kind: str, suffix: str = "") -> str:
        """The array of a node's values. ``kind`` says what of the node: "" for its own values."""
        described = self.describe(ref)
        wish = f"{kind}_{described or ref}" if kind else described or f"v{ref}"
        return self._once(token, lambda: f"{wish}_{suffix}" if suffix else wish)

    def _bare(self, ref: int) -> str:
        if ref >= len(self._nodes):
            return f"taken_{ref - len(self._nodes)}"
        return f"rule_{self._rules[ref]}" if ref in self._rules else f"w{ref}"

    def _once(self, key: str, wish: object) -> str:
        if key not in self._known:
            self._known[key] = self._unique(wish() if callable(wish) else str(wish))
        return self._known[key]

    def describe(self, ref: int, depth: int = 3) -> str | None:
        """What the node stands for, None if it is nothing that has a name."""
        if ref in self._given:
            return self._given[ref].identifier
        if ref >= len(self._nodes) or not depth:
            return None
        node = self._nodes[ref]
        if node.op in ("captured", "size", "time", "port"):
            return node.op
        if node.op in ("eq", "lt"):
            return self._comparison(node, depth)
        if node.op == "load":
            base = "event" if self._nodes[node.args[0]].op == "const" else self.describe(node.args[0], depth - 1)
            return base and f"{base}_at_{node.attrs[0]}_{8 * node.attrs[1]}"
        if node.op in _JOINED:
            left, right = (self._operand(a, depth) for a in node.args)
            return f"{left}_{_JOINED[node.op]}_{right}" if left and right else None
        inner = self.describe(node.args[0], depth - 1) if len(node.args) == 1 else None
        if inner is None:
            return None
        match node.op:
            case "member":
                edges = "_".join(map(_number, dict.fromkeys(node.attrs)))
                return f"{inner}_in_{edges}" if len(node.attrs) <= SET_MAX else f"{inner}_in_set"
            case "bits":
                lsb, width = node.attrs
                return f"{inner}_bit_{lsb}" if width == 1 else f"{inner}_bits_{lsb}_{lsb + width - 1}"
            case "signed" | "div" | "mod":
                return f"{inner}_{node.op}_{node.attrs[0]}"
            case _:
                return None

    def _operand(self, ref: int, depth: int) -> str | None:
        node = self._nodes[ref]
        return _number(node.lo) if node.op == "const" else self.describe(ref, depth - 1)

    def _comparison(self, node: Node, depth: int) -> str | None:
        operation = node.op
        a, b = node.args
        if self._nodes[a].op == "const":
            a, b, operation = b, a, "gt" if operation == "lt" else operation
        left, right = self._operand(a, depth), self._operand(b, depth)
        return f"{left}_{operation}_{right}" if left and right else None


def _number(value: int) -> str:
    digits = str(abs(value)) if abs(value) < 1 << 16 else hex(abs(value))
    return f"minus_{digits}" if value < 0 else digits


def _given(plan: Plan, explicit: Explicit) -> dict[int, Name]:
    """The best name of each node that the Plan has a name for; constants need none, and rules come last."""
    best: dict[int, Name] = {}
    for number, one in plan.names.pairs():
        ref = explicit.node[number]
        if explicit.graph[ref].op != "const" and one.kind != "rule" and (ref not in best or one < best[ref]):
            best[ref] = one
    return best
