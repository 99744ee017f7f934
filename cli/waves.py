"""The options that have a simulated core write what its signals do around one event."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sevenm.engines import open_running
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device

from .engines import open_engine
from .errors import Exit, Failure

if TYPE_CHECKING:
    from sevenm.sim.instruments import Wave

ENGINE = "rtl"
_OPTIONS = (
    click.option(
        "--wave",
        metavar="OUT",
        help="With --engine rtl: write what all signals of the core do around one event, as FST.",
    ),
    click.option(
        "--wave-packet", "number", type=click.IntRange(1), metavar="N", help="Which event that is, from 1. Default: 1."
    ),
)


@dataclass(slots=True)
class Waves:
    """``path``: of the file, None if none is wanted; ``number``: of the event, from 1."""

    path: str | None
    number: int
    wave: Wave | None = None

    def check(self, engine: str | None, workers: int) -> None:
        """Raises click.UsageError where there would be no signals, or the events of more than one core."""
        if self.path is None:
            return
        if engine != ENGINE:
            raise click.UsageError(f"--wave shows the signals of a simulated core; say --engine {ENGINE}.")
        if workers > 1:
            raise click.UsageError("--wave is about one core, so about one worker.")

    def open(self, engine: str | None, bundle: Bundle) -> Device:
        """The engine, which writes the file if one is wanted. Raises as ``open_engine``; Failure if it cannot be
        written."""
        if self.path is None:
            return open_engine(engine, bundle)
        from sevenm.sim.instruments import Wave
        from sevenm.sim.rtl_device import RtlDevice

        try:
            Path(self.path).write_bytes(b"")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failure(f"{click.format_filename(self.path)}: the wave cannot be written: {reason}") from error
        self.wave = Wave(Path(self.path), self.number)
        return open_running(ENGINE, bundle, partial(RtlDevice, wave=self.wave))

    def done(self) -> None:
        """After the run. Raises Failure if the event never came; the file that is empty then is removed."""
        if self.wave is None or self.wave.written:
            return
        with suppress(OSError):
            self.wave.path.unlink()
        raise Failure(
            f"--wave-packet {self.number}: only {self.wave.seen:,} events came; nothing was written", Exit.INPUT
        )


def wave_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --wave and --wave-packet; the command gets them as ``waves``."""

    @wraps(command)
    def wrapped(wave: str | None, number: int | None, **others: Any) -> int:
        if wave is None and number is not None:
            raise click.UsageError("--wave-packet says which event --wave OUT is about; say --wave OUT as well.")
        return command(waves=Waves(wave, number or 1), **others)

    decorated: Callable[..., int] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
