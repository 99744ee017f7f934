"""How much of a packet a pipeline has to look at before it can decide."""

from __future__ import annotations

from ..axis import BEAT_BYTES
from .description import Program


def reach(program: Program) -> int:
    """Bytes at the start of a packet that fields can read: at most the description's window, at least 1."""
    last = 1
    for node in program.nodes:
        if node.op == "load":
            at, count, _ = node.attrs
            last = max(last, min(program.nodes[node.args[0]].hi + at + count, program.window))
    return last


def window_beats(program: Program, beat_bytes: int = BEAT_BYTES) -> int:
    """Beats in the window: as many as fields reach, and as comparisons with ``captured`` need.

    With n beats of b bytes the core can tell 0 .. b n bytes and "more" apart; a comparison of ``captured`` needs more
    only if it can tell two larger counts apart.
    """
    most, limit = reach(program), program.captured_max
    for node in program.nodes:
        for position, arg in enumerate(node.args):
            if program.nodes[arg].op != "captured":
                continue
            if node.op == "member":
                # A range up to the limit has no upper end.
                ends = [hi + 1 for hi in node.attrs[1::2] if hi < limit]
                threshold = max([*node.attrs[0::2], *ends])
            elif node.op in ("eq", "lt"):
                other = program.nodes[node.args[1 - position]]
                strict = node.op == "lt" and position == 0
                threshold = other.hi if strict else other.hi + 1
            else:
                threshold = limit
            # "More" is one byte more than the beats have.
            most = max(most, min(threshold, limit) - 1)
    return -(-most // beat_bytes)
