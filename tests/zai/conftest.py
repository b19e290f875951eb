"""Clients for a test's server, with short delays before retries."""

import pytest

import zai
from zai.http import retry
from zai.streaming import async_stream, stream


@pytest.fixture
def client_of():
    """Return a function that creates clients for a `ScriptedServer`; close them after the test."""
    clients = []

    def make(server, **options):
        clients.append(zai.ZaiClient(api_key="id.secret", base_url=server.url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
async def async_client_of():
    """Return a function that creates asyncio clients for a `ScriptedServer`; close them after the test."""
    clients = []

    def make(server, **options):
        clients.append(zai.AsyncZaiClient(api_key="id.secret", base_url=server.url, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    monkeypatch.setattr(retry, "_INITIAL_DELAY", 0.01)


@pytest.fixture(autouse=True)
def _long_drain(monkeypatch):
    """On a busy machine the end of a body may take longer than a tenth of a second."""
    for module in (stream, async_stream):
        monkeypatch.setattr(module, "_DRAIN_SECONDS", 2.0)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("ZAI_API_KEY", "ZAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
