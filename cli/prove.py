"""sevenm prove: the core's Verilog says of every packet what the Plan says, or a packet of which it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused
from sevenm.host.bundle import Bundle
from sevenm.sim.proof.written import WrittenCore, core_of_bundle, core_of_plan, require_solver

from . import output
from .errors import Exit, Failure
from .signals import until_stopped
from .sources import plan_of_rules

BUDGET_S = 300.0


@click.command(
    epilog="\b\nExit codes: 0 proved; 1 refuted, or errors in the rules; 2 wrong usage; 3 the bundle or its Verilog "
    "cannot be read;\n4 gateware cannot do a rule, or Amaranth, Yosys or z3 is not installed; 5 undecided.",
)
@click.argument("rules", metavar="BUNDLE|RULES")
@click.option(
    "--budget", "budget_s", type=click.FloatRange(min=0, min_open=True), default=BUDGET_S, show_default=True,
    metavar="SECONDS", help="Time for the proof, beside that for reading the Verilog.",
)  # fmt: skip
@click.option("--counterexample", metavar="FILE", help="Write the packet that refutes it to FILE, as pcap.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prove(rules: str, budget_s: float, counterexample: str | None, as_json: bool) -> int:
    """Prove that the Verilog of a bundle, or of what a rule file becomes, gives every packet the verdict that its Plan
    means, with any bytes, length and sideband; or show a packet that gets another one.

    What is proved is the decision module with its latency; the shell around it, which carries packets, is tested
    (docs/gateware.md).

    \b
    Example:
      sevenm prove orders.bundle
      sevenm prove edge.7m --budget 600 --counterexample wrong.pcap
    """
    require_solver()
    from sevenm.sim.proof.prove import prove as proof_of  # needs z3, which `--help` does not

    from . import prove_report

    try:
        plan, core = _core(rules)
        with until_stopped(at_once=True), _progress() as say:
            proof = proof_of(plan, core, budget_s, say)
    except Refused as error:
        raise Failure(str(error), Exit.ENGINE) from error
    example = proof.counterexample
    if example is not None and counterexample is not None:
        prove_report.write(counterexample, example)
    if as_json:
        output.emit_json(prove_report.as_json(proof, core))
    else:
        prove_report.show(proof, core)
    return {"proved": Exit.OK, "refuted": Exit.FINDINGS, "undecided": Exit.UNDECIDED}[proof.verdict]


def _core(rules: str) -> tuple[Plan, WrittenCore]:
    """The Plan of a rule file or bundle, and the core that was written, or would be."""
    if not Path(rules).is_dir():
        plan = plan_of_rules(rules)
        return plan, core_of_plan(plan)
    from sevenm.bundles import plan_of  # a rule file is proved without what runs it

    bundle = Bundle.open(rules)
    return plan_of(bundle), core_of_bundle(bundle)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Shows the step on a terminal."""
    if not output.animated():
        yield lambda step: None
        return
    from rich.status import Status

    from . import tables

    with Status("proving", console=tables.console(stderr=True)) as status:
        yield status.update
