"""`headrace chat` in a pseudo-terminal."""

import json
import threading

import pytest

from pseudo_terminal import PseudoTerminal
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream

MODELS = Reply(b'{"object":"list","data":[{"id":"m","object":"model"}]}')


@pytest.fixture
def chat(tmp_path):
    """Start the chat at a server."""

    def start(server, *arguments, **size):
        environment = {
            "ZAI_BASE_URL": server.url,
            "ZAI_API_KEY": "id.secret",
            "XDG_STATE_HOME": str(tmp_path),
        }
        return PseudoTerminal("chat", *arguments, **size, **environment)

    return start


def test_an_answer_is_stopped_pasted_lines_are_one_message_and_a_killed_server_ends_no_conversation(
    chat, tmp_path
):
    paragraphs = [sse(chunk(f"Line {n}.\n\n")) for n in range(40)]
    replies = [
        MODELS,
        headrace([*paragraphs, sse(chunk("The open"))], end="hold"),
        Reply(b""),  # DELETE
        headrace([sse(chunk("Before."), id=1)], end="cut"),
        headrace([sse(chunk(" After."), id=2), sse(chunk(finish_reason="stop"), id=3), sse("[DONE]")]),
        Reply(b'{"error":{"code":"1211","message":"no \\u001b]52;c;QQ==\\u0007 model"}}', status=400),
    ]
    with ScriptedServer(*replies) as server, chat(server) as terminal:
        terminal.wait_for("m: /help", ">")
        terminal.type("Count\r")
        terminal.wait_for("The open")
        terminal.type("\x03")
        terminal.wait_for("stopped")
        terminal.wait_until(lambda: server.asked[-1].method == "DELETE")
        assert [terminal.lines.count(f"Line {n}.") for n in range(40)] == [1] * 40

        terminal.type("\x1b[200~first\rsecond\x1b[201~\r")
        terminal.wait_for("Before. After.")
        assert terminal.text.count("Before.") == 1

        terminal.type("Again\r")
        terminal.wait_for("1211")
        assert b"\x1b]52" not in terminal.raw
        assert "no \\u001b]52;c;QQ==\\u0007 model" in terminal.text
        terminal.type(f"/save {tmp_path}/chat.json\r")
        terminal.wait_for("saved 4 messages")
        terminal.type("\x04")
        assert terminal.wait_for_exit() == 0

    asked = [each.body["messages"] for each in server.asked if each.body]
    assert [message["content"] for message in asked[1]][::2] == ["Count", "first\nsecond"]
    assert "DELETE" in [each.method for each in server.asked]
    saved = json.loads((tmp_path / "chat.json").read_text())
    assert [message["content"] for message in saved["messages"]][2:] == ["first\nsecond", "Before. After."]
    history = tmp_path / "headrace" / "chat_history"
    assert "+Count\n" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_a_terminal_that_becomes_narrower_in_mid_answer_shows_each_line_once(chat):
    goes_on = threading.Event()
    emoji = "👨‍👩‍👧🇨🇳❤️"
    table = "| 名称 | 价格 |\n|---|---|\n| 苹果 | 三元 |\n\n"
    before = stream("中" * 200 + "\n\n", table, f"{emoji}\n\n", "半开" * 30)[:-2]
    replies = MODELS, headrace([*before, goes_on, *stream("结尾\n\n", "完")])
    with ScriptedServer(*replies) as server, chat(server, columns=41, rows=12) as terminal:
        terminal.wait_for(">")
        terminal.type("长\r")
        terminal.wait_for("半开")
        wide = terminal.lines
        terminal.resize(23, 12)
        goes_on.set()
        terminal.wait_for("完")
        terminal.type("\x04")
        assert terminal.wait_for_exit() == 0
    assert [line for line in wide if "中" in line] == ["中" * 20] * 10
    assert emoji in terminal.raw.decode()
    narrow = [line for line in terminal.lines if line]
    assert [line for line in narrow if "中" in line] == ["中" * 12] * 10  # cut by pyte
    open_block = "".join(line for line in narrow if "半" in line or "开" in line)
    assert open_block == "半开" * 30 + "结尾"
    assert narrow[-2:] == ["完", ">"]
    assert sum("苹果" in line for line in narrow) == 1


def test_a_narrow_terminal_without_cursor_control_and_colours_shows_the_answer_once(chat):
    replies = MODELS, Reply(stream("one two three four five six\n\n", "end"))
    with ScriptedServer(*replies) as server:
        terminal = chat(server, columns=20, rows=10, TERM="dumb", NO_COLOR="1")
        with terminal:
            terminal.wait_for("/help")
            terminal.type("Hi\r")
            terminal.wait_for("end")
            terminal.type("\x04")
            assert terminal.wait_for_exit() == 0
    answer = [line for line in terminal.lines if line.startswith(("one", "five", "end"))]
    assert answer == ["one two three four", "five six", "end"]
    assert b"\x1b" not in terminal.raw.partition(b"> Hi")[2]
