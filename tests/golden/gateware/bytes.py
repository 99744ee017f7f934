"""Match core of Plan filter: 1 rule.

digest   400c33ddcc31980dd9686535a6355858d00be14d6e90649a4dcc6b20bfd7564b
latency  8 cycles from a packet's first beat in to its first beat out
window   1 beat of 64 bytes: fields reach 2 bytes

Written by sevenm from the Plan; edit the rules instead. An expression is about one packet; where registers stand
between expressions is decided when it is elaborated.
"""

from sevenm.hdl.core import PacketCore
from sevenm.hdl.pipeline import Description, First, Pipeline, Rule, captured, field, size


class Match(Description):
    """What the core says of each packet."""

    rule_filter = (captured >= 2) & (field(at=0, bytes=2) == 258) & (size > 100)

    block_filter = First(Rule(rule_filter, deliver=("matched",)))
    channels = ("matched",)


class Core(PacketCore):
    """The packets, each marked with its verdict."""

    def __init__(self, fifo_depth=None):
        super().__init__(Pipeline(Match, levels=2, latency=4), fifo_depth)
