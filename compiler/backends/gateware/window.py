"""How much of an event the gateware has to look at before it can decide."""

from __future__ import annotations

from sevenm.compiler.plan import Plan

BEAT_BYTES = 64
WINDOW = 256
"""Bytes at the start of an event that the core can see."""


def window_beats(plan: Plan) -> int:
    """Beats in the window, 1 to 4: as many as loads reach, and as comparisons with ``seen`` need.

    With n beats the core can tell 0 .. 64 n bytes and "more" apart; a comparison of ``seen`` needs more only if it
    can tell two larger counts apart.
    """
    most = min(plan.reach, WINDOW)
    for node in plan.nodes:
        for position, arg in enumerate(node.args):
            if plan.nodes[arg].op != "captured":
                continue
            if node.op == "member":
                # A range up to WINDOW has no upper end.
                ends = [hi + 1 for hi in node.attrs[1::2] if hi <= WINDOW]
                threshold = max([*node.attrs[0::2], *ends])
            elif node.op in ("eq", "lt"):
                other = plan.nodes[node.args[1 - position]]
                strict = node.op == "lt" and position == 0
                threshold = other.hi if strict else other.hi + 1
            else:
                threshold = WINDOW
            # seen >= threshold is bit threshold - 1 of `visible`, which has 64 n + 1 bits.
            most = max(most, min(threshold, WINDOW + 1) - 1)
    return min(-(-most // BEAT_BYTES), WINDOW // BEAT_BYTES)


def window_bytes(plan: Plan) -> int:
    """Bytes of the window that loads can read."""
    return min(plan.reach, BEAT_BYTES * window_beats(plan))
