"""nginx and HAProxy, with the configurations of deploy/, in front of two servers."""

import json
import subprocess
import threading

import httpx2
import pytest

from headrace.sse import SseDecoder
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas
from zai import ZaiClient

STREAM = {**HELLO, "stream": True}
SCRIPT = "0123456789abcdefghij"
SHORT = {
    "nginx": {
        "proxy_read_timeout 1h": "proxy_read_timeout 1500ms",
        "next_upstream_timeout 10s": "next_upstream_timeout 1s",
    },
    "haproxy": {"timeout server 1h": "timeout server 1500ms"},
}
QUICK = {"haproxy": {"inter 500ms": "inter 50ms", "pool-purge-delay 2s": "pool-purge-delay 200ms"}}


def content(body):
    return "".join(deltas(chunks_of(body), "content"))


def test_each_event_passes_before_the_next_one_is_generated(deploy):
    deployment = deploy(pause_after=0)
    decoder = SseDecoder()
    texts = []
    deployment.go_on(1)
    with deployment.client.stream("POST", CHAT, json=STREAM) as response:
        pieces = response.iter_raw()
        for number in range(1, len(SCRIPT) // 2):
            while "".join(texts) != SCRIPT[: 2 * number]:
                texts += deltas([json.loads(event.data) for event in decoder.feed(next(pieces))], "content")
            deployment.go_on(number + 1)
        deployment.go_on()
        assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


def test_http2_streams_too(deploy):
    deployment = deploy()
    command = ["curl", "--silent", "--http2", "--include", "--cacert", deployment.proxy.authority]
    command += ["--header", "Content-Type: application/json", "--data", json.dumps(STREAM)]
    done = subprocess.run(
        [*command, deployment.proxy.url + CHAT], capture_output=True, timeout=20, check=True
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/2 200")
    assert content(body) == SCRIPT


def test_a_client_that_leaves_stops_the_engine(deploy):
    deployment = deploy(pause_after=3, keep_alive_interval=600)  # nothing is written, which would fail
    with deployment.client.stream("POST", CHAT, json=STREAM) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert len(deployment.running()) == 1
    until(lambda: deployment.running() == [])
    while deployment.asked() == 1:
        with pytest.raises(httpx2.ReadTimeout):
            deployment.client.post(CHAT, json=HELLO, timeout=httpx2.Timeout(20, read=0.2))
    until(lambda: deployment.running() == [])


def test_comments_keep_a_silent_stream_open(deploy):
    deployment = deploy(pause_after=3, replaced=SHORT, keep_alive_interval=0.1)
    with deployment.client.stream("POST", CHAT, json=STREAM) as response:
        silent = deployment.client.post(CHAT, json=HELLO)  # has no comments
        deployment.go_on()
        body = b"".join(response.iter_raw())

    assert silent.status_code == 504
    assert content(body) == SCRIPT
    assert body.count(b": keep-alive") >= 5


def test_a_stream_continues_on_the_other_server_when_its_own_shuts_down(deploy):
    deployment = deploy(pause_after=3)
    with ZaiClient(api_key="any.key", base_url=f"{deployment.proxy.url}/api/paas/v4") as client:
        stream = client.chat.completions.create(**STREAM)
        texts = [next(stream).choices[0].delta.content]
        (first,) = deployment.running()
        deployment.servers[first].signal()
        deployment.go_on(server=1 - first)
        texts += [chunk.choices[0].delta.content for chunk in stream]

    assert "".join(text or "" for text in texts) == SCRIPT
    assert deployment.asked() == 2


def test_no_request_is_lost_while_a_server_shuts_down(deploy, proxy_kind):
    checks = proxy_kind.name == "haproxy"  # which may take a while on a busy machine
    deployment = deploy(pause_after=3, replaced=QUICK, drain_delay=2.0 if checks else 0.3)
    begun = threading.Event()
    bodies = []

    def read():  # a stream that cannot be resumed, for which its server waits
        with deployment.client.stream("POST", CHAT, json=STREAM) as response:
            body = b""
            for piece in response.iter_raw():
                body += piece
                if b'"45"' in body:  # the engine has paused
                    begun.set()
            bodies.append(body)

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(20)
    (first,) = deployment.running()
    draining = deployment.servers[first]
    deployment.go_on(server=1 - first)
    draining.signal()
    deployment.engines[first].pause_after(None)  # for new requests
    statuses = []
    with httpx2.Client(base_url=draining.url, trust_env=False) as direct:
        while direct.post(CHAT, json=HELLO).status_code != 503:
            statuses.append(deployment.client.post(CHAT, json=HELLO).status_code)
    statuses += [deployment.client.post(CHAT, json=HELLO).status_code for _ in range(10)]
    assert not bodies
    deployment.go_on()
    thread.join(20)
    draining._thread.join(20)
    statuses += [deployment.client.post(CHAT, json=HELLO).status_code for _ in range(10)]

    assert set(statuses) == {200}
    assert content(bodies[0]) == SCRIPT
