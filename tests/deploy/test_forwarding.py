"""What nginx and HAProxy, with the configurations of deploy/, forward unchanged, and how often they send a request."""

import re
import socketserver
import threading
import time
from contextlib import contextmanager, suppress

import httpx2
import pytest

from proxies import free_port
from scripted_server import Reply, ScriptedServer, sse
from wire_client import CHAT, HELLO

REQUEST_HEADERS = {
    "authorization": "Bearer my-id.my-secret",
    "x-api-key": "my-id.my-secret",
    "origin": "https://app.example",
    "last-event-id": "7",
    "x-headrace-resumable": "1",
    "x-headrace-request-id": "my-request",
    "x-request-id": "from-a-client",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=value",
    "baggage": "user=42",
}
RESPONSE_HEADERS = {
    "access-control-allow-origin": "https://app.example",
    "access-control-expose-headers": "X-Request-Id",
    "cache-control": "no-cache",
    "content-type": "text/event-stream;charset=UTF-8",
    "retry-after": "3",
    "vary": "Origin",
    "x-headrace-turn": "turn-1",
    "x-headrace-resume": "off",
    "x-headrace-unenforced": "pattern",
    "x-request-id": "from-the-server",
}
HOP_BY_HOP = (
    "connection",
    "keep-alive",
    "date",
    "server",
    "transfer-encoding",
    "x-request-id",
    "content-length",
)


@contextmanager
def behind(kind, tmp_path, servers, **replaced):
    """A client of a proxy in front of the servers."""
    with kind(tmp_path, servers, replaced.get(kind.name)) as proxy:
        with httpx2.Client(base_url=proxy.url, verify=proxy.context(), trust_env=False, timeout=20) as client:
            yield client


def port_of(server):
    return int(server.url.split(":")[2].split("/")[0])


def test_the_headers_of_requests_and_streams_pass(proxy_kind, tmp_path):
    with ScriptedServer(Reply([sse("[DONE]")], headers=RESPONSE_HEADERS)) as server:
        with behind(proxy_kind, tmp_path, [port_of(server)] * 2) as client:
            response = client.post(CHAT, json={**HELLO, "stream": True}, headers=REQUEST_HEADERS)
            resumed = client.get(f"{CHAT}/turn-1?after=7", headers=REQUEST_HEADERS)
        asked = [each for each in server.asked if each.path != "/readyz"]

    assert [each.path for each in asked] == [CHAT, f"{CHAT}/turn-1?after=7"]
    for each in asked:
        assert each.headers.items() >= REQUEST_HEADERS.items()
        assert each.headers["host"] == client.base_url.netloc.decode()
    for each in response, resumed:
        assert each.headers.items() >= RESPONSE_HEADERS.items()
        assert "content-encoding" not in each.headers


REQUESTS = {
    "no key": ("POST", CHAT, {"json": HELLO, "headers": {"authorization": ""}}),
    "wrong model": ("POST", CHAT, {"json": {**HELLO, "model": "glm-9"}}),
    "not JSON": ("POST", CHAT, {"content": b"{", "headers": {"content-type": "application/json"}}),
    "body too large": ("POST", CHAT, {"json": {**HELLO, "stop": "x" * 3_000_000}}),
    "no such turn": ("GET", f"{CHAT}/20260313050448e162ecc8207a4c47", {}),
    "wrong method": ("PUT", CHAT, {}),
    "no such path": ("GET", "/v1/nothing", {}),
    "preflight": ("OPTIONS", CHAT, {"headers": {"access-control-request-method": "POST"}}),
    "answer": ("POST", CHAT, {"json": HELLO}),
    "models": ("GET", "/v1/models", {}),
    "ready": ("GET", "/readyz", {}),
}


def test_responses_are_those_of_the_servers(deploy):
    keys = {
        "api_keys": ["my-id.my-secret"],
        "cors_origin": ["https://app.example"],
        "max_body_size": 2_000_000,
    }
    deployment = deploy(**keys)
    usual = {"authorization": REQUEST_HEADERS["authorization"], "origin": "https://app.example"}
    with httpx2.Client(base_url=deployment.servers[0].url, trust_env=False, timeout=20) as direct:
        for name, (method, path, options) in REQUESTS.items():
            request = {**options, "headers": {**usual, **options.get("headers", {})}}
            expected, response = (
                client.request(method, path, **request) for client in (direct, deployment.client)
            )
            assert response.status_code == expected.status_code, name
            assert without_ids(response) == without_ids(expected), name
            for header in set(expected.headers) - set(HOP_BY_HOP):
                assert response.headers[header] == expected.headers[header], name


def without_ids(response):
    return re.sub(r'"(id|created|request_id)":\s*("[^"]*"|\d+)', "", response.text)


def test_metrics_are_not_public(deploy):
    deployment = deploy()
    log = (deployment.proxy.authority.parent / "proxy.log").read_text()

    assert "warn" not in log.lower().replace('"user" directive makes sense only', "")

    for path in ("/metrics", "/metrics?a=b", "/metrics/", "//metrics//", "/%6detrics"):
        proxied = f"https://127.0.0.1:{deployment.proxy.port}{path}"
        assert deployment.client.get(proxied).status_code == 404, path
        assert httpx2.get(deployment.servers[0].url + path, trust_env=False).status_code == 200, path


class DyingServer(socketserver.ThreadingTCPServer):
    """Reads requests, sends part of a response, and closes the connection."""

    daemon_threads = True

    def __init__(self, sent=b"", seconds=0.0):
        super().__init__(("127.0.0.1", 0), _Dying)
        self.port = self.server_address[1]
        self.sent = sent
        self.seconds = seconds
        self.requests = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Dying(socketserver.BaseRequestHandler):
    def handle(self):
        if data := self.request.recv(65536):
            self.server.requests.append(data)
            time.sleep(self.server.seconds)
            self.request.sendall(self.server.sent)


UNCHECKED = {"haproxy": {"default-server check": "default-server"}}
IMPATIENT = {"nginx": {"proxy_next_upstream_timeout 10s": "proxy_next_upstream_timeout 100ms"}}
EVENT = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4\r\n: a\n\r\n"
)


@pytest.mark.parametrize(
    ("sent", "seconds", "times"),
    [
        (b"", 0.0, {"nginx": 2, "haproxy": 1}),
        (b"", 0.5, {"nginx": 1, "haproxy": 1}),
        (EVENT, 0.0, {"nginx": 1, "haproxy": 1}),
    ],
    ids=["at once", "after the time for it", "after its first byte"],
)
def test_a_request_whose_server_dies_is_sent_again(proxy_kind, tmp_path, sent, seconds, times):
    replaced = UNCHECKED | (IMPATIENT if seconds else {})
    with DyingServer(sent, seconds) as server:
        with behind(proxy_kind, tmp_path, [server.port] * 2, **replaced) as client:
            try:
                with client.stream("POST", CHAT, json=HELLO) as response:
                    assert response.status_code == (200 if sent else 502)
                    response.read()
                assert not sent
            except httpx2.RemoteProtocolError:
                assert sent
    assert len(server.requests) == times[proxy_kind.name]


def test_a_server_that_is_down_costs_no_request(proxy_kind, tmp_path):
    closed = free_port()
    with ScriptedServer(Reply(b"{}")) as server:
        with behind(proxy_kind, tmp_path, [closed, port_of(server)], **UNCHECKED) as client:
            statuses = [client.post(CHAT, json=HELLO).status_code for _ in range(6)]
    assert statuses == [200] * 6
    assert len(server.asked) == 6


def test_servers_that_have_failed_are_used_again_at_once(proxy_kind, tmp_path):
    with DyingServer() as server:
        with behind(proxy_kind, tmp_path, [server.port] * 2, **UNCHECKED) as client:
            for _ in range(4):
                with suppress(httpx2.RemoteProtocolError):  # HAProxy closes a kept connection
                    assert client.post(CHAT, json=HELLO).status_code == 502
            server.sent = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
            statuses = [client.post(CHAT, json=HELLO).status_code for _ in range(4)]

    assert statuses == [200] * 4
