"""What can be asked for of a core beside its rules.

One idea: the same Plan and the same options give the same files, so a bundle keeps both, and what it holds can be
compared with what it should.
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.manifest import BEAT_BITS_DEFAULT, ROWS, Actions, Core

TOP = "sevenm_core"
"""Name of the core's Verilog module, unless another is asked for."""
CLOCK_PS = 4000
"""Period of the clock that the constraints state unless told otherwise: 250 MHz."""


@dataclass(frozen=True, slots=True)
class CoreOptions:
    """``top`` names the core's Verilog module; ``clock_ps`` is the period of the clock in the constraints, in
    picoseconds; ``beat_bits`` is what the core takes a cycle; with ``actions`` there is a stage behind it that does
    what the rules say; ``rows``, one of ``sevenm.manifest.ROWS``, says whether rows of tables are wired or in
    memories."""

    top: str = TOP
    clock_ps: int = CLOCK_PS
    beat_bits: int = BEAT_BITS_DEFAULT
    actions: Actions | None = None
    rows: str = ROWS[0]


def options_of(core: Core | None) -> CoreOptions:
    """What was asked for of a bundle's core."""
    if core is None:
        return CoreOptions()
    return CoreOptions(core.top, core.clock_ps, core.beat_bits, core.actions, core.rows)
