"""Generated rule sets: text that a rule author could have written, over every kind of field, atom and action.

One idea: everything is drawn from a ``random.Random``, so that a seed names a rule set and a property-based tester
can shrink one. Constants lean towards values that occur in traffic and towards the ends of a field's range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from random import Random

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import Field, Type
from sevenm.compiler.protocols.packet_fields import packet_fields

DEPTH = 3
"""Levels of and, or and not above the atoms."""
RULES = (1, 6)
NUMBERS = (
    0,
    1,
    2,
    4,
    5,
    6,
    7,
    8,
    17,
    20,
    22,
    40,
    53,
    58,
    64,
    80,
    128,
    132,
    179,
    255,
    443,
    512,
    646,
    1985,
    0x0800,
    0x86DD,
)
"""Values that many fields take in real traffic."""
NETWORKS4 = ("10.0.0.0", "192.168.0.0", "172.16.0.0", "224.0.0.5", "127.0.0.1", "255.255.255.255", "192.0.2.33")
NETWORKS6 = ("fe80::", "2001:db8::1", "ff02::1", "::1", "fd00::", "2000::")
MACS = ("ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00", "33:33:00:00:00:01", "00:00:00:00:00:00", "01:00:5e:00:00:05")
REGIONS = ("frame", "eth", "ip", "ipv6", "arp", "tcp", "udp", "icmp", "icmpv6", "l4", "tcp.payload", "udp.payload",
           "l4.payload")  # fmt: skip
ORDER = ("==", "!=", "<", "<=", ">", ">=")


def packet_types() -> dict[str, Type]:
    """Every packet field that has a value, with its type."""
    return types(packet_fields(Graph()))


def types(fields: Mapping[str, Field]) -> dict[str, Type]:
    return {name: f.type for name, f in fields.items() if f.type is not None}


class RuleSets:
    """Draws rule sets on packets. ``known`` are fields and their types, ``protocols`` names that are present or not."""

    def __init__(self, random: Random) -> None:
        self.r = random
        self.known = packet_types()
        self.protocols = [n for n, f in packet_fields(Graph()).items() if f.type is None]

    def block(self, name: str) -> str:
        """The text of one ``rules`` block."""
        rows = [
            f"  rule r{i}: {self.condition(self.r.randint(0, DEPTH))} => {self.actions()}"
            for i in range(self.r.randint(*RULES))
        ]
        if self.r.random() < 0.5:
            rows.append(f"  default => {self.actions()}")
        mode = self.r.choice(("first", "all"))
        return "\n".join([f"rules {name} on packet {mode} {{", *rows, "}"])

    def actions(self) -> str:
        """One or two actions that do not contradict each other."""
        keep = self.r.choice((f"deliver c{self.r.randint(0, 7)}", f"count n{self.r.randint(0, 7)}"))
        move = self.r.choice(("drop", f"forward {self.r.randint(0, 15)}", f"deliver c{self.r.randint(0, 7)}"))
        return self.r.choice((keep, move, f"{keep}, {move}"))

    def condition(self, depth: int) -> str:
        if depth == 0:
            return self.atom()
        match self.r.randint(0, 4):
            case 0:
                return f"not ({self.condition(depth - 1)})"
            case 1 | 2:
                return "(" + " and ".join(self.condition(depth - 1) for _ in range(self.r.randint(2, 3))) + ")"
            case _:
                return "(" + " or ".join(self.condition(depth - 1) for _ in range(self.r.randint(2, 3))) + ")"

    def atom(self) -> str:
        draws: Sequence[Callable[[], str]] = (
            self._compare, self._compare, self._compare, self._membership, self._membership, self._presence,
            self._masked, self._arithmetic, self._slice, self._pair,
        )  # fmt: skip
        return self.r.choice(draws)()

    def literal(self, of: Type) -> str:
        """A constant that the type holds."""
        match of.kind:
            case "ip4":
                return self.r.choice((*NETWORKS4, str(IPv4Address(self.r.getrandbits(32)))))
            case "ip6":
                return self.r.choice((*NETWORKS6, str(IPv6Address(self.r.getrandbits(128)))))
            case "mac":
                drawn = ":".join(f"{self.r.getrandbits(8):02x}" for _ in range(6))
                return self.r.choice((*MACS, drawn))
            case _:
                return str(self._number(of))

    def _number(self, of: Type) -> int:
        top = (1 << of.bits) - 1
        return self.r.choice(
            (self.r.choice(NUMBERS) & top, self.r.randint(0, top), 0, top, self.r.randint(0, min(top, 99)))
        )

    def _field(self, *kinds: str, least: int = 1) -> tuple[str, Type]:
        names = [n for n, t in self.known.items() if (not kinds or t.kind in kinds) and t.bits >= least]
        name = self.r.choice(names)
        return name, self.known[name]

    def _quantifier(self) -> str:
        return self.r.choice(("", "", "", "any ", "all "))

    def _compare(self) -> str:
        name, of = self._field()
        return f"{self._quantifier()}{name} {self.r.choice(ORDER)} {self.literal(of)}"

    def _membership(self) -> str:
        name, of = self._field(least=2)
        items = ", ".join(self._item(of) for _ in range(self.r.randint(1, 5)))
        return f"{self._quantifier()}{name} in {{{items}}}"

    def _item(self, of: Type) -> str:
        if of.kind in ("ip4", "ip6") and self.r.random() < 0.6:
            size = of.bits
            prefix = self.r.choice((8, 16, 24, 10, 31, size, self.r.randint(1, size)))
            host = size - prefix
            value = int((IPv4Address if of.kind == "ip4" else IPv6Address)(self.literal(of))) >> host << host
            return f"{IPv4Address(value) if of.kind == 'ip4' else IPv6Address(value)}/{prefix}"
        if of.kind == "int" and self.r.random() < 0.6:
            lo, hi = sorted((self._number(of), self._number(of)))
            return f"{lo}..{hi}"
        return self.literal(of)

    def _presence(self) -> str:
        return self.r.choice((*self.protocols, *self.known))

    def _masked(self) -> str:
        name, of = self._field("int", least=3)
        mask = self.r.randint(1, (1 << of.bits) - 1)
        return f"{name} {self.r.choice('&|^')} {mask:#x} {self.r.choice(ORDER)} {self._number(of)}"

    def _arithmetic(self) -> str:
        (a, of), (b, _) = self._field("int", least=3), self._field("int", least=3)
        left = self.r.choice(
            (
                f"{a} + {b}", f"{a} - {b}", f"{a} * {self.r.randint(0, 9)} - {b}", f"{a} * {b}",
                f"wrap({a} + {self._number(of)}, {of.bits})", f"sat({a} - {b}, {of.bits})", f"~{a}", f"-{a}",
                f"{a} / {self.r.randint(1, 12)}", f"{a} % {self.r.randint(1, 12)}", f"{a} << {self.r.randint(0, 9)}",
                f"{a} >> {self.r.randint(0, 9)}", f"({a} - {b}) / {self.r.randint(1, 7)}", f"({a} - {b}) & 0xff",
            )
        )  # fmt: skip
        right = self.r.choice((str(self._number(of)), f"-{self._number(of)}", self._field("int")[0]))
        return f"{left} {self.r.choice(ORDER)} {right}"

    def _slice(self) -> str:
        start, length = self.r.choice((0, 1, 4, 8, self.r.randint(0, 60))), self.r.choice((1, 1, 2, 4, 8, 16, 20))
        data = [self.r.choice((0, 0, 1, 0x16, 0x45, 0xFF, self.r.getrandbits(8))) for _ in range(length)]
        field = f"{self.r.choice(REGIONS)}[{start}:{length}]"
        if length <= 8 and self.r.random() < 0.5:
            return f"{field} {self.r.choice(ORDER)} {int.from_bytes(bytes(data), 'big')}"
        text = "".join(f"\\x{b:02x}" for b in data)
        return f'{field} {self.r.choice(("==", "!="))} "{text}"'

    def _pair(self) -> str:
        name, of = self._field("ip4", "ip6", "mac", "int")
        others = [n for n, t in self.known.items() if t.kind == of.kind]
        return f"{name} {self.r.choice(ORDER)} {self.r.choice(others)}"
