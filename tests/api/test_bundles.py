"""A bundle from elsewhere is native code: only what its Plan says it is runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import sevenm
from sevenm import compared
from sevenm.cli.main import main
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import Generated, Progress, generate
from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused

WEB = "rules web on packet first { rule dns: udp.dstport == 53 => deliver names  default => drop }"
OFFICE = Path(__file__).resolve().parents[2] / "examples" / "capture" / "office.pcap"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sevenm.compile(WEB).build(tmp_path / "web.bundle", gateware=False).folder


def forge(folder: Path, name: str, old: str, new: str) -> None:
    """Changes a file of the bundle, and its digest in the manifest."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_as_it_was_built_is_opened(folder: Path) -> None:
    bundle = sevenm.open_bundle(folder)
    assert (bundle.channels, bundle.core) == (("names",), None)


def test_code_that_the_plan_does_not_explain_is_refused(folder: Path) -> None:
    forge(folder, "engine.c", "#include <stdint.h>", "#include <stdint.h>\n#include <stdlib.h>")
    assert sevenm.Bundle.open(folder).read("engine.c") != b"", "its own digest fits"
    with pytest.raises(sevenm.BundleError) as raised:
        sevenm.open_bundle(folder)
    assert str(raised.value) == (
        f"{folder / 'engine.c'}: not what this version of sevenm makes of plan.json, and it would run as code; "
        "build the bundle again from its rules"
    )


def test_a_file_that_no_plan_asks_for_is_refused(folder: Path) -> None:
    (folder / "extra.c").write_text("int extra;\n")
    forge(folder, "extra.c", "extra", "extra")
    with pytest.raises(sevenm.BundleError, match=r"extra\.c: not what this version of sevenm makes of plan\.json"):
        sevenm.open_bundle(folder)


def test_a_file_that_was_damaged_is_refused_by_its_digest(folder: Path) -> None:
    (folder / "engine.c").write_text("int main(void) { return 0; }")
    with pytest.raises(sevenm.BundleError, match="not the file that was built"):
        sevenm.open_bundle(folder)


@pytest.mark.parametrize("key", ["format"])
def test_an_older_manifest_is_refused_with_a_sentence(folder: Path, key: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, key: 0}))
    with pytest.raises(sevenm.BundleError, match=r"manifest\.json: format is 0, expected \d; build the bundle again"):
        sevenm.open_bundle(folder)


def test_an_older_plan_is_refused_with_a_sentence(folder: Path) -> None:
    forge(folder, "plan.json", '"format":2', '"format":1')
    with pytest.raises(
        sevenm.BundleError, match=r"plan\.json: expected a Plan of format 2, found 1; build it again with this version"
    ):
        sevenm.open_bundle(folder)


def test_the_command_runs_a_bundle_and_refuses_a_forged_one(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", str(folder), "-r", str(OFFICE), "--engine", "reference", "--json"]
    assert main(arguments) == 0
    data: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert {rule["name"]: rule["events"] for rule in data["rules"]} == {"dns": 10, "default": 759}
    forge(folder, "engine.c", "#include <stdint.h>", "#include <stdint.h> ")
    assert main(arguments) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert "engine.c: not what this version of sevenm makes of plan.json" in err


@pytest.mark.parametrize(
    ("old", "new"), [('"name": "dns"', '"name": "ssh"'), ('"deliver": [\n    0\n   ]', '"deliver": []')]
)
def test_a_manifest_that_the_plan_does_not_explain_is_refused(folder: Path, old: str, new: str) -> None:
    text = (folder / "manifest.json").read_text()
    assert old in text
    (folder / "manifest.json").write_text(text.replace(old, new, 1))
    with pytest.raises(sevenm.BundleError, match=r"manifest\.json: says something else of the rules than plan\.json"):
        sevenm.open_bundle(folder)


def test_a_core_that_the_plan_does_not_explain_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("amaranth", reason="amaranth is not installed")
    folder = sevenm.compile(WEB).build(tmp_path / "web.bundle").folder
    assert sevenm.open_bundle(folder, gateware=True).core is not None
    assert sevenm.open_bundle(folder).core is None, "what was not compared is not handed out"
    forge(folder, "core.v", "endmodule", "endmodule ")
    with pytest.raises(sevenm.BundleError, match=r"core\.v: not what this version of sevenm makes of plan\.json"):
        sevenm.open_bundle(folder, gateware=True)
    assert sevenm.open_bundle(folder).core is None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """Whether the core was made as well, for each time that a bundle's files are generated to compare with; the cache
    is empty at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    times: list[bool] = []

    def counted(plan: Plan, gateware: bool, say: Progress, options: CoreOptions, classifier: str) -> Generated:
        times.append(gateware)
        return generate(plan, gateware, say, options, classifier)

    monkeypatch.setattr("sevenm.bundles.generate", counted)
    return times


def test_what_this_user_built_is_known_by_its_digests(made: list[bool], folder: Path) -> None:
    assert sevenm.open_bundle(folder).channels == ("names",)
    assert made == []
    forge(folder, "engine.c", "#include <stdint.h>", "#include <stdint.h> ")
    with pytest.raises(sevenm.BundleError, match=r"engine\.c: not what this version of sevenm makes of plan\.json"):
        sevenm.open_bundle(folder)
    assert made == [False]


def test_what_comes_from_elsewhere_is_compared_once(
    made: list[bool], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "cache" / "sevenm" / "compared"
    shutil.rmtree(notes)
    first, second = sevenm.open_bundle(folder), sevenm.open_bundle(folder)
    assert made == [False] and first == second
    (folder / "engine.c").write_text((folder / "engine.c").read_text() + " ")
    with pytest.raises(sevenm.BundleError, match=r"engine\.c: not the file that was built \(its SHA-256 differs\)"):
        sevenm.open_bundle(folder)
    (folder / "engine.c").write_text((folder / "engine.c").read_text()[:-1])
    notes.chmod(0o777)
    sevenm.open_bundle(folder)
    assert made == [False, False], "others may write there"
    notes.chmod(0o700)
    monkeypatch.setattr("sevenm.compared.generators", lambda: "another version")
    sevenm.open_bundle(folder)
    sevenm.open_bundle(folder)
    assert made == [False] * 3


def test_a_bundle_that_is_refused_is_not_remembered(made: list[bool], folder: Path) -> None:
    forge(folder, "engine.c", "#include <stdint.h>", "#include <stdint.h> ")
    for _ in range(2):
        with pytest.raises(sevenm.BundleError, match=r"engine\.c: not what this version"):
            sevenm.open_bundle(folder)
    assert made == [False, False]


def test_a_core_is_known_only_if_it_was_compared(made: list[bool], tmp_path: Path) -> None:
    pytest.importorskip("amaranth", reason="amaranth is not installed")
    folder = sevenm.compile(WEB).build(tmp_path / "web.bundle").folder
    assert sevenm.open_bundle(folder, gateware=True).core is not None and made == []
    shutil.rmtree(tmp_path / "cache")
    forge(folder, "core.v", "endmodule", "endmodule ")
    assert sevenm.open_bundle(folder).core is None and made == [False]
    with pytest.raises(sevenm.BundleError, match=r"core\.v: not what this version of sevenm makes of plan\.json"):
        sevenm.open_bundle(folder, gateware=True)
    assert made == [False, True]


def test_the_bundles_that_are_remembered_are_bounded(made: list[bool], tmp_path: Path, folder: Path) -> None:
    notes = tmp_path / "cache" / "sevenm" / "compared"
    manifest = sevenm.open_bundle(folder).manifest
    compared.note_compared(manifest, gateware=False)
    assert len(list(notes.iterdir())) == 1
    for number in range(compared.COMPARED_MAX + 5):
        (notes / f"old{number}").touch()
        os.utime(notes / f"old{number}", (number, number))
    compared.note_compared(manifest, gateware=True)
    assert len(list(notes.iterdir())) == compared.COMPARED_MAX
    assert compared.is_compared(manifest, gateware=True)
    assert not (notes / "old0").exists()


def test_what_a_back_end_refuses_is_not_there_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(plan: object, classifier: str) -> str:
        raise Refused("the host engine has no such thing; rule dns asks for it")

    monkeypatch.setattr("sevenm.compiler.backends.c.emit.emit", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rules = sevenm.compile(WEB)
    bundle = rules.build(tmp_path / "web.bundle", gateware=False)
    with pytest.raises(sevenm.BundleError, match=r"there is no engine\.c, because the host engine has no such thing"):
        bundle.read("engine.c")
    with pytest.raises(sevenm.DeviceError, match="the engine host cannot run rules: the host engine has no such thing"):
        rules.open_device("host")
    assert rules.engine == "reference"
    (tmp_path / "web.7m").write_text(WEB)
    assert main(["run", str(tmp_path / "web.7m"), "-r", str(OFFICE), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["engine"] == "reference"
    assert "using the slower NumPy reference model: the host engine has no such thing" in err
