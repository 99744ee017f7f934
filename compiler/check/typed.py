"""The typed tree: what a rule file says once every name is found and every type agrees.

One idea: between syntax (what was written) and the graph (how it is computed) stands a tree in which a name is a field,
a literal is the raw value of the type it stands against, a range is a pair of raw values, and two sides are in one
scale. Lowering walks it and cannot fail for its author; what explains, completes or documents rules reads it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Field, Type

# Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A side of a comparison. ``name`` is what messages call it; ``lo`` and ``hi`` bound its raw value; ``count`` is
    the number of values it has (combinations, where several fields take part); ``needs`` are the fields in it that
    can be absent."""

    span: Span
    name: str
    type: Type
    lo: int
    hi: int
    count: int = 1
    needs: frozenset[str] = frozenset()

    @property
    def direct(self) -> bool:
        """Stored somewhere as it stands, so that a literal out of its range is a mistake."""
        return False

    @property
    def is_text(self) -> bool:
        return self.type.kind in ("bytes", "char")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue(Value):
    """A field, or one element of an array. ``path`` is its key among the fields; ``tag`` picks an occurrence."""

    path: str
    field: Field
    tag: int | None = None

    @property
    def direct(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes(Value):
    """``length`` bytes from byte ``start`` of a field that is a run of bytes; absent where they are not all there."""

    path: str
    field: Field
    start: int
    length: int

    @property
    def direct(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract(Value):
    """Whole bytes of a number or an address: ``type.bits`` bits of its value from bit ``lsb`` on."""

    of: FieldValue
    lsb: int

    @property
    def direct(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Value):
    """``lo`` == ``hi`` is the raw value; of a byte string, its bytes as a big-endian number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(Value):
    """The raw value times a factor: the same number in a finer scale."""

    of: Value
    factor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic(Value):
    """``op`` is + - * & | ^ on raw values of one scale; with several values on the sides, every pair."""

    op: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided(Value):
    """``op`` is / (rounded down) or %, by a constant above 0; a divisor of 0 makes the value absent."""

    op: str
    of: Value
    divisor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited(Value):
    """``function`` is "wrap", the low bits, or "sat", the nearest value that so many bits hold."""

    function: str
    of: Value
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Value):
    """A value column of the first row of a table that matches the keys; absent where none does."""

    table: Table
    column: int
    keys: tuple[Value, ...]

    @property
    def direct(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Prev(Value):
    """The value on the last event of the same keys on which it was there. ``most`` bounds the keys that are kept,
    ``ttl_ns`` for how long, 0 for as long as there is room."""

    of: Value
    keys: tuple[Value, ...]
    most: int
    ttl_ns: int

    @property
    def direct(self) -> bool:
        return self.of.direct


# Tables and sets


@dataclass(frozen=True, slots=True)
class Key:
    """A key column: ``kind`` is exact, lpm, ternary or range."""

    kind: str
    type: Type


@dataclass(frozen=True, slots=True)
class Column:
    """A value column; ``is_port`` if it says where to forward to."""

    name: str
    type: Type
    is_port: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A pair per key: (v, v), (value, prefix length), (value, mask) or (lo, hi) by its kind; a raw value per column."""

    keys: tuple[tuple[int, int], ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` are in the order of the text; at most ``most`` of them may ever be there."""

    span: Span
    name: str
    keys: tuple[Key, ...]
    columns: tuple[Column, ...]
    most: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A declared set as values of one type see it: disjoint ascending ranges of raw values."""

    span: Span
    name: str
    type: Type
    most: int
    ranges: tuple[tuple[int, int], ...]


# Conditions


@dataclass(frozen=True, slots=True)
class Logic:
    """``op`` is "and" or "or", over two or more conditions."""

    span: Span
    op: str
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    span: Span
    operand: Condition


@dataclass(frozen=True, slots=True)
class HasHeader:
    """A protocol, or a run of bytes that has no value of its own, is there."""

    span: Span
    path: str
    field: Field


@dataclass(frozen=True, slots=True)
class IsPresent:
    """A value is there; of a flag, also set."""

    span: Span
    of: Value


@dataclass(frozen=True, slots=True)
class Compare:
    """``op`` is == != < <= > >= on two sides of one type and scale; ``quantifier`` is "any" or "all" values."""

    span: Span
    op: str
    left: Value
    right: Value
    quantifier: str


@dataclass(frozen=True, slots=True)
class Member:
    """A value lies in one of ``ranges`` (raw, inclusive) or ``sets``, or is one of ``texts`` (each as long as the
    value); ``negated``: it does not."""

    span: Span
    of: Value
    quantifier: str
    ranges: tuple[tuple[int, int], ...] = ()
    texts: tuple[bytes, ...] = ()
    sets: tuple[NamedSet, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A row of the table matches the keys."""

    span: Span
    table: Table
    keys: tuple[Value, ...]
    quantifier: str


@dataclass(frozen=True, slots=True)
class Bad:
    """What was written here is wrong, and a finding says how; the conditions around it are as they would be."""

    span: Span


Condition = Logic | Not | HasHeader | IsPresent | Compare | Member | Hit | Bad

# Rule files


@dataclass(frozen=True, slots=True)
class Action:
    """``kind`` is deliver, count, forward or drop; ``target`` a channel or counter, or a port; ``operand`` instead
    says the port of each event, and the rule does not fire where it is absent."""

    span: Span
    kind: str
    target: str | int | None
    operand: Value | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """``when`` is None for the default."""

    span: Span
    name: str
    when: Condition | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Rules on packets (``layout`` None), on bare records, or on records in the packets for which ``over`` holds."""

    span: Span
    name: str
    mode: str
    layout: Layout | None
    over: Condition | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A checked rule file. ``findings`` are in the order of the checks; with an error among them there may be no
    blocks, and ``Bad`` where a condition was. ``source`` is "packet" or "record" (events are of layouts[0])."""

    source: str
    layouts: tuple[Layout, ...]
    blocks: tuple[Block, ...]
    findings: tuple[Diagnostic, ...]

    @property
    def is_sound(self) -> bool:
        return all(finding.severity != "error" for finding in self.findings)
