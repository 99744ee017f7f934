"""Reading bundles: what is wrong is said, and nothing wrong gets through."""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sevenm.boundary import RULES_MAX
from sevenm.host.bundle import Bundle, BundleError
from sevenm.manifest import read, write

PORT = {"name": "clk", "direction": "input", "width": 1}
CORE = {
    "top": "sevenm_core",
    "latency_cycles": 12,
    "beat_bits": 512,
    "window_beats": 4,
    "clock_ps": 4000,
    "ports": [PORT],
    "bits": [{"block": "edge", "part": "index", "lsb": 0, "width": 2}],
    "actions": {"destinations": "queues", "numbers": list(range(16)), "in_band": True},
    "rows": "auto",
    "slots": [],
}


def test_a_right_manifest_is_read_whole(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle({**manifest, "core": CORE})
    assert (bundle.name, bundle.source, bundle.channels, bundle.counters) == (
        "edge",
        "packet",
        ("traffic", "names"),
        ("seen", "asked"),
    )
    assert bundle.rules[1].deliver == (0, 1) and bundle.rules[1].forward == 5 and bundle.rules[2].drop
    assert bundle.core is not None and bundle.core.latency_cycles == 12
    assert b"sm_match" in bundle.read("engine.c")
    assert bundle.path("engine.c").is_file()


def test_a_file_that_was_changed_is_refused(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle(manifest)
    (bundle.folder / "engine.c").write_text("int x;")
    with pytest.raises(BundleError, match=r"engine.c: not the file that was built \(its SHA-256 differs\)"):
        bundle.read("engine.c")
    (bundle.folder / "engine.c").unlink()
    with pytest.raises(BundleError, match=r"engine.c: No such file or directory; build the bundle again"):
        bundle.read("engine.c")
    with pytest.raises(BundleError, match=r"the bundle has no file core.v; build it again"):
        bundle.read("core.v")


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no manifest.json; give the folder that `sevenm build` wrote"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleError, match=r"nothing: is not a folder"):
        Bundle.open(tmp_path / "nothing")
    for text, expected in (
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected an object, found list"),
        ('{"format": 1}', "format is 1, expected 3; build the bundle again with this version"),
        ("{}", "format is None, expected 3; build the bundle again with this version"),
        ("\xff", "not JSON"),
    ):
        (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(BundleError, match=expected):
            Bundle.open(tmp_path)


@pytest.mark.parametrize(
    "path, value, expected",
    [
        (["name"], 5, "name is 5, expected a text of at most 256 characters"),
        (["digest"], "AB" * 32, "digest is .*, expected 64 hexadecimal digits"),
        (["structure"], "AB" * 32, "structure is .*, expected 64 hexadecimal digits"),
        (["source"], "frame", 'source is "frame", expected one of packet, record'),
        (["record_size"], 64, "record_size is 64, but the source is packets"),
        (["record_size"], 65, "record_size is 65, expected one of 64, 128"),
        (["reach"], 262145, "reach is 262145, expected a number from 1 to 262144"),
        (["reach"], True, "reach is true, expected a number"),
        (["channels"], ["a"] * 2, r'channels is \["a", "a"\], expected a list of at most 64 different values'),
        (["channels"], [str(i) for i in range(65)], "expected a list of at most 64 different values"),
        (["rules", 1, "deliver"], [2], r"rules\[1\].deliver is \[2\], but there are 2"),
        (["rules", 1, "count"], [0, 2], r"rules\[1\].count is \[0, 2\], but there are 2"),
        (["rules", 1, "deliver"], [-1], r"rules\[1\].deliver\[0\] is -1, expected a number from 0 to 63"),
        (["rules", 1, "deliver"], [0, 0], "expected a list of at most 64 different values"),
        (["rules", 0, "forward"], 65536, r"rules\[0\].forward is 65536, expected a number from 0 to 65535"),
        (["rules", 0, "drop"], 1, r"rules\[0\].drop is 1, expected true or false"),
        (["rules", 0, "block"], 1, r"rules\[0\].block is 1, expected 0"),
        (["rules"], [{}] * (RULES_MAX + 1), f"rules is .*, expected a list of at most {RULES_MAX} values"),
        (["rules"], [{}], r"rules\[0\].name is missing"),
        (["rules"], [5], r"rules\[0\] is 5, expected an object"),
        (["blocks", 0, "stop"], 2, "rules 2 to 3 stand in no block"),
        (["blocks", 0, "start"], 1, r"blocks\[0\] covers rules 1 to 3, expected 0 on"),
        (["blocks", 0, "stop"], 4, r"blocks\[0\] covers rules 0 to 4, expected 0 on"),
        (["blocks", 0, "mode"], "some", r'blocks\[0\].mode is "some", expected one of first, all'),
        (["blocks", 0, "layout"], 0, r"blocks\[0\].layout is 0, but there are 0"),
        (["files"], {"../engine.c": "0" * 64}, "files.../engine.c is not the plain name of a file in the bundle"),
        (["files"], {"manifest.json": "0" * 64}, "files.manifest.json is not the plain name of a file in the bundle"),
        (["files"], {"a": "0"}, "files.a is .*, expected 64 hexadecimal digits"),
        (["core"], {**CORE, "latency_cycles": 0}, "core.latency_cycles is 0, expected a number"),
        (["core"], {**CORE, "clock_ps": 0}, "core.clock_ps is 0, expected a number"),
        (
            ["core"],
            {**CORE, "ports": [{**PORT, "direction": "inout"}]},
            r"core.ports\[0\].direction is \"inout\", expected",
        ),
        (["core"], {**CORE, "ports": [{**PORT, "width": 0}]}, r"core.ports\[0\].width is 0, expected"),
        (
            ["core"],
            {**CORE, "actions": {"destinations": "x"}},
            r'core.actions.destinations is "x", expected one of ports',
        ),
        (
            ["core"],
            {**CORE, "actions": {"destinations": "ports", "numbers": [16] * 16, "in_band": True}},
            "core.actions.numbers is .*, expected 16 numbers from 0 to 15",
        ),
        (["core"], {**CORE, "bits": [{"block": "b"}]}, r"core.bits\[0\].part is missing, expected"),
        (["files"], {"bench/../../engine.c": "0" * 64}, "files.bench/../../engine.c is not the plain name of a file"),
        (["files"], {"/engine.c": "0" * 64}, "files./engine.c is not the plain name of a file in the bundle"),
        (["layouts"], [{"name": "x", "version": 1, "size": 65}], r"layouts\[0\].size is 65, expected one of 64, 128"),
        (
            ["tables"],
            [{"name": "t", "keys": [{"kind": "fuzzy"}]}],
            r'tables\[0\].keys\[0\].kind is "fuzzy", expected one of',
        ),
        (["states"], [{"name": "s", "sets": 0}], r"states\[0\].sets is 0, expected a number from 1 to"),
    ],
)
def test_every_value_is_checked(
    manifest: dict[str, Any], tmp_path: Path, path: list[Any], value: Any, expected: str
) -> None:
    data = copy.deepcopy(manifest)
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match=expected):
        Bundle.open(tmp_path)


def test_every_key_has_to_be_there(manifest: dict[str, Any], tmp_path: Path) -> None:
    for key in manifest:
        (tmp_path / "manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if k != key}))
        with pytest.raises(BundleError, match=key):
            Bundle.open(tmp_path)


SHAPE = {
    "name": "routes",
    "keys": [{"kind": "lpm", "width": 32}],
    "values": [{"name": "port", "lo": 0, "hi": 15}],
    "most": 2,
}


def test_writing_is_the_inverse_of_reading(manifest: dict[str, Any]) -> None:
    layout = {"name": "Order", "version": 3, "size": 64, "little": True, "hash": f"0x{7:016x}"}
    state = {"name": "last", "sets": 256, "ways": 4, "ttl_ns": 0, "cells": ["seen"]}
    full = {
        **manifest,
        "layouts": [layout],
        "tables": [SHAPE],
        "states": [state],
        "source": "record",
        "record_size": 64,
    }
    full["core"] = CORE
    assert write(read(full)) == full


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[[[[10 << 24, 8]], [3]]]], None),
        ([[[[[10 << 24, 8]], [16]]]], "table routes, row 0: port is 0 to 15, not 16"),
        ([[[[[10, 8], [1, 1]], [3]]]], "table routes, row 0: expected 1 keys and 1 values"),
        ([[[[[10 << 24, 8]], [3]]] * 3], "table routes holds at most 2 rows .*, not 3"),
        ([], "has rows of 0 tables, expected 1"),
        ([[5]], "table routes, row 0: expected 1 keys and 1 values"),
    ],
)
def test_rows_have_the_shape_of_their_table(
    manifest: dict[str, Any], tmp_path: Path, rows: Any, expected: str | None
) -> None:
    data = json.dumps(rows).encode()
    (tmp_path / "rows.json").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    changed = {**manifest, "tables": [SHAPE], "content": digest, "files": {"rows.json": digest}}
    (tmp_path / "manifest.json").write_text(json.dumps(changed))
    bundle = Bundle.open(tmp_path)
    if expected is None:
        assert bundle.rows == (((((10 << 24, 8),), (3,)),),)
    else:
        with pytest.raises(BundleError, match=expected):
            bundle.rows  # noqa: B018 - reading them is what is tested


def test_rows_of_another_content_are_refused(manifest: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_bytes(b"[]")
    changed = {**manifest, "content": "0" * 64, "files": {"rows.json": hashlib.sha256(b"[]").hexdigest()}}
    (tmp_path / "manifest.json").write_text(json.dumps(changed))
    with pytest.raises(
        BundleError, match=r"rows\.json: not the rows of the manifest's content; build the bundle again"
    ):
        Bundle.open(tmp_path).rows  # noqa: B018 - reading them is what is tested
