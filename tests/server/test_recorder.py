"""What stands between keeps what was said, byte for byte, and changes nothing."""

import time

import httpx2
import pytest

from headrace.engines.http import HttpTransport
from headrace.engines.trace import read_trace
from headrace.models.loading import load_model
from headrace.models.settings import RecordedSettings
from headrace.server import App, Catalogue, LocalServer, Settings
from headrace.server.recorder import Recorder
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from wire_client import HELLO

STREAM = stream("Hel", "lo")


@pytest.fixture
def record(tmp_path):
    """Starts a server with these replies and a recorder before it; gives both and a client."""
    opened = []

    def start(*replies, **options):
        server = ScriptedServer(*replies).__enter__()
        between = LocalServer(Recorder(HttpTransport(server.url, **options), tmp_path / "traces")).__enter__()
        client = httpx2.Client(base_url=between.url, trust_env=False)
        opened.extend((client, between, server))
        return server, client

    yield start
    for each in opened:
        each.__exit__(None, None, None)


def traces(tmp_path, count):
    """As soon as so many are written; the last one is written after its answer has been sent."""
    deadline = time.monotonic() + 30
    while len(paths := sorted((tmp_path / "traces").glob("*.jsonl"))) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return [read_trace(path) for path in paths]


def test_an_answer_is_passed_on_and_kept_as_it_came(record, tmp_path):
    server, client = record(Reply([STREAM[0], 0.3, *STREAM[1:]]))
    answer = client.post(
        "/v1/chat/completions", json={**HELLO, "stream": True}, headers={"Authorization": "Bearer their-key"}
    )
    (trace,) = traces(tmp_path, 1)

    assert answer.content == b"".join(STREAM)
    assert b"".join(piece.data for piece in trace.pieces) == answer.content
    assert (trace.path, trace.status, trace.end) == ("chat/completions", 200, "whole")
    assert trace.request["messages"] == HELLO["messages"]
    assert trace.pieces[1].at - trace.pieces[0].at >= 0.2
    assert server.asked[0].headers["authorization"] == "Bearer their-key"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_what_is_no_question_is_not_passed_on_as_one(record, method):
    server, client = record(Reply(STREAM))
    answer = client.request(method, "/v1/chat/completions")

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "1222")
    assert server.asked == []


def test_no_key_is_written(record, tmp_path):
    _, client = record(Reply(STREAM), key="our-secret")
    client.post("/v1/chat/completions", json=HELLO, headers={"Authorization": "Bearer their-secret"})
    traces(tmp_path, 1)

    assert "secret" not in next((tmp_path / "traces").iterdir()).read_text()


def test_a_refusal_is_kept_with_its_status_and_retry_after(record, tmp_path):
    _, client = record(Reply(b'{"error":{"message":"slow down"}}', 429, {"retry-after": "7"}))
    answer = client.post("/v1/chat/completions", json=HELLO)
    (trace,) = traces(tmp_path, 1)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert (trace.status, trace.retry_after, trace.content_type) == (429, "7", "application/json")


def test_an_answer_that_broke_off_is_kept_as_cut(record, tmp_path):
    _, client = record(Reply(STREAM[:2], end="cut"))
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    (trace,) = traces(tmp_path, 1)

    assert trace.end == "cut"
    assert b"".join(piece.data for piece in trace.pieces) == b"".join(STREAM[:2])


def test_who_leaves_leaves_the_server_too_and_what_came_is_kept(record, tmp_path):
    server, client = record(Reply([sse(chunk("Hi"))], end="hold"))
    with client.stream("POST", "/v1/chat/completions", json={**HELLO, "stream": True}) as answer:
        next(answer.iter_bytes())
    (trace,) = traces(tmp_path, 1)

    assert server.gone.wait(5)
    assert trace.end == "cut"
    assert trace.pieces[0].data.startswith(b"data: ")


def test_models_are_passed_on_and_other_paths_are_not(record):
    _, client = record(Reply(b'{"data":[]}'))

    assert client.get("/v1/models").json() == {"data": []}
    assert client.get("/metrics").status_code == 404


def test_a_list_of_models_that_is_refused_is_passed_on_as_it_came_and_is_no_trace(record, tmp_path):
    _, client = record(Reply(b'{"detail":"Not Found"}', 404))
    answer = client.get("/v1/models")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert list((tmp_path / "traces").iterdir()) == []


def test_traces_are_numbered_on(record, tmp_path):
    _, client = record(Reply(STREAM))
    for _ in range(2):
        client.post("/v1/chat/completions", json=HELLO)
    traces(tmp_path, 2)
    (tmp_path / "traces" / "0001.jsonl").unlink()
    _, client = record(Reply(STREAM))
    client.post("/v1/chat/completions", json=HELLO)
    traces(tmp_path, 2)

    names = sorted(path.name for path in (tmp_path / "traces").iterdir())
    assert names == ["0002.jsonl", "0003.jsonl"]  # nothing is written over


def test_what_was_recorded_is_played_by_the_engine(record, tmp_path):
    _, client = record(Reply([STREAM[0][:20], STREAM[0][20:], *STREAM[1:]]))
    client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    traces(tmp_path, 1)
    model = load_model("glm-4.6", RecordedSettings(path=tmp_path / "traces", speed=0))
    with (
        LocalServer(App(Catalogue([model]), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as played,
    ):
        answer = played.post("/v1/chat/completions", json=HELLO).json()["choices"][0]

    assert (answer["message"]["content"], answer["finish_reason"]) == ("Hello", "stop")
