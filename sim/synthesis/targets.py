"""What a core can be mapped for: how Yosys does it, and which cells are which resource of the device.

One idea: a resource is a weighted sum of cells, so that cost is counted the same way wherever it is told, and a design
that is too large is refused before it is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """``cells``: how much of it one cell of each kind takes. ``available``: how much the device has, None where no
    device is meant."""

    name: str
    cells: Mapping[str, float]
    available: int | None = None

    def used(self, cells: Mapping[str, int]) -> float:
        return sum(weight * cells.get(kind, 0) for kind, weight in self.cells.items())


@dataclass(frozen=True, slots=True)
class Target:
    """``synth`` is the command of Yosys that maps for it; ``options`` are nextpnr's for the device, None where cores
    are only mapped and the figures are estimates."""

    name: str
    title: str
    synth: str
    resources: tuple[Resource, ...]
    options: tuple[str, ...] | None = None

    @property
    def is_placed(self) -> bool:
        return self.options is not None


_FLIP_FLOPS = dict.fromkeys(("FDCE", "FDPE", "FDRE", "FDSE"), 1)
_LUTS = {f"LUT{inputs}": 1 for inputs in range(1, 7)} | {"INV": 1}
# LUTs that are memory (UG574): RAMs of 32 words store two bits in one, of 64 words one, beside one for each address.
_MEMORIES = {
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2,
    "RAM128X1S": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM32M16": 8, "RAM64M": 4, "RAM64M8": 8, "RAM256X1D": 8,
}  # fmt: skip

ECP5 = Target(
    "ecp5",
    "ECP5-85, speed grade 8",
    "synth_ecp5",
    (
        # A CCU2C is two LUT4 with carry. A memory of 16 words of 4 bits is 4 LUT4, and its writes take 2 more.
        Resource("sites", {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, 83640),
        Resource("LUT4", {"LUT4": 1, "CCU2C": 2}),
        Resource("flip-flops", {"TRELLIS_FF": 1}, 83640),
        Resource("distributed RAM", {"TRELLIS_DPR16X4": 1}, 10455),
        Resource("block RAM", {"DP16KD": 1, "PDPW16KD": 1}, 208),
        Resource("DSP", {"MULT18X18D": 1, "MULT9X9D": 0.5, "ALU54B": 2}, 156),
    ),
    ("--85k", "--speed", "8", "--package", "CABGA756"),
)
XCUP = Target(
    "xcup",
    "UltraScale+, estimates",
    "synth_xilinx -family xcup -flatten -noiopad -noclkbuf",
    (
        Resource("LUT", {**_LUTS, **_MEMORIES}),
        Resource("LUT as memory", _MEMORIES),
        Resource("flip-flops", _FLIP_FLOPS),
        Resource("CARRY8", {"CARRY8": 1, "CARRY4": 0.5}),
        Resource("block RAM", {"RAMB36E2": 1, "RAMB18E2": 0.5}),
        Resource("DSP", {"DSP48E2": 1}),
    ),
)
TARGETS = {target.name: target for target in (ECP5, XCUP)}
