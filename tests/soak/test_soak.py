"""The soak for a few seconds, and that it would see what it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import SubscriberStats
from sevenm.host.ring.record import record_dtype
from tests.soak.accounts import Reading, findings
from tests.soak.feed import frames
from tests.soak.subscriber import FIELDS, Notes, Wrong, look

SECONDS = 5


@pytest.mark.needs("compiler", "clang", "xdp", "namespaces")
def test_a_short_soak_accounts_for_every_event(tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.soak", "--seconds", str(SECONDS), "--json", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.endswith("\nevery event is accounted for\n")
    result = json.loads(out.read_text())
    for leg in ("card", "feed"):
        assert result[leg]["counts"]["matched"] > 1000
        assert result[leg]["generations"] > 10
        assert set(result[leg]["subscribers"]) == {"default", "newest", "oldest"}
    assert result["card"]["counts"]["prefiltered"] > 1000
    assert sum(result["trouble"].values()) >= 1


LANE = SubscriberStats("oldest", "drop_oldest", 1, 90, 0, 10, {"full": 0})
COUNTS = {
    "received": 200, "prefiltered": 30, "dropped": 4, "damaged": 1, "left": 20, "events": 180, "matched": 90,
    "delivered": 80, "undelivered full": 10, "fired": 90, "counted": 90,
}  # fmt: skip
NOTES = dict.fromkeys(FIELDS, 0) | {"read": 75, "gaps": 15}


def test_accounts_that_add_up_have_no_findings() -> None:
    assert findings(235, COUNTS, {"oldest": Reading(LANE, NOTES, 1)}) == []


@pytest.mark.parametrize("name", COUNTS)
def test_one_event_more_or_less_is_found(name: str) -> None:
    for change in (1, -1):
        assert findings(235, {**COUNTS, name: COUNTS[name] + change}, {"oldest": Reading(LANE, NOTES, 1)})


def test_records_that_a_reader_did_not_see_are_found() -> None:
    for notes in ({"read": 74}, {"gaps": 16}, {"gaps": 9, "read": 81}):
        assert findings(235, COUNTS, {"oldest": Reading(LANE, NOTES | notes, 1)})
    assert findings(235, COUNTS, {"oldest": Reading(LANE, NOTES, 0)}) == [
        "oldest: 15 left out, 10 of them counted, 0 readers killed"
    ]


@pytest.fixture
def records() -> np.ndarray:
    """Ten events of the first rules, the fourth of ten ports on."""
    out = np.zeros(5, record_dtype(128))
    out["seq"], out["generation"], out["data"] = np.arange(5), 1, frames(20)[:5]
    return out


KNOWN = dict.fromkeys(FIELDS, 0)


def test_a_subscriber_goes_on_where_the_one_before_it_was_killed(records: np.ndarray, tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    notes.save(look(records[:3], notes.load()))
    notes = Notes(tmp_path / "notes")
    known = look(records[1:], notes.load())
    assert known == {"read": 5, "seq": 5, "number": 25, "again": 2, "gaps": 0, "generation": 1}
    assert look(records[1:], known)["again"] == 6
    later = records.copy()
    later["seq"] += 7
    later["data"] = frames(40)[:5]
    assert look(later, known)["gaps"] == 2


def wrong(records: np.ndarray, field: str, at: int, value: int) -> np.ndarray:
    """With another value in one record; ``data``: of the byte at PORT_AT + 1."""
    out = records.copy()
    if field == "data":
        out["data"][at, 37] = value
    else:
        out[field][at] = value
    return out


@pytest.mark.parametrize(
    ("field", "at", "value", "why"),
    [
        ("seq", 3, 1, "numbers of the ring do not go up"),
        ("generation", 2, 2, "records of other rules than those of their generation"),
        ("data", 1, 0x88, "records that are torn"),
    ],
)
def test_a_subscriber_sees_what_cannot_be(records: np.ndarray, field: str, at: int, value: int, why: str) -> None:
    with pytest.raises(Wrong, match=why):
        look(wrong(records, field, at, value), KNOWN)


def test_a_subscriber_sees_events_that_come_twice_and_generations_that_come_back(records: np.ndarray) -> None:
    twice = records.copy()
    twice["data"][2] = twice["data"][1]
    with pytest.raises(Wrong, match="events that come twice"):
        look(twice, KNOWN)
    with pytest.raises(Wrong, match="events that come twice"):
        look(records, {**KNOWN, "number": 21})
    with pytest.raises(Wrong, match="a generation comes back"):
        look(records, {**KNOWN, "generation": 3})
