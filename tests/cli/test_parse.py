import io
import json
import subprocess
import sys

import pytest

from headrace.cli.main import main

TOOLS = [
    {
        "type": "function",
        "function": {"name": "find", "parameters": {"properties": {"limit": {"type": "integer"}}}},
    }
]
TEXT = "hm</think>你好<tool_call>find<arg_key>limit</arg_key><arg_value>3</arg_value></tool_call>"


@pytest.fixture
def parse(monkeypatch, capsys, tmp_path):
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))

    def run(*arguments, text=TEXT):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main(["parse", "--tools", str(tmp_path / "tools.json"), *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_each_event_is_a_line(parse):
    assert parse("--format", "glm-4.7") == [
        {"event": "Reasoning", "text": "hm"},
        {"event": "Content", "text": "你好"},
        {"event": "ToolCallStart", "index": 0, "name": "find", "id": "", "arguments": ""},
        {"event": "ToolCallArguments", "index": 0, "text": '{"limit":3}'},
        {"event": "ToolCallEnd", "index": 0},
    ]


def test_chunks_show_when_each_event_is_emitted(parse):
    lines = parse("--format", "glm-4.7", "--chunk-size", "1")

    assert [line["text"] for line in lines if line["event"] == "Reasoning"] == ["h", "m"]
    assert [line["text"] for line in lines if line["event"] == "Content"] == ["你", "好"]


def test_thinking_and_tool_stream_can_be_disabled(parse):
    lines = parse("--format", "glm-4.7", "--no-thinking", "--no-tool-stream", "--chunk-size", "1")

    assert "".join(line["text"] for line in lines if line["event"] == "Content") == "hm</think>你好"
    assert [line["arguments"] for line in lines if line["event"] == "ToolCallStart"] == ['{"limit":3}']


def test_the_message_for_an_unknown_family_lists_the_known_ones(parse, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("--format", "nonsense")
    assert "glm-4.6" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-1", "x"])
def test_a_chunk_has_at_least_one_character(parse, size):
    with pytest.raises(SystemExit, match="2"):
        parse("--format", "glm-4.7", "--chunk-size", size)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{}", "expected the list `tools` of a request"),
        ("no json", "expected the list `tools` of a request"),
        (None, "no such file"),
    ],
)
def test_invalid_tools_are_one_line_and_status_1(tmp_path, capsys, content, wrong):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_text(content)

    assert main(["parse", "--format", "glm-4.7", "--tools", str(path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"--tools {path}: " in line
    assert wrong in line


def test_a_reader_may_close_the_pipe():
    command = [sys.executable, "-m", "headrace", "parse", "--format", "glm-4.6", "--chunk-size", "1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        program.stdout.close()
        _, errors = program.communicate(b"Hello" * 10_000)

    assert (errors, program.returncode) == (b"", 0)
