"""Tables in the generated C: which row matches, and what it says.

One idea: shapes are compiled in, rows are not. A look-up finds the number of the row that counts, once for all that ask
with the same keys, and reads hits and values off it; rows come with ``sm_context`` and change while the engine runs.
Keys that the host cuts into ranges are searched by ``engine_lookups.h``, others by a function that is written here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sevenm.compiler.backends.c.forms import Forms, column
from sevenm.compiler.backends.c.types import CType, type_of, type_of_interval
from sevenm.compiler.plan import Table
from sevenm.compiler.plan.names import name
from sevenm.compiler.plan.ops import Node

LOOKUP_COST = 64
"""What a look-up costs, where an operation on a column costs 1 a byte of its type."""
ROW = CType(32, False)
ROW_KIND = 3
"""Which kind of column row numbers are, among those that are named after a node (``storage``)."""


def width_type(width: int) -> CType:
    """The type of a key of so many bits."""
    return type_of_interval(0, (1 << width) - 1)


def identifier(kind: str, text: str) -> str:
    """The name of a table or state in C."""
    return name(kind, text).identifier


def given(forms: Forms, ref: int, ctype: CType) -> str:
    """The column of a node that may be a constant."""
    value = forms.graph.value(ref)
    if value is None:
        return forms.column(ref, ctype)
    token = column(ref, ctype)
    if not forms.has(token):
        forms.statement(f"EACH {token}[i] = {ctype.literal(value)};", [ref], (token,))
    return token


class Lookups:
    """The look-ups of one engine. The functions that they need go to the program when they are first used."""

    def __init__(self, tables: Sequence[Table], nodes: Sequence[Node]) -> None:
        self.tables = tables
        self._same: defaultdict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
        for ref, node in enumerate(nodes):
            if node.op in ("hit", "value"):
                self._same[node.attrs[0], node.args].append(ref)
        self._scans: dict[int, str] = {}

    def hit(self, forms: Forms, ref: int) -> str:
        """Expression of the lanes that have a row."""
        node = forms.nodes[ref]
        number, table = node.attrs[0], self.tables[node.attrs[0]]
        if is_ranges(table) and all(forms.nodes[r].op == "hit" for r in self._together(forms, ref)):
            key = width_type(table.keys[0].width)
            return f"hit_{key.name}({given(forms, node.args[0], key)}, c->tables + {number})"
        return f"~eqk_{ROW.name}({self._row(forms, ref)}, 0)"

    def value(self, forms: Forms, ref: int) -> None:
        """The column of a value."""
        node = forms.nodes[ref]
        ctype, target, (number, at) = type_of(node), column(ref, type_of(node)), node.attrs[:2]
        text = f"value_{ctype.name}({target}, {self._row(forms, ref)}, c->tables + {number}, {at});"
        forms.statement(text, [ref], (target,))

    def _together(self, forms: Forms, ref: int) -> list[int]:
        """All that is looked up with these keys in this table."""
        node = forms.nodes[ref]
        return [r for r in self._same[node.attrs[0], node.args] if r in forms.guards]

    def _row(self, forms: Forms, ref: int) -> str:
        """Column of the numbers of the rows that count, 0 for none."""
        together = self._together(forms, ref)
        token = column(ROW_KIND * len(forms.nodes) + together[0], ROW)
        if not forms.has(token):
            node = forms.nodes[ref]
            number, table = node.attrs[0], self.tables[node.attrs[0]]
            types = [width_type(key.width) for key in table.keys]
            keys = ", ".join(given(forms, a, t) for a, t in zip(node.args, types, strict=True))
            if is_ranges(table):
                text = f"find_{types[0].name}({token}, {keys}, c->tables + {number});"
            else:
                text = f"{self._scan(forms, number)}({token}, c->tables + {number}, c->live, {keys});"
            forms.statement(text, together, (token,))
        return token

    def _scan(self, forms: Forms, number: int) -> str:
        """The function that goes through a table's rows."""
        if number not in self._scans:
            self._scans[number] = forms.names.unique(f"scan_{identifier('table', self.tables[number].name)}")
            forms.program.functions.append(_scan_text(self._scans[number], self.tables[number]))
        return self._scans[number]


def is_ranges(table: Table) -> bool:
    """Whether the host cuts the keys into ranges: see ``sm_table``."""
    return len(table.keys) == 1 and table.keys[0].kind != "ternary"


def _scan_text(function: str, table: Table) -> str:
    """Row after row, until every lane has found the first that matches it."""
    columns = list(enumerate((width_type(key.width).name, key.kind) for key in table.keys))
    tests = [
        f"{'ternary' if kind == 'ternary' else 'rangek'}_{t}(key_{at}, a_{at}[r], b_{at}[r])"
        for at, (t, kind) in columns
    ]
    return "\n".join(
        [
            f"static __attribute__((noinline)) void {function}(u32 *restrict row, const sm_table *table, u64 live,",
            f"    {', '.join(f'const {t} *key_{at}' for at, (t, _) in columns)})",
            "{",
            *(f"    const {t} *a_{at} = table->a[{at}], *b_{at} = table->b[{at}];" for at, (t, _) in columns),
            "    EACH row[i] = 0;",
            "    for (u32 r = 0; live && r < table->n; r++) {",
            f"        u64 lanes = live & {tests[0]};",
            *(f"        if (lanes)\n            lanes &= {test};" for test in tests[1:]),
            "        settle_row(row, lanes, r + 1);",
            "        live &= ~lanes;",
            "    }",
            "}",
        ]
    )
