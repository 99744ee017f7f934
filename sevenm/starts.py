"""What it takes to run a rule file that ran before: its engine and its names, found by the text of the file.

One idea: as with filters (``sevenm.filters``), a digest over the text and over all that makes an engine names both, so
that neither the compiler nor the bundle nor NumPy is loaded to count what rules do with a capture. Kept are rules on
packets without tables, states and computed ports, which compiled without a remark; what is kept is sealed, and bounded,
as engines are (``sevenm.host.engine.code_cache``).
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sevenm.boundary import ABI
from sevenm.filters import depends_on
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.code_cache import cache_folder, digest_of, is_sealed, keep_sealed, unsealed, usable

if TYPE_CHECKING:
    from sevenm.compiler.plan import Plan

STARTS_MAX = 128
"""Rule files kept; the longest unused go first."""
ENDING = ".start"
TEXT_MAX = 16 << 20
"""Bytes, as ``sevenm.compiler.syntax.brackets.SOURCE_MAX``."""
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class StartRule:
    """As ``sevenm.manifest.Rule``, what counting needs of it."""

    name: str
    block: int
    deliver: list[int]
    count: list[int]
    forward: int
    drop: bool
    line: int


class Start(NamedTuple):
    """``engine``: the name of its file in the cache of code. ``name``, ``digest``, ``structure``: of the Plan."""

    engine: str
    name: str
    digest: str
    structure: str
    block_names: list[str]
    channels: list[str]
    counters: list[str]
    rules: list[StartRule]

    @classmethod
    def read(cls, data: bytes) -> Start:
        """What ``write`` wrote."""
        *facts, rules = json.loads(data)
        return cls._make([*facts, [StartRule(*rule) for rule in rules]])

    def write(self) -> bytes:
        *facts, rules = self
        return json.dumps([*facts, [astuple(rule) for rule in rules]], separators=(",", ":")).encode()


def find_start(file: str) -> tuple[Start, Code] | None:
    """Of the rule file, with its engine loaded; None where it has to be compiled, or cannot be read. Only a file that
    can be read again is read: a pipe is left to whoever compiles it, and so is what is too long for a rule file."""
    try:
        if not Path(file).is_file() or Path(file).stat().st_size > TEXT_MAX:
            return None
        text = Path(file).read_bytes().removeprefix(BOM)
    except (OSError, ValueError):
        return None
    path = _path(text, Path(file).stem)
    data = None if path is None else unsealed(path)
    if data is None:
        return None
    start = Start.read(data)
    engine = cache_folder() / start.engine
    if not is_sealed(engine):
        return None
    try:
        code = Code(engine, cached=True)
    except EngineError:
        return None
    if code.abi == ABI and (code.structure, code.n_rules) == (start.structure, len(start.rules)):
        return start, code
    code.close()
    return None


def keep_start(text: str, plan: Plan, code: Code) -> None:
    """Keeps what it takes to run the Plan of this text, whose engine this is, if it is of the kind that is kept; where
    that cannot be, the Plan and the bundle are looked for the next time."""
    plain = plan.source == "packet" and not (plan.tables or code.n_tables or code.n_states or code.has_ports)
    path = _path(text.encode("utf-8", "surrogateescape"), plan.name) if plain else None
    if path is None or code.path.parent != cache_folder():
        return
    start = Start(
        engine=code.path.name,
        name=plan.name,
        digest=plan.digest,
        structure=plan.structure,
        block_names=[block.name for block in plan.blocks],
        channels=list(plan.channels),
        counters=list(plan.counters),
        rules=[
            StartRule(rule.name, rule.block, [*rule.deliver], [*rule.count], rule.forward, rule.drop, rule.line)
            for rule in plan.rules
        ],
    )
    keep_sealed(path, start.write(), STARTS_MAX)


def _path(text: bytes, name: str) -> Path | None:
    """Where it is or would be; None where none is kept."""
    known = depends_on()
    folder = usable(cache_folder() / "starts") if known and usable() is not None else None
    if folder is None:
        return None
    return folder / f"{digest_of([text, name.encode('utf-8', 'surrogateescape'), *known])}{ENDING}"
