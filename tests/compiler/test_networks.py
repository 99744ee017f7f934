"""Networks by cleared bits: where they are used, and that they say what the reference says, at every edge."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler.backends.c.emit import generated
from sevenm.compiler.backends.c.networks import Network, network_tests
from sevenm.compiler.plan.graph import Graph
from tests.compiler.generated_c import BUILDS, build, expected, match, pack_events, plan_of

pytestmark = pytest.mark.needs("compiler")
SIZES = {2: 6, 4: 24, 8: 40}
"""Bytes of a value, and bits that its networks leave open."""
FIRSTS = (0, 5, 1 << 7)
"""Numbers of networks: so few, with what is none, that no loop over a table tests them."""


def graph() -> tuple[Graph, list[int]]:
    """Networks of values of three widths; and ranges that are none: of another start, of another size."""
    g, conditions = Graph(), []
    for size, bits in SIZES.items():
        value = g.load(g.false, 0, size)
        conditions += [g.member(value, [(at << bits, (at + 1 << bits) - 1)]) for at in FIRSTS]
        conditions += [g.member(value, [((at << bits) + 1, at + 1 << bits)]) for at in FIRSTS[1:]]
        conditions += [g.member(value, [(at << bits, (at + 1 << bits) - 2)]) for at in FIRSTS[1:]]
    return g, conditions


def test_tests_for_networks_of_one_size_share_a_column() -> None:
    g, conditions = graph()
    found = network_tests(g.nodes, conditions)
    assert len(found) == len(SIZES) * len(FIRSTS)
    assert {network for network, _ in found.values()} == {
        Network(g.load(g.false, 0, size), 1 << bits) for size, bits in SIZES.items()
    }
    assert [first for _, first in found.values()] == [at << bits for bits in SIZES.values() for at in FIRSTS]
    assert not network_tests(g.nodes, conditions[:2]), "two are too few"


@pytest.mark.parametrize("name", BUILDS)
def test_networks_say_what_the_reference_says(name: str, tmp_path: Path) -> None:
    g, conditions = graph()
    plan = plan_of(g, conditions)
    text = generated(plan)
    assert all(f"eqk_u{8 * size}(net_" in text for size in SIZES)
    packets = [
        ((at << bits) + edge).to_bytes(size, "big")
        for size, bits in SIZES.items() for at in (*FIRSTS, 1, 6, 1 << 7 | 1)
        for edge in (0, 1, (1 << bits) - 2, (1 << bits) - 1)
    ]  # fmt: skip
    buffer, events = pack_events(packets)
    (library,) = build([plan], tmp_path, BUILDS[name])
    wanted = expected(plan, buffer, events)
    assert (match(library, plan, buffer, events) == wanted).all()
    assert all(0 < held < len(packets) for held in wanted[: len(conditions)].sum(axis=1)), (
        "for some, and not for others"
    )
