"""The program as a user runs it: in a process of its own."""

import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from headrace.cli.main import main


def run(*arguments, **options):
    command = [sys.executable, "-m", "headrace.cli", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A job in the background ignores interrupts, and a program that it starts would too.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **pipes, **options)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_serve_says_plainly_what_it_serves_and_stops_on_sigterm():
    with run("serve", "--port", "0", "--store", "unix:///redis.sock?password=sesame") as server:
        banner = [server.stdout.readline() for _ in range(5)]
        url = banner[0].split()[2]
        listed = httpx2.get(f"{url}/models", trust_env=False).json()["data"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)

    assert "glm-4.6" in [model["id"] for model in listed]
    assert "It is not GLM" in "".join(banner)
    assert banner[-1] == "  turns   unix:///redis.sock\n"


def test_told_to_stop_twice_it_cuts_the_streams_and_unloads_the_model():
    with run("serve", "--port", "0") as server:
        url = server.stdout.readline().split()[2]
        endless = {
            "model": "glm-4.6",
            "messages": [{"role": "user", "content": "Write a poem about spring"}],
            "stream": True,
            "ignore_eos": True,
        }
        with httpx2.Client(trust_env=False) as client:
            with client.stream("POST", f"{url}/chat/completions", json=endless) as response:
                pieces = response.iter_raw()
                next(pieces)
                for _ in range(2):
                    server.send_signal(signal.SIGINT)
                    time.sleep(0.3)
                with pytest.raises(httpx2.RemoteProtocolError):
                    list(pieces)
        assert server.wait(60) == 130


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--port", "0", "--model", "nowhere.gguf"], "nowhere.gguf"),
        (["serve", "--port", "0", "--host", "0.0.0.0"], "HEADRACE_API_KEYS"),
        (["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1"], "does not answer"),
        (["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1", "--key", "NOT_SET"], "NOT_SET"),
        (["serve", "--port", "0", "--slots", "none"], "--slots"),
        (["serve", "--port", "0", "--upstream", "gpu1:8000"], "http://gpu1:8000/v1"),
        (["record", "--to", "x", "--port", "99999", "--", "http://127.0.0.1:9"], "99999"),
        (["serve", "--port", "0", "--config", "nowhere.toml"], "nowhere.toml"),
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
