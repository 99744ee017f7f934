"""What `sevenm run` does beside its work while it runs for long: metrics, log lines, and news for a service manager.

One idea: everything here looks at what the session counts, from its own thread or between two slices of events; it can
be late, but never holds up an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from sevenm.host.latency import Latency
from sevenm.host.metrics import metrics_text
from sevenm.host.ring import Ring, RingError
from sevenm.host.session import Session
from sevenm.host.systemd import Watchdog, notify

from . import output
from .errors import Exit, Failure

if TYPE_CHECKING:
    from sevenm.host.export import MetricsFile, MetricsServer
    from sevenm.host.workers import Workers

ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")


def _address(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    found = ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise click.BadParameter(
            f"{text!r} is not HOST:PORT, like 127.0.0.1:9107, [::1]:9107 or :9107 for all of IPv4."
        )
    return found["six"] or found["host"] or "0.0.0.0", int(found["port"])


def _log(context: click.Context, option: click.Parameter, form: str) -> str:
    output.log_as(form)
    return form


_OPTIONS = (
    click.option(
        "--metrics",
        "address",
        metavar="HOST:PORT",
        callback=_address,
        help="Answer http://HOST:PORT/metrics with the counts so far, in Prometheus' text format.",
    ),
    click.option(
        "--metrics-file",
        "metrics_file",
        metavar="PATH",
        help="Write the same to this file every 10 seconds and at the end, for a textfile collector.",
    ),
    click.option("--latency", is_flag=True, help="With -i: tell how long events take to be decided, and into rings."),
    click.option(
        "--log",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        callback=_log,
        is_eager=True,
        help="Remarks and errors on standard error for people, or as one JSON object a line.",
    ),
)  # fmt: skip


def service_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --metrics, --metrics-file, --latency and --log; the command gets a Service as ``service``."""

    @wraps(command)
    def wrapped(
        address: tuple[str, int] | None, metrics_file: str | None, latency: bool, log: str, **others: Any
    ) -> int:
        return command(service=Service(address, metrics_file, Latency() if latency else None), **others)

    decorated: Callable[..., int] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


@dataclass(frozen=True)
class Service:
    """``address`` and ``file``: where metrics go, None: nowhere. ``latency``: what the session is to measure."""

    address: tuple[str, int] | None
    file: str | None
    latency: Latency | None

    @contextmanager
    def around(self, session: Session | Workers, rings: Callable[[], Iterable[str]]) -> Iterator[Callable[[], None]]:
        """While the session runs. ``rings``: the names of those that it delivers into. What is yielded is to be called
        whenever it has got on.

        Raises Failure where metrics cannot be given away."""

        def text() -> str:
            found = []
            for name in rings():
                with suppress(RingError, OSError):
                    found.append(Ring.stats(name))
            return metrics_text(session.report(), found, session.latencies())

        watchdog, begun = Watchdog(), False

        def alive() -> None:
            nonlocal begun
            if not begun:
                begun = True
                notify("READY=1")
            watchdog.alive()

        with ExitStack() as stack:
            if self.address is not None:
                stack.enter_context(closing(self._server(*self.address, text)))
            file = None if self.file is None else stack.enter_context(closing(self._file(self.file, text)))
            try:
                yield alive
            finally:
                notify("STOPPING=1")
        if file is not None and file.failed is not None:
            output.complain(f"{self.file}: metrics could not be written: {(file.failed.strerror or '').lower()}")

    def _server(self, host: str, port: int, text: Callable[[], str]) -> MetricsServer:
        # An HTTP server takes its time to load; runs without metrics need none.
        from sevenm.host.export import MetricsServer

        try:
            server = MetricsServer(host, port, text)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failure(f"--metrics: {host}:{port} cannot be listened on: {reason}", Exit.INPUT) from error
        output.say(f"sevenm: metrics at http://{f'[{host}]' if ':' in host else host}:{server.port}/metrics")
        return server

    def _file(self, path: str, text: Callable[[], str]) -> MetricsFile:
        from sevenm.host.export import MetricsFile

        try:
            return MetricsFile(path, text)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failure(f"--metrics-file: {path} cannot be written: {reason}", Exit.INPUT) from error
