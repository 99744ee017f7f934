"""Layouts of user schemas: which bits of a record are which field.

One idea: a ``Layout`` is the single definition that the C struct, the NumPy dtype and the Amaranth layout
are all emitted from (``sevenm.compiler.backends.layouts``), and that the rule compiler reads fields by.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

SIZES = (64, 128)
"""Sizes of a record, in bytes."""
KINDS = ("uint", "int", "float", "fixed", "char", "time", "bytes", "mac", "ip4", "ip6")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout, or one group of bits of it.

    ``offset`` is in bytes from the start of the record; ``size`` is the bytes of one element; ``count`` is the
    number of elements (1 for a plain field; for ``char`` and ``bytes`` the length, with ``size`` 1).
    ``bits`` is None, or ``(first, width)`` within the container field of that offset and size, counted from its
    most significant bit (RFC style). Bit fields are named ``container.name``.
    ``scale`` is the exact weight of one unit (``@scale``, or 2**-fraction for ``fixed``); ``null`` is the raw
    value, as an unsigned integer, that stands for an absent field; ``unit`` is for people.
    """

    name: str
    kind: str
    offset: int
    size: int
    count: int = 1
    bits: tuple[int, int] | None = None
    scale: Fraction = Fraction(1)
    null: int | None = None
    unit: str | None = None
    enum: tuple[tuple[str, int], ...] = ()

    @property
    def end(self) -> int:
        """First byte after the field."""
        return self.offset + self.size * self.count


@dataclass(frozen=True, slots=True)
class Layout:
    """A record of ``size`` bytes. Bytes that no field covers are zero."""

    name: str
    version: int
    size: int
    little: bool
    fields: tuple[Field, ...]

    def to_json(self) -> dict[str, Any]:
        out = asdict(self)
        for f in out["fields"]:
            f["scale"] = str(f["scale"])
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """Inverse of ``to_json``. Raises ValueError, KeyError or TypeError for what is no layout."""
        fields = tuple(
            Field(
                **{
                    **f,
                    "bits": tuple(f["bits"]) if f["bits"] else None,
                    "scale": Fraction(f["scale"]),
                    "enum": tuple((str(n), int(v)) for n, v in f["enum"]),
                }
            )
            for f in data["fields"]
        )
        layout = cls(str(data["name"]), int(data["version"]), int(data["size"]), bool(data["little"]), fields)
        if layout.size not in SIZES:
            raise ValueError(f"size of layout {layout.name} must be one of {SIZES}, not {layout.size}")
        for field in layout.fields:
            if field.kind not in KINDS or field.offset < 0 or field.size < 1 or field.count < 1:
                raise ValueError(f"field {field.name} of layout {layout.name} is not a field")
            if field.end > layout.size:
                raise ValueError(f"field {field.name} ends at byte {field.end} of layout {layout.name}: {layout.size}")
        return layout

    @property
    def hash(self) -> int:
        """64-bit identity of the layout, shared by writer, host and hardware: SHA-256 of the canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
