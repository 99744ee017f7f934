"""What gateware does not do, said by name: the operation, and the rule that wants it."""

from __future__ import annotations

from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused

LACKS = {
    "old": "reads state",
    "known": "asks for state",
    "quo": "divides by a value that the event brings",
    "rem": "divides by a value that the event brings",
}
"""Operations that gateware has not, and what a rule with one does."""
COMPARISONS_MAX = 2048
"""Most keys of rows, in all tables together, that become comparisons. So many take about a minute to become Verilog and
a simulated core, and time and memory grow with them."""
_HINT = "put the rule into a file of its own for the host"


class NotInGateware(Refused):
    """The Plan asks for what gateware does not do; the message says what, and which rule wants it."""


def refuse(plan: Plan) -> None:
    """Raises NotInGateware for the first rule that needs an operation which gateware does not have, for state, and for
    the table with which rows become more than comparisons are made of."""
    needs: list[str | None] = []
    for node in plan.nodes:
        inner = next((needs[a] for a in node.args if needs[a]), None)
        needs.append(node.op if node.op in LACKS else inner)
    wanted = [(f"rule {rule.name}", ref) for rule in plan.rules for ref in (rule.when, *rule.operands)]
    for what, ref in (*wanted, ("parse.malformed", plan.malformed), ("parse.truncated", plan.truncated)):
        op = needs[ref]
        if op is not None:
            raise NotInGateware(f"{what} {LACKS[op]} ({op}), which gateware does not do; {_HINT}")
    if plan.states:
        raise NotInGateware(f"state {plan.states[0].name} is kept by the host only; {_HINT}")
    compared = 0
    for table in plan.tables:
        compared += len(table.rows) * len(table.keys)
        if compared > COMPARISONS_MAX:
            rows = f"{len(table.rows)} rows of {len(table.keys)} key" + "s" * (len(table.keys) > 1)
            raise NotInGateware(
                f"with the {rows} of table {table.name} there are {compared} comparisons, and gateware has at most "
                f"{COMPARISONS_MAX}; give the table fewer rows, or {_HINT}"
            )
