"""Tables in the generated C: which row matches, and what it says.

One idea: shapes are compiled in, rows are not. A look-up finds the number of the row that counts, once for all that ask
with the same keys, and reads hits and values off it; rows come with ``sm_context`` and change while the engine runs.
Keys that the host cuts into ranges are searched by ``engine_lookups.h``, the segments of others by a function that is
written here, of the parts in ``engine_segments.h``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sevenm.compiler.backends.c.forms import ROW_KIND, Forms, column
from sevenm.compiler.backends.c.types import CType, type_of, type_of_interval
from sevenm.compiler.plan import Table
from sevenm.compiler.plan.names import name
from sevenm.compiler.plan.ops import Node

LOOKUP_COST = 64
"""What a look-up costs, where an operation on a column costs 1 a byte of its type."""
ROW = CType(32, False)


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
        self._searches: dict[int, str] = {}

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
        function = "value" if is_ranges(self.tables[number]) else "value_in_segments"
        text = f"{function}_{ctype.name}({target}, {self._row(forms, ref)}, c->tables + {number}, {at});"
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
                text = f"{self._search(forms, number)}({token}, c->tables + {number}, c->live, {keys});"
            forms.statement(text, together, (token,))
        return token

    def _search(self, forms: Forms, number: int) -> str:
        """The function that goes through a table's segments."""
        if number not in self._searches:
            self._searches[number] = forms.names.unique(f"find_{identifier('table', self.tables[number].name)}")
            forms.program.functions.append(_search_text(self._searches[number], self.tables[number]))
        return self._searches[number]


def is_ranges(table: Table) -> bool:
    """Whether the host cuts the keys into ranges: see ``sm_table``."""
    return len(table.keys) == 1 and table.keys[0].kind != "ternary"


def _search_text(function: str, table: Table) -> str:
    """Segment after segment, until every lane has found the first row that matches it."""
    columns = list(enumerate((width_type(key.width), key.kind) for key in table.keys))
    tests = [
        f"{'ternary' if kind == 'ternary' else 'rangek'}_{ctype.name}(key_{at}, a_{at}[r], b_{at}[r])"
        for at, (ctype, kind) in columns
    ]
    vectors = sum(ctype.bits // 8 if kind == "ternary" else 1 for _, (ctype, kind) in columns)
    return "\n".join(
        [
            f"static __attribute__((noinline)) void {function}(u32 *restrict row, const sm_table *table, u64 live,",
            f"    {', '.join(f'const {ctype.name} *key_{at}' for at, (ctype, _) in columns)})",
            "{",
            f"    u32 vector[{vectors}][LANES];",
            "    open_lanes open;",
            "    EACH row[i] = 0;",
            "    for (u32 s = 0; live && s < table->n; s++) {",
            "        const sm_segment *segment = table->segment[s];",
            "        const u32 number = 1 + s * SM_SEGMENT_ROWS;",
            "        if (segment->searched) {",
            "            u32 count = 0;",
            "            open_to(&open, live, segment);",
            *(
                f"            count += narrow_{ctype.name}(vector + count, key_{at}, &open, segment, {at});"
                for at, (ctype, _) in columns
            ),
            "            live &= ~settle_first(row, &open, vector, count, segment, number);",
            "            continue;",
            "        }",
            *(
                f"        const {ctype.name} *{end}_{at} = (const void *)in_segment(segment, segment->{end}[{at}]);"
                for at, (ctype, _) in columns for end in "ab"
            ),
            "        for (u32 r = 0; live && r < segment->rows; r++) {",
            f"            u64 lanes = live & {tests[0]};",
            *(f"            if (lanes)\n                lanes &= {test};" for test in tests[1:]),
            "            settle_row(row, lanes, number + r);",
            "            live &= ~lanes;",
            "        }",
            "    }",
            "}",
        ]
    )  # fmt: skip
