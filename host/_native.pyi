"""The cffi module built from host/csrc; what it holds is declared in the .cdef files there."""

from typing import Any

ffi: Any
lib: Any
