"""`headrace chat -p`, and the errors of `headrace chat`."""

import io

import pytest

from headrace.cli.chat.pipe import STATUSES
from headrace.cli.main import main
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

MODELS = Reply(b'{"object":"list","data":[{"id":"first","object":"model"}]}')


@pytest.fixture
def chat(monkeypatch, capsys):
    """Run the program; return the exit status, the standard output and stderr."""
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")

    def run(server, *arguments):
        monkeypatch.setenv("ZAI_BASE_URL", server.url if server else "http://127.0.0.1:9/v1")
        return (main(["chat", *arguments]), *capsys.readouterr())

    return run


def test_the_content_is_on_the_standard_output_and_the_thinking_on_stderr(chat):
    thinking = sse(chunk(delta={"reasoning_content": "Hm."}))
    with ScriptedServer(MODELS, Reply([thinking, *stream("\x1b[1mHel", "lo")])) as server:
        assert chat(server, "-p", "Hi", "--system", "Be brief", "--no-thinking") == (
            0,
            "\x1b[1mHello\n",
            "Hm.\n\n",
        )
    body = server.asked[1].body
    assert body["model"] == "first"
    assert body["thinking"] == {"type": "disabled"}
    assert [message["content"] for message in body["messages"]] == ["Be brief", "Hi"]


@pytest.mark.parametrize(("reason", "status"), [*STATUSES.items(), ("\x1b[2J", 1)])
def test_the_exit_status_is_that_of_the_finish_reason(chat, reason, status):
    with ScriptedServer(Reply(stream("Hi", reason=reason))) as server:
        found, out, err = chat(server, "--model", "m", "-p", "Hi")

    assert (found, out) == (status, "Hi\n")
    assert (err == "") == (status == 0)
    assert "\x1b" not in err


def test_the_message_is_read_from_the_standard_input(chat, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Two\nlines"))
    with ScriptedServer(Reply(stream("Hi"))) as server:
        assert chat(server, "--model", "m", "-p", "-")[0] == 0
    assert server.asked[0].body["messages"][0]["content"] == "Two\nlines"


def test_the_functions_of_a_file_are_called(chat, tmp_path):
    file = tmp_path / "tools.py"
    file.write_text("from pathlib import Path\ndef add(a: int, b: int) -> int:\n  return a + b\n")
    call = {"index": 0, "id": "1", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    calls = [
        sse(chunk(delta={"tool_calls": [call]})),
        sse(chunk(finish_reason="tool_calls")),
        sse("[DONE]"),
    ]
    with ScriptedServer(Reply(calls), Reply(stream("Three"))) as server:
        found = chat(server, "--model", "m", "--tools", str(file), "-p", "1 + 2?")
    assert found == (0, "Three\n", 'add {"a": 1, "b": 2}\n  -> 3\n')
    assert [tool["function"]["name"] for tool in server.asked[0].body["tools"]] == ["add"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "no such file"),
        ("import nothing_like_this", "cannot be imported: ModuleNotFoundError"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("exit(3)", "cannot be imported: SystemExit"),
        ("x = 1", "defines no functions"),
        ("def f(*rest): pass", "remove its parameter *rest"),
        ("def f(x: Missing): pass", "Missing"),
    ],
)
def test_a_tools_file_that_cannot_be_used_is_an_error(chat, tmp_path, source, message):
    file = tmp_path / "tools.py"
    if source is not None:
        file.write_text(source)
    status, out, err = chat(None, "--tools", str(file), "-p", "Hi")

    assert (status, out) == (1, "")
    assert err.startswith("headrace: ")
    assert message in err


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b'{"error":{"code":"1000","message":"wrong key"}}', status=401), "wrong key (status 401"),
        (
            Reply(b'{"error":{"code":"1211","message":"no \\u001b[2J"}}', status=400),
            "no \\u001b[2J (status 400",
        ),
    ],
)
def test_an_error_of_the_server_is_a_sentence(chat, reply, message):
    with ScriptedServer(reply) as server:
        status, out, err = chat(server, "-p", "Hi")

    assert (status, out) == (1, "")
    assert message in err


def test_without_a_server_the_error_names_the_remedy(chat, monkeypatch):
    monkeypatch.setattr("zai.streaming.reconnect.backoff", lambda _: 0, raising=False)
    monkeypatch.setattr("zai.http.retry.backoff", lambda _: 0)
    status, out, err = chat(None, "-p", "Hi")

    assert (status, out) == (1, "")
    assert err.startswith("headrace: http://127.0.0.1:9/v1: ")
    assert err.endswith("start a server with `headrace serve`, or set --base-url\n")


@pytest.mark.parametrize(("arguments", "message"), [([], "needs a terminal"), (["-p", " "], "is empty")])
def test_without_a_terminal_or_a_message_the_error_names_the_remedy(chat, arguments, message):
    status, out, err = chat(None, *arguments)

    assert (status, out) == (1, "")
    assert message in err
