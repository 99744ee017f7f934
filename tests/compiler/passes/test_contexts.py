"""Conditions without what stands around them have the values that they had, and lose what was said twice."""

from __future__ import annotations

from itertools import product
from random import Random

from sevenm.compiler.passes.contexts import in_context
from sevenm.compiler.plan.graph import Graph, live
from sevenm.host.batch import EventBatch
from tests.compiler.generated_c import boundary_events, random_graph
from tests.compiler.passes.test_shapes import values


def simplified(g: Graph, ref: int) -> tuple[Graph, int]:
    graph = Graph()
    return graph, in_context(g.nodes, graph)[ref]


def bytes_of(g: Graph, count: int) -> list[int]:
    return [g.load(g.false, at, 1) for at in range(count)]


def all_frames(count: int, alphabet: range) -> EventBatch:
    """Every frame of that many bytes of an alphabet."""
    return EventBatch.from_bytes([bytes(frame) for frame in product(alphabet, repeat=count)])


def random_conditions(g: Graph, random: Random, count: int) -> list[int]:
    """Conditions over a few tests of three bytes: most say in part what those in them say."""
    values = bytes_of(g, 3)
    made = [g.eq(random.choice(values), g.const(random.randrange(3))) for _ in range(4)]
    made += [
        g.member(random.choice(values), [(low := random.randrange(3), low + random.randrange(2))]) for _ in range(4)
    ]
    made += [g.lt(values[0], g.add(values[1], g.const(plus))) for plus in (0, 1, 2)]
    for _ in range(count):
        parts = [random.choice(made) for _ in range(random.randint(2, 3))]
        joined = random.choice((g.all, g.any))(*parts)
        made.append(random.choice((joined, g.invert(joined))))
    return made[-count:]


def test_random_graphs_keep_their_values() -> None:
    for seed in range(12):
        g, conditions = random_graph(seed, 250)
        buffer, events = boundary_events(seed, 300)
        graph, batch = Graph(), EventBatch(buffer, events)
        new = in_context(g.nodes, graph)
        roots = [new[c] for c in conditions]
        assert (values(graph.nodes, roots, batch) == values(g.nodes, conditions, batch)).all(), seed


def test_conditions_that_repeat_themselves_keep_their_values_and_become_smaller() -> None:
    frames, smaller = all_frames(3, range(5)), 0
    for seed in range(40):
        g, graph = Graph(), Graph()
        conditions = random_conditions(g, Random(seed), 30)
        new = in_context(g.nodes, graph)
        roots = [new[c] for c in conditions]
        assert (values(graph.nodes, roots, frames) == values(g.nodes, conditions, frames)).all(), seed
        smaller += len(live(graph.nodes, roots[-1:])) < len(live(g.nodes, conditions[-1:]))
    assert smaller > 10


def test_what_stands_around_a_condition_is_not_asked_again() -> None:
    g = Graph()
    ip, short, long = (g.eq(x, g.const(1)) for x in bytes_of(g, 3))
    graph, new = simplified(g, g.all(ip, g.invert(g.any(short, g.all(g.invert(ip), long)))))
    here = [graph.eq(x, graph.const(1)) for x in bytes_of(graph, 2)]
    assert new == graph.all(here[0], graph.invert(here[1]))


def test_a_test_of_the_same_value_is_decided_by_its_ranges() -> None:
    g = Graph()
    x, y = bytes_of(g, 2)
    five, near, far = g.eq(x, g.const(5)), g.member(x, [(3, 9)]), g.member(x, [(7, 9), (20, 30)])
    other = g.eq(y, g.const(1))
    graph, new = simplified(g, g.all(five, g.any(g.all(near, other), far)))
    x, y = bytes_of(graph, 2)
    assert new == graph.all(graph.eq(x, graph.const(5)), graph.eq(y, graph.const(1)))
    graph, new = simplified(g, g.any(near, g.all(other, g.invert(five))))
    x, y = bytes_of(graph, 2)
    assert new == graph.any(graph.member(x, [(3, 9)]), graph.eq(y, graph.const(1)))


def test_a_lesser_bound_is_decided_by_a_greater_one() -> None:
    g = Graph()
    base, x = bytes_of(g, 2)
    room = {end: g.lt(g.captured(), g.add(base, g.const(end))) for end in (18, 34)}
    other = g.eq(x, g.const(1))
    graph, new = simplified(g, g.all(g.invert(room[34]), g.any(room[18], other)))
    base, x = bytes_of(graph, 2)
    late = graph.lt(graph.captured(), graph.add(base, graph.const(34)))
    assert new == graph.all(graph.invert(late), graph.eq(x, graph.const(1)))
    graph, new = simplified(g, g.all(room[18], g.any(g.invert(room[34]), other)))
    base, x = bytes_of(graph, 2)
    early = graph.lt(graph.captured(), graph.add(base, graph.const(18)))
    assert new == graph.all(early, graph.eq(x, graph.const(1)))


def test_two_that_say_the_same_do_not_leave_each_other_out() -> None:
    g = Graph()
    a, b, c, d = (g.eq(x, g.const(1)) for x in bytes_of(g, 4))
    frames = all_frames(4, range(2))
    for both in (
        g.all(g.invert(g.any(a, g.all(b, c))), g.invert(g.any(a, g.all(b, d)))),
        g.any(g.all(a, g.any(b, c)), g.all(a, g.any(b, d))),
        g.any(g.all(a, b, g.any(c, d)), g.all(g.invert(a), g.any(c, b)), g.all(c, d, g.any(a, b))),
    ):
        graph, new = simplified(g, both)
        assert (values(graph.nodes, [new], frames) == values(g.nodes, [both], frames)).all()
