"""The one place that imports the C runtime, and says what to do where it was not built."""

from __future__ import annotations

from typing import Any, NamedTuple

WHY = (
    "the C runtime sevenm.host._native is not built: there was no working C compiler when sevenm was installed. "
    "Install one (Debian: apt install gcc libc6-dev) and run `pip install --force-reinstall --no-deps sevenm` "
    "(in a checkout: `pip install --no-build-isolation --no-deps -e .`)"
)


class NativeMissing(RuntimeError):
    """The C runtime is not there; the message says why and what to do."""

    def __init__(self, why: str = WHY) -> None:
        super().__init__(why)


class Native(NamedTuple):
    """The two halves of a cffi module: ``ffi`` makes and reads C values, ``lib`` holds the functions."""

    ffi: Any
    lib: Any


def native() -> Native:
    """The C runtime.

    Raises NativeMissing where it was not built or does not load.
    """
    try:
        from ._native import ffi, lib
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == f"{__package__}._native":
            raise NativeMissing from None
        raise NativeMissing(f"the C runtime sevenm.host._native is built but does not load: {error}") from error
    return Native(ffi, lib)


def available() -> bool:
    """Whether the C runtime can be used."""
    try:
        native()
    except NativeMissing:
        return False
    return True
