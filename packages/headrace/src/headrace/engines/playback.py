"""Runs that play an asynchronous iterator: a script or a recording."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from headrace.engines.defects import log_defect
from headrace.errors import HeadraceError

__all__ = ["Playback"]

_Item = TypeVar("_Item")


class Playback(Generic[_Item]):
    """A run that plays an asynchronous iterator.

    Args:
        items: what to play; its exception is the run's error.
        emit: called with each item.
        on_end: called once, at the end.
    """

    def __init__(
        self,
        items: AsyncGenerator[_Item, None],
        emit: Callable[[_Item], None],
        on_end: Callable[[HeadraceError | None], None],
    ) -> None:
        self._items = items
        self._emit = emit
        self._on_end = on_end
        self._may_play = asyncio.Event()
        self._may_play.set()
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._play(), name="playback")
        self._task.add_done_callback(self._end)

    def stop(self) -> None:
        self._emit = lambda _: None  # it may be called once more, if this is called from it
        if self._task is not None:
            self._task.cancel()

    def pause(self) -> None:
        self._may_play.clear()

    def resume(self) -> None:
        self._may_play.set()

    async def _play(self) -> None:
        async with aclosing(self._items):
            async for item in self._items:
                await self._may_play.wait()
                self._emit(item)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._task = None  # the traceback of its exception refers to this run
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, HeadraceError):
            self._on_end(error)
        else:
            self._on_end(log_defect(error))
