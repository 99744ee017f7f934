"""Results files as rows: one small reader for each benchmark, and its aims.

A reader raises KeyError, TypeError or ValueError for a file that is not what its benchmark writes. A benchmark without
a reader can write ``rows`` itself: objects with the fields of ``_rows.Row`` but the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from _results import benchmark_of
from _rows import Better, Row, Run, Spread, times_as_good

BYTES_MAX = 16 << 20
"""Of a results file."""
Body = dict[str, Any]
Reader = Callable[[Body, Run], Iterable[Row]]
ACL_AIMS = ((16, 5.0), (128, 3.0), (8191, 2.5))
"""Up to so many rules, so many times rte_acl."""


class NotResults(ValueError):
    """The file cannot be shown; says why."""


def read(file: Path) -> list[Row]:
    """Raises NotResults for a file that is unreadable, or of a benchmark that is not known here."""
    try:
        if file.stat().st_size > BYTES_MAX:
            raise NotResults(f"larger than {BYTES_MAX >> 20} MiB")
        body = json.loads(file.read_text())
        run = Run(file.name, {key: str(value) for key, value in body["machine"].items()}, dict(body.get("absent", {})))
        lacks = sorted({"date", "cpu", "load", "commit"} - set(run.machine))
        if lacks:
            raise NotResults(f"its machine facts lack {', '.join(lacks)}")
        reader = _rows if "rows" in body else READERS.get(benchmark_of(file) or "")
        if reader is None:
            raise NotResults(f"no benchmark known here is called that: {', '.join(sorted(READERS))}")
        rows = list(reader(body, run))
        if not rows:
            raise NotResults("it holds no figures")
        return rows
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotResults(f"it cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotResults(f"not what its benchmark writes: {type(error).__name__} at {error}") from error
    except NotResults:
        raise
    except ValueError as error:
        raise NotResults(f"not what its benchmark writes: {error}") from error


def read_all(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """(rows of all files, files that cannot be shown with the reason), by name."""
    rows: list[Row] = []
    lost: dict[str, str] = {}
    for file in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        try:
            rows += read(file)
        except NotResults as error:
            lost[file.name] = str(error)
    return rows, lost


def _spread(side: Body) -> Spread:
    return Spread(side["min"], side["median"], side["max"])


def _rows(body: Body, run: Run) -> Iterator[Row]:
    for given in body["rows"]:
        spreads = {name: Spread(*given[name]) for name in ("ours", "theirs", "ratio", "floor") if given.get(name)}
        yield Row(**{**given, **spreads}, run=run)


def _beside(row: Row, ours: list[float], peers: dict[str, list[float]], aims: dict[str, float]) -> Iterator[Row]:
    """The row beside each peer, whose runs were interleaved with ours; or alone where there is none."""
    for peer, theirs in peers.items():
        ratio = times_as_good(ours, theirs, row.better)
        yield replace(row, peer=peer, theirs=Spread.of(theirs), ratio=ratio, aim=aims.get(peer))
    if not peers:
        yield row


def _filter(body: Body, run: Run) -> Iterator[Row]:
    for result in body["results"]:
        peers = {peer: result[peer]["runs"] for peer in ("libpcap", "rte_bpf") if peer in result}
        floor = _spread(result["line touch"]) if "line touch" in result else None
        aims = {"rte_bpf": 5.0 if result["filter"] == "50 terms" else 8.0}
        variant = f"{result['filter']}, {result['hit_rate']:.0%} hits, in {result['packets_in']}"
        for side in (name for name in result if name.split()[0] == "sevenm"):
            ours = result[side]["runs"]
            question = f"One packet filter, {side.partition(' ')[2] or 'native'}"
            row = Row(question, variant, "ns a packet", "lower", Spread.of(ours), run, floor=floor)
            yield from _beside(row, ours, peers, aims)


def _events(body: Body, run: Run) -> Iterator[Row]:
    for result in body["results"]:
        one = result["rules"] == 1
        rates = {name: side["rate"]["runs"] for name, side in result["sides"].items()}
        floor = Spread.of(rates.pop("line touch"))
        own = {name: rates.pop(name) for name in ("sevenm", "sevenm, engine alone")}
        question = "One rule over 64-byte events" if one else f"{result['rules']} rules over 64-byte events"
        for side, ours in own.items():
            variant = f"{result['percent']} % of a rule's kind, {'whole loop' if side == 'sevenm' else 'engine alone'}"
            row = Row(question, variant, "million events a second", "higher", Spread.of(ours), run, floor=floor)
            yield from _beside(row, ours, rates, {"numba": 1.4} if one else {"duckdb, join": 2.0})


def _classify(body: Body, run: Run) -> Iterator[Row]:
    for result in body["results"]:
        times = {name: side["ns"]["runs"] for name, side in result["sides"].items()}
        peers = {name: times.pop(name) for name in ("rte_acl",) if name in times}
        times.pop("old", None)
        side = min(times, key=lambda name: Spread.of(times[name]).median)
        aim = next((aim for most, aim in ACL_AIMS if result["rules"] <= most), 5.0 if result["set"] == "fw1" else 2.5)
        row = Row(
            "The first of N five-tuple rules", f"{result['set']}, {result['rules']:,} rules", "ns a packet", "lower",
            Spread.of(times[side]), run, side=side,
        )  # fmt: skip
        yield from _beside(row, times[side], peers, {"rte_acl": aim})


def _path(body: Body, run: Run) -> Iterator[Row]:
    for name, side in body["results"].items():
        aim = 30.0 if "subscribers" in name else None
        question = f"The whole path in memory, {body['settings']['rules']} rules"
        yield Row(question, name, "million events a second", "higher", _spread(side), run, aim=aim)


def _ring(body: Body, run: Run) -> Iterator[Row]:
    for result in body["results"]:
        rates = {side: [one[side] for one in result["runs"]] for side in ("sevenm", "numpy")}
        ours = rates["sevenm"]
        question = "A ring's subscriber in Python"
        row = Row(question, result["what"], "million records a second", "higher", Spread.of(ours), run)
        yield from _beside(row, ours, {"NumPy ring": rates["numpy"]}, {"NumPy ring": 1.8})


def _ring_c(body: Body, run: Run) -> Iterator[Row]:
    aims = {(1, "boost"): 1.8, (32, "boost"): 1.2, (32, "rte_ring"): 2.5}
    for result in body["results"]:
        question = f"A ring between two {result['placement']} processors, in C"
        sides = {(rate["batch"], rate["way"]): rate for rate in result["rates"]}
        for (batch, way), rate in sides.items():
            for beside in rate.get("ratios", {}):
                theirs = sides[batch, beside]
                numbers = sorted(set(rate["rounds"]) & set(theirs["rounds"]))
                pairs = times_as_good(*([side["rounds"][n] for n in numbers] for side in (rate, theirs)), "higher")
                aim = aims.get((batch, beside.partition(",")[0])) if way == "sevenm, in place" else None
                yield Row(
                    question, f"batch of {batch}, {way.partition(', ')[2]}", "million events a second", "higher",
                    _spread(rate), run, peer=beside, theirs=_spread(theirs), ratio=pairs, aim=aim,
                )  # fmt: skip
        trips = {trip["way"]: Spread.of([trip["p50"]]) for trip in result["trips"]}
        if not {"bare line", "sevenm, in place"} <= trips.keys():
            continue  # the processors were never placed so while trips were measured
        floor, ours = trips["bare line"], trips["sevenm, in place"]
        row = Row(f"{question}: there and back, p50", "in place", "ns", "lower", ours, run, floor=floor)
        yield replace(row, aim=1.3 * floor.median)
        for peer in (way for way in trips if way not in ("bare line", "sevenm, in place")):
            ratio = times_as_good([ours.median], [trips[peer].median], "lower")
            yield replace(row, peer=peer, theirs=trips[peer], ratio=ratio)


def _latency(body: Body, run: Run) -> Iterator[Row]:
    how = ", SCHED_FIFO" if body["settings"]["real_time"] else ""
    found = body["nanoseconds"]
    for percent, aim in (("p50", 1.0), ("p99", 20.0)):
        for name, runs in found.items():
            pattern, _, way = name.partition(", ")
            if way == "empty spin":
                continue
            late, empty = ([one["late"][percent] / 1e3 for one in of] for of in (runs, found[f"{pattern}, empty spin"]))
            through = way.startswith("through") and way.endswith("bare, C")
            question = f"From arrival to application, {percent}{how}"
            row = Row(question, f"{way}, {pattern}", "µs", "lower", Spread.of(late), run, floor=Spread.of(empty))
            yield replace(row, aim=aim if through else None)


def _wake(body: Body, run: Run) -> Iterator[Row]:
    ours, bare = body["microseconds"]["ring"], body["microseconds"]["futex"]
    for percent in ours:
        own, floor = Spread.of([ours[percent]]), Spread.of([bare[percent]])
        aim = 20.0 if percent == "p50" else None
        yield Row("Waking an idle subscriber", percent, "µs", "lower", own, run, aim=aim, floor=floor)


def _xdp(body: Body, run: Run) -> Iterator[Row]:
    rates: dict[float, dict[str, list[float]]] = {}
    for result in body["results"]:
        made = [one["handled"] / one["seconds"] / 1e6 for one in result["runs"]]
        rates.setdefault(result["hits"], {})[result["way"]] = made
    for hits, ways in rates.items():
        names = {"bare": "bare AF_XDP", "tcpdump": "tcpdump"}
        peers = {name: ways.pop(way) for way, name in names.items() if way in ways}
        for way, ours in ways.items():
            question, variant = "Receiving by AF_XDP over veth", f"{way}, {hits:.0%} wanted"
            row = Row(question, variant, "million frames a second", "higher", Spread.of(ours), run)
            yield from _beside(row, ours, peers, {"bare AF_XDP": 0.95})


def _dpdk(body: Body, run: Run) -> Iterator[Row]:
    rates = {result["way"]: Spread.of(result["rates"]) for result in body["results"]}
    for way in (way for way in rates if not way.startswith("poll")):
        question = "DPDK, a driver that does nothing"
        yield Row(question, way, "million frames a second", "higher", rates[way], run, floor=rates["poll 256"])


def _start(body: Body, run: Run) -> Iterator[Row]:
    sides = {(result["question"], result["side"]): result["wall_ms"]["runs"] for result in body["results"]}
    aims = {"sevenm --version": 100.0, "sevenm, cached filter": 200.0}
    floor = Spread.of(sides["start", "python -c pass"])
    for (question, side), ours in sides.items():
        if not side.startswith("sevenm"):
            continue
        row = Row(
            "The command as a whole process", f"{question}, {side}", "ms", "lower", Spread.of(ours), run, floor=floor
        )
        if question == "start":
            yield replace(row, aim=aims.get(side))
        else:
            yield from _beside(row, ours, {"tcpdump": sides[question, "tcpdump"]}, {"tcpdump": 1.0})


def _workers(body: Body, run: Run) -> Iterator[Row]:
    for name, side in body["results"].items():
        what, _, unit = name.partition(": ")
        if " " in unit and "/" in unit:
            better: Better = "higher" if unit.endswith("events/s") else "lower"
            yield Row("Several workers", f"{what}, {unit.split()[0]}", unit, better, _spread(side), run)


def _table(body: Body, run: Run) -> Iterator[Row]:
    for result in body["results"]:
        times = {name: side["ns"]["runs"] for name, side in result["sides"].items()}
        ours, variant = times.pop("table"), f"{result['set']}, {result['rows']:,} rows"
        row = Row("The first of N rows of a table", variant, "ns an event", "lower", Spread.of(ours), run)
        yield from _beside(row, ours, times, {})
        for percent in ("p50", "p99"):
            taken = Spread.of([result["one row"]["elapsed"][percent]])
            yield Row(f"An edit of one row, {percent}", variant, "µs", "lower", taken, run)


def _compile(body: Body, run: Run) -> Iterator[Row]:
    aims = {("check", 1000): 1.0, ("engine, cold", 1000): 2.0, ("engine, cached", 1000): 0.1, ("Verilog", 1000): 10.0}
    for result in body["results"]:
        what, rules = result["what"], result["rules"]
        aim = aims.get((what, rules))
        for question, key, unit in (
            ("processor", "cpu_s", "s"), ("wall clock", "wall_s", "s"), ("largest memory", "peak_mib", "MiB"),
        ):  # fmt: skip
            row = Row(
                f"From a rule file, {question}", f"{what}, {rules:,} rules", unit, "lower", Spread.of(result[key]), run
            )
            yield replace(row, aim=aim if key == "cpu_s" else None)


def _synth(body: Body, run: Run) -> Iterator[Row]:
    clocks = {("records", 64): 350.0, ("records", 1024): 300.0, ("edge", None): 250.0}
    for result in body["results"]:
        design, rules, used = result["design"], result["rules"], result["resources"]
        of, variant = (design, rules if design == "records" else None), f"{design}, {rules:,} rules"
        clock = Spread.of(result["clock_mhz"]["runs"])
        yield Row("Clock of a core", variant, "MHz", "higher", clock, run, aim=clocks.get(of))
        taken = Spread.of(1000 * result["latency_cycles"] / mhz for mhz in result["clock_mhz"]["runs"])
        longest = 55.0 if design == "records" else 130.0
        yield Row("Latency of a core at its clock", variant, "ns", "lower", taken, run, aim=longest)
        most = 10000.0 if design == "edge" else None
        yield Row("Sites of a core", variant, "sites", "lower", Spread.of([used["sites"]]), run, aim=most)
        if design == "records":
            each = Spread.of([used["LUT4"] / rules])
            yield Row("LUT4 of a core", variant, "LUT4 a rule", "lower", each, run, aim=4.5 if rules == 1024 else None)


READERS: dict[str, Reader] = {
    "classify": _classify, "compile": _compile, "coverage": _rows, "dpdk": _dpdk, "events": _events, "filter": _filter,
    "latency": _latency, "path": _path, "ring": _ring, "ring-c": _ring_c, "start": _start,
    "synth": _synth, "table": _table, "verilog": _rows, "wake": _wake, "workers": _workers, "xdp": _xdp,
}  # fmt: skip
