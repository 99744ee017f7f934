"""Makes the rings that a run delivers into: one per channel, in shared memory, named PREFIX.CHANNEL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from sevenm.host.bundle import Bundle
from sevenm.host.ring import SLOTS, Ring, RingWriter
from sevenm.host.ring.record import PACKET_SLOT, slot_size_for

from . import output
from .errors import Exit, Failure


@contextmanager
def open_rings(prefix: str, bundle: Bundle, policy: str, slots: int = SLOTS) -> Iterator[Mapping[str, RingWriter]]:
    """A writer for each channel of the bundle, by name. Raises Failure if there is none, or one cannot be made.

    The rings stay when the run is over, so that a reader can take what it has not read yet."""
    if not bundle.channels:
        raise Failure(f"{bundle.name} has no channel, so there is nothing to deliver; say `deliver NAME` in a rule")
    names = ring_names(prefix, bundle.channels)
    size = PACKET_SLOT if bundle.record_size is None else slot_size_for(bundle.record_size)
    identity = bundle.layouts[0].hash if bundle.source == "record" else 0
    rings: dict[str, RingWriter] = {}
    with ExitStack() as stack:
        for channel, name in names.items():
            try:
                ring = RingWriter.create(name, slots, size, policy, layout_hash=identity, digest=bundle.digest)
            except ValueError as error:
                raise Failure(f"ring {name}: {error}", Exit.USAGE) from None
            rings[channel] = stack.enter_context(ring)
        output.say(f"sevenm: delivering into {', '.join(ring.name for ring in rings.values())}")
        yield rings


def ring_names(prefix: str, channels: Sequence[str]) -> dict[str, str]:
    """PREFIX.CHANNEL of each channel. Raises Failure if one of them cannot be a ring's name."""
    if not prefix:
        raise Failure("--ring needs a PREFIX, not an empty one: rings are named PREFIX.CHANNEL", Exit.USAGE)
    names = {channel: f"{prefix}.{channel}" for channel in channels}
    for name in sorted(names.values(), key=len, reverse=True):
        try:
            Ring.check_name(name)
        except ValueError as error:
            raise Failure(
                f"--ring names rings PREFIX.CHANNEL, and {error} ({len(name)} characters)", Exit.USAGE
            ) from None
    return names
