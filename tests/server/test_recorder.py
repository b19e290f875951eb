"""The recorder forwards every byte unchanged and records it."""

import socket
import threading
import time

import httpx2
import pytest

from headrace.engines.http import HttpTransport
from headrace.models.loading import load_model
from headrace.models.settings import RecordedSettings
from headrace.recording import read_recording
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace.server.recorder import Recorder
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from wire_client import HELLO

STREAM = stream("Hel", "lo")


@pytest.fixture
def record(tmp_path):
    """Start a server with these replies and a recorder in front of it; return the server and a client."""
    opened = []

    def start(*replies, max_body_size=1_000_000, **options):
        server = ScriptedServer(*replies).__enter__()
        transport = HttpTransport(server.url, **options)
        recorder = LocalServer(Recorder(transport, tmp_path / "recordings", max_body_size)).__enter__()
        client = httpx2.Client(base_url=recorder.url, trust_env=False)
        opened.extend((client, recorder, server))
        return server, client

    yield start
    for each in opened:
        each.__exit__(None, None, None)


def recordings(tmp_path, count):
    """Wait for this number of recordings; one is written only after its response was sent."""
    deadline = time.monotonic() + 30
    while (
        len(paths := sorted((tmp_path / "recordings").glob("*.jsonl"))) < count
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    return [read_recording(path) for path in paths]


def test_a_response_is_forwarded_and_recorded_unchanged(record, tmp_path):
    is_first_received = threading.Event()
    server, client = record(Reply([STREAM[0], is_first_received, *STREAM[1:]]))
    headers = {"Authorization": "Bearer their-key"}
    body = {**HELLO, "stream": True}
    with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
        pieces = response.iter_raw()
        first = next(pieces)
        is_first_received.set()
        rest = b"".join(pieces)
    (recording,) = recordings(tmp_path, 1)

    assert first + rest == b"".join(STREAM)
    assert b"".join(piece.data for piece in recording.reads) == first + rest
    assert (recording.path, recording.status, recording.end) == ("chat/completions", 200, "whole")
    assert recording.request["messages"] == HELLO["messages"]
    assert recording.reads[0].data == STREAM[0]
    times = [0.0, *(read.at for read in recording.reads), recording.ended_at]
    assert times == sorted(times)
    assert 0 < recording.reads[0].at < recording.reads[1].at
    assert server.asked[0].headers["authorization"] == "Bearer their-key"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_only_get_and_post_are_forwarded(record, method):
    server, client = record(Reply(STREAM))
    answer = client.request(method, "/v1/chat/completions")

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "1222")
    assert server.asked == []


def test_a_recording_contains_no_key(record, tmp_path):
    _, client = record(Reply(STREAM), key="our-secret")
    client.post("/v1/chat/completions", json=HELLO, headers={"Authorization": "Bearer their-secret"})
    recordings(tmp_path, 1)

    assert "secret" not in next((tmp_path / "recordings").iterdir()).read_text()


def test_an_error_is_recorded_with_its_status_and_retry_after(record, tmp_path):
    _, client = record(Reply(b'{"error":{"message":"slow down"}}', 429, {"retry-after": "7"}))
    answer = client.post("/v1/chat/completions", json=HELLO)
    (recording,) = recordings(tmp_path, 1)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert (recording.status, recording.retry_after, recording.content_type) == (429, "7", "application/json")


def test_an_incomplete_response_is_recorded_as_cut(record, tmp_path):
    _, client = record(Reply(STREAM[:2], end="cut"))
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    (recording,) = recordings(tmp_path, 1)

    assert recording.end == "cut"
    assert b"".join(piece.data for piece in recording.reads) == b"".join(STREAM[:2])


def test_a_client_disconnect_closes_the_upstream_and_is_recorded(record, tmp_path):
    server, client = record(Reply([sse(chunk("Hi"))], end="hold"))
    with client.stream("POST", "/v1/chat/completions", json={**HELLO, "stream": True}) as answer:
        next(answer.iter_bytes())
    (recording,) = recordings(tmp_path, 1)

    assert server.gone.wait(5)
    assert recording.end == "cut"
    assert recording.reads[0].data.startswith(b"data: ")


def test_models_are_forwarded_and_other_paths_are_not(record):
    _, client = record(Reply(b'{"data":[]}'))

    assert client.get("/v1/models").json() == {"data": []}
    assert client.get("/metrics").status_code == 404


def target(client, path):
    """Request a path as it is: clients and servers usually resolve dots and decode what is encoded."""
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "path",
    [
        "models",
        "models/a%2Fb",
        "a/b/",
        "a%20b?c=%2e%2e&d",
        "a..b/..c/...",
        "%7Etilde",
        "%252e%252e/x",
        "x?a=/../b",
    ],
)
def test_a_path_is_forwarded_unchanged(record, path):
    server, client = record(Reply(b"{}"), key="our-secret")

    assert b" 200 " in target(client, f"/v1/{path}").splitlines()[0]
    assert [asked.path for asked in server.asked] == [f"/api/paas/v4/{path}"]


@pytest.mark.parametrize("dots", ["..", "%2e%2e", "%2E.", ".%2e", "."])
@pytest.mark.parametrize("slash", ["/", "%2f", "%2F", "\\", "%5c"])
@pytest.mark.parametrize(
    "form", ["{0}{1}{0}{1}admin", "{0}", "a{1}{0}", "a{1}{0}{1}{0}{1}{0}{1}admin?x", "{0}{1}"]
)
def test_a_path_that_leads_out_of_the_base_url_is_not_forwarded(record, form, dots, slash):
    server, client = record(Reply(b"{}"), key="our-secret")
    answers = [target(client, f"{prefix}/{form.format(dots, slash)}") for prefix in ("/v1", "/api/paas/v4")]

    assert [b'"code":"1222"' in answer for answer in answers] == [True, True]
    assert server.asked == []


@pytest.mark.parametrize(
    "path", ["/v1//x", "/v1/", "/v1", "/", "/v1/%2fx", "/v1/%5cx", "/v2/models", "//v1/models"]
)
def test_a_path_of_no_endpoint_is_not_forwarded(record, path):
    server, client = record(Reply(b"{}"))

    assert b'"code":"1222"' in target(client, path)
    assert server.asked == []


def test_a_page_in_a_browser_cannot_use_the_recorders_key(record):
    server, client = record(Reply(b"{}"), key="our-secret")
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert client.post("/v1/chat/completions", json=HELLO, headers=headers).status_code == 403
    assert client.post("/v1/chat/completions", content=b"{}").status_code == 415
    assert server.asked == []


def test_a_body_has_a_limit(record):
    server, client = record(Reply(b"{}"), max_body_size=1000)
    answer = client.post("/v1/chat/completions", json="x" * 1000)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "1210")
    assert "--max-body-size" in answer.text
    assert server.asked == []


def test_an_error_for_the_list_of_models_is_forwarded_and_not_recorded(record, tmp_path):
    _, client = record(Reply(b'{"detail":"Not Found"}', 404))
    answer = client.get("/v1/models")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert list((tmp_path / "recordings").iterdir()) == []


def test_the_numbers_of_recordings_continue(record, tmp_path):
    _, client = record(Reply(STREAM))
    for _ in range(2):
        client.post("/v1/chat/completions", json=HELLO)
    recordings(tmp_path, 2)
    (tmp_path / "recordings" / "0001.jsonl").unlink()
    _, client = record(Reply(STREAM))
    client.post("/v1/chat/completions", json=HELLO)
    recordings(tmp_path, 2)

    names = sorted(path.name for path in (tmp_path / "recordings").iterdir())
    assert names == ["0002.jsonl", "0003.jsonl"]  # nothing is written over


def test_a_recording_is_played_by_the_engine(record, tmp_path):
    _, client = record(Reply([STREAM[0][:20], STREAM[0][20:], *STREAM[1:]]))
    client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    recordings(tmp_path, 1)
    model = load_model("glm-4.6", RecordedSettings(path=tmp_path / "recordings", speed=0))
    with (
        LocalServer(App(ModelRegistry([model]), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as played,
    ):
        answer = played.post("/v1/chat/completions", json=HELLO).json()["choices"][0]

    assert (answer["message"]["content"], answer["finish_reason"]) == ("Hello", "stop")


def test_a_compressed_request_is_rejected_because_its_encoding_is_not_forwarded(record):
    server, client = record(Reply(STREAM))
    answer = client.post("/v1/chat/completions", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "1210")
    assert server.asked == []
