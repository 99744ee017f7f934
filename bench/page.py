"""All runs in bench/results as one page: ours beside peers, floors and aims, and what is behind first, in plain words.

    python bench/page.py [-o FILE] [--results FOLDER]

The page needs nothing but itself. A results file that is unreadable, or of no benchmark that is known here, is named on
it. Plots need matplotlib (``pip install 'sevenm[bench]'``); without it the page says so and has the tables.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from _plots import figures, history, history_runs, pyplot
from _readers import read_all
from _results import FOLDER
from _rows import Row, Run, Spread, newest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).resolve().parent / "page.html.j2"


def number(value: float) -> str:
    """Three digits that say something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(of: Spread | None) -> str:
    if of is None:
        return ""
    return number(of.median) if of.low == of.high else " / ".join(number(x) for x in (of.low, of.median, of.high))


def aim(row: Row) -> str:
    if row.aim is None:
        return ""
    if row.peer is not None:
        return f"≥ {row.aim:.3g} times"
    return f"{'≥' if row.better == 'higher' else '≤'} {number(row.aim)}"


def behind_in_words(rows: Sequence[Row]) -> list[str]:
    """A line for each figure of ours that is behind, with the peers that it is behind of."""
    out: dict[tuple[str, str], str] = {}
    for row in rows:
        assert row.theirs is not None and row.ratio is not None
        own = f"behind: {row.variant}: {number(row.ours.median)} {row.unit}"
        ratio = f"{number(row.ratio.median)} times as good, {number(row.ratio.low)} to {number(row.ratio.high)}"
        peer = f"; {row.peer} has {number(row.theirs.median)} ({ratio})"
        out[row.variant, row.run.file] = out.get((row.variant, row.run.file), own) + peer
    return list(out.values())


def short_in_words(row: Row) -> str:
    if row.ratio is None:
        return f"{row.variant}: {number(row.ours.median)} {row.unit}, the aim is {aim(row)}"
    return f"{row.variant}: {number(row.ratio.median)} times as good as {row.peer}, the aim is {aim(row)}"


def circumstances(rows: Iterable[Row]) -> str:
    """Where figures are from."""
    return "; ".join(f"{run.file}: {run.machine['cpu']}, load {run.machine['load']}" for run in runs_of(rows))


def by_question(rows: Iterable[Row]) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = {}
    for row in rows:
        out.setdefault(row.question, []).append(row)
    return out


def runs_of(rows: Iterable[Row]) -> list[Run]:
    """The newest first."""
    found = {row.run.file: row.run for row in rows}
    return sorted(found.values(), key=lambda run: run.date, reverse=True)


def absent_in_words(rows: Sequence[Row]) -> list[str]:
    """Of the runs whose figures count."""
    return [f"{name}: {reason} ({run.file})" for run in runs_of(rows) for name, reason in run.absent.items()]


def _image(svg: str | None) -> str | None:
    """As a data URL: the names inside one SVG do not meet those of the others."""
    return None if svg is None else "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def render(rows: Sequence[Row], lost: dict[str, str]) -> str:
    """The page's HTML."""
    plt = pyplot()
    now = newest(rows)
    all_rows = by_question(rows)
    sections: list[dict[str, Any]] = []
    for question, current in by_question(now).items():
        section: dict[str, Any] = {"question": question, "rows": current, "unit": current[0].unit}
        section["anchor"] = re.sub(r"[^a-z0-9]+", "-", question.lower()).strip("-")
        section["history_runs"] = history_runs(all_rows[question])
        if plt is not None:
            section["figures"] = _image(figures(plt, current))
            section["history"] = _image(history(plt, all_rows[question]))
        sections.append(section)
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined, autoescape=True)
    environment.filters |= {"spread": spread, "aim": aim}
    behind, short = [row for row in now if row.behind], [row for row in now if row.short and not row.behind]
    return environment.from_string(TEMPLATE.read_text()).render(
        runs=runs_of(rows),
        lost=lost,
        behind={name: (behind_in_words(of), circumstances(of)) for name, of in by_question(behind).items()},
        short={name: [short_in_words(row) for row in of] for name, of in by_question(short).items()},
        absent=absent_in_words(now),
        sections=sections,
        plots=plt is not None,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench" / "index.html")
    parser.add_argument("--results", type=Path, default=FOLDER)
    options = parser.parse_args()
    try:
        rows, lost = read_all(options.results)
        html = render(rows, lost)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(html, encoding="utf-8")
    except OSError as error:
        print(f"page.py: {error}", file=sys.stderr)
        return 2
    for file, reason in lost.items():
        print(f"not shown: {file}: {reason}", file=sys.stderr)
    print(f"wrote {options.output}: {len(newest(rows))} figures of {len(runs_of(rows))} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
