"""The protocol of a lane, model-checked: every order of both sides' stores and loads (``tests/host/model/lane.pml``).

No torn record is accepted, none is lost without being counted, and no wake-up is lost. Each rule that the model breaks
on purpose is found, so each is needed. The model is of the protocol, not of the C: its lines follow ``ring_lanes.c``,
``ring_read.c`` and ``ring_bell.h``, which the sanitizers watch.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sevenm.host.ring import POLICIES

MODEL = Path(__file__).resolve().parents[1] / "model" / "lane.pml"
DEADLOCK, TORN = "invalid end state", "assertion violated ((first==(mine+1))&&(second==(mine+1)))"
FAULTS = {
    "NO_BARRIER": (POLICIES, DEADLOCK),
    "WISH_READ_EARLY": (POLICIES, DEADLOCK),
    "NO_SECOND_LOOK": (POLICIES, DEADLOCK),
    "SHOWN_EARLY": (POLICIES, TORN),
    "FLOOR_LATE": (("drop_oldest",), TORN),
    "FLOOR_NOT_READ_AGAIN": (("drop_oldest",), TORN),
}
"""What is broken, under which policies, and what the model check then says."""
BROKEN = [(fault, policy, found) for fault, (policies, found) in FAULTS.items() for policy in policies]

pytestmark = [pytest.mark.needs("spin"), pytest.mark.needs("compiler")]


def check(folder: Path, policy: str, *defines: str) -> str:
    """What the checker says of the model: its whole output. It looks at all states."""
    for command in (
        ["spin", "-a", f"-DPOLICY={policy.upper()}", *(f"-D{define}" for define in defines), str(MODEL)],
        ["gcc", "-O0", "-DSAFETY", "-DMEMLIM=2000", "-o", "pan", "pan.c"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([folder / "pan", "-m1000000"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("policy", POLICIES)
def test_no_order_of_stores_and_loads_breaks_the_protocol(tmp_path: Path, policy: str, soak: bool) -> None:
    said = check(tmp_path, policy, f"OFFERED={7 if soak else 5}")
    assert "errors: 0\n" in said
    assert "max search depth too small" not in said
    assert "Search not completed" not in said
    states = re.search(r"(\d+) states, stored", said)
    assert states is not None
    assert int(states[1]) > 50_000


@pytest.mark.parametrize(("fault", "policy", "found"), BROKEN)
def test_each_rule_is_needed(tmp_path: Path, fault: str, policy: str, found: str) -> None:
    assert f"FAULT_{fault}" in MODEL.read_text()
    said = check(tmp_path, policy, f"FAULT_{fault}")
    assert "errors: 1\n" in said
    assert f"pan:1: {found} " in said
