"""What every device promises, asked of all three: generations, swaps, epochs of counters, poll, and no crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import GENERATION_MAX, Device, DeviceError, TableEdit, start
from sevenm.host.devices.host import HostDevice
from sevenm.sim import packets
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.sim.rtl_device import RtlDevice
from sevenm.tables import Row

DEVICES = [
    pytest.param(ReferenceDevice, id="reference"),
    pytest.param(HostDevice, id="host", marks=pytest.mark.needs("compiler")),
    pytest.param(RtlDevice, id="rtl", marks=pytest.mark.needs("g++")),
]
Make = Callable[[], Device]
COMMON = ("batches", "events", "punted")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two bundles that answer the opposite."""
    folder = tmp_path_factory.mktemp("contract")
    texts = ("udp", "not udp")
    return [Bundle.open(write_bundle(compile_filter(t).plan, folder / str(i))) for i, t in enumerate(texts)]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    with request.param() as made:
        assert isinstance(made, Device)
        yield made


def common(device: Device) -> tuple[int, ...]:
    counted = device.counters()
    return tuple(counted[name] for name in COMMON)


def test_generations_are_given_and_ascend(device: Device, bundles: list[Bundle]) -> None:
    assert device.generation == 0
    start(device, bundles[0], 7)
    assert device.generation == 7
    for wrong in (0, 6, 7, GENERATION_MAX + 1):
        prepared = device.prepare(bundles[1])
        with pytest.raises(
            DeviceError, match=f"generation must be 8 to {GENERATION_MAX}, later than the last, not {wrong}"
        ):
            device.activate(prepared, wrong)
        prepared.close()
    assert device.generation == 7
    start(device, bundles[1])
    assert device.generation == 8


def test_counters_count_from_the_last_activation(device: Device, bundles: list[Bundle]) -> None:
    assert common(device) == (0, 0, 0)
    start(device, bundles[0])
    assert common(device) == (0, 0, 0)
    device.process(packets.batch(1, 10))
    device.process(packets.batch(2, 5))
    assert common(device) == (2, 15, 0)
    prepared = device.prepare(bundles[1])
    assert common(device) == (2, 15, 0), "preparing begins no epoch"
    device.activate(prepared, 2)
    assert set(device.counters().values()) == {0}
    device.process(packets.batch(1, 10))
    assert common(device) == (1, 10, 0)


def test_preparing_leaves_what_runs_alone(device: Device, bundles: list[Bundle]) -> None:
    batch = packets.batch(3, 50)
    start(device, bundles[0])
    before = device.process(batch).fired
    assert before.any() and not before.all()
    prepared = device.prepare(bundles[1])
    assert np.array_equal(device.process(batch).fired, before)
    device.activate(prepared, 2)
    assert np.array_equal(device.process(batch).fired, ~before)


def test_poll_gives_attached_events_with_their_generation(device: Device, bundles: list[Bundle]) -> None:
    start(device, bundles[0], 3)
    assert device.poll() is None
    given = [packets.batch(4, 20), packets.batch(5, 30)]
    device.attach(iter(given))
    first = device.poll()
    start(device, bundles[1], 4)
    second = device.poll()
    assert first is not None and second is not None
    assert [len(d.events) for d in (first, second)] == [len(d.decisions) for d in (first, second)] == [20, 30]
    assert (first.generation, second.generation) == (3, 4)
    assert np.array_equal(second.decisions.fired, device.process(given[1]).fired)
    assert device.poll() is None


def test_calls_in_the_wrong_order_are_refused(device: Device, bundles: list[Bundle]) -> None:
    with pytest.raises(DeviceError, match="has no rules; prepare a bundle and activate it"):
        device.process(packets.batch(1, 1))
    prepared = device.prepare(bundles[0])
    device.activate(prepared, 1)
    with pytest.raises(DeviceError, match="runs this already; prepare the bundle again"):
        device.activate(prepared, 2)
    device.close()
    device.close()
    with pytest.raises(DeviceError, match="has no rules"):
        device.process(packets.batch(1, 1))


def test_what_another_device_prepared_is_refused(device: Device, bundles: list[Bundle]) -> None:
    other: Device = HostDevice() if isinstance(device, ReferenceDevice) else ReferenceDevice()
    prepared = other.prepare(bundles[0])
    with pytest.raises(DeviceError, match=f"the device {device.name} activates what its own prepare returned"):
        device.activate(prepared, 1)
    prepared.close()


ROUTES = """
table routes : ip4 lpm -> port max 4 { 10.0.0.0/8: 1 }
rules r on packet first { rule known: routes[ip.dst] == 1 => forward routes[ip.dst]  rule other: ip => count other }
"""
NEW = (Row(((10 << 24, 8),), (2,)), Row(((10 << 24 | 1 << 16, 16),), (1,)))


def to(address: str) -> bytes:
    """An IPv4 frame to that address."""
    packed = bytes(int(part) for part in address.split("."))
    return bytes(12) + b"\x08\x00\x45\x00\x00\x14" + bytes(4) + b"\x40\x3b\x00\x00" + bytes(4) + packed


@pytest.fixture(params=DEVICES[:2])
def editing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Device, Bundle]]:
    """A device that changes rows while it runs, with rules that have a table."""
    bundle = Bundle.open(write_bundle(compile_text(ROUTES, "routes").plan, tmp_path / "routes", gateware=False))
    with request.param() as device:
        start(device, bundle)
        yield device, bundle


def test_an_update_changes_rows_and_nothing_else(editing: tuple[Device, Bundle]) -> None:
    device, bundle = editing
    assert device.capabilities().live_update
    batch = EventBatch.from_bytes([to("10.0.0.1"), to("10.1.0.1"), to("11.0.0.1")])
    first = device.process(batch)
    assert (first.fired[0].tolist(), first.generation) == ([True, True, False], 1)
    device.update(TableEdit(bundle.structure, {0: NEW}), 5)
    after = device.process(batch)
    assert (after.fired[0].tolist(), after.generation) == ([False, True, False], 5)
    assert common(device) == (2, 6, 0), "an update begins no epoch"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda own: TableEdit("0" * 64, {0: NEW}), "the edit is for rules of structure 000"),
        (lambda own: TableEdit(own, {1: NEW}), "there is no table 1; routes has 1"),
        (lambda own: TableEdit(own, {0: NEW * 3}), "table routes holds at most 4 rows .*, not 6"),
        (lambda own: TableEdit(own, {0: [Row(((1, 40),), (2,))]}), r"\(1, 40\) is no match of an lpm key of 32 bits"),
        (lambda own: TableEdit(own, {0: [Row(((0, 0),), (99,))]}), "value is 0 to 15, not 99"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(
    editing: tuple[Device, Bundle], edit: Callable[[str], TableEdit], message: str
) -> None:
    device, bundle = editing
    with pytest.raises(DeviceError, match=message):
        device.update(edit(bundle.structure), 2)
    assert device.generation == 1
    assert device.process(EventBatch.from_bytes([to("10.0.0.1")])).fired[0].tolist() == [True]


def test_a_device_that_cannot_update_says_what_to_do(device: Device, bundles: list[Bundle]) -> None:
    start(device, bundles[0])
    if not device.capabilities().live_update:
        with pytest.raises(DeviceError, match="cannot change rows; prepare and activate a bundle that has them"):
            device.update(TableEdit(bundles[0].structure, {}), 2)
    assert device.generation == 1


def test_rules_are_swapped_while_another_thread_matches(device: Device, bundles: list[Bundle]) -> None:
    """Every batch is decided by one of the two bundles, whole; nothing is unloaded under a call."""
    batch = packets.batch(6, 300)
    start(device, bundles[0])
    udp = device.process(batch).fired
    swaps = 12 if device.name == "rtl" else 60
    stop, wrong = threading.Event(), []

    def match() -> None:
        while not stop.is_set():
            fired = device.process(batch).fired
            if not (np.array_equal(fired, udp) or np.array_equal(fired, ~udp)):
                wrong.append(fired)

    threads = [threading.Thread(target=match) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(swaps):
            start(device, bundles[(number + 1) % 2])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert device.generation == swaps + 1


@pytest.mark.needs("compiler")
def test_closing_waits_for_the_batch_that_is_decided(bundles: list[Bundle], tmp_path: Path) -> None:
    device = HostDevice()
    start(device, bundles[0])
    batch = packets.batch(7, 20_000)
    ended: list[BaseException] = []

    def match() -> None:
        try:
            while True:
                device.process(batch)
        except DeviceError as error:
            ended.append(error)

    thread = threading.Thread(target=match)
    thread.start()
    device.close()
    thread.join()
    assert len(ended) == 1
    assert "has no rules" in str(ended[0])
