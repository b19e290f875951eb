"""The programs in examples/ for the four uses, and the others that are more than a call of the SDK."""

import io
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a program in this process; return the exit status or message, the standard output and stderr."""
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")

    def run(server, name, *arguments, text=""):
        monkeypatch.setenv("ZAI_BASE_URL", server.url)
        monkeypatch.setattr("sys.argv", [name, *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        try:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
            status = 0
        except SystemExit as error:
            status = error.code
        return (status, *capsys.readouterr())

    return run


def calls(name, arguments):
    call = {"index": 0, "id": "c1", "function": {"name": name, "arguments": arguments}}
    return [
        sse(chunk(delta={"tool_calls": [call]})),
        sse(chunk(finish_reason="tool_calls")),
        sse("[DONE]"),
    ]


def test_the_article_has_each_section_and_the_progress_is_on_stderr(run):
    with ScriptedServer(Reply(stream("Leaves", " were picked.")), Reply(stream("Ships."))) as server:
        _, out, err = run(server, "article", "Tea", "Origins", "Trade")

    assert out == "# Tea\n\n## Origins\n\nLeaves were picked.\n\n## Trade\n\nShips.\n\n"
    assert "[1/2] Origins: 3 words" in err
    assert "[2/2] Trade: 1 words" in err
    second = server.asked[1].body["messages"][0]["content"]
    assert "Origins: Leaves were picked." in second


def test_the_tutor_shows_its_thinking_and_continues_the_conversation(run):
    thinking = sse(chunk(delta={"reasoning_content": "First light."}))
    with ScriptedServer(Reply([thinking, *stream("What is light?")]), Reply(stream("Right."))) as server:
        _, out, _ = run(server, "tutor", "How", "do plants eat?", text="Energy\n")

    assert out == "First light.\n\nWhat is light?\n\n> Right.\n\n> \n"
    roles = [message["role"] for message in server.asked[1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert server.asked[1].body["messages"][2]["reasoning_content"] == "First light."


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("list_orders", "{}", '"number":1001'),
        ("get_order", '{"number": 1001}', '"status":"shipped"'),
        ("get_order", '{"number": 1003}', "LookupError: this customer has no order 1003"),
        ("return_order", '{"number": 1001, "reason": "late"}', "has not been delivered"),
        ("return_order", '{"number": 1002, "reason": "late"}', "return of order 1002 registered"),
    ],
)
def test_the_customer_service_answers_from_the_database_for_its_customer_only(run, name, arguments, result):
    with ScriptedServer(Reply(calls(name, arguments)), Reply(stream("Done."))) as server:
        _, out, _ = run(server, "customer_service", "Hello")

    assert result in out
    assert out.endswith("Done.\n")
    assert result in server.asked[1].body["messages"][-1]["content"]


def test_both_answers_of_async_resume_are_printed_and_a_cut_stream_is_resumed(run):
    cut = headrace([sse(chunk("One "), id=0)], end="cut")
    rest = headrace([sse(chunk("poem"), id=1), sse(chunk(finish_reason="stop"), id=2), sse("[DONE]")])
    with ScriptedServer(cut, cut, rest) as server:
        _, out, _ = run(server, "async_resume")

    assert out == "One poem\n\nOne poem\n\n"
    resumed = [each.headers["last-event-id"] for each in server.asked if "last-event-id" in each.headers]
    assert resumed == ["0", "0"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_streams_resumes_and_stops():
    with ScriptedServer(Reply(stream("Hi", numbered=True))) as server:
        environment = {**os.environ, "ZAI_BASE_URL": server.url, "ZAI_API_KEY": "id.secret"}
        subprocess.run(["sh", EXAMPLES / "curl.sh"], env=environment, check=True, capture_output=True)

    assert [each.method for each in server.asked] == ["POST", "GET", "DELETE"]
    assert server.asked[1].headers["last-event-id"] == "3"
    assert server.asked[1].path.endswith(f"/chat/completions/{server.asked[0].body['request_id']}")


@pytest.mark.parametrize("name", ["article", "tutor", "customer_service", "async_resume"])
def test_an_error_is_a_sentence(run, name):
    refused = Reply(b'{"error":{"code":"1000","message":"wrong key"}}', status=401)
    with ScriptedServer(refused) as server:
        status, out, err = run(server, name)

    assert (out.removeprefix("# Spring\n\n## Introduction\n"), err) == ("\n" if name == "article" else "", "")
    assert status.strip() == f"{name}.py: wrong key (status 401, code 1000)"
