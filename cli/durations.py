"""Latencies in words: nanoseconds with a unit that people read."""

from __future__ import annotations

from sevenm.host.latency import Summary

UNITS = ((3600e9, "h"), (60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def duration(ns: int) -> str:
    """1234 -> 1.23 µs: three significant digits."""
    for size, unit in UNITS:
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"


def latency_text(times: Summary) -> str:
    """p50 1.2 µs, p90 …, of how many; and what could not be measured."""
    named = (("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("p99.9", times.p999), ("max", times.max))
    out = "nothing" if not times.count else ", ".join(f"{name} {duration(ns)}" for name, ns in named)
    odd = (
        (times.over, "took more than an hour"),
        (times.early, "have a time of arrival that is still to come"),
        (times.unknown, "have no time of arrival"),
    )
    notes = "".join(f"; {number:,} {what}" for number, what in odd if number)
    return f"{out} of {times.count:,}{notes}"
