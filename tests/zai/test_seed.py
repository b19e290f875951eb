"""The two programs of Z.ai's documentation run with only host and key changed.

The pages' text has lost its indentation, and has blanks within `f "…"`: both are restored.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripted_server import Reply, ScriptedServer, chunk, sse, stream

SEED = Path(__file__).parents[3] / "shared" / "seed"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SEED.exists(), reason="the reference material is not beside the repository"),
]


PROGRAMS = {
    "streaming-messages.txt": ("from zai import ZaiClient", "Response Example"),
    "stream-tool-call.txt": ("from zai import ZhipuAiClient", "应用场景"),
}
# The indentation of each line, by its first words; other lines have none.
DEPTH = {
    "streaming-messages.txt": {
        "for chunk in response": 0,
        "if not chunk.choices": 1,
        "continue": 2,
        "delta =": 1,
        "if hasattr (delta": 1,
        "full_content +=": 2,
        "print (delta": 2,
        "if chunk.choices": 1,
        'print ( f " \\n\\n Completion': 2,
        "if hasattr (chunk": 2,
        'print ( f "Token': 3,
    },
    "stream-tool-call.txt": {
        "for chunk in response": 0,
        "if not chunk.choices": 1,
        "continue": 2,
        "delta =": 1,
        "if hasattr(delta": 1,
        "if not reasoning_started": 2,
        'print("\\n🧠': 3,
        "reasoning_started = True": 3,
        "reasoning_content +=": 2,
        "print(delta.reasoning": 2,
        "if not content_started": 2,
        'print("\\n\\n💬': 3,
        "content_started = True": 3,
        "content +=": 2,
        "print(delta.content": 2,
        "if delta.tool_calls": 1,
        "for tool_call in": 2,
        "index = tool_call": 3,
        "if index not in": 3,
        "final_tool_calls[index] = tool_call": 4,
        "final_tool_calls[index].function.arguments": 4,
        "else:": 3,
        'print("\\n📋': 1,
        "for index, tool_call": 1,
        'print(f"': 2,
    },
}


def program(name, key):
    """Return the page's program, indented again, with a key."""
    page = (SEED / name).read_text("utf-8")
    start, end = PROGRAMS[name]
    lines = []
    for line in page[page.index(start) : page.index(end)].splitlines():
        depth = next((depth for words, depth in DEPTH[name].items() if line.startswith(words)), 0)
        lines.append("    " * depth + line)
    code = re.sub(r'\bf (?=")', "f", "\n".join(lines))
    return re.sub(r"(api_key ?= ?)'[^']*'", rf"\1'{key}'", code)


def run(name, server):
    environment = {**os.environ, "ZAI_BASE_URL": server.url, "PYTHONIOENCODING": "utf-8"}
    command = [os.environ.get("SEED_PYTHON", sys.executable), "-c", program(name, "id.secret")]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_streaming_messages():
    with ScriptedServer(Reply(stream("Spring", " comes"))) as server:
        out = run("streaming-messages.txt", server)
    assert out.startswith("Spring comes")
    assert "Completion reason: stop" in out
    assert "Token usage: Input 3 , Output 2" in out
    assert out.rstrip().endswith("Spring comes")
    assert server.asked[0].headers["authorization"] == "Bearer id.secret"


def test_stream_tool_call():
    def call(arguments, **head):
        function = {"arguments": arguments, **({"name": "get_weather"} if head else {})}
        return sse(
            chunk(delta={"tool_calls": [{"index": 0, "type": "function", "function": function, **head}]})
        )

    frames = [
        sse(chunk(delta={"role": "assistant", "reasoning_content": "Let me look."})),
        sse(chunk("One moment.")),
        call("", id="call_1"),
        call('{"location": '),
        call('"北京"}'),
        sse(chunk(finish_reason="tool_calls")),
        sse("[DONE]"),
    ]
    with ScriptedServer(Reply(frames)) as server:
        out = run("stream-tool-call.txt", server)
    assert "Let me look." in out
    assert "One moment." in out
    assert '0: 函数名: get_weather, 参数: {"location": "北京"}' in out
    assert server.asked[0].body["tool_stream"] is True
