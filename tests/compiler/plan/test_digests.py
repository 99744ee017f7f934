"""Two digests: names are in neither, rows in one, and everything else in the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.plan import BLOCK_RULES_MAX, Cell, Column, Key, Plan, PlanError, Row, State, Table, prune
from sevenm.compiler.plan.graph import Graph

TEXT = """
set inside = {10.0.0.0/8}
rules edge on packet first {
  rule web: tcp.dstport == 443 and ip.src in $inside => deliver web, count seen
  rule dns: udp.dstport == 53 => forward 3
  default => drop
}
"""


def plan() -> Plan:
    """Rules compiled from text, and a table and a state beside them."""
    made = compile_text(TEXT, "edge").plan
    g = Graph()
    key = g.load(g.false, 0, 2)
    extra = g.any(g.hit(0, [key]), g.eq(g.old(0, 0, 0, 65535), key))
    nodes, new = prune(g.nodes, [extra, key, g.false, g.true])
    table = Table("routes", (Key("exact", 16),), (Column("port", 0, 15),), 8).with_rows([Row(((5, 5),), (3,))])
    state = State("last", 4, 2, 0, (Cell("x", 0, 65535),), (16,), (new[key],), (new[key],), new[g.true], (new[key],))
    rule = replace(made.rules[0], when=new[extra], block=0)
    block = replace(made.blocks[0], start=0, stop=1)
    out = replace(
        made, nodes=nodes, rules=(rule,), blocks=(block,), malformed=new[g.false], truncated=new[g.false],
        punt=new[g.false], tables=(table,), states=(state,),
    )  # fmt: skip
    out.check()
    return out


def renamed(text: str) -> str:
    for name in ("inside", "edge", "web", "dns", "seen"):
        text = text.replace(name, f"other_{name}")
    return text.replace("count other_seen", "count s2")


def test_renaming_everything_changes_neither_digest() -> None:
    one, two = compile_text(TEXT, "edge").plan, compile_text("\n\n" + renamed(TEXT), "ledge").plan
    assert (one.structure, one.content) == (two.structure, two.content)
    assert one.to_json()["names"] != two.to_json()["names"]


def test_editing_rows_changes_the_content_alone() -> None:
    one = plan()
    two = one.with_rows([one.tables[0].with_rows([Row(((6, 6),), (2,)), Row(((7, 7),), (0,))])])
    assert one.structure == two.structure
    assert one.content != two.content
    assert one.digest != two.digest


def test_rows_for_another_shape_are_refused() -> None:
    one = plan()
    with pytest.raises(PlanError, match=r"^only rows can be changed: the tables given have other shapes"):
        one.with_rows([Table("routes", (Key("exact", 8),), (Column("port", 0, 15),), 8)])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


def changed(data: Any, path: tuple[Any, ...]) -> Any:
    data = copy.deepcopy(data)
    at = data
    for step in path[:-1]:
        at = at[step]
    old = at[path[-1]]
    at[path[-1]] = (
        (not old) if isinstance(old, bool) else 1 if old is None else old + 1 if isinstance(old, int) else f"{old}x"
    )
    return data


@pytest.mark.parametrize("make", [plan, lambda: compile_text(TEXT, "edge").plan])
def test_every_part_of_the_structure_is_in_its_digest(make: Any) -> None:
    """Each number, word and flag of it, one after the other: another digest, or no Plan at all."""
    one = make()
    data = one.to_json()
    read = 0
    for path in leaves(data["structure"], ("structure",)):
        try:
            two = Plan.from_json(changed(data, path))
        except PlanError:
            continue
        read += 1
        assert two.structure != one.structure, path
    assert read > 10


def test_a_plan_is_read_back_as_it_was_written() -> None:
    for one in (plan(), compile_text(TEXT, "edge").plan):
        two = Plan.from_json(one.to_json())
        assert two == one
        assert two.to_json() == one.to_json()


def test_an_older_plan_is_refused_with_a_sentence() -> None:
    with pytest.raises(PlanError, match=r"^expected a Plan of format 2, found 1; build it again with this version$"):
        Plan.from_json({"format": 1, "nodes": []})


def test_a_block_has_no_more_rules_than_look_ups_number() -> None:
    made = plan()
    many = replace(made, rules=made.rules * BLOCK_RULES_MAX, blocks=(replace(made.blocks[0], stop=BLOCK_RULES_MAX),))
    many.check()
    block = replace(many.blocks[0], stop=BLOCK_RULES_MAX + 1)
    more = replace(many, rules=many.rules + made.rules, blocks=(block,))
    with pytest.raises(PlanError, match=r"^a block holds at most 65535 rules, edge has 65536$"):
        more.check()
    halves = (replace(block, stop=1), replace(block, start=1))
    later = tuple(replace(rule, block=1) for rule in more.rules[1:])
    replace(more, rules=(more.rules[0], *later), blocks=halves).check()
