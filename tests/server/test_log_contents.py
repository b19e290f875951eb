"""Messages and answers are in the log only on request."""

import json

import pytest

from headrace.engines import ScriptedEngine
from headrace.telemetry.settings import TelemetrySettings
from request_lines import line, lines
from wire_client import CHAT, HELLO

__all__ = ["line", "lines"]

SECRET = {
    "model": "glm-4.6",
    "messages": [
        {"role": "system", "content": "sesame-1"},
        {"role": "user", "content": [{"type": "text", "text": "sesame-2"}]},
        {
            "role": "assistant",
            "reasoning_content": "sesame-3",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a": "sesame-4"}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "sesame-5"},
    ],
    "tools": [{"type": "function", "function": {"name": "sesame_6", "parameters": {}}}],
    "stop": ["sesame-7"],
    "user_id": "sesame-8",
    "request_id": "sesame-9",
}
ANSWER = "<think>sesame-10</think>sesame-11\n<tool_call>sesame_6\n</tool_call>"


def everything(caplog):
    return "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


@pytest.mark.parametrize(
    "body",
    [SECRET, {**SECRET, "temperature": "sesame-12"}, {**SECRET, "model": "sesame-13"}, {"sesame-14": 1}],
)
def test_contents_are_not_logged(serve, lines, caplog, body):
    serve(ScriptedEngine(ANSWER)).post(CHAT, json=body)
    lines()

    assert "sesame" not in everything(caplog)


def test_contents_are_logged_on_request(serve, line):
    telemetry = TelemetrySettings(log_contents=True)
    client = serve(ScriptedEngine(ANSWER), telemetry=telemetry)
    client.post(CHAT, json={**SECRET, "stream": True})
    fields = line()

    assert fields["messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "sesame-1"}]},
        {"role": "user", "parts": [{"type": "text", "content": "sesame-2"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "sesame-3"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": '{"a": "sesame-4"}'},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "sesame-5"}]},
    ]
    assert fields["tools"] == SECRET["tools"]
    (answer,) = fields["answer"]
    assert answer["finish_reason"] == "tool_calls"
    thought, text, call = answer["parts"]
    assert (thought, text) == (
        {"type": "reasoning", "content": "sesame-10"},
        {"type": "text", "content": "sesame-11"},
    )
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("tool_call", "sesame_6", {})


def test_the_reason_of_a_rejection_is_logged_on_request(serve, line):
    client = serve(ScriptedEngine("Hi"), telemetry=TelemetrySettings(log_contents=True))
    client.post(CHAT, json={**HELLO, "top_p": "hot"})

    assert "top_p" in line()["error"]
