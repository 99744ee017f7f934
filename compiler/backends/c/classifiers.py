"""What looking a block's rules up costs the host, and which way it goes: comparators, bit vectors or recursive flow
classification.

One idea: costs are nanoseconds an event, counted on what was built (tests to run, vectors to combine, words to read)
with weights from ``bench/classify.py``. They need to be right only about which way is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c import recursive_flow
from sevenm.compiler.backends.c.bit_vectors import BitVectors, KeyAxis, MaskAxis, TooLarge, build
from sevenm.compiler.backends.c.recursive_flow import RecursiveFlow
from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.passes.cost import AUTO, Choice, Way, choose
from sevenm.compiler.passes.rows import Rows, rows_of
from sevenm.compiler.plan.ops import Node

COMPARATORS, BIT_VECTORS, RECURSIVE = "comparators", "bitvectors", "recursive"
CLASSIFIERS = (AUTO, COMPARATORS, BIT_VECTORS, RECURSIVE)
"""What can be asked for."""
UNIT = "ns an event"
TABLE_BYTES_MAX = 32 << 20
"""Tables of one block; past it the vectors are built without folding, and then not at all."""
TEST_BYTE_NS = 0.013
"""A byte compared with a constant."""
RULE_NS = 0.045
"""The conditions of a rule put together, and its place among the others."""
BASE_NS = 3.0
"""Bit vectors: the rule of each lane, and the results by rule."""
KEY_NS, MASK_NS, FOLD_NS = 0.8, 0.4, 0.4
AND_NS, WORD_NS = 0.4, 0.12
"""A vector, and a word of it that is read in order."""
GROUP_NS, DIRECT_NS = 2.0, 1.0
"""Recursive flow classification: a cell and a leaf, or a table of leaves."""
NEAR_CACHE_BITS = 18
FAR_NS = 0.8
"""Each time that the tables double past 256 KB."""
SEARCH_NS = 12.0
"""A vector with a summary: the words that are left are read one by one, from further away."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A block's choice, and the tables that were chosen, if any."""

    choice: Choice
    tables: BitVectors | RecursiveFlow | None


def lookup(block: str, mode: str, nodes: Sequence[Node], whens: Sequence[int], wish: str = AUTO) -> Lookup:
    """Chooses for the rules with these conditions, in this order. Raises ChoiceError if the wish cannot be had."""
    rows = rows_of(nodes, whens)
    vectors, by_vectors = _bit_vectors(nodes, rows)
    flow, by_flow = _recursive(nodes, rows, mode)
    ways = [_comparators(nodes, rows, len(whens)), by_vectors, by_flow]
    choice = choose(block, mode, len(whens), rows, UNIT, ways, wish)
    return Lookup(choice, {BIT_VECTORS: vectors, RECURSIVE: flow}.get(choice.chosen.name))


def _comparators(nodes: Sequence[Node], rows: Rows, rules: int) -> Way:
    tests = {(key, part) for row in rows.rows for key, part in zip(rows.keys, row.sets, strict=True)}
    whole = {(key, ((nodes[key].lo, nodes[key].hi),)) for key in rows.keys}
    work = sum(type_of(nodes[key]).bits // 8 * len(part) for key, part in tests - whole)
    detail = f"{len(tests - whole)} tests of keys"
    return Way(COMPARATORS, work * TEST_BYTE_NS + rules * RULE_NS, 0, detail)


def _bit_vectors(nodes: Sequence[Node], rows: Rows) -> tuple[BitVectors | None, Way]:
    """Built folded, then plain; closed if neither fits."""
    closed = "no rule has the form of rows" if not rows.rows else ""
    for fold in (True, False) if rows.rows else ():
        try:
            vectors = build(nodes, rows, fold)
        except TooLarge as error:
            closed = str(error)
            break
        if not vectors.axes:
            closed = "its rows differ in no key and no condition"
            break
        if vectors.table_bytes <= TABLE_BYTES_MAX:
            return vectors, Way(BIT_VECTORS, _cost(vectors, rows), vectors.table_bytes, _detail(vectors))
        closed = f"tables of {vectors.table_bytes >> 20} MB, and at most {TABLE_BYTES_MAX >> 20} are filled"
    return None, Way(BIT_VECTORS, 0.0, 0, "", closed)


def _cost(vectors: BitVectors, rows: Rows) -> float:
    keys = sum(isinstance(axis, KeyAxis) for axis in vectors.axes)
    masks = sum(isinstance(axis, MaskAxis) for axis in vectors.axes)
    front = keys * KEY_NS + masks * MASK_NS + (FOLD_NS if vectors.fold else 0)
    combine = vectors.ands * (SEARCH_NS if vectors.summary_words else AND_NS + vectors.words * WORD_NS)
    return BASE_NS + front + combine + len(rows.residue) * RULE_NS


def _detail(vectors: BitVectors) -> str:
    classes = ", ".join(str(len(axis.vectors)) for axis in vectors.axes)
    text = f"axes of {classes} classes" if vectors.axes else "no axis"
    if vectors.fold is not None:
        text += f"; {len(vectors.fold.parts)} folded into {len(vectors.fold.examples)}"
    return f"{text}; {vectors.ands} vectors of {vectors.words} words" + (
        " and a summary" if vectors.summary_words else ""
    )


def _recursive(nodes: Sequence[Node], rows: Rows, mode: str) -> tuple[RecursiveFlow | None, Way]:
    closed = ""
    if mode != "first":
        closed = f"it gives one rule, and of a block of {mode} rules every one is asked for"
    elif not rows.rows:
        closed = "no rule has the form of rows"
    else:
        try:
            flow = recursive_flow.build(nodes, rows)
        except TooLarge as error:
            closed = str(error)
        else:
            return flow, Way(RECURSIVE, _flow_cost(flow, rows), flow.table_bytes, _flow_detail(flow))
    return None, Way(RECURSIVE, 0.0, 0, "", closed)


def _flow_cost(flow: RecursiveFlow, rows: Rows) -> float:
    predicates = flow.predicates
    keys = 2 + sum(isinstance(axis, KeyAxis) for axis in predicates.axes)
    masks = len(predicates.axes) + 2 - keys
    front = keys * KEY_NS + masks * MASK_NS + len(predicates.pairs) * FOLD_NS
    doublings = max(0, (flow.table_bytes >> NEAR_CACHE_BITS).bit_length())
    far = doublings * FAR_NS
    groups = sum(DIRECT_NS if group.direct else GROUP_NS for group in flow.groups)
    return BASE_NS + front + groups + far + len(rows.residue) * RULE_NS


def _flow_detail(flow: RecursiveFlow) -> str:
    grids = " + ".join(f"{group.grid.shape[0]} x {group.grid.shape[1]}" for group in flow.groups)
    leaves = sum(len(group.leaves) for group in flow.groups)
    return f"grids of {grids} cells, {leaves} leaves; {len(flow.predicates.holds)} classes of predicates"
