"""From a Plan to an ordered list of C statements over columns and words: scheduling, not text layout.

One idea: a value is demanded in a form, a column of some type or a word of condition bits, and is computed once in
that form, just before its first use. Loads come level by level (a load whose base needs no other load is level 0,
what depends on its bytes is level 1, …), so that all packets' bytes of one header are gathered in one short loop.

Statements name values by tokens, ``$w17$`` (word of node 17) and ``$c17:u16$`` (node 17 as a column of u16), which
``host_c_storage`` replaces by places in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce

from sevenm.compiler.backends.c.guards import ALWAYS, Guard, guards, meet
from sevenm.compiler.backends.c.loads import Read, beside, is_fixed, load_levels, reads, room_tests, shuffle
from sevenm.compiler.backends.c.regions import Statement, arrange
from sevenm.compiler.backends.c.tables import Constants, TableKey, columns_of_tests
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan.ops import Node

CHAIN_MAX = 32
"""Ranges of a set that are tested one by one; more go to a bitmap (up to 16 bits) or a binary search."""
GATHER_MAX = 16
"""Reads in one gathering loop."""
LOAD_COST = 24
"""What a load costs, where an operation on a column costs 1 a byte of its type."""
REGION_COST_MIN = 27
"""Least work that is put behind a test of its own."""


@dataclass(slots=True)
class Program:
    """What the template prints. ``fetch`` runs once per packet, ``blank`` once per lane without one; ``statements``
    run in order on 64 packets. ``results``: name and length of arrays of words filled by one statement each."""

    fetch: list[str] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    results: list[tuple[str, int]] = field(default_factory=list)


def word(ref: int) -> str:
    return f"$w{ref}$"


def column(ref: int, ctype: CType) -> str:
    return f"$c{ref}:{ctype.name}$"


class Scheduler:
    """Emits the statements that nodes need, once each, operands first."""

    def __init__(self, explicit: Explicit) -> None:
        self.graph = explicit.graph
        self.nodes = explicit.graph.nodes
        self.accesses = explicit.accesses
        self.program = Program()
        self.fixed_span = 0
        self.span = explicit.span
        self._read_of: dict[int, Read] = {}
        self._done: set[int] = set()
        self._forms: set[str] = set()
        self._replaced: dict[int, str] = {}
        self._room_tests = room_tests(self.graph)
        self._reachable = self._reach(explicit.roots)
        self._guards = guards(self.nodes, self._reachable, explicit.roots, self.operands, self._cost, REGION_COST_MIN)
        self._guard_of: list[Guard] = []
        self._beside = beside(self.nodes, self._reachable, self.accesses, self._guards)
        self._constants = Constants(self.program.tables)
        self._table_members = columns_of_tests(self.graph, self._reachable)
        self._table_of = {ref: key for key, members in self._table_members.items() for ref in members}
        self._gather_all()

    # what is needed, and in which order

    def operands(self, ref: int) -> tuple[int, ...]:
        access = self.accesses.get(ref)
        if access is not None:
            return access.at, access.inside
        return (self._room_tests[ref][0],) if ref in self._room_tests else self.nodes[ref].args

    def _reach(self, roots: Iterable[int]) -> list[int]:
        """Nodes that the roots need, operands before users."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [(ref, False) for ref in reversed(list(roots))]
        while stack:
            ref, ready = stack.pop()
            if ready:
                order.append(ref)
            elif ref not in seen:
                seen.add(ref)
                stack.append((ref, True))
                stack.extend((a, False) for a in reversed(self.operands(ref)) if a not in seen)
        return order

    def demand(self, root: int) -> None:
        """Emits what ``root`` needs and is not there yet."""
        stack = [(root, False)]
        while stack:
            ref, ready = stack.pop()
            if ref in self._done:
                continue
            if ready:
                self._done.add(ref)
                self._emit(ref)
            else:
                stack.append((ref, True))
                stack.extend((a, False) for a in reversed(self.operands(ref)) if a not in self._done)

    def statement(
        self, text: str, refs: Iterable[int], writes: tuple[str, ...] = (), defines: int | None = None,
        guard: Guard | None = None,
    ) -> None:  # fmt: skip
        """``refs`` are the nodes that it serves: it may be skipped where none of them is needed."""
        self._guard_of.append(reduce(meet, (self._guards[ref] for ref in refs)) if guard is None else guard)
        writes = writes if defines is None else (*writes, word(defines))
        self.program.statements.append(Statement(text, defines, writes))

    def say(self, text: str) -> None:
        """A statement that always runs, in the order of those like it."""
        self._guard_of.append(ALWAYS)
        self.program.statements.append(Statement(text, None, ("rules",)))

    def finish(self) -> Program:
        """The program, guarded statements behind their tests."""
        when = {guard: self._test(guard) for guard in dict.fromkeys(self._guard_of)}
        pairs = zip(self.program.statements, self._guard_of, strict=True)
        self.program.statements = arrange([replace(s, when=when[guard]) for s, guard in pairs])
        return self.program

    def _test(self, guard: Guard) -> str:
        """C condition of a guard; its words are emitted if they are not there."""
        parts = []
        for conjunction in sorted(guard, key=sorted):
            words = [self.word(literal // 2) for literal in sorted(conjunction)]
            signed = [f"~{w}" if literal & 1 else w for w, literal in zip(words, sorted(conjunction), strict=True)]
            parts.append(" & ".join(signed))
        return parts[0] if len(parts) == 1 else " && ".join(f"({part})" for part in parts)

    def _cost(self, ref: int) -> int:
        """About what a node costs 64 events, in vectors of 64 bytes."""
        node = self.nodes[ref]
        if node.op in ("const", "captured", "size"):
            return 0
        if ref in self.accesses:
            return LOAD_COST
        if not self.is_word(ref):
            return type_of(node).bits // 8
        wide = [a for a in node.args if not self.nodes[a].is_bool]
        return type_of(*(self.nodes[a] for a in wide)).bits // 8 * (1 + len(node.attrs) // 2) if wide else 0

    # visibility

    def _room(self, base: int) -> str:
        """Column of the visible bytes from ``base`` on, at most ROOM_MAX."""
        token = column(len(self.nodes) + base, CType(8, False))
        if token not in self._forms:
            self._forms.add(token)
            ctype = type_of(self.nodes[base])
            text = f"room_{ctype.name}({token}, c->seen, {self.column(base, ctype)});"
            self.statement(text, [base], (token,))
        return token

    # loads

    def _gather_all(self) -> None:
        levels = load_levels(self._reachable, self.accesses, self.operands, self._guards, self._beside)
        for depth in sorted(levels):
            fixed = [r for r in levels[depth] if is_fixed(self.nodes, self.accesses[r]) and not self._guards[r]]
            for read in reads(fixed, self.accesses):
                self.fixed_span = max(self.fixed_span, read.end)
                self.program.fetch.append(f"{self._raw(read)}[i] = {read.text}(p + {read.disp});")
                self.program.blank.append(f"{self._raw(read)}[i] = 0;")
            together: defaultdict[Guard, list[int]] = defaultdict(list)
            for ref in levels[depth]:
                if not is_fixed(self.nodes, self.accesses[ref]) or self._guards[ref]:
                    together[self._guards[self.accesses[ref].at if ref in self._beside else ref]].append(ref)
            for guard, loads in together.items():
                moving = reads(loads, self.accesses)
                for read in moving:
                    self.demand(read.at)
                for first in range(0, len(moving), GATHER_MAX):
                    self._gather(moving[first : first + GATHER_MAX], guard)
            for ref in sorted(levels[depth]):
                self.demand(ref)

    def _raw(self, read: Read) -> str:
        """Column of the bytes as they are in memory; of the load itself if it is the only one."""
        several = len(read.loads) > 1
        for ref in read.loads:
            self._read_of[ref] = read
        return column(read.loads[0] + (2 * len(self.nodes) if several else 0), CType(8 * read.size, False))

    def _gather(self, batch: list[Read], guard: Guard) -> None:
        lines: list[str] = []
        reaches: list[str] = []
        for number, base in enumerate(sorted({read.at for read in batch})):
            here = [read for read in batch if read.at == base]
            if self.nodes[base].op == "const":  # the fetch makes sure of these bytes
                self.fixed_span = max(self.fixed_span, *[read.end for read in here])
                lines += [f"    {self._raw(read)}[i] = {read.text}(c->at[i] + {read.disp});" for read in here]
                continue
            ctype = type_of(self.nodes[base])
            at = self.column(base, ctype)
            self.span = max(self.span, self.nodes[base].hi + max(read.end for read in here))
            reaches.append(f"reach_{ctype.name}(c, {at}, {max(read.end for read in here)});")
            lines.append(f"    const u8 *p{number} = c->at[i] + {at}[i];")
            lines += [f"    {self._raw(read)}[i] = {read.text}(p{number} + {read.disp});" for read in here]
        self.statement(
            "\n".join([*reaches, "EACH { /* gather */", *lines, "}"]),
            [],
            tuple(self._raw(read) for read in batch),
            guard=guard,
        )

    def _settle(self, ref: int) -> None:
        """Bytes to value, or 0 where not all of them are visible."""
        access, ctype, read = self.accesses[ref], CType(8 * self.accesses[ref].read, False), self._read_of[ref]
        spare = 8 * (access.read - access.count)
        big = not access.little and access.count > 1
        mask = ctype.literal((1 << 8 * access.count) - 1)
        target, inside = column(ref, ctype), self.word(access.inside)
        self._forms.add(target)
        if len(read.loads) == 1:
            shift = spare if big else 0
            text = f"settle_{ctype.name}({target}, {inside}, {int(big)}, {shift}, {mask});"
            self.statement(text, [ref], (target,))
            return
        offset = access.disp - read.disp
        raw, lane = self._raw(read), CType(8 * read.size, False)
        pattern = lane.literal(shuffle(access, offset, read.size))
        shift = 8 * (read.size - offset - access.count) if big else 8 * offset
        self.statement(
            f"take_{lane.name}_{ctype.name}({target}, {raw}, {inside}, {pattern}, {int(big)}, {shift}, {mask});",
            [ref],
            (target,),
        )

    # forms

    def is_word(self, ref: int) -> bool:
        """Whether a node is computed as a word of condition bits (else as a column of its own type)."""
        node = self.nodes[ref]
        if not node.is_bool:
            return False
        if node.op in ("band", "bor", "bxor"):
            return all(self.nodes[a].is_bool for a in node.args)
        return node.op in ("const", "eq", "lt", "all", "any", "not", "member", "bits")

    def word(self, ref: int) -> str:
        """Expression of a boolean node's bits."""
        node = self.nodes[ref]
        if node.op == "const":
            return "ALL" if node.attrs[0] else "0"
        if node.op == "not":
            return f"~{self.word(node.args[0])}"
        if ref in self._replaced:
            return self._replaced[ref]
        if not self.is_word(ref) and word(ref) not in self._forms:
            self._forms.add(word(ref))
            ctype = type_of(node)
            self.statement(f"testk_{ctype.name}({self.column(ref, ctype)}, 1)", [ref], defines=ref)
        return word(ref)

    def column(self, ref: int, ctype: CType) -> str:
        """Pointer to a node's 64 values, in any type that holds its interval. Not for constants."""
        node = self.nodes[ref]
        if node.op == "captured" and ctype == CType(16, False):
            return "c->seen"
        if node.op == "size" and ctype == CType(16, False):
            return "c->size"
        token = column(ref, ctype)
        if token not in self._forms:
            self._forms.add(token)
            own = type_of(node)
            if not self.is_word(ref):
                text = f"EACH {token}[i] = ({ctype.name}){self.column(ref, own)}[i];"
            elif own == ctype:
                text = f"expand_u8({token}, {self.word(ref)});"
            else:
                text = f"EACH {token}[i] = {self.column(ref, own)}[i];"
            self.statement(text, [ref], (token,))
        return token

    def lane(self, ref: int, ctype: CType) -> str:
        """A node's value in lane i, as an expression of a type that calculates modulo 2**bits."""
        node = self.nodes[ref]
        if node.op == "const":
            return ctype.literal(node.attrs[0] & ctype.hi)
        return f"({ctype.name}){self.column(ref, type_of(node))}[i]"

    # operations

    def _emit(self, ref: int) -> None:
        node = self.nodes[ref]
        if node.op in ("const", "captured", "size", "not") or ref in self._replaced:
            return
        if ref in self.accesses:
            self._settle(ref)
        elif ref in self._table_of:
            self._emit_table(self._table_of[ref])
        elif self.is_word(ref):
            self.statement(self._condition(ref), [ref], defines=ref)
        elif node.op == "mux":
            self._emit_mux(ref)
        else:
            self._emit_column(ref)

    def _condition(self, ref: int) -> str:
        node = self.nodes[ref]
        args = node.args
        both = all(self.nodes[a].is_bool for a in args)
        match node.op:
            case "all" | "band" if both:
                return " & ".join(map(self.word, args))
            case "any" | "bor" if both:
                return " | ".join(map(self.word, args))
            case "bxor":
                return f"{self.word(args[0])} ^ {self.word(args[1])}"
            case "eq" if both:
                return f"~({self.word(args[0])} ^ {self.word(args[1])})"
            case "lt" if both:
                return f"~{self.word(args[0])} & {self.word(args[1])}"
            case "lt" if ref in self._room_tests:
                base, end = self._room_tests[ref]
                return f"ltk_u8({self._room(base)}, {end})"
            case "eq" | "lt":
                return self._compare(node.op, *args)
            case "bits":
                return self._test_bit(args[0], node.attrs[0])
            case _:
                return self._member(args[0], node.attrs)

    def _compare(self, op: str, a: int, b: int) -> str:
        ctype = type_of(self.nodes[a], self.nodes[b])
        x, y = self.graph.value(a), self.graph.value(b)
        if y is not None:
            return f"{op}k_{ctype.name}({self.column(a, ctype)}, {ctype.literal(y)})"
        if x is not None:
            return f"{'gt' if op == 'lt' else op}k_{ctype.name}({self.column(b, ctype)}, {ctype.literal(x)})"
        return f"{op}_{ctype.name}({self.column(a, ctype)}, {self.column(b, ctype)})"

    def _test_bit(self, ref: int, lsb: int) -> str:
        """Bit ``lsb``; past the end of a signed type, its sign."""
        ctype = type_of(self.nodes[ref])
        mask = ctype.unsigned.literal(1 << min(lsb, ctype.bits - 1))
        return f"testk_{ctype.name}({self.column(ref, ctype)}, {mask})"

    def _member(self, ref: int, attrs: tuple[int, ...]) -> str:
        ctype = type_of(self.nodes[ref])
        x, count = self.column(ref, ctype), len(attrs) // 2
        if count == 1:
            low, span = ctype.literal(attrs[0]), ctype.unsigned.literal(attrs[1] - attrs[0])
            return f"rangek_{ctype.name}({x}, {low}, {span})"
        if ctype.bits <= 16 and count > CHAIN_MAX:
            return f"in_bitmap_{ctype.name}({x}, {self._constants.bitmap(ctype, attrs)})"
        low_name = self._constants.values(ctype, attrs[0::2])
        span_name = self._constants.values(
            ctype.unsigned, [hi - lo for lo, hi in zip(attrs[0::2], attrs[1::2], strict=True)]
        )
        if count <= CHAIN_MAX:
            return f"in_ranges_{ctype.name}({x}, {low_name}, {span_name}, {count})"
        half = 1 << (count.bit_length() - 1)
        return f"in_sorted_{ctype.name}({x}, {low_name}, {span_name}, {count}, {half})"

    def _emit_mux(self, ref: int) -> None:
        node = self.nodes[ref]
        ctype = type_of(node)
        form, arms = "", []
        for arm in node.args[1:]:
            value = self.graph.value(arm)
            form += "c" if value is None else "k"
            arms.append(self.column(arm, ctype) if value is None else ctype.literal(value))
        condition, target = self.word(node.args[0]), column(ref, ctype)
        self._forms.add(target)
        self.statement(f"mux{form}_{ctype.name}({target}, {condition}, {', '.join(arms)});", [ref], (target,))

    def _emit_column(self, ref: int) -> None:
        node = self.nodes[ref]
        ctype = type_of(node)
        operation = {"bits": self._bits, "signed": self._signed, "div": self._division, "mod": self._division}
        text = operation.get(node.op, self._modular)(node, ctype)
        target = column(ref, ctype)
        self._forms.add(target)
        self.statement(f"EACH {target}[i] = ({ctype.name})({text});", [ref], (target,))

    def _modular(self, node: Node, ctype: CType) -> str:
        """add, sub, mul, band, bor, bxor: exact modulo 2**bits, and the result is known to fit."""
        sign = {"add": "+", "sub": "-", "mul": "*", "band": "&", "bor": "|", "bxor": "^"}[node.op]
        a, b = (self.lane(arg, ctype.modular) for arg in node.args)
        return f"{a} {sign} {b}"

    def _bits(self, node: Node, ctype: CType) -> str:
        lsb, width = node.attrs
        source, x = self.nodes[node.args[0]], type_of(self.nodes[node.args[0]])
        shifted = f"({self.column(node.args[0], x)}[i] >> {min(lsb, x.bits - 1)})"
        if source.lo >= 0 and source.hi >> lsb < 1 << width:
            return shifted
        modular = ctype.modular
        return f"({modular.name}){shifted} & {modular.literal(((1 << width) - 1) & modular.hi)}"

    def _signed(self, node: Node, ctype: CType) -> str:
        sign = ctype.modular.literal(1 << (node.attrs[0] - 1))
        return f"({self.lane(node.args[0], ctype.modular)} ^ {sign}) - {sign}"

    def _division(self, node: Node, ctype: CType) -> str:
        """Floor division by a positive constant, and its remainder."""
        (divisor,) = node.attrs
        source, x = self.nodes[node.args[0]], type_of(self.nodes[node.args[0]])
        value, modular = f"{self.column(node.args[0], x)}[i]", ctype.modular
        divides = node.op == "div"
        if divisor > x.hi:  # the quotient is 0 or -1
            if divides:
                return f"{value} < 0 ? -1 : 0" if source.lo < 0 else "0"
            plus = modular.literal(divisor & modular.hi)
            return f"({modular.name}){value} + ({value} < 0 ? {plus} : 0)" if source.lo < 0 else value
        d = x.literal(divisor)
        if source.lo >= 0:
            return f"{value} {'/' if divides else '%'} {d}"
        if divides:
            return f"{value} / {d} - ({value} % {d} < 0)"
        return f"{value} % {d} + ({value} % {d} < 0 ? {d} : 0)"

    def _emit_table(self, key: TableKey) -> None:
        name, x, ctype = key
        members = self._table_members[key]
        result = f"r{len(self.program.results)}"
        self.program.results.append((result, len(members)))
        if name == "range":
            ranges = [self.nodes[r].attrs for r in members]
            tables = [
                self._constants.values(ctype, [a[0] for a in ranges]),
                self._constants.values(ctype.unsigned, [a[1] - a[0] for a in ranges]),
            ]
        else:
            values = [next(v for a in self.nodes[r].args if (v := self.graph.value(a)) is not None) for r in members]
            tables = [self._constants.values(ctype, values)]
        self._replaced.update((ref, f"c->{result}[{at}]") for at, ref in enumerate(members))
        arguments = ", ".join([f"c->{result}", self.column(x, ctype), *tables, str(len(members))])
        self.statement(f"{name}_each_{ctype.name}({arguments});", members, (f"c->{result}",))
