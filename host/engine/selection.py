"""One filter over a capture, in C: the matches counted, as records of a pcap, or as lines of text.

One idea: what comes out is bytes in one buffer, handed on whenever it is full and at the end of each piece, so that
nothing is kept back from whoever reads a pipe. Nothing here needs NumPy: a filter that was compiled before starts at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from sevenm.host.engine.c_struct import CStruct
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.ingress import LoopIngress

OUT = 1 << 20
"""Bytes of output that are collected before they are handed on."""
ALL = (1 << 64) - 1


class Form(IntEnum):
    """What becomes of a match: SM_SELECT_… of ``csrc/select.h``."""

    COUNT = 0
    PCAP = 1
    """A record of a little-endian nanosecond pcap."""
    LINES = 2
    """A line of ASCII: number from 1, time, bytes on the wire, what it is."""


class _Why(IntEnum):
    END, ROOM, ENOUGH, ENGINE, FAULT = range(5)


class Selection(CStruct):
    """``events`` were looked at so far, of which ``matched`` match; up to the last match, once there were enough.

    ``put``: takes what the matches became, and how many they are; the bytes are good during the call. ``most``: matches
    that are enough. Raises EngineError for code with tables or state, which a filter has not."""

    def __init__(
        self, code: Code, form: Form, put: Callable[[memoryview, int], None] | None = None, most: int = ALL
    ) -> None:
        super().__init__("sm_selection")
        if code.n_tables or code.n_states or code.has_ports:
            raise EngineError("the engine has tables, state or computed ports, so it is not that of a filter")
        if (form is Form.COUNT) != (put is None):
            raise ValueError("put is for matches that become something, and needed there")
        code.hold()
        self._code, self._put, self._said = code, put, 0
        to = self.pointer
        to.match = self.ffi.cast("sm_match_function *", code.address)
        to.chunks = self.keep(self.ffi.new("sm_chunk[]", self.lib.SM_SELECT_SPAN // 64))
        to.fired = self.keep(self.ffi.new("sm_fired[]", code.room))
        to.room, to.most, to.form = code.room, most, int(form)
        if put is not None:
            to.out_size = OUT + self.lib.SM_SELECT_OUT_MIN
            to.out = self.keep(self.ffi.new("uint8_t[]", to.out_size))

    @property
    def events(self) -> int:
        return int(self.pointer.events)

    @property
    def matched(self) -> int:
        return int(self.pointer.matched)

    def run(self, ingress: LoopIngress) -> bool:
        """To the end of the ingress; False once there were enough matches. Raises EngineError where the engine breaks
        its contract, and what ``put`` raises."""
        while True:
            why = _Why(self.lib.sm_select(self.pointer, ingress.pointer))
            self._hand_on()
            if why is _Why.ENGINE:
                raise EngineError("the engine decided no event, or more than there were; remove the cache of engines")
            if why is _Why.FAULT:
                raise EngineError(f"the ingress cannot go on: {ingress.fault()}")
            if why is not _Why.ROOM:
                return why is _Why.END

    def close(self) -> None:
        """Lets go of the code. Not to be run any more."""
        self._code.release()

    def _hand_on(self) -> None:
        to, used = self.pointer, int(self.pointer.used)
        if used and self._put is not None:
            to.used = 0
            matched = self.matched
            count, self._said = matched - self._said, matched
            self._put(memoryview(self.ffi.buffer(to.out, used)), count)
