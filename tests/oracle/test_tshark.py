"""Display filters give the same packets as Wireshark, but for differences that have a name and a number.

With SEVENM_DIFFERENCES set to a file, the numbers found are written there, in the form of differences.toml.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.batch import EventBatch

HERE = Path(__file__).parent
FILTERS = tomllib.loads((HERE / "filters.toml").read_text())["filter"]
DIFFERENCES = tomllib.loads((HERE / "differences.toml").read_text())
CATEGORIES = DIFFERENCES["category"]
EXPECTED = {entry["filter"]: entry["frames"] for entry in DIFFERENCES["difference"]}

pytestmark = pytest.mark.needs("tshark")


@dataclass(frozen=True)
class Answers:
    """Frame numbers: of each filter here, of each filter there, of each category; and the number of frames."""

    ours: dict[str, set[int]]
    theirs: dict[str, set[int]]
    categories: list[set[int]]
    frames: int

    def differences(self, expr: str) -> Counter[str]:
        """How many frames of each category differ; "unexplained" and the frames where no category holds."""
        out = Counter[str]()
        for frame in self.ours[expr] ^ self.theirs[expr]:
            names = [c["name"] for c, members in zip(CATEGORIES, self.categories, strict=True) if frame in members]
            side = "here" if frame in self.ours[expr] else "Wireshark"
            out[names[0] if names else f"unexplained: frame {frame}, only {side}"] += 1
        return out


@pytest.fixture(scope="session")
def answers(
    traffic: EventBatch,
    wireshark: Callable[[Path, Sequence[str]], list[set[int]]],
    matching: Callable[[str, EventBatch], set[int]],
    pcap_of: Callable[[Path, EventBatch], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Answers:
    capture = tmp_path_factory.mktemp("traffic") / "all.pcap"
    pcap_of(capture, traffic)
    exprs = [f["expr"] for f in FILTERS]
    asked = [f.get("tshark", f["expr"]) for f in FILTERS] + [c["tshark"] for c in CATEGORIES]
    found = wireshark(capture, asked)
    ours = {expr: matching(expr, traffic) for expr in exprs}
    return Answers(ours, dict(zip(exprs, found, strict=False)), found[len(exprs) :], len(traffic))


@pytest.mark.parametrize("expr", [f["expr"] for f in FILTERS])
def test_filter_takes_what_wireshark_takes(answers: Answers, wireshark_version: str, expr: str) -> None:
    found = answers.differences(expr)
    assert [name for name in found if name.startswith("unexplained")] == []
    if wireshark_version == DIFFERENCES["version"] and answers.frames == DIFFERENCES["packets"]:
        assert dict(found) == EXPECTED.get(expr, {})


@pytest.fixture(scope="module")
def all_answers(answers: Answers) -> Answers:
    """Those on the shared captures too, which differences.toml counts."""
    if answers.frames != DIFFERENCES["packets"]:
        pytest.skip(f"differences.toml counts those of {DIFFERENCES['packets']} frames, here are {answers.frames}")
    return answers


def test_every_filter_takes_some_frame_and_leaves_some(all_answers: Answers) -> None:
    odd = [expr for expr, frames in all_answers.ours.items() if len(frames) in (0, all_answers.frames)]
    assert odd == []


def test_every_category_explains_something(all_answers: Answers) -> None:
    used = {name for expr in all_answers.ours for name in all_answers.differences(expr)}
    assert used == {c["name"] for c in CATEGORIES}


def test_every_category_is_explained_to_readers() -> None:
    page = (HERE.parents[1] / "docs" / "differences-from-wireshark.md").read_text()
    terms = [term for term, line in pairwise(page.splitlines()) if line.startswith(": ")]
    assert terms == [c["name"] for c in CATEGORIES]


def test_differences_can_be_written_down(answers: Answers, tmp_path: Path) -> None:
    path = Path(os.environ.get("SEVENM_DIFFERENCES", tmp_path / "differences"))
    rows = [f"packets = {answers.frames}\n"]
    for expr in answers.ours:
        found = sorted(answers.differences(expr).items())
        if found:
            shown: Any = ", ".join(f'"{name}" = {count}' for name, count in found)
            rows.append(f"[[difference]]\nfilter = '{expr}'\nframes = {{ {shown} }}\n")
    path.write_text("\n".join(rows))
    assert tomllib.loads(path.read_text())["packets"] == answers.frames
