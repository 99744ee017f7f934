"""A Plan as this target can compute it: what it sees, what it has, and what it refuses.

One idea: everything that gateware does otherwise than the Plan says is a pass before it, Plan to Plan, so that what is
written out afterwards means exactly what the reference evaluates.
"""

from __future__ import annotations

from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.plan import Plan

from .words import REFUSED, NotInGateware

WINDOW = 256
"""Bytes at the start of a packet that a core looks at unless told otherwise."""
WINDOW_MAX = 1024


def for_gateware(plan: Plan, window: int = WINDOW) -> Plan:
    """The Plan with its tables as comparisons and with ``punt`` set where ``window`` bytes are not enough. Raises
    NotInGateware for what gateware does not have."""
    if not 1 <= window <= WINDOW_MAX:
        raise ValueError(f"a window has 1 to {WINDOW_MAX} bytes, not {window}")
    _refuse(plan)
    return punt(inline_tables(plan), window)


def _refuse(plan: Plan) -> None:
    """Raises NotInGateware for the first rule that needs an operation which gateware does not have."""
    needs: list[str | None] = []
    for node in plan.nodes:
        inner = next((needs[a] for a in node.args if needs[a]), None)
        needs.append(node.op if node.op in REFUSED else inner)
    wanted = [(f"rule {rule.name}", ref) for rule in plan.rules for ref in (rule.when, *rule.operands)]
    for what, ref in (*wanted, ("parse.malformed", plan.malformed), ("parse.truncated", plan.truncated)):
        op = needs[ref]
        if op is not None:
            raise NotInGateware(
                f"{what} {REFUSED[op]} ({op}), which gateware does not do; "
                "build with --no-gateware, or put the rule into a file of its own for the host"
            )
    if plan.states:
        raise NotInGateware(
            f"state {plan.states[0].name} is kept by the host only; build with --no-gateware, or leave it out"
        )
