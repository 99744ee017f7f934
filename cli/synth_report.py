"""What a synthesis came to, as text and as JSON."""

from __future__ import annotations

from typing import Any

import click

from sevenm.sim.synthesis.critical_path import in_words, names_on
from sevenm.sim.synthesis.synthesize import Placed, Synthesis

from . import output, tables


def as_json(done: Synthesis, wanted_mhz: float | None) -> dict[str, Any]:
    """Clocks are null where nothing was placed."""
    body: dict[str, Any] = {
        "target": done.target.name,
        "device": done.target.title,
        "placed": done.target.is_placed,
        "tools": dict(done.versions),
        "resources": done.resources,
        "available": {one.name: one.available for one in done.target.resources if one.available is not None},
        "levels": done.core.levels,
        "latency_cycles": done.core.latency_cycles,
        "latency_ns": None,
        "clock_mhz": None,
        "wanted_mhz": wanted_mhz,
        "reached": None,
        "seeds": [_seed(done, one) for one in done.placed],
    }
    if done.clock_mhz is not None and done.latency_ns is not None:
        clocks = [one.clock_mhz for one in done.placed]
        body["clock_mhz"] = {"min": _short(min(clocks)), "median": _short(done.clock_mhz), "max": _short(max(clocks))}
        body["latency_ns"] = _short(done.latency_ns)
        body["reached"] = None if wanted_mhz is None else done.clock_mhz >= wanted_mhz
    return body


def _seed(done: Synthesis, one: Placed) -> dict[str, Any]:
    path = one.path
    return {
        "seed": one.seed,
        "clock_mhz": _short(one.clock_mhz),
        "critical_path": {
            "logic_ns": _short(path.logic_ns),
            "routing_ns": _short(path.routing_ns),
            "levels": path.levels,
            "places": [
                {"part": place.part, "name": place.name, "stage": place.stage}
                for place in names_on(path, done.core.known)
            ],
            "words": list(in_words(path, done.core.known)),
        },
    }


def _short(value: float) -> float:
    return round(value, 2)


def show(done: Synthesis, wanted_mhz: float | None) -> None:
    """On standard output."""
    out = tables.table("resource", "used", "of", "%")
    for resource in done.target.resources:
        used, most = resource.used(done.cells), resource.available
        share = ("", "") if most is None else (f"{most:,}", f"{100 * used / most:.1f}")
        out.add_row(resource.name, f"{used:,.10g}", *share)
    click.echo(f"{done.target.title}, {', '.join(f'{name} {version}' for name, version in done.versions.items())}")
    tables.show(out)
    cycles = output.plural(done.core.latency_cycles, "cycle")
    if done.clock_mhz is None:
        click.echo(f"latency {cycles}; mapped only, so the clock is not known")
        return
    clocks = [one.clock_mhz for one in done.placed]
    click.echo(
        f"clock {min(clocks):.1f} / {done.clock_mhz:.1f} / {max(clocks):.1f} MHz, min / median / max of "
        f"{output.plural(len(clocks), 'seed')}"
    )
    click.echo(f"latency {cycles}, {done.latency_ns:.1f} ns at the median clock")
    typical = done.typical()
    first, *rest = in_words(typical.path, done.core.known)
    click.echo(f"longest path, seed {typical.seed}: {first}")
    for line in rest:
        click.echo(f"  {line}")
    if wanted_mhz is not None:
        met = done.clock_mhz >= wanted_mhz
        click.echo(f"{wanted_mhz:g} MHz is {'reached' if met else 'not reached'}")
