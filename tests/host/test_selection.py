"""One filter over a capture in C: what it counts and writes is what the engine says of the same events in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.pcap import open_capture
from sevenm.host.capture.pcap_file import PcapFile
from sevenm.host.capture.pieces import open_pieces
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.engine import selection as module
from sevenm.host.engine.code import Code, EngineError
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.ingress import MemoryIngress
from sevenm.host.engine.selection import ALL, Form, Selection

pytestmark = pytest.mark.needs("compiler")
Load = Callable[..., Code]


@pytest.fixture
def code(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> Iterator[Code]:
    """Its rules fire on bits of an event's first bytes; a selection takes what any of them fires on."""
    bundle = make_bundle(manifest)
    engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    yield engine
    engine.close()


def events(n: int, rules: int, seed: int = 3) -> tuple[EventBatch, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Events of 0 to 60 bytes, and which of them any rule fires on."""
    rng = np.random.default_rng(seed)
    data = [rng.bytes(int(rng.integers(0, 60))) if rng.random() < 0.5 else b"\0" * 9 for _ in range(n)]
    fires = [any(len(one) > r // 8 and one[r // 8] >> r % 8 & 1 for r in range(rules)) for one in data]
    return EventBatch.from_bytes(data, list(range(10**18, 10**18 + n))), np.array(fires, np.bool_)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1024, 1025, 5000])
def test_it_counts_what_the_engine_finds(code: Code, n: int) -> None:
    batch, fires = events(n, code.n_rules)
    selection = Selection(code, Form.COUNT)
    assert selection.run(MemoryIngress(batch))
    assert (selection.events, selection.matched) == (n, int(fires.sum()))
    selection.close()


@pytest.mark.parametrize("most", [1, 2, 63, 700, 10**6])
@pytest.mark.parametrize("form", [Form.COUNT, Form.PCAP])
def test_it_ends_with_the_last_match_that_is_wanted(code: Code, form: Form, most: int) -> None:
    batch, fires = events(3000, code.n_rules)
    said = []
    put = None if form is Form.COUNT else lambda data, count: said.append((len(data), count))
    selection = Selection(code, form, put, most)
    hits = np.flatnonzero(fires)[:most]
    ended = len(hits) < most
    assert selection.run(MemoryIngress(batch)) is ended
    assert selection.matched == len(hits)
    assert selection.events == (3000 if ended else hits[-1] + 1)
    if put is not None:
        assert sum(count for _, count in said) == len(hits)
        assert sum(size for size, _ in said) == int(batch.events["cap_len"][hits].sum()) + 16 * len(hits)
    assert selection.run(MemoryIngress(batch)) is ended, "no more are taken once there were enough"
    assert selection.matched == (len(hits) if not ended else 2 * len(hits))
    selection.close()


@pytest.mark.parametrize("out", [1 << 20, 1])
def test_it_writes_the_records_that_a_writer_writes(
    code: Code, out: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the room for output is hardly more than one record may need, so that it stops all the time."""
    monkeypatch.setattr(module, "OUT", out)
    rng = np.random.default_rng(1)
    data = [rng.bytes(int(size)) for size in rng.integers(0, 200_000, 300)]
    batch = EventBatch.from_bytes(data, [(1 << 62) + i for i in range(300)])
    fires = np.array([any(len(d) > r // 8 and d[r // 8] >> r % 8 & 1 for r in range(code.n_rules)) for d in data])
    with CaptureWriter(tmp_path / "one.pcap") as writer:
        writer.write(batch, fires)
    calls = []
    with PcapFile(tmp_path / "two.pcap") as file:

        def put(records: memoryview, count: int) -> None:
            calls.append(count)
            file.put(records, count)

        selection = Selection(code, Form.PCAP, put)
        assert selection.run(MemoryIngress(batch))
    assert file.events == selection.matched == int(fires.sum())
    assert (len(calls) > 50) is (out == 1)
    assert (tmp_path / "two.pcap").read_bytes() == (tmp_path / "one.pcap").read_bytes()


def test_pieces_of_a_capture_are_read_to_its_end(code: Code, tmp_path: Path) -> None:
    """In pieces so small that records are cut by them."""
    batch, fires = events(3000, code.n_rules)
    with CaptureWriter(tmp_path / "in.pcap") as writer:
        writer.write(batch)
    selection = Selection(code, Form.COUNT, None, ALL)
    with open_pieces(tmp_path / "in.pcap") as reader:
        for piece in reader.pieces(4096):
            assert selection.run(piece)
        assert reader.position == reader.size and not reader.warnings()
    assert (selection.events, selection.matched) == (3000, int(fires.sum()))
    with open_capture(tmp_path / "in.pcap") as whole:
        assert sum(map(len, whole.batches(max_bytes=4096))) == 3000


@pytest.mark.parametrize("answer", ["0", "n + 1", "63"])
def test_an_engine_that_breaks_its_contract_is_found_out(
    answer: str, manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    source = make_bundle(manifest).read("engine.c").decode()
    bundle = make_bundle(manifest, source.replace("return start < n ? start : n;", f"return {answer};"))
    broken = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    selection = Selection(broken, Form.COUNT)
    with pytest.raises(EngineError, match="the engine decided no event, or more than there were"):
        selection.run(MemoryIngress(events(100, 1)[0]))
    selection.close()
    broken.close()


def test_code_stays_mapped_while_it_is_selected_with(code: Code) -> None:
    selection = Selection(code, Form.COUNT)
    code.close()
    assert code.mapped
    selection.close()
    assert not code.mapped
    with pytest.raises(ValueError, match="put is for matches that become something"):
        Selection(code, Form.LINES)
