"""sevenm top: the rings of this machine in a terminal, as they are now."""

from __future__ import annotations

import sys

import click

from sevenm.host.ring.rates import Watch

from .errors import Exit, Failure
from .folding import each_option, looking
from .intervals import interval_option


@click.command(
    epilog="\b\nExit codes: 0 done, 2 usage or no terminal, 3 the rings cannot be looked at,\n"
    "4 no C runtime, or no textual.",
)
@click.argument("prefix", default="")
@interval_option
@each_option
def top(prefix: str, interval: float, each: bool) -> int:
    """Watch all rings whose name begins with PREFIX: how fast they are filled, read and overrun.

    Keys: q ends it, p holds the view, s sorts by name, rate or loss; the line below the table says more of the ring
    under the cursor. It needs pip install 'sevenm[top]'; `sevenm stat` shows the same without.

    \b
    Examples:
      sevenm top
      sevenm top edge. --interval 0.2
    """
    try:
        from .top_view import Top
    except ImportError as error:
        raise Failure(
            "sevenm top needs textual, which is not installed; say pip install 'sevenm[top]', or use sevenm stat "
            f"({error})",
            Exit.ENGINE,
        ) from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("sevenm top needs a terminal; sevenm stat writes to files and pipes", Exit.USAGE)
    view = Top(Watch(prefix, looking(each)), interval)
    view.run()
    if view.failed is not None:
        raise view.failed
    return Exit.OK
