"""`headrace serve --workers`: one server for its clients, whichever process they reach."""

import json
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from headrace.cli.main import main
from headrace.server.workers import supervisor
from headrace.sse import DONE
from metrics_text import samples
from scripted_server import Reply, sse
from served import BODY, part, serving, words, workers_of
from waiting import until
from wire_client import CHAT, chunks_of, deltas, events_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

RESUMABLE = {"x-headrace-resumable": "1"}
OTHERS = 8
"""New connections at a time, so that each worker gets some."""


def text_of(body):
    chunks = [json.loads(event.data) for event in events_of(body) if event.data != DONE]
    return "".join(deltas(chunks, "content"))


def state(pid):
    """The state of a process, such as T: stopped; "" if there is none."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0].replace("Z", "")
    return ""


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == "T")


def everywhere(server, method, path, **request):
    """Send a request on several new connections; return the responses."""

    def send(_):
        with server.client() as client:
            return client.request(method, path, **request)

    with ThreadPoolExecutor(OTHERS) as pool:
        return list(pool.map(send, range(OTHERS)))


def ask_and_wait(server):
    """Connect and send a request, without waiting for the response."""
    address = urlsplit(server.url)
    client = socket.create_connection((address.hostname, address.port), 60)
    client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return client


def statuses(responses):
    return {response.status_code for response in responses}


def in_flight(server):
    """The running turns of all workers, as each worker reports them."""
    responses = everywhere(server, "GET", "/metrics")
    return {samples(response.text)["headrace_turns_in_flight", "m"] for response in responses}


@contextmanager
def held_stream(server, **fields):
    """Start a stream, and wait for its first event; yields the response, what was read, and the rest."""
    with server.client() as client:
        with client.stream("POST", CHAT, json=BODY | fields, headers=RESUMABLE) as response:
            pieces = response.iter_raw()
            yield response, next(pieces), pieces


def test_turns_limits_and_reloads_are_the_same_in_every_worker(tmp_path):
    forever = threading.Event()
    replies = (Reply([part("word0 "), forever]), words(1))
    limits = "[limits]\nmax_in_flight = 1\nqueue_timeout = 0.1\n"
    with serving(tmp_path, "--workers", "2", reply=replies, options=limits) as server:
        server.wait_for_workers()
        with held_stream(server, request_id="r1") as (_, _, pieces):
            refused = everywhere(server, "POST", CHAT, json={**BODY, "stream": False})
            running = everywhere(server, "POST", CHAT, json={**BODY, "request_id": "r1", "model": "other"})
            file = tmp_path / "headrace.toml"
            file.write_text(file.read_text().replace("max_in_flight = 1", "max_in_flight = 0"))
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("max_in_flight is 0 (was 1)")
            until(lambda: statuses(everywhere(server, "POST", CHAT, json={**BODY, "stream": False})) == {200})
            stopped = everywhere(server, "DELETE", f"{CHAT}/r1")
            assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
        streams = everywhere(server, "GET", f"{CHAT}/r1")
        store = next(line for line in server.banner if line.startswith("  store"))
        directory = Path(store.split("sqlite:")[1].strip()).parent
        assert directory.stat().st_mode & 0o777 == 0o700
        forever.set()
        server.process.terminate()
        assert server.process.wait(60) == -signal.SIGTERM

    assert statuses(refused) == {429}
    assert statuses(running) == {400}
    assert {answer.text for answer in stopped} == {stopped[0].text}
    assert {text_of(stream.content) for stream in streams} == {"word0 "}
    assert not directory.exists()
    assert len([line for line in server.logged if "reload" in line]) == 1
    assert [line.split()[:2] for line in server.banner].count(["headrace:", "serving"]) == 1


def test_a_dead_worker_is_replaced_and_its_turns_continue(tmp_path):
    forever = threading.Event()
    rest = Reply([part("word1 "), part("word2"), part("", "stop"), sse("[DONE]")])
    replies = (Reply([part("word0 "), forever]), rest)
    with serving(tmp_path, "--workers", "2", "--lease", "0.3", reply=replies) as server:
        server.wait_for_workers()
        before = workers_of(server.process.pid)
        with held_stream(server) as (response, body, pieces):
            until(lambda: in_flight(server) == {1.0})
            for pid in before:  # one of them has the turn
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(httpx2.RemoteProtocolError):
                list(pieces)
        turn = f"{CHAT}/{response.headers['x-request-id']}"
        with server.client() as client:
            answer = client.get(turn, headers={"last-event-id": events_of(body)[-1].id})
        until(lambda: in_flight(server) == {0.0})
        after = until(lambda: len(found := workers_of(server.process.pid)) == 2 and found)
        os.kill(server.process.pid, signal.SIGKILL)
        until(lambda: not any(map(state, after)))
        forever.set()

    assert text_of(body) + text_of(answer.content) == "word0 word1 word2"
    assert not {*before} & {*after}
    assert sorted(server.log_of("headrace.workers")) == [
        f"worker {slot}: killed by SIGKILL; a new one starts in 0.5 s" for slot in range(2)
    ]


def test_what_a_dead_worker_has_not_accepted_is_answered_and_two_signals_end_all(tmp_path):
    forever = threading.Event()
    held = Reply([part("word0 "), forever])
    with serving(tmp_path, "--workers", "2", reply=held) as server, ExitStack() as stack:
        server.wait_for_workers()
        pid = workers_of(server.process.pid)[0]
        stop(pid)
        clients = [stack.enter_context(ask_and_wait(server)) for _ in range(32)]
        os.kill(pid, signal.SIGKILL)
        answers = [client.recv(4096) for client in clients]
        with held_stream(server) as (_, body, pieces):
            server.process.terminate()
            until(lambda: statuses(everywhere(server, "GET", "/readyz")) == {503})
            healthy = everywhere(server, "GET", "/healthz")
            server.process.terminate()
            rest = b"".join(pieces)
        assert server.process.wait(60) == -signal.SIGTERM
        forever.set()

    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert statuses(healthy) == {200}
    assert chunks_of(body + rest)[-1]["choices"][0]["finish_reason"] == "network_error"
    assert len(server.log_of("headrace.workers")) == 1


def test_a_worker_that_cannot_start_ends_the_server_with_its_own_error(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "_MOST_EARLY_DEATHS", 1)

    assert main(["serve", "--port", "0", "--workers", "2", "--engine", "recorded", "--model", "missing"]) == 1
    *_, last = capfd.readouterr().err.splitlines()
    assert last.startswith("headrace: a worker ended 1 times before it could serve: --model: cannot read")
    assert "missing: no such file or directory" in last


def test_a_memory_store_cannot_be_shared_by_workers(capsys):
    assert main(["serve", "--workers", "2", "--store", "memory"]) == 1
    assert "--store: the workers are processes, which cannot share a memory store" in capsys.readouterr().err
