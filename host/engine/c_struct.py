"""C structs that Python fills for the C runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sevenm.host.native import native

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CStruct:
    """A C struct and the memory that it points into."""

    def __init__(self, kind: str) -> None:
        self.ffi, self.lib = native()
        self.pointer: Any = self.ffi.new(f"{kind} *")
        self._kept: list[Any] = []

    def array(self, kind: str, array: NDArray[Any]) -> Any:
        """A pointer to the array's memory, which lives as long as this struct."""
        pointer = self.ffi.from_buffer(f"{kind}[]", array)
        self._kept.append((pointer, array))
        return pointer

    def keep(self, what: Any) -> Any:
        self._kept.append(what)
        return what
