"""sevenm synth: what the core of a rule file costs, and how fast its clock can be."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import click

from sevenm.compiler.refusal import Refused
from sevenm.sim.synthesis.synthesize import SEEDS_MAX, Core, Synthesis, core_of, synthesize
from sevenm.sim.synthesis.targets import TARGETS, Target

from . import output, synth_report
from .choices import marks_option, width_option
from .errors import Exit, Failure
from .signals import until_stopped
from .sources import plan_of_rules

CLOCK_MAX_MHZ = 1000.0
SEEDS_DEFAULT = 3


@click.command(
    epilog="\b\nExit codes: 0 done, and the clock asked for is reached; 1 errors in the rules, or it is not reached; "
    "2 wrong usage;\n3 the core does not fit, or cannot be mapped, placed or routed; 4 gateware cannot do a rule, or "
    "Amaranth, Yosys or nextpnr is not installed.",
)
@click.argument("rules", metavar="RULES|BUNDLE")
@click.option(
    "--target",
    type=click.Choice(sorted(TARGETS)),
    default="ecp5",
    show_default=True,
    help="ecp5: mapped, placed and routed for ECP5-85, speed grade 8; xcup: only mapped, estimates for UltraScale+.",
)
@click.option(
    "--clock", "clock_mhz", type=click.FloatRange(1, CLOCK_MAX_MHZ), metavar="MHZ",
    help="The clock that is wanted: reached if the median of the seeds is as fast.",
)  # fmt: skip
@click.option(
    "--seeds", "n_seeds", type=click.IntRange(1, SEEDS_MAX), metavar="N",
    help=f"Place and route N times, from different beginnings. Default: {SEEDS_DEFAULT}.",
)  # fmt: skip
@width_option
@marks_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--report", metavar="FILE", help="Also write that object to FILE.")
def synth(
    rules: str, target: str, clock_mhz: float | None, n_seeds: int | None, beat_bits: int, marks: bool, as_json: bool,
    report: str | None,
) -> int:  # fmt: skip
    """Map the core of a rule file or bundle with Yosys, place and route it with nextpnr, and show what it costs, how
    fast its clock is, and which rules and fields lie on its longest path.

    The core is placed by itself: its ports are no pads, and no path over them counts. Minutes for large cores; what was
    done before is kept in the cache.

    \b
    Example:
      sevenm synth edge.7m --clock 100
      sevenm synth edge.bundle --target xcup
    """
    chosen = TARGETS[target]
    if not chosen.is_placed and (clock_mhz is not None or n_seeds is not None):
        raise click.UsageError(f"--target {target} is mapped and not placed: there is no clock and there are no seeds.")
    try:
        core = core_of(plan_of_rules(rules), beat_bits, marks)
    except Refused as error:
        raise Failure(str(error), Exit.ENGINE) from error
    done = _synthesized(core, chosen, range(1, (n_seeds or SEEDS_DEFAULT) + 1))
    body = synth_report.as_json(done, clock_mhz)
    if report is not None:
        _write(report, json.dumps(body, indent=2) + "\n")
    if as_json:
        output.emit_json(body)
    else:
        synth_report.show(done, clock_mhz)
    return Exit.OK if _reached(done, clock_mhz) else Exit.FINDINGS


def _synthesized(core: Core, target: Target, seeds: Sequence[int]) -> Synthesis:
    """With progress on a terminal. Ended by SIGINT or SIGTERM, it leaves no process and no file behind."""
    with until_stopped(at_once=True):
        if not output.animated():
            return synthesize(core, target, seeds)
        from rich.status import Status

        from . import tables

        with Status("synthesizing", console=tables.console(stderr=True)) as status:
            return synthesize(core, target, seeds, lambda step: status.update(f"synthesizing: {step}"))


def _reached(done: Synthesis, clock_mhz: float | None) -> bool:
    return clock_mhz is None or (done.clock_mhz or math.nan) >= clock_mhz


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"{click.format_filename(name)}: the report cannot be written: {reason}") from error
