"""The program as a user runs it: in a process of its own."""

import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from headrace.cli.main import main


def run(*arguments, **options):
    command = [sys.executable, "-m", "headrace.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_serve_says_plainly_what_it_serves_and_stops_on_sigterm():
    with run("serve", "--port", "0") as server:
        banner = [server.stdout.readline() for _ in range(5)]
        url = banner[0].split()[2]
        listed = httpx2.get(f"{url}/models", trust_env=False).json()["data"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) in (0, -signal.SIGTERM)

    assert "glm-4.6" in [model["id"] for model in listed]
    assert "It is not GLM" in "".join(banner)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--model", "nowhere.gguf"], "nowhere.gguf"),
        (["serve", "--host", "0.0.0.0"], "HEADRACE_API_KEYS"),
        (["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1"], "does not answer"),
        (["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1", "--key", "NOT_SET"], "NOT_SET"),
        (["serve", "--port", "0", "--slots", "none"], "--slots"),
        (["serve", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_cannot_work_is_one_line_and_status_1(arguments, named, capsys, monkeypatch):
    monkeypatch.delenv("HEADRACE_API_KEYS", raising=False)

    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_told_as_a_url():
    from headrace.server.local import listen, url_of

    with listen("::1", 0) as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_port_that_is_taken_is_named(capsys):
    from headrace.server.local import listen

    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])

        assert main(["serve", "--port", port]) == 1
    assert port in capsys.readouterr().err
