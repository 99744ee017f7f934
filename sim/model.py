"""A Verilated core as a function: events in, verdicts out, as NumPy arrays.

One idea: this file is the Python side of ``verilated/harness.h`` and nothing else. What the harness finds wrong with
the core becomes ``ModelMismatch``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cffi
import numpy as np
from numpy.typing import NDArray

from sevenm.hdl.verdict import BlockShape, blocks_width
from sevenm.host.batch import EventBatch
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.actions import words
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE

ABI = 3
WATCHDOG_CYCLES = 65536
"""Default for the most cycles without an output beat while a packet is owed."""

_CDEF = """
typedef struct { uint32_t abi, blocks_bits, n_channels, cap_len_max; } sm_rtl_info;
typedef struct { uint32_t all, first_rule, rules, at; } sm_rtl_block;
typedef struct { uint32_t valid_percent, ready_percent; uint64_t source, seed, watchdog_cycles; } sm_rtl_drive;
typedef struct { uint64_t cycles, packets, beats, stalls, latency_cycles; } sm_rtl_counters;
typedef struct sm_rtl_model sm_rtl_model;
extern sm_rtl_info sm_rtl_about;
sm_rtl_model *sm_rtl_open(void);
void sm_rtl_close(sm_rtl_model *);
int sm_rtl_process(sm_rtl_model *, const uint8_t *, const void *, uint64_t, const sm_rtl_drive *, const sm_rtl_block *,
                   uint64_t, void *, uint8_t *, uint16_t *, uint64_t *, uint64_t *);
int sm_rtl_wave(sm_rtl_model *, const char *, uint64_t);
int sm_rtl_coverage(sm_rtl_model *, const char *);
const void *sm_rtl_fired(const sm_rtl_model *, uint64_t *);
const char *sm_rtl_error(const sm_rtl_model *);
void sm_rtl_count(const sm_rtl_model *, sm_rtl_counters *);
"""


_FFI: Any = cffi.FFI()  # its type stubs know neither NumPy arrays nor what was declared
_FFI.cdef(_CDEF)


class ModelMismatch(DeviceError):
    """The hardware did what its contract or the Plan's meaning excludes; the message names event and field."""


@dataclass(frozen=True, slots=True)
class Drive:
    """How the core's ports are driven. The default is back to back: an input beat every cycle, every output beat
    taken. Less than 100 percent inserts random gaps (input) and stops (output), the same ones for the same seed;
    latency is then not measured."""

    valid_percent: int = 100
    ready_percent: int = 100
    seed: int = 0
    watchdog_cycles: int = WATCHDOG_CYCLES

    def __post_init__(self) -> None:
        for name in ("valid_percent", "ready_percent"):
            if not 1 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} must be from 1 to 100, not {getattr(self, name)}")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed must be from 0 to {(1 << 32) - 1}, not {self.seed}")
        if not 1 <= self.watchdog_cycles < 1 << 32:
            raise ValueError(f"watchdog_cycles must be from 1 to {(1 << 32) - 1}, not {self.watchdog_cycles}")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """``chunks`` (words(n),) sm_chunk and ``fired`` sm_fired, as in ``sevenm.host.engine.decisions``, made of what the
    verdict says of its blocks; ``drop`` (n,) uint8, ``forward`` (n,) uint16, ``channels`` (n,) uint64 as the ports show
    them."""

    chunks: NDArray[np.void]
    fired: NDArray[np.void]
    drop: NDArray[np.uint8]
    forward: NDArray[np.uint16]
    channels: NDArray[np.uint64]


class Model:
    """One instance of a built core, out of reset. Not to be used from two threads at once; instances share nothing.

    ``blocks`` are those of the rules, in order. Raises DeviceError for a file that is no such model, or whose verdict
    has other blocks."""

    def __init__(self, path: Path, blocks: Sequence[BlockShape]) -> None:
        self._model: Any = None
        try:
            self._lib: Any = _FFI.dlopen(str(path))
            about = self._lib.sm_rtl_about
        except (OSError, AttributeError) as error:
            raise DeviceError(f"{path} is not an RTL model: {error}") from error
        if about.abi != ABI:
            raise DeviceError(f"{path} is an RTL model of interface {about.abi}, expected {ABI}; build it again")
        if about.blocks_bits != max(1, blocks_width(blocks)):
            raise DeviceError(
                f"the core's verdict has {about.blocks_bits} bits for its blocks, those of the rules need "
                f"{max(1, blocks_width(blocks))}; build the bundle again"
            )
        self.n_channels: int = about.n_channels
        self._blocks = _places(blocks)
        self.cap_len_max: int = about.cap_len_max
        self._model = self._lib.sm_rtl_open()
        if not self._model:
            raise DeviceError("no memory for an RTL model")

    def process(self, batch: EventBatch, drive: Drive | None = None) -> Verdicts:
        """Runs all events through the core, in order. Raises ModelMismatch where it breaks its contract."""
        if not self._model:
            raise DeviceError("the RTL model is closed")
        n = len(batch)
        if n and (longest := int(batch.events["cap_len"].max())) > self.cap_len_max:
            raise DeviceError(f"an event may have at most {self.cap_len_max} bytes, not {longest}")
        drive = drive or Drive()
        ffi = _FFI
        chunks = np.empty(words(n), CHUNK_DTYPE)
        drop, forward, channels = np.empty(n, np.uint8), np.empty(n, np.uint16), np.empty(n, np.uint64)
        how = ffi.new(
            "sm_rtl_drive *",
            [drive.valid_percent, drive.ready_percent, batch.source, drive.seed, drive.watchdog_cycles],
        )
        culprit = ffi.new("uint64_t *")
        failed = self._lib.sm_rtl_process(
            self._model,
            ffi.from_buffer("uint8_t[]", batch.buffer),
            ffi.from_buffer(batch.events),
            n,
            how,
            self._blocks,
            len(self._blocks),
            ffi.from_buffer(chunks, require_writable=True),
            ffi.from_buffer("uint8_t[]", drop, require_writable=True),
            ffi.from_buffer("uint16_t[]", forward, require_writable=True),
            ffi.from_buffer("uint64_t[]", channels, require_writable=True),
            culprit,
        )
        if failed:
            text = ffi.string(self._lib.sm_rtl_error(self._model)).decode()
            raise ModelMismatch(f"event {culprit[0]}: {text}" if culprit[0] < n else text)
        return Verdicts(chunks, self._fired(), drop, forward, channels)

    def _fired(self) -> NDArray[np.void]:
        """A copy of the entries of the last call."""
        count = _FFI.new("uint64_t *")
        entries = self._lib.sm_rtl_fired(self._model, count)
        data = bytes(_FFI.buffer(entries, count[0] * FIRED_DTYPE.itemsize)) if count[0] else b""
        return np.frombuffer(data, FIRED_DTYPE)

    def wave(self, path: Path, event: int) -> None:
        """Has the next ``process`` write what all signals do around its event of that number, from 0, to an FST file.
        Raises DeviceError for a model that was built without (``sevenm.sim.instruments.WAVES``)."""
        self._instrument(self._lib.sm_rtl_wave, path, event)

    def coverage(self, path: Path) -> None:
        """Writes how often each line ran and each bit changed since it was opened, as ``sevenm.sim.coverage`` reads it.
        Raises DeviceError for a model that was built without (``sevenm.sim.instruments.COVERAGE``)."""
        self._instrument(self._lib.sm_rtl_coverage, path)

    def _instrument(self, function: Any, path: Path, *arguments: int) -> None:
        if not self._model:
            raise DeviceError("the RTL model is closed")
        if function(self._model, os.fsencode(path), *arguments):
            raise DeviceError(_FFI.string(self._lib.sm_rtl_error(self._model)).decode())

    def counters(self) -> dict[str, int]:
        """Sums since it was opened: cycles, packets, beats, stalls (cycles in which an offered beat was refused),
        and latency_cycles, the latency measured back to back (0 until it was)."""
        if not self._model:
            raise DeviceError("the RTL model is closed")
        out = _FFI.new("sm_rtl_counters *")
        self._lib.sm_rtl_count(self._model, out)
        names = ("cycles", "packets", "beats", "stalls", "latency_cycles")
        return {name: cast(int, getattr(out, name)) for name in names}

    def close(self) -> None:
        """Frees the model; doing it again is harmless."""
        model, self._model = self._model, None
        if model:
            self._lib.sm_rtl_close(model)

    def __del__(self) -> None:
        self.close()


def _places(blocks: Sequence[BlockShape]) -> Any:
    """The blocks as the harness takes them."""
    rows, rule, at = [], 0, 0
    for block in blocks:
        rows.append([int(block.mode == "all"), rule, block.rules, at])
        rule += block.rules
        at += block.width
    return _FFI.new("sm_rtl_block[]", rows)
