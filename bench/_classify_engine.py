"""One engine of one tree, written by a process of its own: rule text on stdin, C to a file, seconds to stdout.

    PYTHONPATH=TREE python bench/_classify_engine.py OUT [CLASSIFIER]

Bounds on the number of rules are lifted, so that large sets compile in every tree. ``emit`` is where the tree has it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from pathlib import Path

RULES_MAX = 1 << 16
EMITTERS = {"c": "sevenm.compiler.backends.c.emit", "host_c": "sevenm.compiler.backends.host_c"}


def main() -> None:
    compile_text = importlib.import_module("sevenm.compiler").compile_text
    backends = importlib.import_module("sevenm.compiler.backends").__path__
    inside = {module.name for module in pkgutil.iter_modules(backends)}
    emit = importlib.import_module(next(path for name, path in EMITTERS.items() if name in inside)).emit
    for name, module in list(sys.modules.items()):
        if name.startswith("sevenm.") and hasattr(module, "RULES_MAX"):
            vars(module)["RULES_MAX"] = RULES_MAX
    start = time.perf_counter()
    plan = compile_text(sys.stdin.read(), "set").plan
    checked = time.perf_counter()
    text = emit(plan, **({"classifier": sys.argv[2]} if len(sys.argv) > 2 else {}))
    Path(sys.argv[1]).write_text(text)
    print(f"{checked - start:.3f} {time.perf_counter() - checked:.3f}")


if __name__ == "__main__":
    main()
