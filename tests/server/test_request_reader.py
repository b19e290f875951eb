"""Every endpoint that starts a turn has the same authentication and the same limits."""

import asyncio
import threading
import time

import httpx2
import msgspec
import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import LimitError
from headrace.formats import FORMATS
from headrace.models import Model
from headrace.server import App, LocalServer, ModelRegistry, Settings, request_reader
from headrace.server.request_reader import _SMALL, Workers, default_body_size
from headrace.server.turn_endpoints import PREFIXES
from wire_client import CHAT, HELLO

PATHS = [
    path
    for path in App(ModelRegistry([]), Settings()).endpoints.by_path
    if path.endswith("/chat/completions")
]
KEY = {"x-api-key": "id.secret"}
every_endpoint = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), api_keys=("id.secret",), max_body_size=1000)


def error_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_every_prefix_has_its_endpoints():
    assert CHAT in PATHS
    assert len(PATHS) == 2 * len(PREFIXES)


@every_endpoint
def test_a_valid_request_is_accepted(client, path):
    assert client.post(path, json=HELLO, headers=KEY).status_code == 200


@every_endpoint
def test_an_api_key_is_needed(client, path):
    assert error_of(client.post(path, json=HELLO)) == (401, "1001")


@every_endpoint
def test_the_size_of_a_body_is_limited(client, path):
    response = client.post(path, content=b" " * 1001, headers=KEY)

    assert error_of(response) == (400, "1210")
    assert "--max-body-size" in response.text


@every_endpoint
def test_other_methods_are_rejected_before_the_body_is_read(client, path):
    response = client.put(path, content=b" " * 1001, headers=KEY)

    assert error_of(response) == (405, "1222")
    assert response.headers["allow"] in ("POST", "GET, POST")


@every_endpoint
def test_fields_are_checked(client, path):
    assert error_of(client.post(path, json={**HELLO, "messages": []}, headers=KEY)) == (400, "1214")


class Watched(Model, frozen=True):
    """Notes the threads in which requests are planned."""

    threads: list[str] = msgspec.field(default_factory=list)

    def generation(self, request, owner=""):
        self.threads.append(threading.current_thread().name)
        return super().generation(request, owner)


def test_a_large_body_is_read_in_a_thread_of_its_own_and_a_small_one_is_not(serve):
    model = Watched(("glm-4.6",), ScriptedEngine("Hi"), FORMATS["glm-4.6"], None)
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        for unknown in ("", "x" * _SMALL):
            assert httpx2.post(server.url + CHAT, json={**HELLO, "unknown": unknown}).status_code == 200

    on_loop, in_thread = model.threads
    assert not on_loop.startswith("worker")
    assert in_thread.startswith("worker")


def models(*contexts, images=False):
    return ModelRegistry(
        Model((f"m{at}",), None, FORMATS["glm-4.6"], None, context, accepts_images=images)
        for at, context in enumerate(contexts)
    )


def test_the_limit_of_a_body_follows_from_the_largest_context():
    mebibyte = 1024 * 1024

    assert default_body_size(models(4096)) == 2 * mebibyte + 4096 * 64
    assert default_body_size(models(4096, mebibyte)) == 66 * mebibyte
    assert default_body_size(models(4096, 0)) == 32 * mebibyte
    assert default_body_size(models(4096, images=True)) == 32 * mebibyte
    assert default_body_size(models(mebibyte, images=True)) == 66 * mebibyte


def test_the_size_of_a_chunked_body_is_limited(client):
    response = client.post(CHAT, content=(b" " * 100 for _ in range(100)), headers=KEY)

    assert error_of(response) == (400, "1210")


async def test_only_so_many_bodies_wait_for_a_thread():
    workers = Workers(64)
    gate = threading.Event()
    waiting = [asyncio.create_task(workers.run(gate.wait)) for _ in range(66)]
    await asyncio.sleep(0)
    with pytest.raises(LimitError) as caught:
        await workers.run(gate.wait)
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 66
    assert await workers.run(gate.wait)
    workers.close()

    assert caught.value.code == "1305"


def test_memory_is_returned_after_a_client_has_left(serve, monkeypatch):
    trimmed = threading.Event()
    monkeypatch.setattr(request_reader, "trim", trimmed.set)
    client = serve(ScriptedEngine("Hi" * 1000, delay=0.01))
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}):
        assert not trimmed.is_set()

    assert trimmed.wait(20)


async def test_memory_is_returned_after_every_large_request(monkeypatch):
    loop = asyncio.get_running_loop()
    trimmed = [0.0]
    monkeypatch.setattr(request_reader, "trim", lambda: trimmed.append(loop.time()))
    workers = Workers(64)
    async with asyncio.timeout(20):
        for _ in range(3):
            await workers.run(time.sleep, 0)
            ended_at = loop.time()
            while trimmed[-1] < ended_at:
                await asyncio.sleep(0.01)
    workers.close()
