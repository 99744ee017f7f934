"""One ring in one process: what is handed over, counted and refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.host.ring import (
    Ring,
    RingAbsent,
    RingError,
    RingMismatch,
    RingReader,
    RingTaken,
    RingWriter,
)

pytestmark = pytest.mark.needs("compiler")


def records(writer: RingWriter, n: int, first: int = 0) -> NDArray[np.void]:
    made = np.zeros(n, writer.dtype)
    made["rule"] = np.arange(first, first + n)
    made["data"][:, 0] = np.arange(first, first + n) & 0xFF
    made["seq"] = 0xDEAD  # the ring numbers them itself
    return made


def test_records_arrive_whole_numbered_and_in_order(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        assert writer.write(records(writer, 100)) == 100
        got = reader.read()
        assert got["seq"].tolist() == got["rule"].tolist() == list(range(100))
        assert got["data"][:, 0].tolist() == list(range(100))
        assert len(reader.read()) == 0


def test_records_arrive_in_order_around_the_end_of_the_ring(name: str) -> None:
    with RingWriter.create(name, slots=256, slot_size=96) as writer, RingReader.attach(name) as reader:
        seen: list[int] = []
        for step in range(50):
            assert writer.write(records(writer, 177, 177 * step)) == 177
            while len(got := reader.read()):
                assert got["seq"].tolist() == got["rule"].tolist()
                seen += got["seq"].tolist()
        assert seen == list(range(50 * 177))


def test_view_is_the_shared_memory_itself_and_read_only(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        writer.write(records(writer, 3))
        got = reader.read()
        assert got.base is not None
        assert not got.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            got["rule"] = 7
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag to True"):
            got.flags.writeable = True


def test_view_outlives_the_reader(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        writer.write(records(writer, 3))
        reader = RingReader.attach(name)
        got = reader.read()
        reader.close()
        del reader
        assert got["rule"].tolist() == [0, 1, 2]
        with RingReader.attach(name) as other:  # the first one's view does not keep it from being replaced
            assert other.read()["rule"].tolist() == [0, 1, 2]


def test_reader_dropped_without_close_gives_its_side_back(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        writer.write(records(writer, 3))
        reader = RingReader.attach(name)
        got = reader.read()
        del reader
        with RingReader.attach(name) as other:
            assert other.read()["rule"].tolist() == got["rule"].tolist()


def test_full_ring_counts_the_newest(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        assert writer.write(records(writer, 1000)) == 256
        assert writer.write(records(writer, 5, 1000)) == 0
        stats = writer.stats()
        assert (stats.sent, stats.delivered, stats.consumed, stats.in_ring) == (1005, 256, 0, 256)
        assert stats.undelivered == {"full": 749, "reader_gone": 0, "stopped": 0, "corrupt": 0, "timeout": 0}
        assert len(reader.read()) == 256
        reader.release()
        assert writer.write(records(writer, 1, 2000)) == 1
        last = reader.read()
        assert (last["seq"].tolist(), last["rule"].tolist()) == ([256], [2000])


def test_slots_filled_in_place(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        for round_ in range(5):
            slots = writer.reserve(100)
            n = len(slots)
            assert n == (100 if round_ != 2 else 56)  # the run ends with the ring
            slots["rule"] = round_
            assert len(reader.read()) == 0
            writer.commit(n)
            got = reader.read()
            assert got["rule"].tolist() == [round_] * n
        assert got["seq"][-1] == 455
        assert writer.stats().sent == writer.stats().delivered == 456


def test_reserve_counts_what_does_not_fit(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        assert len(writer.reserve(250)) == 250
        writer.commit(250)
        writer.commit(0)
        assert len(writer.reserve(6)) == 6
        with pytest.raises(ValueError, match=r"^n must be 0 to 6, the slots reserved, not 7$"):
            writer.commit(7)
        writer.commit(6)
        assert len(writer.reserve(10)) == 0
        assert writer.stats().undelivered["full"] == 10


def test_batch_is_given_back_at_the_end_of_the_block(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        writer.write(records(writer, 20))
        with reader.batch(8) as got:
            assert got["seq"].tolist() == list(range(8))
            assert reader.stats().consumed == 0
        assert reader.stats().consumed == 8


def test_part_of_a_batch_is_given_back(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        writer.write(records(writer, 20))
        assert len(reader.read()) == 20
        with pytest.raises(ValueError, match=r"^n must be 0 to 20, the records of the batch, not 21$"):
            reader.release(21)
        reader.release(5)
        assert reader.read()["seq"][0] == 5
        with pytest.raises(ValueError, match=r"^limit must be at least 1, not 0$"):
            reader.read(0)


def test_iteration_ends_when_the_producer_closes(name: str) -> None:
    writer = RingWriter.create(name, slots=256)
    reader = RingReader.attach(name)
    writer.write(records(writer, 10))
    writer.close()
    assert [len(batch) for batch in reader] == [10]
    assert reader.ended
    assert reader.wait(5) is False


def test_wait_says_that_nothing_came_in_time(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        assert reader.wait(0.01) is False
        assert not reader.ended
        writer.write(records(writer, 1))
        assert reader.wait(0) is True


def test_a_taken_name_names_the_holder(name: str) -> None:
    with RingWriter.create(name, slots=256):
        message = rf"^ring {name} is taken by a living producer \(pid {os.getpid()}\)$"
        with pytest.raises(RingTaken, match=message):
            RingWriter.create(name, slots=256)
        with pytest.raises(RingTaken, match=message):
            Ring.unlink(name)
        message = message.replace("producer", "reader")
        with RingReader.attach(name), pytest.raises(RingTaken, match=message):
            RingReader.attach(name)
        Ring.unlink(name, force=True)
    with pytest.raises(RingAbsent, match=f"^there is no ring {name} "):
        Ring.stats(name)


def test_closed_ring_goes_on_with_its_numbers(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        writer.write(records(writer, 10))
    with (
        RingWriter.create(name, slots=256, policy="block", digest="ab" * 32) as writer,
        RingReader.attach(name) as reader,
    ):
        writer.write(records(writer, 10, 10))
        assert reader.read()["seq"].tolist() == list(range(20))
        stats = reader.stats()
        assert (stats.epoch, stats.policy, stats.digest, stats.closed) == (2, "block", "ab" * 32, False)


def test_left_ring_of_another_geometry_says_what_differs(name: str) -> None:
    RingWriter.create(name, slots=256, slot_size=96, layout_hash=0x12).close()
    with pytest.raises(RingMismatch) as caught:
        RingWriter.create(name, slots=512, slot_size=128, layout_hash=0x34)
    assert str(caught.value) == (
        f"ring {name} was left by an earlier producer with slots 256 (asked for 512), slot_size 96 (asked for 128), "
        f"layout 0x0000000000000012 (asked for 0x0000000000000034); remove it: sevenm ring rm {name}"
    )
    Ring.unlink(name)
    RingWriter.create(name, slots=512, slot_size=128, layout_hash=0x34).close()


def test_other_layout_than_expected_is_refused(name: str) -> None:
    with RingWriter.create(name, slots=256, layout_hash=0xAB):
        with pytest.raises(RingMismatch) as caught:
            RingReader.attach(name, layout_hash=0xCD)
        assert str(caught.value) == (
            f"ring {name} carries layout 0x00000000000000ab, this reader expects 0x00000000000000cd; "
            "build both sides from the same schema"
        )
        RingReader.attach(name, layout_hash=0xAB).close()


def test_schema_fields_are_columns(name: str) -> None:
    data = np.dtype([("price", "<i8"), ("rest", "u1", (56,))])
    with (
        RingWriter.create(name, slots=256, slot_size=96, data_dtype=data) as writer,
        RingReader.attach(name, data_dtype=data) as reader,
    ):
        made = np.zeros(3, writer.dtype)
        made["data"]["price"] = [-5, 0, 5]
        writer.write(made)
        assert reader.read()["data"]["price"].tolist() == [-5, 0, 5]


def test_records_of_another_type_are_refused(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        with pytest.raises(TypeError, match=r"^records must be 1-D of "):
            writer.write(np.zeros(3, "V8"))
        with pytest.raises(TypeError, match=r", not 2-D of "):
            writer.write(np.zeros((3, 3), writer.dtype))


def test_every_second_record_of_an_array(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        writer.write(records(writer, 10)[::2])
        assert reader.read()["rule"].tolist() == [0, 2, 4, 6, 8]


def test_closed_sides_say_so(name: str) -> None:
    writer = RingWriter.create(name, slots=256)
    reader = RingReader.attach(name)
    made = records(writer, 1)
    for side in (writer, reader, writer):
        side.close()
    message = f"^ring {name} is closed in this process, or was opened before a fork; open it again$"
    for call in (lambda: writer.write(made), lambda: writer.reserve(1), reader.read, reader.wait):
        with pytest.raises(RingError, match=message):
            call()
    assert reader.stats().sent == 0


@pytest.mark.parametrize("bad", ["", "a/b", "a b", "x" * 101, "ä"])
def test_bad_names(bad: str) -> None:
    for call in (lambda: RingWriter.create(bad), lambda: RingReader.attach(bad), lambda: Ring.unlink(bad)):
        with pytest.raises(ValueError, match=r"^a ring's name must be 1 to 100 of A-Z a-z 0-9 \. _ -, not "):
            call()


@pytest.mark.parametrize("slots", [0, 128, 300, 1 << 25])
def test_bad_numbers_of_slots(slots: int) -> None:
    with pytest.raises(ValueError, match=f"^slots must be a power of two from 256 to 16777216, not {slots}$"):
        RingWriter.create("test-bad", slots=slots)


def test_other_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^slots must be a power of two, not -1$"):
        RingWriter.create("test-bad", slots=-1)
    with pytest.raises(ValueError, match=r"^slot_size must be a multiple of 32 from 64 to 2048 bytes, not 100$"):
        RingWriter.create("test-bad", slot_size=100)
    with pytest.raises(ValueError, match=r"^policy must be one of drop_newest, block, drop_oldest, not wait$"):
        RingWriter.create("test-bad", policy="wait")
    with pytest.raises(ValueError, match=r'^digest must be 64 lower-case hexadecimal digits, not "abc"$'):
        RingWriter.create("test-bad", digest="abc")
    with pytest.raises(ValueError, match=r"^layout_hash must be 64 bits, not -0x1$"):
        RingWriter.create("test-bad", layout_hash=-1)
    assert "test-bad" not in Ring.names()


def test_ring_is_only_for_its_user(name: str) -> None:
    with RingWriter.create(name, slots=256):
        assert Path(f"/dev/shm/sevenm.{name}").stat().st_mode & 0o777 == 0o600
        assert name in Ring.names()


def test_digest_can_change_while_running(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        assert writer.stats().digest == ""
        writer.set_digest("0f" * 32)
        assert Ring.stats(name).digest == "0f" * 32
        with pytest.raises(ValueError, match=r"^digest must be 64 lower-case hexadecimal digits, not 'x'$"):
            writer.set_digest("x")


def test_block_without_a_reader_counts_reader_gone(name: str) -> None:
    with RingWriter.create(name, slots=256, policy="block") as writer:
        assert writer.write(records(writer, 1000)) == 256
        assert len(writer.reserve(1)) == 0
        stats = writer.stats()
        assert (stats.delivered, stats.undelivered["reader_gone"], stats.sent) == (256, 745, 1001)


def test_interrupted_block_counts_stopped(name: str) -> None:
    class Alarm(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with RingWriter.create(name, slots=256, policy="block") as writer, RingReader.attach(name):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Alarm):
                writer.write(records(writer, 1000))
            stats = writer.stats()
            assert stats.delivered == 256
            assert stats.undelivered == {"full": 0, "reader_gone": 0, "stopped": 744, "corrupt": 0, "timeout": 0}
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_ends_a_wait_for_room_in_place(name: str) -> None:
    def ring(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with RingWriter.create(name, slots=256, policy="block") as writer, RingReader.attach(name) as reader:
            writer.write(records(writer, 256))
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(TimeoutError):
                writer.reserve(1)
            assert len(reader.read()) == 256
            reader.release()
            assert len(writer.reserve(1)) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
