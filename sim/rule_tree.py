"""Rule sets as small trees that print themselves as rule text.

One idea: what a generated rule says is known before it is text. Whoever wants to know what it should mean reads the
tree, and shares neither grammar nor compiler with those who read the text. Values are Python integers throughout:
addresses are numbers, byte strings are big endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

BITS = {"ip4": 32, "ip6": 128, "mac": 48}


def literal(kind: str, value: int) -> str:
    """The value as a constant of that kind: int, ip4, ip6, mac, or bytes of the length after the colon."""
    match kind.split(":"):
        case ["ip4"]:
            return str(IPv4Address(value))
        case ["ip6"]:
            return str(IPv6Address(value))
        case ["mac"]:
            return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
        case ["bytes", length]:
            return '"' + "".join(f"\\x{byte:02x}" for byte in value.to_bytes(int(length), "big")) + '"'
    return str(value)


# Values


@dataclass(frozen=True)
class Const:
    kind: str
    value: int

    @property
    def text(self) -> str:
        return literal(self.kind, self.value)


@dataclass(frozen=True)
class Field:
    """A packet field, with the width of its values. ``nth`` picks one of several, from 1."""

    name: str
    bits: int
    nth: int = 0

    @property
    def text(self) -> str:
        return f"{self.name}#{self.nth}" if self.nth else self.name


@dataclass(frozen=True)
class Bytes:
    """``name[start:length]`` of a region, or of a field of ``field_bits``."""

    name: str
    start: int
    length: int
    field_bits: int = 0

    @property
    def text(self) -> str:
        return f"{self.name}[{self.start}:{self.length}]"

    @property
    def bits(self) -> int:
        return 8 * self.length


@dataclass(frozen=True)
class Unary:
    """``-`` or ``~``; the latter is of a field."""

    op: str
    of: Value

    @property
    def text(self) -> str:
        return f"{self.op}{self.of.text}"


@dataclass(frozen=True)
class Binary:
    op: str
    left: Value
    right: Value

    @property
    def text(self) -> str:
        return f"({self.left.text} {self.op} {self.right.text})"


@dataclass(frozen=True)
class Fit:
    """``wrap`` or ``sat`` of a value to so many bits."""

    how: str
    of: Value
    bits: int

    @property
    def text(self) -> str:
        return f"{self.how}({self.of.text}, {self.bits})"


@dataclass(frozen=True)
class Lookup:
    """A value of a table's row; ``column`` is its name where there are several."""

    table: str
    keys: tuple[Value, ...]
    column: str = ""

    @property
    def text(self) -> str:
        column = f".{self.column}" if self.column else ""
        return f"{self.table}[{', '.join(key.text for key in self.keys)}]{column}"


@dataclass(frozen=True)
class Prev:
    """``of`` on the last event of that key; ``most`` keys are kept, for ``ttl_ns`` (0: as long as there is room)."""

    of: Value
    keys: tuple[Field | Bytes, ...]
    most: int
    ttl_ns: int = 0

    @property
    def text(self) -> str:
        key = ", ".join(key.text for key in self.keys)
        ttl = f" ttl {self.ttl_ns}ns" if self.ttl_ns else ""
        return f"prev({self.of.text} per {f'({key})' if len(self.keys) > 1 else key} keys {self.most}{ttl})"


Value = Const | Field | Bytes | Unary | Binary | Fit | Lookup | Prev

# Conditions


@dataclass(frozen=True)
class Present:
    """A name alone; ``flag`` where it is a flag's, which then has to be set."""

    name: str
    flag: bool = False

    @property
    def text(self) -> str:
        return self.name


@dataclass(frozen=True)
class Compare:
    """``quantifier`` is "any", "all" or nothing."""

    quantifier: str
    left: Value
    op: str
    right: Value

    @property
    def text(self) -> str:
        return f"{self.quantifier} {_bare(self.left)} {self.op} {_bare(self.right)}".lstrip()


def _bare(side: Value) -> str:
    """Arithmetic binds more tightly than comparison: its own parentheses can go."""
    return side.text[1:-1] if isinstance(side, Binary) else side.text


@dataclass(frozen=True)
class Span:
    """A member of a set: a value, a range, or the network of that ``prefix``."""

    kind: str
    lo: int
    hi: int
    prefix: int | None = None

    @property
    def text(self) -> str:
        if self.prefix is not None:
            return f"{literal(self.kind, self.lo)}/{self.prefix}"
        lo = literal(self.kind, self.lo)
        return lo if self.lo == self.hi else f"{lo}..{literal(self.kind, self.hi)}"


@dataclass(frozen=True)
class Member:
    """``sets`` are names of declared sets."""

    quantifier: str
    of: Value
    spans: tuple[Span, ...]
    sets: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        items = ", ".join((*(span.text for span in self.spans), *(f"${name}" for name in self.sets)))
        return f"{self.quantifier} {self.of.text} in {{{items}}}".lstrip()


@dataclass(frozen=True)
class Hit:
    """Whether a table has a row for these keys."""

    table: str
    keys: tuple[Value, ...]

    @property
    def text(self) -> str:
        keys = ", ".join(key.text for key in self.keys)
        return f"{f'({keys})' if len(self.keys) > 1 else keys} in {self.table}"


@dataclass(frozen=True)
class Not:
    of: Condition

    @property
    def text(self) -> str:
        return f"not ({self.of.text})"


@dataclass(frozen=True)
class Junction:
    """``word`` is and, or."""

    word: str
    of: tuple[Condition, ...]

    @property
    def text(self) -> str:
        return "(" + f" {self.word} ".join(part.text for part in self.of) + ")"


Condition = Present | Compare | Member | Hit | Not | Junction

# Declarations and blocks


@dataclass(frozen=True)
class Set:
    name: str
    kind: str
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        return f"set {self.name} : {self.kind} = {{ {', '.join(span.text for span in self.spans)} }}"


@dataclass(frozen=True)
class Key:
    """A key column: ``match`` is exact, lpm, ternary or range; ``kind`` int, ip4, ip6 or mac."""

    match: str
    kind: str
    bits: int

    @property
    def text(self) -> str:
        return f"{f'u{self.bits}' if self.kind == 'int' else self.kind} {self.match}"


@dataclass(frozen=True)
class Row:
    """``keys`` are pairs: (value, prefix length), (value, mask), (lo, hi), or twice the value."""

    keys: tuple[tuple[int, int], ...]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """``columns`` are (name, bits), or the one column ("", 0) of ports. ``rows`` as written."""

    name: str
    keys: tuple[Key, ...]
    columns: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    most: int = 64

    @property
    def text(self) -> str:
        shape = _listed([key.text for key in self.keys])
        if self.columns:
            shape += f" -> {_listed([f'{name}: u{bits}' if bits else 'port' for name, bits in self.columns])}"
        rows = "\n".join(f"  {self._row(row)}" for row in self.rows)
        return f"table {self.name} : {shape} max {self.most} {{\n{rows}\n}}"

    def _row(self, row: Row) -> str:
        keys = _listed([_match(key, pair) for key, pair in zip(self.keys, row.keys, strict=True)])
        return f"{keys} : {_listed([str(value) for value in row.values])}" if row.values else keys


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _match(key: Key, pair: tuple[int, int]) -> str:
    a, b = pair
    match key.match:
        case "lpm":
            return f"{literal(key.kind, a)}/{b}"
        case "ternary":
            return f"{literal(key.kind, a)} & {literal(key.kind, b)}"
    return literal(key.kind, a) if a == b else f"{literal(key.kind, a)}..{literal(key.kind, b)}"


@dataclass(frozen=True)
class Action:
    """``kind`` is deliver, count, forward or drop; ``to`` a channel, a counter, a port or a look-up of one."""

    kind: str
    to: str | int | Lookup = ""

    @property
    def text(self) -> str:
        return f"{self.kind} {self.to.text if isinstance(self.to, Lookup) else self.to}".rstrip()


@dataclass(frozen=True)
class Rule:
    """The default of a block has no condition."""

    name: str
    when: Condition | None
    actions: tuple[Action, ...]

    @property
    def text(self) -> str:
        head = "default" if self.when is None else f"rule {self.name}: {self.when.text}"
        return f"  {head} => {', '.join(action.text for action in self.actions)}"


@dataclass(frozen=True)
class Block:
    """A ``rules`` block on packets, with the sets and tables that it asks. ``mode`` is first or all."""

    name: str
    mode: str
    rules: tuple[Rule, ...]
    sets: tuple[Set, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def text(self) -> str:
        head = [*(one.text for one in self.sets), *(table.text for table in self.tables)]
        rules = [rule.text for rule in self.rules]
        return "\n".join([*head, f"rules {self.name} on packet {self.mode} {{", *rules, "}"])


def parts(node: Any) -> Iterator[Any]:
    """The node and everything in it."""
    yield node
    if is_dataclass(node):
        for one in fields(node):
            yield from parts(getattr(node, one.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from parts(item)
