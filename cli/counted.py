"""What a run counted, as it is shown: tables for people, or JSON.

One idea: a report has names and numbers; what rules do, and where they stand, comes from whoever knows them, a Plan or
what was kept of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from sevenm.boundary import PORTS
from sevenm.host.engine.counts import Actions
from sevenm.host.report import Report

from . import output

T = TypeVar("T")
STAGES = {"decided": "from arrival until decided", "in_ring": "from decided until in the ring"}


ByName = Mapping[tuple[str, str], T]
"""By block and name of the rule."""


def actions(rule: Actions, channels: Sequence[str], counters: Sequence[str], by: Iterable[str | None] = ()) -> str:
    """The rule's actions, nearly as they are written. ``by``: names of what says ports, None for one without."""
    out = [f"deliver {channels[number]}" for number in rule.deliver]
    out += [f"count {counters[number]}" for number in rule.count]
    forward = rule.forward
    out += [f"forward {port}" for port in range(PORTS) if forward >> port & 1]
    out += [f"forward by {name or 'the event'}" for name in by]
    return ", ".join(out + (["drop"] if rule.drop else [])) or "nothing"


def as_json(report: Report, lines: ByName[int], prefix: str | None) -> dict[str, object]:
    """The report without what differs from run to run, and with the lines where rules stand, null for earlier ones.
    ``prefix``: of the rings' names."""
    out = report.to_json()
    for key in ("seconds_device", "seconds_total", "device"):
        del out[key]
    for entry in out["rules"]:
        entry["line"] = lines.get((entry["block"], entry["name"]))
    for channel in out["channels"]:
        channel["ring"] = None if prefix is None else f"{prefix}.{channel['name']}"
    return out


def show(report: Report, does: ByName[str], prefix: str | None, received: str | None = None) -> None:
    """For people. ``does``: the actions of each rule. ``received``: what a live ingress counted, in a line."""
    import click

    from . import tables  # JSON needs neither

    table = tables.table("rule", "does", "events", left=2)
    for count in report.rules:
        what = does.get((count.block, count.name), "of earlier rules")
        table.add_row(f"{count.block}.{count.name}", what, f"{count.events:,}")
    tables.show(table)
    if report.channels:
        click.echo()
        channels = tables.table("channel", "matched", *(("delivered", "undelivered") if prefix is not None else ()))
        for channel in report.channels:
            row = [channel.name, f"{channel.matched:,}"]
            if prefix is not None:
                causes = ", ".join(f"{count:,} {cause}" for cause, count in channel.undelivered.items())
                row += [f"{channel.delivered:,}", causes or "0"]
            channels.add_row(*row)
        tables.show(channels)
    for title, named in (
        (("counter", "events"), report.counters),
        (("port", "forwarded"), {str(port): number for port, number in report.forwarded.items()}),
    ):
        if named:
            click.echo()
            table = tables.table(*title)
            for name, number in named.items():
                table.add_row(name, f"{number:,}")
            tables.show(table)
    undelivered = sum(sum(channel.undelivered.values()) for channel in report.channels)
    click.echo(
        f"\n{output.plural(report.events, 'event')} by {report.engine}: {report.dropped:,} dropped, "
        f"{report.passed:,} neither dropped nor forwarded, {report.malformed:,} malformed, "
        f"{report.truncated:,} truncated" + (f", {report.punted:,} punted" if report.punted else "")
    )
    if prefix is None and undelivered:
        click.echo(f"{undelivered:,} matches undelivered: no ring was asked for (--ring PREFIX delivers them)")
    elif prefix is not None:
        click.echo(f"{sum(c.delivered for c in report.channels):,} matches delivered, {undelivered:,} undelivered")
    if received is not None:
        click.echo(received)
    if report.latency:
        from .durations import latency_text

        for stage, times in report.latency.items():
            click.echo(f"{STAGES[stage]}: {latency_text(times)}")
