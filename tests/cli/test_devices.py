"""What other packages add is listed and used, and what they get wrong is named; without a change to the command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.capture.pcap import open_capture

Sevenm = Any
CODE = '''
"""A device that decides by hand, and an ingress of frames written as hex."""

import numpy as np
from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceKind
from sevenm.host.devices.software import SoftwareDevice
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ingress import IngressKind
from sevenm.host.ring.record import Engine


class Rules:
    def __init__(self, bundle):
        self.bundle = bundle

    def run(self, batch):
        odd = np.array([len(batch.data(i)) % 2 == 1 for i in range(len(batch))], np.bool_)
        never = np.zeros(len(batch), np.bool_)
        return Decisions.from_flags(np.tile(odd, (len(self.bundle.rules), 1)), never, never, self.bundle.rules)

    def counters(self):
        return {}

    def close(self):
        pass


class Device(SoftwareDevice):
    engine, name, kind = Engine.NIC, "odd", Rules

    def prepare(self, bundle):
        return Rules(bundle)


class Frames:
    name, link_type, size, position = "frames in hex", 1, None, 0

    def __init__(self, text):
        self.data = [bytes.fromhex(word) for word in text.split(",")]

    def batches(self, max_events=16384, max_bytes=1 << 20, source=0):
        yield EventBatch.from_bytes(self.data, source=source)

    def warnings(self):
        return ["there is always something"]

    def close(self):
        pass


ODD = DeviceKind("says that frames of odd length match", Device)
HEX = IngressKind("frames in hex, with commas between", lambda text, wanted: Frames(text))
LACKING = DeviceKind("needs a card", Device, missing=lambda: "there is no card; buy one")
NOT_A_KIND = Device
MAKES_NOTHING = DeviceKind("makes no device", dict)
'''


@pytest.fixture
def package(tmp_path: Path) -> Any:
    """``package(devices={...}, ingress={...}, name="extra")`` installs a package; returns what the command needs in its
    environment to see all of them."""

    def install(
        devices: dict[str, str] | None = None, ingress: dict[str, str] | None = None, name: str = "extra"
    ) -> dict[str, str]:
        (tmp_path / f"{name}_code.py").write_text(CODE)
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = ["[sevenm.devices]", *(f"{key} = {name}_code:{value}" for key, value in (devices or {}).items())]
        lines += ["[sevenm.ingress]", *(f"{key} = {name}_code:{value}" for key, value in (ingress or {}).items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}

    return install


def test_what_comes_with_sevenm_is_registered_like_anything_else(sevenm: Sevenm) -> None:
    done = sevenm("devices", "--json")
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert [one["name"] for one in data["devices"]] == ["host", "reference", "rtl"]
    assert {"capture", "packet", "records", "replay", "tap", "udp"} <= {one["name"] for one in data["ingress"]}
    for one in (*data["devices"], *data["ingress"]):
        assert one["package"].startswith("sevenm ")
        assert one["label"] != ""
        assert one["error"] is None


def test_a_package_adds_a_device_and_an_ingress(sevenm: Sevenm, package: Any) -> None:
    env = package({"odd": "ODD"}, {"hex": "HEX"})
    rows = [" ".join(line.split()) for line in sevenm("devices", env=env).out.splitlines()]
    assert "odd says that frames of odd length match extra 1.2 -" in rows
    assert "hex frames in hex, with commas between extra 1.2 -" in rows
    args = ("filter", "udp", "-r", "00,0011,001122", "--ingress", "hex", "--engine", "odd", "--count")
    done = sevenm(*args, env=env)
    assert (done.code, done.out) == (0, "2\n")
    assert done.err == "sevenm: frames in hex: there is always something\n"


def test_a_run_on_a_device_of_another_package_reports_and_writes(
    sevenm: Sevenm, package: Any, rules: Path, tmp_path: Path
) -> None:
    env = package({"odd": "ODD"}, {"hex": "HEX"})
    out = tmp_path / "odd.pcap"
    args = ("run", rules, "-r", "00,0011,001122", "--ingress", "hex", "--engine", "odd", "--json", "-w", out)
    done = sevenm(*args, env=env)
    assert done.code == 0, done.err
    assert [rule["events"] for rule in json.loads(done.out)["rules"]] == [2] * 5
    with open_capture(out) as reader:
        assert [batch.data(i) for batch in reader.batches() for i in range(len(batch))] == [b"\0", b"\0\x11\x22"]


def test_a_device_of_another_package_is_compared_with_the_definition(
    sevenm: Sevenm, package: Any, rules: Path, office: Path
) -> None:
    env = {**package({"odd": "ODD"}), "CC": "no-such-compiler", "CXX": "no-such-compiler"}
    done = sevenm("compare", rules, "-r", office, env=env)
    assert done.code == 1
    assert done.out.splitlines()[2].split() == ["rule", "reference", "odd", "equal"]
    assert "NOT EQUAL to reference: odd on " in done.out


def test_what_is_missing_is_listed_and_said(sevenm: Sevenm, package: Any, office: Path) -> None:
    env = package({"card": "LACKING"})
    listed = sevenm("devices", env=env)
    assert listed.code == 0
    assert "there is no card; buy one" in listed.out
    done = sevenm("filter", "udp", "-r", office, "--engine", "card", env=env)
    assert (done.code, done.err) == (4, "sevenm: the engine card is not available: there is no card; buy one\n")


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ({"bad": "NOT_A_KIND"}, "is the class Device, expected a sevenm.host.devices.device.DeviceKind"),
        ({"bad": "NOWHERE"}, "cannot be imported: AttributeError: module 'extra_code' has no attribute 'NOWHERE'"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_package(
    sevenm: Sevenm, package: Any, office: Path, devices: dict[str, str], message: str
) -> None:
    env = package(devices)
    expected = f"sevenm: extra 1.2 (bad = extra_code:{devices['bad']}): {message}\n"
    done = sevenm("filter", "udp", "-r", office, "--engine", "bad", env=env)
    assert (done.code, done.err) == (4, expected)
    listed = sevenm("devices", env=env)
    assert (listed.code, listed.err) == (4, expected)
    assert [line.split()[0] for line in listed.out.splitlines()[1:5]] == ["bad", "host", "reference", "rtl"]
    fine = sevenm("filter", "udp", "-r", office, "--engine", "reference", "--count", env=env)
    assert (fine.code, fine.err) == (0, ""), "a broken package breaks nothing but what it adds"


def test_a_kind_that_makes_no_device_is_named(sevenm: Sevenm, package: Any, office: Path) -> None:
    env = package({"bad": "MAKES_NOTHING"})
    done = sevenm("filter", "udp", "-r", office, "--engine", "bad", env=env)
    assert done.code == 4
    assert done.err == "sevenm: extra 1.2 (bad = extra_code:MAKES_NOTHING): makes a dict, which is no Device\n"


def test_a_name_that_two_packages_register_belongs_to_neither(sevenm: Sevenm, package: Any, office: Path) -> None:
    package({"odd": "ODD"}, name="one")
    env = package({"odd": "ODD", "reference": "ODD"}, name="two")
    done = sevenm("filter", "udp", "-r", office, "--engine", "odd", env=env)
    assert done.code == 4
    assert done.err == (
        "sevenm: the device 'odd' is registered twice, by one 1.2 (odd = one_code:ODD) and "
        "two 1.2 (odd = two_code:ODD); remove one of the packages\n"
    )
    own = sevenm("filter", "udp", "-r", office, "--engine", "reference", env=env)
    assert own.code == 4
    assert "the device 'reference' is registered twice, by " in own.err
