"""The data plane: ingress, match, account, deliver, as a loop in C that Python starts, stops, feeds programs and reads.

One idea: a program is everything that one generation of rules needs, never changed once published, and exchanged with
one store. The loop takes a new one between events; what was published before is let go of when the loop has left it, so
that no code is unloaded under it and no event is matched by half of the old rules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from sevenm.boundary import Engine
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.c_struct import CStruct
from sevenm.host.engine.compiled import NO_CONTEXT, CompiledEngine, Context
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE
from sevenm.host.engine.delivery import (
    BLOCK_TIMEOUT,
    SLICE_US,
    CAccounts,
    CActions,
    Outlet,
    outlet_array,
)
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.latency import Latency
from sevenm.host.native import native

BACKLOG = 4096
"""Records of a `block` channel that wait for room in its ring before the loop does."""
SLICE_EVENTS = 1 << 20
"""Events after which the loop comes back to Python, so that signal handlers run."""
SWAP_S_MAX = 60.0


class LoopError(RuntimeError):
    """The loop cannot go on; the message says why and what to do."""


class IngressFault(LoopError):
    """The ingress cannot go on: the interface is gone, say. What came in before was decided and is counted."""


class Why(IntEnum):
    """Why ``sm_loop_run`` came back: SM_LOOP_… of ``csrc/loop.h``."""

    END = 0
    LIMIT = 1
    STOPPED = 2
    WAITS = 3
    IDLE = 4
    FAULT = 5
    EMPTY = 6
    ENGINE = 7


class Program(CStruct):
    """Rules of one generation, ready to be published.

    ``outlets``: one for each channel of the accounts, None where it has no ring. ``generation``: the controller's
    number; every record carries it."""

    def __init__(
        self,
        engine: CompiledEngine,
        accounts: Accounts,
        outlets: Sequence[Outlet | None],
        generation: int,
        context: Context = NO_CONTEXT,
        kind: Engine = Engine.HOST,
    ) -> None:
        super().__init__("sm_program")
        if engine.n_rules != len(accounts.actions):
            raise ValueError(f"the engine has {engine.n_rules} rules, the accounts {len(accounts.actions)}")
        if not 0 <= generation < 1 << 32:
            raise ValueError(f"generation must be 32 bits, not {generation}")
        engine.check_context(context)
        engine.hold()
        self.engine: CompiledEngine | None = engine
        self.accounts, self.generation, self.outlets = accounts, generation, tuple(outlets)
        self._c_accounts = CAccounts.of(accounts)
        self.keep(context)
        to, span = self.pointer, self.lib.SM_SPAN
        to.match = self.ffi.cast("sm_match_function *", engine.address)
        to.tables = self.ffi.cast("sm_table *", context.tables)
        to.states = self.ffi.cast("sm_state **", context.states)
        to.actions = self.keep(CActions(accounts.table, accounts.n_channels, accounts.n_counters)).pointer
        to.accounts = self._c_accounts.pointer
        to.outlets = self.keep(outlet_array(self.outlets, accounts.n_channels))
        to.chunks = self.array("sm_chunk", np.zeros(span // 64, CHUNK_DTYPE))
        to.fired = self.array("sm_fired", np.zeros(engine.room, FIRED_DTYPE))
        to.room = engine.room
        if engine.has_ports:
            to.ports = self.array("uint16_t", np.zeros(span, np.uint16))
        to.generation, to.engine = generation, int(kind)

    @property
    def waiting(self) -> int:
        """Matches that wait in a backlog."""
        return self._c_accounts.waiting

    def let_go(self) -> None:
        """The loop has left it: its code may be unmapped. The accounts stay."""
        if self.engine is not None:
            self.engine.release()
            self.engine = None


class Loop:
    """One data plane. ``run`` in the calling thread, or ``start`` and ``join`` around a thread of its own.

    ``publish`` and the numbers may be used from another thread than the one that runs. The accounts of a program are
    exact once it is not in ``programs`` any more, or the loop has ended."""

    def __init__(self) -> None:
        self._ffi, self._lib = native()
        self._loop = self._ffi.new("sm_loop *")
        self._outlets: list[Outlet] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._latency: Latency | None = None
        self._running = threading.Lock()
        self._changing = threading.Lock()
        self.programs: list[Program] = []
        """Those that the loop may still use or count for, in order of publication."""

    @property
    def events(self) -> int:
        """Events decided so far."""
        return int(self._lib.sm_loop_events(self._loop))

    def watch(self, latency: Latency | None) -> None:
        """From now on measures the time from arrival to decision, and from there into the rings. Not while it runs."""
        self._latency = latency  # what C writes into has to live as long as the loop
        self._lib.sm_loop_watch(self._loop, self._ffi.NULL if latency is None else latency.pointer)

    def outlet(self, handle: Any, backlog: int = BACKLOG, timeout: float = BLOCK_TIMEOUT) -> Outlet:
        """A way out into a ring, for programs of this loop; it lives as long as the loop. Raises LoopError if there are
        too many."""
        made = Outlet(handle, backlog, timeout)
        with self._changing:
            if not self._lib.sm_loop_add_outlet(self._loop, made.pointer):
                raise LoopError(f"a loop has at most {self._lib.SM_OUTLETS_MAX} rings; close it and make another")
            self._outlets.append(made)
        return made

    def publish(self, program: Program, wait: bool = False) -> None:
        """The program counts from the loop's next events on. ``wait``: until the loop has left all others, if it runs.

        Raises ValueError if the program was published before or its outlets are not this loop's."""
        if program.engine is None or program in self.programs:
            raise ValueError(f"the program of generation {program.generation} was published before; make another")
        for outlet in program.outlets:
            if outlet is not None and outlet not in self._outlets:
                raise ValueError("an outlet of the program belongs to another loop; make it with outlet()")
        with self._changing:
            self.programs.append(program)
            self._lib.sm_loop_publish(self._loop, program.pointer)
        end = time.monotonic() + SWAP_S_MAX
        while self.collect() and wait:
            if time.monotonic() > end:
                raise LoopError(f"the loop still uses older rules after {SWAP_S_MAX:.0f} s; stop it")
            time.sleep(0.0001)

    def collect(self) -> bool:
        """Lets go of programs that the loop has left. Whether it still uses one that is not the last."""
        with self._changing:
            kept, used = [], False
            for program in self.programs:
                if self._lib.sm_loop_uses(self._loop, program.pointer):
                    kept.append(program)
                    used |= program is not self.programs[-1]
                    continue
                program.let_go()
                if program.waiting:
                    kept.append(program)
            self.programs = kept
        return used

    def run(self, ingress: LoopIngress, events: int | None = None) -> Why:
        """Runs until the ingress ends (END), has nothing now (IDLE), so many events were decided (LIMIT), or ``stop``
        was called (STOPPED). Raises LoopError if it cannot go on.

        An exception out of a signal handler ends it: what then finds no room in a `block` ring is counted as
        ``stopped``, events that were not yet decided stay in the ingress."""
        self._enter()
        lib, left = self._lib, (1 << 63 if events is None else events)
        try:
            while True:
                before, part = self.events, min(left, SLICE_EVENTS)
                why = Why(lib.sm_loop_run(self._loop, ingress.pointer, part, SLICE_US))
                left -= self.events - before
                if why is Why.WAITS or (why is Why.LIMIT and left):
                    continue
                if why is Why.FAULT:
                    raise IngressFault(f"the ingress cannot go on: {ingress.fault()}")
                if why in (Why.EMPTY, Why.ENGINE):
                    lib.sm_loop_abandon(self._loop, ingress.pointer)
                    raise LoopError(
                        {
                            Why.EMPTY: "no program was published; publish one before run",
                            Why.ENGINE: "the engine decided no event, or more than there were; build the bundle again",
                        }[why]
                    )
                return why
        except BaseException:
            self._give_up(ingress)
            raise
        finally:
            lib.sm_loop_stop(self._loop, lib.SM_GO)
            self._running.release()

    def abandon(self, ingress: LoopIngress) -> int:
        """Gives the rest of a burst back, after LIMIT or STOPPED: how many events of it were not decided."""
        return int(self._lib.sm_loop_abandon(self._loop, ingress.pointer))

    def _enter(self) -> None:
        """Only one thread at a time is in the loop."""
        if not self._running.acquire(blocking=False):
            raise LoopError("the loop runs already; stop it first")

    def _give_up(self, ingress: LoopIngress) -> None:
        """Ends a batch that waits, then lets go of the ingress."""
        lib = self._lib
        lib.sm_loop_stop(self._loop, lib.SM_STOP_WAITING)
        lib.sm_loop_run(self._loop, ingress.pointer, 0, 0)
        lib.sm_loop_abandon(self._loop, ingress.pointer)

    def start(self, ingress: LoopIngress, events: int | None = None) -> None:
        """``run`` in a thread of its own; ``join`` gives its end."""

        def work() -> None:
            try:
                self.run(ingress, events)
            except BaseException as error:
                self._error = error

        if self._thread is not None:
            raise LoopError("the loop was started already; stop and join it first")
        self._error = None
        self._thread = threading.Thread(target=work, name="sevenm loop", daemon=True)
        self._thread.start()

    def stop(self, wait: bool = True) -> None:
        """Asks the loop to end after the events it is at; ``wait`` False: and to wait for no `block` ring any more."""
        self._lib.sm_loop_stop(self._loop, self._lib.SM_STOP if wait else self._lib.SM_STOP_WAITING)

    def join(self) -> None:
        """Waits for the thread's end. Raises what ended it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._lib.sm_loop_stop(self._loop, self._lib.SM_GO)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def flush(self) -> None:
        """Empties the backlogs into the rings, waiting as long as their outlets do; after it nothing waits.

        An exception out of a signal handler ends it: what is left is counted as ``stopped``. Raises LoopError while
        the loop runs."""
        self._enter()
        try:
            while not self._lib.sm_loop_flush(self._loop, SLICE_US):
                pass
        except BaseException:
            self._lib.sm_loop_stop(self._loop, self._lib.SM_STOP_WAITING)
            self._lib.sm_loop_flush(self._loop, 0)
            self._lib.sm_loop_stop(self._loop, self._lib.SM_GO)
            raise
        finally:
            self._running.release()
        self.collect()

    def close(self) -> None:
        """Stops, and lets go of every program; what waits is counted as ``stopped``."""
        self.stop(wait=False)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._running:
            self.stop(wait=False)
            self._lib.sm_loop_flush(self._loop, 0)
            self._lib.sm_loop_publish(self._loop, self._ffi.NULL)
        self.collect()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
