"""The house rules, as tests: what a reviewer would otherwise have to look for in every change."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("compiler", "hdl", "host", "sim", "cli")
LINES_MAX = 500
LONGER: dict[str, str] = {}
"""Modules of more than LINES_MAX lines, each with the reason why it is still one idea."""
MAY_IMPORT = {
    "compiler": {"compiler", "hdl"},
    "hdl": {"hdl"},
    "host": {"host"},
    "sim": {"sim", "compiler", "host", "hdl"},
    "cli": {
        "cli",
        "compiler",
        "hdl",
        "host",
        "sim",
        "bundles",
        "engines",
        "events",
        "arrow",
        "prefilter",
        "records",
        "filters",
        "plans",
        "starts",
    },
}
ROOT_MODULES = {"boundary", "manifest", "registers", "tables", "ternary", "version"}
"""Modules of the root package, which know no part and may be imported by every one."""
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|pylint|mypy|fmt|ruff)\b:?(?P<rest>.*)", re.IGNORECASE)
LEFT_TO_DO = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(work|home|root|Users|mnt)/\w")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEXT_ENDINGS = {".py", ".pyi", ".md", ".c", ".h", ".cpp", ".j2", ".lark", ".cdef", ".toml", ".7m", ".sh", ".v", ""}


@cache
def files() -> tuple[Path, ...]:
    """Everything that is or would be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: the house rules are about committed files")
    names = sorted({name for name in done.stdout.decode().split("\0") if name})
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


def sources(*folders: str) -> list[Path]:
    """The Python files, of these top-level folders or of all."""
    python = [path for path in files() if path.suffix == ".py"]
    return [path for path in python if not folders or path.relative_to(ROOT).parts[0] in folders]


def texts() -> list[Path]:
    return [path for path in files() if path.suffix in TEXT_ENDINGS]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, absolute module) of every import, also those inside of functions."""
    package = list(path.relative_to(ROOT).parent.parts)
    out = []
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            out += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ["sevenm", *package][: len(package) + 2 - node.level]
                base = ".".join([*above, *([base] if base else [])])
            out += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return out


def test_packages_import_only_what_the_architecture_allows() -> None:
    wrong = []
    for path in sources(*PACKAGES):
        own = path.relative_to(ROOT).parts[0]
        for line, module in imports(path):
            parts = module.split(".")
            if parts[0] == "sevenm" and len(parts) > 1 and parts[1] not in MAY_IMPORT[own] | ROOT_MODULES:
                wrong.append(f"{name(path)}:{line} imports {module}")
    assert wrong == []


def test_no_file_imports_a_package_by_its_folder() -> None:
    """`import compiler` from the root would load a second copy of sevenm.compiler."""
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in sources()
        for line, module in imports(path)
        if module.split(".")[0] in PACKAGES
    ]
    assert wrong == []


def test_import_of_every_kind_is_found() -> None:
    """The rules above are only as good as what they see."""
    here = ROOT / "cli" / "check.py"
    found = {module for _, module in imports(here)}
    assert "sevenm.cli.sources.compile_file" in found
    assert "click" in found


def test_no_module_is_longer_than_the_limit_without_a_reason() -> None:
    long = {name(path) for path in sources() if len(read(path).splitlines()) > LINES_MAX}
    assert sorted(long - set(LONGER)) == [], f"more than {LINES_MAX} lines: split them, or give the reason in LONGER"
    assert sorted(set(LONGER) - long) == [], "no longer so long: take them out of LONGER"


def test_every_package_folder_has_an_init() -> None:
    folders = {path.parent for path in sources(*PACKAGES)}
    for folder in list(folders):
        folders |= {parent for parent in folder.parents if parent != ROOT and ROOT in parent.parents}
    missing = sorted(name(folder) for folder in folders if not (folder / "__init__.py").exists())
    assert missing == [], "without __init__.py a folder is missing from the wheel"


def test_every_package_with_types_says_so() -> None:
    assert [p for p in PACKAGES if not (ROOT / p / "py.typed").exists()] == []


def test_every_module_states_its_idea() -> None:
    silent = [
        name(path) for path in sources() if read(path).strip() and ast.get_docstring(ast.parse(read(path))) is None
    ]
    assert silent == []


def test_nothing_is_left_to_do() -> None:
    found = [
        f"{name(path)}:{number}"
        for path in texts()
        for number, line in enumerate(read(path).splitlines(), 1)
        if LEFT_TO_DO.search(line)
    ]
    assert found == []


def test_no_path_of_one_machine_is_committed() -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in texts()
        if path != Path(__file__).resolve()
        for number, line in enumerate(read(path).splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_handler_catches_everything_silently() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def test_every_suppression_has_a_code_and_a_reason() -> None:
    """`# noqa: E402 - why` and `# type: ignore[code] - why`; formatter switches need none."""
    wrong = []
    for path in sources():
        for number, line in enumerate(read(path).splitlines(), 1):
            match = SUPPRESSION.search(line)
            if match is None or match[1].lower() == "fmt" or path == Path(__file__).resolve():
                continue
            rest = match["rest"].strip()
            if not re.match(r"(\[[\w, -]+\]|[A-Z]+\d+(,\s*[A-Z]+\d+)*)\s+\W*\w{2,}", rest):
                wrong.append(f"{name(path)}:{number}: {line.strip()[-60:]}")
    assert wrong == []


def test_every_dependency_is_explained() -> None:
    """A comment on the line of each requirement in pyproject.toml; extras of our own need none."""
    text = read(ROOT / "pyproject.toml")
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    lines = text.splitlines()
    silent = [
        requirement
        for requirement in wanted
        if not requirement.startswith("sevenm[")
        and not any(f'"{requirement}"' in line and "#" in line.split(f'"{requirement}"')[1] for line in lines)
    ]
    assert silent == []


def test_no_document_has_a_dead_link() -> None:
    dead = []
    for path in files():
        if path.suffix != ".md":
            continue
        text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = target.partition("#")
            goal = (path.parent / place) if place else path
            if not goal.exists():
                dead.append(f"{name(path)}: {target}")
            elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
                dead.append(f"{name(path)}: {target}: no such heading")
    assert dead == []


def anchors(path: Path) -> set[str]:
    """The headings of a document as their anchors."""
    headings = re.findall(r"^#+\s+(.*)$", read(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_no_generated_file_is_committed() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    generated = re.compile(r"(\.(so|o|pyc|vcd|fst)$|^build/|\.egg-info/|__pycache__|^host/_native\.c$)")
    assert [line for line in done.stdout.splitlines() if generated.search(line)] == []


def test_the_readme_names_every_make_target() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", read(ROOT / "Makefile"), flags=re.MULTILINE)
    assert targets != []
    readme = read(ROOT / "README.md") + read(ROOT / "CONTRIBUTING.md")
    assert [target for target in targets if f"make {target}" not in readme] == []
