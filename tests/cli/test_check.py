"""`headrace check`: its output, its files and its exit status; and our own server holds every rule."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import contextmanager

import pytest

from headrace.checking import RULES
from headrace.cli.main import main
from scripted_server import Reply, ScriptedServer, stream

KEY = "test-id.test-secret-of-the-check"

OPTIONAL = {"sse.comments", "time.incremental-gzip", "call.parallel", "load.retry-after"}
"""What the embedded model and an idle server cannot show."""


TIMED = {rule.id for rule in RULES if "time." in rule.id} | {"resume.incremental", "cancel.frees"}
"""Rules about times, which a busy machine would break."""


@contextmanager
def checked(*arguments):
    """The URL of an endpoint whose only answer is a short stream."""
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        yield ["check", "--model", "m", "--runs", "1", *arguments, server.url]


@contextmanager
def own_server():
    page = "http://localhost:3000"  # that of the planned preflight
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--cors-origin", page]
    environment = {**os.environ, "HEADRACE_API_KEYS": KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            yield server.stdout.readline().split()[2].replace("/api/paas/v4", "/v1")
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([rule.id for rule in RULES if rule.id not in TIMED], id="untimed"),
        pytest.param(sorted(TIMED), id="timed", marks=pytest.mark.nightly),
    ],
)
def test_our_server_on_the_embedded_model_holds_every_rule(rules, capsys, monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)
    only = [word for rule in rules for word in ("--only", rule)]
    with own_server() as url:
        status = main(["check", "--json", "--runs", "1", "--key-env", "THE_KEY", *only, url])

    results = json.loads(capsys.readouterr().out)["results"]
    assert [result for result in results if result["broken"]] == []
    assert {result["rule"] for result in results if result["outcome"] == "skipped"} <= OPTIONAL
    assert status == 0


def test_a_rule_that_holds_is_status_0(capsys):
    with checked("--only", "sse.done") as arguments:
        assert main(arguments) == 0

    assert "holds              sse.done" in capsys.readouterr().out


def test_a_broken_rule_is_status_1_and_its_frame_is_in_every_report(capsys, tmp_path):
    page, xml = tmp_path / "report.html", tmp_path / "report.xml"
    with checked("--only", "chunk.role", "--only", "finish.length") as arguments:
        status = main([*arguments, "--html", str(page), "--junit", str(xml)])

    shown = capsys.readouterr().out
    assert status == 1
    assert "its finish reason is 'stop'" in shown
    assert "7b 22 69 64 22" in shown
    assert "7b 22 69 64 22" in page.read_text()
    assert "7b 22 69 64 22" in ET.parse(xml).find("testcase/failure").text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no.rule", "http://127.0.0.1:9"], "'no.rule' is not a rule"),
        (["--key-env", "NO_KEY", "http://127.0.0.1:9"], "NO_KEY is not set"),
        (["gpu1:8000"], "'gpu1:8000' is not a URL"),
        (["--html", "x", "--junit", "x", "http://gpu1"], "name the same file, x"),
    ],
)
def test_a_usage_error_is_status_2(arguments, message, capsys, monkeypatch):
    monkeypatch.delenv("NO_KEY", raising=False)

    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_status_3(capsys):
    with ScriptedServer(Reply()) as server:
        pass

    for option in ([], ["--model", "m"], ["--verify", "built-in", "--model", "m"]):
        assert main(["check", *option, server.url]) == 3
        assert "cannot connect" in capsys.readouterr().err


def test_an_endpoint_that_rejects_the_key_is_status_3(capsys):
    with ScriptedServer(Reply(b"no key", status=401)) as server:
        for option in ([], ["--verify", "built-in"]):
            assert main(["check", *option, "--model", "m", server.url]) == 3
            assert "status 401; name the variable" in capsys.readouterr().err


MODELS = Reply(b'{"data": [{"id": "glm-4.6"}]}')


@pytest.mark.parametrize("command", [["check"], ["check", "--verify", "built-in"], ["bench"]], ids=" ".join)
@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (
            Reply(b"no such model", status=404),
            "the model 'm' is not served, but 'glm-4.6' is; name one with --model",
        ),
        (Reply(b"no key", status=401), "status 401; name the variable that has the API key with --key-env"),
        (Reply(b"OK"), "status 200, but neither a stream nor an answer as JSON; correct the URL: OK"),
        (
            Reply(b"<p>Hi", headers={"content-type": "text/html"}),
            "status 200, a page of HTML; correct the URL",
        ),
        (Reply(b"", status=302, headers={"location": "/login"}), "redirects to '/login'; correct the URL"),
    ],
    ids=["model", "key", "text", "page", "login"],
)
def test_what_makes_every_request_fail_is_one_sentence_and_status_3(command, reply, sentence, capsys):
    with ScriptedServer(reply) as server:
        server.at["/api/paas/v4/models"] = MODELS
        assert main([*command, "--model", "m", server.url]) == 3

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"headrace: {server.url} cannot be ")
    assert sentence in err
    assert len(server.asked) <= 6  # one of each API, and the models


def test_a_file_that_cannot_be_written_is_named(capsys, tmp_path):
    with checked("--only", "sse.done", "--html", str(tmp_path)) as arguments:
        assert main(arguments) == 2

    assert f"--html: cannot write {tmp_path}" in capsys.readouterr().err
