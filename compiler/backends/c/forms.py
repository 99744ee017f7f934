"""The forms that a value takes in the generated C: a word of condition bits, a column of some type, one lane of it.

One idea: a value is demanded in a form, computed once in it, just before its first use. Statements name values by
tokens, ``$w17$`` (word of node 17), ``$c17:u16$`` (node 17 as a column of u16) and ``$r2$`` (array of words), which
``sevenm.compiler.backends.c.storage`` replaces by places in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

from sevenm.compiler.backends.c.guards import ALWAYS, Guard, meet
from sevenm.compiler.backends.c.naming import Names
from sevenm.compiler.backends.c.regions import Statement
from sevenm.compiler.backends.c.tables import Constants
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.passes.visibility import Explicit

LEAVES = ("captured", "size", "time", "port")
"""Columns that the fetch fills."""
RAW_KIND, ROW_KIND, ROOM_KINDS, NETWORK_KINDS = 1, 2, 3, 4
"""Columns that stand beside a node's own: their token has so many times the number of nodes more. Bytes that the node
is taken from, the row that it found; from there on, every second one, rooms behind it and networks of it."""


@dataclass(slots=True)
class Program:
    """What the template prints. ``fetch`` runs once per packet, ``repeat`` for the lanes without one; ``statements``
    run in order on 64 packets. ``results``: name and length of arrays of words filled by one statement each."""

    fetch: list[str] = field(default_factory=list)
    repeat: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    results: list[tuple[str, int]] = field(default_factory=list)


def word(ref: int) -> str:
    return f"$w{ref}$"


def column(ref: int, ctype: CType) -> str:
    return f"$c{ref}:{ctype.name}$"


class Forms:
    """Emits statements, and remembers which forms are there."""

    def __init__(self, explicit: Explicit, names: Names) -> None:
        self.graph = explicit.graph
        self.nodes = list(explicit.graph.nodes)
        self.names = names
        self.program = Program()
        self.constants = Constants(self.program.tables, names.unique)
        self.replaced: dict[int, str] = {}
        """Words that stand in an array."""
        self.guards: dict[int, Guard] = {}
        self.guard_of: list[Guard] = []
        """For each statement."""
        self.captured = CType(16 if explicit.captured <= 0xFFFF else 32, False)
        self._most = explicit.captured
        self._forms: set[str] = set()

    def statement(
        self, text: str, refs: Iterable[int], writes: tuple[str, ...] = (), defines: int | None = None,
        guard: Guard | None = None,
    ) -> None:  # fmt: skip
        """``refs`` are the nodes that it serves: it may be skipped where none of them is needed."""
        self.guard_of.append(reduce(meet, (self.guards[ref] for ref in refs)) if guard is None else guard)
        self._forms.update(writes)
        writes = writes if defines is None else (*writes, word(defines))
        self.program.statements.append(Statement(text, defines, writes))

    def say(self, text: str, guard: Guard = ALWAYS, defines: int | None = None) -> None:
        """A statement in the order of those like it."""
        self.statement(text, (), ("rules",), defines, guard)

    def has(self, token: str) -> bool:
        return token in self._forms

    def is_leaf(self, ref: int) -> bool:
        """Whether the fetch has filled the node's column."""
        node = self.nodes[ref]
        return node.op in LEAVES and (node.op != "captured" or node.attrs[0] == self._most)

    def is_word(self, ref: int) -> bool:
        """Whether a node is computed as a word of condition bits (else as a column of its own type)."""
        node = self.nodes[ref]
        if not node.is_bool:
            return False
        if node.op in ("band", "bor", "bxor"):
            return all(self.nodes[a].is_bool for a in node.args)
        return node.op in ("const", "eq", "lt", "all", "any", "not", "member", "bits", "cut", "hit", "known")

    def word(self, ref: int) -> str:
        """Expression of a boolean node's bits."""
        node = self.nodes[ref]
        if node.op == "const":
            return "ALL" if node.attrs[0] else "0"
        if node.op == "not":
            return f"~{self.word(node.args[0])}"
        if ref in self.replaced:
            return self.replaced[ref]
        if not self.is_word(ref) and not self.has(word(ref)):
            self._forms.add(word(ref))
            ctype = type_of(node)
            self.statement(f"testk_{ctype.name}({self.column(ref, ctype)}, 1)", [ref], defines=ref)
        return word(ref)

    def column(self, ref: int, ctype: CType) -> str:
        """Pointer to a node's 64 values, in any type that holds its interval. Not for constants."""
        node = self.nodes[ref]
        own = type_of(node)
        if self.is_leaf(ref) and own == ctype:
            return f"c->{node.op}"
        token = column(ref, ctype)
        if not self.has(token):
            if not self.is_word(ref):
                text = f"EACH {token}[i] = ({ctype.name}){self.column(ref, own)}[i];"
            elif own == ctype:
                text = f"expand_u8({token}, {self.word(ref)});"
            else:
                text = f"EACH {token}[i] = {self.column(ref, own)}[i];"
            self.statement(text, [ref], (token,))
        return token

    def lane(self, ref: int, ctype: CType) -> str:
        """A node's value in lane i, as an expression of a type that calculates modulo 2**bits."""
        node = self.nodes[ref]
        if node.op == "const":
            return ctype.literal(node.attrs[0] & ctype.hi)
        return f"({ctype.name}){self.column(ref, type_of(node))}[i]"
