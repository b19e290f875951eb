"""Responses to wrong keys are delayed, other responses are not."""

import asyncio

import pytest

from headrace.models import ModelRegistry
from headrace.server import App, Settings
from virtual_time import virtual_time

__all__ = ["virtual_time"]

PATHS = ["/v1/models", "/v1/chat/completions", "/v1/async-result/x", "/metrics"]


class Client:
    """Sends requests to the application."""

    def __init__(self):
        self._app = App(ModelRegistry([]), Settings(api_keys=("id.secret",)))

    async def status(self, path, key):
        """The status, and the seconds until it came."""
        started = asyncio.get_running_loop().time()
        sent = []
        scope = {
            "type": "http",
            "method": "GET" if "chat" not in path else "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + key)] if key else [],
        }

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await self._app(scope, receive, send)
        return sent[0]["status"], asyncio.get_running_loop().time() - started


@pytest.mark.parametrize("path", PATHS)
async def test_a_hundred_wrong_keys_take_ten_seconds(path, virtual_time):
    client = Client()
    started = asyncio.get_running_loop().time()
    first, *others = [await client.status(path, b"id.%d" % number) for number in range(101)]

    assert {status for status, _ in (first, *others)} == {401}
    assert first[1] < 0.05  # a typing error costs nothing
    assert asyncio.get_running_loop().time() - started == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("path", PATHS)
async def test_right_and_missing_keys_do_not_wait_while_others_try_keys(path, virtual_time):
    client = Client()
    attempts = [asyncio.create_task(client.status(path, b"id.%d" % number)) for number in range(500)]
    await asyncio.sleep(0)
    for key in (b"id.secret", b""):
        assert (await client.status("/v1/models", key))[1] < 0.05
    delays = [(await attempt)[1] for attempt in attempts]

    assert max(delays) == pytest.approx(2, abs=0.05)
