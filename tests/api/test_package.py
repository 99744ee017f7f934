"""The package itself: light to import, readable by help and by type checkers, whole in a wheel."""

from __future__ import annotations

import os
import pydoc
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sevenm

ROOT = Path(__file__).resolve().parents[2]
USER = '''
"""What somebody else writes."""

from typing import assert_type

import sevenm
from sevenm import RingReader

rules = sevenm.compile("web.7m")
assert_type(rules, sevenm.Rules)
found = rules.match("in.pcap")["lookup"]
assert_type(found, sevenm.Matches)
for match in found:
    assert_type(match.data, bytes)
assert_type(sevenm.filter("udp").match(b"").counts(), dict[str, int])
with sevenm.open_device(rules, "host") as device:
    assert_type(device.process(sevenm.EventBatch.from_bytes([b""])), sevenm.Decisions)
with RingReader.attach("demo.names") as reader:
    for records in reader:
        assert_type(len(records), int)
assert_type(sevenm.__version__, str)
'''
WRONG = """
import sevenm

sevenm.compile(5)
sevenm.nonsense
"""


def outside(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python module in another folder, without the checkout on its path."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False
    )


@pytest.fixture(params=["checkout", "install"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment in which a type checker finds sevenm: named by its path, or installed."""
    if request.param == "checkout":
        return {"MYPYPATH": str(ROOT)}
    found = outside("-c", "import sevenm; print(sevenm.__file__)", cwd=tmp_path)
    if found.returncode or Path(found.stdout.strip()).resolve() != ROOT / "sevenm" / "__init__.py":
        pytest.skip("what is installed is not this checkout: pip install -e . --config-settings editable_mode=compat")
    return {}


def test_a_type_checker_knows_the_interface(where: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    check = ("-m", "mypy", "--strict", "--cache-dir", str(ROOT / "build" / "mypy-user"), "--no-error-summary",
             "--follow-imports", "silent")  # fmt: skip
    (tmp_path / "user.py").write_text(USER)
    done = outside(*check, "user.py", cwd=tmp_path, **where)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "wrong.py").write_text(WRONG)
    done = outside(*check, "wrong.py", cwd=tmp_path, **where)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith('wrong.py:4: error: Argument 1 to "compile_rules" has incompatible type "int"')
    assert lines[-1] == 'wrong.py:5: error: Module has no attribute "nonsense"  [attr-defined]'


def test_importing_loads_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import sevenm; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("sevenm")} == {"sevenm"}
    assert not loaded & {"numpy", "lark", "cffi", "click", "rich", "amaranth", "importlib.metadata"}


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert set(sevenm.__all__) <= set(dir(sevenm))
    for name in sevenm.__all__:
        assert getattr(sevenm, name) is not None
        assert name == "__version__" or getattr(sevenm, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'sevenm' has no attribute 'nonsense'"):
        sevenm.nonsense  # type: ignore[attr-defined] # noqa: B018 - that it is not there is what is tested


def test_help_shows_the_way_from_rules_to_matches() -> None:
    text = pydoc.render_doc(sevenm, renderer=pydoc.plaintext)
    for wanted in ('rules = sevenm.compile("web.7m")', "RingReader.attach", "``open_device``"):
        assert wanted in text


def test_the_version_is_that_of_the_install() -> None:
    assert sevenm.__version__[0].isdigit()


def test_the_wheel_has_everything_and_says_that_it_has_types(tmp_path: Path) -> None:
    """Built from the files that are or would be committed, without isolation, so without the network."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if names.returncode:
        pytest.skip("not a git checkout: the wheel is made of the files that are committed")
    tree = tmp_path / "tree"
    for name in names.stdout.splitlines():
        source, target = ROOT / name, tree / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            else:
                target.write_bytes(source.read_bytes())
    build = ("-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(tmp_path))
    done = outside(*build, cwd=tree, CC="no-such-compiler")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        (points,) = [name for name in inside if name.endswith("entry_points.txt")]
        registered = archive.read(points).decode()
    parts = ("", *(f"{part}/" for part in ("cli", "compiler", "hdl", "host", "sim")))
    assert {f"sevenm/{part}py.typed" for part in parts} <= inside
    assert {"sevenm/__init__.py", "sevenm/rules.py", "sevenm/host/registry.py", "sevenm/compiler/columns.py"} <= inside
    assert "[sevenm.devices]" in registered and "[sevenm.ingress]" in registered
