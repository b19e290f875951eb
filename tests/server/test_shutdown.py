import json
import threading
import time

import httpx2
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas, events_of


def serving(engine, **turns):
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate("x" + ASSISTANT))
    return LocalServer(App(ModelRegistry([model]), Settings(turns=TurnSettings(**turns))))


def test_open_streams_end_before_the_server_stops():
    bodies = []

    def read(url):
        bodies.append(httpx2.post(f"{url}{CHAT}", json={**HELLO, "stream": True}, trust_env=False).content)

    engine = ScriptedEngine("Hello, world!", piece=1, delay=0.03)
    with serving(engine) as server:
        reader = threading.Thread(target=read, args=(server.url,))
        reader.start()
        until(lambda: engine.running)
    reader.join()

    assert "".join(deltas(chunks_of(bodies[0]), "content")) == "Hello, world!"


@pytest.mark.parametrize("fields", [{"stream": True}, {"stream": False}])
def test_a_request_without_an_event_at_the_shutdown_timeout_is_503(fields):
    engine = ContinuingEngine("never")
    engine.pause_after(0)
    responses = []

    def read(url):
        responses.append(httpx2.post(f"{url}{CHAT}", json={**HELLO, **fields}, trust_env=False, timeout=20))

    with serving(engine) as server:
        reader = threading.Thread(target=read, args=(server.url,))
        reader.start()
        until(lambda: engine.running)
    reader.join()

    assert responses[0].status_code == 503
    assert 1 <= int(responses[0].headers["retry-after"]) <= 3
    assert responses[0].json()["error"]["code"] == "1234"
    assert "shutting down" in responses[0].json()["error"]["message"]


def content(body):
    """Return the text of the events so far; the bytes alone may have a number in two events."""
    return "".join(deltas([json.loads(event.data) for event in events_of(body)], "content"))


def test_a_server_that_stops_releases_its_resumable_turns(tmp_path):
    """In a deployment no lease has to expire, and no event is sent twice."""
    script = " ".join(str(number) for number in range(100))
    stopping, next_one = ContinuingEngine(script), ContinuingEngine(script)
    stopping.pause_after(60)
    kept = {"store": f"sqlite:{tmp_path}/turns.db", "lease": 60.0}
    body = b""
    with serving(stopping, **kept) as server, httpx2.Client(trust_env=False) as client:
        request = {"json": {**HELLO, "stream": True}, "headers": {"x-headrace-resumable": "1"}}
        with client.stream("POST", f"{server.url}{CHAT}", **request) as response:
            pieces = response.iter_raw()
            body += next(pieces)
            while "29" not in content(body):
                body += next(pieces)
            server.__exit__(None, None, None)
            with pytest.raises(httpx2.RemoteProtocolError):
                for piece in pieces:
                    body += piece
        id = response.headers["x-request-id"]
    seen = events_of(body)[-1].id
    with serving(next_one, **kept) as server:
        began = time.monotonic()
        rest = httpx2.get(f"{server.url}{CHAT}/{id}", headers={"last-event-id": seen}, trust_env=False)

    chunks = chunks_of(body + rest.content)
    assert "".join(deltas(chunks, "content")) == script
    assert time.monotonic() - began < 10
    assert stopping.running == 0
    assert len(next_one.asked) == 1
