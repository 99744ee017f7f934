"""What a decision pipeline looks like from outside: a window goes in, a verdict comes out some cycles later.

One idea: the pipeline never stalls and knows nothing of packets, so its interface is plain data and one number,
its latency; ``valid`` is the core's affair.
"""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES

PORTS = 16
"""Forward ports, one bit each."""


def verdict_layout(n_rules: int, n_channels: int) -> StructLayout:
    """What the rules say of one packet.

    fired      bit r: rule r fired (at least one bit, 0 without rules)
    channels   bit c: the packet is delivered to channel c (at least one bit)
    forward    16 bits: ports the packet is forwarded to, 0 if it is dropped
    drop, malformed, truncated   one bit each
    """
    if n_rules < 0 or n_channels < 0:
        raise ValueError(f"counts of rules and channels must not be negative, not {n_rules} and {n_channels}")
    return StructLayout(
        {
            "fired": max(1, n_rules),
            "channels": max(1, n_channels),
            "forward": PORTS,
            "drop": 1,
            "malformed": 1,
            "truncated": 1,
        }
    )


class DecisionSignature(wiring.Signature):
    """Interface of a decision pipeline, seen from inside it.

    Members
    -------
    window : In(8 * window_bytes)      first bytes of the packet, zero past its end (see WindowAssembler)
    visible : In(64 * beats + 1)       bit i: the packet has a byte i
    size : In(16)                      bytes on the wire
    verdict : Out(verdict_layout)      belongs to the inputs of ``latency`` cycles before
    """

    def __init__(self, beats: int, window_bytes: int, n_rules: int, n_channels: int) -> None:
        self.beats = beats
        self.window_bytes = window_bytes
        self.n_rules = n_rules
        self.n_channels = n_channels
        super().__init__(
            {
                "window": In(8 * window_bytes),
                "visible": In(BEAT_BYTES * beats + 1),
                "size": In(16),
                "verdict": Out(verdict_layout(n_rules, n_channels)),
            }
        )


class DecisionPipeline(wiring.Component):
    """Base of decision pipelines: a component with ``DecisionSignature`` and a fixed ``latency`` of at least one
    cycle. One window goes in and one verdict comes out every cycle."""

    def __init__(self, *, beats: int, window_bytes: int, n_rules: int, n_channels: int, latency: int) -> None:
        if latency < 1:
            raise ValueError(f"latency must be at least 1 cycle, not {latency}")
        self.latency = latency
        self.beats = beats
        self.window_bytes = window_bytes
        self.n_rules = n_rules
        self.n_channels = n_channels
        super().__init__(DecisionSignature(beats, window_bytes, n_rules, n_channels))
