"""`/readyz` and `/healthz`: when other servers should get the requests. (During a shutdown: test_drain.py.)"""

import asyncio
import socket

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.formats import FORMATS
from headrace.models import ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, Settings, health
from headrace.turns import TurnSettings
from turn_stores import needs_redis, redis_server
from virtual_time import virtual_time
from waiting import until

__all__ = ["redis_server", "virtual_time"]

NO_MODEL = {"status": "unavailable", "reason": "no model can generate: their servers are unavailable"}


class Checked(ScriptedEngine):
    """An engine whose check takes a while, or fails."""

    def __init__(self, *, seconds=0.0, error=None):
        super().__init__("Hi")
        self.seconds, self.error, self.checks = seconds, error, 0

    async def check(self):
        self.checks += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error


def client_of(*engines):
    """A client of a server with a model for each engine."""
    models = [
        Model((f"model-{number}",), engine, FORMATS["glm-4.6"], ChatTemplate("x"))
        for number, engine in enumerate(engines)
    ]
    app = App(ModelRegistry(models), Settings(api_keys=("id.secret",)))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")


DOWN = EngineError("connection refused by 10.0.0.7:8000", code="1221")
SILENT = 1e6


@pytest.mark.parametrize("broken", [{"error": DOWN}, {"seconds": SILENT}], ids=["down", "silent"])
async def test_a_server_without_any_model_that_can_generate_is_not_ready(virtual_time, broken):
    began = asyncio.get_running_loop().time()
    async with client_of(Checked(**broken), Checked(**broken)) as client:
        ready, healthy = await client.get("/readyz"), await client.get("/healthz")

    assert (ready.status_code, ready.json(), ready.headers["retry-after"]) == (503, NO_MODEL, "1")
    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok"})
    assert asyncio.get_running_loop().time() - began <= health._TIMEOUT + 0.01


@pytest.mark.parametrize("broken", [{"error": DOWN}, {"seconds": SILENT}], ids=["down", "silent"])
async def test_one_model_that_can_generate_is_enough_and_not_waited_for_longer(virtual_time, broken):
    began = asyncio.get_running_loop().time()
    async with client_of(Checked(**broken), Checked()) as client:
        assert (await client.get("/readyz")).status_code == 200
    assert asyncio.get_running_loop().time() - began < health._TIMEOUT


async def test_models_are_checked_once_for_many_probes_and_again_later(virtual_time):
    engine = Checked(seconds=0.5, error=DOWN)
    async with client_of(engine) as client:
        probes = await asyncio.gather(*(client.get("/readyz") for _ in range(100)))
        engine.error = None
        probes += [await client.get("/readyz")]
        assert {probe.status_code for probe in probes} == {503}
        assert engine.checks == 1
        await asyncio.sleep(health._MAX_AGE)
        assert (await client.get("/readyz")).status_code == 200
    assert engine.checks == 2


@pytest.mark.parametrize(("on_store_error", "status"), [("fail", 503), ("continue", 200)])
def test_a_server_whose_store_is_unavailable_is_not_ready_if_it_needs_it(
    serve, caplog, on_store_error, status
):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        turns = TurnSettings(
            store=f"redis://:secret@{address}",
            lease=0.1,
            on_store_error=on_store_error,
            store_retry_timeout=0,
        )
        client = serve(ScriptedEngine("Hi"), turns=turns)
        until(lambda: address in caplog.text)  # the heartbeat has failed
        ready, healthy = client.get("/readyz"), client.get("/healthz")

    assert (ready.status_code, healthy.status_code) == (status, 200)
    if status == 503:
        assert "store" in ready.json()["reason"]
        assert not any(word in ready.text for word in ("secret", "127.0.0.1"))


@needs_redis
def test_a_server_is_ready_with_one_shard_that_is_available_and_tells_which_are_not(serve, redis_server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
        turns = TurnSettings(store=f"{down},{redis_server.url}", lease=0.1)
        client = serve(ScriptedEngine("Hi"), turns=turns)
        until(lambda: "unavailable" in client.get("/readyz").text)
        ready, metrics = client.get("/readyz"), client.get("/metrics").text

    assert ready.status_code == 200
    assert ready.json()["shards"] == ["the turn store is unavailable; try again later", "ok"]
    assert 'headrace_store_up{shard="1"} 0.0' in metrics
    assert 'headrace_store_up{shard="2"} 1.0' in metrics


def test_a_server_is_not_ready_before_its_store_has_responded(serve):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        turns = TurnSettings(store=f"redis://127.0.0.1:{silent.getsockname()[1]}", lease=1000)
        ready = serve(ScriptedEngine("Hi"), turns=turns).get("/readyz")

    assert (ready.status_code, "turn store" in ready.json()["reason"]) == (503, True)
