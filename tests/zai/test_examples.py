"""The examples, which make the same calls as those in Z.ai's documentation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripted_server import Reply, ScriptedServer, chunk, sse, stream

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, server):
    environment = {
        **os.environ,
        "ZAI_BASE_URL": server.url,
        "ZAI_API_KEY": "id.secret",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_streaming_prints_the_answer_the_finish_reason_and_the_usage():
    with ScriptedServer(Reply(stream("Spring", " comes"))) as server:
        out = run("streaming", server)
    assert out.startswith("Spring comes")
    assert "Completion reason: stop" in out
    assert "Token usage: Input 3, Output 2" in out
    assert out.endswith("Complete content:\nSpring comes\n")
    assert server.asked[0].body["stream"] is True


@pytest.mark.parametrize("pieces", [['{"location": "北京"}'], ['{"loc', 'ation": "北', '京"}']])
def test_stream_tool_call_prints_the_reasoning_and_the_joined_arguments(pieces):
    def call(arguments, **head):
        function = {"arguments": arguments, **({"name": "get_weather"} if head else {})}
        return sse(
            chunk(delta={"tool_calls": [{"index": 0, "type": "function", "function": function, **head}]})
        )

    frames = [
        sse(chunk(delta={"role": "assistant", "reasoning_content": "Let me look."})),
        sse(chunk("One moment.")),
        call("", id="call_1"),
        *map(call, pieces),
        sse(chunk(finish_reason="tool_calls")),
        sse("[DONE]"),
    ]
    with ScriptedServer(Reply(frames)) as server:
        out = run("stream_tool_call", server)
    assert "Let me look." in out
    assert "One moment." in out
    assert '0: 函数名: get_weather, 参数: {"location": "北京"}' in out
    assert server.asked[0].body["tool_stream"] is True
