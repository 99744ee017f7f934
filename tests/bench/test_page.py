"""The page of the benchmarks: every kept run becomes rows, losses are in words, and what cannot be shown is named."""

from __future__ import annotations

import importlib
import json
import math
import re
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
RESULTS = BENCH / "results"
FACTS = {"date": "2030-01-01T00:00:00+00:00", "cpu": "one", "load": "0.1", "commit": "c", "cores": "2"}


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_every_kept_run_becomes_rows() -> None:
    rows, lost = module("_readers").read_all(RESULTS)
    assert lost == {}
    files = {path.name for path in RESULTS.iterdir()}
    assert {row.run.file for row in rows} == files
    for row in rows:
        assert 0 < row.ours.low <= row.ours.median <= row.ours.high < math.inf, row
        assert (row.peer is None) == (row.theirs is None) == (row.ratio is None), row
        assert row.unit and row.better in ("higher", "lower"), row


def test_every_benchmark_has_a_reader() -> None:
    """What a program keeps results under is a name that the page knows."""
    kept = {name for path in BENCH.glob("[a-z]*.py") for name in re.findall(r'\bsave\("([a-z-]+)"', path.read_text())}
    assert kept == set(module("_readers").READERS)


def test_known_figures_of_a_kept_run() -> None:
    """Read off the file, not computed by the reader."""
    file = RESULTS / "filter-2026-11-20.json"
    rows = {(row.question, row.variant, row.peer): row for row in module("_readers").read(file)}
    row = rows["One packet filter, native", "udp, 1% hits, in cache", "libpcap"]
    result = json.loads(file.read_text())["results"][0]
    assert row.ours.median == result["sevenm"]["median"] and row.theirs.high == result["libpcap"]["max"]
    assert row.ratio.median == pytest.approx(result["ratio"], rel=0.05) and not row.behind
    path = [row for row in module("_readers").read(RESULTS / "path-2026-11-21.json") if row.short]
    assert [row.variant for row in path] == [f"{n} % match, with four subscribers" for n in (10, 50, 100)]


def test_a_placement_without_round_trips_keeps_its_rates(tmp_path: Path) -> None:
    """In a short run the processors may never have been far from each other."""
    body = json.loads((RESULTS / "ring-c-2026-11-21.json").read_text())
    body["results"][1]["trips"] = []
    file = tmp_path / "ring-c-2030-01-01.json"
    file.write_text(json.dumps(body))
    questions = {row.question for row in module("_readers").read(file)}
    near, far = (f"A ring between two {place} processors, in C" for place in ("near", "far"))
    assert questions == {near, f"{near}: there and back, p50", far}


def result(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    (folder / name).write_text(json.dumps({"machine": FACTS, "rows": rows, "absent": {"rival": "not packaged"}}))


def own_rows(ours: float) -> list[dict[str, object]]:
    """A loss by half where 10 is level; and a figure without a peer that has an aim of 20."""
    same: dict[str, object] = {"question": "Speed", "unit": "ns", "better": "lower", "ours": [ours, ours, ours]}
    ratio = [10 / ours] * 3
    peer = {"peer": "other", "theirs": [10, 10, 10], "ratio": ratio, "aim": 0.9}
    return [{**same, "variant": "beside", **peer}, {**same, "variant": "alone", "aim": 20}]


def test_losses_come_first_and_in_words(tmp_path: Path) -> None:
    result(tmp_path, "speed-2030-01-01.json", own_rows(40))
    page = module("page").render(*module("_readers").read_all(tmp_path))
    assert "behind: beside: 40.0 ns; other has 10.0 (0.25 times as good, 0.25 to 0.25)" in page
    assert "alone: 40.0 ns, the aim is ≤ 20.0" in page
    assert page.index("Behind a peer") < page.index("behind: beside") < page.index("Short of the aim")
    assert "rival: not packaged" in page


def test_no_loss_is_said_where_there_is_none(tmp_path: Path) -> None:
    result(tmp_path, "speed-2030-01-01.json", own_rows(5))
    page = module("page").render(*module("_readers").read_all(tmp_path))
    assert "behind: " not in page and page.count("<p>Nowhere.</p>") == 2


def test_of_a_figure_the_newest_run_counts(tmp_path: Path) -> None:
    result(tmp_path, "speed-2030-01-01.json", own_rows(40))
    newer = {"machine": {**FACTS, "date": "2031-01-01T00:00:00+00:00"}, "rows": own_rows(5)[:1]}
    (tmp_path / "speed-2031-01-01.json").write_text(json.dumps(newer))
    rows = module("_rows").newest(module("_readers").read_all(tmp_path)[0])
    assert {row.variant: row.ours.median for row in rows} == {"beside": 5, "alone": 40}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("speed-2030-01-01.json", json.dumps({"machine": FACTS}), "no benchmark known here is called that"),
        ("notes.txt", "hello", "it cannot be read"),
        ("path-2030-01-01.json", json.dumps({"machine": FACTS, "results": {}}), "it holds no figures"),
        ("path-2030-01-01.json", json.dumps({"machine": FACTS, "results": {"one": 1}}), "at 'settings'"),
        ("path-2030-01-01.json", json.dumps({"results": {}}), "at 'machine'"),
        ("path-2030-01-01.json", json.dumps({"machine": {}, "results": {}}), "lack commit, cpu, date, load"),
        ("path-2030-01-01.json", "[]", "not what its benchmark writes"),
        ("xdp-2030-01-01.json", json.dumps({"machine": FACTS, "results": [{"hits": 1}]}), "at 'runs'"),
    ],
)
def test_a_file_that_cannot_be_shown_is_named(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    rows, lost = module("_readers").read_all(tmp_path)
    assert rows == [] and list(lost) == [name] and why in lost[name]
    assert name in module("page").render(rows, lost)


def test_plots_are_drawn_of_every_question() -> None:
    plots, page = module("_plots"), module("page")
    plt = plots.pyplot()
    if plt is None:
        pytest.skip("matplotlib is absent: the plots of the benchmarks' page (pip install 'sevenm[bench]')")
    rows = module("_readers").read(RESULTS / "path-2026-11-21.json")
    drawn = plots.figures(plt, rows)
    assert drawn.count("<svg") == 1 and all(row.variant in drawn for row in rows)
    assert "data:image/svg+xml" in page.render(rows, {})


def test_without_matplotlib_the_page_says_so_and_has_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    page = module("page")
    monkeypatch.setattr(page, "pyplot", lambda: None)
    html = page.render(module("_readers").read(RESULTS / "path-2026-11-21.json"), {})
    assert "No plots: matplotlib is not installed" in html and "data:image" not in html
    assert html.count("<tr><td>") == 8 + 1  # figures, and the run


def test_results_of_a_day_do_not_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = module("_results")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    body = {"machine": {"date": "2030-01-01T12:34:56+00:00"}}
    names = [results.save("ring-c", body).name for _ in range(2)]
    assert names == ["ring-c-2030-01-01.json", "ring-c-2030-01-01-123456.json"]
    assert {results.benchmark_of(tmp_path / name) for name in names} == {"ring-c"}
