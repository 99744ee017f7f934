"""Rows of one question as SVG: figures with their spread, ratios beside 1 and the aim, and the history of runs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from _rows import Row, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, FLOOR, AIM = "#1b5e9e", "#777777", "#c62828"
PEERS = ("#e07b00", "#2e8b57", "#8e44ad", "#00838f", "#a0522d", "#c2185b", "#607d8b", "#9e9d24")
LINE_INCHES, WIDTH_INCHES = 0.2, 11.0
COLUMNS = 4
HISTORY_MAX = 40
"""Panels of a history; a question with more variants shows those that moved most."""
Pyplot = Any


def pyplot() -> Pyplot | None:
    """matplotlib, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 8})
    import matplotlib.pyplot as plt

    return plt


def _svg(plt: Pyplot, figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return out.getvalue()


def _whisker(axes: Axes, y: float, spread: Spread, colour: str, label: str | None, marker: str = "o") -> None:
    low, high = spread.median - spread.low, spread.high - spread.median
    axes.errorbar(
        [spread.median], [y], xerr=[[low], [high]], fmt=marker, color=colour, markersize=4, capsize=2, elinewidth=1,
        label=label,
    )  # fmt: skip


def _peers(rows: Sequence[Row]) -> dict[str, str]:
    """A colour for each peer."""
    names = dict.fromkeys(row.peer for row in rows if row.peer)
    return {name: PEERS[n % len(PEERS)] for n, name in enumerate(names)}


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic where the values lie far apart, with plain numbers on it."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    low, high = min(values), max(values)
    if low > 0 and high / low > 4:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if math.log10(high / low) < 3 else (1,)))
        plain = ScalarFormatter()
        plain.set_scientific(False)
        axes.xaxis.set_major_formatter(plain)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(left=0)


def figures(plt: Pyplot, rows: Sequence[Row]) -> str:
    """Left: ours beside peers and floor, min, median and max. Right, where there are peers: how many times as good."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    colours = _peers(rows)
    height = 1.2 + LINE_INCHES * len(variants) * max(1.0, 0.5 * (1 + len(colours)))
    figure, panels = plt.subplots(1, 2 if colours else 1, figsize=(WIDTH_INCHES, height), sharey=True, squeeze=False)
    left = panels[0][0]
    offsets = {name: 0.7 * (n - len(colours) / 2) / (len(colours) + 1) for n, name in enumerate(["", *colours])}
    labelled: set[str] = set()

    def once(label: str) -> str | None:
        new = label not in labelled
        labelled.add(label)
        return label if new else None

    seen: list[float] = []
    for y, variant in enumerate(variants):
        of = [row for row in rows if row.variant == variant]
        _whisker(left, y + offsets[""], of[0].ours, OURS, once("sevenm"), "D")
        seen += [of[0].ours.low, of[0].ours.high]
        for row in of:
            if row.peer and row.theirs:
                _whisker(left, y + offsets[row.peer], row.theirs, colours[row.peer], once(row.peer))
                seen += [row.theirs.low, row.theirs.high]
            elif row.aim is not None:
                left.plot([row.aim], [y], "|", color=AIM, markersize=11, mew=2, label=once("aim"))
                seen.append(row.aim)
            if row.floor:
                left.plot([row.floor.median], [y], "|", color=FLOOR, markersize=9, mew=1.5, label=once("floor"))
                seen.append(row.floor.median)
    _scale(left, seen)
    left.set_yticks(range(len(variants)), variants)
    left.set_ylim(len(variants) - 0.4, -0.6)
    left.set_xlabel(f"{rows[0].unit}, {rows[0].better} is better")
    if colours:
        _ratios(panels[0][1], rows, variants, colours, offsets)
    for axes in panels[0]:
        axes.grid(axis="x", color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False).set_in_layout(False)
    figure.tight_layout()
    for axes in panels[0]:
        axes.get_legend().set_in_layout(True)  # it does not narrow the panels, and is not cut off
    return _svg(plt, figure)


def _ratios(
    axes: Axes, rows: Sequence[Row], variants: list[str], colours: dict[str, str], at: dict[str, float]
) -> None:
    beside = [row for row in rows if row.ratio is not None]
    aims = 0
    for row in beside:
        assert row.ratio is not None and row.peer is not None
        y = variants.index(row.variant) + at[row.peer]
        _whisker(axes, y, row.ratio, colours[row.peer], None)
        if row.aim is not None:
            axes.plot(
                [row.aim], [y], "|", color=AIM, markersize=9, mew=2, label=None if aims else "aim beside this peer"
            )
            aims += 1
    axes.axvline(1, color="black", linewidth=1, label="level")
    _scale(axes, [x for row in beside if row.ratio for x in (row.ratio.low, row.ratio.high, row.aim or 1.0)] + [1.0])
    axes.set_xlabel("times as good as the peer; left of 1 is behind")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False).set_in_layout(False)


def history(plt: Pyplot, rows: Sequence[Row]) -> str | None:
    """A panel for each variant that several runs measured: the ratio to each peer, or ours, by run. None for none."""
    by_variant: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.run.date):
        by_variant.setdefault(row.variant, []).append(row)
    several = {name: of for name, of in by_variant.items() if len({row.run.file for row in of}) > 1}
    if not several:
        return None
    moved = sorted(several, key=lambda name: -_moved(several[name]))[:HISTORY_MAX]
    shown = {name: of for name, of in several.items() if name in moved}
    runs = sorted({(row.run.date, row.run.file) for of in shown.values() for row in of})
    colours = _peers(rows)
    lines = math.ceil(len(shown) / COLUMNS)
    figure, panels = plt.subplots(
        lines, COLUMNS, figsize=(WIDTH_INCHES, 0.5 + 1.25 * lines), sharex=True, squeeze=False, sharey=False
    )
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, (variant, of) in zip(panels.flat, shown.items(), strict=False):
        for peer in dict.fromkeys(row.peer for row in of):
            points = [(runs.index((row.run.date, row.run.file)), row) for row in of if row.peer == peer]
            spreads = [(x, row.ratio or row.ours) for x, row in points]
            low, high = [s.median - s.low for _, s in spreads], [s.high - s.median for _, s in spreads]
            xs, medians = [x for x, _ in spreads], [s.median for _, s in spreads]
            colour = colours[peer] if peer else OURS
            axes.errorbar(xs, medians, yerr=[low, high], fmt="o-", markersize=3, capsize=2, linewidth=1, color=colour)
            aim = points[-1][1].aim
            if aim is not None:
                axes.axhline(aim, color=AIM, linewidth=0.8, linestyle="--")
        if any(row.ratio for row in of):
            axes.axhline(1, color="black", linewidth=0.8)
        axes.set_title(variant, fontsize=7)
        axes.set_ylim(bottom=0)
        axes.set_xticks(range(len(runs)), [str(n + 1) for n in range(len(runs))])
        axes.set_xlim(-0.5, len(runs) - 0.5)
    figure.tight_layout()
    return _svg(plt, figure)


def _moved(rows: Sequence[Row]) -> float:
    """How far apart the medians of the runs are, as a factor."""
    medians = [(row.ratio or row.ours).median for row in rows]
    return max(medians) / min(medians) if min(medians) > 0 else math.inf


def history_runs(rows: Sequence[Row]) -> list[str]:
    """The files of the numbers under a history's panels."""
    variants: dict[str, set[str]] = {}
    for row in rows:
        variants.setdefault(row.variant, set()).add(row.run.file)
    several = [row for row in rows if len(variants[row.variant]) > 1]
    return [file for _, file in sorted({(row.run.date, row.run.file) for row in several})]
