"""What the tests of engines share."""

import asyncio

import pytest

from dialects import protocol
from headrace.engines.http import HttpTransport
from headrace.engines.upstream import UpstreamEngine
from scripted_server import ScriptedServer


@pytest.fixture
async def behind():
    """Starts a server with these replies; gives it and an engine in front of it."""
    servers, engines = [], []

    def start(*replies, kind="chat", **options):
        servers.append(ScriptedServer(*replies).__enter__())
        transport = HttpTransport(servers[-1].url, key="the-key", key_variable="SERVER_KEY")
        engines.append(UpstreamEngine(transport, protocol(kind, **options)))
        return servers[-1], engines[-1]

    yield start
    for engine in engines:
        await engine.close()
    for server in servers:
        await asyncio.to_thread(server.__exit__, None, None, None)
