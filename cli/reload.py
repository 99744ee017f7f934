"""Other rules for `sevenm run -i` while it runs: SIGHUP reads the rule file again.

One idea: all that takes time, or can be wrong, is done by a thread beside what runs. What runs takes the new rules over
between two events once everything of them is there; where anything is wrong it goes on with the old ones. Rules that
are the same but for rows of their tables need no engine: the one that runs gets the rows, and what it remembers stays.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType

from sevenm.compiler.plan import Plan, Table
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, TableEdit
from sevenm.host.session import Session
from sevenm.host.systemd import notify
from sevenm.host.workers import Workers

from . import output
from .errors import explain

PLANS = 4
"""Plans that are remembered: those of the rules that run, or are about to."""
Rules = Callable[[], tuple[Plan, AbstractContextManager[Bundle]]]
"""Reads the rule file: its Plan, and what opens the bundle of it."""


class Reloads:
    """``file``: as the user named it. ``read`` reads it. ``ready`` is called with what was read before it runs, and
    raises where it cannot; its lines are said. ``plan``: of the rules that run, by their digest."""

    def __init__(
        self,
        file: str,
        plan: Plan,
        read: Rules,
        device: Device,
        session: Session | Workers,
        ready: Callable[[Plan, Bundle], list[str]],
    ) -> None:
        self._file, self._read, self._device, self._session, self._ready = file, read, device, session, ready
        self._plans = {plan.digest: plan}
        self._asked = False
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def plan(self, digest: str) -> Plan:
        """That of the rules with this digest."""
        return self._plans[digest]

    def ask(self) -> None:
        """The file is to be read again; of several times that it is asked while it is being read, one counts."""
        self._asked = True

    def alive(self) -> None:
        """To be called now and then: begins what was asked for."""
        if self._asked and (self._thread is None or not self._thread.is_alive()):
            self._asked = False
            self._thread = threading.Thread(target=self._reload, name="sevenm reload", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Waits for the thread; the session has ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._take(*self._read())
        except Exception as error:
            known = explain(error)
            why = known[0] if known is not None else f"{type(error).__name__}: {error}, which is a fault of sevenm"
            output.complain(f"{self._file}: not taken, generation {self._device.generation} goes on: {why}")
        finally:
            notify("READY=1")

    def _take(self, plan: Plan, making: AbstractContextManager[Bundle]) -> None:
        with ExitStack() as stack:
            bundle = stack.enter_context(making)
            self._session.check(bundle)
            running = self._plans[self._session.bundle.digest]
            same = plan.structure == running.structure and self._device.capabilities().live_update
            edited = _edited(running, plan) if same else {}
            unused = stack.enter_context(ExitStack())
            prepared = None if same else self._device.prepare(bundle)
            if prepared is not None:
                unused.callback(prepared.close)
            lines = self._ready(plan, bundle)
            self._plans = {**dict(list(self._plans.items())[1 - PLANS :]), plan.digest: plan}
            generation = self._device.generation + 1
            if prepared is not None:
                self._device.activate(prepared, generation)
            else:
                fresh = {number: table.rows for number, table in edited.items()}
                self._device.update(TableEdit(plan.structure, fresh, bundle), generation)
            unused.pop_all()
        while self._session.bundle is not bundle:  # it does so between two slices of events
            if self._ended.wait(0.001):
                return
        for line in lines:
            output.say(f"sevenm: {line}")
        rows = {table.name: len(table.rows) for table in edited.values()}
        what = [f"{output.plural(count, 'row')} in {name}" for name, count in rows.items()]
        said = ", ".join(what or [output.plural(len(plan.rules), "rule")])
        output.say(f"sevenm: generation {generation}: {said} of {self._file}")
        output.note("rules", bundle=bundle.name, digest=bundle.digest, generation=generation, rows=rows)


def _edited(before: Plan, after: Plan) -> dict[int, Table]:
    """Tables with other rows than before, by their place; the Plans are of one structure."""
    pairs = zip(before.tables, after.tables, strict=True)
    return {number: new for number, (old, new) in enumerate(pairs) if old.rows != new.rows}


class Hangups:
    """Hands SIGHUP on to whoever reads the rules anew, once there is somebody."""

    def __init__(self) -> None:
        self._reloads: Reloads | None = None
        self._asked = False
        self._terminal = _has_terminal()

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        if self._terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        elif self._reloads is None:
            self._asked = True
        else:
            self._reloads.ask()

    def to(self, reloads: Reloads) -> None:
        """From now on to these; also what came before."""
        self._reloads = reloads
        if self._asked:
            reloads.ask()


@contextmanager
def hangups(live: bool) -> Iterator[Hangups]:
    """Within the block, if ``live``, SIGHUP asks for the rules anew; but where it came because the terminal is gone, it
    ends the run as SIGTERM does. Who started it with SIGHUP ignored (nohup) keeps that."""
    made, before = Hangups(), signal.getsignal(signal.SIGHUP)
    heard = live and before is not signal.SIG_IGN
    if heard:
        signal.signal(signal.SIGHUP, made.note)
    try:
        yield made
    finally:
        if heard:
            signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
