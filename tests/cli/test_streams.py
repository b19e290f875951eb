"""Programs whose output is closed, read in part, or in another encoding than UTF-8."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

HEADRACE = f"{sys.executable} -m headrace"
DEMO = f"{sys.executable} {Path(__file__).parents[2] / 'examples' / 'demo.py'}"
PARSE = f"yes Hello | head -n 50000 | {HEADRACE} parse --format glm-4.6 --chunk-size 1"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def shell(script, **environment):
    """Run a script in a shell with `pipefail`."""
    command = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("program", [f"{HEADRACE} --help", f"{HEADRACE} serve --help", DEMO])
def test_a_closed_output_is_not_an_error(program):
    done = shell(f"{program} >&-")

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("program", [f"{HEADRACE} --help", f"{HEADRACE} serve --help", PARSE, DEMO])
def test_a_reader_may_close_the_pipe(program):
    done = shell(f"{program} | true")

    assert done.stderr == b""
    assert done.returncode in (0, 141)  # of `yes`


@FULL
@pytest.mark.parametrize("program", [f"{HEADRACE} --help", f"{HEADRACE} --version", DEMO])
def test_a_full_disk_is_one_line_and_status_1(program):
    done = shell(f"{program} > /dev/full")

    assert (done.returncode, done.stderr) == (1, b"headrace: [Errno 28] No space left on device\n")


def test_a_closed_input_is_empty():
    done = shell(f"{HEADRACE} parse --format glm-4.6 <&-")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        (">&-", b""),
        ("| true", b""),
        pytest.param(
            "> /dev/full",
            b"headrace: cannot write to the standard output: No space left on device\n",
            marks=FULL,
        ),
    ],
)
def test_the_server_serves_even_if_its_banner_cannot_be_printed(output, printed):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["bash", "-c", f"{HEADRACE} serve --port {port} {output}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as server:
        assert get_when_ready(f"http://127.0.0.1:{port}/health") == {"status": "ok"}
        os.killpg(server.pid, signal.SIGTERM)
        assert server.communicate(timeout=20)[1] == printed


def test_a_local_server_serves_even_if_the_output_is_closed():
    program = """
import urllib.request
from headrace.server import App, ModelRegistry, LocalServer, Settings
with LocalServer(App(ModelRegistry([]), Settings())) as server:
    assert urllib.request.urlopen(f"{server.url}/health").status == 200
"""
    done = shell(f"{sys.executable} -c '{program}' >&-")

    assert (done.returncode, done.stderr) == (0, b"")


def get_when_ready(url):
    """Get a JSON document from a server, retrying until it accepts connections."""
    while True:
        try:
            return httpx2.get(url, trust_env=False).json()
        except httpx2.ConnectError:
            time.sleep(0.05)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"PYTHONOPTIMIZE": "2"},
    ],
    ids=" ".join,
)
def test_json_is_utf_8_in_every_encoding_of_the_output(environment):
    done = shell(f"echo -n 你好 | {HEADRACE} parse --format glm-4.6", **environment)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == '{"event":"Content","text":"你好"}\n'


def test_the_demo_ends_if_its_first_line_cannot_be_written():
    done = shell(f"{DEMO} | true", PYTHONUNBUFFERED="1")

    assert (done.returncode, done.stderr) == (0, b"")


def test_the_demo_runs_with_an_encoding_without_chinese_and_with_proxies():
    proxy = "socks5://127.0.0.1:9"
    done = shell(DEMO, PYTHONIOENCODING="latin-1", ALL_PROXY=proxy, HTTP_PROXY="http://127.0.0.1:9")

    assert (done.returncode, done.stderr) == (0, b"")
    assert "> " + "北京天气怎么样".encode("latin-1", "backslashreplace").decode() in done.stdout.decode(
        "latin-1"
    )


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"TERM": "xterm"}, "\033[1mHello\033[0m"),
        ({"TERM": "xterm", "NO_COLOR": ""}, "\033[1mHello\033[0m"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "Hello"),
        ({"TERM": "dumb"}, "Hello"),
    ],
)
def test_the_demo_uses_bold_type_unless_the_terminal_or_the_user_disables_it(environment, shown, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert runpy.run_path(DEMO.split()[1])["bold"]("Hello") == shown
