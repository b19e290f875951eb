"""The program as a user runs it: in a process of its own."""

import signal
import subprocess
import sys
import time

import httpx2
import pytest

from headrace.cli.main import main


def run(*arguments, **options):
    command = [sys.executable, "-m", "headrace", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A job in the background ignores interrupts, and a program that it starts would too.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **pipes, **options)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_serve_says_plainly_what_it_serves_and_stops_on_sigterm():
    with run("serve", "--port", "0", "--store", "unix:///redis.sock?password=sesame") as server:
        banner = [server.stdout.readline() for _ in range(8)]
        url = banner[0].split()[2]
        listed = httpx2.get(f"{url}/models", trust_env=False).json()["data"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)

    assert "glm-4.6" in [model["id"] for model in listed]
    assert "It is not GLM" in "".join(banner)
    assert banner[4:] == [
        "  turns   unix:///redis.sock\n",
        "  keys    none: anyone on this machine\n",
        "  WARNING the turn store unix:///redis.sock cannot be used: no such file or directory\n",
        "          Until it can, requests for resumable turns get status 503.\n",
    ]


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


@pytest.fixture
def failing(tmp_path, monkeypatch, capsys):
    """Runs a program that must fail, in an empty directory; gives its one line on stderr."""
    monkeypatch.chdir(tmp_path)

    def failing(*arguments, toml="", **environment):
        if toml:
            (tmp_path / "headrace.toml").write_text(toml)
        for name, value in environment.items():
            monkeypatch.setenv(f"HEADRACE_{name}", value)
        assert main(["serve", "--port", "0", *arguments]) == 1
        [line] = capsys.readouterr().err.splitlines()
        return line

    return failing


@pytest.mark.parametrize(
    ("engine", "option", "role"),
    [
        ("llama", "path", "the model file"),
        ("llama", "template", "the chat template"),
        ("completions", "template", "the chat template"),
        ("recorded", "path", "the trace"),
    ],
)
def test_a_missing_file_is_named_with_file_table_option_and_remedy(failing, engine, option, role):
    url = 'url = "http://127.0.0.1:9/v1"' if engine == "completions" else ""
    line = failing(toml=f'[models."my.model"]\nengine = "{engine}"\n{url}\n{option} = "files/missing"\n')

    assert line == (
        f'headrace: headrace.toml: [models."my.model"]: {option}: cannot read {role} files/missing:'
        " no such file or directory; correct the path"
    )


def test_a_missing_file_of_a_flag_or_a_variable_is_named_with_that(failing):
    reason = "missing: no such file or directory; correct the path"

    assert failing("--model", "missing") == f"headrace: --model: cannot read the model file {reason}"
    assert failing("--template", "missing") == f"headrace: --template: cannot read the chat template {reason}"
    assert failing("--config", "missing") == f"headrace: cannot read --config {reason}"
    assert failing(CONFIG="missing") == f"headrace: cannot read HEADRACE_CONFIG {reason}"


def test_a_model_of_a_variable_is_named_with_it(failing):
    assert failing(MODEL="missing").startswith(
        "headrace: HEADRACE_MODEL: cannot read the model file missing: "
    )


def test_an_upstream_that_is_not_there_is_named_with_its_option(failing):
    url = "http://127.0.0.1:9/v1"
    reason = f"{url} does not answer: connection refused; check the URL, and that the server runs"

    assert failing("--upstream", url) == f"headrace: --upstream: {reason}"
    assert (
        failing(toml=f'[models.m]\nurl = "{url}"') == f'headrace: headrace.toml: [models."m"]: url: {reason}'
    )
