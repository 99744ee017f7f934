"""The options --workers and --cpus: a run on several processors, and the session that it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.devices.host import HostDevice
from sevenm.host.ingress import Ingress
from sevenm.host.live.split import WORKERS_MAX, Split
from sevenm.host.workers import Workers, check_cpus

from .captures import Input
from .rings import Outlets, Rings


def _cpus(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of processors' numbers, like 0,1.") from None
    try:
        return check_cpus(numbers)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


_OPTIONS = (
    click.option(
        "--workers",
        type=click.IntRange(1, WORKERS_MAX),
        metavar="N",
        help="With -i: N threads, each with its part of what comes, by flow (with xdp: by queue, of which there are at "
        "least N), and rings of its own (PREFIX.CHANNEL.0, …), which are subscribed to together as PREFIX.CHANNEL. "
        "Default: 1, or one for each of --cpus.",
    ),
    click.option(
        "--cpus",
        metavar="LIST",
        callback=_cpus,
        help="The processors that the workers stay on, one each, as in 0,1.",
    ),
)


@dataclass(frozen=True)
class Team:
    """``count`` workers. ``cpus``: the processor of each, None where the kernel chooses."""

    count: int
    cpus: tuple[int, ...] | None

    @property
    def several(self) -> bool:
        """Whether it takes a session for workers; one of them may be told where to stay."""
        return self.count > 1 or self.cpus is not None

    def check(self, source: Input, target: str | None) -> None:
        """Raises UsageError for what several workers cannot do."""
        if not self.several:
            return
        if not source.live:
            raise click.UsageError(
                "--workers and --cpus are about what arrives with -i; a file is read by one worker, in its order."
            )
        if target is not None:
            raise click.UsageError(
                "-w writes what one worker decides, in order; with --workers deliver into rings (--ring), and "
                "write what is read there: sevenm subscribe PREFIX.CHANNEL -w OUT"
            )

    def open(self, source: Input, plan: Plan) -> AbstractContextManager[Ingress | Split]:
        """What they read, as ``Input.open`` and ``Input.open_split`` do."""
        return source.open_split(plan, self.count) if self.several else source.open(plan)

    def session(self, device: Device, bundle: Bundle, rings: Rings, outlets: Outlets, measured: bool) -> Workers:
        """Raises DeviceError for a device, or rules, that several workers cannot have."""
        if not isinstance(device, HostDevice):
            raise DeviceError(f"--workers and --cpus need the engine host, not {device.name}; leave them out")
        own = [outlets.of(worker) for worker in range(self.count)] if rings.prefix is not None else None
        return Workers(device, bundle, self.count, own, rings.deadline, self.cpus, measured)


def workers_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --workers and --cpus; the command gets a Team as ``team``."""

    @wraps(command)
    def wrapped(workers: int | None, cpus: tuple[int, ...] | None, **others: Any) -> int:
        if workers is not None and cpus is not None and workers != len(cpus):
            raise click.UsageError(f"--cpus names {len(cpus)} processors for {workers} workers; name one for each.")
        return command(team=Team(workers or len(cpus or (0,)), cpus), **others)

    decorated: Callable[..., int] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
