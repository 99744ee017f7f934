"""What rules do with a capture, counted in C and delivered nowhere.

One idea: this is the loop (``sevenm.host.engine.loop``) with one program that never changes and without rings, so its
structs are filled from plain numbers: rules that were compiled before start without NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

from sevenm.boundary import CAUSES as CAUSE_SLOTS
from sevenm.boundary import CHUNK, PORTS, Engine
from sevenm.host.engine.c_struct import CStruct
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.counts import TOTALS, Actions
from sevenm.host.engine.ingress import LoopIngress

SLICE_EVENTS = 1 << 20
"""Events after which C comes back to Python, so that signal handlers run."""


class Counting(CStruct):
    """The counts of these rules, which ``run`` adds to; a ``sevenm.host.engine.counts.Counts``.

    ``code`` is the rules' engine, which is held until ``close``. Raises EngineError for one with tables, states or
    computed ports, whose memory has to be made by others, and for one of another number of rules."""

    def __init__(self, code: Code, rules: Sequence[Actions], n_channels: int, n_counters: int) -> None:
        super().__init__("sm_program")
        if code.n_tables or code.n_states or code.has_ports:
            raise EngineError("the engine has tables, state or computed ports; it is for a session to run")
        if code.n_rules != len(rules):
            raise EngineError(f"the engine has {code.n_rules} rules, expected {len(rules)}")
        code.hold()
        self._code, self._n_channels = code, n_channels
        new, span = self.ffi.new, self.lib.SM_SPAN
        self._accounts: Any = self.keep(new("sm_accounts *", {"channels": n_channels}))
        lengths = {"rules": len(rules), "counters": n_counters, "undelivered": n_channels * CAUSE_SLOTS}
        lengths |= dict.fromkeys(("matched", "delivered", "waiting"), n_channels)
        for name, length in lengths.items():
            setattr(self._accounts, name, self.keep(new("uint64_t[]", max(1, length))))
        self._lengths = lengths
        actions: Any = self.keep(new("sm_actions *"))
        actions.rules, actions.channels, actions.counters = len(rules), n_channels, n_counters
        actions.deliver = self._lists([rule.deliver for rule in rules])
        actions.count = self._lists([rule.count for rule in rules])
        actions.forward = self.keep(new("uint16_t[]", [rule.forward for rule in rules] or 1))
        actions.drop = self.keep(new("uint8_t[]", [rule.drop for rule in rules] or 1))
        to = self.pointer
        to.match = self.ffi.cast("sm_match_function *", code.address)
        to.actions, to.accounts = actions, self._accounts
        to.outlets = self.keep(new("sm_outlet *[]", max(1, n_channels)))
        to.chunks = self.keep(new("sm_chunk[]", span // CHUNK))
        to.fired = self.keep(new("sm_fired[]", code.room))
        to.room, to.generation, to.engine = code.room, 1, int(Engine.HOST)
        self._loop: Any = new("sm_loop *")
        self.lib.sm_loop_publish(self._loop, to)

    def _lists(self, lists: Sequence[Sequence[int]]) -> dict[str, Any]:
        """``sm_lists``."""
        start = self.keep(self.ffi.new("uint32_t[]", [0, *accumulate(map(len, lists))]))
        return {"start": start, "items": self.keep(self.ffi.new("uint32_t[]", list(chain(*lists)) or 1))}

    def run(self, ingress: LoopIngress) -> None:
        """To the end of the ingress. Raises EngineError where the engine breaks its contract or the ingress fails."""
        lib = self.lib
        while (why := lib.sm_loop_run(self._loop, ingress.pointer, SLICE_EVENTS, 0)) != lib.SM_LOOP_END:
            if why == lib.SM_LOOP_ENGINE:
                raise EngineError("the engine decided no event, or more than there were; remove the cache of engines")
            if why not in (lib.SM_LOOP_LIMIT, lib.SM_LOOP_WAITS):
                raise EngineError(f"the ingress cannot go on: {ingress.fault()}")

    def close(self) -> None:
        """Lets go of the code. Not to be run any more; the counts stay."""
        self._code.release()

    def total(self, name: str) -> int:
        """One of TOTALS."""
        if name not in TOTALS:
            raise KeyError(name)
        return int(getattr(self._accounts, name))

    @property
    def forwarded(self) -> list[int]:
        return list(self._accounts.forwarded[0:PORTS])

    @property
    def rules(self) -> list[int]:
        return self._numbers("rules")

    @property
    def counters(self) -> list[int]:
        return self._numbers("counters")

    @property
    def matched(self) -> list[int]:
        return self._numbers("matched")

    @property
    def delivered(self) -> list[int]:
        return self._numbers("delivered")

    @property
    def undelivered(self) -> Iterable[Sequence[int]]:
        flat = self._numbers("undelivered")
        return [flat[at : at + CAUSE_SLOTS] for at in range(0, len(flat), CAUSE_SLOTS)]

    def _numbers(self, name: str) -> list[int]:
        return list(getattr(self._accounts, name)[0 : self._lengths[name]])
