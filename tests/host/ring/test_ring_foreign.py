"""What has a ring's name and is no ring of this user: refused with what it is, and nobody waits for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm.host.ring import Ring, RingForeign, RingNotReady, RingReader, RingWriter, entries

pytestmark = pytest.mark.needs("compiler")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")


def place(name: str) -> Path:
    return Path(f"/dev/shm/sevenm.{name}")


def plant_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def plant_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLANTED: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a symbolic link": plant_link,
    "a socket": plant_socket,
}


def every_use(name: str) -> list[Callable[[], object]]:
    return [
        lambda: RingWriter.create(name, slots=256),
        lambda: RingReader.attach(name),
        lambda: Ring.stats(name),
        lambda: Ring.unlink(name),
    ]


def messages(name: str) -> set[str]:
    """What is said when the name is used in any way."""
    out = set()
    for use in every_use(name):
        with pytest.raises(RingForeign) as caught:
            use()
        out.add(str(caught.value))
    return out


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_regular_file_is_refused_and_stays(name: str, kind: str) -> None:
    PLANTED[kind](place(name))
    assert messages(name) == {f"{place(name)} is {kind}, not a ring; remove it, or take another name"}
    with pytest.raises(RingForeign):
        Ring.unlink(name, force=True)
    assert os.path.lexists(place(name))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_file_that_others_may_use_is_refused(name: str, mode: int) -> None:
    RingWriter.create(name, slots=256).close()
    place(name).chmod(mode)
    assert messages(name) == {f"{place(name)} has mode {mode:04o}, which lets other users in; a ring has 0600"}
    Ring.unlink(name, force=True)
    assert not place(name).exists()


def test_a_file_with_a_second_name_is_refused(name: str) -> None:
    RingWriter.create(name, slots=256).close()
    second = place(name).with_suffix(".second")
    second.hardlink_to(place(name))
    try:
        assert messages(name) == {f"{place(name)} has 2 names (hard links); a ring has one"}
    finally:
        second.unlink()
    RingReader.attach(name).close()


@as_root
def test_root_does_not_take_a_ring_that_another_user_planted(name: str) -> None:
    RingWriter.create(name, slots=256).close()
    os.chown(place(name), 12345, 12345)
    assert messages(name) == {
        f"{place(name)} belongs to user 12345, and this process to user 0; a ring is for one user"
    }
    Ring.unlink(name, force=True)
    assert not place(name).exists()


@as_root
def test_another_users_ring_is_named_as_such_to_who_cannot_open_it(name: str) -> None:
    RingWriter.create(name, slots=256).close()
    program = """
import os, sys
from sevenm.host.ring import Ring, RingReader, RingWriter, RingError
os.setuid(54321)
for use in (RingWriter.create, RingReader.attach, Ring.stats, Ring.unlink, lambda name: Ring.unlink(name, force=True)):
    try:
        use(sys.argv[1])
    except RingError as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
    said = f"RingForeign {place(name)} belongs to user 0, and this process to user 54321; a ring is for one user"
    assert done.stdout.splitlines() == [said] * 5
    assert place(name).exists()


def test_a_ring_in_the_making_is_not_ready(name: str) -> None:
    place(name).touch(0o600)
    for use in (lambda: RingReader.attach(name), lambda: Ring.stats(name)):
        with pytest.raises(RingNotReady) as caught:
            use()
        assert str(caught.value) == (
            f"ring {name} is half-made and no producer is at it; try again, or remove it: sevenm ring rm {name}"
        )
    Ring.unlink(name)
    assert not place(name).exists()


def test_a_waiting_reader_gives_up_with_the_reason(name: str) -> None:
    place(name).touch(0o600)
    with pytest.raises(RingNotReady, match=f"^ring {name} is half-made"):
        RingReader.attach(name, timeout=0.02)


def test_a_name_with_a_zero_byte_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf'^a ring\'s name must be 1 to 100 of .*, not "{name}\?x"$'):
        RingWriter.create(f"{name}\0x", slots=256)
    assert not place(name).exists()


def test_everything_under_the_name_is_listed_as_what_it_is(name: str) -> None:
    def lie(suffix: str) -> Path:
        return place(f"{name}.{suffix}")

    os.mkfifo(lie("1fifo"))
    lie("2dir").mkdir()
    lie("3half").touch(0o600)
    lie("4text").write_text("by hand, not a ring\n" * 500)
    lie("4text").chmod(0o600)
    lie("5bad name\x1b").touch(0o600)
    try:
        with RingWriter.create(f"{name}.6ring", slots=256):
            found = {entry.name.removeprefix(f"{name}."): entry for entry in entries(name)}
        assert {key: entry.kind for key, entry in found.items()} == {
            "1fifo": "foreign",
            "2dir": "foreign",
            "3half": "half-made",
            "4text": "unusable",
            "5bad name\x1b": "foreign",
            "6ring": "ring",
        }
        assert found["1fifo"].why.startswith(f"{lie('1fifo')} is a FIFO")
        assert "its magic number is 0x" in found["4text"].why
        assert "a ring's name must be 1 to 100 of " in found["5bad name\x1b"].why
        assert found["6ring"].stats is not None
        assert found["6ring"].stats.producer_pid == os.getpid()
        assert [entry.name for entry in entries(f"{name}.6")] == [f"{name}.6ring"]
    finally:
        lie("2dir").rmdir()
        for suffix in ("1fifo", "3half", "4text", "5bad name\x1b", "6ring"):
            lie(suffix).unlink()
