"""The stage behind a core as Verilog: what the rules' actions come to, in gateware."""

from __future__ import annotations

from sevenm.compiler.backends.gateware.emit import plain
from sevenm.compiler.backends.gateware.memories import memory_slots
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.backends.gateware.refuse import NotInGateware
from sevenm.compiler.backends.gateware.verilog import verilog_of
from sevenm.compiler.plan import Plan
from sevenm.hdl.actions.core import ActionCore, CoreModule
from sevenm.hdl.actions.counters import TooManyCounted, refuse
from sevenm.hdl.actions.destination import Destinations
from sevenm.hdl.verdict import BlockShape


def actions_verilog(plan: Plan, options: CoreOptions) -> str:
    """Module ``<top>_actions``, which has an instance of the core and needs its Verilog beside it. Raises NotInGateware
    for a block with more rules than are counted."""
    asked = options.actions
    if asked is None:
        raise ValueError("no actions were asked for")
    shapes = tuple(BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks)
    if any(memory_slots(plan, options.rows)):
        raise NotInGateware(
            "the stage that does the actions stands before a core whose rows are wired, and here tables are memories; "
            "build without --actions, or with --rows wired"
        )
    try:
        refuse(shapes)
    except TooManyCounted as error:
        raise NotInGateware(str(error)) from error
    core = CoreModule(options.top, options.beat_bits // 8, shapes, len(plan.channels))
    stage = ActionCore(core, Destinations(asked.destinations, asked.numbers), asked.in_band)
    header = f"// Actions of Plan {plain(plan.name)}, behind its core {options.top}\n// digest  {plan.digest}\n"
    return header + verilog_of(stage, f"{options.top}_actions")
