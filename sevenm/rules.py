"""Compiled rules: what a rule file or a filter becomes, and what can be done with it.

One idea: from text to matches in one line. Rules keep a device of this process open, C where there is a compiler and
the reference model otherwise; everything that has to be made on the way is made when it is first needed, and kept.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike, fspath
from pathlib import Path

from sevenm.bundles import bundle_for, noted
from sevenm.compiler import Compiled, Diagnostic, compile_filter, compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.compiler.syntax.source import read_source
from sevenm.engines import default_engine, needs_gateware, open_running
from sevenm.events import Events, batches_of
from sevenm.host.bundle import Bundle
from sevenm.host.closing import Closing
from sevenm.host.devices.device import Device
from sevenm.matches import Matches, rule_names

SUFFIX = ".7m"


class Rules(Closing):
    """A compiled rule file; ``sevenm.compile`` makes one.

        rules = sevenm.compile("web.7m")
        matches = rules.match("in.pcap")

    Not to be used by two threads at once. ``close``, or ``with``, gives up the engine; it is opened again on demand."""

    def __init__(self, compiled: Compiled) -> None:
        self.plan: Plan = compiled.plan
        """What every engine runs."""
        self.warnings: tuple[Diagnostic, ...] = compiled.warnings
        """What the author should know about the text."""
        self._open = ExitStack()
        self._device: Device | None = None
        weakref.finalize(self, self._open.close)

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule as block.rule, in the order of the file."""
        return rule_names(self.plan)

    @property
    def channels(self) -> tuple[str, ...]:
        return self.plan.channels

    @property
    def counters(self) -> tuple[str, ...]:
        return self.plan.counters

    def match(self, events: Events) -> Matches:
        """Matches all these events and keeps them in memory; ``stream`` does not.

        Events are the bytes of one, byte strings, an array of records, a batch, or the path of a capture
        (``sevenm.events.Events`` says it all). Each call begins without what earlier events left behind. Raises
        CaptureError for a file that cannot be read, ValueError or TypeError for what holds no events."""
        device = self._ready()
        return Matches.of(self.plan, [(batch, device.process(batch)) for batch in batches_of(events, self.plan)])

    def stream(self, events: Events) -> Iterator[Matches]:
        """The same, batch by batch, for what does not fit into memory or does not end."""
        device, first = self._ready(), 0
        for batch in batches_of(events, self.plan):
            yield Matches.of(self.plan, [(batch, device.process(batch))], first)
            first += len(batch)

    @property
    def engine(self) -> str:
        """The device that ``match`` runs on: "host", or "reference" where there is no C compiler."""
        return self._ready().name

    def open_device(self, name: str | None = None) -> Device:
        """A device of its own with these rules active, to be closed by the caller: "host", "reference", "rtl" or
        another that ``sevenm.list_devices()`` lists. Raises RegistryError, or DeviceError that says what to install."""
        # A device has read what it needs of its bundle when it is active.
        with bundle_for(self.plan, name is not None and needs_gateware(name)) as bundle:
            return open_running(name or default_engine(bundle)[0], bundle)

    def build(self, folder: str | PathLike[str], gateware: bool = True) -> Bundle:
        """Writes everything that is made from the rules into a folder: C, Verilog, headers, dtypes (`sevenm build`).

        Raises BundleWriteError, or MissingExtra where the gateware needs Amaranth and it is not installed."""
        return Bundle.open(write_bundle(self.plan, Path(folder), gateware, written=noted(gateware)))

    def close(self) -> None:
        """Gives up the engine."""
        self._device = None
        self._open.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.rules)} rules on {self.plan.source}s>"

    def _ready(self) -> Device:
        if self._device is not None and self.plan.states:
            self.close()
        if self._device is None:
            self._device = self._open.enter_context(self.open_device())
        return self._device


class Filter(Rules):
    """One condition on packets; ``sevenm.filter`` makes one.

    dns = sevenm.filter("udp.dstport == 53")
    if dns.match(frame): ...
    """


def compile_rules(text_or_path: str | PathLike[str]) -> Rules:
    """Compiles rules: the path of a rule file (a ``Path``, or a text that ends with ``.7m`` and has no brace), or the
    text of one.

        sevenm.compile("web.7m")
        sevenm.compile("rules r on packet first { rule dns: udp.dstport == 53 => deliver dns }")

    Raises CompileError with every finding; str() of it says them all, ``.diagnostics`` has their places."""
    if not isinstance(text_or_path, str):
        path = Path(fspath(text_or_path))
    elif text_or_path.endswith(SUFFIX) and "{" not in text_or_path:
        path = Path(text_or_path)
    else:
        return Rules(compile_text(text_or_path, "rules"))
    return Rules(compile_text(read_source(path), path.stem, path.parent))


def compile_condition(expression: str) -> Filter:
    """Compiles one condition on packets, written like a Wireshark display filter.

        sevenm.filter("ip.src in 10.0.0.0/8 and tcp.flags.syn").match("in.pcap")

    Raises CompileError with every finding."""
    return Filter(compile_filter(expression))


def open_device(rules: Rules | str | PathLike[str], name: str | None = None) -> Device:
    """A device with rules active on it, to be closed by the caller (or by ``with``).

        with sevenm.open_device("web.7m", "reference") as device:
            decisions = device.process(batch)

    ``rules``: compiled, or what ``sevenm.compile`` takes. ``name``: one of ``sevenm.list_devices()``; by default the
    host's, or the reference where there is no C compiler. Raises CompileError, RegistryError, DeviceError."""
    return (rules if isinstance(rules, Rules) else compile_rules(rules)).open_device(name)
