"""The tree that brings a value to its interval, followed step by step, against a search by halves."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sevenm.compiler.backends.c.nodes import NODE_STARTS, AxisNode, Tree, build


def starts_of(rng: random.Random, width: int, count: int, clusters: int) -> list[int]:
    """0 and ``count`` more values, near a few others."""
    near = [rng.getrandbits(width) for _ in range(clusters)]
    found = {0}
    while len(found) <= count:
        found.add((rng.choice(near) + rng.randrange(4 * count)) % (1 << width))
    return sorted(found)


def followed(tree: Tree, width: int, value: int) -> int:
    part = value >> width - tree.top_bits
    at = next(root for first, root in reversed(tree.top) if first <= part)
    for _ in range(tree.depth):
        node = tree.nodes[at]
        at = node.to[sum(start <= value for start in node.starts)]
    return at


def differ(tree: Tree, width: int, starts: Sequence[int]) -> int:
    """Values around every start of an interval that are led elsewhere."""
    edges = {min(max(start + d, 0), (1 << width) - 1) for start in starts for d in (-1, 0, 1)} | {(1 << width) - 1}
    return sum(followed(tree, width, value) != bisect_right(starts, value) - 1 for value in edges)


@pytest.mark.parametrize(("width", "count", "clusters"), [
    (32, 0, 1), (32, 1, 1), (17, 16, 3), (20, 60, 2), (32, 300, 200), (32, 300, 1), (32, 3000, 5), (24, 5000, 900),
])  # fmt: skip
def test_every_value_is_led_to_its_interval(width: int, count: int, clusters: int) -> None:
    starts = starts_of(random.Random(count + clusters), width, count, clusters)
    tree = build(width, 12, starts, range(len(starts)))
    assert differ(tree, width, starts) == 0
    assert all(len(node.starts) <= NODE_STARTS and len(node.to) == len(node.starts) + 1 for node in tree.nodes)
    assert 1 <= tree.top_bits <= 12
    if count:
        at, node = next((at, node) for at, node in enumerate(tree.nodes) if node.starts)
        wrong = AxisNode((node.starts[0] + 1, *node.starts[1:]), node.to)
        assert differ(replace(tree, nodes=(*tree.nodes[:at], wrong, *tree.nodes[at + 1 :])), width, starts)


@pytest.mark.parametrize(("count", "clusters", "depth"), [(16, 1, 1), (288, 1, 2), (4000, 3000, 1), (3000, 1, 3)])
def test_a_tree_is_as_deep_as_its_densest_part_needs(count: int, clusters: int, depth: int) -> None:
    starts = starts_of(random.Random(7), 32, count, clusters)
    assert build(32, 12, starts, range(len(starts))).depth == depth


def test_intervals_with_the_same_values_share_nodes() -> None:
    starts = [0, *(at << 20 | part for at in range(256) for part in (0, 1 << 19))]
    tree = build(32, 12, sorted(set(starts)), [at % 2 for at in range(len(set(starts)))])
    assert len(tree.nodes) < 300
