"""Waits in asyncio, which another task can end; `interruptible.py` has the same names for threads."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, Self, cast

from zai.http.deadlines import Deadlines
from zai.http.request import Request
from zai.http.transport import build_request, is_plain
from zai.http_library import AsyncClient, Response

__all__ = ["AlreadyRunning", "AsyncInterruptibleConnection", "DetachedTasks", "aiter_body"]

AlreadyRunning: Final = RuntimeError
"""Raised by an async generator that is closed while another task runs it."""


class AsyncInterruptibleConnection:
    """The task that waits for a connection. Any task of its event loop may interrupt it, for good.

    An interrupted wait raises InterruptedError, as if the connection had failed.
    """

    def __init__(self) -> None:
        self.is_interrupted = False
        self._task: asyncio.Task[object] | None = None  # only while it waits

    def detach(self) -> None:
        """Do nothing: the task of a connection is known only while it waits."""

    def interrupt(self) -> None:
        """End the wait in progress, in whichever task, and every later one."""
        if self._task is not None and not self.is_interrupted:
            self._task.cancel()
        self.is_interrupted = True

    async def send(self, http_client: AsyncClient, request: Request, end: float) -> Response:
        """Return the response once its head has come; raise TimeoutError at `end`."""
        async with self.deadline(end):
            return await http_client.send(build_request(http_client, request), stream=request.stream)

    async def sleep(self, seconds: float) -> None:
        """Sleep until interrupted."""
        with contextlib.suppress(InterruptedError):
            async with self.deadline(math.inf):
                await asyncio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def deadline(self, end: float) -> AsyncIterator[None]:
        """Raise TimeoutError at `end`, by `time.monotonic`, if the block is still running."""
        self.begin_wait()
        try:
            async with asyncio.timeout(None if end == math.inf else end - time.monotonic()):
                yield
        except asyncio.CancelledError:
            self.check_cancelled()
            raise
        finally:
            self.end_wait()

    def watch(self, body: AsyncIterator[bytes], deadlines: Deadlines | None) -> AsyncIterator[bytes]:
        """Yield the same bytes; raise TimeoutError if a deadline passes before the next."""
        return _WatchedBody(self, body, deadlines)

    def begin_wait(self) -> None:
        """Make the current task the one that `interrupt` ends."""
        if self.is_interrupted:
            raise InterruptedError
        self._task = asyncio.current_task()

    def check_cancelled(self) -> None:
        """Raise InterruptedError if the waiting task was cancelled by `interrupt` and by nothing else."""
        if self.is_interrupted and self._task is not None and not self._task.uncancel():
            raise InterruptedError from None

    def end_wait(self) -> None:
        """Leave the current task alone from now on."""
        self._task = None


class _WatchedBody:
    """An iterator rather than a generator: one that is dropped halfway needs no task that closes it."""

    def __init__(
        self,
        connection: AsyncInterruptibleConnection,
        body: AsyncIterator[bytes],
        deadlines: Deadlines | None,
    ) -> None:
        self._connection = connection
        self._body = body
        self._deadlines = deadlines

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._connection.begin_wait()
        try:
            if self._deadlines is None:
                return await anext(self._body)
            async with asyncio.timeout(self._deadlines.remaining(time.monotonic())):
                return await anext(self._body)
        except asyncio.CancelledError:
            self._connection.check_cancelled()
            raise
        finally:
            self._connection.end_wait()


class DetachedTasks:
    """Tasks that go on if their callers are cancelled, however often."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await a coroutine in a task of its own.

        The shutdown of the event loop cancels every task once and waits for it: then `start` is called again.
        """

        async def run() -> None:
            try:
                await start()
            except asyncio.CancelledError:
                await start()

        task = asyncio.create_task(run(), name="zai-detached")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def finish(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await a last coroutine after all tasks of this event loop."""
        loop = asyncio.get_running_loop()
        running = [task for task in tuple(self._tasks) if task.get_loop() is loop]

        async def finish() -> None:
            if running:
                await asyncio.wait(running)
            await end()

        await self.run(finish)


def aiter_body(response: Response) -> AsyncIterator[bytes]:
    """Yield the body incrementally, decompressed if necessary."""
    return (
        aiter(cast("AsyncIterator[bytes]", response.stream)) if is_plain(response) else response.aiter_bytes()
    )
