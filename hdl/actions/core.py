"""A core with the stage behind it as one: packets in, and out what the rules say is to go on.

One idea: the core is not made once more. In Python it is the component; in Verilog it is an instance of the module that
stands in its own file, so that what was simulated, proved and placed alone is what stands in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sevenm.hdl.axis import PacketStream
from sevenm.hdl.core import PacketCore
from sevenm.hdl.verdict import BlockShape

from .counters import COUNT_BITS
from .destination import Destinations
from .stage import ActionStage


@dataclass(frozen=True, slots=True)
class CoreModule:
    """A core that is a module of Verilog: its name, and what a stage behind it has to know."""

    name: str
    beat_bytes: int
    blocks: tuple[BlockShape, ...]
    n_channels: int


class ActionCore(wiring.Component):
    """A core and an ActionStage behind it. Raises TooManyCounted.

    Members
    -------
    s_axis : In(PacketStream), m_axis : Out(PacketStream)
    counter_rule : In, counter_packets : Out               as in ActionStage
    """

    def __init__(self, core: PacketCore | CoreModule, destinations: Destinations, in_band: bool = False) -> None:
        self.core = core
        shape = core if isinstance(core, CoreModule) else core.decision
        self.stage = ActionStage(shape.beat_bytes, shape.blocks, shape.n_channels, destinations, in_band)
        super().__init__(
            {
                "s_axis": In(PacketStream(shape.beat_bytes)),
                "m_axis": Out(PacketStream(shape.beat_bytes)),
                "counter_rule": In(len(self.stage.counter_rule)),
                "counter_packets": Out(COUNT_BITS),
            }
        )

    def ports(self) -> dict[str, tuple[Any, None]]:
        """Flat names for the Verilog module, as ``amaranth.back.verilog.convert`` takes them."""
        return {"_".join(map(str, path)): (value, None) for path, _, value in self.signature.flatten(self)}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.stage = stage = self.stage
        if isinstance(self.core, CoreModule):
            verdict = stage.s_verdict
            marks = {f"o_m_verdict_{name}": getattr(verdict, name) for name in verdict.signature.members}
            m.submodules.core = Instance(
                self.core.name,
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                **self._wires("s_axis", self.s_axis, taken=True),
                **self._wires("m_axis", stage.s_axis, taken=False),
                **marks,
            )
        else:
            m.submodules.core = core = self.core
            wiring.connect(m, wiring.flipped(self.s_axis), core.s_axis)
            wiring.connect(m, core.m_axis, stage.s_axis)
            wiring.connect(m, core.m_verdict, stage.s_verdict)
        wiring.connect(m, stage.m_axis, wiring.flipped(self.m_axis))
        m.d.comb += [stage.counter_rule.eq(self.counter_rule), self.counter_packets.eq(stage.counter_packets)]
        return m

    def _wires(self, prefix: str, stream: Any, taken: bool) -> dict[str, Any]:
        """The instance's arguments for a stream that the core takes or gives."""
        out = {}
        for name in PacketStream(self.stage.beat_bytes).members:
            is_input = (name != "tready") == taken
            out[f"{'i' if is_input else 'o'}_{prefix}_{name}"] = getattr(stream, name)
        return out
