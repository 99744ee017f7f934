"""Plans of rule files that were compiled before, found by the text of the file.

One idea: a Plan is a function of the text and of the compiler, so a digest over both names it. Plans are checked as
they are read, and sealed, so that a damaged one is compiled again (``sevenm.host.engine.code_cache``). Files with
warnings are not kept, since a warning has to be said again, nor are those with rows in other files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sevenm.compiler.plan import Plan
from sevenm.generators import generators
from sevenm.host.engine.code_cache import cache_folder, digest_of, keep_sealed, unsealed, usable

if TYPE_CHECKING:
    from sevenm.compiler import Compiled

PLANS_MAX = 128
"""Plans kept; the longest unused go first."""
ENDING = ".plan"
_OTHER_FILES = re.compile(r"""\bfrom\s*["']""")
"""May be more than it is, in a comment say."""


def find_plan(text: str, name: str) -> Plan | None:
    """The Plan that the text of a rule file became, whose name is that; None where it has to be compiled."""
    path = _path(text, name)
    data = None if path is None else unsealed(path)
    if data is None:
        return None
    try:
        return Plan.from_json(json.loads(data))
    except ValueError:
        return None


def keep_plan(text: str, name: str, compiled: Compiled) -> None:
    """Keeps what the text was compiled to; where that cannot be, it is compiled again the next time."""
    path = _path(text, name)
    if path is not None and not compiled.warnings:
        keep_sealed(path, json.dumps(compiled.plan.to_json(), separators=(",", ":")).encode(), PLANS_MAX)


def reads_other_files(text: str) -> bool:
    """Whether the Plan is not a function of the text alone."""
    return _OTHER_FILES.search(text) is not None


def _path(text: str, name: str) -> Path | None:
    """Where the Plan is or would be; None where none is kept."""
    folder = usable(cache_folder() / "plans") if usable() is not None else None
    if folder is None or reads_other_files(text):
        return None
    parts = (generators(), name, text)
    return folder / f"{digest_of(part.encode('utf-8', 'surrogateescape') for part in parts)}{ENDING}"
