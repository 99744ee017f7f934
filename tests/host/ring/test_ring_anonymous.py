"""Rings without a name: handed on as a descriptor, and sealed, so that nobody kills the others by shrinking it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import (
    ProducerGone,
    Ring,
    RingCorrupt,
    RingError,
    RingForeign,
    RingNotReady,
    RingReader,
    RingTaken,
    RingWriter,
)

pytestmark = pytest.mark.needs("compiler")

ROOT = Path(__file__).resolve().parents[3]
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
NR_HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")
SUBSCRIBER = """
import os, socket, sys
from sevenm.host.ring import RingReader
given = int(sys.argv[2])
if sys.argv[1] == "socket":
    with socket.socket(fileno=given) as way:
        _, (descriptor,), _, _ = socket.recv_fds(way, 1, 1)
else:
    descriptor = given
reader = RingReader.attach_descriptor(descriptor, subscriber="child", policy="block")
try:
    os.ftruncate(descriptor, 0)
except PermissionError as error:
    print(error.strerror, flush=True)
print(sum(int(records["ts_ns"].sum()) for records in reader))
"""
PRODUCER = """
import os, signal, socket, sys
import numpy as np
from sevenm.host.ring import RingWriter
writer = RingWriter.anonymous(slots=256)
writer.write(np.ones(100, writer.dtype))
with socket.socket(fileno=int(sys.argv[1])) as way:
    socket.send_fds(way, [b"x"], [writer.descriptor])
    way.recv(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def child(program: str, *arguments: object, fds: tuple[int, ...]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, pass_fds=fds, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def memory(size: int, seals: int) -> Iterator[int]:
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for_subscriber(writer: RingWriter, process: subprocess.Popen[str]) -> None:
    while len(writer.stats().subscribers) < 2:
        assert process.poll() is None, "the subscriber ended before it came"


def test_it_is_a_ring_like_any_other() -> None:
    with RingWriter.anonymous(
        "of-mine", slots=256, slot_size=96, policy="block", layout_hash=7, digest="5a" * 32
    ) as writer:
        assert "of-mine" not in Ring.names()
        with RingReader.attach_descriptor(writer.descriptor, layout_hash=7) as reader:
            oldest = RingReader.attach_descriptor(writer.descriptor, subscriber="oldest", policy="drop_oldest")
            for _ in range(5):
                writer.write(np.ones(200, writer.dtype))
                assert [int(one.read()["ts_ns"].sum()) for one in (reader, oldest)][1] == 200
                reader.read()
                reader.release()
                reader.wait(0)
            with pytest.raises(RingTaken, match=r"^ring descriptor \d+ is taken by a living reader \(pid \d+\)$"):
                RingReader.attach_descriptor(writer.descriptor)
        stats = Ring.stats_of(writer.descriptor)
        assert (stats.slots, stats.slot_size, stats.policy, stats.layout_hash) == (256, 96, "block", 7)
        assert (stats.digest, stats.producer_pid, stats.reader_pid) == ("5a" * 32, os.getpid(), None)
        assert [one.name for one in stats.subscribers] == ["", "oldest"]
        assert stats.delivered + sum(stats.undelivered.values()) == stats.sent == 2000
        oldest.close()


@pytest.mark.parametrize("way", ["socket", "inherited"])
def test_a_process_that_is_handed_the_descriptor_reads_and_cannot_shrink(way: str) -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), RingWriter.anonymous(slots=256) as writer:
        given = theirs.fileno() if way == "socket" else writer.descriptor
        with child(SUBSCRIBER, way, given, fds=(given,)) as process:
            if way == "socket":
                socket.send_fds(ours, [b"x"], [writer.descriptor])
            wait_for_subscriber(writer, process)
            assert process.stdout is not None
            assert process.stdout.readline() == "Operation not permitted\n"
            for _ in range(100):
                writer.write(np.ones(100, writer.dtype))
            writer.close()
            assert process.communicate(timeout=60)[0] == "10000\n"
            assert process.returncode == 0


def test_a_program_in_c_reads_by_descriptor(tmp_path: Path) -> None:
    env = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "host/lib/install", tmp_path], env=env, check=True, capture_output=True)
    source, program = ROOT / "tests/host/csrc/lib_descriptor.c", tmp_path / "program"
    library = [f"-I{tmp_path}/include", f"{tmp_path}/lib/libsevenm.a"]
    cc = "gcc" if shutil.which("gcc") else "clang"
    subprocess.run([cc, "-std=c11", "-Wall", "-Wextra", "-Werror", source, *library, "-o", program], check=True)
    with RingWriter.anonymous(slots=256) as writer:
        given = writer.descriptor
        process = subprocess.Popen([program, str(given)], pass_fds=(given,), stdout=subprocess.PIPE, text=True)
        wait_for_subscriber(writer, process)
        for _ in range(10):
            writer.write(np.ones(100, writer.dtype))
        writer.close()
        assert (process.communicate(timeout=60)[0], process.returncode) == ("1000\n", 0)
    with memory(1 << 20, 0) as given:
        done = subprocess.run([program, str(given)], pass_fds=(given,), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"descriptor {given} is not sealed against shrinking growing other seals: ")


def test_a_forked_child_reads() -> None:
    with RingWriter.anonymous(slots=256) as writer:
        writer.write(np.ones(10, writer.dtype))
        if (pid := os.fork()) == 0:
            reader = RingReader.attach_descriptor(writer.descriptor)
            os._exit(len(reader.read()))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 10
        assert writer.write(np.ones(1, writer.dtype)) == 1, "the ring is still the parent's"


def test_who_has_the_descriptor_does_not_keep_a_dead_producer_alive() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), child(PRODUCER, theirs.fileno(), fds=(theirs.fileno(),)) as process:
        _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
        with RingReader.attach_descriptor(descriptor) as reader:
            assert Ring.stats_of(descriptor).producer_pid == process.pid
            ours.send(b"x")
            process.wait(timeout=60)
            assert Ring.stats_of(descriptor).producer_pid is None
            assert len(reader.read()) == 100
            with pytest.raises(ProducerGone):
                reader.wait()
        os.close(descriptor)


def test_nobody_shrinks_or_grows_or_seals() -> None:
    with RingWriter.anonymous(slots=256) as writer:
        assert fcntl.fcntl(writer.descriptor, fcntl.F_GET_SEALS) == SEALS
        size = os.fstat(writer.descriptor).st_size
        assert os.fstat(writer.descriptor).st_mode & 0o777 == 0o600
        for length in (0, size - 1, size + 1):
            with pytest.raises(PermissionError):
                os.ftruncate(writer.descriptor, length)
        with pytest.raises(PermissionError):
            fcntl.fcntl(writer.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


@pytest.mark.parametrize(
    ("seals", "missing"),
    [
        (0, "shrinking growing other seals"),
        (fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, "other seals"),
        (fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL, "shrinking"),
        (fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL, "growing"),
    ],
)
def test_memory_that_can_still_change_is_refused(seals: int, missing: str) -> None:
    with memory(1 << 20, seals) as descriptor:
        for call in (RingReader.attach_descriptor, Ring.stats_of):
            with pytest.raises(RingForeign) as caught:
                call(descriptor)
            assert str(caught.value) == (
                f"descriptor {descriptor} is not sealed against {missing}: who has it could end this process by "
                "shrinking it; have it made by RingWriter.anonymous"
            )


def test_memory_that_nobody_may_write_is_refused() -> None:
    why = r"^descriptor \d+ is sealed against writing, so that a subscriber cannot say what it has read$"
    with memory(1 << 20, SEALS | fcntl.F_SEAL_WRITE) as descriptor, pytest.raises(RingForeign, match=why):
        RingReader.attach_descriptor(descriptor)


def test_what_is_no_memory_is_refused() -> None:
    no_memory = r"^descriptor \d+ is no memory that can be sealed \(memfd\), so it is no ring$"
    ends = os.pipe()
    with tempfile.TemporaryFile(dir=ROOT / "build") as file:
        for descriptor in (ends[0], file.fileno()):
            with pytest.raises(RingForeign, match=no_memory):
                RingReader.attach_descriptor(descriptor)
    for end in ends:
        os.close(end)
    with pytest.raises(OSError, match=rf"^\[Errno 9\] cannot examine ring descriptor {ends[0]}: Bad file descriptor$"):
        RingReader.attach_descriptor(ends[0])
    with pytest.raises(ValueError, match=r"^descriptor must be an open one, not -1$"):
        RingReader.attach_descriptor(-1)


def test_sealed_memory_that_is_no_ring_is_refused() -> None:
    with memory(1 << 20, SEALS) as descriptor, pytest.raises(RingNotReady, match=r"^ring descriptor \d+ is half-made"):
        RingReader.attach_descriptor(descriptor)
    with memory(1 << 20, SEALS) as descriptor:
        os.pwrite(descriptor, b"x" * 200, 0)
        with pytest.raises(RingCorrupt, match=r"^ring descriptor \d+ is unusable: its magic number is 0x78787878"):
            RingReader.attach_descriptor(descriptor)
    with RingWriter.anonymous(slots=256) as writer, memory(1 << 20, SEALS) as descriptor:
        os.pwrite(descriptor, os.pread(writer.descriptor, 65536, 0), 0)
        with pytest.raises(RingCorrupt, match=r"its file is 1048576 bytes, 16 lanes of 256 slots of 128 bytes need"):
            RingReader.attach_descriptor(descriptor)


def test_a_ring_with_a_name_has_no_descriptor(name: str) -> None:
    with (
        RingWriter.create(name, slots=256) as writer,
        pytest.raises(RingError, match=rf"^ring {name} has a name and no"),
    ):
        _ = writer.descriptor


def test_the_memory_goes_with_the_last_who_has_it() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    writer = RingWriter.anonymous("goes", slots=256)
    reader = RingReader.attach_descriptor(writer.descriptor)
    writer.close()
    reader.close()
    del writer, reader
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    assert "memfd:goes" not in Path("/proc/self/maps").read_text()


@contextmanager
def huge_pages(wanted: int) -> Iterator[None]:
    """So many are set aside, and afterwards as many as before."""
    before = NR_HUGEPAGES.read_text() if NR_HUGEPAGES.exists() else "none"
    try:
        NR_HUGEPAGES.write_text(str(wanted))
        if int(NR_HUGEPAGES.read_text()) != wanted:
            pytest.skip(f"huge pages are absent: {wanted} of them cannot be set aside here")
        yield
    except PermissionError:
        pytest.skip("huge pages are absent: this user cannot set any aside")
    finally:
        if before != "none" and os.access(NR_HUGEPAGES, os.W_OK):
            NR_HUGEPAGES.write_text(before)


def test_huge_pages_hold_a_ring_and_run_out_with_an_error() -> None:
    none = (
        r"there are no huge pages for ring [\w ]+, which needs 1 of 2 MiB here; have some set aside, as root: sysctl vm"
    )
    with huge_pages(0), pytest.raises(OSError, match=none):
        RingWriter.anonymous(slots=256, huge=True)
    with huge_pages(3), RingWriter.anonymous(slots=256, huge=True) as writer:
        with RingReader.attach_descriptor(writer.descriptor, subscriber="one") as one:
            writer.measure()
            writer.write(np.ones(200, writer.dtype))
            assert int(one.read()["ts_ns"].sum()) == 200
            assert (writer.huge, one.huge) == (4 << 20, 2 << 20)
            with pytest.raises(OSError, match=none):
                RingReader.attach_descriptor(writer.descriptor, subscriber="two")
            found = Ring.stats_of(writer.descriptor).latency
            assert found is not None and found.count == 200
        assert writer.write(np.ones(1, writer.dtype)) == 1
    assert re.search(r"HugePages_Rsvd: +0\n", Path("/proc/meminfo").read_text())
