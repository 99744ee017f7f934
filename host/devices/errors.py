"""What a device cannot do."""

from __future__ import annotations


class DeviceError(RuntimeError):
    """The device cannot do what was asked; the message says why and what to do."""


class DeviceUnavailable(DeviceError):
    """What the device needs is not installed here; the message says what to install."""
