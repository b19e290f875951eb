"""The steps of a shutdown, as clients and load balancers see them."""

import asyncio
import json
import re
import threading
import time
from contextlib import contextmanager

import httpx2
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings, drain
from headrace.server.local import new_server
from headrace.turns import TurnSettings
from virtual_time import virtual_time
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas, events_of

__all__ = ["virtual_time"]

FOREVER = 1e9
SCRIPT = "0123456789"
STREAM = {**HELLO, "stream": True}
RESUMABLE = {"x-headrace-resumable": "1"}


def app_of(engine, settings):
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate("x" + ASSISTANT))
    return App(ModelRegistry([model]), settings)


@contextmanager
def serving(engine, *, store="memory", **settings):
    """A server that ends only when nothing is left to do; and a client, each request on its own connection."""
    chosen = Settings(turns=TurnSettings(store=store, lease=60), **{"shutdown_timeout": FOREVER, **settings})
    server = LocalServer(app_of(engine, chosen), chosen)
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=20) as client, server:
        try:
            yield server, client
        except BaseException:  # it would wait for what the test has not ended
            server.signal()
            server.signal()
            raise


def paused():
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(2)
    return engine


def status(client, path):
    return client.get(path, headers={"connection": "close"}).status_code


async def test_without_requests_a_server_wakes_up_once_per_second_for_the_date(virtual_time, monkeypatch):
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(time, "time", loop.time)
    settings = Settings()
    server = new_server(drain.Server, app_of(ContinuingEngine(SCRIPT), settings), settings, [], 10)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.1)
    select, waits, dates = loop._selector.select, [], set()
    monkeypatch.setattr(loop._selector, "select", lambda timeout: (waits.append(timeout), select(timeout))[1])
    for _ in range(60):
        await asyncio.sleep(1)
        dates.add(dict(server.server_state.default_headers)[b"date"])
    server.shut_down(hurry=True)
    await serving

    assert len(dates) in (60, 61)
    assert sum(timeout > 0 for timeout in waits) <= 2 * 62  # every other one is the test's


def test_at_first_a_server_that_leaves_serves_everything_but_keeps_no_connection():
    with serving(ContinuingEngine(SCRIPT), drain_delay=FOREVER) as (server, client):
        before = client.get("/readyz")  # and the connection is kept
        server.signal()
        until(lambda: status(client, "/readyz") == 503)
        answer = client.post(CHAT, json=HELLO)
        ready, healthy = client.get("/readyz"), client.get("/healthz")
        server.signal()

    assert (before.status_code, before.json()) == (200, {"status": "ok"})
    assert "connection" not in before.headers
    assert answer.json()["choices"][0]["message"]["content"] == SCRIPT
    assert answer.headers["connection"] == "close"
    assert ready.json() == {"status": "unavailable", "reason": "the server is shutting down"}
    assert ready.headers["retry-after"] == "1"
    assert healthy.status_code == 200


def test_then_it_starts_no_turns_and_ends_with_the_last_one():
    engine = paused()
    with serving(engine) as (server, client):
        with client.stream("POST", CHAT, json=STREAM) as response:
            pieces = response.iter_raw()
            body = next(pieces)
            server.signal()
            until(lambda: status(client, "/readyz") == 503)
            refused = client.post(CHAT, json=STREAM)
            healthy = client.get("/healthz")
            listed = client.get("/v1/models")
            server._server._loop.call_soon_threadsafe(engine.go_on)
            body += b"".join(pieces)
        server._thread.join(20)
        assert not server._thread.is_alive()

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "1234")
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert refused.headers["connection"] == "close"
    assert (healthy.status_code, listed.status_code) == (200, 200)
    assert "".join(deltas(chunks_of(body), "content")) == SCRIPT


def test_readers_that_can_resume_are_told_at_once_and_others_get_their_answers(tmp_path):
    engine = paused()
    bodies = {}

    def read(number):
        headers = RESUMABLE if number % 2 else {}
        with httpx2.stream(
            "POST", client.base_url.join(CHAT), json=STREAM, headers=headers, trust_env=False, timeout=20
        ) as response:
            bodies[number] = b""
            try:
                for piece in response.iter_raw():
                    bodies[number] += piece
            except httpx2.RemoteProtocolError:
                bodies[number] += b"CUT"

    with serving(engine, store=f"sqlite:{tmp_path}/turns.db") as (server, client):
        threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(bodies) == 8 and all(b"3" in body for body in bodies.values()))
        server.signal()
        for thread in threads[1::2]:
            thread.join(20)
        assert engine.running == 4
        assert [thread.is_alive() for thread in threads] == [True, False] * 4
        turn = json.loads(events_of(bodies[1])[0].data)["id"]
        elsewhere = client.get(f"{CHAT}/{turn}")
        server._server._loop.call_soon_threadsafe(engine.go_on)
        for thread in threads:
            thread.join(20)

    told = rb"retry: \d+\n: the server is shutting down; reconnect with Last-Event-ID\n\nCUT"
    assert all(re.search(told + b"$", bodies[number]) for number in range(1, 8, 2))
    assert elsewhere.status_code == 503
    assert all("".join(deltas(chunks_of(bodies[number]), "content")) == SCRIPT for number in range(0, 8, 2))


@pytest.mark.parametrize("shutdown_timeout", [FOREVER, 0.0])
def test_turns_of_a_store_that_ends_with_its_servers_are_not_handed_over(tmp_path, shutdown_timeout):
    engine, store = paused(), f"sqlite:{tmp_path}/turns.db"
    with serving(engine, store=store, shutdown_timeout=shutdown_timeout) as (server, client):
        server._server.hands_over = False
        with client.stream("POST", CHAT, json=STREAM, headers=RESUMABLE) as response:
            pieces = response.iter_raw()
            body = next(pieces)
            server.signal()
            if shutdown_timeout:
                until(lambda: status(client, "/readyz") == 503)
                assert client.post(CHAT, json=STREAM).status_code == 503
                server._server._loop.call_soon_threadsafe(engine.go_on)
            body += b"".join(pieces)

    assert chunks_of(body)[-1]["choices"][0]["finish_reason"] == (
        "stop" if shutdown_timeout else "network_error"
    )


def test_a_reader_that_takes_nothing_does_not_delay_the_end(monkeypatch):
    monkeypatch.setattr(drain, "_STALL", 0.3)
    engine = ContinuingEngine("x" * 60_000_000, piece=1_000_000)
    with serving(engine) as (server, client):
        with client.stream("POST", CHAT, json=STREAM) as response:
            next(response.iter_raw())
            server.signal()
            server._thread.join(20)
            assert not server._thread.is_alive()
    assert engine.running == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_what_is_left_has_the_documented_end(signals):
    engine = paused()
    timeout = 0.0 if signals == 1 else FOREVER
    with serving(engine, shutdown_timeout=timeout) as (server, client):
        with client.stream("POST", CHAT, json=STREAM) as response:
            pieces = response.iter_raw()
            body = next(pieces)
            for _ in range(signals):
                server.signal()
            body += b"".join(pieces)

    last = chunks_of(body)[-1]
    assert last["choices"][0]["finish_reason"] == "network_error"
    assert last["usage"]["completion_tokens"] == 2
    assert engine.running == 0
