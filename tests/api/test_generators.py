"""The digest that names what was made: of everything that makes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from sevenm import generators


def uncovered() -> set[str]:
    """Modules of sevenm that files under the digest import, at the top or in a function, and that are not under it."""
    files = dict(generators.covered())
    wanted = {module for name, data in files.items() if name.endswith(".py") for module in imported(data)}
    return {
        module for module in wanted
        if not {f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py")} & files.keys()
    }  # fmt: skip


def imported(source: bytes) -> Iterator[str]:
    """Names below ``sevenm``. Relative imports stay within their package, which is covered whole."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (item.name.removeprefix("sevenm.") for item in node.names if item.name.startswith("sevenm."))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            if node.module == "sevenm":
                yield from (item.name for item in node.names)
            elif node.module.startswith("sevenm."):
                yield node.module.removeprefix("sevenm.")


def test_all_that_makes_bundles_is_under_the_digest() -> None:
    assert uncovered() == set()


@pytest.mark.parametrize("name", generators.MODULES)
def test_a_module_that_is_left_out_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "MODULES", tuple(module for module in generators.MODULES if module != name))
    assert uncovered() == {name}


def test_another_text_of_any_file_is_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    files = list(generators.covered())
    before = generators.generators()
    for name in ("boundary.py", "compiler/bundle.py", "hdl/core.py"):
        changed = [(path, data + b"\n" * (path == name)) for path, data in files]
        monkeypatch.setattr(generators, "covered", lambda changed=changed: iter(changed))
        generators.generators.cache_clear()
        assert generators.generators() != before, name
    monkeypatch.undo()
    generators.generators.cache_clear()
    assert generators.generators() == before
