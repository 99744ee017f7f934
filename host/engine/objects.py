"""Objects: an engine's machine code made beforehand, one file per architecture, for machines that have no compiler.

One idea: the generated C is compiled once for each level of an architecture's instructions, its symbols named after the
level, and ``levels.c`` chooses among them when the object is loaded. An object ends with the SHA-256 of the engine.c
that it was made from and a digest of the whole, which are compared before any of it is mapped.

That says whose source it is, and that it is not damaged, not that it is harmless: who runs an object trusts whoever
built it, as with any program.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import struct
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from sevenm import boundary
from sevenm.boundary import Level
from sevenm.host.bundle import Bundle
from sevenm.host.engine.build import compile_to, kept
from sevenm.host.engine.code import VARIABLE, EngineError
from sevenm.host.engine.code_cache import DIGEST_BYTES, digest_of, is_sealed, seal
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.toolchain import NoCompiler, compiler_identity, find_compiler

FLAGS = ("-O3", "-std=c11", "-fPIC")
LEVELS: dict[str, dict[Level, tuple[str, ...]]] = {
    "x86_64": {
        Level.AVX512: ("-mavx2", "-mbmi", "-mbmi2", "-mpopcnt", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
        Level.AVX2: ("-mavx2", "-mbmi", "-mbmi2", "-mpopcnt"),
        Level.PLAIN: ("-DSM_PORTABLE",),
    },
    "aarch64": {Level.NEON: (), Level.PLAIN: ("-DSM_PORTABLE",)},
}
"""By architecture, an object's levels and what each is compiled with: what ``levels.c`` asks the processor for."""
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
PACKAGES = {"x86_64": "gcc-x86-64-linux-gnu", "aarch64": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"}
TASK = "build an object"
SYMBOLS = ("sm_info", "sm_match", "sm_state_bytes", "sm_fill")
_LEVELS_C = Path(__file__).with_name("levels.c")


def object_name(architecture: str) -> str:
    """The object's file in a bundle."""
    return f"engine-{architecture}.so"


def build_object(source: bytes, architecture: str, levels: Iterable[Level] | None = None) -> bytes:
    """The object of this engine.c: all levels of the architecture, or some. Raises NoCompiler or EngineError."""
    with tempfile.TemporaryDirectory(prefix="sevenm-") as name:
        return _build(source, architecture, LEVELS[architecture] if levels is None else levels, Path(name)).read_bytes()


def load_level(source: bytes, structure: str, n_rules: int, level: Level) -> CompiledEngine:
    """The engine of this source at one level of this machine: from the cache, or compiled now. Raises NoCompiler, or
    EngineError as ``load_object``."""
    architecture = platform.machine()
    command = find_compiler()
    flags = shlex.join([*command, *FLAGS, level.name, *LEVELS[architecture][level]]).encode()
    known = (source, _LEVELS_C.read_bytes(), boundary.c_header().encode(), compiler_identity(command), flags)
    return kept(
        f"level-{digest_of(known)}.so",
        partial(_build, source, architecture, [level]),
        lambda path, cached: load_object(path, source, structure, n_rules, cached),
    )


def object_of(bundle: Bundle) -> Path | None:
    """The bundle's object for this machine, None if it has none. Raises BundleError if the file is damaged."""
    name = object_name(platform.machine())
    return bundle.path(name) if name in bundle.files else None


def load_object(path: Path, source: bytes, structure: str, n_rules: int, cached: bool = True) -> CompiledEngine:
    """The engine in an object, at the level that SEVENM_LEVEL names, else at the best. ``cached``: it was not compiled
    just now. Raises EngineError if the object is not of this source, this machine or this version, or the level is not
    to be had; nothing was run then."""
    data = path.read_bytes()
    if not is_sealed(path) or data[-2 * DIGEST_BYTES : -DIGEST_BYTES] != hashlib.sha256(source).digest():
        raise EngineError(f"{path}: not made from the engine.c beside it; build the bundle again")
    machine = struct.unpack_from("<H", data, 18)[0] if data[:6] == b"\x7fELF\x02\x01" else 0
    if machine != ELF_MACHINES.get(platform.machine()):
        raise EngineError(f"{path}: holds no code for {platform.machine()} (its ELF machine is {machine})")
    engine = CompiledEngine(path, cached)
    try:
        wanted = wanted_level()
        # Said also where it is the best: an object that is mapped already stays at the level of who asked last.
        levels = LEVELS[platform.machine()] if wanted is None else [wanted]
        if not any(map(engine.use_level, levels)) and wanted is not None:
            raise EngineError(
                f"{VARIABLE}={wanted.name.lower()}: {path.name} does not have this level, or this processor lacks it; "
                f"unset it to use {engine.level.name.lower()}"
            )
        engine.check(structure, n_rules)
    except EngineError:
        engine.close()
        raise
    return engine


def wanted_level() -> Level | None:
    """What SEVENM_LEVEL names, None if it is not set. Raises EngineError for what is no level of this architecture."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return None
    known = {level.name.lower(): level for level in LEVELS.get(platform.machine(), {})}
    if given not in known:
        raise EngineError(f"{VARIABLE}={given!r} is none of {', '.join(known) or 'the levels of this architecture'}")
    return known[given]


def _compiler(architecture: str) -> list[str]:
    if architecture == platform.machine():
        return find_compiler()
    program = f"{architecture}-linux-gnu-gcc"
    if shutil.which(program) is None:
        raise NoCompiler(
            f"an object for {architecture} needs {program}, which is absent (apt install {PACKAGES[architecture]})"
        )
    return [program]


def _build(source: bytes, architecture: str, levels: Iterable[Level], folder: Path) -> Path:
    """Writes the object into the folder."""
    command = _compiler(architecture)
    (folder / "engine.c").write_bytes(source)
    (folder / "sm_boundary.h").write_text(boundary.c_header())
    parts = [_part(command, folder / "levels.o", _LEVELS_C, [f"-I{folder}"])]
    for level in levels:
        renamed = [f"-D{symbol}={symbol}_{level.name}" for symbol in SYMBOLS]
        flags = [*LEVELS[architecture][level], "-DSM_SEVERAL", *renamed]
        parts.append(_part(command, folder / f"{level.name}.o", folder / "engine.c", flags))
    out = folder / object_name(architecture)
    compile_to(out, [*command, "-shared", "-Wl,-Bsymbolic", *map(str, parts)], TASK)
    out.write_bytes(out.read_bytes() + hashlib.sha256(source).digest())
    seal(out)
    return out


def _part(command: list[str], out: Path, source: Path, flags: list[str]) -> Path:
    return compile_to(out, [*command, *FLAGS, *flags, "-c", str(source)], TASK)
