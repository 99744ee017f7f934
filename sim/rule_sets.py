"""Generated rule sets: trees whose text a rule author could have written, over every kind of field, atom and action.

One idea: everything is drawn from a ``random.Random``, so that a seed names a rule set and a property-based tester
can shrink one. Constants lean towards values that occur in traffic and towards the ends of a field's range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import Field, Type
from sevenm.compiler.protocols.packet_fields import packet_fields
from sevenm.sim import rule_tree as tree

DEPTH = 3
"""Levels of and, or and not above the atoms."""
RULES = (1, 6)
NUMBERS = (
    0, 1, 2, 4, 5, 6, 7, 8, 17, 20, 22, 40, 53, 58, 64, 80, 128, 132, 179, 255, 443, 512, 646, 1985, 0x0800, 0x86DD,
)  # fmt: skip
"""Values that many fields take in real traffic."""
ADDRESSES = {
    "ip4": (0x0A000000, 0xC0A80000, 0xAC100000, 0xE0000005, 0x7F000001, 0xFFFFFFFF, 0xC0000221),
    "ip6": (0xFE80 << 112, (0x20010DB8 << 96) + 1, (0xFF02 << 112) + 1, 1, 0xFD << 120, 1 << 125),
    "mac": (0xFFFFFFFFFFFF, 0x0180C2000000, 0x333300000001, 0, 0x01005E000005),
}
REGIONS = ("frame", "eth", "ip", "ipv6", "arp", "tcp", "udp", "icmp", "icmpv6", "l4", "tcp.payload", "udp.payload",
           "l4.payload")  # fmt: skip
ORDER = ("==", "!=", "<", "<=", ">", ">=")
FAR = (60, 100, 200, 242, 256, 280, 300, 1400, 1500, 8900, 9000)
"""Where slices far into a packet begin."""
TTL_NS = (1, 1009, 5045, 10_090, 40_000, 1_000_000)
"""How long state is kept; generated packets come every 1009 ns."""
KEYS = ("eth.src", "eth.type", "ip.src", "ip.dst", "ip.proto", "ip.ttl", "ipv6.dst", "l4.srcport", "l4.dstport")
"""Fields that many packets have, as keys of state."""
KEPT = (1, 2, 3, 4, 6, 8, 32)
"""Keys that generated state keeps: few, so that entries are evicted."""


def packet_types() -> dict[str, Type]:
    """Every packet field that has a value, with its type."""
    return types(packet_fields(Graph()))


def types(fields: Mapping[str, Field]) -> dict[str, Type]:
    return {name: f.type for name, f in fields.items() if f.type is not None}


class RuleSets:
    """Draws rule sets on packets. With ``tables`` they declare and ask named sets and tables, with ``prev`` they look
    at earlier events, with ``far`` slices lie anywhere in a packet."""

    def __init__(self, random: Random, *, tables: bool = False, prev: bool = False, far: bool = False) -> None:
        self.r = random
        catalogue = packet_fields(Graph())
        self.known = types(catalogue)
        self.single = {n for n, f in catalogue.items() if f.values is not None and len(f.values()) == 1}
        self.protocols = [n for n, f in catalogue.items() if f.type is None]
        self.with_tables, self.with_prev, self.far = tables, prev, far
        self.sets: tuple[tree.Set, ...] = ()
        self.tables: tuple[tree.Table, ...] = ()

    def block(self, name: str) -> tree.Block:
        """One ``rules`` block, with what it declares; all names begin with its own."""
        if self.with_tables:
            self.sets = tuple(self._set(f"{name}_s{i}") for i in range(2))
            self.tables = tuple(self._table(f"{name}_t{i}", i) for i in range(3))
        rules = [
            tree.Rule(f"r{i}", self.condition(self.r.randint(0, DEPTH)), self.actions())
            for i in range(self.r.randint(*RULES))
        ]
        if self.r.random() < 0.5:
            rules.append(tree.Rule("default", None, self.actions(lookups=False)))
        return tree.Block(name, self.r.choice(("first", "all")), tuple(rules), self.sets, self.tables)

    def actions(self, lookups: bool = True) -> tuple[tree.Action, ...]:
        """One or two actions that do not contradict each other."""
        deliver = tree.Action("deliver", f"c{self.r.randint(0, 7)}")
        keep = self.r.choice((deliver, tree.Action("count", f"n{self.r.randint(0, 7)}")))
        forward = tree.Action("forward", self.r.randint(0, 15))
        if lookups and self.tables and self.r.random() < 0.5:
            forward = tree.Action("forward", self._lookup(self.tables[0]))
        move = self.r.choice((tree.Action("drop"), forward, tree.Action("deliver", f"c{self.r.randint(0, 7)}")))
        return self.r.choice(((keep,), (move,), (keep, move)))

    def condition(self, depth: int) -> tree.Condition:
        if depth == 0:
            return self.atom()
        match self.r.randint(0, 4):
            case 0:
                return tree.Not(self.condition(depth - 1))
            case 1 | 2:
                word = "and"
            case _:
                word = "or"
        return tree.Junction(word, tuple(self.condition(depth - 1) for _ in range(self.r.randint(2, 3))))

    def atom(self) -> tree.Condition:
        draws: list[Callable[[], tree.Condition]] = [
            self._compare, self._compare, self._compare, self._membership, self._membership, self._presence,
            self._masked, self._arithmetic, self._slice, self._pair,
        ]  # fmt: skip
        if self.with_tables:
            draws += [self._named_set, self._hit, self._looked_up]
        if self.with_prev:
            draws += [self._previous, self._previous, self._changed]
        return self.r.choice(draws)()

    # Fields and constants

    def _value(self, of: Type) -> int:
        top = (1 << of.bits) - 1
        if of.kind in ADDRESSES:
            return self.r.choice((*ADDRESSES[of.kind], self.r.getrandbits(of.bits)))
        return self.r.choice(
            (self.r.choice(NUMBERS) & top, self.r.randint(0, top), 0, top, self.r.randint(0, min(top, 99)))
        )

    def _const(self, of: Type) -> tree.Const:
        return tree.Const(of.kind, self._value(of))

    def _field(self, *kinds: str, least: int = 1, single: bool = False, most: int = 128) -> tuple[tree.Field, Type]:
        names = [
            n for n, t in self.known.items()
            if (not kinds or t.kind in kinds) and least <= t.bits <= most and (not single or n in self.single)
        ]  # fmt: skip
        name = self.r.choice(names)
        return tree.Field(name, self.known[name].bits), self.known[name]

    def _quantifier(self) -> str:
        return self.r.choice(("", "", "", "any", "all"))

    # Atoms over one event

    def _compare(self) -> tree.Condition:
        field, of = self._field()
        return tree.Compare(self._quantifier(), field, self.r.choice(ORDER), self._const(of))

    def _membership(self) -> tree.Condition:
        field, of = self._field(least=2)
        return tree.Member(self._quantifier(), field, self._spans(of))

    def _spans(self, of: Type) -> tuple[tree.Span, ...]:
        return tuple(self._span(of) for _ in range(self.r.randint(1, 5)))

    def _span(self, of: Type) -> tree.Span:
        if of.kind in ("ip4", "ip6") and self.r.random() < 0.6:
            prefix = self.r.choice((8, 16, 24, 10, 31, of.bits, self.r.randint(1, of.bits)))
            host = of.bits - prefix
            lo = self._value(of) >> host << host
            return tree.Span(of.kind, lo, lo + (1 << host) - 1, prefix)
        if of.kind == "int" and self.r.random() < 0.6:
            lo, hi = sorted((self._value(of), self._value(of)))
            return tree.Span(of.kind, lo, hi)
        value = self._value(of)
        return tree.Span(of.kind, value, value)

    def _presence(self) -> tree.Condition:
        name = self.r.choice((*self.protocols, *self.known))
        return tree.Present(name, name in self.known and self.known[name].is_flag)

    def _masked(self) -> tree.Condition:
        field, of = self._field("int", least=3)
        mask = tree.Const("int", self.r.randint(1, (1 << of.bits) - 1))
        left = tree.Binary(self.r.choice("&|^"), field, mask)
        return tree.Compare("", left, self.r.choice(ORDER), self._const(of))

    def _arithmetic(self) -> tree.Condition:
        (a, of), (b, _) = self._field("int", least=3), self._field("int", least=3)

        def number(lo: int, hi: int) -> tree.Const:
            return tree.Const("int", self.r.randint(lo, hi))

        both = tree.Binary("-", a, b)
        left: tree.Value = self.r.choice((
            tree.Binary("+", a, b), both, tree.Binary("-", tree.Binary("*", a, number(0, 9)), b),
            tree.Binary("*", a, b), tree.Fit("wrap", tree.Binary("+", a, self._const(of)), of.bits),
            tree.Fit("sat", both, of.bits), tree.Unary("~", a), tree.Unary("-", a), tree.Binary("/", a, number(1, 12)),
            tree.Binary("%", a, number(1, 12)), tree.Binary("<<", a, number(0, 9)), tree.Binary(">>", a, number(0, 9)),
            tree.Binary("/", both, number(1, 7)), tree.Binary("&", both, tree.Const("int", 255)),
        ))  # fmt: skip
        value = self._value(of)
        right: tree.Value = self.r.choice(
            (tree.Const("int", value), tree.Const("int", -value), self._field("int")[0])
        )  # fmt: skip
        return tree.Compare("", left, self.r.choice(ORDER), right)

    def _slice(self) -> tree.Condition:
        near = (0, 1, 4, 8, self.r.randint(0, 60))
        start = self.r.choice((*near, *FAR, self.r.randint(0, 9000)) if self.far else near)
        length = self.r.choice((1, 1, 2, 4, 8, 16, 20))
        data = [self.r.choice((0, 0, 1, 0x16, 0x45, 0xFF, self.r.getrandbits(8))) for _ in range(length)]
        value = int.from_bytes(bytes(data), "big")
        taken = tree.Bytes(self.r.choice(REGIONS), start, length)
        if self.r.random() < 0.2:
            field, of = self._field(*ADDRESSES)
            length = min(length, of.bits // 8)
            taken = tree.Bytes(field.name, self.r.randint(0, of.bits // 8 - length), length, of.bits)
            value &= (1 << 8 * length) - 1
        if length <= 8 and self.r.random() < 0.5:
            return tree.Compare("", taken, self.r.choice(ORDER), tree.Const("int", value))
        return tree.Compare("", taken, self.r.choice(("==", "!=")), tree.Const(f"bytes:{length}", value))

    def _pair(self) -> tree.Condition:
        field, of = self._field("ip4", "ip6", "mac", "int")
        return tree.Compare("", field, self.r.choice(ORDER), self._field(of.kind)[0])

    # Named sets and tables

    def _set(self, name: str) -> tree.Set:
        kind = self.r.choice(("ip4", "ip6", "mac", "u16"))
        of = Type(kind, tree.BITS[kind]) if kind in tree.BITS else Type("int", 16)
        return tree.Set(name, kind, self._spans(of))

    def _named_set(self) -> tree.Condition:
        asked = self.r.choice(self.sets)
        field, of = self._field("int" if asked.kind == "u16" else asked.kind, least=16)
        spans = self._spans(of) if self.r.random() < 0.3 else ()
        return tree.Member(self._quantifier(), field, spans, (asked.name,))

    def _table(self, name: str, number: int) -> tree.Table:
        """The first of a block gives ports; of the others one has several keys and one several values."""
        kinds = [self.r.choice(("ip4", "ip6", "mac", "int")) for _ in range(2 if number == 1 else 1)]
        keys: list[tree.Key] = []
        for kind in kinds:
            prefixed = kind in ("ip4", "ip6") and not any(key.match == "lpm" for key in keys)
            matches = ("exact", "range", "ternary", *(("lpm", "lpm", "lpm") if prefixed else ()))
            keys.append(tree.Key(self.r.choice(matches), kind, tree.BITS.get(kind, self.r.choice((8, 16)))))
        columns = {0: (("", 0),), 1: self.r.choice(((), (("value", 8),))), 2: (("low", 8), ("high", 40))}[number]
        rows: dict[tuple[tuple[int, int], ...], tree.Row] = {}
        for _ in range(self.r.choice((0, 1, 4, 12))):
            pairs = tuple(self._match(key, rows, at) for at, key in enumerate(keys))
            rows[pairs] = tree.Row(pairs, tuple(self.r.getrandbits(bits or 4) for _, bits in columns))
        return tree.Table(name, tuple(keys), columns, tuple(rows.values()))

    def _match(
        self, key: tree.Key, rows: Mapping[tuple[tuple[int, int], ...], tree.Row], at: int
    ) -> tuple[int, int]:  # fmt: skip
        """One that often overlaps with an earlier row's."""
        value, top = self._value(Type(key.kind, key.bits)), (1 << key.bits) - 1
        if rows and self.r.random() < 0.5:
            value = self.r.choice(list(rows))[at][0]
        match key.match:
            case "lpm":
                length = self.r.choice((0, 1, 4, 8, 9, 16, 24, key.bits - 1, key.bits, self.r.randint(0, key.bits)))
                return value >> (key.bits - length) << (key.bits - length), length
            case "ternary":
                mask = self.r.choice((top, 0, top >> 3, self.r.randint(0, top), self.r.randint(0, top)))
                return value & mask, mask
            case "range":
                lo, hi = sorted((value, self.r.choice((top, value, self._value(Type(key.kind, key.bits))))))
                return lo, hi
        return value, value

    def _keys(self, table: tree.Table, single: bool = False) -> tuple[tree.Value, ...]:
        return tuple(self._field(key.kind, most=key.bits, single=single)[0] for key in table.keys)

    def _hit(self) -> tree.Condition:
        table = self.r.choice(self.tables)
        return tree.Hit(table.name, self._keys(table))

    def _lookup(self, table: tree.Table) -> tree.Lookup:
        column = self.r.choice(table.columns)[0] if len(table.columns) > 1 else ""
        return tree.Lookup(table.name, self._keys(table, single=True), column)

    def _looked_up(self) -> tree.Condition:
        table = self.r.choice([t for t in self.tables if t.columns])
        column = self.r.choice(table.columns)
        of = Type("int", column[1] or 4)
        found = tree.Lookup(table.name, self._keys(table), column[0] if len(table.columns) > 1 else "")
        right = self.r.choice((self._const(of), self._field("int")[0]))
        return tree.Compare(self._quantifier(), found, self.r.choice(ORDER), right)

    # Earlier events

    def _prev(self, of: tree.Value) -> tree.Prev:
        several = self.r.random() < 0.3
        usual = self.r.random() < 0.7
        keys = tuple(self._usual_key() if usual else self._field(single=True)[0] for _ in range(2 if several else 1))
        ttl_ns = self.r.choice((0, 0, *TTL_NS))
        return tree.Prev(of, keys, self.r.choice(KEPT), ttl_ns)

    def _usual_key(self) -> tree.Field:
        name = self.r.choice(KEYS)
        return tree.Field(name, self.known[name].bits)

    def _previous(self) -> tree.Condition:
        """The earlier value against a constant."""
        field, of = self._field(single=True, most=127)
        return tree.Compare("", self._prev(field), self.r.choice(ORDER), self._const(of))

    def _changed(self) -> tree.Condition:
        """The value against the earlier one, or the step between them."""
        field, of = self._field("int", least=3, single=True)
        earlier = self._prev(field)
        if self.r.random() < 0.5:
            return tree.Compare("", field, self.r.choice(ORDER), earlier)
        step = tree.Const("int", self.r.choice((0, 1, 4, self._value(of))))
        return tree.Compare("", tree.Binary("-", field, earlier), self.r.choice(ORDER), step)


def text_of(blocks: Sequence[tree.Block]) -> str:
    """A rule file of these blocks."""
    return "\n".join(block.text for block in blocks)
