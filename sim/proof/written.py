"""The core that is proved: out of a bundle as it was written, or made now from a Plan."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sevenm.compiler.bundle import MissingExtra, gateware_missing
from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle, BundleError
from sevenm.host.devices.device import DeviceError
from sevenm.manifest import ROWS

CORE = "core.v"


@dataclass(frozen=True, slots=True)
class WrittenCore:
    """The Verilog of a core and what is said of it: its latency, the beats of ``beat_bytes`` that it looks at, how rows
    of tables are kept (``sevenm.manifest.ROWS``), and whether it says malformed and truncated of packets."""

    verilog: str
    top: str
    latency_cycles: int
    beats: int
    beat_bytes: int
    rows: str = ROWS[0]
    marks: bool = True


def require_solver() -> None:
    """Raises MissingExtra without z3."""
    if find_spec("z3") is None:
        raise MissingExtra("a proof needs z3-solver, which is not installed: pip install 'sevenm[prove]'")


def core_of_plan(plan: Plan) -> WrittenCore:
    """The core as ``sevenm build`` writes it. Raises MissingExtra without Amaranth, NotInGateware."""
    missing = gateware_missing()
    if missing is not None:
        raise MissingExtra(f"the gateware needs {missing}, which is not installed: pip install 'sevenm[prove]'")
    from sevenm.compiler.backends.gateware.emit import emit_source
    from sevenm.compiler.backends.gateware.options import TOP
    from sevenm.compiler.backends.gateware.verilog import to_verilog

    source = emit_source(plan)
    return WrittenCore(to_verilog(plan), TOP, source.latency_cycles, source.window_beats, source.beat_bytes)


def core_of_bundle(bundle: Bundle) -> WrittenCore:
    """The Verilog in a bundle, as it is. Raises BundleError, DeviceError if it has none."""
    about = bundle.core
    if about is None:
        raise DeviceError(f"{bundle.folder}: the bundle has no gateware; build it again with gateware")
    try:
        text = bundle.path(CORE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bundle.folder / CORE}: cannot be read: {error}") from error
    return WrittenCore(
        text, about.top, about.latency_cycles, about.window_beats, about.beat_bits // 8, about.rows, about.marks
    )
