"""`headrace record`, and `headrace serve --engine recorded` on its recordings, each in its own process."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx2

from headrace.cli.main import main
from scripted_server import Reply, ScriptedServer, stream
from wire_client import HELLO, chunks_of, deltas


@contextmanager
def program(*arguments):
    command = [sys.executable, "-m", "headrace", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def post(url):
    return chunks_of(
        httpx2.post(f"{url}/chat/completions", json={**HELLO, "stream": True}, trust_env=False).content
    )


def test_a_recording_can_be_served(tmp_path):
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        with program("record", "--output-dir", str(tmp_path), "--port", "0", "--", server.url) as recorder:
            lines = [recorder.stdout.readline() for _ in range(3)]
            first = post(lines[1].split()[1].strip(","))
    with program(
        "serve", "--port", "0", "--engine", "recorded", "--model", str(tmp_path), "--speed", "0"
    ) as replay:
        again = post(replay.stdout.readline().split()[2])

    assert server.url in lines[0]
    assert str(tmp_path) in lines[2]
    assert "".join(deltas(first, "content")) == "".join(deltas(again, "content")).strip() == "Hello"


def test_a_directory_without_recordings_is_one_line_and_status_1(tmp_path, capsys):
    assert main(["serve", "--port", "0", "--engine", "recorded", "--model", str(tmp_path)]) == 1
    assert "headrace record" in capsys.readouterr().err


def test_a_directory_that_cannot_be_created_is_one_line_and_status_1(tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = [
        "record",
        "--output-dir",
        str(tmp_path / "file" / "recordings"),
        "--port",
        "0",
        "--",
        "http://127.0.0.1:9",
    ]

    assert main(arguments) == 1
    assert "cannot write recordings to" in capsys.readouterr().err


def test_a_key_that_is_not_set_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("THE_KEY", raising=False)

    assert (
        main(
            [
                "record",
                "--output-dir",
                str(tmp_path),
                "--port",
                "0",
                "--upstream-key-env",
                "THE_KEY",
                "--",
                "http://127.0.0.1:9/v1",
            ]
        )
        == 1
    )
    assert "THE_KEY" in capsys.readouterr().err
