"""A block's rules looked up in C: what every way of looking them up gives to the engine, and the text around it.

One idea: a classifier is definitions, a function that fills tables when the engine is loaded, and a function from
columns of keys and words of conditions to rules. The text has only what differs from block to block; ``classify.h`` has
the loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jinja2

from sevenm.compiler.backends.c.bit_vectors import MaskAxis
from sevenm.compiler.backends.c.classify_front import front
from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.passes.rows import Condition
from sevenm.compiler.plan.ops import Node

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Classifier:
    """``text`` stands before the stages. ``call`` is the statement; it needs one column for each of ``keys`` (nodes,
    in their own types), one word for each of ``conditions``, and where its results go: the name of a column of rules
    (``first``), or the live lanes, the events of each rule and the touched rules (``all``)."""

    text: str
    prefix: str
    mode: str
    keys: tuple[int, ...]
    conditions: tuple[Condition, ...]

    @property
    def fill(self) -> str:
        """The function that fills the tables."""
        return f"{self.prefix}_fill"

    def call(self, columns: Sequence[str], words: Sequence[str], *results: str) -> str:
        when = f"(const u64[]){{{', '.join(words)}}}" if words else "0"
        return f"{self.prefix}_{self.mode}({', '.join([*columns, when, *results])});"


@dataclass
class Parts:
    """The text as it is put together: ``arrays`` and ``fill`` make tables, ``body`` the statements of the function.
    ``gate``: the condition that all rows share; it is the first of ``conditions``."""

    name: str
    mode: str
    prefix: str
    nodes: Sequence[Node]
    gate: Condition
    keys: list[int] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    fill: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.gate:
            self.conditions.append(self.gate)

    @property
    def live(self) -> str:
        """Word of the lanes that need a class: what lies in the column of others may lead out of any table."""
        return "ALL" if self.mode == "first" else "live"

    def named(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def key(self, at: int, key: int, starts: Sequence[int], classes: Sequence[int] | None) -> int:
        """Column ``c{at}``: the key's class, or the number of its interval. Gives how many spare numbers there are."""
        if key not in self.keys:
            self.keys.append(key)
        x = f"x{self.keys.index(key)}"
        made = front(self.nodes[key], x, f"c{at}", starts, classes, self.named(f"axis{at}"), self.live)
        about = f"axis {at}: {x}, {len(starts)} intervals"
        self.arrays += [
            "",
            f"/* {about}{'' if classes is None else f' in {len(set(classes))} classes'} */",
            *made.arrays,
        ]
        self.fill += made.fill
        self.body += made.lines
        return made.spare

    def mask(self, at: int, axis: MaskAxis) -> None:
        """Column ``c{at}``: which of the axis's conditions hold."""
        first, count = len(self.conditions), len(axis.conditions)
        self.conditions += axis.conditions
        self.arrays += ["", f"/* axis {at}: which of {count} conditions hold */"]
        self.body += [f"u8 c{at}[LANES] ALIGNED;", f"mask_of(c{at}, when + {first}, {count});"]

    def classifier(self, about: str, rules: int) -> Classifier:
        parameters = [f"const {type_of(self.nodes[k]).name} *restrict x{at}" for at, k in enumerate(self.keys)]
        text = _template().render(
            name=self.name,
            about=about,
            prefix=self.prefix,
            rules=rules,
            arrays=self.arrays,
            fill=self.fill,
            parameters=[*parameters, "const u64 *when"],
            mode=self.mode,
            body=self.body,
            gated=bool(self.gate),
        )
        return Classifier(text, self.prefix, self.mode, tuple(self.keys), tuple(self.conditions))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False, trim_blocks=True,
    )  # fmt: skip
    return environment.from_string((_HERE / "classify.c.j2").read_text())
