"""Operations: what is stated of each of them once has to hold, and whoever lacks one is told at import."""

from __future__ import annotations

import random

import pytest

from sevenm.compiler.plan.ops import OPS, Node, RangeError, complete, interval

VALUED = sorted(name for name, op in OPS.items() if op.exact is not None and name != "const")


def test_a_missing_case_is_named_at_import() -> None:
    cases = set(OPS) - {"mux", "shl"}
    with pytest.raises(NotImplementedError, match=r"^the test has no case for the operations mux, shl$"):
        complete(cases, "the test")
    with pytest.raises(NotImplementedError, match=r"^the test has no case for the operation mux$"):
        complete(cases, "the test", refuses={"shl"})
    complete(cases, "the test", refuses={"shl", "mux"})


def test_a_case_for_nothing_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match=r"^the test names the operation frobnicate$"):
        complete([*OPS, "frobnicate"], "the test")
    with pytest.raises(NotImplementedError, match=r"^the test both has and refuses the operation add$"):
        complete(OPS, "the test", refuses={"add"})


def _operands(op: str, r: random.Random) -> list[Node]:
    count = r.randint(OPS[op].least, min(OPS[op].most, 4))
    out = []
    for _ in range(count):
        lo = r.choice([0, 0, -r.getrandbits(r.randint(1, 60))])
        out.append(Node("load", (), (), lo, lo + r.getrandbits(r.randint(1, 60))))
    if op in ("all", "any", "not"):
        return [Node("lt", (), (), 0, 1)] * count
    if op == "mux":
        out[0] = Node("lt", (), (), 0, 1)
    if op in ("quo", "rem", "shl", "shr", "signed"):
        out = [Node("load", (), (), 0, node.hi - node.lo) for node in out]
    if op in ("shl", "shr"):
        out[1] = Node("load", (), (), 0, r.randint(0, 60))
    return out


def _attrs(op: str, args: list[Node], r: random.Random) -> tuple[int, ...]:
    match op:
        case "bits":
            return r.randint(0, 64), r.randint(1, 64)
        case "signed":
            return (args[0].width + r.randint(0, 2),)
        case "div" | "mod":
            return (r.randint(1, 1 << 20),)
        case "member":
            edges = sorted(r.sample(range(args[0].lo, args[0].lo + 4 * 8, 2), 4)) if args[0].hi > 64 else []
            return tuple(edges) if edges and edges[-1] <= args[0].hi else (args[0].lo, args[0].lo)
        case _:
            return ()


@pytest.mark.parametrize("op", VALUED)
def test_values_lie_in_the_stated_interval(op: str) -> None:
    r = random.Random(op)
    exact, tried = OPS[op].exact, 0
    assert exact is not None
    while tried < 300:
        args = _operands(op, r)
        attrs = _attrs(op, args, r)
        assert OPS[op].fits(args, attrs)
        try:
            lo, hi = interval(op, args, attrs)
        except RangeError:
            continue
        for ends in (lambda n: n.lo, lambda n: n.hi, lambda n: r.randint(n.lo, n.hi)):
            value = exact([ends(node) for node in args], attrs)
            assert lo <= value <= hi, (args, attrs)
        tried += 1


@pytest.mark.parametrize(
    ("op", "operands", "value"),
    [
        ("quo", (7, 2), 3), ("quo", (7, 0), 0), ("rem", (7, 2), 1), ("rem", (7, 0), 0), ("shl", (3, 4), 48),
        ("shr", (48, 4), 3), ("shr", (1, 127), 0),
    ],
)  # fmt: skip
def test_division_and_shifts_by_a_value_are_total(op: str, operands: tuple[int, int], value: int) -> None:
    exact = OPS[op].exact
    assert exact is not None
    assert exact(operands, ()) == value
