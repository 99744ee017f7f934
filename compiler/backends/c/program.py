"""From a Plan to an ordered list of C statements over columns and words: scheduling, not text layout.

One idea: loads come level by level (a load whose base needs no other load is level 0, what depends on its bytes is
level 1, …), so that all packets' bytes of one header are gathered in one short loop; everything else is computed just
before its first use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sevenm.compiler.backends.c import operations
from sevenm.compiler.backends.c.forms import LEAVES, NETWORK_KINDS, RAW_KIND, ROOM_KINDS, Forms, Program, column
from sevenm.compiler.backends.c.guards import ALWAYS, Guard, guards
from sevenm.compiler.backends.c.loads import (
    FETCH_BYTES,
    Read,
    beside,
    gathers,
    is_fixed,
    load_levels,
    reads,
    shuffle,
)
from sevenm.compiler.backends.c.lookups import LOOKUP_COST, Lookups
from sevenm.compiler.backends.c.naming import Names
from sevenm.compiler.backends.c.networks import Network, network_tests
from sevenm.compiler.backends.c.regions import arrange
from sevenm.compiler.backends.c.rooms import Room, room_tests
from sevenm.compiler.backends.c.states import States
from sevenm.compiler.backends.c.tables import TableKey, columns_of_tests
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import Node

LOAD_COST = 24
"""What a load costs, where an operation on a column costs 1 a byte of its type."""
REGION_COST_MIN = 8
"""Least work that is put behind a test of its own."""


class Scheduler(Forms):
    """Emits the statements that nodes need, once each, operands first. ``roots`` are the nodes that are asked for,
    each with the guard of who asks; ``cuts`` are conditions made on the way, one for each list of the nodes that it
    depends on: their node numbers come after those of the graph, and who makes them says their words."""

    def __init__(
        self, plan: Plan, explicit: Explicit, names: Names, roots: Mapping[int, Guard],
        cuts: Sequence[Sequence[int]] = (),
    ) -> None:  # fmt: skip
        super().__init__(explicit, names)
        self.lookups = Lookups(plan.tables, self.nodes)
        self.states = States(plan, explicit)
        self.accesses = explicit.accesses
        self.fixed_span = 0
        self.slot = 1
        self._cuts = {len(self.nodes) + at: tuple(needs) for at, needs in enumerate(cuts)}
        self.nodes += [Node("cut", (), (), 0, 1)] * len(cuts)
        self._read_of: dict[int, Read] = {}
        self._done: set[int] = set()
        self._room_tests: dict[int, tuple[Room, int]] = {}
        self._reachable = self._reach([*roots, *self._cuts])
        if self.captured.bits == 16:
            self._room_tests = room_tests(self.nodes, self._reachable, explicit.captured)
            self._reachable = self._reach([*roots, *self._cuts])
        self._rooms = {room: at for at, room in enumerate(dict.fromkeys(room for room, _ in self._room_tests.values()))}
        asked = {**roots, **dict.fromkeys(self._cuts, ALWAYS)}
        self.guards = guards(self.nodes, self._reachable, asked, self.operands, self._cost, REGION_COST_MIN)
        self._beside = self._find_beside()
        self._table_members = columns_of_tests(self.graph, self._reachable, self.guards)
        self._table_of = {ref: key for key, members in self._table_members.items() for ref in members}
        self._network_tests = network_tests(self.nodes, [ref for ref in self._reachable if ref not in self._table_of])
        networks = dict.fromkeys(network for network, _ in self._network_tests.values())
        self._networks = {network: at for at, network in enumerate(networks)}
        self._gather_all()

    # what is needed, and in which order

    def operands(self, ref: int) -> tuple[int, ...]:
        access = self.accesses.get(ref)
        if access is not None:
            return access.at, access.inside
        if self.nodes[ref].op in ("old", "known"):
            return self.states.operands(self.nodes[ref].attrs[0])
        return self._room_tests[ref][0].operands if ref in self._room_tests else self.nodes[ref].args

    def _before(self, ref: int) -> tuple[int, ...]:
        """What must be computed before a node can be."""
        return self._cuts[ref] if ref in self._cuts else self.operands(ref)

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

    def finish(self) -> Program:
        """The program, guarded statements behind their tests."""
        when = {guard: self._test(guard) for guard in dict.fromkeys(self.guard_of)}
        pairs = zip(self.program.statements, self.guard_of, strict=True)
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
        if node.op in ("const", "cut", *LEAVES):
            return 0
        if ref in self.accesses:
            return LOAD_COST
        if node.op in ("hit", "value"):
            return LOOKUP_COST
        if not self.is_word(ref):
            return type_of(node).bits // 8
        wide = [a for a in node.args if not self.nodes[a].is_bool]
        return type_of(*(self.nodes[a] for a in wide)).bits // 8 * (1 + len(node.attrs) // 2) if wide else 0

    def _emit(self, ref: int) -> None:
        if ref in self.replaced:
            return
        if ref in self.accesses:
            self._settle(ref)
        elif ref in self._table_of:
            self._emit_table(self._table_of[ref])
        elif ref in self._room_tests:
            room, end = self._room_tests[ref]
            self.statement(f"ltk_u8({self._room(room)}, {end})", [ref], defines=ref)
        elif ref in self._network_tests:
            network, first = self._network_tests[ref]
            ctype = type_of(self.nodes[network.value])
            self.statement(f"eqk_{ctype.name}({self._network(network)}, {ctype.constant(first)})", [ref], defines=ref)
        elif self.nodes[ref].op == "hit":
            self.statement(self.lookups.hit(self, ref), [ref], defines=ref)
        elif self.nodes[ref].op == "value":
            self.lookups.value(self, ref)
        elif self.nodes[ref].op in ("old", "known"):
            self.step(self.nodes[ref].attrs[0])
        else:
            operations.emit(self, ref)

    def step(self, state: int) -> None:
        """Reads and writes a state, after all that it needs, unless that was done."""
        for ref in self.states.operands(state):
            self.demand(ref)
        self.states.step(self, state)

    def _room(self, room: Room) -> str:
        """Column of a room, for all tests of it."""
        at = room.value if room.base is None else room.base
        token = column((ROOM_KINDS + 2 * self._rooms[room]) * len(self.nodes) + at, CType(8, False))
        if not self.has(token):
            columns = [self.column(ref, type_of(self.nodes[ref])) for ref in room.operands]
            name = "clamp_u16" if room.base is None else f"room_{type_of(self.nodes[room.base]).name}"
            users = [ref for ref, (of, _) in self._room_tests.items() if of == room]
            self.statement(f"{name}({', '.join([token, *columns])});", users, (token,))
        return token

    def _network(self, network: Network) -> str:
        """Column of a value's upper bits, for all tests of them."""
        ctype = type_of(self.nodes[network.value])
        token = column((NETWORK_KINDS + 2 * self._networks[network]) * len(self.nodes) + network.value, ctype)
        if not self.has(token):
            mask = ctype.literal(ctype.hi & -network.size)
            text = f"EACH {token}[i] = {self.column(network.value, ctype)}[i] & {mask};"
            self.statement(text, [ref for ref, (of, _) in self._network_tests.items() if of == network], (token,))
        return token

    # loads

    def _gather_all(self) -> None:
        levels = load_levels(self._reachable, self.accesses, self._before, self.guards, self._free_loads())
        for depth in sorted(levels):
            self._fetch([ref for ref in levels[depth] if self._is_fetched(ref)])
            together: defaultdict[Guard, list[int]] = defaultdict(list)
            for ref in levels[depth]:
                if not self._is_fetched(ref):
                    together[self.guards[self.accesses[ref].at if ref in self._beside else ref]].append(ref)
            for guard, loads in together.items():
                moving = reads(loads, self.accesses)
                for read in moving:
                    self.demand(read.at)
                for batch in gathers(moving):
                    self._gather(batch, guard)
            for ref in sorted(levels[depth]):
                self.demand(ref)

    def _find_beside(self) -> set[int]:
        """Loads whose bytes come with those of others."""
        return beside(self.nodes, self._reachable, self.accesses, self.guards)

    def _free_loads(self) -> set[int]:
        """Loads that need not wait for what guards them."""
        return self._beside

    def _fetch(self, loads: Sequence[int]) -> None:
        """Reads in the loop that finds the packets."""
        for read in reads(loads, self.accesses):
            self.fixed_span = max(self.fixed_span, read.end)
            raw = self._raw(read)
            self.program.fetch.append(f"{raw}[i] = {read.text}(p + {read.disp});")
            self.program.repeat.append(f"REPEAT({raw});")

    def _is_fetched(self, ref: int) -> bool:
        """Whether the fetch reads it: always needed, and where the shortest frame has bytes."""
        access = self.accesses[ref]
        return is_fixed(self.nodes, access) and not self.guards[ref] and access.disp + access.read <= FETCH_BYTES

    def _raw(self, read: Read) -> str:
        """Column of the bytes as they are in memory; of the load itself if nothing else is read."""
        for ref in read.loads:
            self._read_of[ref] = read
        place = read.loads[0] + (0 if self._is_own(read) else RAW_KIND * len(self.nodes))
        return column(place, CType(8 * read.size, False))

    def _is_own(self, read: Read) -> bool:
        return len(read.loads) == 1 and self.accesses[read.loads[0]].read == read.size

    def _gather(self, batch: list[Read], guard: Guard) -> None:
        """Reads at one base. Events that end too early are led to a copy, and back afterwards."""
        reach, start = self._reached(batch[0].at, batch[0].disp, max(read.end for read in batch))
        lines = [f"    {self._raw(read)}[i] = {read.text}(p + {read.disp});" for read in batch]
        text = [
            f"moved = {reach};",
            "EACH { /* gather */",
            f"    const u8 *p = (const u8 *)(c->{start});",
            *lines,
            "}",
            "lead_back(c, moved);",
        ]
        self.statement("\n".join(text), [], tuple(self._raw(read) for read in batch), guard=guard)

    def _reached(self, base: int, first: int, end: int) -> tuple[str, str]:
        """C expressions: the first leads events that end before ``base + end`` to copies, from ``base + first`` on; the
        second is where lane i has its base."""
        self.slot = max(self.slot, end - first)
        if self.nodes[base].op == "const":
            return f"reach(c, {first}, {end})", "at[i]"
        ctype = type_of(self.nodes[base])
        if ctype.bits > 16 or self.captured.bits > 16 or self.nodes[base].hi + end > self.captured.hi:
            ctype = CType(32, False)
        at = self.column(base, ctype)
        return f"reach_{ctype.name}(c, {at}, {first}, {end})", f"at[i] + {at}[i]"

    def _settle(self, ref: int) -> None:
        """Bytes to value, or 0 where not all of them were captured."""
        access, ctype, read = self.accesses[ref], CType(8 * self.accesses[ref].read, False), self._read_of[ref]
        spare = 8 * (access.read - access.count)
        big = not access.little and access.count > 1
        mask = ctype.literal((1 << 8 * access.count) - 1)
        target, inside = column(ref, ctype), self.word(access.inside)
        if self._is_own(read):
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

    def _emit_table(self, key: TableKey) -> None:
        name, x, ctype = key[:3]
        members = self._table_members[key]
        hint = f"{self.names.describe(x) or f'v{x}'}_{name}"
        result = f"$r{len(self.program.results)}$"
        self.program.results.append((self.names.unique(hint), len(members)))
        if name == "range":
            ranges = [self.nodes[r].attrs for r in members]
            tables = [
                self.constants.values(f"{hint}_low", ctype, [a[0] for a in ranges]),
                self.constants.values(f"{hint}_span", ctype.unsigned, [a[1] - a[0] for a in ranges]),
            ]
        else:
            values = [next(v for a in self.nodes[r].args if (v := self.graph.value(a)) is not None) for r in members]
            tables = [self.constants.values(f"{hint}_values", ctype, values)]
        self.replaced.update((ref, f"{result}[{at}]") for at, ref in enumerate(members))
        arguments = ", ".join([result, self.column(x, ctype), *tables, str(len(members))])
        self.statement(f"{name}_each_{ctype.name}({arguments});", members, (result,))
