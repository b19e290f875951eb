"""The values of metrics in memory that processes share: numbers, found by the name of their series.

A block of memory has a fixed size and a list of series, which only grows:

    ┌ 4 bytes ┬ 4 bytes ┬ key, padded ─┬ 8 bytes each ─┐
    │ size of │ number  │ UTF-8        │ numbers       │  …  followed by zeros
    │ the key │ of cells│              │ (doubles)     │
    └─────────┴─────────┴──────────────┴───────────────┘

One process writes a block, others may read it at any time: a series is complete before its sizes are written,
and a number is written at once. The numbers survive their process, whatever ends it.
"""

import logging
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["SIZE", "Cells", "Numbers", "open_cells", "read_cells"]

SIZE: Final = 1024 * 1024
"""Bytes of a block, of which the operating system provides what is in use."""

Numbers: TypeAlias = "memoryview[float]"
"""Doubles, in memory that may be shared."""

_LOGGER: Final = logging.getLogger("headrace.server")
_SIZES: Final = struct.Struct("II")
_CELL: Final = 8  # bytes


class Cells:
    """A block of memory.

    Args:
        memory: of a multiple of 8 bytes; zeros, or what another object of this class has written.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._numbers = memoryview(memory).cast("d")
        self._end = 0
        self._series: dict[str, Numbers] = {}
        for key, numbers, end in self._read():
            self._series[key], self._end = numbers, end

    def series(self, key: str, size: int) -> Numbers:
        """Return the numbers of a series, zeros if it is new. Without room for them, they are not shared."""
        found = self._series.get(key)
        if found is None or len(found) != size:
            found = self._series[key] = self._add(key, size)
        return found

    def items(self) -> Iterator[tuple[str, Numbers]]:
        """Return all series with their numbers."""
        return ((key, numbers) for key, numbers, _ in self._read())

    def _add(self, key: str, size: int) -> Numbers:
        encoded = key.encode()
        encoded += b" " * (-len(encoded) % _CELL)
        begin = self._end + _SIZES.size + len(encoded)
        end = begin + _CELL * size
        if end + _SIZES.size > len(self._memory):
            _LOGGER.warning("there is no room for the metric %s", key)
            return memoryview(bytearray(_CELL * size)).cast("d")
        self._memory[begin - len(encoded) : begin] = encoded
        self._memory[self._end : self._end + _SIZES.size] = _SIZES.pack(len(encoded), size)
        self._end = end
        return self._numbers[begin // _CELL : end // _CELL]

    def _read(self) -> Iterator[tuple[str, Numbers, int]]:
        begin, memory = 0, self._memory
        while begin + _SIZES.size <= len(memory):
            length, size = _SIZES.unpack_from(memory, begin)
            if not length:
                break
            key, cells = begin + _SIZES.size, begin + _SIZES.size + length
            begin = cells + _CELL * size
            text = memory[key:cells].decode().rstrip()
            yield text, self._numbers[cells // _CELL : begin // _CELL], begin


def open_cells(path: Path | None) -> Cells:
    """Open a file of numbers for writing, as it is, or create it; without a path, memory of this process."""
    if path is None:
        return Cells(mmap.mmap(-1, SIZE))
    with path.open("a+b") as file:
        file.truncate(SIZE)
        return Cells(mmap.mmap(file.fileno(), SIZE))


def read_cells(path: Path) -> Cells | None:
    """Return what another process has written so far; None if it is only now creating its file."""
    with path.open("rb") as file:
        try:
            memory = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
        except ValueError:
            return None
        return Cells(memory)
