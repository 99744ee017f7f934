"""sevenm run: what the rules of a file do with the events of a capture, or with those that arrive."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import click

from sevenm.bundles import bundle_for, open_bundle, plan_of
from sevenm.compiler.plan import Plan, Rule
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.engine.objects import wanted_level
from sevenm.host.live.split import Split
from sevenm.host.report import Report
from sevenm.host.session import Session
from sevenm.host.workers import Workers
from sevenm.plans import reads_other_files
from sevenm.starts import keep_start

from . import counted, output
from .captures import Input, received
from .choices import engine_option
from .engines import wants_gateware
from .errors import Exit
from .export import open_writer
from .inputs import Asked, input_options
from .progress import progress_bar
from .reload import Reloads, hangups
from .rings import Rings, delivery_options
from .service import Service, service_options
from .sources import rules_of_file
from .waves import Waves, wave_options
from .workers import Team, workers_options


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
@wave_options
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
    waves: Waves,
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
      sevenm run edge.7m -r in.pcap --engine rtl --wave edge.fst --wave-packet 1200
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
    waves.check(engine, team.count)
    with hangups(source.live) as hung_up, ExitStack() as stack:
        text, plan, making = _read(file, wants_gateware(engine), prebuilt)
        # Opened first, because what comes after it is done as the user that -i --user names.
        reader = stack.enter_context(team.open(source, plan))
        bundle = stack.enter_context(making)
        device = stack.enter_context(waves.open(engine, bundle))
        if text is not None:
            _keep(text, plan, device)
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
        named = [((plan.blocks[rule.block].name, rule.name), rule) for rule in plan.rules]
        counts = counted.as_json(report, {name: rule.line for name, rule in named}, rings.prefix)
        output.note("ended", report=counts)
        if as_json:
            output.emit_json({"file": file, "input": source.name, **counts})
        elif target != "-":
            does = {name: _does(plan, rule) for name, rule in named}
            line = received(report.ingress, plan.source, reader) if report.ingress else None
            counted.show(report, does, rings.prefix, line)
        if fault is not None:
            raise fault
        waves.done()
    return Exit.OK


def _rules(file: str, gateware: bool, prebuilt: bool) -> tuple[Plan, AbstractContextManager[Bundle]]:
    """As ``_read``, without the text."""
    return _read(file, gateware, prebuilt)[1:]


def _read(file: str, gateware: bool, prebuilt: bool) -> tuple[str | None, Plan, AbstractContextManager[Bundle]]:
    """The Plan of the rule file, or of the bundle in the folder, and what opens the bundle of either. First the text of
    a rule file of which the compiler had nothing to say, and which reads no other one."""
    if Path(file).is_dir():
        bundle = open_bundle(file, gateware, prebuilt)
        return None, plan_of(bundle), nullcontext(bundle)
    rules = rules_of_file(file)
    alone = not (rules.remarked or reads_other_files(rules.text))
    return rules.text if alone else None, rules.plan, bundle_for(rules.plan, gateware)


def _keep(text: str, plan: Plan, device: Device) -> None:
    """So that the next run starts without the compiler, if this one counts with code that was compiled here."""
    if isinstance(device, HostDevice) and wanted_level() is None:
        engine = device.hold().engine
        try:
            keep_start(text, plan, engine)
        finally:
            engine.release()


def _does(plan: Plan, rule: Rule) -> str:
    return counted.actions(rule, plan.channels, plan.counters, map(plan.names.best, rule.operands))
