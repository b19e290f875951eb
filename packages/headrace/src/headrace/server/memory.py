"""Settings of Python's and glibc's memory management for a server: no long pauses, and memory is returned."""

import ctypes
import gc
import sys
from contextlib import suppress
from typing import Final

__all__ = ["limit_arenas", "trim", "tune"]

_M_MMAP_THRESHOLD: Final = -3  # of glibc's malloc.h
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_LARGE_BLOCK: Final = 256 * 1024  # bytes


_LIBC: Final = ctypes.CDLL(None)
"""The C library; opened once, because each `CDLL` leaves cycles that only a full collection frees."""


def limit_arenas() -> None:
    """Let all threads share two arenas of glibc. Call it before the process has other threads.

    By default a thread has an arena of its own, of which `malloc_trim` does not return the end: one or two
    megabytes for each thread that has ever read a large request.
    """
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)


def tune() -> None:
    """Tune a process that has loaded everything and is about to serve."""
    # Objects created at startup live as long as the process. Without freezing them, each full collection
    # with thousands of open streams would traverse them and delay every stream by 100 ms or more. A request
    # leaves no cycles but those of its small parsers: a collection of 10,000 objects takes under 1 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    # A thread that decodes a large body has the GIL for as long at a time: others' chunks wait no longer.
    sys.setswitchinterval(0.001)
    # glibc keeps freed blocks of up to 32 MB; with a fixed threshold, it returns larger ones at once.
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        _LIBC.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def trim() -> None:
    """Return what large requests have left free between smaller blocks. Takes milliseconds, no GIL."""
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        _LIBC.malloc_trim(0)
