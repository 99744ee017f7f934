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
HINT = "put the rule into a file of its own for the host"


class NotInGateware(Refused):
    """The Plan asks for what gateware does not do; the message says what, and which rule wants it."""


def refuse(plan: Plan) -> None:
    """Raises NotInGateware for the first rule that needs an operation which gateware does not have, and for
    state."""
    needs: list[str | None] = []
    for node in plan.nodes:
        inner = next((needs[a] for a in node.args if needs[a]), None)
        needs.append(node.op if node.op in LACKS else inner)
    wanted = [(f"rule {rule.name}", ref) for rule in plan.rules for ref in (rule.when, *rule.operands)]
    for what, ref in (*wanted, ("parse.malformed", plan.malformed), ("parse.truncated", plan.truncated)):
        op = needs[ref]
        if op is not None:
            raise NotInGateware(f"{what} {LACKS[op]} ({op}), which gateware does not do; {HINT}")
    if plan.states:
        raise NotInGateware(f"state {plan.states[0].name} is kept by the host only; {HINT}")
