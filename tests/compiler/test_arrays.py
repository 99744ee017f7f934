"""Arrays as C text hold the values they were made from, however long they are and whatever their type."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from sevenm.compiler.backends.c.arrays import NUMBERS_MAX, array
from sevenm.compiler.backends.c.types import CType

TYPES = [CType(bits, signed) for bits in (8, 16, 32, 64, 128) for signed in (False, True)]
HEAD = """#include <stdint.h>
typedef uint8_t u8; typedef int8_t s8; typedef uint16_t u16; typedef int16_t s16; typedef uint32_t u32;
typedef int32_t s32; typedef uint64_t u64; typedef int64_t s64;
__extension__ typedef unsigned __int128 u128; __extension__ typedef __int128 s128;
#define U128(high, low) ((u128)UINT64_C(high) << 64 | UINT64_C(low))
"""


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("command", ["gcc", "clang"])
def test_what_is_read_is_what_was_written(command: str, tmp_path: Path) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"{command} is absent")
    rng = random.Random(8)
    wanted: dict[str, bytes] = {}
    text = HEAD
    for ctype in TYPES:
        for count in (1, NUMBERS_MAX, NUMBERS_MAX + 1, 700):
            edges = [ctype.lo, ctype.hi, 0, 1, min(ctype.hi, 1023), min(ctype.hi, 1024)]
            values = [rng.choice([rng.choice(edges), rng.randint(ctype.lo, ctype.hi)]) for _ in range(count)]
            name = f"{ctype.name}_{count}"
            wanted[name] = b"".join(v.to_bytes(ctype.bits // 8, "little", signed=ctype.signed) for v in values)
            text += f"{array(ctype, name, values)}\nconst void *at_{name}(void) {{ return {name}; }}\n"
            bytes_ = f"sizeof {name}[0] * {count}"
            text += f'_Static_assert({bytes_} == {len(wanted[name])}, "size");\n'
    source, library = tmp_path / "arrays.c", tmp_path / "arrays.so"
    source.write_text(text)
    options = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run([command, *options, source, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    for name, expected in wanted.items():
        at = getattr(loaded, f"at_{name}")
        at.restype = ctypes.c_void_p
        assert ctypes.string_at(at(), len(expected)) == expected, name


def test_an_array_of_nothing_is_one_that_c_takes() -> None:
    assert array(CType(16, False), "none", []) == "static const u16 none[1] = {\n    0,\n};"


def test_long_arrays_are_strings_and_short_ones_are_numbers() -> None:
    assert 'u"\\x1\\x2' in array(CType(16, False), "long", range(1, 100))
    assert '"' not in array(CType(16, False), "short", range(NUMBERS_MAX))


def test_a_value_that_its_type_does_not_hold_is_refused() -> None:
    for count in (1, 100):
        with pytest.raises(ValueError, match="u8 does not hold 256"):
            array(CType(8, False), "wrong", [256] * count)
