"""Match core of Plan records: 2 rules.

digest   8b597df49f49aaacbf872526bc2250d9edd904fa369b79673fde1ba658c08ac5
latency  12 cycles from a packet's first beat in to its first beat out
window   1 beat of 64 bytes: fields reach 7 bytes

Written by sevenm from the Plan; edit the rules instead. An expression is about one packet; where registers stand
between expressions is decided when it is elaborated.
"""

from sevenm.hdl.core import PacketCore
from sevenm.hdl.pipeline import Description, First, Pipeline, Rule, captured, field, size


class Match(Description):
    """What the core says of each packet."""

    kind = field(at=0, bytes=1)
    sensor = field(at=1, bytes=2)
    temperature = field(at=3, bytes=4).as_signed(32)
    rule_cold = (captured >= 64) & (kind == 1) & (temperature < -20)
    rule_odd = (captured >= 64) & (sensor % 3 == 1)
    parse_malformed = (captured < 64) | (size != 64)

    block_alarms = First(
        Rule(rule_cold, deliver=("cold",)),
        Rule(rule_odd, drop=True),
    )
    channels = ("cold",)
    malformed = parse_malformed


class Core(PacketCore):
    """The packets, each marked with its verdict."""

    def __init__(self, fifo_depth=None):
        super().__init__(Pipeline(Match, levels=2, latency=8), fifo_depth)
