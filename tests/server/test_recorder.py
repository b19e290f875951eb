"""The recorder forwards every byte unchanged and records it."""

import socket
import threading
import time
from contextlib import closing

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


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_in_a_header_of_its_own_is_forwarded(record, name):
    server, client = record(Reply(STREAM))
    client.post("/v1/chat/completions", json=HELLO, headers={name: "their-key"})

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
def test_a_path_that_leads_out_of_the_base_url_is_not_forwarded(record, dots):
    server, client = record(Reply(b"{}"), key="our-secret")
    for prefix in ("/v1", "/api/paas/v4"):
        for slash in ("/", "%2f", "%2F", "\\", "%5c"):
            for form in (
                "{0}{1}{0}{1}admin",
                "{0}",
                "a{1}{0}",
                "a{1}{0}{1}{0}{1}{0}{1}admin?x",
                "{0}{1}",
            ):
                path = f"{prefix}/{form.format(dots, slash)}"
                assert b'"code":"1222"' in target(client, path), path
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


class Upload:
    """A server that reads a request without a response, which the test writes."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.received = b""

    def accept(self):
        self.connection, _ = self._listener.accept()
        self.connection.settimeout(30)

    def read_until(self, end):
        while not self.received.endswith(end):
            data = self.connection.recv(65_536)
            assert data, self.received
            self.received += data

    def close(self):
        self.connection.close()
        self._listener.close()


@pytest.fixture
def upload(tmp_path):
    """A server, and a client's connection to a recorder in front of it."""
    server = Upload()
    with (
        LocalServer(Recorder(HttpTransport(server.url), tmp_path / "recordings", 1_000_000)) as recorder,
        closing(server),
        socket.create_connection(("127.0.0.1", int(recorder.url.rpartition(":")[2])), 30) as client,
    ):
        yield server, client


def read_until(connection, text):
    read = b""
    while text not in read:
        data = connection.recv(65_536)
        assert data, read
        read += data


def post(framing):
    lines = ["POST /v1/x HTTP/1.1", "Host: localhost", "Content-Type: application/json", framing, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("framing", "parts"),
    [
        ("Content-Length: 9", [b'{"a', b'":1}', b"  "]),
        ("Transfer-Encoding: chunked", [b'3\r\n{"a\r\n', b'4\r\n":1}\r\n', b"0\r\n\r\n"]),
    ],
)
def test_a_request_is_forwarded_as_it_arrives_and_so_is_its_response(upload, tmp_path, framing, parts):
    server, client = upload
    client.sendall(post(framing) + parts[0])
    server.accept()
    for sent, following in zip(parts, [*parts[1:], b""], strict=True):
        server.read_until(sent)
        client.sendall(following)
    server.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    for part in (b"ab", b"cd"):
        server.connection.sendall(part)
        read_until(client, part)
    (recording,) = recordings(tmp_path, 1)

    assert framing.encode() in server.received
    assert b"".join(parts) in server.received
    assert recording.request == {"a": 1}
    assert b"".join(read.data for read in recording.reads) == b"abcd"


def test_a_response_before_the_end_of_the_request_is_forwarded_after_it(upload):
    server, client = upload
    client.sendall(post("Content-Length: 2") + b"{")
    server.accept()
    server.read_until(b"{")
    server.connection.sendall(b"HTTP/1.1 413 Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
    server.connection.shutdown(socket.SHUT_WR)
    time.sleep(0.1)
    client.sendall(b"}")

    assert client.recv(65_536).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("ends", ["too large", "disconnected"])
def test_a_request_without_its_end_ends_without_its_end_at_the_server(upload, ends):
    server, client = upload
    client.sendall(post("Transfer-Encoding: chunked") + b"1\r\n[\r\n")
    server.accept()
    server.read_until(b"[\r\n")
    if ends == "too large":
        client.sendall(b"f4240\r\n%b\r\n" % (b" " * 1_000_000))
        read_until(client, b"--max-body-size")
    client.close()
    while data := server.connection.recv(1_000_000):
        server.received += data

    assert not server.received.endswith(b"0\r\n\r\n")


def test_a_client_that_reads_slowly_pauses_the_server(upload):
    server, client = upload
    client.sendall(post("Content-Length: 2") + b"{}")
    server.accept()
    server.read_until(b"{}")
    server.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    server.connection.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 200_000_000:
            sent += server.connection.send(b"x" * 1_000_000)
    server.connection.settimeout(30)

    received = 0
    while received < sent:  # as much as was sent, so that reading has resumed
        data = client.recv(1_000_000)
        assert data
        received += len(data)


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
