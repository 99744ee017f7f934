"""Modules of written Verilog, as Yosys reads them: cells between bits, nothing optimized.

One idea: the Verilog is what is proved, so it is read by another Yosys than the one that wrote it, and no further than
``proc``: processes become multiplexers and registers, and a cell is still an operator of the text, with its line.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sevenm.sim.synthesis.kept import Kept
from sevenm.sim.synthesis.programs import YOSYS

CORE, NETLIST = "core.v", "netlist.json"

Bit = int | str
"""A net's number, or "0", "1", "x"."""


@dataclass(frozen=True, slots=True)
class Cell:
    """``ports`` are the bits at each port, lowest first; ``parameters`` are numbers, ``texts`` those that are
    none; ``where``: file and line."""

    name: str
    type: str
    ports: Mapping[str, tuple[Bit, ...]]
    parameters: Mapping[str, int]
    texts: Mapping[str, str]
    where: str


@dataclass(frozen=True)
class Module:
    """``inputs`` and ``outputs``: the bits of each port. ``names``: what a bit is called, for people. ``nets``: the
    bits of everything with a name, of which one net may have several."""

    name: str
    inputs: Mapping[str, tuple[Bit, ...]]
    outputs: Mapping[str, tuple[Bit, ...]]
    cells: tuple[Cell, ...]
    names: Mapping[Bit, str] = field(repr=False)
    nets: Mapping[str, tuple[Bit, ...]] = field(repr=False)


def read_verilog(text: str, top: str, say: Callable[[str], None]) -> dict[str, Module]:
    """All modules below ``top`` by their names. ``say`` is told the step, if it was not done before. Raises
    MissingExtra, SynthesisError for text that Yosys does not take."""
    script = f"read_verilog {CORE}; hierarchy -check -top {top}; proc; write_json {NETLIST}"
    kept, key = Kept(), ("read", text, script, YOSYS.version())
    data = kept.find(*key)
    if data is None:
        say("reading the Verilog")
        with tempfile.TemporaryDirectory(prefix="sevenm-prove-") as name:
            folder = Path(name)
            (folder / CORE).write_text(text)
            YOSYS.run(["-q", "-p", script], folder, say)
            data = (folder / NETLIST).read_bytes()
        kept.keep(data, *key)
    return {name: _module(name, made) for name, made in json.loads(data)["modules"].items()}


def _module(name: str, made: Any) -> Module:
    ports = made["ports"]
    cells = tuple(
        Cell(
            cell_name, cell["type"], {port: tuple(bits) for port, bits in cell["connections"].items()},
            {key: int(str(value), 2) for key, value in cell["parameters"].items() if _is_number(value)},
            {key: str(value) for key, value in cell["parameters"].items() if not _is_number(value)},
            cell["attributes"].get("src", ""),
        )
        for cell_name, cell in made["cells"].items()
    )  # fmt: skip
    names: dict[Bit, str] = {}
    for net_name, net in made["netnames"].items():
        if not net["hide_name"] and not net_name.startswith("$"):
            bits = net["bits"]
            for place, bit in enumerate(bits):
                names.setdefault(bit, net_name if len(bits) == 1 else f"{net_name}[{place}]")
    return Module(
        name,
        {port: tuple(p["bits"]) for port, p in ports.items() if p["direction"] == "input"},
        {port: tuple(p["bits"]) for port, p in ports.items() if p["direction"] == "output"},
        cells,
        names,
        {net_name: tuple(net["bits"]) for net_name, net in made["netnames"].items()},
    )


def _is_number(value: Any) -> bool:
    """Yosys writes the bits of a parameter, and text as it is."""
    return bool(value) and set(str(value)) <= {"0", "1"}
