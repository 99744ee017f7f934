"""sevenm run: what the rules of a file do with the events of a capture, or with those that arrive."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import click

from sevenm.boundary import PORTS
from sevenm.bundles import bundle_for, open_bundle, plan_of
from sevenm.compiler.plan import Plan, Rule
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import Ingress
from sevenm.host.live.split import Split
from sevenm.host.report import Report
from sevenm.host.session import Session
from sevenm.host.workers import Workers

from . import output, tables
from .captures import Input, received
from .choices import engine_option
from .durations import latency_text
from .engines import open_engine, wants_gateware
from .errors import Exit
from .export import open_writer
from .inputs import Asked, input_options
from .progress import progress_bar
from .reload import Reloads, hangups
from .rings import Rings, delivery_options
from .service import Service, service_options
from .sources import plan_of_file
from .workers import Team, workers_options

STAGES = {"decided": "from arrival until decided", "in_ring": "from decided until in the ring"}


@click.command(
    epilog="\b\nExit codes: 0 done, 1 errors in the rules, 2 usage, 3 input, output or ring, 4 no engine.",
)
@click.argument("file")
@input_options
@engine_option
@service_options
@click.option("-w", "--write", "target", metavar="OUT", help="Write what any channel gets here; - is stdout.")
@click.option("--json", "as_json", is_flag=True, help="Counts as JSON on standard output.")
@click.option(
    "--prebuilt", is_flag=True, help="Without a compiler, run the bundle's machine code: you trust its maker."
)
@delivery_options
@workers_options
def run(
    file: str,
    asked: Asked,
    engine: str | None,
    target: str | None,
    as_json: bool,
    prebuilt: bool,
    rings: Rings,
    service: Service,
    team: Team,
) -> int:
    """Run the rule file FILE on a capture, or on what arrives, and count, per rule and channel, what happens.

    FILE may also be the folder of a bundle that `sevenm build` wrote. Its code runs only if it is what this version of
    sevenm makes of the Plan in it. Machine code that `sevenm build --object` added cannot be compared: it runs only
    with --prebuilt, and where there is no compiler.

    Without --ring matches are only counted. With it they are delivered, and what could not be is counted by its cause:
    matched is always delivered plus undelivered.

    With -i it runs until -c, --seconds, SIGINT or SIGTERM end it, and then says what it counted, with what the kernel
    had no room for. -c counts events, whatever the rules do with them. SIGHUP reads FILE again: its rules take over
    between two events, and where anything is wrong with them the old ones go on.

    \b
    Examples:
      sevenm run edge.7m -r in.pcap
      sevenm run edge.7m -r in.pcap --engine reference --json
      sevenm run edge.7m -r in.pcap --ring edge -w delivered.pcap
      sevenm run edge.7m -i eth0 --ring edge --seconds 60
      sevenm run edge.7m -i eth0 --ring edge --workers 4 --cpus 2,3,4,5
      sevenm run edge.7m -i xdp:eth0 --ring edge --workers 4
      sevenm run edge.7m -i eth0 --ring edge --metrics 127.0.0.1:9107 --log json
    """
    source = Input.of(asked)
    if target == "-" and as_json:
        raise click.UsageError("-w - and --json both want standard output; write the capture to a file.")
    if service.latency is not None and not source.live:
        raise click.UsageError("--latency is about what arrives with -i; the events of a file arrived long ago.")
    team.check(source, target)
    with hangups(source.live) as hung_up, ExitStack() as stack:
        plan, making = _rules(file, wants_gateware(engine), prebuilt)
        # Opened first, because what comes after it is done as the user that -i --user names.
        reader = stack.enter_context(team.open(source, plan))
        bundle = stack.enter_context(making)
        device = stack.enter_context(open_engine(engine, bundle))
        writer = None
        if target is not None and not isinstance(reader, Split):
            writer = stack.enter_context(open_writer(CaptureWriter, target, source.read, reader.link_type))
        measured = service.latency is not None
        outlets = stack.enter_context(rings.open(bundle, measured, team.count))
        session: Session | Workers
        if isinstance(reader, Split):
            session = team.session(device, bundle, rings, outlets, measured)
        else:
            into = outlets if rings.prefix else None
            session = Session(device, bundle, into, writer, None, rings.deadline, service.latency)
        go_on: Callable[..., Report] = session.run  # what it reads was chosen with it

        def ready(plan: Plan, bundle: Bundle) -> list[str]:
            outlets(bundle)
            return source.ready(reader, plan)

        reloads = Reloads(file, plan, lambda: _rules(file, wants_gateware(engine), prebuilt), device, session, ready)
        stack.callback(reloads.close)  # before the device
        hung_up.to(reloads)
        source.begin(reader)
        output.note("started", input=source.name, bundle=bundle.name, digest=bundle.digest, rings=outlets.names)
        fault: IngressFault | CaptureError | None = None
        with (
            progress_bar("matching", reader.size) as bar,
            service.around(session, lambda: outlets.names) as alive,
        ):

            def progress(events: int) -> None:
                bar.at(reader.position)
                alive()
                reloads.alive()

            try:
                report = go_on(reader, progress, until=source.until)
            except (IngressFault, CaptureError) as error:
                if not source.live:
                    raise
                report, fault = session.report(), error
        plan = reloads.plan(report.digest)
        output.note("ended", report=_counts(plan, report, rings.prefix))
        if as_json:
            output.emit_json({"file": file, "input": source.name, **_counts(plan, report, rings.prefix)})
        elif target != "-":
            _show(plan, report, rings.prefix, reader)
        if fault is not None:
            raise fault
    return Exit.OK


def _rules(file: str, gateware: bool, prebuilt: bool) -> tuple[Plan, AbstractContextManager[Bundle]]:
    """The Plan of the rule file, or of the bundle in the folder, and what opens the bundle of either."""
    if Path(file).is_dir():
        bundle = open_bundle(file, gateware, prebuilt)
        return plan_of(bundle), nullcontext(bundle)
    plan = plan_of_file(file)
    return plan, bundle_for(plan, gateware)


def _counts(plan: Plan, report: Report, prefix: str | None) -> dict[str, object]:
    """The report without what differs from run to run, and with the rules' lines, null for earlier ones."""
    out = report.to_json()
    for key in ("seconds_device", "seconds_total", "device"):
        del out[key]
    present = _by_name(plan)
    for entry in out["rules"]:
        rule = present.get((entry["block"], entry["name"]))
        entry["line"] = None if rule is None else rule.line
    for channel in out["channels"]:
        channel["ring"] = None if prefix is None else f"{prefix}.{channel['name']}"
    return out


def _by_name(plan: Plan) -> dict[tuple[str, str], Rule]:
    """By block and name."""
    return {(block.name, rule.name): rule for block in plan.blocks for rule in plan.rules[block.start : block.stop]}


def _show(plan: Plan, report: Report, prefix: str | None, reader: Ingress | Split) -> None:
    rules = tables.table("rule", "does", "events", left=2)
    present = _by_name(plan)
    for count in report.rules:
        rule = present.get((count.block, count.name))
        does = "of earlier rules" if rule is None else actions(plan, rule)
        rules.add_row(f"{count.block}.{count.name}", does, f"{count.events:,}")
    tables.show(rules)
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
    if report.counters:
        click.echo()
        counters = tables.table("counter", "events")
        for name, number in report.counters.items():
            counters.add_row(name, f"{number:,}")
        tables.show(counters)
    if report.forwarded:
        click.echo()
        ports = tables.table("port", "forwarded")
        for port, number in report.forwarded.items():
            ports.add_row(str(port), f"{number:,}")
        tables.show(ports)
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
    if report.ingress:
        click.echo(received(report.ingress, plan.source, reader))
    for stage, times in report.latency.items():
        click.echo(f"{STAGES[stage]}: {latency_text(times)}")


def actions(plan: Plan, rule: Rule) -> str:
    """The rule's actions, nearly as they are written."""
    out = [f"deliver {plan.channels[number]}" for number in rule.deliver]
    out += [f"count {plan.counters[number]}" for number in rule.count]
    out += [f"forward {port}" for port in range(PORTS) if rule.forward >> port & 1]
    out += [f"forward by {plan.names.best(node) or 'the event'}" for node in rule.operands]
    return ", ".join(out + (["drop"] if rule.drop else [])) or "nothing"
