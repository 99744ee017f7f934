"""What goes wrong, in the user's words: every known exception becomes one message and one exit code.

Exit codes: 0 done and nothing found; 1 the rules have errors, the engines differ, a core is refuted, or a clock is
not reached; 2 wrong usage; 3 a file, capture, bundle or ring cannot be read or written, or a core cannot be placed; 4
the engine is not available here; 5 a proof was not decided; 70 a fault of sevenm itself; 130 interrupted; 141 the
reader of the output went away.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    ENGINE = 4
    UNDECIDED = 5
    FAULT = 70
    INTERRUPTED = 130
    PIPE = 141


EXIT_HELP = """\b
Exit codes:
  0  done, nothing found
  1  the rules have errors, engines differ, a core is refuted, or a clock is not reached
  2  wrong usage
  3  a file, capture, bundle or ring cannot be read or written, or a core cannot be placed
  4  the engine is not available on this machine
  5  neither proved nor refuted within the budget"""


class Failure(Exception):
    """The command cannot go on; the message is complete and says what to do."""

    def __init__(self, message: str, code: Exit = Exit.INPUT) -> None:
        super().__init__(message)
        self.code = code


def explain(error: BaseException) -> tuple[str, Exit] | None:
    """The message and exit code of a known exception, None for one that is a fault of sevenm."""
    if isinstance(error, Failure):
        return str(error), error.code
    # Whoever raised one of these has them loaded; a command that fails of itself is spared all that.
    from sevenm.compiler.bundle import BundleWriteError, MissingExtra
    from sevenm.compiler.diagnostics import CompileError
    from sevenm.compiler.passes.cost import ChoiceError
    from sevenm.compiler.plan import PlanError
    from sevenm.host.bundle import BundleError
    from sevenm.host.capture.format import CaptureError
    from sevenm.host.capture.pcap_file import ReaderGone
    from sevenm.host.devices.device import DeviceError
    from sevenm.host.engine.loop import IngressFault
    from sevenm.host.live.privileges import PrivilegeError
    from sevenm.host.native import NativeMissing
    from sevenm.host.registry import RegistryError
    from sevenm.host.replay import InterfaceError
    from sevenm.host.ring import RingError
    from sevenm.sim.synthesis.programs import SynthesisError

    if isinstance(error, ReaderGone):
        return "", Exit.PIPE
    if isinstance(error, ChoiceError):
        return str(error), Exit.USAGE
    if isinstance(error, CompileError):
        return str(error), Exit.FINDINGS
    if isinstance(error, (DeviceError, NativeMissing, MissingExtra, RegistryError)):
        return str(error), Exit.ENGINE
    if isinstance(error, PrivilegeError):
        return str(error), Exit.USAGE
    if isinstance(
        error,
        (
            BundleError,
            BundleWriteError,
            CaptureError,
            IngressFault,
            InterfaceError,
            PlanError,
            RingError,
            SynthesisError,
        ),
    ):
        return str(error), Exit.INPUT
    if isinstance(error, OSError):
        return _system(error), Exit.INPUT
    if isinstance(error, MemoryError):
        return "not enough memory for this input", Exit.INPUT
    return None


def _system(error: OSError) -> str:
    """The operating system's reason with the file it is about; the names of both files of a rename."""
    import click

    what = " -> ".join(click.format_filename(str(name)) for name in (error.filename, error.filename2) if name)
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{what}: {reason}" if what else reason
