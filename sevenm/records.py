"""Records of a ring, as people and other programs read them: names instead of numbers, and fields as columns.

One idea: a field of a record means what it means in a rule, so it is read by the same nodes of the same graph
(``sevenm.compiler.columns``). A packet's fields are read from the bytes that are in its slot; what lies past them is
absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import SIZE_MAX, Engine, Flag
from sevenm.compiler.columns import FieldColumn, FieldReader
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import Type
from sevenm.compiler.protocols.record_fields import ELEMENTS_MAX
from sevenm.compiler.reference import Events as EventColumns
from sevenm.events import batch_of_records
from sevenm.matches import rule_names

Plain = bool | int | float | str
ENGINES = {int(engine): engine.name.lower() for engine in Engine}
FLAGS = {int(flag): str(flag.name).lower() for flag in Flag}


class Meaning:
    """What the records of a ring mean. ``plan``: of the rules that feed it, None where they are not known; then it has
    packets. ``fields``: names that rules may use (``ip.src``); by default all of a record's, and none of a packet's.

    Raises ``sevenm.FieldError`` for a field that there is not."""

    def __init__(self, plan: Plan | None = None, fields: Sequence[str] = ()) -> None:
        self.plan = plan
        self.layout: Layout | None = plan.layouts[0] if plan is not None and plan.source == "record" else None
        self.rules: tuple[str, ...] = () if plan is None else rule_names(plan)
        names = fields or (() if self.layout is None else tuple(_names(self.layout)))
        self._reader = FieldReader(names, self.layout) if names else None
        self.types: dict[str, Type | None] = {} if self._reader is None else self._reader.types

    @property
    def layout_hash(self) -> int:
        """What the ring has to carry: 0 for packets."""
        return 0 if self.layout is None else self.layout.hash

    def rule(self, number: int) -> str | None:
        """block.rule, None where it is not known."""
        return self.rules[number] if number < len(self.rules) else None

    def columns(self, records: NDArray[np.void]) -> dict[str, FieldColumn]:
        """The fields of (n,) records, n values each."""
        if self._reader is None:
            return {}
        batch = batch_of_records(records)
        table = batch.events
        return self._reader.columns(
            EventColumns(
                batch.buffer,
                table["offset"].astype(np.int64),
                table["cap_len"].astype(np.int64),
                np.minimum(table["wire_len"].astype(np.int64), SIZE_MAX),
                table["ts_ns"].astype(object),
                0,
            )
        )

    def plain(self, records: NDArray[np.void]) -> dict[str, list[Plain | None]]:
        """The same as values of Python, None where a field is absent: addresses as text, names of enums, bytes as
        hexadecimal digits."""
        out: dict[str, list[Plain | None]] = {}
        for name, (values, valid) in self.columns(records).items():
            shown = _shown(self.types[name])
            there: Iterable[bool] = valid.tolist()
            out[name] = [shown(value) if yes else None for value, yes in zip(_listed(values), there, strict=True)]
        return out


def flag_names(flags: int) -> list[str]:
    """cut, malformed, truncated: those that are set."""
    return [name for bit, name in FLAGS.items() if flags & bit]


def engine_name(number: int) -> str:
    """What made the decision; the number itself where no engine has it."""
    return ENGINES.get(number, str(number))


def _names(layout: Layout) -> Iterable[str]:
    for field in layout.fields:
        if field.count > 1 and field.kind not in ("char", "bytes"):
            yield from (f"{field.name}[{element}]" for element in range(min(field.count, ELEMENTS_MAX)))
        else:
            yield field.name


def _listed(values: NDArray[Any]) -> list[Any]:
    return [value.tobytes() for value in values] if values.dtype.kind == "V" else values.tolist()


def _shown(of: Type | None) -> Callable[[Any], Plain]:
    """How one value of the type is shown."""
    if of is None or of.is_flag:
        return bool
    if of.enum:
        names = {value: name for name, value in of.enum}
        return lambda value: names.get(value, value)
    match of.kind:
        case "ip4":
            return lambda value: str(IPv4Address(value))
        case "ip6":
            return lambda value: str(IPv6Address(value))
        case "mac":
            return lambda value: int(value).to_bytes(6, "big").hex(":")
        case "bytes":
            return lambda value: bytes(value).hex()
        case "char":
            return lambda value: bytes(value).decode("ascii", "backslashreplace")
        case "float":
            return float
        case _:
            return lambda value: value
