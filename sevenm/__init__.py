"""Match events against rules, in memory: on the host, in gateware, and in a reference model, with one answer.

From rules to matches:

    import sevenm

    rules = sevenm.compile("web.7m")                   # or the text of a rule file
    for match in rules.match("in.pcap")["lookup"]:     # the events on which the rule lookup fired
        print(match.number, match.data.hex())

One condition is enough for a filter, and fields come as columns:

    found = sevenm.filter("tcp.flags.syn and not tcp.flags.ack").match("in.pcap")
    table = found.fields("ip.src", "tcp.dstport")      # a NumPy array, masked where a field is absent

Matches that another process delivers (`sevenm run web.7m -r in.pcap --ring demo`) are read in place:

    with sevenm.RingReader.attach("demo.names") as reader:
        for records in reader:
            print(records["seq"], records["data"][:, :14])

==================  =========================================================================================
name                what
==================  =========================================================================================
``compile``         a rule file, or its text -> ``Rules``
``filter``          one condition on packets -> ``Filter``
``Matches``         what ``match`` returns: ``m["rule"]``, ``m.channel()``, ``m.fields()``, ``m.counts()``
``open_device``     rules on a device of your choice; ``list_devices`` says which there are
``open_bundle``     a folder that `sevenm build` wrote, after it was compared with its Plan
``EventBatch``      events in one buffer, as devices take them
``RingReader``      the reader's side of a ring in shared memory; ``RingWriter`` the producer's; ``Ring`` names
``Session``         one run: events from an ingress through a device into rings; ``Workers`` several side by side
``MergedReader``    the reader's side of a channel that several workers deliver into
``CompileError``    what is wrong with a text, every finding with its place
==================  =========================================================================================

The command `sevenm` does the same from a shell. Importing this module imports nothing else; each name is loaded when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sevenm.bundles import open_bundle as open_bundle
    from sevenm.compiler.columns import FieldError as FieldError
    from sevenm.compiler.diagnostics import CompileError as CompileError
    from sevenm.engines import list_devices as list_devices
    from sevenm.engines import list_ingress as list_ingress
    from sevenm.events import CaptureWarning as CaptureWarning
    from sevenm.host.batch import EventBatch as EventBatch
    from sevenm.host.bundle import Bundle as Bundle
    from sevenm.host.bundle import BundleError as BundleError
    from sevenm.host.capture.format import CaptureError as CaptureError
    from sevenm.host.devices.device import Device as Device
    from sevenm.host.devices.device import DeviceError as DeviceError
    from sevenm.host.engine.decisions import Decisions as Decisions
    from sevenm.host.ring import MergedReader as MergedReader
    from sevenm.host.ring import Ring as Ring
    from sevenm.host.ring import RingReader as RingReader
    from sevenm.host.ring import RingWriter as RingWriter
    from sevenm.host.session import Session as Session
    from sevenm.host.workers import Workers as Workers
    from sevenm.matches import Match as Match
    from sevenm.matches import Matches as Matches
    from sevenm.rules import Filter as Filter
    from sevenm.rules import Rules as Rules
    from sevenm.rules import compile_condition as filter  # noqa: A004 - sevenm.filter is its public name
    from sevenm.rules import compile_rules as compile  # noqa: A004 - sevenm.compile is its public name
    from sevenm.rules import open_device as open_device
    from sevenm.version import VERSION as __version__  # noqa: N811 - the name that tools look for

_WHERE = {
    "__version__": "version:VERSION",
    "Bundle": "host.bundle",
    "BundleError": "host.bundle",
    "CaptureError": "host.capture.format",
    "CaptureWarning": "events",
    "CompileError": "compiler.diagnostics",
    "Decisions": "host.engine.decisions",
    "Device": "host.devices.device",
    "DeviceError": "host.devices.device",
    "EventBatch": "host.batch",
    "FieldError": "compiler.columns",
    "Filter": "rules",
    "Match": "matches",
    "Matches": "matches",
    "MergedReader": "host.ring",
    "Ring": "host.ring",
    "RingReader": "host.ring",
    "RingWriter": "host.ring",
    "Rules": "rules",
    "Session": "host.session",
    "Workers": "host.workers",
    "compile": "rules:compile_rules",
    "filter": "rules:compile_condition",
    "list_devices": "engines",
    "list_ingress": "engines",
    "open_bundle": "bundles",
    "open_device": "rules",
}
"""Public name -> the module that has it, and its name there if that is another one."""

__all__ = [
    "Bundle", "BundleError", "CaptureError", "CaptureWarning", "CompileError", "Decisions", "Device", "DeviceError",
    "EventBatch", "FieldError", "Filter", "Match", "Matches", "MergedReader", "Ring", "RingReader", "RingWriter",
    "Rules", "Session", "Workers", "__version__", "compile", "filter", "list_devices", "list_ingress", "open_bundle",
    "open_device",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        """Loads a public name when it is first used."""
        if name in _WHERE:
            module, _, own = _WHERE[name].partition(":")
            value = getattr(import_module(f"sevenm.{module}"), own or name)
        else:
            raise AttributeError(f"module 'sevenm' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
