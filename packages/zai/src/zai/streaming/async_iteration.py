"""The iterators that streams for asyncio give to their callers.

A generator that a cancelled read has ended would end every later loop silently, as if the stream were
complete. These iterators raise an error instead.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, NoReturn, Self, TypeVar

from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.streaming.reader import interrupted_error

__all__ = ["AsyncChunks", "AsyncItems"]

T = TypeVar("T")


class AsyncChunks(Generic[T]):
    """The chunks of a stream.

    `__anext__` is an attribute, the generator's own: a method that calls it would cost more for each chunk.
    The generator reports that a read was cancelled, by `interrupt`.

    Args:
        chunks: the generator.
    """

    __slots__ = ("__anext__", "__weakref__")
    # sync: `__next__: Callable[[], T]`
    __anext__: Callable[[], Awaitable[T]]

    def __init__(self, chunks: AsyncGenerator[T, None]) -> None:
        self.__anext__ = chunks.__anext__

    def __aiter__(self) -> Self:
        return self

    def interrupt(self, error: ZaiError) -> None:
        """Raise this error instead of the next chunk."""

        def fail() -> NoReturn:
            raise error

        self.__anext__ = fail


class AsyncItems(Generic[T]):
    """What is derived from the chunks.

    Args:
        items: the generator.
        partial: returns the completion received so far.
    """

    def __init__(self, items: AsyncGenerator[T, None], partial: Callable[[], Completion]) -> None:
        self._items = items
        self._partial = partial
        self._is_interrupted = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._is_interrupted:
            raise interrupted_error(self._partial())
        try:
            return await anext(self._items)
        except (StopAsyncIteration, ZaiError):
            raise
        except BaseException:  # such as CancelledError, KeyboardInterrupt, or that of a signal handler
            self._is_interrupted = True
            raise

    async def aclose(self) -> None:
        """Close the generator."""
        await self._items.aclose()
