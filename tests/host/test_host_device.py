"""The device of generated C."""

from collections.abc import Callable
from typing import Any

import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.code import EngineError
from sevenm.host.ring.record import Engine

pytestmark = pytest.mark.needs("compiler")


def test_it_decides_in_order_and_counts(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    with HostDevice() as device:
        assert isinstance(device, Device)
        start(device, make_bundle(manifest))
        decisions = device.process(EventBatch.from_bytes([b"\x01", b"\x02", b"\x06", b"", b"\x00"]))
        assert decisions.fired.tolist() == [
            [True, False, False, False, False],
            [False, True, True, False, False],
            [False, False, True, False, False],
        ]
        assert decisions.malformed.tolist() == [False, False, False, True, False]
        assert decisions.channels.tolist() == [1, 3, 3, 0, 0]
        assert decisions.forward.tolist() == [0, 5, 0, 0, 0]
        assert decisions.drop.tolist() == [False, False, True, False, False]
        assert device.counters() == {"batches": 1, "events": 5, "punted": 0}
        assert (device.engine, device.generation) == (Engine.HOST, 1)


def test_a_bundle_that_does_not_load_leaves_the_old_one(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    with HostDevice() as device:
        start(device, make_bundle(manifest))
        with pytest.raises(EngineError, match=r"cannot compile engine.c"):
            device.prepare(make_bundle(manifest, "no C"))
        assert device.generation == 1
        assert device.process(EventBatch.from_bytes([b"\x01"])).channels.tolist() == [1]
        start(device, make_bundle({**manifest, "structure": "1" * 64}))
        assert device.generation == 2
