"""What generated rule sets mean, one packet after the other, in plain Python over the plain parser's fields.

One idea: the tree of sevenm.sim.rule_tree says what a rule set is; docs/meaning.md says what it is worth; this file
puts the second into the shortest code that says the same. No grammar, no graph, no arrays.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from sevenm.sim import rule_tree as tree
from tests.oracle.plain_parser import Parsed, parse

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COMPUTE: dict[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv, "%": operator.mod,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip


@dataclass
class Outcome:
    """What was decided of one packet: the rules that fired by (block, rule), and the sum of their actions."""

    malformed: bool
    truncated: bool
    fired: set[tuple[str, str]] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    counters: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    drop: bool = False


@dataclass
class Entry:
    key: bytes
    written_ns: int
    value: int


class Memory:
    """What one ``prev`` keeps: sets of at most four entries, found by the CRC-32 of the key."""

    def __init__(self, prev: tree.Prev) -> None:
        self.prev = prev
        self.ways = min(prev.most, 4)
        self.size = 1
        while self.size * self.ways < prev.most:
            self.size *= 2
        self.entries: dict[int, list[Entry]] = {}
        self.evicted = 0

    def key(self, values: Sequence[int]) -> bytes:
        columns = zip(self.prev.keys, values, strict=True)
        return b"".join(value.to_bytes((column.bits + 7) // 8, "big") for column, value in columns)

    def ways_of(self, key: bytes) -> list[Entry]:
        return self.entries.setdefault(zlib.crc32(key) % self.size, [])

    def expired(self, entry: Entry, clock_ns: int) -> bool:
        return self.prev.ttl_ns > 0 and clock_ns - entry.written_ns > self.prev.ttl_ns

    def read(self, key: bytes, clock_ns: int) -> int | None:
        for entry in self.ways_of(key):
            if entry.key == key and not self.expired(entry, clock_ns):
                return entry.value
        return None

    def write(self, key: bytes, value: int, clock_ns: int) -> None:
        ways, new = self.ways_of(key), Entry(key, clock_ns, value)
        for number, entry in enumerate(ways):
            if entry.key == key:
                ways[number] = new
                return
        if len(ways) < self.ways:
            ways.append(new)
            return
        ways[self.victim(ways, clock_ns)] = new

    def victim(self, ways: Sequence[Entry], clock_ns: int) -> int:
        """The expired entry written longest ago, else the entry written longest ago; the lowest of equals."""
        candidates = [number for number, entry in enumerate(ways) if self.expired(entry, clock_ns)]
        if not candidates:
            self.evicted += 1
            candidates = list(range(len(ways)))
        oldest = candidates[0]
        for number in candidates:
            if ways[number].written_ns < ways[oldest].written_ns:
                oldest = number
        return oldest


def find(table: tree.Table, values: Sequence[int]) -> tree.Row | None:
    """The row of the longest prefix, and of these the first."""
    best: tuple[int, tree.Row] | None = None
    for row in table.rows:
        length = 0
        for key, (a, b), value in zip(table.keys, row.keys, values, strict=True):
            if key.match == "lpm":
                length = b
                shift = key.bits - b
                matched = value >> shift == a >> shift
            elif key.match == "ternary":
                matched = value & b == a
            else:
                matched = a <= value <= b
            if not matched:
                break
        else:
            if best is None or length > best[0]:
                best = length, row
    return best and best[1]


class Machine:
    """The blocks of a rule file, and what earlier packets left. Packets come in order."""

    def __init__(self, blocks: Sequence[tree.Block]) -> None:
        self.blocks = blocks
        self.sets = {one.name: one for block in blocks for one in block.sets}
        self.tables = {table.name: table for block in blocks for table in block.tables}
        self.memories = {node: Memory(node) for node in tree.parts(tuple(blocks)) if isinstance(node, tree.Prev)}
        self.clock_ns = 0
        self.packet = Parsed()

    def event(self, data: bytes, wire_len: int, time_ns: int = 0) -> Outcome:
        return self.decide(parse(data, wire_len), time_ns)

    def decide(self, packet: Parsed, time_ns: int) -> Outcome:
        """The rules see what earlier packets left; what this one leaves is written after."""
        self.packet, self.clock_ns = packet, max(self.clock_ns, time_ns)
        outcome = Outcome(packet.malformed, packet.truncated)
        for block in self.blocks:
            self._block(block, outcome)
        if outcome.drop:
            outcome.ports.clear()
        left = [(memory, self._key(memory), self.values(prev.of)) for prev, memory in self.memories.items()]
        for memory, key, values in left:
            if key is not None and values:
                memory.write(key, values[0], self.clock_ns)
        return outcome

    def _block(self, block: tree.Block, outcome: Outcome) -> None:
        any_fired = False
        for rule in block.rules:
            if any_fired and (block.mode == "first" or rule.when is None):
                continue
            targets = [self.values(a.to) for a in rule.actions if isinstance(a.to, tree.Lookup)]
            if not all(targets) or (rule.when is not None and not self.holds(rule.when)):
                continue
            any_fired = True
            outcome.fired.add((block.name, rule.name))
            for action in rule.actions:
                self._act(action, outcome)

    def _act(self, action: tree.Action, outcome: Outcome) -> None:
        match action:
            case tree.Action("deliver", str(name)):
                outcome.channels.add(name)
            case tree.Action("count", str(name)):
                outcome.counters.add(name)
            case tree.Action("forward", int(port)):
                outcome.ports.add(port)
            case tree.Action("forward", tree.Lookup() as lookup):
                outcome.ports.update(self.values(lookup))
            case tree.Action("drop"):
                outcome.drop = True

    def _key(self, memory: Memory) -> bytes | None:
        values = [self.values(key) for key in memory.prev.keys]
        return memory.key([value[0] for value in values]) if all(values) else None

    # Conditions

    def holds(self, node: tree.Condition) -> bool:
        match node:
            case tree.Present(name, flag):
                return any(self.packet.values.get(name, ())) if flag else self.packet.present(name)
            case tree.Compare(quantifier, left, op, right):
                pairs = product(self.values(left), self.values(right))
                return _quantified(
                    quantifier or ("all" if op == "!=" else "any"), (COMPARE[op](a, b) for a, b in pairs)
                )
            case tree.Member(quantifier, of, spans, sets):
                all_spans = [*spans, *(span for name in sets for span in self.sets[name].spans)]
                inside = (any(span.lo <= value <= span.hi for span in all_spans) for value in self.values(of))
                return _quantified(quantifier or "any", inside)
            case tree.Hit(table, keys):
                return any(find(self.tables[table], values) for values in product(*map(self.values, keys)))
            case tree.Not(of):
                return not self.holds(of)
            case tree.Junction(word, parts):
                return (all if word == "and" else any)(self.holds(part) for part in parts)

    # Values: a list, of which there is none where a field is absent

    def values(self, node: tree.Value) -> list[int]:
        match node:
            case tree.Const():
                return [node.value]
            case tree.Field():
                found = self.packet.values.get(node.name, ())
                return list(found[node.nth - 1 : node.nth] if node.nth else found)
            case tree.Bytes():
                return self._bytes(node)
            case tree.Unary(op, of):
                flip = (1 << of.bits) - 1 if isinstance(of, tree.Field) else 0
                return [-value if op == "-" else value ^ flip for value in self.values(of)]
            case tree.Binary(op, left, right):
                return [COMPUTE[op](a, b) for a, b in product(self.values(left), self.values(right))]
            case tree.Fit(how, of, bits):
                top = (1 << bits) - 1
                return [value & top if how == "wrap" else min(max(value, 0), top) for value in self.values(of)]
            case tree.Lookup(name, keys, column):
                table = self.tables[name]
                at = [one for one, _ in table.columns].index(column) if column else 0
                rows = [find(table, values) for values in product(*map(self.values, keys))]
                return [row.values[at] for row in rows if row is not None]
            case tree.Prev():
                memory = self.memories[node]
                key = self._key(memory)
                value = None if key is None else memory.read(key, self.clock_ns)
                return [] if value is None else [value]

    def _bytes(self, node: tree.Bytes) -> list[int]:
        whole = [value.to_bytes(node.field_bits // 8, "big") for value in self.packet.values.get(node.name, ())]
        sources = whole if node.field_bits else [self.packet.regions.get(node.name, b"")]
        taken = [source[node.start : node.start + node.length] for source in sources]
        return [int.from_bytes(data, "big") for data in taken if len(data) == node.length]


def _quantified(quantifier: str, holds: Iterable[bool]) -> bool:
    """``all`` needs at least one."""
    found = list(holds)
    return bool(found) and all(found) if quantifier == "all" else any(found)
