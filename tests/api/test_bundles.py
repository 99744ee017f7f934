"""A bundle from elsewhere is native code: only what its Plan says it is runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import sevenm
from sevenm.cli.main import main
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


def test_what_a_back_end_refuses_is_not_there_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(plan: object, classifier: str) -> str:
        raise Refused("the host engine has no such thing; rule dns asks for it")

    monkeypatch.setattr("sevenm.compiler.bundle.emit", refuse)
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
