"""Nodes of a Plan as Python expressions in the words of ``sevenm.hdl.pipeline``.

One idea: a person who wrote this by hand would give a name to what has one, and to what is used twice, and would write
the rest where it is used. So does this.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import Node, complete
from sevenm.hdl import pipeline

from .refuse import LACKS

LINE = 118
"""Characters of a line."""
INLINE = 80
"""Characters of the longest expression that is written within another one, if it has no name."""
ATOM, UNARY, PRODUCT, SUM, SHIFT, AND, XOR, OR, COMPARISON = range(9)
"""How tightly an expression binds, as Python has it."""
_RESERVED = {*keyword.kwlist, *pipeline.__all__, *dir(pipeline.Description), "PacketCore", "Match", "Core", "range"}
_INFIX = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "band": ("&", AND), "bor": ("|", OR),
          "bxor": ("^", XOR), "shl": ("<<", SHIFT), "shr": (">>", SHIFT), "all": ("&", AND),
          "any": ("|", OR)}  # fmt: skip
_LEAVES = ("captured", "size", "time", "port")
_INVERSE = {"==": "!=", "<": ">=", ">": "<="}
MANY = 12
"""Operands of a condition from which on it is all_of or any_of."""


@dataclass(frozen=True, slots=True)
class Text:
    """An expression and how tightly it binds."""

    text: str
    binds: int = ATOM

    def within(self, binds: int) -> str:
        """As an operand of something that binds so tightly."""
        return self.text if self.binds < binds or self.binds == ATOM else f"({self.text})"


class Words:
    """The text of a Plan's nodes. ``lines`` are the definitions, in order; ``use(node)`` is a node as an operand."""

    def __init__(self, plan: Plan, captured_max: int) -> None:
        self.nodes = plan.nodes
        self.names = _names(plan)
        self._captured_max = captured_max
        self.args = _factored(plan, self.names)
        self._uses = _uses(plan, self.args)
        self._label = _labels(plan, self.names)
        self._taken = set(self.names.values())
        self.tables = [self._free(unique(f"table_{table.name}", set())) for table in plan.tables]
        self._inline: dict[int, Text] = {}
        self._counts: dict[str, int] = {}
        self.lines: list[str] = []
        self.doubts: list[str] = []
        """The lines that only ``punt`` needs."""
        self._decides = _needed(self.args, (*plan.conditions[:-1], *plan.operands))
        for ref, node in enumerate(self.nodes):
            if not self._uses[ref]:
                continue
            lines = self._define(ref, Node(node.op, self.args[ref], node.attrs, node.lo, node.hi))
            (self.lines if ref in self._decides else self.doubts).extend(lines)

    def use(self, ref: int) -> str:
        return self._text(ref).text

    def _text(self, ref: int) -> Text:
        return self._inline[ref] if ref in self._inline else Text(self.names[ref])

    def _define(self, ref: int, node: Node) -> list[str]:
        """The lines that give a node its name; none if it is written where it is used."""
        text = CASES[node.op](self, node)
        is_doubt = ref not in self._decides
        plain = self._is_plain(node) or (self._uses[ref] <= 1 and (len(text.text) <= INLINE or is_doubt))
        # What only ``punt`` needs is of no interest by itself.
        if plain and (is_doubt or ref not in self.names):
            self._inline[ref] = text
            return []
        if ref not in self.names:
            self.names[ref] = self._new_name(ref, node)
        return list(wrapped(f"{self.names[ref]} = ", text.text))

    def _is_plain(self, node: Node) -> bool:
        """Shorter than a name for it would be."""
        args = [self.nodes[a] for a in node.args]
        if node.op in ("const", *_LEAVES):
            return True
        if node.op == "not":
            return node.args[0] not in self._inline or self._is_plain(args[0])
        if node.op in ("eq", "lt"):
            return all(a not in self._inline or self._is_plain(self.nodes[a]) for a in node.args)
        if node.op in ("add", "bits"):
            return all(a not in self._inline or self.nodes[a].op in ("const", *_LEAVES) for a in node.args)
        return False

    def _new_name(self, ref: int, node: Node) -> str:
        if node.op == "load":
            base, (at, count, _) = self.nodes[node.args[0]], node.attrs
            start = self.names.get(node.args[0], "") if base.op != "const" else "frame"
            if start:
                return self._free(f"{start}_{at}" if count == 1 else f"{start}_{at}_{at + count}")
        label = self._label[ref] or "punt"
        self._counts[label] = self._counts.get(label, 0) + 1
        return self._free(f"{label}_{self._counts[label]}")

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    # Operations

    def _const(self, node: Node) -> Text:
        return Text(number(node.attrs[0]), ATOM if node.attrs[0] >= 0 else UNARY)

    def _leaf(self, node: Node) -> Text:
        if node.op == "captured" and node.attrs[0] < self._captured_max:
            most = node.attrs[0]
            return Text(f"mux(captured < {most}, captured, {most})")
        return Text(node.op)

    def _load(self, node: Node) -> Text:
        at, count, little = node.attrs
        base = [] if self.nodes[node.args[0]].op == "const" else [self.use(node.args[0])]
        parts = [*base, *([f"at={at}"] if at or not base else []), f"bytes={count}"]
        return Text(f"field({', '.join(parts)}{', little=True' if little else ''})")

    def _bits(self, node: Node) -> Text:
        lsb, width = node.attrs
        return Text(f"{self._text(node.args[0]).within(UNARY)}[{lsb}:{lsb + width}]")

    def _signed(self, node: Node) -> Text:
        return Text(f"{self._text(node.args[0]).within(UNARY)}.as_signed({node.attrs[0]})")

    def _by_constant(self, node: Node) -> Text:
        sign = "//" if node.op == "div" else "%"
        return Text(f"{self._text(node.args[0]).within(PRODUCT + 1)} {sign} {node.attrs[0]}", PRODUCT)

    def _infix(self, node: Node) -> Text:
        sign, binds = _INFIX[node.op]
        left, right = (self._text(a) for a in node.args)
        value = self._constant(node.args[1])
        if value is not None and value < 0 and node.op == "add":
            return Text(f"{left.within(SUM + 1)} - {number(-value)}", SUM)
        return Text(f"{left.within(binds + 1)} {sign} {right.within(binds)}", binds)

    def _compare(self, node: Node, inverse: bool = False) -> Text:
        """With the constant on the right, as people write it."""
        a, b = node.args
        sign = "==" if node.op == "eq" else "<"
        if node.op == "lt" and self._constant(a) is not None:
            a, b, sign = b, a, ">"
        value = self._constant(b)
        right = self._text(b).within(COMPARISON) if value is None else number(value, self._digits(a))
        return Text(f"{self._text(a).within(COMPARISON)} {_INVERSE[sign] if inverse else sign} {right}", COMPARISON)

    def _constant(self, ref: int) -> int | None:
        node = self.nodes[ref]
        return node.attrs[0] if node.op == "const" else None

    def _digits(self, ref: int) -> int:
        """Hexadecimal digits of what a value is compared with: types and wide values are read in them."""
        node = self.nodes[ref]
        wide = node.hi >= 1 << 24 or re.search(r"type(_[0-9]+)?$", self.names.get(ref, ""))
        return -(-node.width // 4) if wide else 0

    def _junction(self, node: Node) -> Text:
        sign, binds = _INFIX[node.op]
        if len(node.args) > MANY:
            return Text(f"{node.op}_of({', '.join(self.use(a) for a in node.args)})")
        return Text(f" {sign} ".join(self._text(a).within(binds + 1) for a in node.args), binds)

    def _not(self, node: Node) -> Text:
        (arg,) = node.args
        if arg in self._inline and self.nodes[arg].op in ("eq", "lt"):
            return self._compare(self.nodes[arg], inverse=True)
        return Text(f"~{self._text(arg).within(UNARY + 1)}", UNARY)

    def _mux(self, node: Node) -> Text:
        return Text(f"mux({', '.join(self.use(a) for a in node.args)})")

    def _member(self, node: Node) -> Text:
        (x,) = node.args
        pairs = zip(node.attrs[0::2], node.attrs[1::2], strict=True)
        digits = self._digits(x)
        items = [
            number(lo, digits) if lo == hi else f"range({number(lo, digits)}, {number(hi + 1, digits)})"
            for lo, hi in pairs
        ]
        return Text(f"one_of({self.use(x)}, {', '.join(items)})")

    def _lookup(self, node: Node) -> Text:
        column = [str(node.attrs[1])] if node.op == "value" else []
        return Text(f"{self.tables[node.attrs[0]]}.{node.op}({', '.join([*column, *map(self.use, node.args)])})")


CASES: Mapping[str, Callable[[Words, Node], Text]] = {
    "const": Words._const, "captured": Words._leaf, "size": Words._leaf, "time": Words._leaf, "port": Words._leaf,
    "load": Words._load, "bits": Words._bits, "signed": Words._signed, "div": Words._by_constant,
    "mod": Words._by_constant, "add": Words._infix, "sub": Words._infix, "mul": Words._infix, "band": Words._infix,
    "bor": Words._infix, "bxor": Words._infix, "shl": Words._infix, "shr": Words._infix, "eq": Words._compare,
    "lt": Words._compare, "all": Words._junction, "any": Words._junction, "not": Words._not, "mux": Words._mux,
    "member": Words._member, "hit": Words._lookup, "value": Words._lookup,
}  # fmt: skip
complete(CASES, "gateware", refuses=tuple(LACKS))


def number(value: int, digits: int = 0) -> str:
    """An integer as people write it, with so many hexadecimal digits if there are any."""
    return f"{value:#0{digits + 2}x}" if value >= 1 << 24 or (digits and value > 9) else str(value)


def wrapped(start: str, text: str) -> Iterator[str]:
    """``start`` and the expression, in lines of at most LINE characters where it has spaces to break at."""
    if len(start) + len(text) <= LINE - 4:
        yield f"{start}{text}"
        return
    line, room, indent = f"{start}(", LINE - 6, " " * (len(start) + 1)
    for part in _parts(text):
        words = [part] if len(indent) + len(part) <= room else part.split(" ")
        for word in words:
            if len(line) + len(word) > room:
                yield line.rstrip()
                line = indent
            line += f"{word} "
    yield f"{line.rstrip()})"


def _parts(text: str) -> list[str]:
    """The terms of a disjunction, or else of a conjunction, each but the first with its operator."""
    depth = 0
    cuts: dict[str, list[int]] = {"|": [0], "&": [0]}
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char in cuts and depth == 0:
            cuts[char].append(at)
    places = cuts["|"] if len(cuts["|"]) > 1 else cuts["&"]
    return [text[a:b].strip() for a, b in zip(places, [*places[1:], len(text)], strict=True)]


def _names(plan: Plan) -> dict[int, str]:
    """Identifiers of the nodes that have a name of their own, each once."""
    out: dict[int, str] = {}
    taken = set(_RESERVED)
    for ref, node in enumerate(plan.nodes):
        found = plan.names.of.get(ref, ())
        if not found or node.op in ("const", *_LEAVES):
            continue
        name = f"rule_{found[0].text}" if found[0].kind == "rule" else found[0].identifier
        out[ref] = unique(name, taken)
    others = [(rule.when, f"rule_{rule.name}") for rule in plan.rules]
    for ref, name in (*others, (plan.malformed, "parse_malformed"), (plan.truncated, "parse_truncated")):
        if ref not in out and plan.nodes[ref].op not in ("const", *_LEAVES):
            out[ref] = unique(name, taken)
    return out


def unique(name: str, taken: set[str]) -> str:
    """The name as an identifier that is not taken, and takes it."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "x"
    plain = f"x{plain}" if plain[0].isdigit() else plain
    while plain in taken:
        plain += "_"
    taken.add(plain)
    return plain


def _factored(plan: Plan, names: Mapping[int, str]) -> Sequence[tuple[int, ...]]:
    """Operands of every node; a condition that holds all terms of one with a name is written with that name."""
    rules = {rule.when for rule in plan.rules}
    known: dict[str, list[tuple[int, frozenset[int]]]] = {"all": [], "any": []}
    out = []
    for ref, node in enumerate(plan.nodes):
        args = node.args
        if node.op in known:
            left = set(args)
            for part, terms in sorted(known[node.op], key=lambda k: (-len(k[1]), k[0])):
                if terms <= left:
                    left = left - terms | {part}
            args = tuple(sorted(left))
            if ref in names and ref not in rules:
                known[node.op].append((ref, frozenset(node.args)))
        out.append(args)
    return out


def _needed(args: Sequence[Sequence[int]], roots: Iterable[int]) -> set[int]:
    needed = set(roots)
    for ref in range(len(args) - 1, -1, -1):
        if ref in needed:
            needed.update(args[ref])
    return needed


def _uses(plan: Plan, args: Sequence[Sequence[int]]) -> Sequence[int]:
    """How often each node that is needed is written down."""
    uses = [0] * len(args)
    roots = [*plan.conditions, *(node for rule in plan.rules for node in rule.operands)]
    needed = _needed(args, roots)
    for ref in (*roots, *(a for user in sorted(needed) for a in args[user])):
        uses[ref] += 1
    return uses


def _labels(plan: Plan, names: Mapping[int, str]) -> Sequence[str]:
    """The name of what each node is a part of: that of the first node with a name that uses it."""
    labels = [names.get(ref, "") for ref in range(len(plan.nodes))]
    for ref in range(len(plan.nodes) - 1, -1, -1):
        for arg in plan.nodes[ref].args:
            labels[arg] = names.get(arg) or labels[ref] or labels[arg]
    return labels
