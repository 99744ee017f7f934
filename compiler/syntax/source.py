"""Files of rules, as text: bounded, and checked to be text."""

from __future__ import annotations

from pathlib import Path

from sevenm.compiler.syntax.brackets import SOURCE_MAX, fail


def read_source(path: str | Path) -> str:
    """The text of a rule file: UTF-8, a byte order mark is dropped, at most 16 MiB are read.

    Raises CompileError for what cannot be opened, is too long, is not UTF-8 or has NUL bytes.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(SOURCE_MAX + 1)
    except OSError as error:
        raise fail("", 0, "unreadable", f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise fail("", 0, "unreadable", f"cannot read {path!r}: {error}") from None
    if len(data) > SOURCE_MAX:
        message = f"{path} has more than {SOURCE_MAX} bytes ({SOURCE_MAX >> 20} MiB)"
        raise fail("", 0, "source-too-long", message, "split it into several files")
    nul = data.find(0)
    if nul >= 0:
        before = data[:nul].decode("utf-8", "replace")
        raise fail(before, len(before), "nul-byte", f"{path}: NUL byte at offset {nul}", "this is not a text file")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        message = f"{path}: byte {data[error.start]:#04x} at offset {error.start} is not UTF-8"
        raise fail(before, len(before), "not-utf8", message, "save the file as UTF-8") from None
