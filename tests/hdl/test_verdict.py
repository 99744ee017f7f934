"""The bits of a verdict: what is told can be read back, and does not grow with the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.hdl.verdict import WORD, BlockShape, blocks_width, verdict_layout


@given(st.integers(0, 200), st.data())
def test_what_is_told_can_be_read_back(rules: int, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.integers(0, rules - 1), max_size=5)) if rules else set()
    for mode in ("first", "all"):
        shape = BlockShape("b", mode, rules)
        fired = sorted(some)[:1] if mode == "first" else sorted(some)
        bits, too_many = shape.encode(fired)
        assert bits >> shape.width == 0
        assert too_many == (mode == "all" and rules > WORD and len({r // WORD for r in fired}) > 2)
        if not too_many:
            assert shape.decode(bits) == fired


@pytest.mark.parametrize(
    ("mode", "rules", "parts"),
    [
        ("first", 0, (("index", 0),)),
        ("first", 1, (("index", 1),)),
        ("first", 1023, (("index", 10),)),
        ("first", 1024, (("index", 11),)),
        ("all", 0, (("fired", 0),)),
        ("all", 32, (("fired", 32),)),
        ("all", 64, (("valid0", 1), ("number0", 1), ("bits0", 32), ("valid1", 1), ("number1", 1), ("bits1", 32))),
        ("all", 4096, (("valid0", 1), ("number0", 7), ("bits0", 32), ("valid1", 1), ("number1", 7), ("bits1", 32))),
    ],
)
def test_the_parts_are_as_wide_as_they_have_to_be(mode: str, rules: int, parts: tuple[tuple[str, int], ...]) -> None:
    assert BlockShape("b", mode, rules).parts == parts


def test_the_layout_has_a_bit_of_everything() -> None:
    empty = verdict_layout([], 0)
    assert (empty["blocks"].width, empty["channels"].width, empty.size) == (1, 1, 22)
    blocks = [BlockShape("a", "first", 5), BlockShape("b", "all", 7)]
    assert blocks_width(blocks) == verdict_layout(blocks, 3)["blocks"].width == 10


def test_channels_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match=r"^the number of channels must not be negative, not -1$"):
        verdict_layout([], -1)
