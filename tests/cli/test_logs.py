"""The log of `headrace serve` as an operator sees it, and what must never be in it: keys, or pieces of them."""

import base64
import fcntl
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from headrace.cli.main import main
from otlp_collector import collector
from scripted_server import Reply, ScriptedServer, stream
from wire_client import HELLO

__all__ = ["collector"]

VALID, WRONG, IN_QUERY, IN_BASIC, UPSTREAM, MASTER = (
    "Zq7vK9wXp3LmTr8sYb2N",
    "Hf4jRc6tWd1xGk5nVz0B",
    "Pa8uMe3yQs7hJo2iLg6F",
    "Dt5rNw9bEk1vXc4zUy7S",
    "Gm2pTi6kBv8qWh0fRj3A",
    "Yx1nCo5lSa9dFe7wKu4H-Vb3gJm8rPt6zQi2T",
)
CONFIGURATION = """
[turns]
store = "sqlite:turns.db"
[models.m]
engine = "chat"
url = "{url}"
upstream_key_env = "UPSTREAM_KEY"
"""


@contextmanager
def serving(directory, upstream, *arguments, stderr=None, redirection="", **environment):
    """A server of one model behind `upstream`; yields its process and a client."""
    (directory / "headrace.toml").write_text(CONFIGURATION.format(url=upstream.url))
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", *arguments]
    shell = ["bash", "-c", f'exec "$@" {redirection}', "bash", *command]
    pipes = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
    environment = {**os.environ, "UPSTREAM_KEY": UPSTREAM, **environment}
    with subprocess.Popen(shell, cwd=directory, env=environment, **pipes) as server:
        try:
            banner = server.stdout.readline()
            url = banner.split()[2].removesuffix("/api/paas/v4")
            with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
                yield server, client
        finally:
            server.terminate()
            server.banner = banner + server.stdout.read()


def pieces_of(secret, size=6):
    return {secret[at : at + size] for at in range(len(secret) - size + 1)}


def ask(client):
    """Send requests of every kind with every kind of key; yield the texts of the responses."""
    basic = base64.b64encode(f"alice:{IN_BASIC}".encode()).decode()
    credentials = [
        {"authorization": f"Bearer alice.{VALID}"},
        {"x-api-key": f"alice.{VALID}", "x-headrace-resumable": "1"},
        {"authorization": f"Bearer alice.{WRONG}"},
        {"x-api-key": WRONG},
        {"authorization": f"Basic {basic}"},
        {"authorization": f"Bearer a.{WRONG}.{WRONG}"},
        {},
    ]
    for headers in credentials:
        for body in (HELLO | {"model": "m"}, HELLO | {"model": "m", "stream": True}, {"model": 1}):
            yield client.post("/v1/chat/completions", json=body, headers=headers).text
        for path in (
            "/v1/models",
            "/metrics",
            f"/v1/chat/completions/x?token=a.b.{IN_QUERY}",
            f"/x?token={IN_QUERY}",
        ):
            response = client.get(path, headers=headers)
            yield response.text


def test_no_piece_of_a_key_leaves_the_server(tmp_path, collector):
    leaky = f"Bearer {UPSTREAM} is not allowed".encode()
    replies = [
        Reply(leaky, status=401),
        Reply(leaky, status=500),
        Reply(stream("Hi")),
        Reply(leaky, status=400),
    ]
    arguments = ["--log-format", "json", "--log-level", "debug", "--traces", "otlp", "--log-contents", "true"]
    environment = {"HEADRACE_API_KEYS": f"alice.{VALID}", "HEADRACE_MASTER_KEY": MASTER}
    with ScriptedServer(*replies) as upstream, (tmp_path / "log").open("wb") as log:
        with serving(tmp_path, upstream, *arguments, stderr=log, **environment) as (server, client):
            seen = list(ask(client))
            seen += [path.read_text() for path in Path("/proc").glob(f"{server.pid}/cmdline")]
        seen.append(server.banner)
    logged = (tmp_path / "log").read_text()
    with sqlite3.connect(tmp_path / "turns.db") as sql:
        seen += sql.iterdump()
    sql.close()
    exported = collector.received.decode("latin-1")

    assert f"Bearer {UPSTREAM}" in [asked.headers["authorization"] for asked in upstream.asked]
    assert len(collector.spans) >= 4
    assert logged.count("request") >= 40
    everything = "\n".join([*seen, logged, exported])
    secrets = [
        VALID,
        WRONG,
        IN_QUERY,
        IN_BASIC,
        UPSTREAM,
        MASTER,
        base64.b64encode(IN_BASIC.encode()).decode(),
    ]
    assert [piece for secret in secrets for piece in pieces_of(secret) if piece in everything] == []
    assert {json.loads(line)["level"] for line in logged.splitlines()} == {"debug", "info", "warning"}


def test_a_log_without_a_reader_stops_nothing(tmp_path):
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with ScriptedServer(Reply(stream("Hi"))) as upstream:
        with serving(tmp_path, upstream, stderr=writing) as (server, client):
            os.close(writing)
            for _ in range(500):  # a line has more than 131 bytes, and a pipe 64 KiB at most
                assert client.get("/v1/models").status_code == 200
            os.close(reading)
            for _ in range(3):
                answer = client.post("/v1/chat/completions", json={**HELLO, "model": "m"})
                assert answer.status_code == 200
        assert server.wait(60) == -signal.SIGTERM


@pytest.mark.nightly
def test_a_server_without_a_standard_error_serves(tmp_path):
    with ScriptedServer(Reply(stream("Hi"))) as upstream:
        with serving(tmp_path, upstream, redirection="2>&-") as (server, client):
            assert client.get("/v1/models").status_code == 200
        assert server.wait(60) == -signal.SIGTERM


def test_an_error_at_start_has_the_format_of_the_log(capfd):
    arguments = ["serve", "--port", "0", "--model", "nowhere.gguf"]

    assert main([*arguments, "--log-format", "json"]) == 1
    for handler in logging.getLogger().handlers:
        handler.flush()
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["level"] == "critical"
    assert "nowhere.gguf" in json.loads(line)["event"]
