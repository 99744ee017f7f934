"""What a pipeline is made of, each part against plain Python: members, dividers, aligners, winners, times."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.hdl.pipeline import Description, First, Rule, any_of, captured, field, mux, one_of
from sevenm.hdl.pipeline.align import Span, align
from sevenm.hdl.pipeline.description import WINDOW, program
from sevenm.hdl.pipeline.divide import offset, quotient, remainder
from sevenm.hdl.pipeline.expr import Expr
from sevenm.hdl.pipeline.members import MemberBuilder, invert_ranges, merge, unsigned_ranges
from sevenm.hdl.pipeline.netlist import FAN_IN, TABLE_BITS, Netlist
from sevenm.hdl.pipeline.reach import window_beats
from sevenm.hdl.pipeline.resolve import first, lowest
from sevenm.hdl.pipeline.retime import retime
from sevenm.hdl.pipeline.schedule import schedule
from sevenm.hdl.pipeline.values import possible_values


def value_of(nets: Netlist, ref: int, inputs: dict[int, int]) -> int:
    """The value of a net, by the meaning that ``netlist`` states."""
    known: dict[int, int] = dict(inputs)
    for at, net in enumerate(nets.nets[: ref + 1]):
        if at in known:
            continue
        if any(a not in known for a in net.args):
            continue
        args = [known[a] for a in net.args]
        match net.op:
            case "const":
                value = net.attrs[0]
            case "slice":
                value = (args[0] >> net.attrs[0]) & ((1 << net.attrs[1]) - 1)
            case "signed":
                value = args[0] - (1 << net.width) if args[0] >> (net.width - 1) else args[0]
            case "not":
                value = 1 - args[0]
            case "pair":
                value = args[0] | args[1] << 1
            case "concat":
                value = sum(bit << i for i, bit in enumerate(args))
            case "table":
                value = net.attrs[0] >> args[0] & 1
            case "all":
                value = int(all(args))
            case "any":
                value = int(any(args))
            case "mux":
                value = args[1] if args[0] else args[2]
            case "select":
                value = args[1 + args[0]]
            case "add":
                value = args[0] + args[1]
            case "mul":
                value = args[0] * args[1]
            case "align":
                unit, length, *offsets = net.attrs
                start = offsets[args[1]] * unit
                value = (args[0] >> start if start >= 0 else args[0] << -start) & ((1 << unit * length) - 1)
            case _:
                continue
        assert (value if not net.is_signed else abs(value)) >> net.width == 0, f"{net.op} overflows"
        known[at] = value
    return known[ref]


def source(nets: Netlist, width: int, is_signed: bool = False) -> int:
    """An input of some width: the nets' own input of 16 bits has no other width, so a vector's is used."""
    return nets.make("window", (), (), width, is_signed)


widths = st.integers(1, 40)


@st.composite
def value_sets(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    width = draw(widths)
    ends = st.integers(0, (1 << width) - 1)
    pairs = draw(st.lists(st.tuples(ends, ends), min_size=1, max_size=8))
    return width, [(min(p), max(p)) for p in pairs]


@given(value_sets(), st.data())
def test_membership_is_that_of_the_ranges(case: tuple[int, list[tuple[int, int]]], data: st.DataObject) -> None:
    width, ranges = case
    nets = Netlist(3)
    x = source(nets, width)
    test = nets.all(MemberBuilder(nets).terms(x, merge(ranges)))
    edges = {v + d for pair in ranges for v in pair for d in (-1, 0, 1)}
    values = [v for v in edges if 0 <= v < 1 << width]
    values.append(data.draw(st.integers(0, (1 << width) - 1)))
    for value in values:
        assert value_of(nets, test, {x: value}) == any(lo <= value <= hi for lo, hi in ranges)


def test_only_small_tables_and_gates_are_made() -> None:
    nets = Netlist(3)
    x = source(nets, 128)
    MemberBuilder(nets).terms(x, ((5, 1 << 90), ((1 << 127) + 3, (1 << 128) - 7)))
    for net in nets.nets:
        if net.op in ("all", "any"):
            assert 2 <= len(net.args) <= FAN_IN
        if net.op == "table":
            assert nets[net.args[0]].width <= TABLE_BITS


def test_constants_with_an_equal_upper_half_share_its_gates() -> None:
    nets = Netlist(3)
    members = MemberBuilder(nets)
    x = source(nets, 32)
    nets.all(members.terms(x, ((0x0A000001, 0x0A000001),)))
    before = len(nets.nets)
    nets.all(members.terms(x, ((0x0A000002, 0x0A000002),)))
    made = nets.nets[before:]
    assert sum(net.op == "table" for net in made) == 1
    assert sum(net.op == "all" for net in made) == 2


def test_ranges_are_merged_inverted_and_read_as_unsigned() -> None:
    assert merge([(5, 9), (0, 2), (3, 4), (20, 30), (25, 26)]) == ((0, 9), (20, 30))
    assert invert_ranges([(0, 3), (8, 9)], 15) == ((4, 7), (10, 15))
    assert invert_ranges([], 3) == ((0, 3),)
    assert unsigned_ranges([(-8, -7), (-1, 2)], 4) == ((0, 2), (8, 9), (15, 15))


@given(st.integers(1, 70), st.integers(2, 1 << 36), st.data())
def test_division_by_a_constant_is_exact(width: int, divisor: int, data: st.DataObject) -> None:
    nets = Netlist(3)
    x = source(nets, width)
    q = quotient(nets, x, divisor, max(1, (((1 << width) - 1) // divisor).bit_length()))
    r = remainder(nets, MemberBuilder(nets), x, divisor)
    top = (1 << width) - 1
    near = [k * divisor + d for k in (0, 1, top // divisor) for d in (-1, 0, 1)]
    for value in [*near, top, data.draw(st.integers(0, top))]:
        if 0 <= value <= top:
            assert value_of(nets, q, {x: value}) == value // divisor
            assert value_of(nets, r, {x: value}) == value % divisor


def test_division_rounds_down_below_zero() -> None:
    nets = Netlist(3)
    x = source(nets, 8, True)
    y, count = offset(nets, x, -128, 7)
    r = remainder(nets, MemberBuilder(nets), y, 7)
    q = quotient(nets, y, 7, 6)
    for value in range(-128, 128):
        assert value_of(nets, r, {x: value}) == value % 7
        assert value_of(nets, q, {x: value}) - count == value // 7


@given(st.sets(st.integers(0, WINDOW - 1), min_size=1, max_size=40), st.integers(-1, 20), st.integers(1, 12))
def test_an_aligner_brings_every_possible_start_to_its_place(starts: set[int], first: int, count: int) -> None:
    values = [v for v in starts if v + first >= 0]
    if not values:
        return
    choose = random.Random(len(values))
    data = choose.randbytes(WINDOW)
    nets = Netlist(3)
    vector, start = source(nets, 8 * WINDOW), nets.make("size", width=8)
    found = align(nets, vector, 8, start, values, Span(first, first + count))
    assert found is not None
    padded = data + bytes(64)
    for value in values:
        word = value_of(nets, found.vector, {vector: int.from_bytes(data, "little"), start: value})
        for d in range(first, first + count):
            assert word >> 8 * (found.at + d) & 0xFF == padded[value + d]


def test_two_bits_tell_the_three_places_behind_vlan_tags_apart() -> None:
    nets = Netlist(3)
    vector, start = source(nets, 8 * WINDOW), nets.make("size", width=5)
    align(nets, vector, 8, start, (14, 18, 22), Span(0, 20))
    assert sum(net.op == "align" for net in nets.nets) == 1
    assert align(nets, vector, 8, start, (), Span(0, 20)) is None


def test_header_starts_have_few_values() -> None:
    class Headers(Description):
        l3 = mux(field(at=12, bytes=2) == 0x8100, 18, 14)
        l4 = l3 + field(l3, bytes=1)[0:4] * 4
        far = l4 + field(l4, at=1, bytes=2) * 8
        block = First(Rule(field(far, bytes=1) == 1))

    what = program(Headers)
    values = possible_values(what.nodes)
    at = {name: node for node, name in what.names.items()}
    assert values[at["l3"]].items == (14, 18)
    assert values[at["l4"]].items == tuple(range(14, 79, 4))
    assert values[at["far"]].items is None
    assert values[at["far"]].below(what.nodes[at["far"]], 40) == [14, 18, 22, 26, 30, 34, 38]


@given(st.integers(1, 70), st.data())
def test_the_first_condition_wins(count: int, data: st.DataObject) -> None:
    nets = Netlist(3)
    inputs = [nets.make("flag", (), (i,)) for i in range(count)]
    winner = first(nets, inputs)
    bits = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    bits[: data.draw(st.integers(0, count))] = []
    bits = [0] * (count - len(bits)) + bits
    known = dict(zip(inputs, bits, strict=True))
    assert value_of(nets, winner.hit, known) == int(1 in bits)
    number = [winner.pick([nets.const(i >> b & 1) for i in range(count)]) for b in range(count.bit_length())]
    if 1 in bits:
        assert sum(value_of(nets, n, known) << b for b, n in enumerate(number)) == bits.index(1)


@given(st.integers(2, 40), st.data())
def test_the_lowest_bit_has_a_number(width: int, data: st.DataObject) -> None:
    nets = Netlist(3)
    x = source(nets, width)
    number = lowest(nets, x)
    value = data.draw(st.integers(0, (1 << width) - 1))
    assert value_of(nets, number, {x: value}) == (max(0, (value & -value).bit_length() - 1))


def test_a_winner_is_told_by_few_nets_of_little_depth() -> None:
    nets = Netlist(1)
    inputs = [nets.make("flag", (), (i,)) for i in range(1024)]
    before = len(nets.nets)
    winner = first(nets, inputs)
    told = [winner.hit, *(winner.pick([nets.const(i >> b & 1) for i in range(1024)]) for b in range(10))]
    assert max(nets[t].stage for t in told) <= 12
    made = [net for net in nets.nets[before:] if net.op in ("all", "any", "table", "select")]
    assert len(made) <= 2.2 * 1024
    assert max(net.width for net in nets.nets) <= 4, "nothing is as wide as the rules"


def test_waiting_values_are_carried_in_the_fewest_bits() -> None:
    def total(comparisons: int) -> tuple[int, list[int]]:
        nets = Netlist(3)
        window = nets.make("window", width=512)
        early = nets.make("bytes", (window,), (0, 4, 0), 32)
        late = nets.make("flag", (window,), (1,))
        for _ in range(10):
            late = nets.make("mask", (late, late), (), 1, False, 3)
        members = MemberBuilder(nets)
        tests = [nets.all(members.terms(early, ((v, v),))) for v in range(0, 97 * comparisons, 97)]
        roots = [nets.all((t, late)) for t in tests]
        stages, latency = retime(nets, roots)
        made = [stages[r] for r in tests]
        widths = [len(s.carried) for s in schedule(nets, roots).stages]
        assert latency == 11
        return max(widths[2:9]), made

    one_width, one = total(1)
    assert one == [0] or one == [1]
    assert one_width <= 3
    _, many = total(300)
    assert min(many) >= 8


@pytest.mark.parametrize(
    ("condition", "beats"),
    [
        (field(at=10, bytes=4) == 1, 1),
        (field(at=63, bytes=2) == 1, 2),
        (captured < 64, 1),
        (captured == 64, 1),
        (captured < 65, 1),
        (captured < 66, 2),
        (captured == 128, 2),
        (captured > 200, 4),
        (captured > 256, 4),
        (captured % 2 == 1, 4),
        (one_of(captured, range(10, 21), range(60, 258)), 1),
    ],
)
def test_the_window_is_as_long_as_conditions_need(condition: Expr, beats: int) -> None:
    class Short(Description):
        block = First(Rule(any_of(condition, condition)))

    assert window_beats(program(Short)) == beats


def test_levels_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"^levels between registers must be at least 1, not 0$"):
        Netlist(0)


def test_tables_of_more_than_four_bits_are_refused() -> None:
    nets = Netlist(3)
    with pytest.raises(ValueError, match=r"^a table takes at most 4 bits, not 5$"):
        nets.table(source(nets, 5), 1)
