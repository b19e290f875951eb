"""`headrace serve` as a user runs it: in its own process."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest

from headrace.cli.main import main
from headrace_tiny import model_path
from scripted_server import Reply, ScriptedServer
from served import BODY, serving
from wire_client import CHAT, chunks_of

POEM = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Write a poem"}], "stream": True}


def run(*arguments, **options):
    command = [sys.executable, "-m", "headrace", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A job in the background ignores interrupts, and a program that it starts would too.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **pipes, **options)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_the_banner_shows_what_is_served_and_sigterm_stops_the_server():
    environment = {**os.environ, "HEADRACE_LINGERR": "9"}
    with run(
        "serve", "--port", "0", "--store", "unix:///redis.sock?password=sesame", env=environment
    ) as server:
        banner = [server.stdout.readline() for _ in range(10)]
        url = banner[0].split()[2]
        listed = httpx2.get(f"{url}/models", trust_env=False).json()["data"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)

    assert "glm-4.6" in [model["id"] for model in listed]
    assert "It is not GLM" in "".join(banner)
    assert banner[2] == "  llama     4 slots of 4096 tokens, threads: 1\n"
    assert banner[5:] == [
        "  store     unix:///redis.sock\n",
        "  API keys  none: any program on this machine can call\n",
        "  WARNING   the turn store unix:///redis.sock is unavailable: no such file or directory\n",
        "            Until it is available, requests for resumable turns get status 503.\n",
        "  WARNING   HEADRACE_LINGERR is not a variable of Headrace; did you mean HEADRACE_LINGER?\n",
    ]


def test_the_banner_names_an_unknown_family_and_what_a_chat_template_leaves_out(tmp_path):
    (tmp_path / "headrace.toml").write_text(
        '[models.m]\nengine = "completions"\nurl = ["http://127.0.0.1:9/v1"]\n'
        "chat_template = '{% for m in messages if not m.tools %}{{ m | tojson }}{% endfor %}{{ tone }}'\n"
        'chat_template_kwargs = { tone = "calm" }\n'
    )
    with run("serve", "--port", "0", cwd=tmp_path) as server:
        banner = [server.stdout.readline() for _ in range(5)]
        server.send_signal(signal.SIGTERM)

    assert "NOTE      the family of m is unknown: its output is read as text (format text)" in banner[2]
    assert banner[4] == "  NOTE      the chat template of m leaves out: tools\n"


def test_the_banner_names_a_model_without_a_chat_template_and_the_option(tmp_path):
    path = tmp_path / "base.gguf"
    path.write_bytes(
        model_path().read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.chat_templat_")
    )
    with run("serve", "--port", "0", "--model", str(path), "--context", "512") as server:
        banner = [server.stdout.readline() for _ in range(7)]
        url = banner[0].split()[2]
        body = {"model": "base", "messages": POEM["messages"], "max_tokens": 8}
        answer = httpx2.post(f"{url}/chat/completions", json=body, trust_env=False, timeout=60)
        server.send_signal(signal.SIGTERM)

    assert banner[3].startswith("  NOTE      base has no chat template:")
    assert "--chat-template FILE" in banner[4]
    assert "NOTE      the family" not in "".join(banner)
    assert answer.json()["choices"][0]["finish_reason"] in ("stop", "length")


def test_the_banner_has_no_password_of_an_upstream(tmp_path):
    (tmp_path / "headrace.toml").write_text(
        '[models.m]\nengine = "chat"\nurl = ["http://user:sesame@127.0.0.1:9/v1"]\n'
    )
    with run("serve", "--port", "0", cwd=tmp_path) as server:
        banner = [server.stdout.readline() for _ in range(3)]
        server.send_signal(signal.SIGTERM)
        server.wait(60)

    assert "at http://127.0.0.1:9/v1" in banner[1]
    assert "sesame" not in "".join(banner)


def test_a_second_signal_ends_the_streams_and_unloads_the_model():
    with run("serve", "--port", "0", "--log-level", "warning") as server:
        url = server.stdout.readline().split()[2]
        endless = {
            "model": "glm-4.6",
            "messages": [{"role": "user", "content": "Write a poem about spring"}],
            "stream": True,
            "ignore_eos": True,
        }
        with httpx2.Client(trust_env=False) as client:
            with client.stream("POST", f"{url}/chat/completions", json=endless) as response:
                chunks = response.iter_raw()
                body = next(chunks)
                for _ in range(2):
                    server.send_signal(signal.SIGINT)
                    time.sleep(0.3)
                body += b"".join(chunks)
        assert server.wait(60) == 130
        assert server.stderr.read() == ""

    assert b'"finish_reason":"network_error"' in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_unix_socket_serves_what_a_port_would_and_checks_the_host(tmp_path):
    path = tmp_path / "server.sock"
    options = "[server]\nmax_connections_per_address = 1\n"  # clients of a Unix socket have no address
    with serving(tmp_path, "--unix-socket", str(path), options=options) as server:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))))
                for _ in range(3)
            ]
            answers = [each.post(f"http://localhost{CHAT}", json=BODY) for each in clients]
            rebound = clients[0].get("http://evil.example/v1/models")
        server.process.terminate()
        server.process.wait(60)

    assert server.banner[0].startswith(f"headrace: serving http://unix:{path}:/api/paas/v4  (")
    assert [chunks_of(answer.content)[-1]["choices"][0]["finish_reason"] for answer in answers] == [
        "stop"
    ] * 3
    assert rebound.status_code == 403
    assert not path.exists()
    assert all(" info " in line for line in server.logged)


def test_a_unix_socket_and_a_port_cannot_be_combined(capsys):
    assert main(["serve", "--unix-socket", "server.sock", "--port", "8000"]) == 1
    assert capsys.readouterr().err == (
        "headrace: --unix-socket: cannot be combined with port: the server listens in one place\n"
    )


def test_too_few_open_files_are_one_line():
    command = ["bash", "-c", f"ulimit -n 40; exec {sys.executable} -m headrace serve --port 0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "headrace: the operating system allows only 40 open files; increase the limit with ulimit -n\n"
    )


def test_idle_sockets_keep_no_client_out_although_they_are_more_than_open_files():
    script = f"ulimit -n 256; exec {sys.executable} -m headrace serve --port 0"
    with subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        address = urlsplit(server.stdout.readline().split()[2])
        with ExitStack() as idle:
            for _ in range(300):
                idle.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(5):
                health = httpx2.get(f"http://{address.netloc}/health", trust_env=False)
                assert health.json() == {"status": "ok"}
        server.terminate()
        logged = server.communicate(timeout=60)[1]

    assert "--max-connections" in logged
    assert logged.count("\n") == 1


def test_the_banner_shows_no_secret_of_an_upstream():
    with ScriptedServer(Reply(b'{"data":[{"id":"m"}]}')) as upstream:
        url = upstream.url.replace("http://", "http://user:sesame@")
        with run("serve", "--port", "0", "--upstream", url, "--engine", "chat") as server:
            banner = [server.stdout.readline() for _ in range(2)]
            server.terminate()
            banner += server.communicate(timeout=60)

    assert upstream.url in banner[1]
    assert "sesame" not in "".join(banner)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--port", "0", "--model", "nowhere.gguf"], "nowhere.gguf"),
        (["serve", "--port", "0", "--host", "0.0.0.0"], "HEADRACE_API_KEYS"),
        (["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1"], "is unreachable"),
        (
            ["serve", "--port", "0", "--upstream", "http://127.0.0.1:9/v1", "--upstream-key-env", "NOT_SET"],
            "NOT_SET",
        ),
        (["serve", "--port", "0", "--slots", "none"], "--slots"),
        (["serve", "--port", "0", "--upstream", "gpu1:8000"], "http://gpu1:8000/v1"),
        (["record", "--output-dir", "x", "--port", "99999", "--", "http://127.0.0.1:9"], "99999"),
        (["serve", "--port", "0", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_an_error_at_start_is_one_line_and_status_1(arguments, named, capsys, monkeypatch):
    monkeypatch.delenv("HEADRACE_API_KEYS", raising=False)

    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


@pytest.fixture
def failing(tmp_path, monkeypatch, capsys):
    """Run the program in an empty directory and return the one line on stderr."""
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
        ("llama", "chat_template", "the chat template"),
        ("completions", "chat_template", "the chat template"),
        ("recorded", "path", "the recording"),
    ],
)
def test_the_message_for_a_missing_file_names_file_table_option_and_remedy(failing, engine, option, role):
    url = 'url = "http://127.0.0.1:9/v1"' if engine == "completions" else ""
    line = failing(toml=f'[models."my.model"]\nengine = "{engine}"\n{url}\n{option} = "files/missing"\n')

    assert line == (
        f'headrace: headrace.toml: [models."my.model"]: {option}: cannot read {role} files/missing:'
        " no such file or directory; correct the path"
    )


def test_the_message_for_a_missing_file_names_the_flag_or_the_variable(failing):
    reason = "missing: no such file or directory; correct the path"

    assert failing("--model", "missing") == f"headrace: --model: cannot read the model file {reason}"
    assert (
        failing("--chat-template", "missing")
        == f"headrace: --chat-template: cannot read the chat template {reason}"
    )
    assert failing("--config", "missing") == f"headrace: cannot read --config {reason}"
    assert failing(CONFIG="missing") == f"headrace: cannot read HEADRACE_CONFIG {reason}"


def test_the_message_for_a_missing_model_names_the_variable(failing):
    assert failing(MODEL="missing").startswith(
        "headrace: HEADRACE_MODEL: cannot read the model file missing: "
    )


def test_the_message_for_an_unreachable_upstream_names_the_option(failing):
    url = "http://127.0.0.1:9/v1"
    reason = f"{url} is unreachable: connection refused; check the URL, and that the server is running"

    assert failing("--upstream", url) == f"headrace: --upstream: {reason}"
    assert (
        failing(toml=f'[models.m]\nurl = "{url}"') == f'headrace: headrace.toml: [models."m"]: url: {reason}'
    )
