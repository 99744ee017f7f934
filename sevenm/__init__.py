"""Match events against rules, in memory: on the host, in gateware, and in a reference model, with one answer."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sevenm")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "unknown"

__all__ = ["__version__"]
