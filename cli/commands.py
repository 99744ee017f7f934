"""The commands, and the parser that chooses among them.

One idea: they stand in a table, with what `sevenm --help` says of each; the module of a command, with all that it
needs, is imported when the command is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from sevenm.version import VERSION

from .errors import EXIT_HELP, Exit, Failure

COMMANDS = {
    "build": ("build:build", "Build everything that is made from a rule file."),
    "check": ("check:check", "Find errors in a rule file."),
    "compare": ("compare:compare", "Run rules in every engine and compare."),
    "devices": ("devices:devices", "Show engines and kinds of input, and what they lack here."),
    "filter": ("filter:filter_", "Show, count or write the packets that match."),
    "layout": ("layout:layout", "Show fields: of a schema, or of packets."),
    "prove": ("prove:prove", "Prove that the core's Verilog means what the rules mean."),
    "publish": ("publish:publish", "Make a ring and fill it from a file."),
    "replay": ("replay:replay", "Send a capture on an interface."),
    "ring": ("ring:ring", "List and remove rings in shared memory."),
    "run": ("run:run", "Run rules on a capture or an interface and count what happens."),
    "stat": ("stat:stat", "Show how fast rings are filled, read and overrun."),
    "subscribe": ("subscribe:subscribe", "Show or write what a ring delivers."),
    "synth": ("synth:synth", "Show what the core costs, and its clock and longest path."),
    "top": ("top:top", "Watch rings in a terminal."),
    "update": ("update:update", "Say whether a card takes an edit as rows, or needs another core."),
}
"""Each command: the module beside this one and its name there, and what `sevenm --help` says of it."""

EPILOG = f"""\b
Examples:
  sevenm filter 'tcp.dstport == 443' -r in.pcap             one line per matching packet
  sevenm filter 'udp and ip.src in 10.0.0.0/8' -r in.pcap -w out.pcap
  sevenm filter 'arp' -r - --count < in.pcapng
  sevenm check edge.7m                                      are the rules sound?
  sevenm run edge.7m -r in.pcap                             what each rule and channel gets
  sevenm compare edge.7m -r in.pcap                         the same in C, NumPy and the simulated core
  sevenm build edge.7m -o edge.bundle                       C, Verilog, headers and dtypes in a folder
  sevenm synth edge.7m --clock 100                          what the core costs on an FPGA, and how fast it is
  sevenm update edge.bundle edge.7m                         does a card take the edit as rows?
  sevenm prove edge.bundle                                  the Verilog means what the rules mean, or a packet
  sevenm layout packet                                      every packet field and what it means
  sevenm devices                                            what can match here, and what is missing
  sevenm publish demo -r in.pcap --pace original            a capture as records of a ring
  sevenm subscribe edge.web                                 what the ring of a channel delivers, as it comes
  sevenm replay in.pcap -i veth0                            a capture on an interface, with its own timing
  sevenm stat edge.                                         how fast rings are filled and read; top shows it live
  sevenm ring list                                          rings in shared memory; ring rm removes them

{EXIT_HELP}

\b
SEVENM_DEBUG=1 shows the traceback of a fault."""


def command(name: str) -> click.Command:
    """The command of that name in the table. Raises KeyError."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: click.Command = getattr(import_module(f"sevenm.cli.{module}"), attribute)
    return found


class Commands(click.Group):
    """The commands of the table above. When the output's reader goes away click would end the process, with 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Failure("", Exit.PIPE) from None


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(VERSION, prog_name="sevenm")
def cli() -> None:
    """Match packets and records against rules: in C on this machine, in a NumPy reference model, and in gateware
    (an Amaranth core, simulated here), all with the same answer.

    A rule is a condition, written like a Wireshark display filter, and what to do with the events that meet it.
    """


def run(args: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name, by default those of the process. Raises what it raises, but for wrong
    usage, which it says."""
    try:
        return int(cli.main(args=args, prog_name="sevenm", standalone_mode=False) or 0)
    except click.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
