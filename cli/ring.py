"""sevenm ring: the rings that lie in shared memory, and their removal."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from sevenm.host.ring import Entry, Ring, RingError, RingStats, RingTaken, SubscriberStats, sets

from . import output, tables
from .errors import Exit, explain
from .folding import each_option, looking


@click.group(
    "ring",
    epilog="\b\nExit codes: 0 done, 2 usage, 3 a ring is absent, in use or cannot be removed, 4 no C runtime.",
)
def ring() -> None:
    """List and remove the rings that `sevenm run --ring` and other producers leave in shared memory."""


@ring.command("list", short_help="Show rings, what is in them and who uses them.")
@click.argument("prefix", default="")
@click.option("--json", "as_json", is_flag=True, help="Everything known of each, as JSON on standard output.")
@each_option
def list_(prefix: str, as_json: bool, each: bool) -> int:
    """Show all rings whose name begins with PREFIX, and files that have the name of a ring and are none.

    Each ring has a default subscriber, and others that have names. Counts are since the subscriber came; "lost" was
    written over before it was read. A producer that is "dead" ended without closing its ring; the next one goes on
    where it was. Rings that several workers have for one channel (PREFIX.CHANNEL.0, …) are added up in one line,
    unless --each is said.

    \b
    Examples:
      sevenm ring list
      sevenm ring list edge. --json
    """
    found = looking(each)(prefix)
    if as_json:
        output.emit_json([_whole(entry) for entry in found])
        return Exit.OK
    rings = tables.table("ring", "producer", "slots", "slot size", "created", left=2)
    rings.columns[-1].justify = "left"
    subscribers = tables.table(
        "ring", "subscriber", "policy", "reader", "in ring", "delivered", "undelivered", "lost", left=4
    )
    for entry in found:
        if entry.stats is not None:
            rings.add_row(*_row(entry.stats))
            for subscriber in entry.stats.subscribers:
                subscribers.add_row(entry.name, *_subscriber(subscriber))
    others = tables.table("no usable ring", "what it is", left=2)
    for entry in found:
        if entry.stats is None:
            others.add_row(output.clean(entry.name), f"{entry.kind}: {output.clean(entry.why)}")
    for table in (rings, subscribers, others):
        if table.row_count:
            tables.show(table)
    if not found:
        output.say(f"no ring's name begins with {prefix}" if prefix else "there are no rings")
    return Exit.OK


def _row(stats: RingStats) -> list[str]:
    closed = "closed" if stats.closed else "dead"
    return [
        stats.name,
        closed if stats.producer_pid is None else f"pid {stats.producer_pid}",
        f"{stats.slots:,}",
        f"{stats.slot_size:,}",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stats.created_ns // 10**9)),
    ]


def _subscriber(stats: SubscriberStats) -> list[str]:
    return [
        stats.name or "(default)",
        "corrupt" if stats.corrupt else stats.policy,
        "none" if stats.pid is None else f"pid {stats.pid}",
        f"{stats.in_ring:,}",
        f"{stats.delivered:,}",
        ", ".join(f"{count:,} {cause}" for cause, count in stats.undelivered.items() if count) or "0",
        f"{stats.lost:,}",
    ]


def _whole(entry: Entry) -> dict[str, object]:
    stats = entry.stats
    known = {} if stats is None else {**asdict(stats), "in_ring": stats.in_ring, "sent": stats.sent}
    return {"name": entry.name, "kind": entry.kind, "why": entry.why or None, **known}


@ring.command("rm", short_help="Remove rings.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, help="Also rings that are in use, and for root those of other users.")
def rm(names: tuple[str, ...], force: bool) -> int:
    """Remove rings. What nobody has read is lost. The name of a channel of several workers is that of all its rings.

    A ring that a living process uses is refused. With --force its name goes all the same; who has it open keeps it,
    and others no longer find it.

    \b
    Examples:
      sevenm ring rm edge.web edge.dns
      sevenm ring rm --force edge.web
    """
    worst = Exit.OK
    for name in (ring for given in names for ring in sets.rings_of(given)):
        try:
            Ring.unlink(name, force)
        except ValueError as error:
            output.complain(str(error))
            worst = max(worst, Exit.USAGE)
        except (RingError, OSError) as error:
            message, code = explain(error) or (str(error), Exit.INPUT)
            output.complain(message + ("; end it, or say --force" if isinstance(error, RingTaken) else ""))
            worst = max(worst, code)
        else:
            click.echo(f"removed {name}")
    return worst
