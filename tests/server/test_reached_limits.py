"""Each limit that docs/security.md lists, at its smallest value: it holds, is counted, and is logged once."""

import asyncio
import logging
import socket
import threading
from contextlib import closing

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace import reached_limits
from headrace.configuration.groups import LIMITS
from headrace.engines import ScriptedEngine
from headrace.engines.fair_queue import FairQueue
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.errors import LimitError
from headrace.limits import LimitSettings
from headrace.server.request_reader import Workers
from headrace.turns import TurnSettings
from wire_client import CHAT, HELLO, chunks_of

KEY = {"X-Api-Key": "id.secret"}
NO_TIMEOUTS = {"first_token": 0, "idle": 0, "total": 0}


def outcome(response):
    """The status and code of an error, as the table has them; of an answer, its finish reason."""
    if response.status_code == 200:
        return chunks_of(response.content)[-1]["choices"][0]["finish_reason"]
    return f"{response.status_code}: {response.json()['error']['code']}"


def send(serve, *, engine=None, requests=1, headers=KEY, path=CHAT, **settings):
    """What the last of several requests gets."""
    client = serve(engine or ScriptedEngine("Hi"), api_keys=("id.secret",), **settings)
    body = {**HELLO, "stream": path == CHAT}
    return outcome([client.post(path, json=body, headers=headers) for _ in range(requests)][-1])


def send_async(serve, **turns):
    return send(serve, path="/v1/async/chat/completions", turns=TurnSettings(**turns))


def wait_for_tokens(serve, *script, **timeouts):
    engine = ScriptedEngine(script, delay=0.1)
    return send(serve, engine=TimeoutEngine(engine, Timeouts(**{**NO_TIMEOUTS, **timeouts})))


def connect(client):
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)


def send_slowly(serve):
    client = serve(ScriptedEngine("Hi"), request_timeout=0.1)
    with closing(connect(client)) as connection:
        connection.send(b"GET /health HTTP/1.1\r\n")
        return outcome(read(connection))


def read(connection):
    head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    return httpx2.Response(int(head.split()[1]), content=body)


def stay_idle(serve):
    with closing(connect(serve(ScriptedEngine("Hi"), connection_idle_timeout=0.1))) as connection:
        return connection.recv(1).decode() or "the connection is closed"


def keep_connections(serve, **settings):
    """What a new client gets while another one has a request."""
    client = serve(ScriptedEngine("Hi" * 1000, delay=0.05), **settings)
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}), closing(connect(client)) as connection:
        return outcome(read(connection))


async def wait_for_a_thread(_):
    workers, gate = Workers(0), threading.Event()
    running = [asyncio.create_task(workers.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    try:
        await workers.run(gate.wait)
    except LimitError as error:
        return f"{error.status}: {error.code}"
    finally:
        gate.set()
        await asyncio.gather(*running)
        workers.close()


def wait_for_a_slot(total, of_a_key):
    try:
        FairQueue(total, of_a_key).put("id", None)
    except LimitError as error:
        return f"{error.status}: {error.code}"


def queue(serve, **limits):
    """What a client gets while another one has the only slot, and a second one waits for it."""
    client = serve(ScriptedEngine("Hi" * 1000, delay=0.05), limits=LimitSettings(max_in_flight=1, **limits))
    body = {**HELLO, "stream": True}
    with client.stream("POST", CHAT, json=body):
        client.post("/v1/async/chat/completions", json=HELLO)
        return outcome(client.post(CHAT, json=body))


CASES = {
    "max_body_size": lambda serve: send(serve, max_body_size=1),
    "request_timeout": send_slowly,
    "connection_idle_timeout": stay_idle,
    "max_connections": lambda serve: keep_connections(
        serve, max_connections=1, max_connections_per_address=9
    ),
    "max_connections_per_address": lambda serve: keep_connections(serve, max_connections_per_address=1),
    "max_head_size": lambda serve: send(serve, max_head_size=1024, headers={"X": "x" * 1024}),
    "max_header_fields": lambda serve: send(serve, max_header_fields=1),
    "max_waiting_bodies": wait_for_a_thread,
    "max_answer_size": lambda serve: send(serve, turns=TurnSettings(max_answer_size=1)),
    "max_async": lambda serve: send_async(serve, max_async=0),
    "max_async_per_key": lambda serve: send_async(serve, max_async_per_key=0),
    "max_queued": lambda serve: queue(serve, max_queued=1),
    "queue_timeout": lambda serve: queue(serve, queue_timeout=0.01),
    "first_token_timeout": lambda serve: wait_for_tokens(serve, "Hi", first_token=0.01),
    "idle_timeout": lambda serve: wait_for_tokens(serve, "Hi", " there", idle=0.01),
    "total_timeout": lambda serve: wait_for_tokens(serve, "Hi", total=0.01),
    "max_waiting": lambda _: wait_for_a_slot(0, 1),
    "max_waiting_per_key": lambda _: wait_for_a_slot(1, 0),
}
EVICTS = "503: 1302"


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
async def test_a_limit_at_its_smallest_value_holds_and_is_counted_and_logged(limit, serve, caplog):
    before = reached_limits.times_reached(limit.name)
    case = CASES[limit.name]
    if asyncio.iscoroutinefunction(case):
        happened = await case(serve)
    else:
        happened = await asyncio.to_thread(case, serve)
    documented = EVICTS if limit.name == "max_connections_per_address" else limit.at_limit

    assert happened in documented.replace("`", "")
    assert reached_limits.times_reached(limit.name) > before
    logged = [record.getMessage() for record in caplog.records if record.name == "headrace.limits"]
    assert [message.startswith(f"limit {limit.flag} reached: ") for message in logged] == (
        [] if "not logged" in limit.at_limit else [True]
    )


def test_metrics_have_every_limit_from_the_start(serve):
    client = serve(ScriptedEngine("Hi"), max_body_size=1)

    def counts():
        families = text_string_to_metric_families(client.get("/metrics").text)
        (family,) = [each for each in families if each.name == "headrace_limits_reached"]
        return {sample.labels["limit"]: sample.value for sample in family.samples}

    before = counts()
    client.post(CHAT, json=HELLO)

    assert list(before) == [limit.name for limit in LIMITS]
    assert {name for name, count in counts().items() if count > before[name]} == {"max_body_size"}


def test_a_limit_is_logged_at_most_once_a_minute(caplog, monkeypatch):
    now = 100.0
    monkeypatch.setattr(reached_limits.time, "monotonic", lambda: now)
    for now in (100.0, 101.0, 159.0, 161.0):
        for option in ("max_async", "max_waiting"):
            reached_limits.report_limit(option, f"at {now:g}")

    assert [record.getMessage() for record in caplog.records] == [
        f"limit --{option} reached: at {now}" for now in (100, 161) for option in ("max-async", "max-waiting")
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
