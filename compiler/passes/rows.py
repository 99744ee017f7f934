"""Pass: a block of rules as rows, for back ends that look rules up instead of testing them one by one.

One idea: most of what large rule sets ask is "does this value lie in that set", about a few values. Those values are
the block's *keys*; a *row* is one set per key, and clauses over the conditions that remain (its *features*: validity
of headers, comparisons of two values, …). A rule is the union of its rows, and rows stand in order of their rules, so
a row's place is its priority. Rules that are not of that form, or would need too many rows, are the *residue*: their
conditions are computed as they stand.

Rows are exact: whatever values the keys take and whatever truth values the features take, a rule's rows hold for one
of them exactly if its condition does. Nothing is assumed about how keys and features hang together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sevenm.compiler.passes.interval_sets import Intervals, complement, intersection, union
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.names import NO_NAMES, Names
from sevenm.compiler.plan.ops import Node

KEYS_MAX = 8
"""Keys of a block: the values with the most different tests."""
KEY_TESTS_MIN = 4
"""Different tests that make a value a key; fewer stay features."""
ROWS_PER_RULE_MAX = 64
"""Rows of one rule; a rule that would have more joins the residue."""
INTERVALS_MAX = 1024
"""Intervals in one test of a key; a longer list (a named set, say) stays a feature."""
FEATURES_MAX = 32
"""Different feature conditions among a block's rows; rules with rarer ones join the residue."""
DEPTH_MAX = 64
"""Conditions inside of one another; a rule that nests deeper joins the residue."""
INTERVALS_SHOWN = 8
"""Intervals of a set that are written out for people."""
SHARED_MIN = 8
"""A disjunction that as many conditions use is a feature: computed once, it is cheaper than rows for each of them."""

Clause = tuple[int, ...]
"""A disjunction of literals: 2 * node, plus 1 where the node is to be 0."""
Condition = tuple[Clause, ...]
"""A conjunction of clauses; empty: always true."""


@dataclass(frozen=True, slots=True)
class Row:
    """``rule`` counts from the start of the block. ``sets`` has one set for each key (all it can be: no test)."""

    rule: int
    sets: tuple[Intervals, ...]
    features: Condition


@dataclass(frozen=True, slots=True)
class Rows:
    """A block's rows in order of priority. ``keys`` are nodes. ``residue``: rules (from the start of the block) whose
    ``when`` is to be computed as it stands; ``reasons`` says of each why."""

    keys: tuple[int, ...]
    rows: tuple[Row, ...]
    residue: tuple[int, ...]
    reasons: tuple[str, ...]

    @property
    def features(self) -> tuple[Condition, ...]:
        """The different feature conditions, those of the earlier rows first."""
        return tuple(dict.fromkeys(row.features for row in self.rows))


def rows_text(nodes: Sequence[Node], rows: Rows, names: Names = NO_NAMES) -> str:
    """The rows for people: keys and conditions first, then a line for each row and each rule of the residue. Features
    without a name are numbered as they come."""
    lines = []
    for at, key in enumerate(rows.keys):
        node = nodes[key]
        attrs = ", ".join(str(value) for value in node.attrs)
        lines.append(f"k{at}: {names.best(key) or f'{node.op}({attrs})'}, {node.lo} to {node.hi}")
    conditions = rows.features
    features = dict.fromkeys(literal // 2 for condition in conditions for clause in condition for literal in clause)
    called = {ref: names.best(ref) or f"f{at}" for at, ref in enumerate(features)}
    for at, condition in enumerate(conditions):
        clauses = [" or ".join(f"{'not ' * (lit & 1)}{called[lit // 2]}" for lit in clause) for clause in condition]
        joined = " and ".join(f"({c})" if " or " in c else c for c in clauses)
        lines.append(f"c{at}: {joined or 'always'}")
    of = {condition: at for at, condition in enumerate(conditions)}
    for row in rows.rows:
        tests = []
        for at, (key, part) in enumerate(zip(rows.keys, row.sets, strict=True)):
            if part != ((nodes[key].lo, nodes[key].hi),):
                shown = ", ".join(str(lo) if lo == hi else f"{lo}..{hi}" for lo, hi in part[:INTERVALS_SHOWN])
                more = f", and {len(part) - INTERVALS_SHOWN} more" if len(part) > INTERVALS_SHOWN else ""
                tests.append(f"k{at} in {{{shown}{more}}}")
        lines.append(f"rule {row.rule}: {', '.join([*tests, f'c{of[row.features]}'])}")
    lines += [f"rule {rule}: as it stands: {why}" for rule, why in zip(rows.residue, rows.reasons, strict=True)]
    return "\n".join(lines)


class _TooMany(Exception):
    """A rule does not fit the form."""


def plan_rows(plan: Plan) -> list[Rows]:
    """The rows of every block of a Plan."""
    return [rows_of(plan.nodes, [r.when for r in plan.rules[b.start : b.stop]]) for b in plan.blocks]


def rows_of(nodes: Sequence[Node], whens: Sequence[int]) -> Rows:
    """The rows of the rules with these conditions, in this order."""
    tests = _Tests(nodes)
    keys = _keys(nodes, whens, tests)
    expansion = _Expansion(nodes, whens, set(keys), tests)
    rows: list[Row] = []
    residue: dict[int, str] = {}
    for rule, when in enumerate(whens):
        try:
            rows += _merged(_row(nodes, keys, rule, term) for term in expansion.terms(when))
        except _TooMany as reason:
            residue[rule] = str(reason)
    rare = _rare(rows)
    residue.update(dict.fromkeys(sorted(rare), f"more than {FEATURES_MAX} different feature conditions in the block"))
    order = sorted(residue)
    kept = tuple(row for row in rows if row.rule not in rare)
    return Rows(keys, kept, tuple(order), tuple(residue[rule] for rule in order))


def _rare(rows: Sequence[Row]) -> set[int]:
    """Rules with a row whose feature condition is not among the FEATURES_MAX most frequent ones."""
    count: defaultdict[Condition, int] = defaultdict(int)
    for row in rows:
        count[row.features] += 1
    keep = set(sorted(count, key=lambda c: -count[c])[:FEATURES_MAX])
    return {row.rule for row in rows if row.features not in keep}


class _Tests:
    """What a boolean node says about one value, if that is what it does."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._known: dict[int, tuple[int, Intervals] | None] = {}

    def of(self, ref: int) -> tuple[int, Intervals] | None:
        """The value's node, and for which of its values the node is 1; None if it is no such test."""
        if ref not in self._known:
            found = self._direct(ref)
            while found is not None and (inner := self._through(*found)) is not None:
                found = inner
            self._known[ref] = found if found is not None and len(found[1]) <= INTERVALS_MAX else None
        return self._known[ref]

    def _direct(self, ref: int) -> tuple[int, Intervals] | None:
        node = self.nodes[ref]
        if node.op == "member":
            return node.args[0], tuple(zip(node.attrs[0::2], node.attrs[1::2], strict=True))
        if node.op == "bits" and node.is_bool:
            return ref, ((1, 1),)
        if node.op not in ("eq", "lt"):
            return None
        (a, x), (b, y) = ((arg, self._constant(arg)) for arg in node.args)
        if (x is None) == (y is None):
            return None
        if y is not None:
            lo, hi = (y, y) if node.op == "eq" else (self.nodes[a].lo, y - 1)
            return a, ((lo, hi),)
        assert x is not None
        lo, hi = (x, x) if node.op == "eq" else (x + 1, self.nodes[b].hi)
        return b, ((lo, hi),)

    def _constant(self, ref: int) -> int | None:
        node = self.nodes[ref]
        return node.attrs[0] if node.op == "const" else None

    def _through(self, ref: int, wanted: Intervals) -> tuple[int, Intervals] | None:
        """The same test of the operand: through the top bits of a value, a bit field or mask of at most a byte, and
        an added constant. So tests of parts of one value are tests of that value."""
        node = self.nodes[ref]
        if node.op == "add" and (plus := self._constant(node.args[1])) is not None:
            return node.args[0], tuple((lo - plus, hi - plus) for lo, hi in wanted)
        if node.op not in ("bits", "band"):
            return None
        source = self.nodes[node.args[0]]
        if source.op == "const" or source.lo < 0:
            return None
        if node.op == "bits":
            lsb, width = node.attrs
            if lsb + width >= source.width:
                scaled = ((lo << lsb, (hi + 1 << lsb) - 1) for lo, hi in wanted)
                return node.args[0], union((lo, min(hi, source.hi)) for lo, hi in scaled)
            mask = (1 << width) - 1 << lsb
            wanted = tuple((lo << lsb, hi << lsb) for lo, hi in wanted)
        else:
            constant = self._constant(node.args[1])
            if constant is None or constant < 0:
                return None
            mask = constant
        if source.width > 8:
            return None
        inside = [v for v in range(source.lo, source.hi + 1) if any(lo <= v & mask <= hi for lo, hi in wanted)]
        return node.args[0], union((v, v) for v in inside)


def _junctions(nodes: Sequence[Node], whens: Sequence[int]) -> Iterator[int]:
    """Every node that the conditions are made of, through all, any and not; each once."""
    seen: set[int] = set()
    stack = list(whens)
    while stack:
        ref = stack.pop()
        if ref in seen:
            continue
        seen.add(ref)
        yield ref
        if nodes[ref].op in ("all", "any", "not"):
            stack.extend(nodes[ref].args)


def _keys(nodes: Sequence[Node], whens: Sequence[int], tests: _Tests) -> tuple[int, ...]:
    """The values with the most different tests, in order of their nodes."""
    different: defaultdict[int, set[Intervals]] = defaultdict(set)
    for ref in _junctions(nodes, whens):
        test = tests.of(ref)
        if test is not None:
            different[test[0]].add(test[1])
    many = [key for key, found in different.items() if len(found) >= KEY_TESTS_MIN]
    return tuple(sorted(sorted(many, key=lambda key: (-len(different[key]), key))[:KEYS_MAX]))


def _users(nodes: Sequence[Node], whens: Sequence[int]) -> dict[int, int]:
    """How many nodes and rules use each condition."""
    users: defaultdict[int, int] = defaultdict(int)
    for when in whens:
        users[when] += 1
    for ref in _junctions(nodes, whens):
        if nodes[ref].op in ("all", "any", "not"):
            for arg in nodes[ref].args:
                users[arg] += 1
    return users


@dataclass(frozen=True, slots=True)
class _Term:
    """A conjunction: tests of keys as (key, set), and clauses."""

    tests: frozenset[tuple[int, Intervals]] = frozenset()
    clauses: frozenset[Clause] = frozenset()


class _Expansion:
    """Conditions as disjunctions of terms. Of a conjunction of features the parts are features, each a clause."""

    def __init__(self, nodes: Sequence[Node], whens: Sequence[int], keys: set[int], tests: _Tests) -> None:
        self.nodes, self.keys, self.tests = nodes, keys, tests
        self.features: set[int] = set()
        users = _users(nodes, whens)
        for ref in sorted(_junctions(nodes, whens)):
            if self._is_feature(ref, users[ref]):
                self.features.add(ref)

    def _is_feature(self, ref: int, users: int) -> bool:
        """Whether a condition stays as it is: no key is tested in it, or it is a disjunction that many use."""
        node, test = self.nodes[ref], self.tests.of(ref)
        if node.op == "const" or (test is not None and test[0] in self.keys):
            return False
        if node.op not in ("all", "any", "not") or (node.op == "any" and users >= SHARED_MIN):
            return True
        return all(arg in self.features for arg in node.args)

    def terms(self, ref: int, holds: bool = True, depth: int = 0) -> list[_Term]:
        """The terms of a condition, or of its opposite. Raises _TooMany."""
        node = self.nodes[ref]
        if node.op == "const":
            return [_Term()] if bool(node.attrs[0]) == holds else []
        if depth > DEPTH_MAX:
            raise _TooMany(f"nested more than {DEPTH_MAX} deep")
        test = self.tests.of(ref)
        if test is not None and test[0] in self.keys:
            key, inside = test
            known = self.nodes[key]
            return [_Term(frozenset([(key, inside if holds else complement(inside, known.lo, known.hi))]))]
        if ref in self.features and node.op != "not" and not (node.op == "all" and holds):
            return [_Term(clauses=frozenset([(2 * ref + (not holds),)]))]
        if node.op == "not":
            return self.terms(node.args[0], not holds, depth + 1)
        expand = self._all if (node.op == "all") == holds else self._any
        return expand(node, holds, depth + 1)

    def _all(self, node: Node, holds: bool, depth: int) -> list[_Term]:
        out = [_Term()]
        for arg in node.args:
            parts = self.terms(arg, holds, depth)
            if len(out) * len(parts) > ROWS_PER_RULE_MAX:
                raise _TooMany(f"more than {ROWS_PER_RULE_MAX} rows")
            out = [_Term(a.tests | b.tests, a.clauses | b.clauses) for a in out for b in parts]
        return out

    def _any(self, node: Node, holds: bool, depth: int) -> list[_Term]:
        clause = tuple(sorted(2 * arg + (not holds) for arg in node.args if arg in self.features))
        out = [_Term(clauses=frozenset([clause]))] if clause else []
        for arg in node.args:
            if arg not in self.features:
                out += self.terms(arg, holds, depth)
            if len(out) > ROWS_PER_RULE_MAX:
                raise _TooMany(f"more than {ROWS_PER_RULE_MAX} rows")
        return out


def _row(nodes: Sequence[Node], keys: Sequence[int], rule: int, term: _Term) -> Row:
    sets: dict[int, Intervals] = {key: ((nodes[key].lo, nodes[key].hi),) for key in keys}
    for key, inside in term.tests:
        sets[key] = intersection(sets[key], inside)
        if len(sets[key]) > INTERVALS_MAX:
            raise _TooMany(f"more than {INTERVALS_MAX} intervals in one test")
    return Row(rule, tuple(sets[key] for key in keys), tuple(sorted(term.clauses)))


def _merged(rows: Iterator[Row]) -> list[Row]:
    """Without rows that never hold; rows that differ in one key's set become one."""
    out: list[Row] = []
    for row in rows:
        row = replace(row, features=tuple(c for c in row.features if not _always(c)))
        if not all(row.sets) or _never(row.features):
            continue
        for at, other in enumerate(out):
            if other.features != row.features:
                continue
            differ = [k for k, (a, b) in enumerate(zip(other.sets, row.sets, strict=True)) if a != b]
            if len(differ) <= 1:
                sets = tuple(union((*a, *b)) for a, b in zip(other.sets, row.sets, strict=True))
                if max(map(len, sets)) <= INTERVALS_MAX:
                    out[at] = replace(other, sets=sets)
                    break
        else:
            out.append(row)
    return out


def _always(clause: Clause) -> bool:
    return any(literal ^ 1 in clause for literal in clause)


def _never(features: Condition) -> bool:
    single = {clause[0] for clause in features if len(clause) == 1}
    return any(literal ^ 1 in single for literal in single)
