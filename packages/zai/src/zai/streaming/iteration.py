# Generated from async_iteration.py by generate_sync.py: edit that file, and run `make fix`.
"""The iterators that streams give to their callers.

A generator that a cancelled read has ended would end every later loop silently, as if the stream were
complete. These iterators raise an error instead.
"""

from collections.abc import Callable, Generator
from typing import Generic, NoReturn, Self, TypeVar

from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.streaming.reader import interrupted_error

__all__ = ["Chunks", "Items"]

T = TypeVar("T")


class Chunks(Generic[T]):
    """The chunks of a stream.

    `__next__` is an attribute, the generator's own: a method that calls it would cost more for each chunk.
    The generator reports that a read was cancelled, by `interrupt`.

    Args:
        chunks: the generator.
    """

    __slots__ = ("__next__", "__weakref__")
    __next__: Callable[[], T]

    def __init__(self, chunks: Generator[T, None]) -> None:
        self.__next__ = chunks.__next__

    def __iter__(self) -> Self:
        return self

    def interrupt(self, error: ZaiError) -> None:
        """Raise this error instead of the next chunk."""

        def fail() -> NoReturn:
            raise error

        self.__next__ = fail


class Items(Generic[T]):
    """What is derived from the chunks.

    Args:
        items: the generator.
        partial: returns the completion received so far.
    """

    def __init__(self, items: Generator[T, None], partial: Callable[[], Completion]) -> None:
        self._items = items
        self._partial = partial
        self._is_interrupted = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._is_interrupted:
            raise interrupted_error(self._partial())
        try:
            return next(self._items)
        except (StopIteration, ZaiError):
            raise
        except BaseException:  # such as CancelledError, KeyboardInterrupt, or that of a signal handler
            self._is_interrupted = True
            raise

    def close(self) -> None:
        """Close the generator."""
        self._items.close()
