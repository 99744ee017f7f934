"""Small edits of rows on the devices that change rows while they run: what they mean, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, DeviceError, TableEdit, start
from sevenm.host.devices.host import HostDevice
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.tables import Change, Column, Key, Keys, Row, Shape

RULES = """
schema R v1 size 64 @endian(big) { a: u16 b: u16 c: u8 }
table acl : (u16 range, u16 range, u8 ternary) -> u8 max 100 { (1..5, *, *): 1; (0..9, 4, 3 & 3): 2; *, *, *: 3 }
table one : u16 range -> u8 max 3 { 1..5: 1 }
rules r on R all {
""".replace("; *, *, *: 3", "; (*, *, *): 3")
BITS = "\n".join(f"  rule r{i}: (acl[a, b, c] & {1 << i}) != 0 => count n{i}" for i in range(3))
TEXT = f"{RULES}{BITS}\n  rule s: one[a] == 1 => count s\n  rule t: one[a] == 2 => count t\n}}"
ANY = (0, 65535)
FIRST: Keys = ((1, 5), ANY, (0, 0))
LAST: Keys = (ANY, ANY, (0, 0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(write_bundle(compile_text(TEXT, "r").plan, tmp_path_factory.mktemp("b") / "r", gateware=False))


@pytest.fixture(params=[HostDevice, ReferenceDevice])
def device(request: pytest.FixtureRequest, bundle: Bundle) -> Iterator[Device]:
    with request.param() as made:
        start(made, bundle)
        yield made


def value_of(device: Device, a: int, b: int, c: int) -> int:
    """The value of the row of ``acl`` that counts."""
    event = a.to_bytes(2, "big") + b.to_bytes(2, "big") + bytes([c]) + bytes(59)
    return sum(
        int(fired) << bit for bit, fired in enumerate(device.process(EventBatch.from_bytes([event])).fired[:3, 0])
    )


def test_rows_leave_and_come_in_where_they_are_told(device: Device, bundle: Bundle) -> None:
    assert [value_of(device, 3, 4, 3), value_of(device, 8, 4, 3), value_of(device, 70, 4, 3)] == [1, 2, 3]
    new = Row(((0, 9), (4, 4), (0, 0)), (4,))
    device.update(TableEdit(bundle.structure, {0: Change(insert=[new], before=FIRST)}), 2)
    assert [value_of(device, 3, 4, 3), value_of(device, 3, 5, 3)] == [4, 1]
    device.update(TableEdit(bundle.structure, {0: Change(remove=[new.keys, LAST])}), 3)
    assert [value_of(device, 3, 4, 3), value_of(device, 70, 4, 3)] == [1, 0]
    device.update(TableEdit(bundle.structure, {0: Change([FIRST], [Row(FIRST, (5,))])}), 4)
    assert [value_of(device, 3, 4, 3), value_of(device, 3, 5, 3)] == [2, 5], "it went to the end"
    assert device.generation == 4


def test_tables_are_edited_together_whole_or_in_part(device: Device, bundle: Bundle) -> None:
    device.update(TableEdit(bundle.structure, {0: [Row(LAST, (6,))], 1: Change(insert=[Row(((0, 9),), (2,))])}), 2)
    events = [bytes([0, 7]) + bytes(62), bytes([0, 2]) + bytes(62)]
    assert device.process(EventBatch.from_bytes(events)).fired.T.tolist() == [
        [False, True, True, False, True],
        [False, True, True, True, False],
    ]


NEW = Row(((7, 7), (7, 7), (7, 255)), (7,))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({0: Change(remove=[NEW.keys])},
         "table acl: there is no row ((7, 7), (7, 7), (7, 255)) to remove"),
        ({0: Change(remove=[FIRST, FIRST])},
         "table acl: there is no row ((1, 5), (0, 65535), (0, 0)) to remove"),
        ({0: Change(insert=[Row(LAST, (7,))])},
         "table acl, new row 0: there is a row with the same keys already"),
        ({0: Change(insert=[NEW, NEW])},
         "table acl, new row 1: there is a row with the same keys already"),
        ({0: Change(insert=[NEW], before=NEW.keys)},
         "table acl: there is no row ((7, 7), (7, 7), (7, 255)) to insert before"),
        ({0: Change([FIRST], [NEW], FIRST)},
         "table acl: there is no row ((1, 5), (0, 65535), (0, 0)) to insert before"),
        ({1: Change(insert=[Row(((x, x),), (1,)) for x in range(3)])},
         "table one holds at most 3 rows (no table more than 1048576), not 4"),
        ({0: Change(insert=[Row(((5, 4), ANY, (0, 0)), (1,))])},
         "table acl, new row 0: (5, 4) is no match of an range key of 16 bits"),
        ({0: Change(insert=[Row(LAST[:2], (1,))])}, "table acl, new row 0: expected 3 keys and 1 values"),
        ({0: Change(insert=[Row(NEW.keys, (300,))])}, "table acl, new row 0: value is 0 to 255, not 300"),
        ({0: Change(remove=[5])}, "table acl, row 0 to remove: expected 3 keys and 1 values"),
        ({0: Change(before="x")}, "table acl, row to insert before: expected 3 keys and 1 values"),
        ({0: Change(remove=7)}, "table acl: a change lists rows, it has no int for them"),
        ({2: Change()}, "there is no table 2; r has 2"),
        ({1: Change(insert=[Row(((9, 9),), (1,))]), 0: Change(remove=[NEW.keys])},
         "table acl: there is no row ((7, 7), (7, 7), (7, 255)) to remove"),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_changes_nothing(
    device: Device, bundle: Bundle, edit: dict[int, Any], message: str
) -> None:
    with pytest.raises(DeviceError) as error:
        device.update(TableEdit(bundle.structure, edit), 2)
    assert str(error.value) == message
    assert device.generation == 1
    assert [value_of(device, 3, 4, 3), value_of(device, 9, 0, 0)] == [1, 3]
    device.update(TableEdit(bundle.structure, {0: Change(insert=[NEW], before=FIRST)}), 2)
    assert value_of(device, 7, 7, 7) == 7, "and the table can be edited as before"


def test_a_change_for_other_rules_is_refused(device: Device, bundle: Bundle) -> None:
    with pytest.raises(DeviceError, match=f"^the edit is for rules of structure {'0' * 64}, these are of "):
        device.update(TableEdit("0" * 64, {0: Change(remove=[FIRST])}), 2)


# What a change means, beside the plainest way to say it.

MATCHES: dict[str, Callable[[], st.SearchStrategy[tuple[int, int]]]] = {
    "exact": lambda: st.integers(0, 3).map(lambda v: (v, v)),
    "lpm": lambda: st.sampled_from([(0, 0), (0, 1), (2, 1), (0, 2), (1, 2), (3, 2)]),
    "range": lambda: st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: (min(p), max(p))),
    "ternary": lambda: st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: (p[0] & p[1], p[1])),
}
KINDS = st.sampled_from([("range", "ternary"), ("lpm", "range"), ("exact", "lpm"), ("exact", "exact"), ("ternary",)])


@settings(max_examples=300, deadline=None)
@given(st.data(), KINDS)
def test_a_change_is_the_list_that_was_changed_put_in_order(data: st.DataObject, kinds: tuple[str, ...]) -> None:
    shape = Shape("t", tuple(Key(kind, 2) for kind in kinds), (Column("v", 0, 9),), 40)
    keys = data.draw(st.lists(st.tuples(*(MATCHES[kind]() for kind in kinds)), max_size=14, unique=True))
    rows = list(shape.ordered(Row(k, (n % 10,)) for n, k in enumerate(keys[:9])))
    gone = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=4)) if rows else []
    stay = [row for row in rows if row not in gone]
    before = data.draw(st.sampled_from([None, *stay]))
    coming = [Row(k, (0,)) for k in keys[9:]]
    at = len(stay) if before is None else stay.index(before)
    listed = [*stay[:at], *coming, *stay[at:]]
    change = Change([row.keys for row in gone], coming, None if before is None else before.keys)
    assert shape.changed(rows, change) == shape.ordered(listed)


def other_rows(bundle: Bundle, folder: Path) -> Bundle:
    """The same rules with one row in the first table."""
    plan = Plan.load(bundle.path("plan.json"))
    plan = plan.with_rows([plan.tables[0].with_rows([Row(LAST, (6,))]), plan.tables[1]])
    return Bundle.open(write_bundle(plan, folder / "other", gateware=False))


def test_rows_of_another_bundle_are_known_by_its_digest(device: Device, bundle: Bundle, tmp_path: Path) -> None:
    other = other_rows(bundle, tmp_path)
    device.update(TableEdit(bundle.structure, {0: [Row(LAST, (6,))]}, other), 2)
    decisions = device.process(EventBatch.from_bytes([bytes(64)]))
    assert decisions.bundle is other and decisions.bundle.digest != bundle.digest
    assert decisions.fired[:3, 0].tolist() == [False, True, True]
    if isinstance(device, HostDevice):
        with_rows = device.hold()
        device.update(TableEdit(bundle.structure, {0: Change(remove=[LAST])}), 3)
        without = device.hold()
        assert (with_rows.bundle, with_rows.digest) == (other, other.digest)
        assert (without.bundle, without.digest) == (other, None), "nobody computed one"
        for held in (with_rows, without):
            held.engine.release()


def test_a_bundle_of_other_rules_is_refused(device: Device, bundle: Bundle, tmp_path: Path) -> None:
    text = TEXT.replace("one[a] == 2", "one[a] == 3")
    other = Bundle.open(write_bundle(compile_text(text, "r").plan, tmp_path / "other", gateware=False))
    message = f"the edit is for rules of structure {bundle.structure}, its bundle is of {other.structure}"
    with pytest.raises(DeviceError, match=f"^{message}$"):
        device.update(TableEdit(bundle.structure, {}, other), 2)
    assert device.generation == 1


def test_events_are_decided_while_rows_are_made(
    device: Device, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And rules that are activated meanwhile do not get the rows."""
    making, go_on = threading.Event(), threading.Event()
    unused = device.prepare(bundle)
    unused.close()
    runner: Any = type(unused)
    made: Callable[[Any, TableEdit], Callable[[], None]] = runner.edit

    def slowly(self: Any, edit: TableEdit) -> Callable[[], None]:
        making.set()
        assert go_on.wait(60)
        return made(self, edit)

    monkeypatch.setattr(runner, "edit", slowly)
    said: list[str] = []

    def update() -> None:
        try:
            device.update(TableEdit(bundle.structure, {0: []}), 3)
        except DeviceError as error:
            said.append(str(error))

    thread = threading.Thread(target=update)
    thread.start()
    assert making.wait(60)
    assert value_of(device, 3, 4, 3) == 1
    start(device, bundle, 2)
    go_on.set()
    thread.join(60)
    assert said == ["other rules were activated while the edit was made; edit those"]
    assert (device.generation, value_of(device, 3, 4, 3)) == (2, 1)
