"""The sevenm command. One idea: whatever happens, the user gets an answer or one clear message, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import output, plain
from .errors import Exit, explain

STANDARD_ERRORS = 2
"""The last of the descriptors that every program has."""


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code (``errors.Exit``). Raises nothing."""
    _fill_descriptors()
    output.keep_going()
    try:
        try:
            code = plain.run(sys.argv[1:] if args is None else args)
            if code is None:
                from . import commands  # with the parser

                code = commands.run(args)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            _drop_output()
            return Exit.PIPE
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except Exception as error:
            return _failed(error)
    except BrokenPipeError:
        _drop_output()
        return Exit.PIPE


def _fill_descriptors() -> None:
    """What was started with standard input, output or errors closed gets the null device there: else the next file that
    is opened, a ring or a capture, would get the number, and what is printed would land in it."""
    while (null := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERRORS:
        os.set_inheritable(null, True)
    os.close(null)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _failed(error: Exception) -> int:
    if os.environ.get("SEVENM_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exc()
    known = explain(error)
    if known is not None:
        message, code = known
        if message:
            output.complain(message)
        if code == Exit.PIPE or isinstance(error, OSError):
            _drop_output()
        return code
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    output.complain(
        f"a fault of sevenm itself: {type(error).__name__}: {error} ({where}). Please report it with the command, "
        f"`sevenm --version` and the traceback that SEVENM_DEBUG=1 shows"
    )
    return Exit.FAULT


def _drop_output() -> None:
    """Nobody reads standard output any more, or it cannot be written: what is still buffered must not raise at exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


if __name__ == "__main__":
    sys.exit(main())
