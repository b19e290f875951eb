"""A connection that any task of the event loop can interrupt."""

import asyncio
import math
import time

import pytest

from zai.http.async_interruptible import AsyncInterruptibleConnection
from zai.http.deadlines import Deadlines, StreamTimeout


async def endless_body():
    yield b"a"
    await asyncio.sleep(60)


def interrupt_soon(connection):
    asyncio.get_running_loop().call_later(0.05, connection.interrupt)


async def test_interrupting_ends_a_waiting_read():
    connection = AsyncInterruptibleConnection()
    body = connection.watch(endless_body(), None)
    assert await anext(body) == b"a"
    interrupt_soon(connection)

    with pytest.raises(InterruptedError):
        await anext(body)
    assert asyncio.current_task().cancelling() == 0


async def test_a_read_after_the_interruption_does_not_wait():
    connection = AsyncInterruptibleConnection()
    connection.interrupt()

    with pytest.raises(InterruptedError):
        await anext(connection.watch(endless_body(), None))


async def test_interrupting_spares_a_task_that_does_not_wait_for_the_connection():
    connection = AsyncInterruptibleConnection()
    await anext(connection.watch(endless_body(), None))
    connection.interrupt()
    await asyncio.sleep(0)

    assert asyncio.current_task().cancelling() == 0


async def test_interrupting_ends_a_sleep():
    connection = AsyncInterruptibleConnection()
    interrupt_soon(connection)
    async with asyncio.timeout(30):
        await connection.sleep(60)


async def test_a_wait_ends_at_its_deadline():
    connection = AsyncInterruptibleConnection()
    with pytest.raises(TimeoutError):
        async with connection.deadline(time.monotonic() + 0.05):
            await asyncio.sleep(60)
    assert not connection.is_interrupted


async def test_a_read_ends_at_the_streams_deadline():
    connection = AsyncInterruptibleConnection()
    deadlines = Deadlines(StreamTimeout(first_chunk=0.05), time.monotonic())
    body = connection.watch(endless_body(), deadlines)
    assert await anext(body) == b"a"

    with pytest.raises(TimeoutError):
        await anext(body)


@pytest.mark.parametrize("interrupted", [True, False])
async def test_a_cancelled_task_gets_its_cancellation(interrupted):
    connection = AsyncInterruptibleConnection()

    async def wait():
        async with connection.deadline(math.inf):
            await asyncio.sleep(60)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    if interrupted:
        connection.interrupt()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
